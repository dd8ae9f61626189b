//! The intake: many sensors into sealed uploads, and what becomes of odd readings.
#![cfg(all(feature = "csv", feature = "json", feature = "pco"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use cpchain_crypto::{SigningKey, key_tree::StreamSecret};
use cpchain_storage::{
    CodecRegistry, Reading, StreamConfig, Upload,
    gateway::{
        Background, CsvError, CsvOptions, CsvSource, DAY_MS, Event, Intake, IntakeError, IntakeFigures, IntakeOptions,
        JsonOptions, JsonSource, Plan, Readings, Sample, Source, SourceError,
    },
    read_object, voucher,
};
use support::*;

fn secret_of(sensor: &str) -> StreamSecret {
    StreamSecret::from_bytes(*blake3::hash(sensor.as_bytes()).as_bytes())
}

/// Daily blocks, uploads of two days; columns `a` and `b`.
fn plan(sensor: &str, _: &[String]) -> Option<Plan> {
    let config =
        StreamConfig { blocks_per_interval: 1, intervals_per_upload: 2, ..StreamConfig::new(sensor, ["a", "b"]) };
    (!sensor.starts_with("stranger")).then(|| Plan { config, secret: secret_of(sensor) })
}

fn options() -> IntakeOptions {
    let wait = Duration::from_millis(10);
    IntakeOptions { batch: 7, max_waiting: 2, wait, retry: wait, ..IntakeOptions::default() }
}

fn intake(dir: &Path) -> Intake<SigningKey> {
    Intake::open(dir, options(), owner(), CodecRegistry::default(), plan).unwrap()
}

fn run(dir: &Path, source: &mut dyn Source) -> (IntakeFigures, Vec<Upload>) {
    let mut uploads = Vec::new();
    let deliver = |upload: &Upload| {
        uploads.push(upload.clone());
        Ok(())
    };
    let figures = intake(dir).run(source, deliver, &AtomicBool::new(false), |_| {}).unwrap();
    (figures, uploads)
}

fn rows(uploads: &[Upload], sensor: &str) -> Vec<Reading> {
    let of_sensor: Vec<_> =
        uploads.iter().filter(|upload| upload.manifest.body().stream.name() == sensor).cloned().collect();
    voucher::verify_chain(of_sensor.iter().map(|upload| &upload.voucher)).unwrap();
    let codecs = CodecRegistry::default();
    let key = secret_of(sensor);
    let read = |upload: &Upload| read_object(&upload.manifest, 0..u32::MAX, &upload.object, &key, &codecs).unwrap();
    of_sensor.iter().flat_map(|upload| read(upload).rows().collect::<Vec<_>>()).collect()
}

/// What is written down, event by event.
struct Script {
    events: std::vec::IntoIter<Event>,
    given: u64,
    durable: Arc<AtomicU64>,
}

impl Script {
    fn new(events: Vec<Event>) -> Self {
        Self { events: events.into_iter(), given: 0, durable: Arc::default() }
    }
}

impl Source for Script {
    fn next(&mut self, _: Duration) -> Result<Event, SourceError> {
        self.given += 1;
        Ok(self.events.next().unwrap_or(Event::End))
    }

    fn durable(&mut self) -> Result<(), SourceError> {
        self.durable.store(self.given, Ordering::SeqCst);
        Ok(())
    }
}

fn event(sensor: &str, reading: Reading) -> Event {
    Event::Sample(Sample::new(sensor, ["a", "b"], reading))
}

#[test]
fn readings_of_many_sensors_become_a_stream_each() {
    let dir = tempfile::tempdir().unwrap();
    let sensors = ["roof", "cellar", "north/wall", "ünïcode"];
    let events = readings(0..5).into_iter().flat_map(|r| sensors.map(|sensor| event(sensor, r.clone()))).collect();
    let (figures, uploads) = run(dir.path(), &mut Script::new(events));
    assert_eq!((figures.readings, figures.sealed, figures.delivered), (4 * 20, 4 * 3, 4 * 3));
    for sensor in sensors {
        assert_eq!(rows(&uploads, sensor), readings(0..5), "{sensor}");
    }
}

#[test]
fn each_odd_reading_has_its_answer() {
    let dir = tempfile::tempdir().unwrap();
    let reading = |at_ms, a, b| Reading::new(at_ms, vec![a, b]);
    let strange = |columns: &[&str], values: &[f64]| {
        Event::Sample(Sample::new("roof", columns.to_vec(), Reading::new(DAY_MS + 9, values.to_vec())))
    };
    let nan = f64::from_bits(0x7ff8_0000_0000_0042);
    let events = vec![
        event("roof", reading(5, 1.0, 2.0)),
        event("roof", reading(DAY_MS, 1.0, nan)),
        event("roof", reading(DAY_MS, 1.0, nan)),
        event("roof", reading(DAY_MS, 1.5, nan)),
        event("roof", reading(DAY_MS - 1, 1.0, 2.0)),
        event("roof", reading(5, 1.0, 2.0)),
        strange(&["b"], &[7.0]),
        strange(&["a", "c"], &[1.0, 2.0]),
        strange(&["a", "b"], &[1.0]),
        event("roof", Reading { payload: "image".into(), ..reading(DAY_MS + 20, 1.0, 2.0) }),
        event("stranger", reading(5, 1.0, 2.0)),
        Event::Malformed("noise".to_owned()),
        Event::Idle,
        event("roof", reading(DAY_MS + 30, f64::INFINITY, -0.0)),
    ];
    let (figures, uploads) = run(dir.path(), &mut Script::new(events));
    let expected = IntakeFigures {
        readings: 4,
        repeated: 1,
        conflicting: 1,
        late: 2,
        refused: 3,
        unknown: 1,
        malformed: 1,
        sealed: 1,
        delivered: 1,
        ..IntakeFigures::default()
    };
    assert_eq!(figures, expected);
    let bits = |r: &Reading| (r.at_ms, r.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>());
    let kept = [
        reading(5, 1.0, 2.0),
        reading(DAY_MS, 1.0, nan),
        reading(DAY_MS + 9, f64::NAN, 7.0),
        reading(DAY_MS + 30, f64::INFINITY, -0.0),
    ];
    assert!(rows(&uploads, "roof").iter().map(bits).eq(kept.iter().map(bits)));
}

#[test]
fn lines_of_json() {
    let dir = tempfile::tempdir().unwrap();
    let text = concat!(
        r#"{"sensor":"roof","time":"1970-01-01T00:00:01Z","a":1.5,"b":null}"#,
        "\n\n",
        r#"{"b":2,"a":1e3,"ts":2000}"#,
        "\n",
        r#"{"time":3000,"a":"hot","b":1}"#,
        "\n",
        r#"{"time":-5,"a":1,"b":1}"#,
        "\n",
        r#"{"time":4000,"date":1,"a":1,"b":1}"#,
        "\n{\"a\":1}\nnull\n[1]\n{\"time\":5000,\"a\":1e999}\n\u{1}\n",
        r#"{"time":6000,"a":0.1,"b":-7}"#,
    );
    let long = [text, "\n", &" ".repeat(3 << 20), "\n", r#"{"time":7000,"a":7,"b":7}"#].concat();
    let options = JsonOptions { sensor: Some("roof".to_owned()), ..JsonOptions::default() };
    let source = JsonSource::new(std::io::Cursor::new(long), options);
    let (figures, uploads) = run(dir.path(), &mut Background::new(source, 4));
    assert_eq!((figures.readings, figures.malformed), (4, 9));
    let rows = rows(&uploads, "roof");
    assert!(rows[0].values[1].is_nan());
    assert_eq!(
        rows[1..],
        [
            Reading::new(2000, vec![1000.0, 2.0]),
            Reading::new(6000, vec![0.1, -7.0]),
            Reading::new(7000, vec![7.0, 7.0]),
        ]
    );
}

#[test]
fn a_csv_file_is_a_source_and_its_error_names_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = Readings::new("roof", ["b", "a"], csv("time,b,a\n5,2,1\n6,x,1\n"));
    let result = intake(dir.path()).run(&mut source, |_| Ok(()), &AtomicBool::new(false), |_| {});
    let Err(IntakeError::Source(error)) = result else { panic!("{result:?}") };
    assert!(matches!(error.downcast_ref::<CsvError>(), Some(CsvError::BadNumber { line: 3, .. })));
    // Mended and read again: what was sealed or not makes no difference.
    let mut source = Readings::new("roof", ["b", "a"], csv("time,b,a\n5,2,1\n6,3,1\n"));
    let (_, uploads) = run(dir.path(), &mut source);
    assert_eq!(rows(&uploads, "roof"), [Reading::new(5, vec![1.0, 2.0]), Reading::new(6, vec![1.0, 3.0])]);
    // An empty one.
    let mut source = Readings::new("cellar", ["a", "b"], std::iter::empty::<Result<Reading, CsvError>>());
    assert_eq!(run(dir.path(), &mut source).0.sealed, 0);
}

fn csv(text: &'static str) -> CsvSource<&'static [u8]> {
    CsvSource::from_reader(text.as_bytes(), &CsvOptions::default()).unwrap()
}

#[test]
fn more_streams_than_allowed_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let options = IntakeOptions { max_streams: 3, ..options() };
    let mut intake = Intake::open(dir.path(), options, owner(), CodecRegistry::default(), plan).unwrap();
    let events = (0..10).map(|n| event(&format!("s{n}"), readings(0..1)[0].clone())).collect();
    let figures = intake.run(&mut Script::new(events), |_| Ok(()), &AtomicBool::new(false), |_| {}).unwrap();
    assert_eq!((figures.readings, figures.unknown), (3, 7));
}

#[test]
fn a_slow_uploader_slows_the_source() {
    let dir = tempfile::tempdir().unwrap();
    let most = Mutex::new(0);
    let count = |dir: &Path| {
        let folders = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path().join("outbox"));
        folders.map(|outbox| std::fs::read_dir(outbox).unwrap().count()).sum::<usize>()
    };
    let mut fails = 0;
    let deliver = |_: &Upload| {
        std::thread::sleep(Duration::from_millis(20));
        let mut most = most.lock().unwrap();
        *most = count(dir.path()).max(*most);
        fails += 1;
        if fails % 3 == 0 { Err("the network is away".into()) } else { Ok(()) }
    };
    let events = readings(0..40).into_iter().map(|reading| event("roof", reading)).collect();
    let figures = intake(dir.path()).run(&mut Script::new(events), deliver, &AtomicBool::new(false), |_| {}).unwrap();
    assert_eq!((figures.readings, figures.delivered), (160, 20));
    assert!(figures.failed_deliveries >= 9);
    // Two that wait, and one that the reading at hand sealed.
    assert!((2..=3).contains(&*most.lock().unwrap()), "{most:?}");
    assert_eq!(count(dir.path()), 0);
}

#[test]
fn a_source_is_told_after_the_sync() {
    let dir = tempfile::tempdir().unwrap();
    let all = readings(0..3);
    let mut source = Script::new(all.iter().map(|reading| event("roof", reading.clone())).collect());
    let durable = source.durable.clone();
    let stop = AtomicBool::new(false);
    let stopped = Mutex::new(0);
    // Stopped in the middle: what it was told is on the disk.
    let progress = |figures: IntakeFigures| {
        if figures.readings >= 7 {
            stop.store(true, Ordering::SeqCst);
        }
        *stopped.lock().unwrap() = durable.load(Ordering::SeqCst);
    };
    intake(dir.path()).run(&mut source, |_| Ok(()), &stop, progress).unwrap();
    let told = usize::try_from(*stopped.lock().unwrap()).unwrap();
    assert_eq!(told, 7);
    let rest = all[told..].iter().map(|reading| event("roof", reading.clone())).collect();
    let (figures, uploads) = run(dir.path(), &mut Script::new(rest));
    assert_eq!(figures.readings, 5);
    assert_eq!(rows(&uploads, "roof"), all);
}

#[test]
fn what_an_earlier_run_left_is_delivered_first() {
    let dir = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let deliver = |_: &Upload| {
        stop.store(true, Ordering::SeqCst);
        Err("no network".into())
    };
    let events = readings(0..4).into_iter().map(|reading| event("roof", reading)).collect();
    let figures = intake(dir.path()).run(&mut Script::new(events), deliver, &stop, |_| {}).unwrap();
    assert_eq!(figures.delivered, 0);
    // Nothing comes any more, and still it goes out.
    let (figures, uploads) = run(dir.path(), &mut Script::new(Vec::new()));
    assert!(figures.delivered >= 1);
    let rows = rows(&uploads, "roof");
    assert_eq!(rows, readings(0..4)[..rows.len()]);
    assert!(rows.len() >= 8);
}

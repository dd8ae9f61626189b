//! The MQTT source against a real broker: mosquitto, from the PATH or /usr/sbin (Debian: `apt-get install mosquitto`).
//!
//! `cargo test -p cpchain-storage --features mqtt --test mqtt -- --ignored`
#![cfg(all(unix, feature = "mqtt", feature = "pco"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use cpchain_crypto::SigningKey;
use cpchain_storage::{
    CodecRegistry, Reading, StreamConfig, Upload,
    gateway::{
        Event, Intake, IntakeFigures, IntakeOptions, MqttOptions, MqttPayload, MqttSource, MqttVersion, Plan, Source,
    },
    read_object, voucher,
};
use rumqttc::{AsyncClient, Packet, QoS};
use support::*;

const CHILD: &str = "CPCHAIN_STORAGE_MQTT_TEST_FOLDER";
const PORT: &str = "CPCHAIN_STORAGE_MQTT_TEST_PORT";
const VERSION: &str = "CPCHAIN_STORAGE_MQTT_TEST_VERSION";

fn mosquitto() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).chain(["/usr/sbin".into()]).map(|dir| dir.join("mosquitto")).find(|p| p.exists());
    found.expect("these tests need mosquitto: apt-get install mosquitto")
}

/// A broker that keeps its sessions and messages in a folder.
struct Broker {
    process: Child,
    dir: PathBuf,
    port: u16,
}

impl Broker {
    fn start(dir: &Path) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        Self { process: Self::spawn(dir, port), dir: dir.to_path_buf(), port }
    }

    fn spawn(dir: &Path, port: u16) -> Child {
        let store = dir.display();
        let config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {store}/\n\
             autosave_interval 1\nautosave_on_changes true\nuser root\nmax_queued_messages 0\n"
        );
        std::fs::write(dir.join("mosquitto.conf"), config).unwrap();
        let mut command = Command::new(mosquitto());
        command.arg("-c").arg(dir.join("mosquitto.conf")).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(10), "the broker does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    /// Ends it as a service is ended, so that it writes its sessions down, and starts it again.
    fn restart(&mut self) {
        Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        self.process.wait().unwrap();
        std::thread::sleep(Duration::from_millis(200));
        self.process = Self::spawn(&self.dir, self.port);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn options(port: u16, version: MqttVersion) -> MqttOptions {
    MqttOptions { port, version, ..MqttOptions::new("127.0.0.1", "gateway", ["site/#"]) }
}

fn reading(n: u64) -> Reading {
    Reading::new(n * 100, vec![(n % 89) as f64 / 10.0])
}

/// Publishes readings with QoS 1; returns when the broker has acknowledged them all. Goes on when the broker is away.
fn publish(port: u16, topic: &str, numbers: std::ops::Range<u64>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connect = rumqttc::MqttOptions::new(format!("sensor-{topic}"), "127.0.0.1", port);
        connect.set_clean_session(false);
        let (client, mut connection) = AsyncClient::new(connect, 16);
        let (topic, count) = (topic.to_owned(), numbers.end - numbers.start);
        tokio::spawn(async move {
            for n in numbers {
                let text = format!("{{\"time\":{},\"a\":{}}}", reading(n).at_ms, reading(n).values[0]);
                client.publish(topic.clone(), QoS::AtLeastOnce, false, text).await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        let mut acknowledged = 0;
        while acknowledged < count {
            match connection.poll().await {
                Ok(rumqttc::Event::Incoming(Packet::PubAck(_))) => acknowledged += 1,
                Ok(_) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    });
}

fn plan(sensor: &str) -> Plan {
    let of_stream = StreamConfig::new(sensor, ["a"]);
    // A client that connects again sends what was not acknowledged in another order: the block must be open as long.
    let period_ms = if sensor == "site/cellar" { 1_000_000 } else { 10_000 };
    let config = StreamConfig { period_ms, blocks_per_interval: 2, intervals_per_upload: 1, ..of_stream };
    Plan { config, secret: secret() }
}

fn intake(dir: &Path) -> Intake<SigningKey> {
    let wait = Duration::from_millis(20);
    let options = IntakeOptions { batch: 32, wait, ..IntakeOptions::default() };
    Intake::open(dir.join("state"), options, owner(), CodecRegistry::default(), |sensor, _| Some(plan(sensor))).unwrap()
}

/// Takes messages until `enough` says so, then stops; what is delivered is kept in the folder.
fn take(dir: &Path, source: &mut dyn Source, enough: impl Fn(IntakeFigures) -> bool) -> IntakeFigures {
    std::fs::create_dir_all(dir.join("delivered")).unwrap();
    let stop = AtomicBool::new(false);
    let deliver = |upload: &Upload| {
        let file = dir.join("delivered").join(format!("{:08}", upload.number()));
        // Whole or not at all, and the second time is the first.
        if file.with_extension("manifest").exists() {
            return Ok(());
        }
        std::fs::write(file.with_extension("object"), &upload.object)?;
        std::fs::write(file.with_extension("voucher"), upload.voucher.bytes())?;
        std::fs::write(file.with_extension("part"), upload.manifest.bytes())?;
        Ok(std::fs::rename(file.with_extension("part"), file.with_extension("manifest"))?)
    };
    let begin = Instant::now();
    let progress = |figures| {
        if enough(figures) || begin.elapsed() > Duration::from_secs(120) {
            stop.store(true, Ordering::SeqCst);
        }
    };
    intake(dir).run(source, deliver, &stop, progress).unwrap()
}

/// All that was ever sealed, after what is open is sealed too.
fn all_rows(dir: &Path) -> Vec<Reading> {
    let nothing =
        &mut cpchain_storage::gateway::Readings::new("none", ["a"], std::iter::empty::<Result<_, std::io::Error>>());
    take(dir, nothing, |_| false);
    let mut names: Vec<_> =
        std::fs::read_dir(dir.join("delivered")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|end| end == "manifest"));
    names.sort();
    let read = |path: &Path, end: &str| bytes::Bytes::from(std::fs::read(path.with_extension(end)).unwrap());
    let uploads: Vec<_> = names
        .iter()
        .map(|path| Upload {
            manifest: cpchain_storage::Manifest::decode(read(path, "manifest")).unwrap(),
            voucher: cpchain_storage::Voucher::decode(read(path, "voucher")).unwrap(),
            object: read(path, "object"),
        })
        .collect();
    voucher::verify_chain(uploads.iter().map(|upload| &upload.voucher)).unwrap();
    let codecs = CodecRegistry::default();
    let rows = |upload: &Upload| {
        read_object(&upload.manifest, 0..u32::MAX, &upload.object, &secret(), &codecs)
            .unwrap()
            .rows()
            .collect::<Vec<_>>()
    };
    uploads.iter().flat_map(rows).collect()
}

const VERSIONS: [MqttVersion; 2] = [MqttVersion::V3, MqttVersion::V5];

/// Begins the session, so that the broker keeps messages for it.
fn subscribe(port: u16, version: MqttVersion) -> MqttSource {
    let mut source = MqttSource::new(options(port, version)).unwrap();
    let probe = "site/probe";
    let begin = Instant::now();
    loop {
        publish_text(port, probe, "not a reading");
        if matches!(source.next(Duration::from_millis(200)).unwrap(), Event::Malformed(_)) {
            source.durable().unwrap();
            return source;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "no message came");
    }
}

fn publish_text(port: u16, topic: &str, text: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, mut connection) = AsyncClient::new(rumqttc::MqttOptions::new("probe", "127.0.0.1", port), 4);
        client.publish(topic, QoS::AtLeastOnce, false, text).await.unwrap();
        while !matches!(connection.poll().await, Ok(rumqttc::Event::Incoming(Packet::PubAck(_)))) {}
    });
}

#[test]
#[ignore = "needs mosquitto"]
fn readings_survive_a_restart_of_the_broker() {
    for version in VERSIONS {
        let dir = tempfile::tempdir().unwrap();
        let mut broker = Broker::start(dir.path());
        let port = broker.port;
        let mut source = subscribe(port, version);
        let sensor = std::thread::spawn(move || publish(port, "site/cellar", 0..1000));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..3 {
                    std::thread::sleep(Duration::from_millis(700));
                    broker.restart();
                }
            });
            let figures = take(dir.path(), &mut source, |figures| figures.readings >= 1000);
            assert_eq!((figures.readings, figures.refused, figures.unknown), (1000, 0, 0), "{version:?} {figures:?}");
        });
        sensor.join().unwrap();
        assert_eq!(all_rows(dir.path()), (0..1000).map(reading).collect::<Vec<_>>());
    }
}

#[test]
#[ignore = "needs mosquitto"]
fn nothing_is_acknowledged_before_it_is_durable() {
    for version in VERSIONS {
        let dir = tempfile::tempdir().unwrap();
        let broker = Broker::start(dir.path());
        let mut source = subscribe(broker.port, version);
        publish(broker.port, "site/roof", 0..10);
        let mut given = 0;
        while given < 10 {
            given += u64::from(matches!(source.next(Duration::from_secs(1)).unwrap(), Event::Sample(_)));
        }
        // Gone before it was told that they are durable: all ten come again, and once they are, never more.
        drop(source);
        let mut source = MqttSource::new(options(broker.port, version)).unwrap();
        let figures = take(dir.path(), &mut source, |figures| figures.readings >= 10);
        assert_eq!(figures.readings, 10, "{version:?}");
        std::thread::sleep(Duration::from_secs(2));
        drop(source);
        let mut source = MqttSource::new(options(broker.port, version)).unwrap();
        publish(broker.port, "site/roof", 10..11);
        let mut next = || loop {
            if let Event::Sample(sample) = source.next(Duration::from_secs(1)).unwrap() {
                return sample;
            }
        };
        let sample = next();
        assert_eq!((&*sample.sensor, sample.reading), ("site/roof", reading(10)));
    }
}

#[test]
#[ignore = "needs mosquitto"]
fn opaque_messages() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    drop(subscribe(broker.port, MqttVersion::V5));
    let options = MqttOptions { payload: MqttPayload::Opaque, ..options(broker.port, MqttVersion::V5) };
    let mut source = MqttSource::new(options).unwrap();
    publish_text(broker.port, "site/can", "frame");
    let event = loop {
        match source.next(Duration::from_secs(1)).unwrap() {
            Event::Idle => {}
            // A probe that was not acknowledged comes again.
            Event::Sample(sample) if &*sample.sensor == "site/probe" => {}
            event => break event,
        }
    };
    let Event::Sample(sample) = event else { panic!("{event:?}") };
    assert_eq!((&*sample.sensor, &sample.reading.payload[..]), ("site/can", &b"frame"[..]));
    assert!(sample.reading.at_ms > 1_700_000_000_000);
}

/// Not a test of its own: what the killed process does.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let port = std::env::var(PORT).unwrap().parse().unwrap();
    let version = if std::env::var(VERSION).unwrap() == "5" { MqttVersion::V5 } else { MqttVersion::V3 };
    let mut source = MqttSource::new(options(port, version)).unwrap();
    take(Path::new(&dir), &mut source, |_| false);
}

#[test]
#[ignore = "needs mosquitto"]
fn a_killed_subscriber_loses_and_repeats_nothing() {
    for (name, version) in [("3", MqttVersion::V3), ("5", MqttVersion::V5)] {
        let dir = tempfile::tempdir().unwrap();
        let broker = Broker::start(dir.path());
        let port = broker.port;
        drop(subscribe(port, version));
        let sensor = std::thread::spawn(move || publish(port, "site/roof", 0..2000));
        for round in 0..10u64 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "child"])
                .env(CHILD, dir.path())
                .env(PORT, port.to_string())
                .env(VERSION, name)
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(150 + round * 61 % 400));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        sensor.join().unwrap();
        // What is left, until nothing comes for a while.
        let mut source = MqttSource::new(options(port, version)).unwrap();
        let last = std::sync::Mutex::new((Instant::now(), IntakeFigures::default()));
        take(dir.path(), &mut source, |figures| {
            let mut last = last.lock().unwrap();
            if last.1 != figures {
                *last = (Instant::now(), figures);
            }
            last.0.elapsed() > Duration::from_secs(2)
        });
        assert_eq!(all_rows(dir.path()), (0..2000).map(reading).collect::<Vec<_>>(), "{version:?}");
    }
}

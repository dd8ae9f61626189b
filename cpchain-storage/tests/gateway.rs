//! The gateway: how readings are cut, and what it does after a restart.
#![cfg(all(feature = "csv", feature = "pco"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use cpchain_crypto::{Digest, SigningKey, block::SealedBlock, key_tree::IntervalId};
use cpchain_storage::{
    CodecRegistry, Gateway, GatewayError, Reading, StreamConfig, Table, Upload,
    gateway::{CsvError, DAY_MS, Recovered},
    read_object, voucher,
};
use support::*;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Csv(#[from] CsvError),
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

#[test]
fn a_year_of_weather_is_365_blocks_53_intervals_14_uploads() {
    let dir = tempfile::tempdir().unwrap();
    let source = weather();
    let config = StreamConfig::new("seattle", source.columns());
    let mut gateway = Gateway::open(config, secret(), owner(), CodecRegistry::default(), dir.path()).unwrap();
    let uploads: Vec<Upload> = gateway.uploads(source.map(|r| r.map_err(Error::from))).map(Result::unwrap).collect();

    let bodies: Vec<_> = uploads.iter().map(|upload| upload.manifest.body()).collect();
    assert_eq!(bodies.len(), 14);
    assert_eq!(bodies.iter().map(|body| body.blocks.len()).sum::<usize>(), 365);
    assert_eq!(bodies.iter().map(|body| body.intervals.len()).sum::<usize>(), 53);

    let mut read = Table::new(["pressure", "temperature", "wind"]).unwrap();
    for (i, upload) in uploads.iter().enumerate() {
        assert!(upload.manifest.verify(&upload.object).is_ok());
        upload.manifest.follows(i.checked_sub(1).map(|i| &uploads[i].manifest)).unwrap();
        let rows = read_object(&upload.manifest, 0..u32::MAX, &upload.object, &secret(), &CodecRegistry::default());
        read.append(&rows.unwrap()).unwrap();
    }
    voucher::verify_chain(uploads.iter().map(|upload| &upload.voucher)).unwrap();
    let expected: Vec<Reading> = weather().map(Result::unwrap).collect();
    assert_eq!(expected.len(), 8759);
    assert!(read.rows().eq(expected));
    // An upload of four weeks is a fraction of its text, and its manifest fits a DHT record.
    assert!(bodies[0].object.length < 16_000, "{}", bodies[0].object.length);
    assert!(uploads[0].manifest.bytes().len() < 7 * 1024);
}

#[test]
fn a_gap_in_the_data_skips_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let mut gateway = gateway(dir.path());
    for reading in readings(0..2).into_iter().chain(readings(9..10)) {
        gateway.push(reading).unwrap();
    }
    let upload = gateway.finish().unwrap().unwrap();
    let blocks = &upload.manifest.body().blocks;
    assert_eq!(blocks.iter().map(|block| block.index).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(blocks.iter().map(|block| block.start_ms).collect::<Vec<_>>(), [0, DAY_MS, 9 * DAY_MS]);
}

#[test]
fn blocks_begin_at_multiples_of_the_period_and_readings_at_the_edge_belong_to_the_later_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut gateway = gateway(dir.path());
    for at_ms in [DAY_MS - 1, DAY_MS, DAY_MS + 1] {
        gateway.push(Reading::new(at_ms, vec![0.0, 0.0])).unwrap();
    }
    let upload = gateway.finish().unwrap().unwrap();
    let counts: Vec<_> = upload.manifest.body().blocks.iter().map(|block| (block.start_ms, block.count)).collect();
    assert_eq!(counts, [(0, 1), (DAY_MS, 2)]);
}

#[test]
fn a_finished_stream_goes_on_in_a_new_interval() {
    let dir = tempfile::tempdir().unwrap();
    let mut gateway = gateway(dir.path());
    gateway.push(readings(0..1)[0].clone()).unwrap();
    let first = gateway.finish().unwrap().unwrap();
    // The same day goes on: a block of its own, under another key.
    for reading in &readings(0..1)[1..] {
        gateway.push(reading.clone()).unwrap();
    }
    let second = gateway.finish().unwrap().unwrap();
    second.manifest.follows(Some(&first.manifest)).unwrap();
    assert_eq!(second.manifest.body().blocks[0].index, 1);
    assert_eq!(second.manifest.body().intervals[0].interval, IntervalId(1));
    assert!(gateway.finish().unwrap().is_none());
}

#[test]
fn a_restart_that_cannot_prove_the_counter_starts_the_next_interval() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = dir.path().join("outbox");
    let mut first = gateway(dir.path());
    // The power goes between the counter and the outbox: here, the outbox does not take the upload.
    std::fs::remove_dir_all(&outbox).unwrap();
    let mut pushed = readings(0..5).into_iter().map(|reading| first.push(reading));
    assert!(matches!(pushed.find(|result| result.is_err()), Some(Err(GatewayError::Io { .. }))));
    drop(pushed);
    drop(first);

    let mut second = gateway(dir.path());
    assert_eq!(second.sealed_until_ms(), None, "nothing came out");
    assert_eq!(second.recovered(), Recovered { readings: 0, blocks: 4, torn_bytes: 0 });
    assert_eq!(second.accepted_until_ms(), readings(0..4).last().map(|reading| reading.at_ms));
    let made = readings(4..5).into_iter().filter_map(|reading| second.push(reading).unwrap()).collect::<Vec<_>>();
    let body = made[0].manifest.body();
    assert_eq!(body.blocks[0].index, 0);
    assert_eq!(rows(&made), readings(0..4));
    // Intervals 0 and 1 may have sealed blocks 0 to 3: they are never used again.
    assert_eq!(body.intervals.iter().map(|entry| entry.interval.0).collect::<Vec<_>>(), [2, 3]);
}

fn rows(uploads: &[Upload]) -> Vec<Reading> {
    let codecs = CodecRegistry::default();
    let read =
        |upload: &Upload| read_object(&upload.manifest, 0..u32::MAX, &upload.object, &secret(), &codecs).unwrap();
    uploads.iter().flat_map(|upload| read(upload).rows().collect::<Vec<_>>()).collect()
}

#[test]
fn synced_readings_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let all = readings(0..6);
    let mut made = Vec::new();
    for (at, reading) in all.iter().enumerate() {
        let mut gateway = gateway(dir.path());
        assert_eq!(gateway.accepted_until_ms(), at.checked_sub(1).map(|at| all[at].at_ms));
        made.extend(gateway.push(reading.clone()).unwrap());
        gateway.sync().unwrap();
    }
    made.extend(gateway(dir.path()).finish().unwrap());
    assert_eq!(rows(&made), all);
    voucher::verify_chain(made.iter().map(|upload| &upload.voucher)).unwrap();
}

#[test]
fn readings_of_the_open_block_come_in_any_order() {
    let dir = tempfile::tempdir().unwrap();
    let all = readings(0..2);
    for at in [3, 0, 2, 1, 7, 5] {
        let mut gateway = gateway(dir.path());
        gateway.push(all[at].clone()).unwrap();
        gateway.sync().unwrap();
    }
    let mut gateway = gateway(dir.path());
    for refused in [0, 3, 5, 7] {
        assert!(matches!(gateway.push(all[refused].clone()), Err(GatewayError::Order { .. })), "{refused}");
    }
    gateway.push(all[4].clone()).unwrap();
    gateway.push(all[6].clone()).unwrap();
    assert_eq!(rows(&[gateway.finish().unwrap().unwrap()]), all);
}

#[test]
fn a_torn_journal_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let all = readings(0..1);
    let mut first = gateway(dir.path());
    first.push(all[0].clone()).unwrap();
    first.sync().unwrap();
    first.push(all[1].clone()).unwrap();
    first.sync().unwrap();
    drop(first);
    let file = dir.path().join("open.readings");
    let whole = std::fs::read(&file).unwrap();
    let plain = 15.5f64.to_bits().to_le_bytes();
    assert!(!whole.windows(8).any(|bytes| bytes == plain), "readings are sealed on the disk");
    let ends: Vec<u64> = (0..whole.len())
        .map(|length| {
            std::fs::write(&file, &whole[..length]).unwrap();
            // A copy: opening writes the file anew.
            let copy = tempfile::tempdir().unwrap();
            std::fs::create_dir(copy.path().join("outbox")).unwrap();
            for name in ["counter", "open.blocks", "open.readings"] {
                std::fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
            }
            gateway(copy.path()).recovered().readings
        })
        .collect();
    assert!(ends.is_sorted() && ends.contains(&0) && ends.ends_with(&[1]), "{ends:?}");
    // Damage is never read as a reading.
    for at in [40, 90, 100, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&file, &damaged).unwrap();
        let found = gateway(dir.path()).recovered();
        assert!(found.readings < 2, "{found:?}");
    }
}

#[test]
fn other_columns_wait_for_the_old_ones() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = gateway(dir.path());
    first.push(readings(0..1)[0].clone()).unwrap();
    first.sync().unwrap();
    drop(first);
    let other = StreamConfig { columns: vec!["a".to_owned()], ..config() };
    let open = |config| Gateway::open(config, secret(), owner(), CodecRegistry::default(), dir.path());
    assert!(matches!(open(other.clone()), Err(GatewayError::ShapeChanged)));
    open(config()).unwrap().finish().unwrap();
    open(other).unwrap();
}

#[test]
fn a_full_block_is_closed_early() {
    let dir = tempfile::tempdir().unwrap();
    let config = StreamConfig { payloads: true, codec: 0, ..StreamConfig::new("camera", Vec::<String>::new()) };
    let mut gateway = Gateway::open(config, secret(), owner(), CodecRegistry::default(), dir.path()).unwrap();
    let image = |at_ms: u64| Reading::opaque(at_ms, vec![at_ms as u8; 12 << 20].into());
    for at_ms in 0..5 {
        gateway.push(image(at_ms)).unwrap();
    }
    let upload = gateway.finish().unwrap().unwrap();
    assert_eq!(
        upload.manifest.body().blocks.iter().map(|b| (b.start_ms, b.count)).collect::<Vec<_>>(),
        [(0, 2), (0, 2), (0, 1)]
    );
    assert!(rows(&[upload]).into_iter().eq((0..5).map(image)));
}

#[test]
fn a_silent_sensor_does_not_keep_its_block_open() {
    let dir = tempfile::tempdir().unwrap();
    let mut gateway = gateway(dir.path());
    let all = readings(0..4);
    for reading in &all[..15] {
        assert!(gateway.push(reading.clone()).unwrap().is_none());
    }
    assert!(gateway.close_until(4 * DAY_MS - 1).unwrap().is_none());
    let first = gateway.close_until(4 * DAY_MS).unwrap().unwrap();
    assert!(gateway.close_until(9 * DAY_MS).unwrap().is_none());
    // The last one comes late, and is a block of its own.
    gateway.push(all[15].clone()).unwrap();
    let second = gateway.finish().unwrap().unwrap();
    assert_eq!(rows(&[first, second]), all);
}

#[test]
fn extreme_values_one_reading_and_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut gateway = gateway(dir.path());
    assert!(gateway.finish().unwrap().is_none());
    assert!(gateway.close_until(u64::MAX).unwrap().is_none());
    let reading = Reading::new(u64::MAX, vec![f64::MAX, f64::NEG_INFINITY]);
    gateway.push(reading.clone()).unwrap();
    let upload = gateway.finish().unwrap().unwrap();
    assert_eq!(rows(&[upload]), [reading]);
}

#[test]
fn a_restart_after_an_upload_goes_on_without_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let mut made: Vec<Upload> = Vec::new();
    for part in [0..5, 4..9, 8..12] {
        // Dropped without a finish and without a sync: the readings of the block that was being filled come again.
        let mut gateway = gateway(dir.path());
        for reading in readings(part) {
            if gateway.accepted_until_ms().is_none_or(|last| reading.at_ms > last) {
                made.extend(gateway.push(reading).unwrap());
            }
        }
    }
    assert_eq!(made.len(), 2);
    made[1].manifest.follows(Some(&made[0].manifest)).unwrap();
    made[1].voucher.follows(Some(&made[0].voucher)).unwrap();
    assert_eq!(made[1].manifest.body().intervals[0].interval, IntervalId(2));
    let last = SealedBlock::parse(
        &made[0].object[made[0].manifest.body().blocks[3].offset as usize..]
            [..made[0].manifest.body().blocks[3].length as usize],
    )
    .unwrap()
    .hash();
    let first = SealedBlock::parse(&made[1].object[..made[1].manifest.body().blocks[0].length as usize])
        .unwrap()
        .header()
        .previous;
    assert_eq!(first, last, "the chain of blocks runs across uploads and restarts");
    assert_ne!(last, Digest::ZERO);
}

#[test]
fn no_key_seals_a_block_number_twice_whenever_the_power_goes() {
    let dir = tempfile::tempdir().unwrap();
    let mut used = std::collections::BTreeMap::new();
    let outbox = dir.path().join("outbox");
    for round in 0..6 {
        let mut gateway = gateway(dir.path());
        let _ = gateway.outbox().unwrap().map(Result::unwrap).collect::<Vec<_>>();
        if round % 2 == 0 {
            std::fs::remove_dir_all(&outbox).unwrap();
        }
        for reading in readings(0..30) {
            if gateway.accepted_until_ms().is_some_and(|last| reading.at_ms <= last) {
                continue;
            }
            match gateway.push(reading) {
                Ok(None) => {}
                Ok(Some(upload)) => {
                    for block in &upload.manifest.body().blocks {
                        let before = used.insert((block.interval, block.index), block.hash);
                        assert_eq!(before, None, "{block:?}");
                    }
                    gateway.delivered(upload.number()).unwrap();
                    break;
                }
                Err(_) => break,
            }
        }
    }
    assert_eq!(used.len(), 3 * 4);
    // Every failed round burnt two intervals.
    assert_eq!(used.keys().map(|(interval, _)| interval.0).max(), Some(11));
}

#[test]
fn a_damaged_counter_is_no_fresh_start() {
    let dir = tempfile::tempdir().unwrap();
    drop(gateway(dir.path()));
    let counter = dir.path().join("counter");
    let mut bytes = std::fs::read(&counter).unwrap();
    bytes[50] ^= 1;
    std::fs::write(&counter, bytes).unwrap();
    let opened = Gateway::open(config(), secret(), owner(), CodecRegistry::default(), dir.path());
    assert!(matches!(opened, Err(GatewayError::CounterLost)));
}

#[test]
fn a_lost_counter_is_seen_and_recovered_from_the_last_upload() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = gateway(dir.path());
    let made: Vec<_> = readings(0..5).into_iter().filter_map(|reading| first.push(reading).unwrap()).collect();
    drop(first);
    std::fs::remove_file(dir.path().join("counter")).unwrap();
    let opened = Gateway::open(config(), secret(), owner(), CodecRegistry::default(), dir.path());
    assert!(matches!(opened, Err(GatewayError::CounterLost)));

    let codecs = CodecRegistry::default();
    let mut second = Gateway::recover(config(), secret(), owner(), codecs, dir.path(), Some(&made[0]), 1000).unwrap();
    assert_eq!(second.sealed_until_ms(), Some(4 * DAY_MS - 1));
    for reading in readings(4..5) {
        second.push(reading).unwrap();
    }
    let next = second.finish().unwrap().unwrap();
    next.manifest.follows(Some(&made[0].manifest)).unwrap();
    assert_eq!(next.manifest.body().intervals[0].interval, IntervalId(1000));
}

#[test]
fn uploads_stay_in_the_outbox_until_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = gateway(dir.path());
    let made: Vec<_> = readings(0..9).into_iter().filter_map(|reading| first.push(reading).unwrap()).collect();
    drop(first);
    let mut second = gateway(dir.path());
    let waiting: Vec<_> = second.outbox().unwrap().map(Result::unwrap).collect();
    assert_eq!(waiting, made);
    second.delivered(0).unwrap();
    second.delivered(0).unwrap();
    assert_eq!(second.outbox().unwrap().map(|upload| upload.unwrap().number()).collect::<Vec<_>>(), [1]);
    let file = std::fs::read_dir(dir.path().join("outbox")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert!(matches!(second.outbox().unwrap().next(), Some(Err(GatewayError::OutboxDamaged { upload: 1 }))));
}

#[test]
fn a_source_read_again_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let source = || readings(0..10).into_iter().map(Ok::<_, GatewayError>);
    let first = gateway(dir.path()).uploads(source()).take(1).map(Result::unwrap).collect::<Vec<_>>();
    let rest = gateway(dir.path()).uploads(source()).map(Result::unwrap).collect::<Vec<_>>();
    let starts =
        first.iter().chain(&rest).flat_map(|upload| &upload.manifest.body().blocks).map(|b| b.start_ms / DAY_MS);
    assert!(starts.eq(0..10));
}

#[test]
fn one_gateway_a_folder_and_one_stream_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let first = gateway(dir.path());
    let open = |config, key| Gateway::open(config, secret(), key, CodecRegistry::default(), dir.path());
    assert!(matches!(open(config(), owner()), Err(GatewayError::InUse)));
    drop(first);
    let stranger = SigningKey::from_seed(&[9; 32]);
    assert!(matches!(open(config(), stranger), Err(GatewayError::OtherStream)));
    assert!(matches!(open(StreamConfig { period_ms: 0, ..config() }, owner()), Err(GatewayError::Config(_))));
    assert!(matches!(open(StreamConfig { codec: 77, ..config() }, owner()), Err(GatewayError::Codec(_))));
    assert!(matches!(open(StreamConfig { name: String::new(), ..config() }, owner()), Err(GatewayError::Name(_))));
}

#[test]
fn a_bad_reading_is_refused_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut gateway = gateway(dir.path());
    let reading = |at_ms, width| Reading::new(at_ms, vec![0.0; width]);
    gateway.push(reading(10, 2)).unwrap();
    assert!(matches!(gateway.push(reading(10, 2)), Err(GatewayError::Order { at_ms: 10 })));
    assert!(matches!(gateway.push(reading(11, 3)), Err(GatewayError::Table(_))));
    gateway.push(reading(11, 2)).unwrap();
    assert_eq!(gateway.finish().unwrap().unwrap().manifest.body().blocks[0].count, 2);
}

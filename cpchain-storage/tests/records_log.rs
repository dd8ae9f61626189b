//! Records on disk: what a node took in is there after kill -9, and damage costs only what it hit.
#![cfg(all(unix, feature = "network"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use cpchain_crypto::SigningKey;
use cpchain_storage::{
    PackOptions, PackStore,
    index::MemoryIndex,
    network::{
        Dht, Loaded, NetworkConfig, NodeHandle, Place, RecordKind, RecordLog, RecordShelf, SignedRecord, StorageNode,
    },
};

const CHILD: &str = "CPCHAIN_STORAGE_RECORDS_TEST_FOLDER";

fn record(n: u64) -> Vec<u8> {
    (0..40 + n * 131 % 3000).map(|i| (i * 7 + n) as u8).chain(n.to_le_bytes()).collect()
}

fn load(dir: &Path) -> (RecordLog, Loaded, Vec<(Place, u32, Bytes)>) {
    let mut log = RecordLog::open(dir).unwrap();
    let mut found = Vec::new();
    let loaded = log.load(&mut |place, origin, record| found.push((place, origin, record))).unwrap();
    (log, loaded, found)
}

fn filled(dir: &Path, count: u64) -> Vec<Place> {
    let (mut log, ..) = load(dir);
    (0..count).map(|n| log.add(n as u32, &record(n)).unwrap()).collect()
}

fn file(dir: &Path) -> PathBuf {
    dir.join("00000000.rec")
}

/// Not a test of its own: what the killed process does. Writes the number of each record once it is acknowledged.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let (mut log, _, found) = load(Path::new(&dir));
    for n in found.len() as u64.. {
        log.add(1, &record(n)).unwrap();
        writeln!(std::io::stdout().lock(), "\nstored {n}").unwrap();
        if n % 50 == 0
            && let Some(sync) = log.sync()
        {
            sync().unwrap();
        }
    }
}

#[test]
fn kill_9_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut stored = BTreeMap::new();
    for round in 0..4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || {
            let number = |line: String| line.strip_prefix("stored ").and_then(|n| n.parse::<u64>().ok());
            lines.lines().map_while(Result::ok).filter_map(number).collect::<Vec<_>>()
        });
        std::thread::sleep(Duration::from_millis(150 + round * 40));
        child.kill().unwrap();
        child.wait().unwrap();
        stored.extend(reader.join().unwrap().into_iter().map(|n| (n, ())));

        let (_, _, found) = load(dir.path());
        let found: Vec<_> = found.into_iter().map(|(_, _, record)| record).collect();
        for n in stored.keys() {
            assert!(found.contains(&record(*n).into()), "round {round}, record {n}");
        }
    }
    assert!(stored.len() > 20, "the child stored {} records only", stored.len());
}

#[test]
fn a_torn_tail_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let places = filled(dir.path(), 10);
    let whole = fs::read(file(dir.path())).unwrap();
    let last = places[9].0 as usize;
    for cut in (last..whole.len()).step_by(37) {
        fs::write(file(dir.path()), &whole[..cut]).unwrap();
        let (mut log, loaded, found) = load(dir.path());
        assert_eq!(loaded, Loaded { records: 9, damaged_bytes: (cut - last) as u64 });
        assert!(found.iter().zip(0..).all(|((_, origin, bytes), n)| *origin == n as u32 && *bytes == record(n)));
        let again = log.add(9, &record(9)).unwrap();
        assert_eq!(log.get(again).unwrap(), Some(record(9).into()));
        drop(log);
        assert_eq!(load(dir.path()).1, Loaded { records: 10, damaged_bytes: 0 });
    }
}

#[test]
fn damage_costs_only_what_it_hit() {
    let dir = tempfile::tempdir().unwrap();
    let places = filled(dir.path(), 20);
    let whole = fs::read(file(dir.path())).unwrap();
    // One flipped bit costs one record, wherever it is; in the header it costs none.
    for at in (0..whole.len()).step_by(211) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        if at < 6 || (6..8).contains(&at) {
            continue;
        }
        fs::write(file(dir.path()), &bytes).unwrap();
        let (log, loaded, found) = load(dir.path());
        assert!(loaded.records >= 19, "byte {at}");
        for (place, origin, bytes) in found {
            assert_eq!(bytes, record(u64::from(origin)));
            assert_eq!(log.get(place).unwrap(), Some(bytes));
        }
        drop(log);
    }
    // A hole of zeros in the middle, as a lost page leaves it.
    let mut bytes = whole.clone();
    let hole = places[5].0 as usize..places[8].0 as usize + 1;
    bytes[hole].fill(0);
    fs::write(file(dir.path()), &bytes).unwrap();
    assert_eq!(load(dir.path()).1.records, 16);
    // A file of something else is passed over as a whole.
    fs::write(file(dir.path()), vec![0xa5; 100_000]).unwrap();
    let (mut log, loaded, _) = load(dir.path());
    assert_eq!(loaded.records, 0);
    let place = log.add(1, &record(1)).unwrap();
    assert_eq!(log.get(place).unwrap(), Some(record(1).into()));
    // Damage under a running node: a record that is no longer whole is a missing one.
    let mut bytes = fs::read(file(dir.path())).unwrap();
    bytes[place.0 as usize + 30] ^= 1;
    fs::write(file(dir.path()), bytes).unwrap();
    assert_eq!(log.get(place).unwrap(), None);
    assert_eq!(log.get(Place(u64::MAX)).unwrap(), None);
}

#[test]
fn a_newer_version_and_a_second_node_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 1);
    let log = RecordLog::open(dir.path()).unwrap();
    assert!(RecordLog::open(dir.path()).is_err());
    drop(log);
    let mut bytes = fs::read(file(dir.path())).unwrap();
    bytes[7] = 2;
    fs::write(file(dir.path()), bytes).unwrap();
    assert!(RecordLog::open(dir.path()).unwrap().load(&mut |_, _, _| ()).is_err());
}

#[test]
fn golden_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, ..) = load(dir.path());
    log.add(0x0403_0201, b"record").unwrap();
    let hex: String = fs::read(file(dir.path())).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN, "a change of these bytes is a change of the disk format");
}

const GOLDEN: &str =
    concat!("43505245435300010000000000000000", "5245433106000000010203040ddcf850710047cb", "7265636f7264");

async fn node(dir: &Path, seed: u8) -> NodeHandle {
    let store = PackStore::open(dir.join("packs"), PackOptions::default(), MemoryIndex::default()).unwrap();
    let records = Box::new(RecordLog::open(dir.join("records")).unwrap());
    let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
    let config = NetworkConfig::default();
    StorageNode::start_with_records(config, &[seed; 32], Arc::new(store), records, listen).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_node_has_its_records() {
    let dir = tempfile::tempdir().unwrap();
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let owner = SigningKey::from_seed(&[1; 32]);
    let sign = |n: u8, expires_ms| {
        SignedRecord::sign(&owner, RecordKind::ManifestHead, &[n], 1, expires_ms, vec![n; 100]).unwrap()
    };
    let records: Vec<_> = (0..20).map(|n| sign(n, now_ms + 3_600_000)).collect();
    let short = sign(99, now_ms + 3000);
    let first = node(dir.path(), 100).await;
    let light = StorageNode::light(NetworkConfig::default(), &[1; 32]).await.unwrap();
    light.join(std::slice::from_ref(first.address().unwrap())).await.unwrap();
    for record in records.iter().chain([&short]) {
        light.put_record(record).await.unwrap();
    }
    first.stop().await;
    light.stop().await;

    let again = node(dir.path(), 100).await;
    let reader = StorageNode::light(NetworkConfig::default(), &[2; 32]).await.unwrap();
    reader.join(std::slice::from_ref(again.address().unwrap())).await.unwrap();
    for record in &records {
        assert_eq!(reader.get_record(record.key()).await.unwrap().as_ref(), Some(record));
    }
    // It expires by the wall clock, also when the node was down.
    let left =
        short.expires_ms().saturating_sub(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64);
    tokio::time::sleep(Duration::from_millis(left + 10)).await;
    assert_eq!(reader.get_record(short.key()).await.unwrap(), None);
    again.stop().await;
}

//! A process that takes readings in is killed without warning, again and again: nothing is lost, repeated, or sealed twice.
//!
//! `INTAKE_ROUNDS=200 cargo test --release -p cpchain-storage --test intake_kill -- --nocapture` is the long form.
#![cfg(all(unix, feature = "csv", feature = "pco"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use cpchain_crypto::{SigningKey, block::SealedBlock, key_tree::IntervalId};
use cpchain_storage::{
    CodecRegistry, Gateway, GatewayError, Reading, StreamConfig, Upload,
    gateway::{Intake, IntakeOptions, Plan, Readings},
    read_object, voucher,
};
use support::*;

const CHILD: &str = "CPCHAIN_STORAGE_INTAKE_TEST_FOLDER";
const READINGS: u64 = 60_000;
const SENSOR: &str = "roof";

fn input() -> impl Iterator<Item = Reading> {
    (0..READINGS).map(|n| Reading::new(n * 37 % 100 + n * 100, vec![(n % 977) as f64 / 10.0, n as f64]))
}

/// Blocks of ten seconds, keys for three of them, uploads of two keys.
fn plan() -> Plan {
    let of_stream = StreamConfig::new(SENSOR, ["a", "b"]);
    let config = StreamConfig { period_ms: 10_000, blocks_per_interval: 3, intervals_per_upload: 2, ..of_stream };
    Plan { config, secret: secret() }
}

fn intake(dir: &Path) -> Intake<SigningKey> {
    let options = IntakeOptions { batch: 64, max_waiting: 2, ..IntakeOptions::default() };
    Intake::open(dir.join("state"), options, owner(), CodecRegistry::default(), |_, _| Some(plan())).unwrap()
}

fn name(upload: &Upload) -> String {
    format!("{:08}", upload.number())
}

/// Not a test of its own: what the killed process does. The file is read again from its start each time.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let dir = Path::new(&dir);
    let mut source = Readings::new(SENSOR, ["a", "b"], input().map(Ok::<_, GatewayError>));
    let deliver = |upload: &Upload| {
        // Whole or not at all, and the second time is the first.
        let (part, file) = (dir.join("part"), dir.join("delivered").join(name(upload)));
        if file.exists() {
            return Ok(());
        }
        std::fs::write(&part, upload.object.as_ref())?;
        std::fs::write(dir.join("delivered").join(name(upload) + ".manifest"), upload.manifest.bytes())?;
        std::fs::write(dir.join("delivered").join(name(upload) + ".voucher"), upload.voucher.bytes())?;
        Ok(std::fs::rename(part, file)?)
    };
    intake(dir).run(&mut source, deliver, &AtomicBool::new(false), |_| {}).unwrap();
    std::fs::write(dir.join("done"), "").unwrap();
}

/// Blocks by (interval, number), of every upload that was ever durable.
type Seen = BTreeMap<(IntervalId, u64), cpchain_crypto::Digest>;

fn remember(seen: &mut Seen, upload: &Upload) {
    for block in &upload.manifest.body().blocks {
        let before = *seen.entry((block.interval, block.index)).or_insert(block.hash);
        assert_eq!(before, block.hash, "a key sealed block {} twice", block.index);
    }
}

fn delivered(dir: &Path) -> Vec<Upload> {
    let mut names: Vec<_> = std::fs::read_dir(dir.join("delivered"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none())
        .collect();
    names.sort();
    let read =
        |path: &std::path::PathBuf, end: &str| bytes::Bytes::from(std::fs::read(path.with_extension(end)).unwrap());
    names
        .iter()
        .map(|path| Upload {
            manifest: cpchain_storage::Manifest::decode(read(path, "manifest")).unwrap(),
            voucher: cpchain_storage::Voucher::decode(read(path, "voucher")).unwrap(),
            object: read(path, ""),
        })
        .collect()
}

/// Uploads in the outbox as a killed process left it, read beside it without touching the state.
fn outbox(dir: &Path) -> Vec<Upload> {
    let Some(stream) = std::fs::read_dir(dir.join("state")).ok().and_then(|mut entries| entries.next()) else {
        return Vec::new();
    };
    let Ok(entries) = std::fs::read_dir(stream.unwrap().path().join("outbox")) else { return Vec::new() };
    let files =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "upload"));
    files
        .map(|file| {
            let bytes = bytes::Bytes::from(std::fs::read(file).unwrap());
            let length = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
            let (manifest, voucher) = (8 + length(0), 8 + length(0) + length(4));
            Upload {
                manifest: cpchain_storage::Manifest::decode(bytes.slice(8..manifest)).unwrap(),
                voucher: cpchain_storage::Voucher::decode(bytes.slice(manifest..voucher)).unwrap(),
                object: bytes.slice(voucher..),
            }
        })
        .collect()
}

#[test]
fn killed_at_random_nothing_is_lost_or_sealed_twice() {
    let rounds: u64 = std::env::var("INTAKE_ROUNDS").map_or(12, |rounds| rounds.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("delivered")).unwrap();
    let start = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child"]).env(CHILD, dir.path()).stdout(Stdio::null());
        command.spawn().unwrap()
    };
    let mut seen = Seen::new();
    let mut kills = 0;
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    while kills < rounds && !dir.path().join("done").exists() {
        let mut child = start();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_millis(30 + random % 250));
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        delivered(dir.path()).iter().chain(&outbox(dir.path())).for_each(|upload| remember(&mut seen, upload));
    }
    let started = Instant::now();
    assert!(start().wait().unwrap().success());
    let uploads = delivered(dir.path());
    uploads.iter().for_each(|upload| remember(&mut seen, upload));

    voucher::verify_chain(uploads.iter().map(|upload| &upload.voucher)).unwrap();
    let codecs = CodecRegistry::default();
    let mut expected = input();
    let mut previous: Option<cpchain_crypto::Digest> = None;
    for (at, upload) in uploads.iter().enumerate() {
        upload.manifest.follows(at.checked_sub(1).map(|at| &uploads[at].manifest)).unwrap();
        let verified = upload.manifest.verify(&upload.object).unwrap();
        for block in verified.blocks() {
            let block: &SealedBlock<'_> = block;
            assert_eq!(block.header().previous, previous.unwrap_or(cpchain_crypto::Digest::ZERO));
            previous = Some(block.hash());
        }
        let rows = read_object(&upload.manifest, 0..u32::MAX, &upload.object, &secret(), &codecs).unwrap();
        assert!(rows.rows().all(|row| Some(row) == expected.next()), "upload {at}");
    }
    assert_eq!(expected.next(), None, "readings are missing");
    println!(
        "{kills} kills, {} uploads, {} sealed blocks, the rest in {:?}",
        uploads.len(),
        seen.len(),
        started.elapsed()
    );
    // The stream can be opened as ever.
    let folder = std::fs::read_dir(dir.path().join("state")).unwrap().next().unwrap().unwrap().path();
    let Plan { config, secret } = plan();
    let gateway = Gateway::open(config, secret, owner(), codecs, folder).unwrap();
    assert_eq!(gateway.sealed_until_ms(), input().last().map(|reading| reading.at_ms));
}

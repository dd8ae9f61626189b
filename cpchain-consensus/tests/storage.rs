//! Our stores and the rules of the conformance suite; kill -9 while a child process writes; torn and bent files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use cpchain_consensus::{
    ChainId, Height, Term,
    lbft::{Block, Committee, Kind, Record, Vote},
    storage::{MemoryStorage, RedbStorage, Storage, StorageError, suite},
};
use cpchain_crypto::{Digest, Signer, SigningKey};

#[test]
fn memory_conforms() {
    suite::keeps_and_forgets(&mut MemoryStorage::new()).unwrap();
    let crash = |mut store: MemoryStorage| {
        store.crash();
        store
    };
    suite::survives_a_crash(MemoryStorage::new(), crash).unwrap();
}

#[test]
fn redb_conforms_and_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.redb");
    let mut store = RedbStorage::open(&path).unwrap();
    suite::keeps_and_forgets(&mut store).unwrap();
    assert!(matches!(RedbStorage::open(&path), Err(StorageError::Io(_))), "one writer at a time");
    let before = (store.restore().unwrap().tip, store.evidence().unwrap());
    drop(store);
    let store = RedbStorage::open(&path).unwrap();
    assert_eq!((store.restore().unwrap().tip, store.evidence().unwrap()), before);
}

/// A copy of the file while the store is open is what a power cut leaves: nothing was closed.
#[test]
fn redb_survives_a_power_cut() {
    let folder = tempfile::tempdir().unwrap();
    let mut cuts = 0;
    let path = |cut: u32| folder.path().join(format!("{cut}.redb"));
    let crash = |store: RedbStorage| {
        std::fs::copy(path(cuts), path(cuts + 1)).unwrap();
        drop(store);
        cuts += 1;
        RedbStorage::open(path(cuts)).unwrap()
    };
    suite::survives_a_crash(RedbStorage::open(path(0)).unwrap(), crash).unwrap();
}

/// One height's promises: a vote and a seal, in one batch.
fn batch(height: u64) -> Vec<Record> {
    let key = SigningKey::from_seed(&[1; 32]);
    let me = vec![key.public_key()];
    let committee = Committee::new(ChainId::new("killed", b""), Term(0), me.clone(), me).unwrap();
    let payload = Bytes::from(vec![height as u8; 2000]);
    let block = Block::seal(&committee, &key, Height(height), Height(0), Digest::ZERO, payload);
    let vote = Vote::cast(&committee, 0, &key, Kind::Prepare, Height(height), block.digest());
    vec![Record::Sealed(Arc::new(block)), Record::Vote(vote)]
}

/// Not a test of its own: the process that is killed. It says a height once its batch is durable.
#[test]
fn child_writes_until_it_is_killed() {
    let Ok(path) = std::env::var("CPCHAIN_KILLED_STORE") else { return };
    let mut store = RedbStorage::open(path).unwrap();
    let from = store.restore().unwrap().votes.iter().map(|vote| vote.height.0).max().unwrap_or(0);
    for height in from + 1.. {
        store.append(&batch(height), true).unwrap();
        println!("durable {height}");
    }
}

/// Kills the writer at many points; what it called durable is there, and every batch is whole.
#[test]
fn nothing_durable_is_lost_by_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.redb");
    let mut durable = 0;
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_writes_until_it_is_killed", "--exact", "--nocapture"])
            .env("CPCHAIN_KILLED_STORE", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines.map_while(Result::ok).filter_map(|line| line.rsplit_once("durable ")?.1.parse::<u64>().ok());
        for height in said.take(3 + round) {
            durable = height;
        }
        // SIGKILL: it may be anywhere in its next batches.
        child.kill().unwrap();
        child.wait().unwrap();
        let store = RedbStorage::open(&path).unwrap();
        let restored = store.restore().unwrap();
        let heights: Vec<_> = restored.votes.iter().map(|vote| vote.height.0).collect();
        let last = *heights.last().unwrap();
        assert!(last >= durable, "round {round}: {durable} was durable, {last} is there");
        assert_eq!(heights, (1..=last).collect::<Vec<_>>(), "round {round}: no gap");
        assert_eq!(restored.sealed.len(), heights.len(), "round {round}: every batch is whole");
    }
    assert!(durable >= (0..8).map(|round| 3 + round).sum());
}

/// What a file may look like after a crash that tore it, or on a disk that rots: opened it gives what was written, or an
/// error, never something else.
#[test]
fn torn_and_bent_files_give_records_or_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.redb");
    let mut store = RedbStorage::open(&path).unwrap();
    (1..=20).for_each(|height| store.append(&batch(height), true).unwrap());
    let whole = std::fs::read(&path).unwrap();
    drop(store);
    let all: Vec<_> = (1..=20).flat_map(batch).collect();
    let (mut read, mut refused) = (0, 0);
    let mut judge = |name: &str, bytes: &[u8]| {
        let path = folder.path().join("bent.redb");
        std::fs::write(&path, bytes).unwrap();
        match restore(&path) {
            Ok(records) => {
                assert!(records.iter().all(|record| all.contains(record)), "{name}: a record that nobody wrote");
                read += 1;
            }
            Err(_) => refused += 1,
        }
    };
    for part in 1..16 {
        judge("torn", &whole[..whole.len() * part / 16]);
    }
    for part in 0..60 {
        let mut bent = whole.clone();
        let at = part * 4096 + 100;
        if let Some(byte) = bent.get_mut(at) {
            *byte ^= 0x55;
            judge("bent", &bent);
        }
    }
    assert!(refused > 0 && read + refused > 20, "{read} {refused}");
}

fn restore(path: &Path) -> Result<Vec<Record>, StorageError> {
    let restored = RedbStorage::open(path)?.restore()?;
    let sealed = restored.sealed.into_iter().map(Record::Sealed);
    Ok(sealed.chain(restored.votes.into_iter().map(Record::Vote)).collect())
}

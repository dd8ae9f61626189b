//! The doctor on real folders: what it finds, what it changes, and what programs get to read.
#![cfg(feature = "sled")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;

use bytes::Bytes;
use cpchain_storage::{
    ChunkId, ChunkStore, Lease, PackOptions, PackStore, StoreError,
    index::SledIndex,
    pack::{IndexState, examine_folder},
};

fn open(dir: &Path) -> PackStore<SledIndex> {
    let options = PackOptions { pack_len: 10_000, ..PackOptions::default() };
    PackStore::open(dir.join("packs"), options, SledIndex::open(dir.join("index")).unwrap()).unwrap()
}

fn chunk(n: u64) -> Bytes {
    (0..900u64).map(|i| (i * 7 + n) as u8).chain(n.to_le_bytes()).collect::<Vec<_>>().into()
}

fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> =
        files.map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn it_finds_damage_and_repairs_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..40 {
        store.put(chunk(n), Lease::FOREVER).unwrap();
    }
    let healthy = store.doctor().unwrap();
    assert!(healthy.is_healthy() && healthy.index == IndexState::Right);
    assert_eq!((healthy.chunks, healthy.frames), (40, 40));
    assert!(matches!(examine_folder(dir.path().join("packs")), Err(StoreError::InUse)));
    drop(store);

    let packs = dir.path().join("packs");
    let path = packs.join("00000002.pack");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[16 + 64 + 5] ^= 8;
    std::fs::write(&path, bytes).unwrap();
    std::fs::remove_file(packs.join("00000003.pack")).unwrap();

    // Reading only: nothing is changed, and the same is found twice.
    let before = contents(&packs);
    let report = examine_folder(&packs).unwrap();
    assert_eq!(report, examine_folder(&packs).unwrap());
    assert_eq!(contents(&packs), before);
    let broken = report.findings.damages.iter().find(|damage| damage.pack == 2).unwrap();
    assert_eq!((broken.offset, broken.length), (16, 64 + 908));
    assert_eq!(report.findings.lost_chunks, [broken.chunk.unwrap()]);
    let gone = report.findings.damages.iter().find(|damage| damage.pack == 3).unwrap();
    assert!(gone.length > 10_000 && gone.chunk.is_none());
    assert_eq!((report.findings.damaged, report.index), (2, IndexState::Unknown));
    let in_gone = 40 - report.chunks - 1;
    assert_eq!(gone.length, 16 + in_gone * (64 + 908));

    // With the index, what was in the pack that is gone has names.
    let store = open(dir.path());
    assert_eq!(store.recovery().findings.lost, in_gone);
    let repaired = store.doctor().unwrap();
    assert_eq!((repaired.findings.lost, repaired.chunks, repaired.index), (1, report.chunks, IndexState::Right));
    let lost = [&store.recovery().findings.lost_chunks[..], &repaired.findings.lost_chunks].concat();
    for n in 0..40 {
        let id = ChunkId::of(&chunk(n));
        assert_eq!(store.contains(&id).unwrap(), !lost.contains(&id));
        assert_eq!(store.get(&id).unwrap().is_some(), !lost.contains(&id));
    }
}

#[test]
fn programs_can_read_its_reports() {
    let dir = tempfile::tempdir().unwrap();
    let id = open(dir.path()).put(chunk(1), Lease::FOREVER).unwrap();
    let path = dir.path().join("packs/00000001.pack");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[16 + 64] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let report: serde_json::Value =
        serde_json::from_str(&examine_folder(dir.path().join("packs")).unwrap().to_json()).unwrap();
    assert_eq!(report["lost_chunks"], serde_json::json!([id.to_string()]));
    assert_eq!(report["damages"][0]["offset"], 16);
    assert_eq!(report["damages"][0]["chunk"], id.to_string());
    std::fs::remove_file(path).unwrap();
    let recovery: serde_json::Value = serde_json::from_str(&open(dir.path()).recovery().to_json()).unwrap();
    assert_eq!(recovery["damages"][0]["chunk"], serde_json::Value::Null);
    assert_eq!(recovery["lost_chunks"], serde_json::json!([id.to_string()]));
}

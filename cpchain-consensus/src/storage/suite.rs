//! What every store must do, run on each of ours.

use std::sync::Arc;

use bytes::Bytes;
use cpchain_crypto::{Signer, SigningKey};

use super::*;
use crate::{
    application::FinalBlock,
    ids::{ChainId, Term},
    lbft::{Block, Certificate, Committee, Kind, Vote},
};

fn records(height: u64) -> Vec<Record> {
    let key = SigningKey::from_seed(&[1; 32]);
    let me = vec![key.public_key()];
    let committee = Committee::new(ChainId::new("store", b""), Term(0), me.clone(), me).unwrap();
    let h = Height(height);
    let block = Block::seal(&committee, &key, h, Height(height - 1), Digest([2; 32]), Bytes::from(vec![7; 100]));
    let digest = block.digest();
    let vote = |kind, digest| Vote::cast(&committee, 0, &key, kind, h, digest);
    let prepare = vote(Kind::Prepare, digest);
    let block = Arc::new(block);
    vec![
        Record::Sealed(block.clone()),
        Record::Block(block.clone()),
        Record::Vote(prepare),
        Record::Vote(vote(Kind::Commit, digest)),
        Record::Certificate(Certificate::from_votes(&committee, Kind::Prepare, h, digest, &[prepare])),
    ]
}

fn final_record(height: u64) -> Record {
    let mut all = records(height);
    let (Record::Certificate(certificate), Record::Sealed(block)) = (all.remove(4), all.remove(0)) else { panic!() };
    Record::Final(FinalEntry {
        term: Term(0),
        block: FinalBlock {
            height: Height(height),
            digest: block.digest(),
            parent: Digest([2; 32]),
            proposer: SigningKey::from_seed(&[1; 32]).public_key(),
            impeached: false,
            payload: block.payload().clone(),
        },
        sealed: Some(block),
        certificate: Some(certificate),
        closing: None,
    })
}

fn log(restored: &Restored) -> Vec<Record> {
    let sealed = restored.sealed.iter().cloned().map(Record::Sealed);
    let blocks = restored.blocks.iter().cloned().map(Record::Block);
    let votes = restored.votes.iter().copied().map(Record::Vote);
    sealed.chain(blocks).chain(votes).chain(restored.certificates.iter().cloned().map(Record::Certificate)).collect()
}

fn keeps_and_forgets(storage: &mut dyn Storage) {
    assert!(log(&storage.restore().unwrap()).is_empty());
    for height in 1..=3 {
        storage.append(&records(height), true).unwrap();
    }
    // Again: nothing changes.
    storage.append(&records(2), true).unwrap();
    let all: Vec<_> = (1..=3).flat_map(records).collect();
    let held = log(&storage.restore().unwrap());
    assert_eq!(held.len(), all.len());
    assert!(all.iter().all(|record| held.contains(record)));

    storage.append(&[final_record(2)], false).unwrap();
    let restored = storage.restore().unwrap();
    let Record::Final(entry) = final_record(2) else { panic!() };
    assert_eq!(restored.tip.as_ref(), Some(&entry));
    assert_eq!(log(&restored), records(3), "what a final block covers is forgotten");
    assert_eq!(storage.final_entry(Height(2)).unwrap().as_ref(), Some(&entry));
    assert_eq!(storage.height_of(&entry.block.digest).unwrap(), Some(Height(2)));
    assert_eq!(storage.final_entry(Height(1)).unwrap(), None);
    assert_eq!(storage.height_of(&Digest([9; 32])).unwrap(), None);
}

#[test]
fn memory() {
    keeps_and_forgets(&mut MemoryStorage::new());
}

#[test]
fn memory_loses_what_was_not_synced() {
    let mut storage = MemoryStorage::new();
    storage.append(&records(1), false).unwrap();
    storage.append(&records(2), true).unwrap();
    storage.append(&records(3), false).unwrap();
    storage.crash();
    let held = log(&storage.restore().unwrap());
    assert_eq!(held.iter().map(|record| record.place().unwrap().1.0).max(), Some(2));
    assert!(records(1).iter().all(|record| held.contains(record)), "a sync covers earlier batches");
}

#[cfg(feature = "redb")]
#[test]
fn redb_and_again_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.redb");
    let mut storage = RedbStorage::open(&path).unwrap();
    keeps_and_forgets(&mut storage);
    assert!(matches!(RedbStorage::open(&path), Err(StorageError::Io(_))), "one writer at a time");
    drop(storage);
    let storage = RedbStorage::open(&path).unwrap();
    let restored = storage.restore().unwrap();
    assert_eq!(log(&restored), records(3));
    assert_eq!(restored.tip.map(|entry| entry.block.height), Some(Height(2)));
}

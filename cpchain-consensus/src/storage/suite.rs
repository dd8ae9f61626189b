//! What every store must do, for those who bring their own (feature `suite`). Ours are held to it in `tests/storage.rs`.
//!
//! ```
//! use cpchain_consensus::storage::{MemoryStorage, suite};
//! suite::keeps_and_forgets(&mut MemoryStorage::new())?;
//! suite::survives_a_crash(MemoryStorage::new(), |mut store| {
//!     store.crash();
//!     store
//! })?;
//! # Ok::<(), suite::Broken>(())
//! ```

use alloc::{sync::Arc, vec, vec::Vec};

use bytes::Bytes;
use cpchain_crypto::{Digest, Signer, SigningKey};

use super::{Storage, StorageError};
use crate::{
    application::FinalBlock,
    ids::{ChainId, Height, Term},
    lbft::{Block, Certificate, Closing, Committee, Evidence, Fault, FinalEntry, Kind, Record, Restored, Vote},
};

/// The rule that a store breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It answers, and wrongly.
    #[error("the store breaks a rule: {0}")]
    Rule(&'static str),
    /// It fails.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

fn must(holds: bool, rule: &'static str) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken::Rule(rule)) }
}

/// The member and the committee of all samples; its first term ends at height 5.
struct Samples {
    key: SigningKey,
    committee: Committee,
}

impl Samples {
    fn new() -> Result<Self, Broken> {
        let key = SigningKey::from_seed(&[1; 32]);
        let me = vec![key.public_key()];
        let committee = Committee::new(ChainId::new("suite", b""), Term(0), me.clone(), me);
        let committee = committee.and_then(|committee| committee.until(Height(5)));
        Ok(Self { key, committee: committee.map_err(|_| Broken::Rule("a committee of one"))? })
    }

    fn block(&self, height: u64) -> Arc<Block> {
        let payload = Bytes::from(vec![7; 100]);
        let parent = (Height(height.saturating_sub(1)), Digest([2; 32]));
        Arc::new(Block::seal(&self.committee, &self.key, Height(height), parent.0, parent.1, payload))
    }

    fn vote(&self, kind: Kind, height: u64, digest: Digest) -> Vote {
        Vote::cast(&self.committee, 0, &self.key, kind, Height(height), digest)
    }

    fn certificate(&self, kind: Kind, block: &Block) -> Certificate {
        let vote = self.vote(kind, block.height().0, block.digest());
        Certificate::from_votes(&self.committee, kind, block.height(), block.digest(), &[vote])
    }

    /// What a validator and proposer logs at one height.
    fn log(&self, height: u64) -> Vec<Record> {
        let block = self.block(height);
        let digest = block.digest();
        vec![
            Record::Sealed(block.clone()),
            Record::Block(block.clone()),
            Record::Vote(self.vote(Kind::Prepare, height, digest)),
            Record::Vote(self.vote(Kind::Commit, height, digest)),
            Record::Certificate(self.certificate(Kind::Prepare, &block)),
        ]
    }

    fn entry(&self, height: u64, closing: Option<Closing>) -> FinalEntry {
        let block = self.block(height);
        FinalEntry {
            term: Term(0),
            block: FinalBlock {
                height: Height(height),
                digest: block.digest(),
                parent: Digest([2; 32]),
                proposer: self.key.public_key(),
                impeached: false,
                payload: block.payload().clone(),
            },
            certificate: Some(self.certificate(Kind::Prepare, &block)),
            sealed: Some(block),
            closing,
        }
    }
}

fn log_of(restored: Restored) -> Vec<Record> {
    let sealed = restored.sealed.into_iter().map(Record::Sealed);
    let blocks = restored.blocks.into_iter().map(Record::Block);
    let votes = restored.votes.into_iter().map(Record::Vote);
    sealed.chain(blocks).chain(votes).chain(restored.certificates.into_iter().map(Record::Certificate)).collect()
}

fn same(held: &[Record], expected: &[Record]) -> bool {
    held.len() == expected.len() && expected.iter().all(|record| held.contains(record))
}

/// Records come back, a final block lets those of its term at or below it go, the end of a term those of closing heights;
/// committees, the first fault and evidence stay. The store must be empty.
///
/// # Errors
/// The first rule that does not hold.
pub fn keeps_and_forgets(store: &mut dyn Storage) -> Result<(), Broken> {
    let samples = Samples::new()?;
    must(log_of(store.restore()?).is_empty(), "an empty store has no records")?;
    for height in 1..=3 {
        store.append(&samples.log(height), true)?;
    }
    store.append(&samples.log(2), true)?;
    let all: Vec<_> = (1..=3).flat_map(|height| samples.log(height)).collect();
    must(same(&log_of(store.restore()?), &all), "what was appended comes back, and once")?;

    let entry = samples.entry(2, None);
    store.append(&[Record::Final(entry.clone())], false)?;
    let restored = store.restore()?;
    must(restored.tip.as_ref() == Some(&entry), "the last final entry is the tip")?;
    must(same(&log_of(restored), &samples.log(3)), "what a final block covers is forgotten, and nothing else")?;
    must(store.final_entry(Height(2))?.as_ref() == Some(&entry), "final entries are found by height")?;
    must(store.height_of(&entry.block.digest)? == Some(Height(2)), "final entries are found by digest")?;
    must(store.final_entry(Height(1))?.is_none(), "other heights are not final")?;
    must(store.height_of(&Digest([9; 32]))?.is_none(), "other digests are not final")?;
    ends_a_term(store, &samples)?;
    never_forgets(store, &samples)
}

fn ends_a_term(store: &mut dyn Storage, samples: &Samples) -> Result<(), Broken> {
    store.append(&samples.log(7), true)?;
    let closing_block = samples.block(6);
    let certificate = samples.certificate(Kind::Commit, &closing_block);
    let entry = samples.entry(5, Some(Closing { blocks: vec![closing_block.clone()], certificate }));
    let next = samples.committee.again();
    store.append(&[Record::Final(entry.clone()), Record::Committee(next.clone())], false)?;
    must(store.final_entry(Height(5))?.as_ref() == Some(&entry), "what closed a term is kept with its last height")?;
    must(store.height_of(&closing_block.digest())? == Some(Height(5)), "closing blocks are found at the last height")?;
    let restored = store.restore()?;
    must(restored.committee.as_ref() == Some(&next), "the last committee comes back")?;
    must(log_of(restored).is_empty(), "closing heights are forgotten with their term")?;
    // The same height in the next term is another one.
    let vote = Vote::cast(&next, 0, &samples.key, Kind::Prepare, Height(7), Digest([3; 32]));
    store.append(&[Record::Vote(vote)], true)?;
    must(log_of(store.restore()?) == [Record::Vote(vote)], "heights of different terms are told apart")?;
    let last = Vote::cast(&samples.committee, 0, &samples.key, Kind::Handover, Height(5), next.digest());
    let proof = Certificate::from_votes(&samples.committee, Kind::Handover, Height(5), next.digest(), &[last]);
    store.append(&[Record::Handover(proof.clone())], true)?;
    must(store.restore()?.handover.as_ref() == Some(&proof), "the last hand-over comes back")?;
    let third = next.again();
    store.append(&[Record::Committee(third.clone())], true)?;
    let restored = store.restore()?;
    must(
        restored.committee.as_ref() == Some(&third) && restored.ended.as_ref() == Some(&next),
        "the last two committees",
    )?;
    must(store.committee(Term(1))?.as_ref() == Some(&next), "committees are found by term")?;
    must(store.committee(Term(9))?.is_none(), "other terms are not known")?;
    must(store.handover(Term(0))?.as_ref() == Some(&proof), "hand-overs are found by the term that ended")?;
    must(store.handover(Term(1))?.is_none(), "other terms handed nothing over")
}

fn never_forgets(store: &mut dyn Storage, samples: &Samples) -> Result<(), Broken> {
    must(store.restore()?.fault.is_none() && store.evidence()?.is_empty(), "nothing that was not appended")?;
    let said = |digest| samples.vote(Kind::Prepare, 3, Digest([digest; 32]));
    let (a, b) = (said(1), said(2));
    let statement = |vote: &Vote| (vote.statement(&samples.committee), vote.signature);
    let proof = Evidence { key: samples.key.public_key(), first: statement(&a), second: statement(&b) };
    let (first, second) = (Fault::LostLog(Height(8)), Fault::Contradiction(Height(9)));
    store.append(&[Record::Fault(first), Record::Evidence(proof)], true)?;
    store.append(&[Record::Fault(second), Record::Evidence(proof)], true)?;
    must(store.restore()?.fault == Some(first), "the first fault stays")?;
    must(store.evidence()? == [proof], "evidence stays, once")
}

/// A sync covers every batch before it, and a batch is there whole or not at all. `crash` ends the store as a power cut would
/// and opens it again. The store must be empty.
///
/// # Errors
/// The first rule that does not hold.
pub fn survives_a_crash<S: Storage>(store: S, mut crash: impl FnMut(S) -> S) -> Result<(), Broken> {
    let samples = Samples::new()?;
    let mut store = store;
    store.append(&samples.log(1), false)?;
    store.append(&samples.log(2), true)?;
    store.append(&samples.log(3), false)?;
    let mut store = crash(store);
    let held = log_of(store.restore()?);
    let synced: Vec<_> = (1..=2).flat_map(|height| samples.log(height)).collect();
    let lost = held.iter().filter(|record| !synced.contains(record)).count();
    must(synced.iter().all(|record| held.contains(record)), "a sync covers its batch and every earlier one")?;
    must(lost == 0 || lost == samples.log(3).len(), "a batch is there whole or not at all")?;
    store.append(&[Record::Final(samples.entry(1, None))], false)?;
    store.append(&samples.log(4), true)?;
    let store = crash(store);
    let restored = store.restore()?;
    must(
        restored.tip.as_ref().map(|entry| entry.block.height) == Some(Height(1)),
        "final entries are synced with what follows",
    )?;
    let held = log_of(restored);
    must(samples.log(4).iter().all(|record| held.contains(record)), "and so is the log")
}

//! Each invariant can fail: broken histories, told by hand.

use std::sync::Arc;

use bytes::Bytes;
use cpchain_crypto::Signer as _;

use super::*;
use crate::{
    application::FinalBlock,
    ids::ChainId,
    lbft::{Block, Proposal, Vote},
};

/// Four validators, of which the last is Byzantine, and two proposers.
struct History {
    keys: Keys,
    committee: Committee,
    judge: Judge,
}

impl History {
    fn new() -> Self {
        let keys = Keys::new(1);
        let list = |range: std::ops::Range<usize>| range.map(|member| keys.public_key(member)).collect();
        let committee = Committee::new(ChainId::new("history", b""), Term(0), list(0..4), list(4..6)).unwrap();
        let judge = Judge::new(keys.clone(), vec![true, true, true, false, true, true], committee.clone());
        Self { keys, committee, judge }
    }

    fn vote(&self, place: u16, kind: Kind, height: u64, digest: Digest) -> Vote {
        let signer = self.keys.signer(usize::from(place));
        Vote::cast(&self.committee, place, &signer, kind, Height(height), digest)
    }

    fn says(&mut self, place: u16, kind: Kind, height: u64, digest: Digest) -> Verdict {
        let vote = self.vote(place, kind, height, digest);
        self.judge.sent(&Message::Vote(vote))
    }

    fn certificate(&self, places: &[u16], kind: Kind, height: u64, digest: Digest) -> Certificate {
        let votes: Vec<_> = places.iter().map(|place| self.vote(*place, kind, height, digest)).collect();
        Certificate::from_votes(&self.committee, kind, Height(height), digest, &votes)
    }

    fn shows(&mut self, places: &[u16], kind: Kind, height: u64, digest: Digest) -> Verdict {
        let certificate = self.certificate(places, kind, height, digest);
        self.judge.sent(&Message::Certificate(certificate))
    }

    fn block(&self, height: u64, parent_height: u64, parent: Digest, payload: &'static str) -> Arc<Block> {
        let proposer = Keys::member(&self.committee.proposer(Height(height)));
        let (signer, payload) = (self.keys.signer(proposer), Bytes::from_static(payload.as_bytes()));
        Arc::new(Block::seal(&self.committee, &signer, Height(height), Height(parent_height), parent, payload))
    }

    fn entry(&self, block: &Arc<Block>, below: Digest) -> FinalEntry {
        let final_block = FinalBlock {
            height: block.height(),
            digest: block.digest(),
            parent: below,
            proposer: self.committee.proposer(block.height()),
            impeached: false,
            payload: block.payload().clone(),
        };
        FinalEntry {
            term: Term(0),
            block: final_block,
            sealed: Some(Arc::clone(block)),
            certificate: None,
            closing: None,
        }
    }

    fn finalised(&mut self, node: usize, entry: &FinalEntry, state: u8) -> Verdict {
        self.judge.finalised(node, entry, Digest([state; 32]))
    }
}

const A: Digest = Digest([0xa; 32]);
const B: Digest = Digest([0xb; 32]);

#[test]
fn double_votes_of_the_honest_alone() {
    for kind in [Kind::Prepare, Kind::Commit] {
        let mut history = History::new();
        assert_eq!(history.says(0, kind, 5, A), Ok(()));
        assert_eq!(history.says(0, kind, 5, A), Ok(()));
        assert_eq!(history.says(0, kind, 6, B), Ok(()));
        assert_eq!(history.says(3, kind, 5, A).and(history.says(3, kind, 5, B)), Ok(()), "member 3 is Byzantine");
        assert_eq!(history.says(0, kind, 5, B), Err(Violation::DoubleVote { member: 0, height: Height(5), kind }));
    }
    // Nobody is framed by a vote that he did not sign.
    let mut history = History::new();
    assert_eq!(history.says(0, Kind::Prepare, 5, A), Ok(()));
    let forged = Vote { signer: 0, ..history.vote(3, Kind::Prepare, 5, B) };
    assert_eq!(history.judge.sent(&Message::Vote(forged)), Ok(()));
}

#[test]
fn double_seals() {
    let mut history = History::new();
    let propose = |block| Message::Propose(Proposal { block, parent: None, impeachment: None });
    let (one, two) = (history.block(1, 0, Digest::ZERO, "a"), history.block(1, 0, Digest::ZERO, "b"));
    assert_eq!(history.judge.sent(&propose(Arc::clone(&one))), Ok(()));
    assert_eq!(history.judge.sent(&Message::Block(one)), Ok(()));
    let double = Violation::DoubleVote { member: 4, height: Height(1), kind: Kind::Seal };
    assert_eq!(history.judge.sent(&propose(two)), Err(double));
}

#[test]
fn commit_and_impeach_prepare_exclude_each_other() {
    for order in [[Kind::Commit, Kind::ImpeachPrepare], [Kind::ImpeachPrepare, Kind::Commit]] {
        let mut history = History::new();
        assert_eq!(history.says(1, Kind::Prepare, 2, A), Ok(()), "PREPARE goes with both");
        let [first, second] = order.map(|kind| (kind, if kind == Kind::Commit { A } else { Digest::ZERO }));
        assert_eq!(history.says(1, first.0, 2, first.1), Ok(()));
        let both = Violation::CommitAndImpeach { member: 1, height: Height(2) };
        assert_eq!(history.says(1, second.0, 2, second.1), Err(both));
    }
}

#[test]
fn certificates_of_two_blocks_and_of_both_kinds() {
    let mut history = History::new();
    assert_eq!(history.shows(&[0, 1, 3], Kind::Prepare, 1, A), Ok(()));
    assert_eq!(history.shows(&[0, 3], Kind::Prepare, 1, B), Ok(()), "too few prove nothing");
    // With one honest signer in two certificates the double vote is found first; so two Byzantine sets here.
    let mut history = History::new();
    history.judge.honest = vec![false; 6];
    assert_eq!(history.shows(&[0, 1, 3], Kind::Prepare, 1, A), Ok(()));
    let two = Violation::TwoCertified { height: Height(1), kind: Kind::Commit };
    assert_eq!(history.shows(&[0, 2, 3], Kind::Commit, 1, B), Err(two));
    assert_eq!(history.shows(&[0, 1, 3], Kind::Prepare, 2, A), Ok(()));
    assert_eq!(history.shows(&[0, 1, 2], Kind::ImpeachPrepare, 2, Digest::ZERO), Ok(()), "normal");
    let both = Violation::CommittedAndImpeached(Height(2));
    assert_eq!(history.shows(&[1, 2, 3], Kind::Commit, 2, A), Err(both));
}

#[test]
fn what_is_final_agrees_and_descends() {
    let mut history = History::new();
    let block = history.block(1, 0, Digest::ZERO, "a");
    let entry = history.entry(&block, Digest::ZERO);
    let descent = |why| Err(Violation::Descent { node: 0, height: Height(1), why });
    assert_eq!(history.finalised(0, &entry, 1), descent("no quorum prepared it"));
    assert_eq!(history.shows(&[0, 1, 2], Kind::Prepare, 1, block.digest()), Ok(()));
    let with = |change: &dyn Fn(&mut FinalEntry)| {
        let mut changed = entry.clone();
        change(&mut changed);
        changed
    };
    let stray = with(&|e| e.block.parent = A);
    assert_eq!(history.finalised(0, &stray, 1), descent("it does not name the last proposed block below it"));
    let stolen = with(&|e| e.block.proposer = history.keys.public_key(5));
    assert_eq!(history.finalised(0, &stolen, 1), descent("it names another proposer"));
    let padded = with(&|e| e.block.payload = Bytes::from_static(b"x"));
    assert_eq!(history.finalised(0, &padded, 1), descent("its payload is another one"));
    let bare = with(&|e| e.sealed = None);
    assert_eq!(history.finalised(0, &bare, 1), descent("the block is not with it"));
    assert_eq!(history.finalised(0, &entry, 1), Ok(()));
    let uncovered = "no C-certificate at or above it was ever seen";
    assert_eq!(history.judge.covered(0), descent(uncovered));
    assert_eq!(history.shows(&[0, 1, 2], Kind::Commit, 1, block.digest()), Ok(()));
    assert_eq!(history.judge.covered(0), Ok(()));
    assert_eq!(history.finalised(0, &entry, 1), descent("the height below was not final here before"));
    // Another node, another state.
    let disagreement = |what| Err(Violation::Disagreement { node: 1, height: Height(1), what });
    assert_eq!(history.finalised(1, &entry, 2), disagreement("the state"));
    assert_eq!(history.finalised(2, &entry, 1), Ok(()));
    // After a restart the same heights come again, and must be the same.
    history.judge.restarted(0);
    assert_eq!(history.finalised(0, &entry, 1), Ok(()));
}

#[test]
fn impeached_heights_need_a_quorum_too() {
    let mut history = History::new();
    let height = Height(1);
    let proposer = history.committee.proposer(height);
    let digest = impeach_digest(history.committee.chain(), Term(0), &Digest::ZERO, height, &proposer);
    let (parent, payload) = (Digest::ZERO, Bytes::new());
    let block = FinalBlock { height, digest, parent, proposer, impeached: true, payload };
    let entry = FinalEntry { term: Term(0), block, sealed: None, certificate: None, closing: None };
    let descent = |why| Err(Violation::Descent { node: 0, height, why });
    assert_eq!(history.says(0, Kind::ImpeachPrepare, 1, Digest::ZERO), Ok(()));
    assert_eq!(history.finalised(0, &entry, 1), descent("no quorum impeached it"));
    assert_eq!(history.says(1, Kind::ImpeachPrepare, 1, Digest::ZERO), Ok(()));
    let mut other = entry.clone();
    other.block.digest = A;
    assert_eq!(history.finalised(0, &other, 1), descent("its impeach block is another one"));
    assert_eq!(history.finalised(0, &entry, 1), Ok(()), "two honest and one Byzantine are three of four");
    assert_eq!((history.judge.impeached(), history.judge.final_height()), (1, height));
}

#[test]
fn evidence_accuses_the_guilty_alone() {
    let history = History::new();
    let evidence = |place: u16, kinds: [(Kind, Digest); 2]| {
        let [first, second] = kinds.map(|(kind, digest)| {
            let vote = history.vote(place, kind, 4, digest);
            (vote.statement(&history.committee), vote.signature)
        });
        Evidence { key: history.keys.signer(usize::from(place)).public_key(), first, second }
    };
    let double = [(Kind::Prepare, A), (Kind::Prepare, B)];
    assert_eq!(history.judge.evidence(&evidence(3, double)), Ok(()));
    let framed = Violation::Evidence { member: 0, why: "the key is honest" };
    assert_eq!(history.judge.evidence(&evidence(0, double)), Err(framed));
    let harmless = evidence(3, [(Kind::Prepare, A), (Kind::ImpeachPrepare, Digest::ZERO)]);
    let why = "the two statements do not exclude each other";
    assert_eq!(history.judge.evidence(&harmless), Err(Violation::Evidence { member: 3, why }));
    let crossed = evidence(3, [(Kind::Commit, A), (Kind::ImpeachPrepare, Digest::ZERO)]);
    assert_eq!(history.judge.evidence(&crossed), Ok(()));
    let unsigned = Evidence { key: history.keys.public_key(3), ..evidence(0, double) };
    let why = "a signature is wrong";
    assert_eq!(history.judge.evidence(&unsigned), Err(Violation::Evidence { member: 3, why }));
}

#[test]
fn blame_falls_on_the_guilty_alone() {
    let history = History::new();
    assert_eq!(history.judge.blamed(1, &history.keys.public_key(3), "x"), Ok(()));
    let blame = Violation::Blame { node: 1, member: 0, reason: "x" };
    assert_eq!(history.judge.blamed(1, &history.keys.public_key(0), "x"), Err(blame));
}

#[test]
fn a_term_has_one_committee() {
    let mut history = History::new();
    let ended = history.committee.clone().until(Height(5)).unwrap();
    assert_eq!(history.judge.begins(0, &ended.again()), Ok(()));
    assert_eq!(history.judge.begins(1, &ended.again()), Ok(()));
    let (mut validators, proposers) = (ended.validators().to_vec(), ended.proposers().to_vec());
    validators.reverse();
    let other = ended.next(validators, proposers, Some(5)).unwrap();
    assert_eq!(history.judge.begins(2, &other), Err(Violation::Committees { node: 2, term: Term(1) }));
}

#[test]
fn the_own_count_of_quorums() {
    assert_eq!([1, 2, 3, 4, 5, 6, 7, 100].map(quorum), [1, 2, 3, 3, 4, 5, 5, 67]);
}

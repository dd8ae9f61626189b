use alloc::sync::Arc;
use core::time::Duration;

use cpchain_crypto::{Digest, Signature, Signer, SigningKey};

use super::*;
use crate::{
    ids::{ChainId, Height, Term},
    lbft::{Block, Committee, Config, Evidence, Input, Kind, Message, Output, Record, Restored, SignatureCache},
};

const BLOCK: Digest = Digest([8; 32]);
const OTHER: Digest = Digest([9; 32]);

struct Seven {
    keys: Vec<SigningKey>,
    committee: Committee,
    node: Lbft,
}

impl Seven {
    fn new() -> Self {
        let keys: Vec<_> = (1..=7).map(|i| SigningKey::from_seed(&[i; 32])).collect();
        let public: Vec<_> = keys.iter().map(Signer::public_key).collect();
        let committee =
            Committee::new(ChainId::new("votes", b""), Term(0), public.clone(), public[6..].to_vec()).unwrap();
        let (timeout, timeout_cap) = (Duration::from_secs(1), Duration::from_secs(8));
        let config = Config { committee: committee.clone(), timeout, timeout_cap };
        let cache = Arc::new(SignatureCache::new(1000));
        let (node, _) = Lbft::new(config, Arc::new(keys[0].clone()), cache, Restored::default());
        Self { keys, committee, node }
    }

    fn vote(&self, who: u16, kind: Kind, digest: Digest) -> Vote {
        Vote::cast(&self.committee, who, &self.keys[usize::from(who)], kind, Height(1), digest)
    }

    fn tell(&mut self, from: usize, vote: Vote) -> Vec<Output> {
        let from = self.keys[from].public_key();
        self.node.step(Input::Message { from, message: Message::Vote(vote) })
    }
}

fn forged(vote: Vote) -> Vote {
    Vote { signature: Signature([7; 64]), ..vote }
}

fn blamed(outputs: &[Output]) -> Vec<PublicKey> {
    let blamed = outputs.iter().filter_map(|output| match output {
        Output::Blame { peer, .. } => Some(*peer),
        _ => None,
    });
    blamed.collect()
}

fn proofs(outputs: &[Output]) -> Vec<Evidence> {
    let proofs = outputs.iter().filter_map(|output| match output {
        Output::Evidence(proof) => Some(*proof),
        _ => None,
    });
    proofs.collect()
}

#[test]
fn votes_wait_for_a_quorum() {
    let mut seven = Seven::new();
    for who in 1..5 {
        let vote = seven.vote(who, Kind::Prepare, BLOCK);
        // Nobody looks at the signature: a forged one is not noticed yet.
        let vote = if who == 4 { forged(vote) } else { vote };
        assert!(seven.tell(who.into(), vote).is_empty());
    }
    let last = seven.vote(5, Kind::Prepare, BLOCK);
    let outputs = seven.tell(5, last);
    assert_eq!(blamed(&outputs), [seven.keys[4].public_key()]);
    assert_eq!(seven.node.height(), Height(1), "four of five are no quorum");
    let true_vote = seven.vote(4, Kind::Prepare, BLOCK);
    seven.tell(4, true_vote);
    assert_eq!(seven.node.height(), Height(2));
}

#[test]
fn forged_votes_are_found_and_blamed() {
    let mut seven = Seven::new();
    let mut all = vec![];
    for who in [1, 2, 3, 4, 5, 6] {
        let vote = seven.vote(who, Kind::ImpeachPrepare, Digest::ZERO);
        let vote = if who % 2 == 0 { forged(vote) } else { vote };
        // Votes reach it through another neighbour: that one is blamed.
        all.extend(seven.tell(usize::from(who) - 1, vote));
    }
    // With five votes a quorum could form, and two of them were forged; the sixth vote waits.
    let guilty: Vec<_> = [1, 3].map(|who: usize| seven.keys[who].public_key()).into();
    assert_eq!(blamed(&all), guilty);
    assert!(proofs(&all).is_empty());
    assert_eq!(seven.node.height(), Height(1));
}

#[test]
fn a_forgery_does_not_keep_the_true_vote_out() {
    for first in [true, false] {
        let mut seven = Seven::new();
        let good = seven.vote(1, Kind::Prepare, BLOCK);
        let (a, b) = if first { (forged(good), good) } else { (good, forged(good)) };
        let mut outputs = seven.tell(2, a);
        outputs.extend(seven.tell(1, b));
        assert_eq!(blamed(&outputs).len(), 1);
        for who in 2..5 {
            let vote = seven.vote(who, Kind::Prepare, BLOCK);
            seven.tell(who.into(), vote);
        }
        let vote = seven.vote(5, Kind::Prepare, BLOCK);
        seven.tell(5, vote);
        assert_eq!(seven.node.height(), Height(2));
    }
}

#[test]
fn every_double_vote_is_evidence_once_and_logged() {
    let mut seven = Seven::new();
    let said = [
        (Kind::Prepare, BLOCK),
        (Kind::ImpeachPrepare, Digest::ZERO),
        (Kind::Prepare, OTHER),
        (Kind::Commit, BLOCK),
        (Kind::Commit, OTHER),
        (Kind::Prepare, Digest([10; 32])),
    ];
    let mut all = vec![];
    for (kind, digest) in said {
        let vote = seven.vote(3, kind, digest);
        all.extend(seven.tell(3, vote));
        all.extend(seven.tell(3, vote));
    }
    let mut kinds: Vec<_> = proofs(&all)
        .iter()
        .map(|p| (p.first.0.kind.min(p.second.0.kind), p.first.0.kind.max(p.second.0.kind)))
        .collect();
    kinds.sort_unstable();
    // PREPARE with IMPEACH PREPARE is normal.
    let expected = [(Kind::Prepare, Kind::Prepare), (Kind::Commit, Kind::Commit), (Kind::Commit, Kind::ImpeachPrepare)];
    assert_eq!(kinds, expected);
    let logged = all.iter().filter_map(|output| match output {
        Output::Persist { records, .. } => Some(records.iter().filter(|r| matches!(r, Record::Evidence(_))).count()),
        _ => None,
    });
    assert_eq!(logged.sum::<usize>(), 3);
    let key = seven.keys[3].public_key();
    assert!(proofs(&all).iter().all(|proof| proof.verify() && proof.key == key));
    assert!(blamed(&all).is_empty());
}

#[test]
fn a_certificate_gives_its_double_voters_away() {
    let mut seven = Seven::new();
    // Counted, since it was in a batch.
    for who in [1, 2, 3, 4, 5] {
        let vote = seven.vote(who, Kind::Prepare, if who == 5 { OTHER } else { BLOCK });
        seven.tell(who.into(), vote);
    }
    let (a, b) = (seven.vote(5, Kind::Prepare, OTHER), seven.vote(6, Kind::Prepare, BLOCK));
    seven.tell(5, a);
    let before = seven.tell(6, b);
    assert_eq!(seven.node.height(), Height(2));
    assert!(proofs(&before).is_empty());
    let votes: Vec<_> = [1, 2, 4, 5, 6].map(|who| seven.vote(who, Kind::Commit, BLOCK)).into();
    let certificate = Certificate::from_votes(&seven.committee, Kind::Commit, Height(1), BLOCK, &votes);
    let impeach = seven.vote(6, Kind::ImpeachPrepare, Digest::ZERO);
    seven.tell(6, impeach);
    let from = seven.keys[1].public_key();
    let outputs = seven.node.step(Input::Message { from, message: Message::Certificate(certificate) });
    let proofs = proofs(&outputs);
    assert_eq!(proofs.len(), 1, "{outputs:?}");
    assert!(proofs[0].verify() && proofs[0].key == seven.keys[6].public_key());
}

fn pulled(outputs: &[Output]) -> Vec<(PublicKey, Digest)> {
    let pulls = outputs.iter().filter_map(|output| match output {
        Output::Send { to, message: Message::Pull(pull) } => Some((to[0], pull.digests.clone())),
        _ => None,
    });
    pulls.flat_map(|(to, digests)| digests.into_iter().map(move |digest| (to, digest))).collect()
}

/// A PREPARE for another block than the one that is here: the block is pulled of its voter, once, and proves the proposer guilty.
#[test]
fn a_second_block_is_pulled_and_proves_its_proposer() {
    for block_first in [true, false] {
        let mut seven = Seven::new();
        let seal = |seven: &Seven, payload: &'static [u8]| {
            let parent = (Height::GENESIS, Digest::ZERO);
            Arc::new(Block::seal(&seven.committee, &seven.keys[6], Height(1), parent.0, parent.1, payload.into()))
        };
        let (ours, theirs) = (seal(&seven, b"ours"), seal(&seven, b"theirs"));
        let (proposer, voter) = (seven.keys[6].public_key(), seven.keys[3].public_key());
        let vote = seven.vote(3, Kind::Prepare, theirs.digest());
        let block = |node: &mut Lbft, from, block: &Arc<Block>| {
            node.step(Input::Message { from, message: Message::Block(block.clone()) })
        };
        if block_first {
            block(&mut seven.node, proposer, &ours);
            let outputs = seven.tell(3, forged(vote));
            assert_eq!((blamed(&outputs), pulled(&outputs)), (vec![voter], vec![]), "forged votes pull nothing");
            assert_eq!(pulled(&seven.tell(3, vote)), [(voter, theirs.digest())]);
        } else {
            assert!(seven.tell(3, vote).is_empty(), "without a block nothing is strange");
            // The proposer is asked first, since it spoke, and others at the next retry.
            assert_eq!(pulled(&block(&mut seven.node, proposer, &ours)), [(proposer, theirs.digest())]);
            seven.node.step(Input::Retry);
        }
        let again = seven.vote(2, Kind::Prepare, theirs.digest());
        assert!(pulled(&seven.tell(2, again)).is_empty(), "once in a retry interval");
        let outputs = block(&mut seven.node, voter, &theirs);
        let proofs = proofs(&outputs);
        assert!(proofs.len() == 1 && proofs[0].verify() && proofs[0].key == proposer);
        let impeaches = |output: &Output| {
            matches!(output, Output::Send { message: Message::Vote(vote), .. }
            if vote.kind == Kind::ImpeachPrepare)
        };
        assert!(outputs.iter().any(impeaches), "{outputs:?}");
        seven.node.step(Input::Retry);
        let outputs = seven.node.step(Input::Retry);
        assert!(pulled(&outputs).is_empty(), "two are enough");
    }
}

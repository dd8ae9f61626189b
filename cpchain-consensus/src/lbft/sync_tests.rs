use core::time::Duration;

use bytes::Bytes;
use cpchain_crypto::{Digest, Signer, SigningKey};

use super::*;
use crate::{
    ids::{ChainId, Term},
    lbft::{
        Certificate, Committee, Config, FinalEntry, Input, MAX_RANGE, Message, Output, Pull, Restored, SignatureCache,
        Snapshot, SnapshotError, Vote,
    },
    storage::{MemoryStorage, Storage, answer},
};

/// A chain of `length` blocks that is final on a node with everything in its storage, every third height impeached.
pub(super) struct Chain {
    pub(super) keys: Vec<SigningKey>,
    pub(super) committee: Committee,
    pub(super) storage: MemoryStorage,
    pub(super) blocks: Vec<Arc<Block>>,
}

impl Chain {
    pub(super) fn new(length: u64, payload: usize) -> Self {
        let keys: Vec<_> = (1..=6).map(|i| SigningKey::from_seed(&[i; 32])).collect();
        let public: Vec<_> = keys.iter().map(Signer::public_key).collect();
        let committee =
            Committee::new(ChainId::new("sync", b""), Term(0), public[..4].into(), public[4..5].into()).unwrap();
        let mut chain = Self { keys, committee, storage: MemoryStorage::new(), blocks: vec![] };
        let (mut node, _) = chain.node(5);
        let mut parent = (Height(0), Digest::ZERO);
        for height in (1..=length).filter(|height| height % 3 != 0 || *height == length).map(Height) {
            let payload = Bytes::from(vec![height.0 as u8; payload]);
            let block = Arc::new(Block::seal(&chain.committee, &chain.keys[4], height, parent.0, parent.1, payload));
            parent = (height, block.digest());
            let certificate = chain.certificate(&block);
            chain.blocks.push(block.clone());
            for message in [Message::Block(block), Message::Certificate(certificate)] {
                let from = chain.keys[0].public_key();
                for output in node.step(Input::Message { from, message }) {
                    if let Output::Persist { records, sync } = output {
                        chain.storage.append(&records, sync).unwrap();
                    }
                }
            }
        }
        assert_eq!(node.final_height(), Height(length));
        chain
    }

    /// A node that knows nothing.
    pub(super) fn node(&self, who: usize) -> (Lbft, Vec<Output>) {
        let (timeout, timeout_cap) = (Duration::from_secs(1), Duration::from_secs(8));
        let config = Config { committee: self.committee.clone(), timeout, timeout_cap };
        Lbft::new(config, Arc::new(self.keys[who].clone()), Arc::new(SignatureCache::new(1000)), Restored::default())
    }

    pub(super) fn certificate(&self, block: &Block) -> Certificate {
        let (kind, height, digest) = (Kind::Commit, block.height(), block.digest());
        let cast = |who: u16| Vote::cast(&self.committee, who, &self.keys[usize::from(who)], kind, height, digest);
        Certificate::from_votes(&self.committee, kind, height, digest, &[cast(1), cast(2), cast(3)])
    }

    pub(super) fn tip(&self) -> Message {
        Message::Certificate(self.certificate(self.blocks.last().unwrap()))
    }
}

pub(super) fn pulls(outputs: &[Output]) -> Vec<(cpchain_crypto::PublicKey, Pull)> {
    let pulls = outputs.iter().filter_map(|output| match output {
        Output::Send { to, message: Message::Pull(pull) } => Some((to[0], pull.clone())),
        _ => None,
    });
    pulls.collect()
}

/// Nobody but this peer is asked for parts further up.
fn alone(chain: &Chain, node: &mut Lbft, peer: cpchain_crypto::PublicKey) {
    let keys = chain.keys.iter().map(Signer::public_key);
    keys.filter(|key| *key != peer).for_each(|key| node.lanes.shun(key));
}

/// Answers pulls from the storage until nothing is asked; `twist` is what the asked peer makes of an answer.
fn catch_up(
    chain: &Chain,
    node: &mut Lbft,
    mut open: Vec<(cpchain_crypto::PublicKey, Pull)>,
    mut twist: impl FnMut(&cpchain_crypto::PublicKey, Message) -> Option<Message>,
) -> (usize, Vec<cpchain_crypto::PublicKey>) {
    let (mut answers, mut blamed) = (0, vec![]);
    while node.final_height() < chain.blocks.last().unwrap().height() {
        if open.is_empty() {
            open = pulls(&node.step(Input::Retry));
            assert!(!open.is_empty(), "stuck at {}", node.final_height());
        }
        for (from, pull) in std::mem::take(&mut open) {
            for message in answer(&chain.storage, &pull).unwrap() {
                let Some(message) = twist(&from, message) else { continue };
                assert!(message.encode().len() <= crate::lbft::MAX_MESSAGE);
                answers += 1;
                assert!(answers < 5000);
                let outputs = node.step(Input::Message { from, message });
                blamed.extend(outputs.iter().filter_map(|output| match output {
                    Output::Blame { peer, .. } => Some(*peer),
                    _ => None,
                }));
                open.extend(pulls(&outputs));
            }
        }
        let (rounds, blocks) = node.held();
        assert!(rounds <= 100 && blocks <= MAX_RANGE + 100, "{rounds} {blocks}");
    }
    (answers, blamed)
}

#[test]
fn ranges_bring_the_chain_with_one_certificate_each() {
    let chain = Chain::new(1001, 10);
    let (mut node, _) = chain.node(0);
    let from = chain.keys[1].public_key();
    let first = pulls(&node.step(Input::Message { from, message: chain.tip() }));
    alone(&chain, &mut node, from);
    let (answers, blamed) = catch_up(&chain, &mut node, first, |_, message| {
        assert!(matches!(message, Message::Range(_)));
        Some(message)
    });
    let blocks = chain.blocks.len();
    assert_eq!((answers, blamed), (blocks.div_ceil(MAX_RANGE), vec![]));
}

#[test]
fn ranges_are_cut_by_bytes_too() {
    let chain = Chain::new(7, 400 << 10);
    let (mut node, _) = chain.node(0);
    let from = chain.keys[1].public_key();
    let first = pulls(&node.step(Input::Message { from, message: chain.tip() }));
    let (answers, _) = catch_up(&chain, &mut node, first, |_, message| Some(message));
    assert!(answers >= chain.blocks.len() / 2, "two payloads a message: {answers}");
}

/// Validator 1 lies in every way that there is; each lie costs one message, and another is asked next.
#[test]
fn a_lying_peer_costs_one_range() {
    let chain = Chain::new(600, 10);
    let liar = chain.keys[1].public_key();
    let other = |block: &Block| {
        let header = block.header();
        let (committee, key) = (&chain.committee, &chain.keys[4]);
        Block::seal(committee, key, header.height, header.parent_height, header.parent, Bytes::from_static(b"other"))
    };
    for lie in 0..6 {
        let (mut node, _) = chain.node(0);
        let first = pulls(&node.step(Input::Message { from: liar, message: chain.tip() }));
        assert!(first.iter().all(|(to, _)| *to == liar));
        let mut told = 0;
        let (answers, blamed) = catch_up(&chain, &mut node, first, |from, message| {
            let Message::Range(mut range) = message else { return Some(message) };
            if *from == liar {
                told += 1;
                let certificate = range.certificate.clone();
                match lie {
                    0 => drop(range.blocks.remove(5)),
                    1 => drop(range.blocks.pop()),
                    2 => range.blocks.clear(),
                    3 => drop(range.blocks.remove(0)),
                    4 => range.blocks[0] = Arc::new(other(&range.blocks[0])),
                    _ => range.certificate = Certificate { signatures: vec![0; 192].into(), ..certificate },
                }
            }
            Some(Message::Range(range))
        });
        // A gap may be a piece that overtook another: nobody is blamed, and the next interval brings heights.
        let is_gap = lie == 3;
        let expected = if is_gap { 0 } else { told };
        assert!(blamed.iter().all(|peer| *peer == liar) && blamed.len() == expected, "lie {lie}: {blamed:?}");
        let few = answers <= chain.blocks.len().div_ceil(MAX_RANGE) + told;
        assert!(told >= 1 && (few || is_gap), "lie {lie}: {answers}");
    }
}

#[test]
fn who_has_no_ranges_is_asked_for_heights() {
    let chain = Chain::new(90, 10);
    let (mut node, _) = chain.node(0);
    let from = chain.keys[1].public_key();
    let first = pulls(&node.step(Input::Message { from, message: chain.tip() }));
    let (answers, blamed) =
        catch_up(&chain, &mut node, first, |_, message| (!matches!(message, Message::Range(_))).then_some(message));
    assert!(answers >= chain.blocks.len() && blamed.is_empty());
}

/// A follower that only another follower tells of the chain asks that one, also when it must ask again.
#[test]
fn a_follower_among_followers_catches_up() {
    let chain = Chain::new(300, 10);
    let follower = SigningKey::from_seed(&[99; 32]).public_key();
    let (mut node, _) = chain.node(5);
    let mut open = pulls(&node.step(Input::Message { from: follower, message: chain.tip() }));
    assert!(open.iter().all(|(to, _)| *to == follower));
    // The first pull is lost.
    open.clear();
    let (_, blamed) = catch_up(&chain, &mut node, open, |from, message| (*from == follower).then_some(message));
    assert!(blamed.is_empty());
}

#[test]
fn a_range_that_nobody_asked_for_is_not_looked_at() {
    let chain = Chain::new(100, 10);
    let (mut node, _) = chain.node(0);
    let pull = Pull { range: Some(Height(1)), ..Pull::default() };
    let message = answer(&chain.storage, &pull).unwrap().remove(0);
    let from = chain.keys[1].public_key();
    assert!(node.step(Input::Message { from, message }).is_empty());
    assert_eq!(node.held(), (0, 0));
}

#[test]
fn a_node_starts_from_a_snapshot() {
    let chain = Chain::new(400, 10);
    let cache = SignatureCache::new(100);
    let entry = chain.storage.final_entry(Height(200)).unwrap().unwrap();
    let good = Snapshot { committee: chain.committee.clone(), entry };
    let impeached = chain.storage.final_entry(Height(201)).unwrap().unwrap();
    let bare = FinalEntry { certificate: None, ..good.entry.clone() };
    let mut bent = good.entry.clone();
    bent.block.payload = Bytes::from_static(b"bent");
    let refused = |entry| Snapshot { entry, ..good.clone() }.records(&cache).unwrap_err();
    assert_eq!(refused(impeached), SnapshotError::Entry);
    assert_eq!(refused(bent), SnapshotError::Entry);
    assert_eq!(refused(bare), SnapshotError::Unproved);
    let stranger = chain.committee.clone().until(Height(200)).unwrap();
    assert_eq!(Snapshot { committee: stranger, ..good.clone() }.records(&cache), Err(SnapshotError::Entry));

    let mut store = MemoryStorage::new();
    store.append(&good.records(&cache).unwrap(), true).unwrap();
    let (timeout, timeout_cap) = (Duration::from_secs(1), Duration::from_secs(8));
    let config = Config { committee: chain.committee.clone(), timeout, timeout_cap };
    let (signer, cache) = (Arc::new(chain.keys[5].clone()), Arc::new(cache));
    let (mut node, _) = Lbft::new(config, signer, cache, store.restore().unwrap());
    assert_eq!(node.final_height(), Height(200));
    let from = chain.keys[1].public_key();
    let first = pulls(&node.step(Input::Message { from, message: chain.tip() }));
    assert!(first.iter().all(|(_, pull)| pull.range == Some(Height(201))));
    let (_, blamed) = catch_up(&chain, &mut node, first, |_, message| Some(message));
    assert!(blamed.is_empty());
}

/// A vote of a term after this one, which ends at the chain's last height.
fn later_vote(chain: &Chain) -> Message {
    let next = chain.committee.clone().until(chain.blocks.last().unwrap().height()).unwrap().again();
    let height = next.first();
    Message::Vote(Vote::cast(&next, 1, &chain.keys[1], Kind::Prepare, height, Digest([7; 32])))
}

/// No certificate of the own term says how far the chain is; each range makes all its blocks final at once.
#[test]
fn word_of_a_later_term_brings_ranges() {
    let mut chain = Chain::new(1001, 10);
    chain.committee = chain.committee.until(Height(1001)).unwrap();
    let (mut node, _) = chain.node(0);
    let from = chain.keys[1].public_key();
    let first = pulls(&node.step(Input::Message { from, message: later_vote(&chain) }));
    let mut last = Height::GENESIS;
    let (answers, blamed) = catch_up(&chain, &mut node, first, |_, message| {
        let Message::Range(range) = &message else { panic!("{message:?}") };
        let first = range.blocks.first().unwrap().header().parent_height;
        assert_eq!(core::mem::replace(&mut last, range.certificate.height), first);
        Some(message)
    });
    assert_eq!((answers, blamed), (chain.blocks.len().div_ceil(MAX_RANGE), vec![]));
}

/// A stranger makes a later term up: what is proved to be final is still pulled, and the stranger is not asked again.
#[test]
fn a_made_up_later_term_keeps_nothing_back() {
    let chain = Chain::new(2, 10);
    let (mut node, _) = chain.node(0);
    let stranger = SigningKey::from_seed(&[99; 32]).public_key();
    node.step(Input::Message { from: stranger, message: later_vote(&chain) });
    assert!(node.heard.is_empty());
    let from = chain.keys[1].public_key();
    let open = pulls(&node.step(Input::Message { from, message: chain.tip() }));
    let last = chain.blocks.last().unwrap().digest();
    assert!(matches!(open.as_slice(), [(to, pull)] if *to == from && pull.digests == [last]), "{open:?}");
    node.step(Input::Message { from, message: later_vote(&chain) });
    assert_eq!(node.heard, [from]);
}

/// Far behind, a validator of this term votes at every height up to H.
#[test]
fn votes_that_catching_up_passes_are_not_kept() {
    let chain = Chain::new(1001, 10);
    let (mut node, _) = chain.node(0);
    let from = chain.keys[1].public_key();
    node.step(Input::Message { from, message: chain.tip() });
    assert_eq!((node.final_height(), node.height()), (Height(0), Height(1002)));
    let (before, _) = node.held();
    let mut tell = |height| {
        let vote = Vote::cast(&chain.committee, 1, &chain.keys[1], Kind::Prepare, Height(height), Digest([7; 32]));
        node.step(Input::Message { from, message: Message::Vote(vote) });
        node.held().0
    };
    for height in 65..1001 {
        assert_eq!(tell(height), before, "height {height}");
    }
    assert_eq!(tell(64), before + 1);
    assert_eq!(tell(1002), before + 2);
}

/// Pieces of each answer, as the asked node stores make them of pulls that came one after the other.
#[test]
fn answers_grow_while_they_come_whole() {
    let chain = Chain::new(6000, 10);
    let (mut node, _) = chain.node(0);
    let from = chain.keys[1].public_key();
    let mut open = pulls(&node.step(Input::Message { from, message: chain.tip() }));
    alone(&chain, &mut node, from);
    let mut asked = vec![];
    while let Some((from, pull)) = open.pop() {
        asked.push(pull.pieces);
        let answer = answer(&chain.storage, &pull).unwrap();
        let last = answer.len() - 1;
        for (place, message) in answer.into_iter().enumerate() {
            assert!(matches!(&message, Message::Range(range) if range.more == (place < last)));
            let more = pulls(&node.step(Input::Message { from, message }));
            assert!(more.is_empty() || place == last, "asked for what is on its way");
            open.extend(more);
        }
    }
    assert_eq!(node.final_height(), Height(6000));
    assert_eq!(asked, [1, 2, 4, 8, 16]);
}

/// The end of an answer is lost: it is waited for over one retry, then another peer is asked, and for less.
#[test]
fn a_range_under_way_at_the_retry_is_waited_for() {
    let chain = Chain::new(4000, 10);
    let (mut node, _) = chain.node(0);
    let from = chain.keys[1].public_key();
    let mut open = pulls(&node.step(Input::Message { from, message: chain.tip() }));
    alone(&chain, &mut node, from);
    let mut cut = vec![];
    for _ in 0..3 {
        let (from, pull) = open.pop().unwrap();
        cut = answer(&chain.storage, &pull).unwrap();
        let rest = cut.split_off((cut.len() / 2).max(1));
        for message in core::mem::replace(&mut cut, rest) {
            open = pulls(&node.step(Input::Message { from, message }));
        }
        if open.is_empty() {
            break;
        }
    }
    assert!(open.is_empty() && !cut.is_empty(), "in the middle of an answer");
    let before = node.final_height();
    assert!(pulls(&node.step(Input::Retry)).is_empty(), "on its way");
    node.step(Input::Message { from, message: cut.remove(0) });
    assert!(node.final_height() > before, "it came late and counts");
    let other = SigningKey::from_seed(&[99; 32]).public_key();
    node.heard.push(other);
    let again = pulls(&node.step(Input::Retry));
    assert!(
        matches!(again.first(), Some((to, Pull { range: Some(_), pieces: 1, .. })) if *to == other),
        "another one is asked: {again:?}"
    );
    // Nothing comes: heights, and a range no more.
    let heights = pulls(&node.step(Input::Retry));
    assert!(heights.iter().all(|(_, pull)| pull.range.is_none() && !pull.heights.is_empty()), "{heights:?}");
}

/// Who promises more and sends nothing costs what a silent peer costs.
#[test]
fn a_promise_of_more_is_not_believed_for_long() {
    let chain = Chain::new(600, 10);
    let liar = chain.keys[1].public_key();
    let (mut node, _) = chain.node(0);
    let first = pulls(&node.step(Input::Message { from: liar, message: chain.tip() }));
    alone(&chain, &mut node, liar);
    let message = answer(&chain.storage, &first[0].1).unwrap().remove(0);
    let Message::Range(range) = message else { panic!() };
    let lie = Message::Range(crate::lbft::Range { more: true, ..range });
    assert!(pulls(&node.step(Input::Message { from: liar, message: lie })).is_empty());
    assert!(pulls(&node.step(Input::Retry)).is_empty());
    let open = pulls(&node.step(Input::Retry));
    assert!(!open.is_empty());
    catch_up(&chain, &mut node, open, |from, message| (*from != liar).then_some(message));
}

/// Prints how fast the core takes in a chain of small blocks from ranges: `cargo test --release -p cpchain-consensus
/// --no-default-features --features std --lib catching_up_speed -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn catching_up_speed() {
    let chain = Chain::new(6000, 100);
    let (mut node, _) = chain.node(0);
    let from = chain.keys[1].public_key();
    let first = pulls(&node.step(Input::Message { from, message: chain.tip() }));
    let start = std::time::Instant::now();
    catch_up(&chain, &mut node, first, |_, message| Some(message));
    let seconds = start.elapsed().as_secs_f64();
    println!("{} blocks in {seconds:.3} s: {:.0} blocks/s", chain.blocks.len(), chain.blocks.len() as f64 / seconds);
}

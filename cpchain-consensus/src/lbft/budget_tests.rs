use alloc::sync::Arc;
use core::time::Duration;

use bytes::Bytes;
use cpchain_crypto::{Signer, SigningKey};

use super::*;
use crate::{
    ids::{ChainId, Height, Term},
    lbft::{
        Certificate, Committee, Config, Input, Kind, Message, Output, Proposal, Pull, Range, Restored, SignatureCache,
        Vote,
    },
};

/// Four validators and proposers of which the first turn is an honest one's; all keys are at hand.
struct Net {
    keys: Vec<SigningKey>,
    committee: Committee,
    cache: Arc<SignatureCache>,
}

impl Net {
    fn new(proposers: u8) -> Self {
        let keys: Vec<_> = (1..=4 + proposers).map(|seed| SigningKey::from_seed(&[seed; 32])).collect();
        let public: Vec<_> = keys.iter().map(Signer::public_key).collect();
        let (validators, proposers) = (public[..4].to_vec(), public[4..].to_vec());
        let committee = Committee::new(ChainId::new("budget", b""), Term(0), validators, proposers).unwrap();
        Self { keys, committee, cache: Arc::new(SignatureCache::new(10_000)) }
    }

    fn node(&self, who: usize) -> Lbft {
        let timeout = Duration::from_secs(1);
        let config = Config { committee: self.committee.clone(), timeout, timeout_cap: timeout * 8 };
        Lbft::new(config, Arc::new(self.keys[who].clone()), self.cache.clone(), Restored::default()).0
    }

    fn block(&self, height: u64, parent: (Height, Digest), payload: Bytes) -> Arc<Block> {
        let turn = (height as usize - 1) % self.committee.proposers().len();
        let key = &self.keys[4 + turn];
        Arc::new(Block::seal(&self.committee, key, Height(height), parent.0, parent.1, payload))
    }

    fn certificate(&self, kind: Kind, block: &Block) -> Certificate {
        let (height, digest) = (block.height(), block.digest());
        let cast = |who: u16| Vote::cast(&self.committee, who, &self.keys[usize::from(who)], kind, height, digest);
        Certificate::from_votes(&self.committee, kind, height, digest, &[cast(1), cast(2), cast(3)])
    }

    /// A message from validator 1, with every verdict that it asks for given in favour.
    fn tell(&self, node: &mut Lbft, message: Message) -> Vec<Output> {
        let mut outputs = node.step(Input::Message { from: self.keys[1].public_key(), message });
        let asked = outputs.iter().filter_map(|output| match output {
            Output::Verify { digest, .. } => Some(*digest),
            _ => None,
        });
        for digest in asked.collect::<Vec<_>>() {
            outputs.extend(node.step(Input::Verified { digest, verdict: Ok(()) }));
        }
        outputs
    }
}

fn big(byte: u8) -> Bytes {
    vec![byte; MAX_PAYLOAD].into()
}

fn propose(block: &Arc<Block>) -> Message {
    Message::Propose(Proposal { block: block.clone(), parent: None, impeachment: None })
}

fn prepared(outputs: &[Output]) -> bool {
    let is_prepare = |output: &Output| matches!(output, Output::Send { message: Message::Vote(vote), .. } if vote.kind == Kind::Prepare);
    outputs.iter().any(is_prepare)
}

/// Two blocks at each of its heights, all of the largest payload, from whoever: the other proposer's blocks stay, and the
/// block that is voted on.
#[test]
fn a_proposer_fills_no_more_than_its_share() {
    let net = Net::new(2);
    let mut node = net.node(0);
    let honest = net.block(1, (Height(0), Digest::ZERO), big(0));
    let next = net.block(3, (Height(1), honest.digest()), big(0));
    net.tell(&mut node, propose(&next));
    for height in (2..=17).rev().step_by(2) {
        for byte in 1..=2 {
            let block = net.block(height, (Height(height - 1), Digest([byte; 32])), big(byte));
            net.tell(&mut node, propose(&block));
            let others = node.held_bytes() - weight(&next);
            assert!(others <= WAITING_OF_ONE, "{others} bytes at height {height}");
        }
    }
    assert!(node.held_bytes() > WAITING_OF_ONE / 2, "it was over the bound");
    let lowest: Vec<_> =
        node.blocks.values().map(|held| held.block.height().0).filter(|height| height % 2 == 0).collect();
    assert!(lowest.iter().all(|height| *height <= 8), "the nearest stay: {lowest:?}");
    assert!(node.blocks.contains_key(&next.digest()));
    assert!(prepared(&net.tell(&mut node, propose(&honest))));
    // It becomes final as if nothing had been.
    net.tell(&mut node, Message::Certificate(net.certificate(Kind::Prepare, &honest)));
    net.tell(&mut node, Message::Certificate(net.certificate(Kind::Commit, &honest)));
    assert_eq!(node.final_height(), Height(1));
}

/// A block that had no room is pulled when its height comes, and when a certificate stands on it.
#[test]
fn what_was_dropped_comes_again() {
    let net = Net::new(1);
    let mut node = net.node(0);
    let (mut parent, mut chain) = ((Height(0), Digest::ZERO), vec![]);
    for height in 1..=17 {
        let block = net.block(height, parent, big(height as u8));
        parent = (block.height(), block.digest());
        chain.push(block);
    }
    for block in chain.iter().skip(1).rev() {
        net.tell(&mut node, propose(block));
    }
    let (_, held) = node.held();
    assert!(held <= WAITING_OF_ONE / MAX_PAYLOAD, "{held}");
    for block in &chain {
        if !node.blocks.contains_key(&block.digest()) {
            if node.height() > Height(1) {
                let outputs = node.step(Input::Retry);
                let pulled = outputs.iter().any(|output| {
                    matches!(output, Output::Send { message: Message::Pull(pull), .. } if pull.digests.contains(&block.digest()))
                });
                assert!(pulled, "height {}: {outputs:?}", block.height());
            }
            net.tell(&mut node, Message::Block(block.clone()));
        }
        net.tell(&mut node, Message::Certificate(net.certificate(Kind::Prepare, block)));
        net.tell(&mut node, Message::Certificate(net.certificate(Kind::Commit, block)));
    }
    assert_eq!(node.final_height(), Height(17));
}

/// Heights pass by P-certificates alone. It votes for large blocks up to a bound, for small ones on; asks for what is final;
/// and votes for large ones again when it has it.
#[test]
fn a_validator_prepares_no_more_than_it_can_hold() {
    let net = Net::new(1);
    let mut node = net.node(0);
    let (mut parent, mut chain) = ((Height(0), Digest::ZERO), vec![]);
    let (mut refused, mut asked) = (0, false);
    for height in 1..=40_u64 {
        let payload = if height % 4 == 0 { Bytes::from(vec![1; SMALL]) } else { big(height as u8) };
        let block = net.block(height, parent, payload);
        let mut outputs = net.tell(&mut node, propose(&block));
        outputs.extend(node.step(Input::Retry));
        if !prepared(&outputs) {
            assert!(block.payload().len() > SMALL && node.held_bytes() > UNFINAL, "height {height}");
            refused += 1;
            asked |= outputs.iter().any(|output| {
                matches!(output, Output::Send { message: Message::Pull(Pull { range: Some(Height(1)), .. }), .. })
            });
            // The others go on without it: the height is impeached.
            let cast = |who: u16| {
                let key = &net.keys[usize::from(who)];
                Vote::cast(&net.committee, who, key, Kind::ImpeachPrepare, Height(height), Digest::ZERO)
            };
            let votes = [cast(1), cast(2), cast(3)];
            let impeached =
                Certificate::from_votes(&net.committee, Kind::ImpeachPrepare, Height(height), Digest::ZERO, &votes);
            net.tell(&mut node, Message::Certificate(impeached));
        } else {
            net.tell(&mut node, Message::Certificate(net.certificate(Kind::Prepare, &block)));
            parent = (block.height(), block.digest());
            chain.push(block);
        }
        assert!(node.held_bytes() <= UNFINAL + WAITING_OF_ONE + 2 * MAX_PAYLOAD, "{}", node.held_bytes());
    }
    assert!(refused > 5 && asked, "{refused}");
    // The answer to what it asked: the chain, with a C-certificate at its end.
    let certificate = net.certificate(Kind::Commit, chain.last().unwrap());
    while node.final_height() < chain.last().unwrap().height() {
        node.step(Input::Retry);
        net.tell(
            &mut node,
            Message::Range(Range { blocks: chain.clone(), certificate: certificate.clone(), more: false }),
        );
        net.tell(&mut node, Message::Certificate(certificate.clone()));
    }
    let block = net.block(41, parent, big(41));
    assert!(prepared(&net.tell(&mut node, propose(&block))));
}

/// What the proposer may put in follows from how long nothing was final.
#[test]
fn blocks_are_small_while_nothing_is_final() {
    let net = Net::new(1);
    let mut node = net.node(4);
    let mut rooms = vec![];
    for height in 1..=12 {
        for output in node.step(Input::Propose { height: Height(height) }) {
            let Output::BuildPayload { room, .. } = output else { continue };
            rooms.push(room);
        }
        let outputs = node.step(Input::Payload { height: Height(height), payload: Bytes::from(vec![1; 10]) });
        let block = outputs.iter().find_map(|output| match output {
            Output::Send { message: Message::Propose(proposal), .. } => Some(proposal.block.clone()),
            _ => None,
        });
        net.tell(&mut node, Message::Certificate(net.certificate(Kind::Prepare, &block.unwrap())));
    }
    let full = PATIENCE as usize;
    assert!(rooms[..full].iter().all(|room| *room == MAX_PAYLOAD), "{rooms:?}");
    assert!(rooms.len() == 12 && rooms[full..].iter().all(|room| *room == SMALL), "{rooms:?}");
}

//! A node that catches up from peers of which each has its rate and its way to answer, in virtual time.

use alloc::{collections::BTreeMap, sync::Arc};

use super::{
    super::{
        lanes::AHEAD,
        message::{Message, Range},
    },
    tests::{Chain, pulls},
    *,
};
use crate::{
    lbft::{Input, Output},
    storage::answer,
};

const RETRY: u64 = 1_000;

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Honest,
    /// The last block of each range is another one.
    Lies,
    Silent,
}

#[derive(Clone, Copy)]
struct Peer {
    way: Way,
    /// Bytes in a millisecond.
    rate: u64,
}

const fn peer(way: Way, rate: u64) -> Peer {
    Peer { way, rate }
}

#[derive(Default)]
struct Outcome {
    millis: u64,
    /// Ranges that each validator sent.
    ranges: BTreeMap<usize, usize>,
    blamed: Vec<usize>,
    most: usize,
    bytes: usize,
}

/// Validators 1 to 3 as given; the node is a follower, and validator 1 tells it of the chain. A message takes 20 ms, and the time
/// that its sender's rate gives it.
fn race(chain: &Chain, peers: [Peer; 3]) -> Outcome {
    let (mut node, _) = chain.node(5);
    let mut outcome = Outcome::default();
    let who = |key| chain.keys.iter().position(|known| cpchain_crypto::Signer::public_key(known) == key).unwrap();
    let mut busy = [0_u64; 4];
    let mut events: BTreeMap<(u64, u64), (usize, Message)> = BTreeMap::new();
    let (mut number, mut retry) = (0, RETRY);
    events.insert((0, 0), (1, chain.tip()));
    let end = chain.blocks.last().unwrap().height();
    while node.final_height() < end {
        let input = match events.first_key_value().map(|((time, _), _)| *time).filter(|time| *time <= retry) {
            Some(time) => {
                outcome.millis = time;
                let (from, message) = events.pop_first().unwrap().1;
                outcome.bytes += message.encode().len();
                Input::Message { from: cpchain_crypto::Signer::public_key(&chain.keys[from]), message }
            }
            None => {
                outcome.millis = retry;
                retry += RETRY;
                assert!(retry < 600_000, "stuck at {}", node.final_height());
                Input::Retry
            }
        };
        let outputs = node.step(input);
        outcome.most = outcome.most.max(node.lanes.bytes());
        for output in &outputs {
            if let Output::Blame { peer, .. } = output {
                outcome.blamed.push(who(*peer));
            }
        }
        for (to, pull) in pulls(&outputs) {
            let place = who(to);
            let Some(Peer { way, rate }) = place.checked_sub(1).and_then(|place| peers.get(place)) else { continue };
            if *way == Way::Silent {
                continue;
            }
            for message in answer(&chain.storage, &pull).unwrap() {
                let message = match message {
                    Message::Range(mut range) => {
                        *outcome.ranges.entry(place).or_default() += 1;
                        if *way == Way::Lies {
                            range.blocks.pop();
                        }
                        Message::Range(range)
                    }
                    other => other,
                };
                let start = busy[place].max(outcome.millis + 20);
                busy[place] = start + message.encode().len() as u64 / rate;
                number += 1;
                events.insert((busy[place] + 20, number), (place, message));
            }
        }
    }
    assert_eq!(node.fault(), None);
    outcome
}

/// 30 MB of chain, about 40 ranges.
fn long() -> Chain {
    Chain::new(600, 75 << 10)
}

/// Three peers of equal rates bring the chain in well under half of the time that one takes, and nothing comes twice.
#[test]
fn parts_come_from_several_peers() {
    let chain = long();
    let honest = peer(Way::Honest, 5_000);
    let one = race(&chain, [honest, peer(Way::Silent, 1), peer(Way::Silent, 1)]);
    let three = race(&chain, [honest; 3]);
    println!("one: {} ms, three: {} ms {:?}", one.millis, three.millis, three.ranges);
    assert!(three.millis * 2 < one.millis, "{} against {} ms", three.millis, one.millis);
    let sum: usize = three.ranges.values().sum();
    assert!(three.ranges.len() == 3 && three.ranges.values().all(|count| *count >= sum / 6), "{:?}", three.ranges);
    assert!(three.bytes < one.bytes + one.bytes / 5, "{} against {} bytes", three.bytes, one.bytes);
}

/// Each way to fail, at the peer that tells of the chain and at another: it takes little more than without that peer, and a
/// lie costs a range each.
#[test]
fn liars_slow_and_silent_peers_hold_nobody_up() {
    let chain = long();
    let honest = peer(Way::Honest, 5_000);
    let two = race(&chain, [honest, honest, peer(Way::Silent, 1)]).millis;
    for bad in [peer(Way::Lies, 5_000), peer(Way::Honest, 50), peer(Way::Silent, 1)] {
        for place in 0..3 {
            let mut peers = [honest; 3];
            peers[place] = bad;
            let outcome = race(&chain, peers);
            println!("{} ms, ranges {:?}, {} ms without", outcome.millis, outcome.ranges, two);
            assert!(outcome.millis < two + 6 * RETRY, "place {place}: {} ms, {two} without", outcome.millis);
            let liar = (bad.way == Way::Lies).then_some(place + 1);
            assert!(outcome.blamed.iter().all(|who| Some(*who) == liar));
            assert_eq!(liar.is_some(), !outcome.blamed.is_empty());
            assert!(outcome.blamed.len() <= 4, "a lie costs a range: {:?}", outcome.blamed);
        }
    }
}

/// The lane from below is slow, the others are fast, and the blocks are of the largest kind.
#[test]
fn what_waits_is_bounded() {
    let chain = Chain::new(120, 1 << 20);
    let outcome = race(&chain, [peer(Way::Honest, 1_000), peer(Way::Honest, 100_000), peer(Way::Honest, 100_000)]);
    println!("{} bytes at most, {:?}", outcome.most, outcome.ranges);
    assert!(outcome.most > 4 << 20, "something waited: {}", outcome.most);
    assert!(outcome.most <= AHEAD, "{} bytes", outcome.most);
}

/// A range that overlaps what is final is cut; one that stands on another block than the final one is a contradiction.
#[test]
fn parts_are_joined_where_they_meet() {
    let chain = Chain::new(100, 10);
    let (mut node, _) = chain.node(5);
    let range = |from: usize, to: usize| Range {
        blocks: chain.blocks[from..to].to_vec(),
        certificate: chain.certificate(&chain.blocks[to - 1]),
        more: false,
    };
    let below = |range: &Range| range.blocks[0].header().parent_height;
    let from = cpchain_crypto::Signer::public_key(&chain.keys[1]);
    node.step(Input::Message { from, message: chain.tip() });
    for part in [range(20, 30), range(15, 25), range(28, 50)] {
        node.lanes.wait_for_test(below(&part), part);
    }
    node.step(Input::Message { from, message: Message::Range(range(0, 18)) });
    assert_eq!(node.final_height(), chain.blocks[49].height());
    assert_eq!((node.lanes.bytes(), node.fault()), (0, None));
    // It stands on another block at a final height, and is certified: more than f are faulty.
    let end = chain.blocks[51].height();
    let seal = |height| Block::seal(&chain.committee, &chain.keys[4], height, end, Digest([7; 32]), b"fork"[..].into());
    let fork = seal(end.next());
    let part = Range { certificate: chain.certificate(&fork), blocks: vec![Arc::new(fork)], more: false };
    node.lanes.wait_for_test(end, part);
    node.step(Input::Message { from, message: Message::Range(range(50, 52)) });
    assert_eq!(node.final_height(), end);
    assert_eq!(node.fault(), Some(Fault::Contradiction(end.next())));
}

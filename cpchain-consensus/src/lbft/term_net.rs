//! What the tests of the term boundary run on: a few cores, a queue of messages, virtual milliseconds, and disks that lose
//! what was not synced.

use alloc::collections::{BTreeMap, BinaryHeap};
use core::{cmp::Reverse, time::Duration};

use bytes::Bytes;
use cpchain_crypto::{PublicKey, Signer, SigningKey};

use super::*;
use crate::{
    application::FinalBlock,
    ids::ChainId,
    lbft::{Config, FinalEntry, Input, Kind, SignatureCache},
    storage::{MemoryStorage, Storage, answer},
};

pub(super) const RETRY: u64 = 150;
pub(super) const SPAN: u64 = 5;

pub(super) type Filter = Box<dyn Fn(&Flight) -> bool>;

/// A message on a link.
pub(super) struct Flight {
    pub(super) now: u64,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) message: Message,
}

pub(super) struct Node {
    pub(super) core: Option<Lbft>,
    pub(super) storage: MemoryStorage,
    pub(super) life: u32,
    pub(super) timer: u32,
    /// How long timers at first heights of terms run, in milliseconds.
    pub(super) first_timers: Vec<u128>,
    /// Outputs since the run began: where a crash may fall.
    pub(super) outputs: u32,
    pub(super) finals: BTreeMap<Height, FinalBlock>,
}

pub(super) enum Event {
    Message(PublicKey, Message),
    Step(Input),
    Timer(u32, Height),
    Retry,
    Start,
}

pub(super) struct Net {
    pub(super) keys: Vec<SigningKey>,
    pub(super) first: Committee,
    pub(super) next: fn(&Committee, &[PublicKey]) -> Committee,
    pub(super) cache: Arc<SignatureCache>,
    pub(super) nodes: Vec<Node>,
    pub(super) now: u64,
    pub(super) heap: BinaryHeap<Reverse<(u64, u64)>>,
    pub(super) events: BTreeMap<u64, (usize, u32, Event)>,
    pub(super) sequence: u64,
    pub(super) random: u64,
    pub(super) loss: u64,
    pub(super) filter: Filter,
    /// Node and output after which it crashes, once.
    pub(super) crash: Option<(usize, u32)>,
    /// One in so many outputs ends a node.
    pub(super) crashes: u64,
}

/// The four validators of a term are those from its number on; two proposers stay.
pub(super) fn rotate(ended: &Committee, keys: &[PublicKey]) -> Committee {
    let start = ended.term().next().0 as usize;
    let validators = (0..4).map(|i| keys[(start + i) % 7]).collect();
    ended.next(validators, keys[7..9].to_vec(), Some(SPAN)).unwrap()
}

impl Net {
    pub(super) fn new(seed: u64) -> Self {
        let keys: Vec<_> = (1..=10).map(|i| SigningKey::from_seed(&[i; 32])).collect();
        let public: Vec<_> = keys.iter().map(Signer::public_key).collect();
        let first = Committee::new(ChainId::new("terms", b""), Term(0), public[..4].to_vec(), public[7..9].to_vec());
        let node = || Node {
            core: None,
            storage: MemoryStorage::new(),
            life: 0,
            timer: 0,
            first_timers: vec![],
            outputs: 0,
            finals: BTreeMap::new(),
        };
        Self {
            nodes: keys.iter().map(|_| node()).collect(),
            keys,
            first: first.unwrap().until(Height(SPAN)).unwrap(),
            next: rotate,
            cache: Arc::new(SignatureCache::new(1 << 16)),
            now: 0,
            heap: BinaryHeap::new(),
            events: BTreeMap::new(),
            sequence: 0,
            random: seed.wrapping_mul(2).wrapping_add(1),
            loss: 0,
            filter: Box::new(|_| true),
            crash: None,
            crashes: 0,
        }
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.random >> 33) % bound.max(1)
    }

    pub(super) fn at(&mut self, time: u64, node: usize, event: Event) {
        self.sequence += 1;
        let sequence = self.sequence;
        let life = self.nodes[node].life;
        self.heap.push(Reverse((time, sequence)));
        self.events.insert(sequence, (node, life, event));
    }

    pub(super) fn start(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.boot(node));
    }

    pub(super) fn boot(&mut self, node: usize) {
        let restored = self.nodes[node].storage.restore().unwrap();
        // The application begins again and executes what the log has.
        let tip = restored.tip.as_ref().map_or(Height::GENESIS, |entry| entry.block.height);
        let entries = (1..=tip.0).map(|height| self.entry(node, height).block);
        self.nodes[node].finals = entries.map(|block| (block.height, block)).collect();
        let config = Config {
            committee: self.first.clone(),
            timeout: Duration::from_millis(600),
            timeout_cap: Duration::from_secs(5),
        };
        let (core, outputs) = Lbft::new(config, Arc::new(self.keys[node].clone()), self.cache.clone(), restored);
        self.nodes[node].core = Some(core);
        let retry = self.now + self.below(RETRY);
        self.at(retry, node, Event::Retry);
        self.perform(node, outputs);
    }

    pub(super) fn crash(&mut self, node: usize) {
        let down = self.below(1500);
        self.nodes[node].core = None;
        self.nodes[node].life += 1;
        self.nodes[node].storage.crash();
        self.at(self.now + down, node, Event::Start);
    }

    pub(super) fn run_until(&mut self, time: u64) {
        while let Some(Reverse((at, sequence))) = self.heap.peek().copied().filter(|Reverse((at, _))| *at <= time) {
            self.heap.pop();
            self.now = at;
            let (node, life, event) = self.events.remove(&sequence).unwrap();
            let alive = life == self.nodes[node].life;
            let input = match event {
                Event::Start => {
                    self.boot(node);
                    continue;
                }
                Event::Message(from, message) => Input::Message { from, message },
                Event::Step(input) if alive => input,
                Event::Timer(count, height) if alive && count == self.nodes[node].timer => Input::Timeout { height },
                Event::Retry if alive => {
                    self.at(self.now + RETRY, node, Event::Retry);
                    Input::Retry
                }
                _ => continue,
            };
            self.step(node, input);
        }
        self.now = time;
    }

    pub(super) fn step(&mut self, node: usize, input: Input) {
        if let Some(core) = &mut self.nodes[node].core {
            let outputs = core.step(input);
            self.perform(node, outputs);
        }
    }

    pub(super) fn perform(&mut self, node: usize, outputs: Vec<Output>) {
        let life = self.nodes[node].life;
        let mut answers = vec![];
        for output in outputs {
            let done = self.nodes[node].outputs;
            self.nodes[node].outputs += 1;
            if self.crash == Some((node, done)) || self.crashes > 0 && self.below(self.crashes) == 0 {
                self.crash(node);
                return;
            }
            answers.extend(self.carry_out(node, output));
        }
        for input in answers {
            if self.nodes[node].life == life {
                self.step(node, input);
            }
        }
    }

    pub(super) fn carry_out(&mut self, node: usize, output: Output) -> Option<Input> {
        match output {
            Output::Persist { records, sync } => self.nodes[node].storage.append(&records, sync).unwrap(),
            Output::Send { to, message } => {
                for key in to {
                    assert_ne!(key, self.keys[node].public_key(), "never to itself");
                    let to = self.keys.iter().position(|k| k.public_key() == key).unwrap();
                    self.post(node, to, message.clone());
                }
            }
            Output::Gossip(message) => {
                (0..self.nodes.len()).filter(|to| *to != node).for_each(|to| self.post(node, to, message.clone()));
            }
            Output::StartTimer { height, after } => {
                self.nodes[node].timer += 1;
                let count = self.nodes[node].timer;
                if self.nodes[node].core.as_ref().is_some_and(|core| core.committee().first() == height) {
                    self.nodes[node].first_timers.push(after.as_millis());
                }
                self.at(self.now + after.as_millis() as u64, node, Event::Timer(count, height));
            }
            Output::MayPropose { height } => {
                self.at(self.now + 50, node, Event::Step(Input::Propose { height }));
            }
            Output::BuildPayload { height, .. } => {
                let payload = Bytes::from(format!("block {height} of {node}"));
                return Some(Input::Payload { height, payload });
            }
            Output::Verify { digest, payload, .. } => {
                assert!(!payload.is_empty(), "nobody asks the application about closing blocks");
                return Some(Input::Verified { digest, verdict: Ok(()) });
            }
            Output::Finalised(entry) => {
                let last = self.nodes[node].finals.last_key_value().map_or(Height::GENESIS, |(height, _)| *height);
                assert_eq!(entry.block.height, last.next(), "node {node}: heights come in order, once");
                let others = self.nodes.iter().filter_map(|n| n.finals.get(&entry.block.height));
                others.for_each(|other| assert_eq!(other, &entry.block, "node {node} forks"));
                self.nodes[node].finals.insert(entry.block.height, entry.block);
            }
            Output::TermEnded(ended) => {
                assert_eq!(self.nodes[node].finals.last_key_value().map(|(height, _)| *height), ended.last());
                let keys: Vec<_> = self.keys.iter().map(Signer::public_key).collect();
                return Some(Input::NextTerm((self.next)(&ended, &keys)));
            }
            Output::Serve { to, pull } => {
                let messages = answer(&self.nodes[node].storage, &pull).unwrap();
                let to = self.keys.iter().position(|k| k.public_key() == to).unwrap();
                messages.into_iter().for_each(|message| self.post(node, to, message));
            }
            Output::Evidence(evidence) => panic!("evidence against an honest key: {evidence:?}"),
            Output::Blame { reason, .. } => panic!("node {node} blames an honest neighbour: {reason}"),
            Output::Fault(fault) => panic!("node {node}: {fault}"),
            Output::Entered { .. } => {}
        }
        None
    }

    pub(super) fn post(&mut self, from: usize, to: usize, message: Message) {
        let flight = Flight { now: self.now, from, to, message };
        if !(self.filter)(&flight) || self.below(100) < self.loss {
            return;
        }
        let time = self.now + 1 + self.below(30);
        let message = Message::decode(flight.message.encode()).unwrap();
        self.at(time, to, Event::Message(self.keys[from].public_key(), message));
    }

    pub(super) fn lowest(&self) -> Height {
        let finals = self.nodes.iter().map(|node| node.core.as_ref().map_or(Height::GENESIS, Lbft::final_height));
        finals.min().unwrap()
    }

    #[track_caller]
    pub(super) fn reach(&mut self, height: u64, within: u64) {
        let end = self.now + within;
        while self.lowest() < Height(height) {
            assert!(self.now < end, "stuck at {} of {height}, term {:?}", self.lowest(), self.terms());
            self.run_until(self.now + 50);
        }
    }

    pub(super) fn terms(&self) -> Vec<Option<u64>> {
        self.nodes.iter().map(|node| node.core.as_ref().map(|core| core.committee().term().0)).collect()
    }

    pub(super) fn entry(&self, node: usize, height: u64) -> FinalEntry {
        self.nodes[node].storage.final_entry(Height(height)).unwrap().unwrap()
    }
}

pub(super) fn is_vote(flight: &Flight, kind: Kind) -> bool {
    matches!(&flight.message, Message::Vote(vote) if vote.kind == kind)
}

impl Net {
    /// [`reach`](Self::reach) for all but one.
    pub(super) fn reach_but(&mut self, but: usize, height: u64) {
        while (0..self.nodes.len())
            .filter(|node| *node != but)
            .any(|node| self.nodes[node].core.as_ref().is_none_or(|core| core.final_height() < Height(height)))
        {
            assert!(self.now < 60_000);
            self.run_until(self.now + 50);
        }
    }
}

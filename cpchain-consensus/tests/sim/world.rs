//! The network: nodes, links, disks and one heap of events.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc, time::Duration};

use bytes::Bytes;
use cpchain_consensus::{
    ChainId, FinalBlock, Height, InvalidPayload, Term,
    lbft::{Committee, Config, Input, Kind, Lbft, Message, Output, Proposal, SignatureCache},
    storage::{MemoryStorage, Storage},
};
use cpchain_crypto::{Digest, Domain, PublicKey, Signer, SigningKey};

use crate::{
    byzantine::{self, Behaviour},
    invariants::Judge,
    random::Random,
};

pub(crate) const RETRY: u64 = 200;
const STATE: Domain = Domain::new("cpchain/test/state/v1");

/// Links, in milliseconds and percent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Links {
    pub(crate) delay: u64,
    pub(crate) loss: u64,
    pub(crate) twice: u64,
}

pub(crate) const GOOD: Links = Links { delay: 20, loss: 0, twice: 0 };

pub(crate) type Filter = Box<dyn Fn(u64, usize, usize, &Message) -> bool>;

enum Event {
    Deliver { to: usize, from: PublicKey, message: Message },
    Step { node: usize, life: u32, input: Input },
    Retry { node: usize, life: u32 },
    Crash { node: usize, down: u64 },
    Start { node: usize },
}

pub(crate) struct Member {
    pub(crate) key: SigningKey,
    pub(crate) behaviour: Behaviour,
    pub(crate) core: Option<Lbft>,
    storage: MemoryStorage,
    life: u32,
    /// The replicated application: a digest over all final blocks, checked against what payloads claim.
    state: Digest,
    last: Height,
    pub(crate) timeout: u64,
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) random: Random,
    pub(crate) committee: Committee,
    pub(crate) members: Vec<Member>,
    pub(crate) judge: Judge,
    pub(crate) links: Links,
    /// Keeps a message from a link when it says false.
    pub(crate) filter: Option<Filter>,
    /// A crash may fall between the outputs of a step, with this many in ten thousand per output.
    pub(crate) crash_between: u64,
    /// How long a proposer waits before it proposes.
    pub(crate) pause: u64,
    pub(crate) evidence: u32,
    pub(crate) trace: blake3::Hasher,
    cache: Arc<SignatureCache>,
    heap: BinaryHeap<Reverse<(u64, u64)>>,
    events: std::collections::HashMap<u64, Event>,
    sequence: u64,
}

impl World {
    /// `validators`, then `proposers`, then `followers`; timers of a second.
    pub(crate) fn new(seed: u64, validators: usize, proposers: usize, followers: usize) -> Self {
        let keys: Vec<_> = (0..validators + proposers + followers)
            .map(|i| SigningKey::from_seed(&Digest::content(&i.to_le_bytes()).0))
            .collect();
        let public: Vec<_> = keys.iter().map(Signer::public_key).collect();
        let (v, p) = (public[..validators].to_vec(), public[validators..validators + proposers].to_vec());
        let committee = Committee::new(ChainId::new("simulation", b""), Term(3), v, p).unwrap();
        let member = |key| Member {
            key,
            behaviour: Behaviour::Honest,
            core: None,
            storage: MemoryStorage::new(),
            life: 0,
            state: Digest::ZERO,
            last: Height::GENESIS,
            timeout: 1000,
        };
        Self {
            now: 0,
            random: Random(seed),
            committee,
            members: keys.into_iter().map(member).collect(),
            judge: Judge::default(),
            links: GOOD,
            filter: None,
            crash_between: 0,
            pause: 150,
            evidence: 0,
            trace: blake3::Hasher::new(),
            cache: Arc::new(SignatureCache::new(1 << 16)),
            heap: BinaryHeap::new(),
            events: std::collections::HashMap::new(),
            sequence: 0,
        }
    }

    /// Starts everyone; behaviours must be set before.
    pub(crate) fn start(&mut self) {
        let honest = self.members.iter().filter(|m| m.behaviour == Behaviour::Honest);
        self.judge.honest = honest.map(|m| m.key.public_key()).collect();
        for node in 0..self.members.len() {
            self.boot(node);
        }
    }

    pub(crate) fn crash_at(&mut self, time: u64, node: usize, down: u64) {
        self.schedule(time, Event::Crash { node, down });
    }

    pub(crate) fn run_until(&mut self, time: u64) {
        while let Some(Reverse((at, sequence))) = self.heap.peek().copied() {
            if at > time {
                break;
            }
            self.heap.pop();
            self.now = at;
            let event = self.events.remove(&sequence).unwrap();
            self.handle(event);
        }
        self.now = time;
    }

    /// The lowest final height of the honest that are up.
    pub(crate) fn lowest_final(&self) -> Height {
        let up = self.members.iter().filter(|m| m.behaviour == Behaviour::Honest);
        up.map(|m| m.core.as_ref().map_or(Height::GENESIS, Lbft::final_height)).min().unwrap()
    }

    /// The lowest final height of the validators below this place.
    pub(crate) fn lowest_honest_final(&self, below: usize) -> Height {
        (0..below).map(|node| self.core(node).final_height()).min().unwrap()
    }

    pub(crate) fn highest(&self) -> Height {
        self.members.iter().filter_map(|m| m.core.as_ref()).map(Lbft::height).max().unwrap()
    }

    pub(crate) fn core(&self, node: usize) -> &Lbft {
        self.members[node].core.as_ref().unwrap()
    }

    fn schedule(&mut self, time: u64, event: Event) {
        self.sequence += 1;
        self.heap.push(Reverse((time, self.sequence)));
        self.events.insert(self.sequence, event);
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Deliver { to, from, message } => self.deliver(to, from, message),
            Event::Step { node, life, input } if life == self.members[node].life => self.step(node, input),
            Event::Retry { node, life } if life == self.members[node].life => {
                self.schedule(self.now + RETRY, Event::Retry { node, life });
                self.step(node, Input::Retry);
            }
            Event::Step { .. } | Event::Retry { .. } => {}
            Event::Crash { node, down } => self.crash(node, down),
            Event::Start { node } => self.boot(node),
        }
    }

    fn deliver(&mut self, to: usize, from: PublicKey, message: Message) {
        self.trace.update(&self.now.to_le_bytes());
        self.trace.update(&[to as u8]);
        self.trace.update(&message.encode());
        match self.members[to].behaviour {
            Behaviour::Silent => {}
            Behaviour::VotesForAll => {
                let index = self.committee.index_of(&self.members[to].key.public_key()).unwrap();
                let key = self.members[to].key.clone();
                for vote in byzantine::votes(&self.committee, index, &key, &message, &mut self.random) {
                    for other in 0..self.members.len() {
                        if other != to && self.random.chance(50) {
                            self.post(to, other, Message::Vote(vote));
                        }
                    }
                }
            }
            Behaviour::Honest | Behaviour::TwoBlocks | Behaviour::Illicit => {
                self.step(to, Input::Message { from, message });
            }
        }
    }

    fn boot(&mut self, node: usize) {
        let retry = self.now + RETRY / 2 + self.random.below(RETRY);
        let member = &mut self.members[node];
        if matches!(member.behaviour, Behaviour::Silent | Behaviour::VotesForAll) {
            return;
        }
        let restored = member.storage.restore().unwrap();
        (member.state, member.last) = (Digest::ZERO, Height::GENESIS);
        let tip = restored.tip.as_ref().map_or(Height::GENESIS, |entry| entry.block.height);
        for height in 1..=tip.0 {
            let entry = member.storage.final_entry(Height(height)).unwrap().expect("no gap in final blocks");
            member.execute(&entry.block);
        }
        let config = Config {
            committee: self.committee.clone(),
            timeout: Duration::from_millis(member.timeout),
            timeout_cap: Duration::from_secs(8),
        };
        let (core, outputs) = Lbft::new(config, Arc::new(member.key.clone()), self.cache.clone(), restored);
        member.core = Some(core);
        let life = member.life;
        self.schedule(retry, Event::Retry { node, life });
        self.perform(node, outputs);
    }

    fn crash(&mut self, node: usize, down: u64) {
        let member = &mut self.members[node];
        if member.core.take().is_some() {
            member.life += 1;
            member.storage.crash();
            self.schedule(self.now + down, Event::Start { node });
        }
    }

    fn step(&mut self, node: usize, input: Input) {
        if let Some(core) = &mut self.members[node].core {
            let outputs = core.step(input);
            self.perform(node, outputs);
        }
    }

    /// Carries out outputs in order; a crash may fall between any two.
    fn perform(&mut self, node: usize, outputs: Vec<Output>) {
        let life = self.members[node].life;
        let mut answers = Vec::new();
        for output in outputs {
            if self.crash_between > 0 && self.random.below(10_000) < self.crash_between {
                let down = self.random.below(2000);
                self.crash(node, down);
                return;
            }
            if let Some(input) = self.carry_out(node, life, output) {
                answers.push(input);
            }
        }
        for input in answers {
            if self.members[node].life == life {
                self.step(node, input);
            }
        }
    }

    fn carry_out(&mut self, node: usize, life: u32, output: Output) -> Option<Input> {
        let honest = self.members[node].behaviour == Behaviour::Honest;
        match output {
            Output::Persist { records, sync } => self.members[node].storage.append(&records, sync).unwrap(),
            Output::Send { to, message } => {
                for key in to {
                    let to = self.members.iter().position(|m| m.key.public_key() == key).unwrap();
                    self.post(node, to, message.clone());
                }
            }
            Output::Gossip(message) => {
                for to in (0..self.members.len()).filter(|to| *to != node) {
                    self.post(node, to, message.clone());
                }
            }
            Output::StartTimer { height, after } => {
                let time = self.now + after.as_millis() as u64;
                self.schedule(time, Event::Step { node, life, input: Input::Timeout { height } });
            }
            Output::MayPropose { height } => {
                let time = self.now + self.pause;
                self.schedule(time, Event::Step { node, life, input: Input::Propose { height } });
            }
            Output::BuildPayload { height, ancestors } => {
                let state = self.members[node].after(&ancestors);
                let good = self.members[node].behaviour != Behaviour::Illicit;
                let payload = if good { state.0.to_vec() } else { b"bad".to_vec() };
                return Some(Input::Payload { height, payload: payload.into() });
            }
            Output::Verify { digest, ancestors, payload, .. } => {
                let good = payload.starts_with(&self.members[node].after(&ancestors).0);
                let verdict = if good { Ok(()) } else { Err(InvalidPayload("wrong state".into())) };
                return Some(Input::Verified { digest, verdict });
            }
            Output::Entered { .. } => {}
            Output::Finalised(entry) => {
                self.members[node].execute(&entry.block);
                self.judge.finalised(node, &entry.block);
            }
            Output::TermEnded(ended) => return Some(Input::NextTerm(ended.again())),
            Output::Serve { to, pull } => self.serve(node, to, &pull),
            Output::Evidence(evidence) => {
                assert!(evidence.verify());
                assert!(!self.judge.honest.contains(&evidence.key), "evidence against an honest key");
                self.evidence += 1;
            }
            Output::Blame { peer, reason } => {
                assert!(!self.judge.honest.contains(&peer), "an honest neighbour was blamed: {reason}");
            }
            Output::Fault(fault) => assert!(!honest, "node {node}: {fault}"),
        }
        None
    }

    fn serve(&mut self, node: usize, to: PublicKey, pull: &cpchain_consensus::lbft::Pull) {
        let storage = &self.members[node].storage;
        let by_digest = pull.digests.iter().filter_map(|digest| storage.height_of(digest).unwrap());
        let heights: Vec<_> = pull.heights.iter().copied().chain(by_digest).collect();
        let entries: Vec<_> = heights.iter().filter_map(|height| storage.final_entry(*height).unwrap()).collect();
        let to = self.members.iter().position(|m| m.key.public_key() == to).unwrap();
        for entry in entries {
            for message in entry.messages() {
                self.post(node, to, message);
            }
        }
    }

    /// Puts a message on a link.
    fn post(&mut self, from: usize, to: usize, message: Message) {
        self.judge.sent(&message, &self.committee, &self.cache);
        let message = self.twisted(from, to, message);
        let open = self.filter.as_ref().is_none_or(|filter| filter(self.now, from, to, &message));
        if !open || self.random.chance(self.links.loss) {
            return;
        }
        let copies = 1 + u64::from(self.random.chance(self.links.twice));
        for _ in 0..copies {
            let time = self.now + 1 + self.random.below(self.links.delay);
            // What arrives has gone through the codec.
            let message = Message::decode(Bytes::clone(&message.encode())).unwrap();
            let from = self.members[from].key.public_key();
            self.schedule(time, Event::Deliver { to, from, message });
        }
    }

    /// What a Byzantine proposer shows to every other member in place of its first block.
    fn twisted(&mut self, from: usize, to: usize, message: Message) -> Message {
        match message {
            Message::Propose(proposal)
                if self.members[from].behaviour == Behaviour::TwoBlocks
                    && to % 2 == 1
                    && self.committee.proposer(proposal.block.height()) == self.members[from].key.public_key() =>
            {
                let block = byzantine::twin(&self.committee, &self.members[from].key, &proposal.block);
                Message::Propose(Proposal { block, ..proposal })
            }
            other => other,
        }
    }
}

impl Member {
    fn execute(&mut self, block: &FinalBlock) {
        assert_eq!(block.height, self.last.next(), "final heights come in order");
        self.last = block.height;
        if !block.impeached {
            assert!(block.payload.starts_with(&self.state.0), "a final payload was built on another state");
            self.state = Digest::of(STATE, &[&self.state.0, &block.payload]);
        }
    }

    fn after(&self, ancestors: &[(Height, Bytes)]) -> Digest {
        ancestors.iter().fold(self.state, |state, (_, payload)| Digest::of(STATE, &[&state.0, payload]))
    }
}

/// Whether a message is a vote of this kind at this height.
pub(crate) fn is_vote(message: &Message, kind: Kind, height: u64) -> bool {
    matches!(message, Message::Vote(vote) if vote.kind == kind && vote.height == Height(height))
}

/// Whether a message carries a certificate of this kind at this height.
pub(crate) fn carries(message: &Message, kind: Kind, height: u64) -> bool {
    let is = |certificate: &cpchain_consensus::lbft::Certificate| {
        certificate.kind == kind && certificate.height == Height(height)
    };
    match message {
        Message::Certificate(certificate) => is(certificate),
        Message::Propose(proposal) => [&proposal.parent, &proposal.impeachment].into_iter().flatten().any(is),
        Message::Vote(_) | Message::Block(_) | Message::Pull(_) => false,
    }
}

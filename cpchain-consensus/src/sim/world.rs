//! The world: one heap of events in virtual time.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    sync::Arc,
    time::Duration,
};

use cpchain_crypto::PublicKey;

use super::{
    application::MakeApplication,
    clock::Clock,
    disk::Disk,
    invariants::Judge,
    keys::Keys,
    links::{Cut, Links},
    micros,
    node::{Alarm, Node},
    random::Random,
    scenario::{Filter, Scenario},
    schedule::Nemesis,
    statistics::Statistics,
    trace::Trace,
    violation::Violation,
};
use crate::{
    ids::{ChainId, Height, Term},
    lbft::{Committee, CommitteeError, Config, Input, Lbft, MAX_HELD, Message, SignatureCache},
    storage::Storage as _,
};

/// What will happen.
pub(crate) enum Event {
    Deliver {
        to: usize,
        from: usize,
        sum: u64,
        message: Arc<Message>,
    },
    /// An actor held this back.
    Leave(Box<Leave>),
    Alarm {
        node: usize,
        stamp: u32,
    },
    Fault(Box<Nemesis>),
    Start {
        node: usize,
    },
}

/// A message that leaves later.
pub(crate) struct Leave {
    pub(crate) from: usize,
    pub(crate) to: Vec<PublicKey>,
    pub(crate) message: Message,
}

/// Events are ordered by time, and those of one time by the order in which they were made.
pub(crate) struct Due {
    time: u64,
    sequence: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.time, self.sequence).cmp(&(other.time, other.sequence))
    }
}

pub(crate) type Verdict = Result<(), Violation>;

/// A network of LBFT cores in virtual time. It has one thread, one heap of events and one stream of random numbers, so a run is a
/// function of its [`Scenario`].
pub struct World {
    pub(crate) now: u64,
    pub(crate) random: Random,
    pub(crate) committee: Committee,
    pub(crate) cache: Arc<SignatureCache>,
    pub(crate) nodes: Vec<Node>,
    /// The nodes that run a member's key.
    pub(crate) of_member: Vec<Vec<usize>>,
    pub(crate) everyone: Vec<PublicKey>,
    /// Who takes turns as a validator from term to term; empty if the application says.
    pub(crate) pool: Vec<PublicKey>,
    pub(crate) judge: Judge,
    pub(crate) links: Links,
    pub(crate) cuts: Vec<Cut>,
    pub(crate) filter: Option<Filter>,
    pub(crate) application: MakeApplication,
    pub(crate) crash_between: u32,
    pub(crate) retry: u64,
    pub(crate) pause: u64,
    pub(crate) sync: u64,
    pub(crate) heap: BinaryHeap<Reverse<Due>>,
    pub(crate) sequence: u64,
    pub(crate) trace: Trace,
    pub(crate) statistics: Statistics,
    quiet_at: Duration,
    #[cfg(feature = "model")]
    dropped: Vec<crate::lbft::Rule>,
}

impl World {
    pub(crate) fn new(scenario: &Scenario) -> Result<Self, CommitteeError> {
        let keys = Keys::new(scenario.seed);
        let members = scenario.validators + scenario.proposers + scenario.followers;
        let everyone: Vec<_> = (0..members).map(|member| keys.public_key(member)).collect();
        let mut rest = everyone.iter().copied();
        let validators: Vec<_> = rest.by_ref().take(scenario.validators).collect();
        let proposers: Vec<_> = rest.by_ref().take(scenario.proposers).collect();
        let mut committee = Committee::new(ChainId::new("simulation", b""), Term(0), validators, proposers)?;
        #[cfg(feature = "model")]
        if let Some((block, impeach)) = scenario.mutant.1 {
            committee = committee.with_quorums(block, impeach);
        }
        if let Some(heights) = scenario.terms {
            committee = committee.until(Height(heights))?;
        }
        let is_pool =
            |member: &usize| *member < scenario.validators || *member >= scenario.validators + scenario.proposers;
        let pool = everyone.iter().enumerate().filter(|(member, _)| scenario.rotates && is_pool(member));
        let pool = pool.map(|(_, key)| *key).collect();

        let mut of_member: Vec<Vec<usize>> = (0..members).map(|member| vec![member]).collect();
        let mut nodes = Vec::new();
        for (node, member) in (0..members).chain(scenario.twins.iter().copied()).enumerate() {
            let Some(key) = everyone.get(member).copied() else { continue };
            if let Some(list) = of_member.get_mut(member).filter(|_| node >= members) {
                list.push(node);
            }
            let timeout = scenario.timeouts.iter().rev().find(|(who, _)| *who == node).map(|(_, timeout)| *timeout);
            let (timeout, timeout_cap) = (timeout.unwrap_or(scenario.timeout), scenario.timeout_cap);
            nodes.push(Node {
                key,
                signer: Arc::new(keys.signer(member)),
                config: Config { committee: committee.clone(), timeout, timeout_cap },
                core: None,
                make_actor: scenario.actors.iter().rev().find(|(who, _)| *who == member).map(|(_, make)| *make),
                actor: None,
                twin: scenario.twins.contains(&member),
                application: (scenario.application)(member),
                disk: Disk::default(),
                repair: 0,
                clock: Clock::default(),
                alarms: Vec::new(),
                stamp: 0,
                busy_until: 0,
                uplink_free: 0,
                slow: 0,
            });
        }
        let honest = (0..members).map(|member| nodes.get(member).is_some_and(Node::is_honest)).collect();
        let mut world = Self {
            now: 0,
            random: Random::new(scenario.seed),
            judge: Judge::new(keys.clone(), honest, committee.clone()),
            cache: Arc::new(keys.cache()),
            committee,
            nodes,
            of_member,
            everyone,
            pool,
            links: scenario.links,
            cuts: Vec::new(),
            filter: scenario.filter.clone(),
            application: scenario.application,
            crash_between: 0,
            retry: micros(scenario.retry).max(1),
            pause: micros(scenario.pause),
            sync: micros(scenario.sync),
            heap: BinaryHeap::new(),
            sequence: 0,
            trace: Trace::new(scenario.seed, scenario.log),
            statistics: Statistics::default(),
            quiet_at: scenario.quiet_at,
            #[cfg(feature = "model")]
            dropped: scenario.mutant.0.clone(),
        };
        for node in 0..world.nodes.len() {
            world.schedule(0, Event::Start { node });
        }
        for (time, fault) in &scenario.faults {
            world.schedule(micros(*time), Event::Fault(Box::new(fault.clone())));
        }
        Ok(world)
    }

    /// Virtual time since the start.
    pub const fn now(&self) -> Duration {
        Duration::from_micros(self.now)
    }

    /// Lets everything happen that is due up to this time.
    ///
    /// # Errors
    /// The first [`Violation`]; the world stands still then.
    pub fn run_until(&mut self, time: Duration) -> Result<(), Violation> {
        let end = micros(time);
        while self.heap.peek().is_some_and(|Reverse(due)| due.time <= end) {
            let Some(Reverse(due)) = self.heap.pop() else { break };
            self.now = due.time;
            self.handle(due.event)?;
        }
        self.now = self.now.max(end);
        Ok(())
    }

    /// A node's core; `None` while the node is down.
    pub fn core(&self, node: usize) -> Option<&Lbft> {
        self.nodes.get(node).and_then(|node| node.core.as_ref())
    }

    /// How many nodes there are: members, and second twins.
    pub const fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Whether a node follows the rules, with a key of its own.
    pub fn is_honest(&self, node: usize) -> bool {
        self.nodes.get(node).is_some_and(Node::is_honest)
    }

    /// What was seen, certified and final.
    pub const fn judge(&self) -> &Judge {
        &self.judge
    }

    /// What was counted.
    pub const fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// What happened.
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The committee of the first term.
    pub const fn committee(&self) -> &Committee {
        &self.committee
    }

    /// The highest current height of the honest.
    pub fn highest(&self) -> Height {
        let honest = self.nodes.iter().filter(|node| node.is_honest());
        honest.filter_map(|node| node.core.as_ref()).map(Lbft::height).max().unwrap_or_default()
    }

    /// The lowest final height of the honest; genesis while one of them is down.
    pub fn lowest_final(&self) -> Height {
        let honest = self.nodes.iter().filter(|node| node.is_honest());
        honest.map(|node| node.core.as_ref().map_or(Height::GENESIS, Lbft::final_height)).min().unwrap_or_default()
    }

    /// An honest node that is below this final height, and where it is.
    pub(crate) fn behind(&self, goal: Height) -> Option<(usize, Height)> {
        let mut honest = self.nodes.iter().enumerate().filter(|(_, node)| node.is_honest());
        honest.find_map(|(index, node)| {
            let reached = node.core.as_ref().map_or(Height::GENESIS, Lbft::final_height);
            (reached < goal).then_some((index, reached))
        })
    }

    /// The faults end, if the scenario says that they do.
    pub(crate) fn quiet(&mut self) {
        if self.quiet_at.is_zero() {
            return;
        }
        self.links = Links::good(self.links.latency);
        self.crash_between = 0;
        self.cuts.clear();
        self.filter = None;
        for node in 0..self.nodes.len() {
            if let Some(state) = self.nodes.get_mut(node) {
                state.slow = 0;
                state.clock.set_drift(self.now, 0);
            }
            self.reset_alarms(node);
        }
    }

    pub(crate) fn check_memory(&self) -> Verdict {
        for (index, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.is_honest()) {
            let (rounds, blocks) = node.core.as_ref().map_or((0, 0), Lbft::held);
            let bytes = node.core.as_ref().map_or(0, Lbft::held_bytes);
            if rounds > 100 || blocks > 200 || bytes > MAX_HELD {
                return Err(Violation::Memory { node: index, rounds, blocks, bytes });
            }
        }
        Ok(())
    }

    pub(crate) fn schedule(&mut self, time: u64, event: Event) {
        self.sequence += 1;
        self.heap.push(Reverse(Due { time, sequence: self.sequence, event }));
    }

    fn handle(&mut self, event: Event) -> Verdict {
        self.statistics.events += 1;
        match event {
            Event::Deliver { to, from, sum, message } => self.deliver(to, from, sum, message),
            Event::Leave(leave) => {
                let Leave { from, to, message } = *leave;
                self.dispatch(from, &to, message)
            }
            Event::Alarm { node, stamp } => self.alarm(node, stamp),
            Event::Fault(fault) => {
                self.suffer(*fault);
                Ok(())
            }
            Event::Start { node } => self.start(node),
        }
    }

    fn alarm(&mut self, node: usize, stamp: u32) -> Verdict {
        let Some(state) = self.nodes.get_mut(node) else { return Ok(()) };
        if state.busy_until > self.now {
            let time = state.busy_until;
            self.schedule(time, Event::Alarm { node, stamp });
            return Ok(());
        }
        let Some(pending) = state.ring(stamp) else { return Ok(()) };
        let height = pending.height;
        self.trace.note(self.now, node, 2, height.0, || format!("alarm: {:?} at height {height}", pending.alarm));
        match pending.alarm {
            Alarm::Timeout => self.step(node, Input::Timeout { height }),
            Alarm::Propose => self.step(node, Input::Propose { height }),
            Alarm::Retry => {
                self.set_alarm(node, Alarm::Retry, Height::GENESIS, self.retry);
                self.act(node, |actor, stage| actor.ticks(stage))?;
                self.step(node, Input::Retry)
            }
        }
    }

    pub(crate) fn set_alarm(&mut self, node: usize, alarm: Alarm, height: Height, after: u64) {
        let Some(state) = self.nodes.get_mut(node) else { return };
        let (stamp, time) = state.set(self.now, alarm, height, after);
        self.schedule(time, Event::Alarm { node, stamp });
    }

    fn reset_alarms(&mut self, node: usize) {
        let again = self.nodes.get_mut(node).map(|state| state.reset(self.now)).unwrap_or_default();
        for (stamp, time) in again {
            self.schedule(time, Event::Alarm { node, stamp });
        }
    }

    fn suffer(&mut self, fault: Nemesis) {
        self.trace.note(self.now, 0, 3, 0, || format!("nemesis: {fault:?}"));
        match fault {
            Nemesis::Crash { node, down } => self.crash(node, micros(down)),
            Nemesis::DiskFails { node, down } => {
                if let Some(state) = self.nodes.get_mut(node) {
                    (state.disk.broken, state.repair) = (true, micros(down));
                }
            }
            Nemesis::Cut(cut) => self.cuts.push(cut),
            Nemesis::Mend => self.cuts.clear(),
            Nemesis::Links(links) => self.links = links,
            Nemesis::Slow { node, by } => {
                if let Some(state) = self.nodes.get_mut(node) {
                    state.slow = micros(by);
                }
            }
            Nemesis::ClockJump { node, by } => {
                if let Some(state) = self.nodes.get_mut(node) {
                    state.clock.jump(by);
                }
                self.reset_alarms(node);
            }
            Nemesis::ClockDrift { node, parts_per_million } => {
                if let Some(state) = self.nodes.get_mut(node) {
                    state.clock.set_drift(self.now, parts_per_million);
                }
                self.reset_alarms(node);
            }
            Nemesis::CrashBetween(chance) => self.crash_between = chance,
        }
    }

    /// The process of a node dies.
    pub(crate) fn crash(&mut self, node: usize, down: u64) {
        let Some(state) = self.nodes.get_mut(node) else { return };
        if state.core.take().is_none() {
            return;
        }
        state.actor = None;
        state.alarms.clear();
        state.disk.crash(&mut self.random);
        (state.busy_until, state.uplink_free) = (0, 0);
        self.statistics.crashes += 1;
        self.trace.note(self.now, node, 4, down, || format!("crash; back in {} ms", down / 1000));
        self.schedule(self.now.saturating_add(down), Event::Start { node });
    }

    /// A process starts from what its disk holds.
    fn start(&mut self, node: usize) -> Verdict {
        let Some(state) = self.nodes.get_mut(node) else { return Ok(()) };
        let restored = state.disk.storage.restore().unwrap_or_default();
        let tip = restored.tip.as_ref().map_or(Height::GENESIS, |entry| entry.block.height);
        let member = Keys::member(&state.key);
        state.application = (self.application)(member);
        state.actor = state.make_actor.map(|make| make());
        self.judge.restarted(node);
        let honest = state.is_honest();
        let mut height = state.application.last_height();
        while height < tip {
            height = height.next();
            let Ok(Some(entry)) = state.disk.storage.final_entry(height) else { break };
            let digest = state.application.finalised(&entry.block);
            if honest {
                self.judge.finalised(node, &entry, digest)?;
            }
        }
        let signer = Arc::clone(&state.signer);
        let (config, cache) = (state.config.clone(), Arc::clone(&self.cache));
        #[cfg(not(feature = "model"))]
        let (core, outputs) = Lbft::new(config, signer, cache, restored);
        #[cfg(feature = "model")]
        let (core, outputs) = match self.dropped.as_slice() {
            [] => Lbft::new(config, signer, cache, restored),
            rules => Lbft::without(rules, config, signer, cache, restored),
        };
        let at = core.height();
        state.core = Some(core);
        self.trace.note(self.now, node, 1, at.0, || format!("starts at height {at}, final {tip}"));
        let phase = self.random.below(self.retry);
        self.set_alarm(node, Alarm::Retry, Height::GENESIS, phase);
        self.perform(node, outputs)
    }
}

//! What to simulate: a network, its faults, and one seed.

use std::{sync::Arc, time::Duration};

use super::{
    actors::MakeActor,
    application::{MakeApplication, default_application},
    links::{Cut, Group, Links},
    schedule::Nemesis,
    violation::Violation,
    world::World,
};
use crate::{
    ids::Height,
    lbft::{CommitteeError, Message},
};

/// A message on its way, for [`Scenario::filter`].
#[derive(Debug, Clone, Copy)]
pub struct Passing<'a> {
    /// Virtual time.
    pub now: Duration,
    /// The node that sends.
    pub from: usize,
    /// The node that it is for.
    pub to: usize,
    /// What it is.
    pub message: &'a Message,
}

/// Whether a message may pass.
pub type Filter = Arc<dyn Fn(Passing<'_>) -> bool + Send + Sync>;

/// A network and what happens to it. Members are numbered: validators, then proposers, then followers. Everything that
/// happens follows from these settings and the seed.
#[derive(Clone)]
pub struct Scenario {
    pub(crate) seed: u64,
    pub(crate) validators: usize,
    pub(crate) proposers: usize,
    pub(crate) followers: usize,
    #[cfg(feature = "model")]
    pub(crate) mutant: (Vec<crate::lbft::Rule>, Option<(usize, usize)>),
    pub(crate) terms: Option<u64>,
    pub(crate) rotates: bool,
    pub(crate) timeout: Duration,
    pub(crate) timeouts: Vec<(usize, Duration)>,
    pub(crate) timeout_cap: Duration,
    pub(crate) retry: Duration,
    pub(crate) pause: Duration,
    pub(crate) sync: Duration,
    pub(crate) links: Links,
    pub(crate) actors: Vec<(usize, MakeActor)>,
    pub(crate) twins: Vec<usize>,
    pub(crate) faults: Vec<(Duration, Nemesis)>,
    pub(crate) filter: Option<Filter>,
    pub(crate) application: MakeApplication,
    pub(crate) quiet_at: Duration,
    pub(crate) blocks: u64,
    pub(crate) heals_within: Duration,
    pub(crate) log: bool,
}

/// Why a run ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// An invariant broke.
    #[error("seed {seed}, {at_ms} ms: {violation}")]
    Violation {
        /// Repeats it.
        seed: u64,
        /// Virtual time.
        at_ms: u64,
        /// What broke.
        violation: Violation,
    },
    /// The numbers of validators and proposers make no committee.
    #[error(transparent)]
    Committee(#[from] CommitteeError),
}

impl Scenario {
    /// Four validators, three proposers, one follower; timers of a second; good links; nothing goes wrong.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            validators: 4,
            proposers: 3,
            followers: 1,
            #[cfg(feature = "model")]
            mutant: (Vec::new(), None),
            terms: None,
            rotates: false,
            timeout: Duration::from_secs(1),
            timeouts: Vec::new(),
            timeout_cap: Duration::from_secs(60),
            retry: Duration::from_millis(200),
            pause: Duration::from_millis(100),
            sync: Duration::ZERO,
            links: Links::default(),
            actors: Vec::new(),
            twins: Vec::new(),
            faults: Vec::new(),
            filter: None,
            application: default_application,
            quiet_at: Duration::ZERO,
            blocks: 20,
            heals_within: Duration::from_secs(60),
            log: false,
        }
    }

    /// The sizes.
    #[must_use]
    pub const fn members(mut self, validators: usize, proposers: usize, followers: usize) -> Self {
        (self.validators, self.proposers, self.followers) = (validators, proposers, followers);
        self
    }

    /// A mutant: every node leaves these rules out.
    #[cfg(feature = "model")]
    #[must_use]
    pub fn without(mut self, rules: &[crate::lbft::Rule]) -> Self {
        self.mutant.0 = rules.to_vec();
        self
    }

    /// A mutant: blocks are certified by `block` votes, and `impeach` votes impeach.
    #[cfg(feature = "model")]
    #[must_use]
    pub const fn quorums(mut self, block: usize, impeach: usize) -> Self {
        self.mutant.1 = Some((block, impeach));
        self
    }

    /// Terms of so many heights. The application names the next committee.
    #[must_use]
    pub const fn terms(mut self, heights: u64) -> Self {
        self.terms = Some(heights);
        self
    }

    /// Terms of so many heights; validators and followers take turns as validators, one leaves and one comes each term.
    #[must_use]
    pub const fn changing_terms(mut self, heights: u64) -> Self {
        (self.terms, self.rotates) = (Some(heights), true);
        self
    }

    /// The timer of a height while blocks become final, and its cap.
    #[must_use]
    pub const fn timeout(mut self, base: Duration, cap: Duration) -> Self {
        (self.timeout, self.timeout_cap) = (base, cap);
        self
    }

    /// Another timer for one node.
    #[must_use]
    pub fn timeout_of(mut self, node: usize, base: Duration) -> Self {
        self.timeouts.push((node, base));
        self
    }

    /// How often a node repeats what may be lost.
    #[must_use]
    pub const fn retry(mut self, interval: Duration) -> Self {
        self.retry = interval;
        self
    }

    /// How long a proposer waits before it proposes.
    #[must_use]
    pub const fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// How long a sync of the log takes; the node does nothing else meanwhile.
    #[must_use]
    pub const fn sync(mut self, sync: Duration) -> Self {
        self.sync = sync;
        self
    }

    /// What links are like at the start.
    #[must_use]
    pub const fn links(mut self, links: Links) -> Self {
        self.links = links;
        self
    }

    /// Makes a member Byzantine.
    #[must_use]
    pub fn byzantine(mut self, member: usize, actor: MakeActor) -> Self {
        self.actors.push((member, actor));
        self
    }

    /// Runs a member's key twice: two processes, each honest code, each with its own disk. The second is the node behind all
    /// members, or behind the twin before it; put cuts between them, or they find each other.
    #[must_use]
    pub fn twin(mut self, member: usize) -> Self {
        self.twins.push(member);
        self
    }

    /// Something goes wrong at this time.
    #[must_use]
    pub fn at(mut self, time: Duration, fault: Nemesis) -> Self {
        self.faults.push((time, fault));
        self
    }

    /// Splits the network in two, from one time to another. Nodes that are in neither group hear everybody.
    #[must_use]
    pub fn partition(self, from: Duration, to: Duration, one: Group, other: Group) -> Self {
        self.at(from, Nemesis::Cut(Cut { from: one.clone(), to: other.clone() }))
            .at(from, Nemesis::Cut(Cut { from: other, to: one }))
            .at(to, Nemesis::Mend)
    }

    /// Keeps messages from their links when it says `false`.
    #[must_use]
    pub fn filter(mut self, filter: impl Fn(Passing<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Some(Arc::new(filter));
        self
    }

    /// Another application than the checksum over all payloads.
    #[must_use]
    pub const fn application(mut self, make: MakeApplication) -> Self {
        self.application = make;
        self
    }

    /// When all faults but Byzantine members end: links are good again, cuts mended, clocks right, the filter gone.
    #[must_use]
    pub const fn quiet_at(mut self, time: Duration) -> Self {
        self.quiet_at = time;
        self
    }

    /// How many heights must be final on every honest node, and at least three above the highest that any had reached
    /// when the faults ended; and how long after their end at the latest.
    #[must_use]
    pub const fn goal(mut self, blocks: u64, within: Duration) -> Self {
        (self.blocks, self.heals_within) = (blocks, within);
        self
    }

    /// Keeps a readable trace.
    #[must_use]
    pub const fn log(mut self) -> Self {
        self.log = true;
        self
    }

    /// The world at time zero, for stepping through it.
    ///
    /// # Errors
    /// [`CommitteeError`] for sizes that make no committee.
    pub fn world(&self) -> Result<World, CommitteeError> {
        World::new(self)
    }

    /// Runs through the faults, and on until the goal is reached on every honest node.
    ///
    /// # Errors
    /// [`Failure`] with the seed that repeats it.
    pub fn run(&self) -> Result<World, Failure> {
        let mut world = self.world()?;
        self.finish(&mut world)?;
        Ok(world)
    }

    /// [`run`](Self::run) on a world of this scenario that the caller keeps, so that the trace of a failure can be read.
    ///
    /// # Errors
    /// [`Failure`] with the seed that repeats it.
    pub fn finish(&self, world: &mut World) -> Result<(), Failure> {
        let outcome = self.heal(world);
        let at_ms = u64::try_from(world.now().as_millis()).unwrap_or(u64::MAX);
        outcome.map_err(|violation| Failure::Violation { seed: self.seed, at_ms, violation })
    }

    fn heal(&self, world: &mut World) -> Result<(), Violation> {
        const STEP: Duration = Duration::from_millis(50);
        world.run_until(self.quiet_at)?;
        world.quiet();
        let goal = Height(self.blocks.max(world.highest().0.saturating_add(3)));
        while let Some((node, reached)) = world.behind(goal) {
            let waited = world.now().saturating_sub(self.quiet_at);
            if waited > self.heals_within {
                let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
                return Err(Violation::Stalled { node, reached, goal, waited_ms });
            }
            world.run_until(world.now() + STEP)?;
        }
        world.check_memory()
    }
}

//! The real core, all honest validators together, with whatever a Byzantine minority and the network may do.
//!
//! A state is the state of each honest validator. The network needs none: whatever was signed stays signed, so a message
//! may come now, later, twice or never, and a lost one is one that never comes. Votes travel as the certificates that they
//! complete (alone they change nothing but a count), and every Byzantine validator has signed everything, always.
//! Proposers are Byzantine and have sealed two blocks on every parent.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use stateright::{Model, Property};

use super::{
    automaton::{Automaton, Keep},
    event::{Event, Log, Who},
    search::reached,
    tally::{Tally, VoteRules},
    timely,
    universe::{NextTerm, Universe},
    world::World,
};
use crate::lbft::{Kind, Rule};

/// What to search.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Validators and quorums. Of the rules, the numbers count; rules are dropped in the core by `dropped`.
    pub rules: VoteRules,
    /// Heights that are explored.
    pub heights: u8,
    /// The term after these heights, for [`Quotient`](super::Quotient) alone.
    pub next: Option<NextTerm>,
    /// Rules that the cores leave out.
    pub dropped: Vec<Rule>,
    /// Everything may arrive at any time, blocks also while nothing justifies them. Otherwise what changes no vote waits until
    /// it does: blocks until they are justified at the current height or the core pulls them, certificates of heights below
    /// the current one until it pulls them.
    pub wild: bool,
    /// How many restarts there are at most, of all validators together.
    pub restarts: u8,
    /// What a restart finds.
    pub log: Log,
    /// A timely run is played from one of so many states, by their fingerprints; from none if it is 0.
    pub timely_one_in: u64,
    /// Look for forks alone: other properties are broken on the way to one.
    pub forks_only: bool,
    /// States that differ in the names of validators alone are one. Traces then do not tell who is who.
    pub symmetric: bool,
}

impl Setup {
    /// The rules as they are, `n` validators of which one is Byzantine.
    pub fn new(n: u8, heights: u8) -> Self {
        Self {
            rules: VoteRules::new(n, 1),
            heights,
            next: None,
            dropped: Vec::new(),
            wild: false,
            restarts: 0,
            log: Log::Whole,
            timely_one_in: 0,
            forks_only: false,
            symmetric: true,
        }
    }

    /// A term of four validators that ends at height `last`, the closing heights after it that are explored, and `next` heights of
    /// the next term: one validator leaves, one comes, and the Byzantine one stays.
    pub fn boundary(last: u8, closing: u8, next: u8) -> Self {
        let one = Self::new(4, last);
        let next = NextTerm { closing, heights: next, old_members_vote: false, handover_quorum: one.rules.quorum };
        Self { next: Some(next), ..one }
    }
}

/// One thing that happens to one validator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Happens {
    /// Which validator, from 0.
    pub to: usize,
    /// What.
    pub event: Event,
}

impl Happens {
    pub(super) fn words(self, world: &World) -> String {
        let name = |block: u8| world.name(block.into()).to_string();
        let what = match self.event {
            Event::Block(block) => format!("receives the block {}", name(block)),
            Event::Proposal(block) => format!("receives {} with its justification", name(block)),
            Event::Prepared(block) => format!("receives the P-certificate of {}", name(block)),
            Event::Committed(block) => format!("receives the C-certificate of {}", name(block)),
            Event::Impeached { term: 0, height } => format!("receives the impeach certificate of {height}"),
            Event::Impeached { height, .. } => format!("receives the impeach certificate of {height} in the next term"),
            Event::HandedOver(base) => format!("receives the hand-over to the committee on {}", name(base)),
            Event::Timeout(height) => format!("timer of height {height}"),
            Event::Restart => "restarts from its log".into(),
            Event::PowerCut => "restarts after a power cut".into(),
        };
        format!("V{} {what}", self.to + 1)
    }
}

/// The honest validators, by their states in the automaton.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Together {
    validators: Vec<u32>,
    restarts_left: u8,
}

/// The model.
#[derive(Clone)]
pub struct Machine {
    setup: Setup,
    automaton: Arc<Automaton>,
    runs: Arc<AtomicU64>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("setup", &self.setup).finish_non_exhaustive()
    }
}

impl Machine {
    /// `None` if the setup has no committee, too many blocks, or a next term.
    pub fn new(mut setup: Setup) -> Option<Self> {
        if setup.next.is_some() {
            return None;
        }
        // What a mutant takes, the network offers.
        setup.rules.parent_certified &= !setup.dropped.contains(&Rule::ParentCertified);
        setup.rules.skipped_impeached &= !setup.dropped.contains(&Rule::SkippedImpeached);
        setup.rules.one_prepare &= !setup.dropped.contains(&Rule::OnePrepare);
        let universe = Universe::new(&setup.rules, setup.heights, None, &setup.dropped)?;
        let automaton = Automaton::new(universe, setup.log, Keep::Everything)?;
        Some(Self { setup, automaton: Arc::new(automaton), runs: Arc::default() })
    }

    /// Distinct states of one validator that were seen.
    pub fn validator_states(&self) -> usize {
        self.automaton.len()
    }

    /// How many timely runs were played.
    pub fn timely_runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Every combination of votes that it reaches: PREPAREs and COMMITs by block, IMPEACH PREPAREs by height.
    pub fn votes_reached(self) -> BTreeSet<[Vec<u8>; 3]> {
        reached(self, |model, state| model.tally(&state.validators).into_parts())
    }

    /// Whether the events that lead to each known state of one validator lead to it under the names of the others too.
    pub fn same_under_every_name(&self) -> bool {
        let names = 1..usize::from(self.setup.rules.honest);
        (0..self.automaton.len()).filter_map(|id| u32::try_from(id).ok()).all(|id| {
            let print = |place| {
                let named = self.automaton.named(id, &Who::at(place));
                named.map(|validator| validator.fingerprint())
            };
            names.clone().all(|place| print(place).is_some_and(|other| Some(other) == print(0)))
        })
    }

    fn tally(&self, state: &[u32]) -> Tally {
        let mut tally = Tally::new(&self.automaton.universe.world);
        for facts in state.iter().filter_map(|id| self.automaton.facts(*id)) {
            tally.add(&facts.said);
        }
        tally
    }

    /// Blocks with a C-certificate, those that some validator holds final, and those with a P-certificate at the last height,
    /// which nothing in the model could drop any more.
    fn finals(&self, state: &Together) -> Vec<usize> {
        let (tally, world) = (self.tally(&state.validators), &self.automaton.universe.world);
        let top = world.slots.len().saturating_sub(1);
        let last = |block: usize| world.block(block).is_some_and(|candidate| candidate.slot == Some(top));
        let committed = (1..world.blocks.len()).filter(|block| {
            let rules = &self.setup.rules;
            tally.committed(world, rules, *block) || last(*block) && tally.certified(rules, *block)
        });
        let held = state.validators.iter().filter_map(|id| self.automaton.facts(*id)).map(|facts| facts.tip);
        committed.chain(held).collect()
    }

    fn fork(&self, state: &Together) -> Option<(usize, usize)> {
        let finals = self.finals(state);
        let world = &self.automaton.universe.world;
        let mut pairs = finals.iter().flat_map(|a| finals.iter().map(move |b| (*a, *b)));
        pairs.find(|(a, b)| !world.agree((*a, false), (*b, false)))
    }

    /// Whether a timely network brings this state to a new final block.
    fn recovers(&self, state: &Together) -> Result<(), String> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let facts = |place: &usize| Some((*place, self.automaton.facts(*state.validators.get(*place)?)?.said));
        let said: Vec<_> = self.automaton.universe.honest.iter().filter_map(facts).collect();
        let byzantine = &self.automaton.universe.byzantine;
        let named = |(place, id): (usize, &u32)| {
            let who = Who { place, said: said.clone(), byzantine: byzantine.clone() };
            Some((place, self.automaton.named(*id, &who)?))
        };
        let validators = state.validators.iter().enumerate().filter_map(named).collect();
        timely::run(&self.automaton.universe, validators)
    }

    fn is_sample(&self, state: &Together) -> bool {
        let mix =
            state.validators.iter().fold(0_u64, |mix, id| (mix ^ u64::from(*id)).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        self.setup.timely_one_in != 0 && (mix >> 32).is_multiple_of(self.setup.timely_one_in)
    }

    /// Every honest validator has left every height, having said there COMMIT or IMPEACH PREPARE, and nothing is final or
    /// will ever be, whatever the Byzantine validators still sign.
    fn used_up(&self, state: &Together) -> bool {
        let world = &self.automaton.universe.world;
        let spent = state.validators.iter().filter_map(|id| self.automaton.facts(*id)).all(|facts| {
            (0..world.slots.len()).all(|slot| {
                facts.said.has(Kind::ImpeachPrepare, slot)
                    || world.of_slot(slot).any(|block| facts.said.has(Kind::Commit, block))
            }) && facts.height > u64::from(self.setup.heights)
        });
        let tally = self.tally(&state.validators);
        spent && (1..world.blocks.len()).all(|block| !tally.committed(world, &self.setup.rules, block))
    }

    fn events(&self, tally: &Tally, id: u32, events: &mut Vec<Event>) {
        let universe = &self.automaton.universe;
        let Some(facts) = self.automaton.facts(id) else { return };
        let end = super::tally::Start::FinalAtTheEnd;
        let wild = self.setup.wild;
        for block in 1..universe.world.blocks.len() {
            let (Ok(name), Some(candidate)) = (u8::try_from(block), universe.world.block(block)) else { continue };
            let height = u64::from(candidate.height);
            let wanted = facts.wants >> block & 1 == 1;
            let waits = facts.waits || facts.open && !self.setup.rules.one_prepare;
            let proposed = height == facts.height && waits;
            let due = || tally.justified(&universe.world, &self.setup.rules, end, 0, block);
            if wild || wanted || proposed && due() {
                events.push(Event::Block(name));
            }
            let lets_in = wild || height >= facts.height || facts.wants_heights >> height & 1 == 1;
            if lets_in && tally.certified(&self.setup.rules, block) {
                events.push(Event::Prepared(name));
            }
            if tally.committed(&universe.world, &self.setup.rules, block) {
                events.push(Event::Committed(name));
            }
        }
        for height in 1..=self.setup.heights {
            let wide = u64::from(height);
            let lets_in = wild || wide >= facts.height || facts.wants_heights >> height & 1 == 1;
            if lets_in && tally.impeached(&self.setup.rules, usize::from(height) - 1) {
                events.push(Event::Impeached { term: 0, height });
            }
            let late = self.setup.dropped.contains(&Rule::CommitExcludesImpeach) && wide < facts.height;
            if wide == facts.height && facts.open || late {
                events.push(Event::Timeout(height));
            }
        }
    }
}

impl Model for Machine {
    type State = Together;
    type Action = Happens;

    fn init_states(&self) -> Vec<Self::State> {
        vec![Together { validators: self.automaton.first(), restarts_left: self.setup.restarts }]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Happens>) {
        let tally = self.tally(&state.validators);
        let mut events = Vec::new();
        for (to, id) in state.validators.iter().enumerate() {
            let twin = to.checked_sub(1).and_then(|before| state.validators.get(before)) == Some(id);
            if self.setup.symmetric && twin {
                continue;
            }
            self.events(&tally, *id, &mut events);
            if state.restarts_left > 0 {
                events.extend([Event::Restart, Event::PowerCut]);
            }
            let changes = |event: &Event| self.automaton.step(*id, *event).is_some_and(|step| step.to != *id);
            actions.extend(events.drain(..).filter(changes).map(|event| Happens { to, event }));
        }
    }

    fn next_state(&self, state: &Together, action: Happens) -> Option<Self::State> {
        let mut next = state.clone();
        let id = next.validators.get_mut(action.to)?;
        *id = self.automaton.step(*id, action.event)?.to;
        if matches!(action.event, Event::Restart | Event::PowerCut) {
            next.restarts_left = next.restarts_left.checked_sub(1)?;
        }
        if self.setup.symmetric {
            next.validators.sort_unstable();
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always("no fork", |model: &Self, state: &Together| model.fork(state).is_none()),
            Property::always("one P-certificate a height", |model: &Self, state: &Together| {
                model.tally(&state.validators).one_certificate(&model.automaton.universe.world, &model.setup.rules)
            }),
            Property::always("final or impeached, never both", |model: &Self, state: &Together| {
                model.tally(&state.validators).final_or_impeached(&model.automaton.universe.world, &model.setup.rules)
            }),
            Property::always("no honest core stops", |model: &Self, state: &Together| {
                state.validators.iter().filter_map(|id| model.automaton.facts(*id)).all(|facts| !facts.stopped)
            }),
            Property::sometimes("all heights used up and nothing final", |model: &Self, state: &Together| {
                model.used_up(state)
            }),
        ];
        if self.setup.forks_only {
            all.truncate(1);
        }
        if self.setup.timely_one_in != 0 {
            all.push(Property::always("a timely network recovers", |model: &Self, state: &Together| {
                !model.is_sample(state) || model.recovers(state).is_ok()
            }));
        }
        all
    }

    fn format_action(&self, action: &Happens) -> String {
        action.words(&self.automaton.universe.world)
    }
}

impl super::Told for Machine {
    fn verdict(&self, state: &Self::State) -> String {
        let world = &self.automaton.universe.world;
        if let Some((a, b)) = self.fork(state) {
            return format!("{} and {} are final, or become it, on different chains", world.name(a), world.name(b));
        }
        if self.setup.timely_one_in == 0 {
            return String::new();
        }
        self.recovers(state).err().unwrap_or_default()
    }
}

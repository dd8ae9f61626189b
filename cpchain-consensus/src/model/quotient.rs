//! The real core at more heights: states that cast the same votes from here on are one.
//!
//! Of a validator what is left is where it is, what it said there, and what it holds final; of heights that it has left, the
//! number of its votes. Votes that can no longer complete a certificate are forgotten, and of a certificate that exists one
//! more vote changes nothing. Whatever a core pulls arrives at once, and none restarts: [`Machine`](super::Machine) has
//! those at fewer heights, and a test compares the votes that both reach.

use std::{collections::BTreeSet, fmt, sync::Arc};

use stateright::{Model, Property};

use super::{
    local::{Automaton, Event, Keep, Log, Step},
    machine::Happens,
    search::reached,
    tally::{Start, Tally, VoteRules},
    universe::Universe,
    world::GENESIS,
};

/// The honest validators in any order, and how many of them voted for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Abstract {
    validators: Vec<u32>,
    tally: Tally,
}

/// The model; symmetric, so that its traces do not tell who is who.
#[derive(Clone)]
pub struct Quotient {
    rules: VoteRules,
    automaton: Arc<Automaton>,
    /// Certificates that exist count as just complete, and votes that lead nowhere as none.
    forget: bool,
}

impl fmt::Debug for Quotient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quotient").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Quotient {
    /// `heights` heights under the rules as they are. `None` if there is no such committee.
    pub fn new(n: u8, byzantine: u8, heights: u8) -> Option<Self> {
        let rules = VoteRules::new(n, byzantine);
        let universe = Universe::new(&rules, heights, &[])?;
        let automaton = Arc::new(Automaton::new(universe, Log::Whole, Keep::Votes)?);
        Some(Self { rules, automaton, forget: true })
    }

    /// Distinct states of one validator that were seen.
    pub fn validator_states(&self) -> usize {
        self.automaton.len()
    }

    /// Every combination of votes that it reaches, with none forgotten.
    pub fn votes_reached(self) -> BTreeSet<[Vec<u8>; 3]> {
        reached(Self { forget: false, ..self }, |_, state| state.tally.clone().into_parts())
    }

    fn events(&self, tally: &Tally, id: u32, events: &mut Vec<Event>) {
        let world = &self.automaton.universe.world;
        let Some(facts) = self.automaton.facts(id) else { return };
        for block in 1..world.blocks.len() {
            let (Ok(name), Some(candidate)) = (u8::try_from(block), world.block(block)) else { continue };
            let height = u64::from(candidate.height);
            let due = || tally.justified(world, &self.rules, Start::FinalAtTheEnd, 0, block);
            if height == facts.height && facts.waits && due() {
                events.push(Event::Proposal(name));
            }
            if height >= facts.height && tally.certified(&self.rules, block) {
                events.push(Event::Prepared(name));
            }
            if tally.committed(&self.rules, block) {
                events.push(Event::Committed(name));
            }
        }
        for slot in 0..world.slots.len() {
            let Ok(height) = u8::try_from(slot + 1) else { continue };
            if u64::from(height) >= facts.height && tally.impeached(&self.rules, slot) {
                events.push(Event::Impeached(height));
            }
            if u64::from(height) == facts.height && facts.open {
                events.push(Event::Timeout(height));
            }
        }
    }

    fn forget(&self, state: &mut Abstract) {
        let world = &self.automaton.universe.world;
        let facts: Vec<_> = state.validators.iter().filter_map(|id| self.automaton.facts(*id)).collect();
        for slot in 0..world.slots.len() {
            let height = slot as u64 + 1;
            let at = |may: &dyn Fn(&super::local::Facts) -> bool| {
                facts.iter().filter(|facts| facts.height < height || facts.height == height && may(facts)).count()
            };
            // Who may still PREPARE; and who may still COMMIT, or ask to impeach.
            let (idle, open) = (at(&|facts| facts.waits), at(&|facts| facts.open));
            let settle = |votes: &mut u8, need: u8, more: usize| {
                *votes = if usize::from(*votes) + more < usize::from(need) { 0 } else { (*votes).min(need) };
            };
            for block in world.of_slot(slot) {
                if let Some(votes) = state.tally.prepares.get_mut(block) {
                    settle(votes, self.rules.need(), idle);
                }
                if let Some(votes) = state.tally.commits.get_mut(block) {
                    settle(votes, self.rules.need(), open);
                }
            }
            if let Some(votes) = state.tally.impeaches.get_mut(slot) {
                settle(votes, self.rules.need_impeach(), open);
            }
        }
    }

    fn fork(&self, state: &Abstract) -> Option<(usize, usize)> {
        let world = &self.automaton.universe.world;
        let top = world.slots.len().saturating_sub(1);
        let last = |block: usize| world.block(block).is_some_and(|candidate| candidate.slot == Some(top));
        let committed = (1..world.blocks.len()).filter(|block| {
            state.tally.committed(&self.rules, *block) || last(*block) && state.tally.certified(&self.rules, *block)
        });
        let held = state.validators.iter().filter_map(|id| self.automaton.facts(*id)).map(|facts| facts.tip);
        let finals: Vec<_> = committed.chain(held).filter(|block| *block != GENESIS).collect();
        let mut pairs = finals.iter().flat_map(|a| finals.iter().map(move |b| (*a, *b)));
        pairs.find(|(a, b)| !world.agree(*a, *b))
    }
}

fn cast(tally: &mut Tally, step: &Step) {
    let add = |votes: &mut [u8], said: u64| {
        votes.iter_mut().enumerate().for_each(|(at, votes)| *votes += u8::from(said >> at & 1 == 1));
    };
    add(&mut tally.prepares, step.prepares);
    add(&mut tally.commits, step.commits);
    add(&mut tally.impeaches, step.impeaches.into());
}

impl Model for Quotient {
    type State = Abstract;
    type Action = Happens;

    fn init_states(&self) -> Vec<Abstract> {
        let tally = Tally::new(&self.automaton.universe.world);
        vec![Abstract { validators: vec![0; usize::from(self.rules.honest)], tally }]
    }

    fn actions(&self, state: &Abstract, actions: &mut Vec<Happens>) {
        let mut events = Vec::new();
        for (to, id) in state.validators.iter().enumerate() {
            if to.checked_sub(1).and_then(|before| state.validators.get(before)) == Some(id) {
                continue;
            }
            self.events(&state.tally, *id, &mut events);
            let changes = |event: &Event| self.automaton.step(*id, *event).is_some_and(|step| step.to != *id);
            actions.extend(events.drain(..).filter(changes).map(|event| Happens { to, event }));
        }
    }

    fn next_state(&self, state: &Abstract, action: Happens) -> Option<Abstract> {
        let mut next = state.clone();
        let id = next.validators.get_mut(action.to)?;
        let step = self.automaton.step(*id, action.event)?;
        *id = step.to;
        next.validators.sort_unstable();
        cast(&mut next.tally, &step);
        if self.forget {
            self.forget(&mut next);
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no fork", |model: &Self, state: &Abstract| model.fork(state).is_none()),
            Property::always("one P-certificate a height", |model: &Self, state: &Abstract| {
                state.tally.one_certificate(&model.automaton.universe.world, &model.rules)
            }),
            Property::always("final or impeached, never both", |model: &Self, state: &Abstract| {
                state.tally.final_or_impeached(&model.automaton.universe.world, &model.rules)
            }),
            Property::always("no honest core stops", |model: &Self, state: &Abstract| {
                let mut facts = state.validators.iter().filter_map(|id| model.automaton.facts(*id));
                facts.all(|facts| !facts.stopped)
            }),
        ]
    }

    fn format_action(&self, action: &Happens) -> String {
        action.words(&self.automaton.universe.world)
    }
}

impl super::Told for Quotient {
    fn verdict(&self, state: &Abstract) -> String {
        let world = &self.automaton.universe.world;
        let name =
            |(a, b)| format!("{} and {} are final, or become it, on different chains", world.name(a), world.name(b));
        self.fork(state).map(name).unwrap_or_default()
    }
}

//! The real core at more heights: states that cast the same votes from here on are one.
//!
//! Of a validator what is left is where it is, what it said there, and what it holds final; of heights that it has left, the
//! number of its votes. Votes that can no longer complete a certificate are forgotten, and of a certificate that exists one
//! more vote changes nothing. Whatever a core pulls arrives at once, and none restarts: [`Machine`](super::Machine) has
//! those at fewer heights, and a test compares the votes that both reach.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use stateright::{Model, Property};

use super::{
    automaton::{Automaton, Facts, Keep},
    boundary::{Asked, Boundary},
    event::Event,
    machine::{Happens, Setup},
    past::Past,
    search::reached,
    tally::{Start, Tally},
    timely,
    universe::Universe,
    world::{GENESIS, World},
};
use crate::lbft::Rule;

/// The honest validators in any order, and how many of them voted for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Abstract {
    validators: Vec<u32>,
    tally: Tally,
    restarts_left: u8,
    past: Past,
}

/// The model; symmetric, so that its traces do not tell who is who, apart from who leaves the committee and who comes.
#[derive(Clone)]
pub struct Quotient {
    setup: Setup,
    automaton: Arc<Automaton>,
    /// Certificates that exist count as just complete, and votes that lead nowhere as none.
    forget: bool,
    start: Start,
    asked: Arc<Asked>,
    runs: Arc<AtomicU64>,
}

impl fmt::Debug for Quotient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quotient").field("setup", &self.setup).finish_non_exhaustive()
    }
}

impl Quotient {
    /// `heights` heights under the rules as they are. `None` if there is no such committee.
    pub fn new(n: u8, byzantine: u8, heights: u8) -> Option<Self> {
        let setup = Setup::new(n, heights);
        Self::of(Setup { rules: super::VoteRules::new(n, byzantine), ..setup })
    }

    /// What [`Setup`] says, across a boundary of terms if it has one. Of `wild` and `symmetric` it knows one value each:
    /// `false` and `true`. `None` if there is no such committee.
    pub fn of(setup: Setup) -> Option<Self> {
        let universe = Universe::new(&setup.rules, setup.heights, setup.next.as_ref(), &setup.dropped)?;
        let start = if setup.dropped.contains(&Rule::EndIsFinal) { Start::Certified } else { Start::FinalAtTheEnd };
        let keep = if setup.restarts > 0 { Keep::Durable } else { Keep::Votes };
        let automaton = Arc::new(Automaton::new(universe, setup.log, keep)?);
        Some(Self { setup, automaton, forget: true, start, asked: Arc::default(), runs: Arc::default() })
    }

    /// Distinct states of one validator that were seen.
    pub fn validator_states(&self) -> usize {
        self.automaton.len()
    }

    /// How many timely runs were played.
    pub fn timely_runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Every combination of votes that it reaches, with none forgotten.
    pub fn votes_reached(self) -> BTreeSet<[Vec<u8>; 3]> {
        reached(Self { forget: false, ..self }, |_, state| state.tally.clone().into_parts())
    }

    fn world(&self) -> &World {
        &self.automaton.universe.world
    }

    fn facts(&self, state: &Abstract) -> Vec<Facts> {
        state.validators.iter().filter_map(|id| self.automaton.facts(*id)).collect()
    }

    /// The votes as a validator of this term counts them: as they are, unless a mutant does not tell the terms apart.
    fn counted<'a>(&self, state: &'a Abstract, term: u8) -> Cow<'a, Tally> {
        if !self.automaton.universe.mixes_terms() {
            return Cow::Borrowed(&state.tally);
        }
        let world = self.world();
        let mut tally = Tally::new(world);
        let serve = state.past.said.iter().enumerate().filter(|(at, _)| self.automaton.universe.serves(*at, term));
        for (_, said) in serve {
            let (mut said, cast) = (*said, said.impeaches);
            for (at, slot) in world.slots.iter().enumerate().filter(|(at, _)| cast >> at & 1 == 1) {
                let same = world.slots.iter().enumerate().filter(|(_, other)| other.height == slot.height);
                said.impeaches |= same.fold(1 << at, |bits, (other, _)| bits | 1 << other);
            }
            tally.add(&said);
        }
        Cow::Owned(tally)
    }

    fn events(&self, state: &Abstract, facts: &Facts, events: &mut Vec<Event>) {
        let (world, rules) = (self.world(), &self.setup.rules);
        let tally = &*self.counted(state, facts.term);
        // What does not concern votes of this term changes nothing, which is tried; whoever does not vote in it hears of what is
        // final alone.
        let lets_in = |term: u8, height: u64| term != facts.term || facts.member && height >= facts.height;
        for block in 1..world.blocks.len() {
            let (Ok(name), Some(candidate)) = (u8::try_from(block), world.block(block)) else { continue };
            let (term, height) = (world.term_of(block), u64::from(candidate.height));
            let due = || tally.justified(world, rules, self.start, world.last, block);
            if (term, height) == (facts.term, facts.height) && facts.waits && due() {
                events.push(Event::Proposal(name));
            }
            if lets_in(term, height) && tally.certified(rules, block) {
                events.push(Event::Prepared(name));
            }
            if tally.committed(world, rules, block) {
                events.push(Event::Committed(name));
            }
        }
        for base in &self.automaton.universe.bases {
            let votes = tally.handovers.get(*base).copied().unwrap_or_default() + rules.byzantine;
            let proven = self.setup.next.as_ref().is_some_and(|next| votes >= next.handover_quorum);
            events.extend(u8::try_from(*base).ok().filter(|_| proven).map(Event::HandedOver));
        }
        for (place, slot) in world.slots.iter().enumerate() {
            let (term, height) = (slot.term, slot.height);
            if lets_in(term, height.into()) && tally.impeached(rules, place) {
                events.push(Event::Impeached { term, height });
            }
            if (term, u64::from(height)) == (facts.term, facts.height) && facts.open {
                events.push(Event::Timeout(height));
            }
        }
        if state.restarts_left > 0 {
            events.extend([Event::Restart, Event::PowerCut]);
        }
    }

    fn forget(&self, state: &mut Abstract) {
        let (world, rules) = (self.world(), &self.setup.rules);
        let facts = self.facts(state);
        for (place, slot) in world.slots.iter().enumerate() {
            let here = (slot.term, u64::from(slot.height));
            let serves = |at: usize| self.automaton.universe.serves(at, slot.term);
            let at = |may: &dyn Fn(&Facts) -> bool| {
                let ahead = |facts: &Facts| {
                    let there = (facts.term, facts.height);
                    there < here || there == here && may(facts)
                };
                facts.iter().enumerate().filter(|(at, facts)| serves(*at) && ahead(facts)).count()
            };
            // Who may still PREPARE; and who may still COMMIT, or ask to impeach.
            let (idle, open) = (at(&|facts| facts.waits), at(&|facts| facts.open));
            let settle = |votes: &mut u8, need: u8, more: usize| {
                *votes = if usize::from(*votes) + more < usize::from(need) { 0 } else { (*votes).min(need) };
            };
            for block in world.of_slot(place) {
                if let Some(votes) = state.tally.prepares.get_mut(block) {
                    settle(votes, rules.need(), idle);
                }
                let need = if world.ends(block) { rules.need_to_end() } else { rules.need() };
                if let Some(votes) = state.tally.commits.get_mut(block) {
                    settle(votes, need, open);
                }
            }
            if let Some(votes) = state.tally.impeaches.get_mut(place) {
                settle(votes, rules.need_impeach(), open);
            }
        }
    }

    /// Blocks with a C-certificate, those that some validator holds final, and those with a P-certificate at the last height;
    /// with each, whether the old term is known to have ended on it.
    fn fork(&self, state: &Abstract) -> Option<(usize, usize)> {
        let (world, rules) = (self.world(), &self.setup.rules);
        let top = world.slots.len().saturating_sub(1);
        let last = |block: usize| world.block(block).is_some_and(|candidate| candidate.slot == Some(top));
        let mut finals: Vec<_> = self.facts(state).iter().map(|facts| (facts.tip, facts.term == 1)).collect();
        let terms = if self.automaton.universe.mixes_terms() { 0..=1 } else { 0..=0 };
        for term in terms {
            let tally = self.counted(state, term);
            let committed = (1..world.blocks.len()).filter(|block| {
                tally.committed(world, rules, *block) || last(*block) && tally.certified(rules, *block)
            });
            finals.extend(committed.map(|block| (block, false)));
        }
        finals.retain(|known| *known != (GENESIS, false));
        finals.sort_unstable();
        finals.dedup();
        let mut pairs = finals.iter().flat_map(|a| finals.iter().map(move |b| (*a, *b)));
        pairs.find(|(a, b)| !world.agree(*a, *b)).map(|(a, b)| (a.0, b.0))
    }

    /// Whether a timely network brings this state to a new final block.
    fn recovers(&self, state: &Abstract) -> Result<(), String> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let validators = state.past.replay(&self.automaton).ok_or("no such validators")?;
        timely::run(&self.automaton.universe, validators)
    }

    fn is_sample(&self, state: &Abstract) -> bool {
        let mut hasher = DefaultHasher::new();
        state.hash(&mut hasher);
        self.setup.timely_one_in != 0 && hasher.finish().is_multiple_of(self.setup.timely_one_in)
    }

    fn boundary(&self, state: &Abstract, asks: impl Fn(&Boundary<'_>, &Asked) -> bool) -> bool {
        let facts = self.facts(state);
        let (universe, rules) = (&self.automaton.universe, &self.setup.rules);
        asks(&Boundary { universe, rules, tally: &state.tally, facts: &facts }, &self.asked)
    }
}

impl Model for Quotient {
    type State = Abstract;
    type Action = Happens;

    fn init_states(&self) -> Vec<Abstract> {
        let (tally, validators) = (Tally::new(self.world()), self.automaton.first());
        let past = Past::new(validators.len());
        vec![Abstract { validators, tally, restarts_left: self.setup.restarts, past }]
    }

    fn actions(&self, state: &Abstract, actions: &mut Vec<Happens>) {
        let mut events = Vec::new();
        for (to, id) in state.validators.iter().enumerate() {
            if to.checked_sub(1).and_then(|before| state.validators.get(before)) == Some(id) {
                continue;
            }
            let Some(facts) = self.automaton.facts(*id) else { continue };
            self.events(state, &facts, &mut events);
            let changes = |event: &Event| {
                let restart = matches!(event, Event::Restart | Event::PowerCut);
                restart || self.automaton.step(*id, *event).is_some_and(|step| step.to != *id)
            };
            actions.extend(events.drain(..).filter(changes).map(|event| Happens { to, event }));
        }
    }

    fn next_state(&self, state: &Abstract, action: Happens) -> Option<Abstract> {
        let mut next = state.clone();
        let id = next.validators.get_mut(action.to)?;
        let step = self.automaton.step(*id, action.event)?;
        *id = step.to;
        next.past.push(action, &step.cast);
        if matches!(action.event, Event::Restart | Event::PowerCut) {
            next.restarts_left = next.restarts_left.checked_sub(1)?;
        }
        let alike = self.automaton.universe.alike.clone();
        let ids = next.validators.get_mut(alike.clone())?;
        let mut pairs: Vec<_> = ids.iter().copied().zip(next.past.said.get(alike.clone())?.iter().copied()).collect();
        pairs.sort_by_key(|(id, _)| *id);
        let places = ids.iter_mut().zip(next.past.said.get_mut(alike)?);
        places.zip(pairs).for_each(|((id, said), pair)| (*id, *said) = pair);
        next.tally.add(&step.cast);
        if self.forget {
            self.forget(&mut next);
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![Property::always("no fork", |model: &Self, state: &Abstract| model.fork(state).is_none())];
        if !self.setup.forks_only {
            all.extend([
                Property::always("one P-certificate a height", |model: &Self, state: &Abstract| {
                    state.tally.one_certificate(model.world(), &model.setup.rules)
                }),
                Property::always("final or impeached, never both", |model: &Self, state: &Abstract| {
                    state.tally.final_or_impeached(model.world(), &model.setup.rules)
                }),
                Property::always("no honest core stops", |model: &Self, state: &Abstract| {
                    model.facts(state).iter().all(|facts| !facts.stopped)
                }),
            ]);
        }
        if self.setup.next.is_some() && !self.setup.forks_only {
            all.extend([
                Property::always("the next term waits for the last final height", |model: &Self, state: &Abstract| {
                    model.boundary(state, |boundary, _| boundary.waits())
                }),
                Property::always("a hand-over names who serves, and no other", |model: &Self, state: &Abstract| {
                    model.boundary(state, |boundary, asked| boundary.names_one(asked))
                }),
                Property::sometimes("a closing height ends the term", |model: &Self, state: &Abstract| {
                    model.boundary(state, |boundary, _| boundary.closed())
                }),
                Property::sometimes("both terms vote at once", |model: &Self, state: &Abstract| {
                    model.boundary(state, |boundary, _| boundary.both_vote())
                }),
            ]);
        }
        if self.setup.timely_one_in != 0 {
            all.push(Property::always("a timely network recovers", |model: &Self, state: &Abstract| {
                !model.is_sample(state) || model.recovers(state).is_ok()
            }));
        }
        all
    }

    fn format_action(&self, action: &Happens) -> String {
        action.words(self.world())
    }
}

impl super::Told for Quotient {
    fn verdict(&self, state: &Abstract) -> String {
        let name = |block| self.world().name(block);
        if let Some((a, b)) = self.fork(state) {
            return format!("{} and {} are final, or become it, on different chains", name(a), name(b));
        }
        if self.setup.timely_one_in == 0 {
            return String::new();
        }
        self.recovers(state).err().unwrap_or_default()
    }
}

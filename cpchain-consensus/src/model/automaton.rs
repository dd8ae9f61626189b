//! One honest validator as an automaton, grown as the search asks.
//!
//! The core is deterministic and knows other validators by their certificates alone, so a transition is run once and then
//! looked up. Honest validators that serve in the same terms are the same automaton up to their names; a test runs it under each.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    event::{Event, Log, Said, Who},
    universe::Universe,
    validator::Validator,
};
use crate::lbft::{Input, Message, Output, State};

/// What the search asks about one state of the automaton.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Facts {
    /// 1 once the old term has ended for it.
    pub(super) term: u8,
    pub(super) height: u64,
    pub(super) said: Said,
    /// The highest block that it holds final.
    pub(super) tip: usize,
    /// The last height that it holds final.
    pub(super) final_height: u64,
    /// On which block the old term ended for it.
    pub(super) base: Option<usize>,
    /// Whether it is a validator of its term.
    pub(super) member: bool,
    /// It reported a fault and votes no more.
    pub(super) stopped: bool,
    /// It may still ask to impeach the current height.
    pub(super) open: bool,
    /// It waits for a proposal at the current height.
    pub(super) waits: bool,
    /// Blocks that it pulls, as a bit set.
    pub(super) wants: u64,
    /// Heights whose certificates it pulls, as a bit set.
    pub(super) wants_heights: u64,
}

impl Validator {
    /// What a search asks about it.
    pub(super) fn facts(&self, universe: &Universe) -> Facts {
        let height = self.core.height();
        let state = self.core.state(height);
        let unsealed = self.core.rounds.get(&height).is_none_or(|round| round.seals.is_empty());
        let member = self.core.committee().index_of(self.core.key()).is_some();
        // What it pulls shows when it asks again.
        let outputs = self.core.clone().step(Input::Retry);
        let (mut wants, mut wants_heights) = (0, 0);
        for output in outputs {
            let Output::Send { message: Message::Pull(pull), .. } = output else { continue };
            pull.digests.iter().filter_map(|d| universe.named(d)).for_each(|block| wants |= 1 << block);
            pull.heights.iter().filter(|height| height.0 < 64).for_each(|height| wants_heights |= 1 << height.0);
        }
        Facts {
            term: self.term(),
            height: height.0,
            said: self.said,
            tip: self.tip,
            final_height: self.core.final_height().0,
            base: universe.base_of(self.core.committee()),
            member,
            stopped: self.core.fault().is_some(),
            open: member && matches!(state, State::Idle | State::Prepare),
            waits: member && state == State::Idle && unsealed,
            wants,
            wants_heights,
        }
    }
}

struct Known {
    validator: Arc<Validator>,
    /// As whom it was run.
    place: usize,
    facts: Facts,
    /// How it was first reached.
    from: Option<(u32, Event)>,
}

/// A transition, and the votes that are cast in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) to: u32,
    pub(super) cast: Said,
}

/// When two states of a validator are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// When nothing tells them apart. What is pulled may arrive later or never.
    Everything,
    /// When they cast the same votes from here on. What is pulled arrives at once.
    Votes,
    /// The same, and after a power cut too.
    Durable,
}

#[derive(Default)]
struct Table {
    known: Vec<Known>,
    places: HashMap<(usize, u64), u32>,
    steps: HashMap<(u32, Event), Step>,
}

/// The automaton, grown as the search asks.
pub(super) struct Automaton {
    pub(super) universe: Universe,
    log: Log,
    keep: Keep,
    table: RwLock<Table>,
}

impl Automaton {
    /// No state is known but those of new validators.
    pub(super) fn new(universe: Universe, log: Log, keep: Keep) -> Option<Self> {
        let automaton = Self { universe, log, keep, table: RwLock::default() };
        for place in automaton.universe.honest.iter().copied().filter(|place| automaton.runs_as(*place) == *place) {
            automaton.place(Validator::new(&automaton.universe, place)?, place, None, None);
        }
        Some(automaton)
    }

    /// As whom the validator at this place is run: those that serve in the same terms are alike.
    fn runs_as(&self, place: usize) -> usize {
        let alike = &self.universe.alike;
        if alike.contains(&place) { alike.start } else { place }
    }

    /// The states of the new validators, by their places.
    pub(super) fn first(&self) -> Vec<u32> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let new = |place: &usize| {
            let at = self.runs_as(*place);
            table.known.iter().position(|known| known.from.is_none() && known.place == at)
        };
        self.universe.honest.iter().filter_map(new).filter_map(|id| u32::try_from(id).ok()).collect()
    }

    /// Pulled blocks arrive at once, each once: a mutant may want what it does not take.
    fn fetched(&self, mut validator: Validator, who: &Who) -> Option<Validator> {
        let mut came = 0;
        loop {
            let wants = validator.facts(&self.universe).wants & !came;
            if wants == 0 {
                return Some(validator);
            }
            came |= 1 << wants.trailing_zeros();
            let block = u8::try_from(wants.trailing_zeros()).ok()?;
            validator = validator.after(&self.universe, who, Event::Block(block), self.log)?;
        }
    }

    /// What it is, and what it is after a power cut.
    fn durable_fingerprint(&self, validator: &Validator, place: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        let cut = self.after(validator, &Who::at(place), Event::PowerCut);
        (validator.votes_fingerprint(), cut.map(|cut| cut.votes_fingerprint())).hash(&mut hasher);
        hasher.finish()
    }

    fn place(&self, validator: Validator, place: usize, from: Option<(u32, Event)>, before: Option<&Validator>) -> u32 {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let next = u32::try_from(table.known.len()).unwrap_or(u32::MAX);
        let print = match self.keep {
            Keep::Everything => validator.fingerprint(),
            Keep::Votes => validator.votes_fingerprint(),
            Keep::Durable => self.durable_fingerprint(&validator, place),
        };
        let said = validator.said;
        let id = *table.places.entry((place, print)).or_insert(next);
        if id == next {
            let facts = validator.facts(&self.universe);
            table.known.push(Known { validator: Arc::new(validator), place, facts, from });
        }
        if let Some((step, before)) = from.zip(before) {
            table.steps.insert(step, Step { to: id, cast: said.since(&before.said) });
        }
        id
    }

    /// How many states are known.
    pub(super) fn len(&self) -> usize {
        self.table.read().unwrap_or_else(PoisonError::into_inner).known.len()
    }

    pub(super) fn facts(&self, id: u32) -> Option<Facts> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.known.get(id as usize).map(|known| known.facts)
    }

    /// What happens at an event.
    pub(super) fn step(&self, id: u32, event: Event) -> Option<Step> {
        let (known, place) = {
            let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(step) = table.steps.get(&(id, event)) {
                return Some(*step);
            }
            let known = table.known.get(id as usize)?;
            (Arc::clone(&known.validator), known.place)
        };
        let next = self.after(&known, &Who::at(place), event)?;
        self.place(next, place, Some((id, event)), Some(&known));
        self.table.read().unwrap_or_else(PoisonError::into_inner).steps.get(&(id, event)).copied()
    }

    /// The validator after an event, and after what it pulls at once.
    pub(super) fn after(&self, validator: &Validator, who: &Who, event: Event) -> Option<Validator> {
        let next = validator.after(&self.universe, who, event, self.log)?;
        if self.keep == Keep::Everything { Some(next) } else { self.fetched(next, who) }
    }

    /// This state as another validator, by the same events.
    pub(super) fn named(&self, id: u32, who: &Who) -> Option<Validator> {
        let mut events = Vec::new();
        let mut at = id;
        while let Some((before, event)) = self.from(at) {
            events.push(event);
            at = before;
        }
        let first = Validator::new(&self.universe, who.place)?;
        let mut back = events.into_iter().rev();
        back.try_fold(first, |validator, event| validator.after(&self.universe, who, event, self.log))
    }

    fn from(&self, id: u32) -> Option<(u32, Event)> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.known.get(id as usize)?.from
    }
}

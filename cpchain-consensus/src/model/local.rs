//! One honest validator as an automaton: the real core, its log, and what it ever said.
//!
//! The core is deterministic and knows other validators by their certificates alone, so a transition is run once and then
//! looked up. All honest validators are the same automaton up to their names; a test runs it under each.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Arc, PoisonError, RwLock},
};

use super::{universe::Universe, world::GENESIS};
use crate::{
    ids::Height,
    lbft::{FinalEntry, Input, Kind, Lbft, Message, Output, Pull, Restored, State, Vote},
    storage::{MemoryStorage, Storage},
};

/// What can happen to one validator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// A block arrives under its proposer's seal.
    Block(u8),
    /// A block arrives together with everything that justifies it.
    Proposal(u8),
    /// The P-certificate of a block arrives.
    Prepared(u8),
    /// The C-certificate of a block arrives.
    Committed(u8),
    /// The impeach certificate of a height arrives.
    Impeached(u8),
    /// The timer that was started at a height fires.
    Timeout(u8),
    /// The process ends and starts again from its log.
    Restart,
    /// The power fails: what was logged without sync since the last sync is lost.
    PowerCut,
}

/// Which records a restart finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Log {
    /// All of them.
    Whole,
    /// A literal reading that loses certificates: votes and blocks alone are durable.
    NoCertificates,
}

/// Which validator this is, and what all of them said: so that certificates bear signatures that were given.
#[derive(Debug, Clone, Default)]
pub(super) struct Who {
    pub(super) place: usize,
    /// The honest, by place; empty in the search, where names do not matter.
    pub(super) said: Vec<Facts>,
    /// Places of the Byzantine validators, who signed everything.
    pub(super) byzantine: std::ops::Range<usize>,
}

impl Who {
    fn voted(&self, kind: Kind, block: usize, height: u8) -> Vec<usize> {
        let said = |facts: &Facts| match kind {
            Kind::Prepare => facts.prepares >> block & 1 == 1,
            Kind::Commit => facts.commits >> block & 1 == 1,
            Kind::ImpeachPrepare => facts.impeaches >> height.saturating_sub(1) & 1 == 1,
            Kind::Seal | Kind::Handover => false,
        };
        let honest = self.said.iter().enumerate().filter(|(_, facts)| said(facts)).map(|(place, _)| place);
        honest.chain(self.byzantine.clone()).collect()
    }
}

/// A validator: its core, its store, and every vote that it ever cast (others may still hold them).
#[derive(Clone)]
pub(super) struct Validator {
    pub(super) core: Lbft,
    store: MemoryStorage,
    pub(super) prepares: u64,
    pub(super) commits: u64,
    pub(super) impeaches: u8,
    /// The highest block that it holds final.
    pub(super) tip: usize,
}

impl Validator {
    pub(super) fn new(universe: &Universe, place: usize) -> Option<Self> {
        let (core, outputs) = universe.core(place, Restored::default())?;
        let store = MemoryStorage::new();
        let mut new = Self { core, store, prepares: 0, commits: 0, impeaches: 0, tip: GENESIS };
        new.carry_out(universe, outputs);
        Some(new)
    }

    /// Carries out what concerns this validator alone, and gives back what it sends. The application accepts everything.
    pub(super) fn carry_out(&mut self, universe: &Universe, outputs: Vec<Output>) -> Vec<Output> {
        let mut sent = Vec::new();
        let mut due: std::collections::VecDeque<_> = outputs.into();
        while let Some(output) = due.pop_front() {
            match output {
                Output::Persist { records, sync } => {
                    // The store in memory never fails.
                    let _ = self.store.append(&records, sync);
                }
                Output::Verify { digest, .. } => {
                    due.extend(self.core.step(Input::Verified { digest, verdict: Ok(()) }));
                }
                Output::Finalised(entry) => {
                    self.tip = universe.named(&entry.block.digest).unwrap_or(self.tip);
                }
                Output::Send { message: Message::Vote(vote), to } => {
                    self.remember(universe, &vote);
                    sent.push(Output::Send { message: Message::Vote(vote), to });
                }
                other => sent.push(other),
            }
        }
        sent
    }

    fn remember(&mut self, universe: &Universe, vote: &Vote) {
        let block = universe.named(&vote.digest).unwrap_or(GENESIS);
        match vote.kind {
            Kind::Prepare => self.prepares |= 1 << block,
            Kind::Commit => self.commits |= 1 << block,
            Kind::ImpeachPrepare => self.impeaches |= 1 << vote.height.0.saturating_sub(1),
            Kind::Seal | Kind::Handover => {}
        }
    }

    /// What a search asks about it.
    fn facts(&self, universe: &Universe) -> Facts {
        let height = self.core.height();
        let state = self.core.state(height);
        let unsealed = self.core.rounds.get(&height).is_none_or(|round| round.seals.is_empty());
        // What it pulls shows when it asks again.
        let outputs = self.core.clone().step(Input::Retry);
        let (mut wants, mut wants_heights) = (0, 0);
        for output in outputs {
            let Output::Send { message: Message::Pull(pull), .. } = output else { continue };
            pull.digests.iter().filter_map(|d| universe.named(d)).for_each(|block| wants |= 1 << block);
            pull.heights.iter().filter(|height| height.0 < 64).for_each(|height| wants_heights |= 1 << height.0);
        }
        Facts {
            height: height.0,
            prepares: self.prepares,
            commits: self.commits,
            impeaches: self.impeaches,
            tip: self.tip,
            stopped: self.core.fault().is_some(),
            open: matches!(state, State::Idle | State::Prepare),
            waits: state == State::Idle && unsealed,
            wants,
            wants_heights,
        }
    }

    /// Answers a pull from the final blocks, as the driver does.
    pub(super) fn serve(&self, pull: &Pull) -> Vec<Message> {
        let by_digest = pull.digests.iter().filter_map(|digest| self.store.height_of(digest).ok().flatten());
        let heights: Vec<_> = pull.heights.iter().copied().chain(by_digest).collect();
        let entries = heights.into_iter().filter_map(|height| self.store.final_entry(height).ok().flatten());
        let answer = |entry: FinalEntry| {
            let certificate = entry.certificate.map(Message::Certificate);
            certificate.into_iter().chain(entry.sealed.map(Message::Block))
        };
        entries.flat_map(answer).collect()
    }

    /// The same validator after the event.
    pub(super) fn after(&self, universe: &Universe, who: &Who, event: Event, log: Log) -> Option<Self> {
        if let Event::Proposal(block) = event {
            return self.after_proposal(universe, who, block, log);
        }
        let mut next = self.clone();
        let certificate = |kind, block: u8| {
            let height = universe.world.block(block.into())?.height;
            let digest = universe.digest(block.into());
            let voters = who.voted(kind, usize::from(block), height);
            Some(Message::Certificate(universe.certificate(who.place, kind, Height(height.into()), digest, &voters)))
        };
        let message = match event {
            Event::Block(block) | Event::Proposal(block) => Message::Block(universe.block(block.into())?),
            Event::Prepared(block) => certificate(Kind::Prepare, block)?,
            Event::Committed(block) => certificate(Kind::Commit, block)?,
            Event::Impeached(height) => {
                let (kind, zero) = (Kind::ImpeachPrepare, universe.digest(GENESIS));
                let voters = who.voted(kind, GENESIS, height);
                Message::Certificate(universe.certificate(who.place, kind, Height(height.into()), zero, &voters))
            }
            Event::Timeout(height) => {
                let outputs = next.core.step(Input::Timeout { height: Height(height.into()) });
                next.carry_out(universe, outputs);
                return Some(next);
            }
            Event::Restart | Event::PowerCut => {
                if event == Event::PowerCut {
                    next.store.crash();
                }
                let mut restored = next.store.restore().ok()?;
                if log == Log::NoCertificates {
                    restored.certificates.clear();
                }
                let (core, outputs) = universe.core(who.place, restored)?;
                next.core = core;
                next.carry_out(universe, outputs);
                return Some(next);
            }
        };
        // From an outsider: whom to ask for what is missing is no part of the automaton.
        let from = universe.key(universe.committee.validators().len())?;
        let outputs = next.core.step(Input::Message { from, message });
        next.carry_out(universe, outputs);
        Some(next)
    }

    fn after_proposal(&self, universe: &Universe, who: &Who, block: u8, log: Log) -> Option<Self> {
        let candidate = universe.world.block(block.into())?;
        let skipped = universe.world.skipped(candidate).filter_map(|slot| u8::try_from(slot + 1).ok());
        let parent = u8::try_from(candidate.parent).ok().filter(|parent| usize::from(*parent) != GENESIS);
        let events = skipped.map(Event::Impeached).chain(parent.map(Event::Prepared)).chain([Event::Block(block)]);
        events.into_iter().try_fold(self.clone(), |node, event| node.after(universe, who, event, log))
    }

    /// Equal for validators that cast the same votes from here on, if whatever they pull arrives at once and is not lost: where
    /// they are, what they said there, which blocks they hold certified, and what they hold final.
    fn votes_fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let height = self.core.height();
        let seals = self.core.rounds.get(&height).map(|round| round.seals.iter().map(|(digest, _)| *digest).collect());
        let seals: Vec<_> = seals.unwrap_or_default();
        (height, self.core.state(height) as u8, seals, self.core.covered, self.tip).hash(&mut hasher);
        self.core.fault().is_some().hash(&mut hasher);
        let certified = self.core.rounds.values().filter_map(|round| round.certified());
        certified.for_each(|certificate| certificate.digest.hash(&mut hasher));
        hasher.finish()
    }

    /// Equal for validators that no later event tells apart.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.core.fingerprint(&mut hasher);
        (self.prepares, self.commits, self.impeaches, self.tip).hash(&mut hasher);
        let mut durable = self.store.clone();
        durable.crash();
        for store in [&self.store, &durable] {
            let Ok(restored) = store.restore() else { continue };
            restored.tip.as_ref().map(|tip| tip.block.digest).hash(&mut hasher);
            for certificate in &restored.certificates {
                (certificate.kind, certificate.height, certificate.digest).hash(&mut hasher);
            }
            for vote in &restored.votes {
                (vote.kind, vote.height, vote.digest).hash(&mut hasher);
            }
            restored.blocks.iter().for_each(|block| block.digest().hash(&mut hasher));
            (restored.certificates.len(), restored.votes.len(), restored.blocks.len()).hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// What the search asks about one state of the automaton.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Facts {
    pub(super) height: u64,
    pub(super) prepares: u64,
    pub(super) commits: u64,
    pub(super) impeaches: u8,
    pub(super) tip: usize,
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

struct Known {
    validator: Arc<Validator>,
    facts: Facts,
    /// How it was first reached.
    from: Option<(u32, Event)>,
}

/// A transition, and the votes that are cast in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) to: u32,
    pub(super) prepares: u64,
    pub(super) commits: u64,
    pub(super) impeaches: u8,
}

/// When two states of a validator are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// When nothing tells them apart. What is pulled may arrive later or never.
    Everything,
    /// When they cast the same votes from here on. What is pulled arrives at once.
    Votes,
}

#[derive(Default)]
struct Table {
    known: Vec<Known>,
    places: HashMap<u64, u32>,
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
    /// State 0 is a new validator.
    pub(super) fn new(universe: Universe, log: Log, keep: Keep) -> Option<Self> {
        let first = Validator::new(&universe, 0)?;
        let automaton = Self { universe, log, keep, table: RwLock::default() };
        automaton.place(first, None, None);
        Some(automaton)
    }

    /// Pulled blocks arrive at once.
    fn fetched(&self, mut validator: Validator) -> Option<Validator> {
        loop {
            let wants = validator.facts(&self.universe).wants;
            if wants == 0 {
                return Some(validator);
            }
            let block = u8::try_from(wants.trailing_zeros()).ok()?;
            validator = validator.after(&self.universe, &Who::default(), Event::Block(block), self.log)?;
        }
    }

    fn place(&self, validator: Validator, from: Option<(u32, Event)>, before: Option<&Validator>) -> u32 {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let next = u32::try_from(table.known.len()).unwrap_or(u32::MAX);
        let print = match self.keep {
            Keep::Everything => validator.fingerprint(),
            Keep::Votes => validator.votes_fingerprint(),
        };
        let (prepares, commits, impeaches) = (validator.prepares, validator.commits, validator.impeaches);
        let id = *table.places.entry(print).or_insert(next);
        if id == next {
            let facts = validator.facts(&self.universe);
            table.known.push(Known { validator: Arc::new(validator), facts, from });
        }
        if let Some((step, before)) = from.zip(before) {
            let cast = Step {
                to: id,
                prepares: prepares & !before.prepares,
                commits: commits & !before.commits,
                impeaches: impeaches & !before.impeaches,
            };
            table.steps.insert(step, cast);
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
        let known = {
            let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(step) = table.steps.get(&(id, event)) {
                return Some(*step);
            }
            Arc::clone(&table.known.get(id as usize)?.validator)
        };
        let mut next = known.after(&self.universe, &Who::default(), event, self.log)?;
        if self.keep == Keep::Votes {
            next = self.fetched(next)?;
        }
        self.place(next, Some((id, event)), Some(&known));
        self.table.read().unwrap_or_else(PoisonError::into_inner).steps.get(&(id, event)).copied()
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

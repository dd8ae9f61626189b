//! One honest validator: the real core, its store, and what it ever said.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::{
    event::{Event, Log, Said, Who},
    universe::Universe,
    world::GENESIS,
};
use crate::{
    ids::Height,
    lbft::{Certificate, Committee, Input, Kind, Lbft, Message, Output, Pull, Restored, Vote},
    storage::{MemoryStorage, Storage, answer},
};

/// A validator: its core, its store, and every vote that it ever cast (others may still hold them).
#[derive(Clone)]
pub(super) struct Validator {
    pub(super) core: Lbft,
    pub(super) store: MemoryStorage,
    pub(super) said: Said,
    /// The highest block that it holds final.
    pub(super) tip: usize,
}

impl Validator {
    pub(super) fn new(universe: &Universe, place: usize) -> Option<Self> {
        let (core, outputs) = universe.core(place, Restored::default())?;
        let mut new = Self { core, store: MemoryStorage::new(), said: Said::default(), tip: GENESIS };
        new.carry_out(universe, outputs);
        Some(new)
    }

    /// Which term it is in: 1 once the old one has ended for it.
    pub(super) fn term(&self) -> u8 {
        u8::from(self.core.committee().first() > Height(1))
    }

    /// Carries out what concerns this validator alone, and gives back what it sends. The application accepts everything, and
    /// names the committee that follows from the last record.
    pub(super) fn carry_out(&mut self, universe: &Universe, outputs: Vec<Output>) -> Vec<Output> {
        let mut sent = Vec::new();
        let mut due: VecDeque<_> = outputs.into();
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
                Output::TermEnded(ended) => {
                    let next = universe.next_after(self.core.tip.digest).cloned().unwrap_or_else(|| ended.again());
                    due.extend(self.core.step(Input::NextTerm(next)));
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
            Kind::Prepare => self.said.prepares |= 1 << block,
            Kind::Commit => self.said.commits |= 1 << block,
            Kind::ImpeachPrepare => {
                let slot = universe.world.slot_of(self.term(), vote.height.0);
                self.said.impeaches |= slot.map_or(0, |slot| 1 << slot);
            }
            Kind::Handover => {
                let base = universe.base_of(self.core.committee());
                self.said.handovers |= base.map_or(0, |base| 1 << base);
            }
            Kind::Seal => {}
        }
    }

    /// Answers a pull from the final blocks, as the driver does.
    pub(super) fn serve(&self, pull: &Pull) -> Vec<Message> {
        answer(&self.store, pull).unwrap_or_default()
    }

    fn certificate(&self, universe: &Universe, who: &Who, event: Event) -> Option<Certificate> {
        let of_block = |kind, block: u8| {
            let (block, committee) = (usize::from(block), universe.committee_of(block.into())?);
            let height = Height(universe.world.block(block)?.height.into());
            Some((committee, (kind, height, universe.digest(block)), block))
        };
        let (committee, said, about) = match event {
            Event::Prepared(block) => of_block(Kind::Prepare, block)?,
            Event::Committed(block) => of_block(Kind::Commit, block)?,
            Event::Impeached { term, height } => {
                let own = Some(self.core.committee()).filter(|_| self.term() == term);
                let other = if term == 0 { universe.old() } else { universe.next_on(GENESIS) };
                let slot = universe.world.slot_of(term, height.into())?;
                let zero = universe.digest(GENESIS);
                (own.or(other)?, (Kind::ImpeachPrepare, Height(height.into()), zero), slot)
            }
            Event::HandedOver(base) => {
                let digest = universe.next_on(base.into())?.digest();
                let last = Height(universe.world.last.into());
                (universe.old()?, (Kind::Handover, last, digest), base.into())
            }
            Event::Block(_) | Event::Proposal(_) | Event::Timeout(_) | Event::Restart | Event::PowerCut => return None,
        };
        let committee: &Committee = if universe.mixes_terms() { self.core.committee() } else { committee };
        Some(universe.certificate(committee, who.place, said, &who.voted(said.0, about)))
    }

    /// The same validator after the event.
    pub(super) fn after(&self, universe: &Universe, who: &Who, event: Event, log: Log) -> Option<Self> {
        let mut next = self.clone();
        let input = match event {
            Event::Proposal(block) => return self.after_proposal(universe, who, block, log),
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
            Event::Timeout(height) => Input::Timeout { height: Height(height.into()) },
            Event::Block(block) => from_outside(universe, Message::Block(universe.block(block.into())?))?,
            _ => from_outside(universe, Message::Certificate(self.certificate(universe, who, event)?))?,
        };
        let outputs = next.core.step(input);
        next.carry_out(universe, outputs);
        Some(next)
    }

    fn after_proposal(&self, universe: &Universe, who: &Who, block: u8, log: Log) -> Option<Self> {
        let candidate = universe.world.block(block.into())?;
        let slots = universe.world.skipped(candidate).filter_map(|slot| universe.world.slots.get(slot));
        let skipped = slots.map(|slot| Event::Impeached { term: slot.term, height: slot.height });
        let same = universe.world.term_of(candidate.parent) == universe.world.term_of(block.into());
        let parent = Some(candidate.parent).filter(|parent| *parent != GENESIS && same);
        let parent = parent.and_then(|parent| u8::try_from(parent).ok()).map(Event::Prepared);
        let events = skipped.chain(parent).chain([Event::Block(block)]);
        events.into_iter().try_fold(self.clone(), |node, event| node.after(universe, who, event, log))
    }

    /// Equal for validators that cast the same votes from here on, if whatever they pull arrives at once and is not lost: where
    /// they are, what they said there, which blocks they hold certified, and what they hold final.
    pub(super) fn votes_fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let height = self.core.height();
        let seals = self.core.rounds.get(&height).map(|round| round.seals.iter().map(|(digest, _)| *digest).collect());
        let seals: Vec<_> = seals.unwrap_or_default();
        (height, self.core.state(height) as u8, seals, self.core.covered, self.tip).hash(&mut hasher);
        (self.core.committee().digest(), self.core.over, self.said.handovers).hash(&mut hasher);
        self.core.fault().is_some().hash(&mut hasher);
        let certified = self.core.rounds.values().filter_map(|round| round.certified());
        certified.for_each(|certificate| certificate.digest.hash(&mut hasher));
        let impeached = self.core.rounds.iter().filter(|(_, round)| round.impeached.is_some());
        impeached.for_each(|(height, _)| height.hash(&mut hasher));
        hasher.finish()
    }

    /// Equal for validators that no later event tells apart.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.core.fingerprint(&mut hasher);
        (self.said, self.tip).hash(&mut hasher);
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

/// From an outsider: whom to ask for what is missing is no part of the automaton.
fn from_outside(universe: &Universe, message: Message) -> Option<Input> {
    Some(Input::Message { from: universe.key(universe.proposer)?, message })
}

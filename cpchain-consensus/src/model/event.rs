//! What happens to a validator in the models, and what it says.

use crate::lbft::Kind;

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
    /// The impeach certificate of a term's height arrives.
    Impeached {
        /// The term.
        term: u8,
        /// The height.
        height: u8,
    },
    /// The proof arrives that the old committee hands over to the one that follows from this block.
    HandedOver(u8),
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

/// Every vote that a validator ever cast; others may still hold them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Said {
    /// Blocks, as a bit set.
    pub(super) prepares: u64,
    /// Blocks, as a bit set.
    pub(super) commits: u64,
    /// Slots, as a bit set.
    pub(super) impeaches: u8,
    /// The block that the committee follows from to which it hands over: a bit set of one.
    pub(super) handovers: u64,
}

impl Said {
    /// What is not in `before`.
    pub(super) const fn since(self, before: &Self) -> Self {
        Self {
            prepares: self.prepares & !before.prepares,
            commits: self.commits & !before.commits,
            impeaches: self.impeaches & !before.impeaches,
            handovers: self.handovers & !before.handovers,
        }
    }

    /// Both.
    pub(super) const fn and(self, more: &Self) -> Self {
        Self {
            prepares: self.prepares | more.prepares,
            commits: self.commits | more.commits,
            impeaches: self.impeaches | more.impeaches,
            handovers: self.handovers | more.handovers,
        }
    }

    /// Whether it has a vote of this kind for the block, or in the slot for an IMPEACH PREPARE.
    pub(super) const fn has(&self, kind: Kind, place: usize) -> bool {
        let votes = match kind {
            Kind::Prepare => self.prepares,
            Kind::Commit => self.commits,
            Kind::ImpeachPrepare => self.impeaches as u64,
            Kind::Handover => self.handovers,
            Kind::Seal => 0,
        };
        votes >> place & 1 == 1
    }
}

/// Which validator this is, and what all of them said: so that certificates bear signatures that were given.
#[derive(Debug, Clone, Default)]
pub(super) struct Who {
    pub(super) place: usize,
    /// The honest, with their places; empty in the search, where names do not matter.
    pub(super) said: Vec<(usize, Said)>,
    /// Places of the Byzantine validators, who signed everything.
    pub(super) byzantine: std::ops::Range<usize>,
}

impl Who {
    pub(super) fn at(place: usize) -> Self {
        Self { place, ..Self::default() }
    }

    /// Places of those who signed it.
    pub(super) fn voted(&self, kind: Kind, about: usize) -> Vec<usize> {
        let honest = self.said.iter().filter(|(_, said)| said.has(kind, about)).map(|(place, _)| *place);
        honest.chain(self.byzantine.clone()).collect()
    }
}

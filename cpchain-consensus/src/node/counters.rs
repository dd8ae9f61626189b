//! What a node counts, for its metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::lbft::{Message, Output};

/// Counts since the start of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Votes that left, once for each receiver.
    pub votes_sent: u64,
    /// Votes that arrived.
    pub votes_received: u64,
    /// Certificates that arrived.
    pub certificates_received: u64,
    /// Proposals that arrived.
    pub proposals_received: u64,
    /// PULLs that were answered from the log.
    pub pulls_served: u64,
    /// Timers that ran out.
    pub timeouts: u64,
    /// Proofs of misbehaviour.
    pub evidence: u64,
    /// Messages that no honest node sends.
    pub blamed: u64,
    /// Messages that could not be read, or gossip that is none.
    pub malformed: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counting {
    votes_sent: AtomicU64,
    votes_received: AtomicU64,
    certificates_received: AtomicU64,
    proposals_received: AtomicU64,
    pulls_served: AtomicU64,
    timeouts: AtomicU64,
    evidence: AtomicU64,
    blamed: AtomicU64,
    malformed: AtomicU64,
}

fn count(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}

impl Counting {
    pub(super) fn received(&self, message: &Message) {
        match message {
            Message::Vote(_) => count(&self.votes_received, 1),
            Message::Certificate(_) => count(&self.certificates_received, 1),
            Message::Propose(_) => count(&self.proposals_received, 1),
            _ => {}
        }
    }

    pub(super) fn malformed(&self) {
        count(&self.malformed, 1);
    }

    pub(super) fn timeout(&self) {
        count(&self.timeouts, 1);
    }

    pub(super) fn carried_out(&self, output: &Output) {
        match output {
            Output::Send { to, message: Message::Vote(_) } => count(&self.votes_sent, to.len()),
            Output::Serve { .. } => count(&self.pulls_served, 1),
            Output::Evidence(_) => count(&self.evidence, 1),
            Output::Blame { .. } => count(&self.blamed, 1),
            _ => {}
        }
    }

    pub(super) fn read(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            votes_sent: read(&self.votes_sent),
            votes_received: read(&self.votes_received),
            certificates_received: read(&self.certificates_received),
            proposals_received: read(&self.proposals_received),
            pulls_served: read(&self.pulls_served),
            timeouts: read(&self.timeouts),
            evidence: read(&self.evidence),
            blamed: read(&self.blamed),
            malformed: read(&self.malformed),
        }
    }
}

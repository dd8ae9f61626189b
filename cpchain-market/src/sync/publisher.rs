//! Local → chain.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::outbox::{Outbox, OutboxError};
use crate::{
    listing::{RevisionId, SignedOperation},
    log::{Cursor, ListingLog, LogError},
    units::Height,
};

/// Blocks to wait for a submitted operation before it is submitted again.
const RESUBMIT_AFTER: u64 = 6;

/// Why a step was cut short. What was queued stays queued.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The outbox failed.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The log cannot be reached: call again later.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What one step did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublishReport {
    /// Handed to the log now, for the first time or again.
    pub submitted: Vec<RevisionId>,
    /// Found in the log, and thereby done.
    pub confirmed: Vec<(RevisionId, Cursor)>,
    /// Refused for good, with the log's reason; dropped from the outbox.
    pub refused: Vec<(RevisionId, String)>,
}

/// The local synchroniser: a durable outbox, emptied into the log.
///
/// An operation leaves the outbox only when it is seen in the log. Until then it is submitted again every few blocks and
/// after each restart; the log takes an id once, so that all of this comes to exactly once.
pub struct Publisher {
    outbox: Outbox,
    /// When each operation was last submitted by this process.
    submitted: BTreeMap<RevisionId, Height>,
}

impl Publisher {
    /// Opens the outbox file at `path`, or makes a new one. Its directory must exist.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OutboxError> {
        Ok(Self { outbox: Outbox::open(path.as_ref())?, submitted: BTreeMap::new() })
    }

    /// Takes an operation over: once this returns, it reaches the log in the end. `false` if it was queued already.
    ///
    /// # Errors
    /// [`OutboxError`]; the operation is then not taken over.
    pub fn enqueue(&mut self, operation: &SignedOperation) -> Result<bool, OutboxError> {
        if self.pending().any(|queued| queued.id() == operation.id()) {
            return Ok(false);
        }
        self.outbox.queue(operation)?;
        Ok(true)
    }

    /// Operations on their way, oldest first: what a market shows its seller as "being published".
    pub fn pending(&self) -> impl Iterator<Item = &SignedOperation> {
        self.outbox.pending().iter()
    }

    /// Looks what has arrived and submits what has not. Call it once a block.
    ///
    /// Of several operations on one listing only the oldest is under way.
    ///
    /// # Errors
    /// [`PublishError`]. What was done before the error stays done.
    pub fn step(&mut self, log: &dyn ListingLog) -> Result<PublishReport, PublishError> {
        let mut report = PublishReport::default();
        let tip = log.tip()?;
        let mut under_way = BTreeSet::new();
        for operation in self.outbox.pending().to_vec() {
            let id = operation.id();
            if under_way.contains(&operation.listing_id()) {
                continue;
            }
            if let Some(at) = log.position(id)? {
                self.outbox.done(id)?;
                self.submitted.remove(&id);
                report.confirmed.push((id, at));
                continue;
            }
            under_way.insert(operation.listing_id());
            let waits = self.submitted.get(&id).is_some_and(|at| tip.0 < at.0.saturating_add(RESUBMIT_AFTER));
            if waits {
                continue;
            }
            match log.append(&operation) {
                Ok(()) => {
                    self.submitted.insert(id, tip);
                    report.submitted.push(id);
                }
                Err(LogError::Refused(reason)) => {
                    tracing::warn!(%id, reason, "the chain refuses a listing operation");
                    self.outbox.done(id)?;
                    self.submitted.remove(&id);
                    report.refused.push((id, reason));
                }
                Err(error @ LogError::Unavailable(_)) => return Err(error.into()),
            }
        }
        Ok(report)
    }
}

//! What the core asks for: the log first, then what relies on it, in order.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::{super::config::NodeError, Driver, current, members};
use crate::{
    application::FinalBlock,
    lbft::{FinalEntry, Input, Output},
    network::{Offence, Topic},
    storage::StorageError,
};

impl Driver {
    /// Carries out outputs, and those of the answers that they ask for, until nothing is left.
    pub(super) async fn perform(&mut self, mut outputs: Vec<Output>) -> Result<(), NodeError> {
        while !outputs.is_empty() {
            let (mut records, mut sync, mut rest) = (Vec::new(), false, Vec::with_capacity(outputs.len()));
            for output in outputs {
                match output {
                    Output::Persist { records: more, sync: needed } => {
                        records.extend(more);
                        sync |= needed;
                    }
                    other => rest.push(other),
                }
            }
            if !records.is_empty() {
                self.append(records, sync).await?;
            }
            outputs = Vec::new();
            for output in rest {
                if let Some(input) = self.carry_out(output)? {
                    outputs.extend(self.core.step(input));
                }
            }
        }
        let (height, fault, term) = (self.core.height(), self.core.fault(), self.core.committee().term());
        if self.status.borrow().term != term {
            let role = self.core.role();
            self.proposes = self.core.committee().proposers().contains(self.core.key());
            self.status.send_modify(|status| (status.term, status.role) = (term, role));
            self.network.members(&members(self.core.committee()));
            self.committee.send_replace(Arc::new(self.core.committee().clone()));
        }
        let catching_up = self.core.is_catching_up();
        let entered = self.status.send_if_modified(|status| {
            let changed = status.height != height || status.fault != fault || status.catching_up != catching_up;
            (status.height, status.fault, status.catching_up) = (height, fault, catching_up);
            changed
        });
        if entered {
            tracing::trace!(%height, "entered");
        }
        Ok(())
    }

    async fn append(&mut self, records: Vec<crate::lbft::Record>, sync: bool) -> Result<(), NodeError> {
        let lost = || NodeError::Storage(StorageError::Io("the storage panicked in an earlier write".into()));
        let mut storage = self.storage.take().ok_or_else(lost)?;
        if !sync {
            let outcome = storage.append(&records, false);
            self.storage = Some(storage);
            return Ok(outcome?);
        }
        // A sync takes milliseconds; the runtime's threads have other work.
        let write = move || {
            let outcome = storage.append(&records, true);
            (storage, outcome)
        };
        let (storage, outcome) = tokio::task::spawn_blocking(write).await.map_err(|_| lost())?;
        self.storage = Some(storage);
        Ok(outcome?)
    }

    fn carry_out(&mut self, output: Output) -> Result<Option<Input>, NodeError> {
        self.counting.carried_out(&output);
        match output {
            // Already in the log.
            Output::Persist { .. } => {}
            Output::Send { to, message } => {
                let bytes = message.encode();
                for key in &to {
                    self.network.send(key, bytes.clone());
                }
            }
            Output::Gossip(message) => self.network.gossip(Topic::Validate, message.encode()),
            Output::StartTimer { height, after } => self.timer = Some((height, Instant::now() + after)),
            Output::Verify { height, digest, ancestors, payload } => {
                if height <= self.application.last_height() {
                    return Ok(Some(Input::Verified { digest, verdict: Ok(()) }));
                }
                let ancestors = self.unexecuted(ancestors);
                let verdict = self.application.verify(height, &ancestors, &payload);
                if let Err(reason) = &verdict {
                    tracing::warn!(%height, %reason, "illicit block");
                }
                return Ok(Some(Input::Verified { digest, verdict }));
            }
            Output::MayPropose { height } => self.pace.may_propose(height, Instant::now()),
            Output::BuildPayload { height, ancestors, room } => {
                let behind = height <= self.application.last_height();
                let ancestors = self.unexecuted(ancestors);
                let payload = if behind { Bytes::new() } else { self.application.propose(height, &ancestors, room) };
                let idle = self.application.is_idle(&payload);
                let seal = self.pace.seal(height, idle, Instant::now());
                return Ok(seal.then_some(Input::Payload { height, payload }));
            }
            Output::Finalised(entry) => self.finalise(entry)?,
            Output::TermEnded(ended) => {
                tracing::info!(term = %ended.term(), "the term ended");
                return Ok(Some(Input::NextTerm(self.application.next_committee(&ended))));
            }
            Output::Serve { to, pull } => {
                if !self.serving.put(to, pull) {
                    tracing::debug!(peer = %to, "a pull was dropped: its sender has had its share");
                }
            }
            Output::Evidence(evidence) => {
                tracing::warn!(key = %evidence.key, height = %evidence.first.0.height, "proof of misbehaviour");
                self.status.send_modify(|status| status.evidence = Some(evidence));
            }
            Output::Blame { peer, reason } => {
                tracing::debug!(%peer, reason, "a neighbour sent what is wrong");
                self.network.report(&peer, Offence::Blamed);
            }
            // The status follows below.
            Output::Fault(fault) => tracing::error!(%fault, "this node stops voting"),
            Output::Entered { height } => self.pace.entered(height, Instant::now()),
        }
        Ok(None)
    }

    /// An application with a disk of its own may be ahead of a log that lost its last, unsynced batch: what it executed
    /// was final, and is not shown to it again.
    fn unexecuted(&self, mut ancestors: Vec<FinalBlock>) -> Vec<FinalBlock> {
        let done = self.application.last_height();
        ancestors.retain(|block| block.height > done);
        ancestors
    }

    fn finalise(&mut self, entry: FinalEntry) -> Result<(), NodeError> {
        let state =
            (self.application.last_height() < entry.block.height).then(|| self.application.finalised(&entry.block));
        self.status.send_modify(|status| {
            status.final_height = entry.block.height;
            status.state = state.unwrap_or(status.state);
            status.impeached += u64::from(entry.block.impeached);
        });
        // Nobody listening is fine.
        let _ = self.finals.send(Arc::new(entry));
        current(&*self.application)
    }
}

//! The driver: asks many holders at once, each in few requests, none longer than the deadline.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use cpchain_crypto::PublicKey;
use futures::{StreamExt, stream};
use tokio::time::timeout;

use super::Question;
use crate::network::{Challenge, ChunkTransport, MAX_ITEMS, TransportError};

/// Settings of an [`Auditor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditConfig {
    /// The most time for the answer to one request. Shorter than a holder needs to fetch what it has not.
    pub deadline: Duration,
    /// Requests under way at once.
    pub parallel: usize,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(3), parallel: 32 }
    }
}

/// How an audit went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The slice that proves that the leaf is held.
    Proved(Bytes),
    /// The holder says that it has no such shard.
    Missing,
    /// The holder's answer does not verify.
    Wrong,
    /// No answer in time, or none at all.
    Silent(TransportError),
}

impl Verdict {
    /// Is the leaf held?
    pub const fn is_proved(&self) -> bool {
        matches!(self, Self::Proved(_))
    }

    /// Was there no answer that may come a little later?
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(self, Self::Silent(why) if why.is_passing())
    }
}

/// Audits holders over any [`ChunkTransport`].
#[derive(Debug, Clone)]
pub struct Auditor<T> {
    transport: T,
    config: AuditConfig,
}

impl<T: ChunkTransport> Auditor<T> {
    /// An auditor over a transport.
    pub const fn new(transport: T, config: AuditConfig) -> Self {
        Self { transport, config }
    }

    /// The transport underneath.
    pub const fn transport(&self) -> &T {
        &self.transport
    }

    /// The most time for the answer to one request.
    pub(crate) const fn deadline(&self) -> Duration {
        self.config.deadline
    }

    /// Asks all questions with the randomness of an epoch, and returns the verdicts in the same order.
    ///
    /// Questions of one holder share requests, up to [`MAX_ITEMS`] each. Takes as long as the slowest holder, at most a
    /// deadline for each [`parallel`](AuditConfig::parallel) requests.
    pub async fn audit(&self, randomness: &[u8; 32], questions: &[Question]) -> Vec<Verdict> {
        let mut by_holder: BTreeMap<PublicKey, Vec<(usize, Question)>> = BTreeMap::new();
        for (index, question) in questions.iter().enumerate() {
            by_holder.entry(question.holder).or_default().push((index, *question));
        }
        let batches: Vec<(PublicKey, Vec<(usize, Question)>)> = by_holder
            .into_iter()
            .flat_map(|(holder, asked)| {
                asked.chunks(MAX_ITEMS).map(|batch| (holder, batch.to_vec())).collect::<Vec<_>>()
            })
            .collect();
        let mut verdicts = vec![Verdict::Silent(TransportError::Unreachable); questions.len()];
        let mut answers = stream::iter(batches)
            .map(|(holder, batch)| async move { (self.batch(holder, randomness, &batch).await, batch) })
            .buffer_unordered(self.config.parallel.max(1));
        while let Some((answer, batch)) = answers.next().await {
            for (place, (index, question)) in batch.iter().enumerate() {
                let verdict = match &answer {
                    Err(why) => Verdict::Silent(*why),
                    Ok(slices) => match slices.get(place) {
                        Some(Some(slice)) if question.check(randomness, slice).is_ok() => {
                            Verdict::Proved(slice.clone())
                        }
                        Some(Some(_)) | None => Verdict::Wrong,
                        Some(None) => Verdict::Missing,
                    },
                };
                if let Some(slot) = verdicts.get_mut(*index) {
                    *slot = verdict;
                }
            }
        }
        verdicts
    }

    async fn batch(
        &self,
        holder: PublicKey,
        randomness: &[u8; 32],
        batch: &[(usize, Question)],
    ) -> Result<Vec<Option<Bytes>>, TransportError> {
        let challenges: Vec<Challenge> = batch.iter().map(|(_, question)| question.challenge(randomness)).collect();
        let answer = timeout(self.config.deadline, self.transport.prove(holder, &challenges)).await;
        answer.unwrap_or(Err(TransportError::Timeout))
    }
}

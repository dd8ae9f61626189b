//! Who proves to hold what of a group.

use std::collections::{BTreeSet, HashMap};

use cpchain_crypto::PublicKey;

use super::{
    Group,
    group::Wanted,
    locate::{Near, locate, neighbours},
};
use crate::{
    audit::{AuditLedger, Auditor, Question},
    network::{ChunkTransport, Dht, DhtError, Holders},
};

/// What of a group is held, and who failed to prove it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// One node for each shard that is proved.
    pub holders: Holders,
    /// How many shards a node was said to hold, by others or by itself, and did not prove.
    pub failed: HashMap<PublicKey, u32>,
    /// The nodes near the points of shards that were looked for.
    pub(crate) near: Near,
}

impl Survey {
    /// Shards of chunk `chunk` of the group that are held.
    pub fn held(&self, chunk: usize) -> usize {
        self.holders.chunks.get(chunk).map_or(0, |shards| shards.iter().flatten().count())
    }

    /// The fewest shards that any chunk has; `None` for a group without chunks.
    pub fn least(&self) -> Option<usize> {
        (0..self.holders.chunks.len()).map(|chunk| self.held(chunk)).min()
    }

    /// Takes shards from holders that have missed two epochs, even if they have answered now.
    pub fn strike(&mut self, group: &Group, ledger: &AuditLedger) {
        for wanted in group.shards() {
            let slot = self.slot(&wanted);
            if let Some(slot) = slot
                && slot.is_some_and(|holder| ledger.is_lost(&holder, &wanted.shard))
            {
                *slot = None;
            }
        }
    }

    pub(crate) fn missing(&self, group: &Group) -> Vec<Wanted> {
        let holders = &self.holders.chunks;
        let held = |wanted: &Wanted| {
            holders.get(wanted.chunk).and_then(|shards| shards.get(usize::from(wanted.place)))?.as_ref()
        };
        group.shards().filter(|wanted| held(wanted).is_none()).collect()
    }

    pub(crate) fn slot(&mut self, wanted: &Wanted) -> Option<&mut Option<PublicKey>> {
        self.holders.chunks.get_mut(wanted.chunk)?.get_mut(usize::from(wanted.place))
    }

    /// Has the holders of a group prove what they hold. Where fewer than `due` of a chunk are proved, the nodes near the shards' points are
    /// asked too.
    pub(crate) async fn take<D: Dht, T: ChunkTransport>(
        dht: &D,
        auditor: &Auditor<T>,
        group: &Group,
        due: usize,
        randomness: &[u8; 32],
    ) -> Result<Self, DhtError> {
        let total = usize::from(group.params.total());
        let mut survey = Self::default();
        survey.holders.chunks = vec![vec![None; total]; group.chunks.len()];
        let said: Vec<(Wanted, Question)> = group
            .shards()
            .filter_map(|wanted| {
                let holder = (*group.holders.chunks.get(wanted.chunk)?.get(usize::from(wanted.place))?)?;
                Some((wanted, Question { holder, shard: wanted.shard, length: wanted.length }))
            })
            .collect();
        let silent = survey.ask(auditor, said, randomness).await;
        // One slow moment of a holder is no reason to rebuild what it holds.
        let again: Vec<_> = silent.into_iter().filter(|(wanted, _)| survey.held(wanted.chunk) < due).collect();
        for (_, question) in survey.ask(auditor, again, randomness).await {
            *survey.failed.entry(question.holder).or_default() += 1;
        }
        let missing: Vec<Wanted> =
            survey.missing(group).into_iter().filter(|wanted| survey.held(wanted.chunk) < due).collect();
        if !missing.is_empty() {
            let places: BTreeSet<u8> = missing.iter().map(|wanted| wanted.place).collect();
            let near = neighbours(dht, &group.anchor, places).await?;
            let found = locate(auditor, &near, &missing, randomness).await;
            survey.near = near;
            for (index, holder, is_proved) in found {
                if !is_proved {
                    *survey.failed.entry(holder).or_default() += 1;
                } else if let Some(slot) = missing.get(index).and_then(|wanted| survey.slot(wanted)) {
                    slot.get_or_insert(holder);
                }
            }
        }
        Ok(survey)
    }

    /// Asks holders, notes what they prove and what they fail in, and returns the questions to those who were silent.
    async fn ask<T: ChunkTransport>(
        &mut self,
        auditor: &Auditor<T>,
        said: Vec<(Wanted, Question)>,
        randomness: &[u8; 32],
    ) -> Vec<(Wanted, Question)> {
        let questions: Vec<Question> = said.iter().map(|(_, question)| *question).collect();
        let mut silent = Vec::new();
        for ((wanted, question), verdict) in said.into_iter().zip(auditor.audit(randomness, &questions).await) {
            if verdict.is_proved() {
                self.slot(&wanted).into_iter().for_each(|slot| *slot = Some(question.holder));
            } else if verdict.is_passing() {
                silent.push((wanted, question));
            } else {
                *self.failed.entry(question.holder).or_default() += 1;
            }
        }
        silent
    }
}

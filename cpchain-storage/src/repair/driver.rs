//! The driver: survey, fetch, code again, hand out.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use cpchain_crypto::{Digest, Domain, PublicKey};
use futures::{StreamExt, stream, stream::FuturesUnordered};
use tokio::time::timeout;

use super::{
    Group, NEAREST, Survey,
    group::{GroupChunk, Wanted},
    locate::neighbours,
    plan::{Missing, targets, threshold},
};
use crate::{
    audit::{AuditConfig, Auditor, Question},
    chunk::{ChunkId, Lease},
    erasure::{CodedChunk, Coder, ErasureError},
    network::{ChunkTransport, Dht, DhtError, Holders, MAX_ITEMS, MAX_PUT_BYTES, Receipt, TransportError},
};

/// How often shards that nodes refuse, or take and do not prove, are offered to others.
const ROUNDS: u8 = 6;

const AFTER: Domain = Domain::new("cpchain/storage/repair-check/v1");

/// Settings of a [`Repairer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepairConfig {
    /// How the holders are asked.
    pub audit: AuditConfig,
    /// The most time for one shard to arrive.
    pub shard_timeout: Duration,
    /// The most time for one node to make shards durable.
    pub put_timeout: Duration,
    /// Chunks that are rebuilt at once; each takes about 4 MiB.
    pub parallel_chunks: usize,
    /// Chunks with fewer shards than this are repaired; `None`: fewer than [`threshold`]. The number of all shards repairs
    /// whatever is missing, at the price of one chunk's transfer for each lost shard.
    pub below: Option<usize>,
}

impl Default for RepairConfig {
    fn default() -> Self {
        Self {
            audit: AuditConfig::default(),
            shard_timeout: Duration::from_secs(5),
            put_timeout: Duration::from_secs(10),
            parallel_chunks: 2,
            below: None,
        }
    }
}

/// Why a group was not repaired.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The DHT failed.
    #[error(transparent)]
    Dht(#[from] DhtError),
    /// The shards that are left do not make what the owner signed, or are too few.
    #[error("chunk {chunk} of the group: {why}")]
    Chunk {
        /// Its index in the group.
        chunk: usize,
        /// What is wrong.
        why: ErasureError,
    },
    /// The runtime ended while work was under way.
    #[error("the runtime is shutting down")]
    ShuttingDown,
}

/// What a repair has found and done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repaired {
    /// The fewest shards that a chunk of the group had; `None` for a group without chunks.
    pub least_before: Option<usize>,
    /// The fewest that a chunk has now.
    pub least_after: Option<usize>,
    /// The new hosts' signed words, one for each shard that was rebuilt.
    pub receipts: Vec<Receipt>,
    /// Who holds what now: what an owner publishes.
    pub holders: Holders,
}

/// Repairs groups over any [`Dht`] and [`ChunkTransport`].
///
/// ```no_run
/// use cpchain_storage::{Lease, repair::{Group, RepairConfig, Repairer}};
/// # async fn example(node: cpchain_storage::network::NodeHandle, group: Group, randomness: [u8; 32])
/// # -> Result<(), cpchain_storage::repair::RepairError> {
/// let repairer = Repairer::new(node.clone(), node, RepairConfig::default());
/// let repaired = repairer.repair(&group, Lease::until(1_800_000_000_000), &randomness).await?;
/// println!("{} shards rebuilt", repaired.receipts.len());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Repairer<D, T = D> {
    dht: D,
    auditor: Auditor<T>,
    config: RepairConfig,
}

impl<D: Dht, T: ChunkTransport> Repairer<D, T> {
    /// A repairer over a DHT and a transport.
    pub const fn new(dht: D, transport: T, config: RepairConfig) -> Self {
        Self { dht, auditor: Auditor::new(transport, config.audit), config }
    }

    /// Has the holders of a group prove what they hold; where too little is proved, the nodes near the shards' points too.
    ///
    /// # Errors
    /// [`DhtError::Stopped`].
    pub async fn survey(&self, group: &Group, randomness: &[u8; 32]) -> Result<Survey, DhtError> {
        Survey::take(&self.dht, &self.auditor, group, self.due(group), randomness).await
    }

    fn due(&self, group: &Group) -> usize {
        self.config.below.unwrap_or_else(|| threshold(group.params))
    }

    /// Surveys a group, and rebuilds every chunk that has fewer shards than [`below`](RepairConfig::below).
    ///
    /// Rebuilt shards are kept until `lease`. `randomness` must be new, else holders that keep only what was once asked for
    /// are believed. Cancelling is safe.
    ///
    /// # Errors
    /// [`RepairError`]; chunks before the one that failed may be repaired all the same.
    pub async fn repair(&self, group: &Group, lease: Lease, randomness: &[u8; 32]) -> Result<Repaired, RepairError> {
        let survey = self.survey(group, randomness).await?;
        self.repair_surveyed(group, survey, lease, randomness).await
    }

    /// [`repair`](Self::repair) after a survey of your own, for instance one from which the shards of an audit's
    /// [ledger](crate::audit::AuditLedger) were [struck](Survey::strike).
    ///
    /// # Errors
    /// As `repair`.
    pub async fn repair_surveyed(
        &self,
        group: &Group,
        mut survey: Survey,
        lease: Lease,
        randomness: &[u8; 32],
    ) -> Result<Repaired, RepairError> {
        let least_before = survey.least();
        let due = self.due(group);
        let mut by_chunk: BTreeMap<usize, Vec<Wanted>> = BTreeMap::new();
        for wanted in survey.missing(group).into_iter().filter(|wanted| survey.held(wanted.chunk) < due) {
            by_chunk.entry(wanted.chunk).or_default().push(wanted);
        }
        if by_chunk.is_empty() {
            return Ok(Repaired {
                least_before,
                least_after: least_before,
                receipts: Vec::new(),
                holders: survey.holders,
            });
        }
        let places: BTreeSet<u8> = by_chunk.values().flatten().map(|wanted| wanted.place).collect();
        let unknown = places.into_iter().filter(|place| !survey.near.contains_key(place));
        let near = neighbours(&self.dht, &group.anchor, unknown).await?;
        survey.near.extend(near);
        let mut done = stream::iter(&by_chunk)
            .map(|(chunk, missing)| self.repair_chunk(group, *chunk, missing, &survey, lease, randomness))
            .buffered(self.config.parallel_chunks.max(1));
        let mut placed = Vec::new();
        while let Some(chunk) = done.next().await {
            placed.extend(chunk?);
        }
        drop(done);
        let mut receipts = Vec::with_capacity(placed.len());
        for (wanted, receipt) in placed {
            survey.slot(&wanted).into_iter().for_each(|slot| *slot = Some(receipt.holder()));
            receipts.push(receipt);
        }
        Ok(Repaired { least_before, least_after: survey.least(), receipts, holders: survey.holders })
    }

    async fn repair_chunk(
        &self,
        group: &Group,
        chunk: usize,
        missing: &[Wanted],
        survey: &Survey,
        lease: Lease,
        randomness: &[u8; 32],
    ) -> Result<Vec<(Wanted, Receipt)>, RepairError> {
        let failed = |why| RepairError::Chunk { chunk, why };
        let of = group.chunks.get(chunk).ok_or(failed(ErasureError::Reference))?;
        let holders = survey.holders.chunks.get(chunk).map_or(&[][..], Vec::as_slice);
        let good = self.fetch(of, holders, group).await;
        let (GroupChunk { reference, length }, params) = (of.clone(), group.params);
        let coded = tokio::task::spawn_blocking(move || Coder::new(params).repair_chunk(&reference, length, good));
        let coded = coded.await.map_err(|_| RepairError::ShuttingDown)?.map_err(failed)?;
        let holders: Vec<PublicKey> = holders.iter().flatten().copied().collect();
        Ok(self.spread(&coded, missing, holders, survey, lease, randomness).await)
    }

    /// So many verified shards as are enough, if they can be had.
    async fn fetch(&self, of: &GroupChunk, holders: &[Option<PublicKey>], group: &Group) -> Vec<(u8, Bytes)> {
        let (needed, length) = (usize::from(group.params.data()), group.params.shard_len(of.length));
        let mut candidates: VecDeque<(u8, ChunkId, PublicKey)> = (0u8..)
            .zip(&of.reference.shards)
            .zip(holders)
            .filter_map(|((place, shard), holder)| Some((place, *shard, (*holder)?)))
            .collect();
        let get = |(place, shard, holder), is_last: bool| async move {
            let answer = timeout(self.config.shard_timeout, self.auditor.transport().get(holder, shard)).await;
            match answer.unwrap_or(Err(TransportError::Timeout)) {
                Ok(Some(bytes)) if bytes.len() == length && shard.matches(&bytes) => Ok((place, bytes)),
                Err(why) if why.is_passing() && !is_last => Err(Some((place, shard, holder))),
                _ => Err(None),
            }
        };
        let mut good = Vec::with_capacity(needed);
        // They have all proved to be there: who fails in passing is asked once more, after the others.
        let mut again = Vec::new();
        // A few more than needed, so that slow hosts do not decide.
        let at_once = candidates.len().min(needed + 3);
        let mut under_way: FuturesUnordered<_> = candidates.drain(..at_once).map(|of| get(of, false)).collect();
        while good.len() < needed {
            match under_way.next().await {
                Some(Ok(shard)) => good.push(shard),
                Some(Err(passing)) => {
                    again.extend(passing);
                    under_way.extend(candidates.pop_front().map(|of| get(of, false)));
                }
                None if again.is_empty() => break,
                None => under_way.extend(again.drain(..).map(|of| get(of, true))),
            }
        }
        good
    }

    /// Hands out the missing shards, and has the takers prove them at once; who does not is passed over.
    #[allow(clippy::too_many_arguments, reason = "one step of `repair_chunk`, with all that it has at hand")]
    async fn spread(
        &self,
        coded: &CodedChunk,
        missing: &[Wanted],
        mut holders: Vec<PublicKey>,
        survey: &Survey,
        lease: Lease,
        randomness: &[u8; 32],
    ) -> Vec<(Wanted, Receipt)> {
        let (mut placed, mut left) = (Vec::new(), missing.to_vec());
        let mut refused: HashSet<PublicKey> = HashSet::new();
        for round in 0..ROUNDS {
            let open: Vec<Missing<'_>> = left
                .iter()
                .map(|wanted| {
                    let nodes = survey.near.get(&wanted.place).map_or(&[][..], Vec::as_slice);
                    // Those that are gone count for nothing: the next ones move up.
                    let nearest = nodes.get(..nodes.len().min(NEAREST + refused.len())).unwrap_or(nodes);
                    Missing { shard: wanted.place, nearest }
                })
                .collect();
            let suspicion = |node: &PublicKey| {
                (!refused.contains(node)).then(|| survey.failed.get(node).copied().unwrap_or_default())
            };
            let mut offers: BTreeMap<PublicKey, Vec<Wanted>> = BTreeMap::new();
            for (wanted, target) in left.iter().zip(targets(&holders, &open, suspicion)) {
                target.into_iter().for_each(|node| offers.entry(node).or_default().push(*wanted));
            }
            if offers.is_empty() {
                break;
            }
            let mut answers: FuturesUnordered<_> =
                offers.into_iter().map(|(node, offered)| self.offer(node, offered, coded, lease)).collect();
            let mut signed = Vec::new();
            while let Some((node, taken)) = answers.next().await {
                if taken.is_empty() {
                    refused.insert(node);
                }
                signed.extend(taken);
            }
            // A receipt alone is a promise: who cannot prove the shard now is passed over like one that refuses.
            let questions: Vec<Question> = signed.iter().map(|(_, receipt)| Question::from(receipt)).collect();
            let verdicts = self.auditor.audit(&Digest::of(AFTER, &[randomness, &[round]]).0, &questions).await;
            for ((wanted, receipt), verdict) in signed.into_iter().zip(verdicts) {
                if verdict.is_proved() {
                    holders.push(receipt.holder());
                    placed.push((wanted, receipt));
                } else {
                    refused.insert(receipt.holder());
                }
            }
            left.retain(|wanted| placed.iter().all(|(done, _)| done != wanted));
            if left.is_empty() {
                break;
            }
        }
        placed
    }

    /// Offers shards to a node, and returns those that it has signed for.
    async fn offer(
        &self,
        node: PublicKey,
        offered: Vec<Wanted>,
        coded: &CodedChunk,
        lease: Lease,
    ) -> (PublicKey, Vec<(Wanted, Receipt)>) {
        let length = offered.first().map_or(1, |wanted| wanted.length.max(1)) as usize;
        let mut taken = Vec::new();
        for batch in offered.chunks((MAX_PUT_BYTES / length).clamp(1, MAX_ITEMS)) {
            let shard = |wanted: &Wanted| Some(coded.shards.get(usize::from(wanted.place))?.bytes().clone());
            let bytes: Vec<Bytes> = batch.iter().filter_map(shard).collect();
            let put = self.auditor.transport().put(node, &bytes, lease);
            let Ok(Ok(receipts)) = timeout(self.config.put_timeout, put).await else { break };
            let fits = |wanted: &Wanted, receipt: &Receipt| {
                receipt.check(node, wanted.shard, wanted.length as usize, lease.0).is_ok()
            };
            taken.extend(batch.iter().copied().zip(receipts).filter(|(wanted, receipt)| fits(wanted, receipt)));
        }
        (node, taken)
    }
}

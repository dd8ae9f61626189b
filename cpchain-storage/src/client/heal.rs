//! Keeping an object that is in the network: repair and renewal.
//!
//! Hosts forget a shard a day after its lease has ended. A renewal extends the lease at those that hold the shards, who sign for
//! it anew; anybody may pay for that. The records are the owner's to renew.

use std::collections::BTreeMap;

use bytes::Bytes;
use cpchain_crypto::{PublicKey, Signer};
use futures::{StreamExt, stream};
use tokio::time::timeout;

use super::{ClientError, StorageClient, layout::Layout};
use crate::{
    audit::AuditConfig,
    chunk::{ChunkId, Lease},
    network::{CHUNKS_PER_PAGE, ChunkTransport, Dht, Holders, MAX_ITEMS, Receipt, RecordError},
    object::{ChunkRef, ObjectRef},
    repair::{Group, GroupChunk, RepairConfig, Repaired, Repairer, Wanted, threshold},
};

/// Hosts asked to renew at once.
const PARALLEL: usize = 16;

/// An object whose leases were extended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
    /// The holders' new words, in the order of chunks and shards; what an audit asks about from now on.
    pub receipts: Vec<Receipt>,
    /// Who holds which shard, one entry per [`CHUNKS_PER_PAGE`] chunks.
    pub holders: Vec<Holders>,
    /// The same of the [index](crate::object) of a long object, whose receipts come before those of the object.
    pub index_holders: Vec<Holders>,
}

/// What there is to keep: the object, and before it its index if it has one.
fn parts(object: &ObjectRef) -> impl Iterator<Item = &ObjectRef> {
    object.index.as_deref().into_iter().chain([object])
}

async fn next_group<D: Dht, T: ChunkTransport>(
    layout: &mut Layout<'_, D, T>,
    object: &ObjectRef,
    number: u64,
) -> Result<Option<Group>, ClientError> {
    let first = number.saturating_mul(CHUNKS_PER_PAGE as u64);
    if first >= ObjectRef::chunk_count(object.length) {
        return Ok(None);
    }
    let page = layout.page(number).await?;
    let anchor = page.anchor();
    let chunk = |(number, reference): (u64, ChunkRef)| GroupChunk {
        reference,
        length: usize::try_from(number).ok().and_then(|number| object.chunk_len(number)).unwrap_or_default(),
    };
    let chunks = (first..).zip(page.chunks).map(chunk).collect();
    Ok(Some(Group { anchor, params: object.params, chunks, holders: page.holders }))
}

impl<D: Dht, T: ChunkTransport> StorageClient<D, T> {
    /// The groups of an object, one a [page](Self::page): what [`Repairer`] works on. None for an empty object. The
    /// [index](crate::object) of a long one is an object with groups of its own.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    pub async fn groups(&self, owner: PublicKey, object: &ObjectRef) -> Result<Vec<Group>, ClientError> {
        let mut layout = Layout::new(self, owner, object);
        let mut groups = Vec::new();
        while let Some(group) = next_group(&mut layout, object, groups.len() as u64).await? {
            groups.push(group);
        }
        Ok(groups)
    }

    /// Surveys an object, and rebuilds every chunk that has fewer shards than a repair is [due](threshold) at. Needs no key, and
    /// changes no record: readers find the new hosts by the rule of placement.
    ///
    /// The rebuilt shards are kept until `lease`. `randomness` is 32 bytes that hosts could not know before, as from a chain.
    ///
    /// # Errors
    /// [`ClientError::Repair`], [`ClientError::Dht`].
    pub async fn repair_object(
        &self,
        owner: PublicKey,
        object: &ObjectRef,
        lease: Lease,
        randomness: &[u8; 32],
    ) -> Result<Vec<Repaired>, ClientError> {
        let repairer = self.repairer(None);
        let mut repaired = Vec::new();
        for part in parts(object) {
            let mut layout = Layout::new(self, owner, part);
            for number in 0.. {
                let Some(group) = next_group(&mut layout, part, number).await? else { break };
                repaired.push(repairer.repair(&group, lease, randomness).await?);
            }
        }
        Ok(repaired)
    }

    /// Has all who hold shards of an object keep them until `lease`. Anybody may do so, and pay for it.
    ///
    /// # Errors
    /// [`ClientError::TooFewPlaced`] when of some chunk so few shards were renewed that a repair is due;
    /// [`ClientError::Dht`].
    pub async fn renew_leases(
        &self,
        owner: PublicKey,
        object: &ObjectRef,
        lease: Lease,
    ) -> Result<Renewed, ClientError> {
        let mut renewed = Renewed { receipts: Vec::new(), holders: Vec::new(), index_holders: Vec::new() };
        for part in parts(object) {
            let holders = self.renew_part(owner, part, lease, &mut renewed.receipts).await?;
            if std::ptr::eq(part, object) {
                renewed.holders = holders;
            } else {
                renewed.index_holders = holders;
            }
        }
        Ok(renewed)
    }

    async fn renew_part(
        &self,
        owner: PublicKey,
        object: &ObjectRef,
        lease: Lease,
        receipts: &mut Vec<Receipt>,
    ) -> Result<Vec<Holders>, ClientError> {
        let repairer = self.repairer(None);
        let mut layout = Layout::new(self, owner, object);
        let mut pages = Vec::new();
        for number in 0.. {
            let Some(group) = next_group(&mut layout, object, number).await? else { break };
            // Not to catch anybody, but to find all who hold something: the leaves may be known.
            let survey = repairer.survey(&group, object.root.as_bytes()).await?;
            let (holders, words) = self.renew_group(&group, &survey.holders, lease).await;
            let least = holders.chunks.iter().map(|shards| shards.iter().flatten().count()).min();
            let needed = threshold(group.params);
            if let Some(placed) = least
                && placed < needed
            {
                return Err(ClientError::TooFewPlaced { placed, needed });
            }
            receipts.extend(words);
            pages.push(holders);
        }
        Ok(pages)
    }

    /// [`renew_leases`](Self::renew_leases) by the owner, who publishes anew who holds what: hosts that a repair has found are
    /// in the record from then on.
    ///
    /// # Errors
    /// As `renew_leases`.
    pub async fn renew_object(
        &self,
        owner: &dyn Signer,
        object: &ObjectRef,
        lease: Lease,
    ) -> Result<Renewed, ClientError> {
        let renewed = self.renew_leases(owner.public_key(), object, lease).await?;
        let bodies = |pages: &[Holders]| -> Result<Vec<Bytes>, RecordError> {
            pages.iter().map(|page| Ok(page.encode()?.into())).collect()
        };
        if let Some(index) = &object.index {
            self.publish_holders(owner, &index.root, &bodies(&renewed.index_holders)?, lease).await?;
        }
        self.publish_holders(owner, &object.root, &bodies(&renewed.holders)?, lease).await?;
        Ok(renewed)
    }

    async fn renew_group(&self, group: &Group, holders: &Holders, lease: Lease) -> (Holders, Vec<Receipt>) {
        let mut by_holder: BTreeMap<PublicKey, Vec<Wanted>> = BTreeMap::new();
        for wanted in group.shards() {
            let holder = holders.chunks.get(wanted.chunk).and_then(|shards| shards.get(usize::from(wanted.place)));
            if let Some(Some(holder)) = holder {
                by_holder.entry(*holder).or_default().push(wanted);
            }
        }
        let batches: Vec<(PublicKey, Vec<Wanted>)> = by_holder
            .into_iter()
            .flat_map(|(holder, held)| held.chunks(MAX_ITEMS).map(|part| (holder, part.to_vec())).collect::<Vec<_>>())
            .collect();
        let mut answers = stream::iter(batches)
            .map(|(holder, batch)| async move { self.renew_batch(holder, batch, lease).await })
            .buffer_unordered(PARALLEL);
        let mut receipts = BTreeMap::new();
        while let Some(batch) = answers.next().await {
            receipts.extend(batch);
        }
        let shards = 0..group.params.total();
        let held = |chunk| shards.clone().map(move |place| (chunk, place));
        let chunks = (0..group.chunks.len())
            .map(|chunk| held(chunk).map(|place| receipts.get(&place).map(Receipt::holder)).collect());
        let holders = Holders { chunks: chunks.collect() };
        (holders, receipts.into_values().collect())
    }

    /// The receipts of one host, by chunk and place.
    async fn renew_batch(&self, holder: PublicKey, batch: Vec<Wanted>, lease: Lease) -> Vec<((usize, u8), Receipt)> {
        let ids: Vec<ChunkId> = batch.iter().map(|wanted| wanted.shard).collect();
        let Ok(Ok(receipts)) = timeout(self.config.put_timeout, self.transport.renew(holder, &ids, lease)).await else {
            return Vec::new();
        };
        let fits = |(wanted, receipt): (&Wanted, Option<Receipt>)| {
            let receipt = receipt?;
            receipt.check(holder, wanted.shard, usize::try_from(wanted.length).ok()?, lease.0).ok()?;
            Some(((wanted.chunk, wanted.place), receipt))
        };
        batch.iter().zip(receipts).filter_map(fits).collect()
    }

    /// A [`Repairer`] over this client's network and with its time-outs; `below` as in [`RepairConfig::below`].
    pub fn repairer(&self, below: Option<usize>) -> Repairer<&D, &T> {
        Repairer::new(&self.dht, &self.transport, RepairConfig { below, ..self.repair_config() })
    }

    fn repair_config(&self) -> RepairConfig {
        let audit = AuditConfig { deadline: self.config.shard_timeout, ..AuditConfig::default() };
        RepairConfig {
            audit,
            shard_timeout: self.config.shard_timeout,
            put_timeout: self.config.put_timeout,
            parallel_chunks: self.config.parallel_chunks,
            below: None,
        }
    }
}

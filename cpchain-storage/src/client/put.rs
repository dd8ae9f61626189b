//! Storing an object: code, place, hand over, collect receipts, publish the holders.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey, Signer};
use futures::{StreamExt, TryStreamExt, stream, stream::FuturesUnordered};

use super::{ClientError, Progress, StorageClient, blocking, score::Deed};
use crate::{
    chunk::Lease,
    erasure::{CodedChunk, Coder, ErasureError, ErasureParams},
    network::{
        CHUNKS_PER_PAGE, ChunkTransport, Dht, Holders, MAX_ITEMS, MAX_PUT_BYTES, MAX_RECORD_LIFE_MS, NodeInfo, Placer,
        Receipt, RefusalCode, TransportError, now_ms, shard_point,
    },
    object::{CHUNK_LEN, MAX_OBJECT_LEN, ObjectRef},
};

/// How often the shards of failed nodes are offered to others.
const ROUNDS: usize = 5;

/// An object that is in the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What a reader must know to get and verify it.
    pub object: ObjectRef,
    /// The holders' signed words, in the order of chunks and shards; what an audit asks about.
    pub receipts: Vec<Receipt>,
    /// Who holds which shard, one entry per [`CHUNKS_PER_PAGE`] chunks; also in the DHT, signed by the owner.
    pub holders: Vec<Holders>,
}

/// The shards of one chunk, by their index, that a node has signed for.
type Placed = BTreeMap<usize, Receipt>;

impl<D: Dht, T: ChunkTransport> StorageClient<D, T> {
    /// Codes `bytes`, spreads the shards over the storage nodes, and publishes who holds them under the key of `owner`.
    ///
    /// `bytes` should be sealed: nodes see them. Putting the same bytes again extends the lease. Cancelling leaves shards
    /// behind that are collected when their lease ends.
    ///
    /// # Errors
    /// [`ClientError::TooFewPlaced`] when fewer than data + 70 % of the other shards of a chunk were taken,
    /// [`ClientError::LeaseRefused`], [`ClientError::Dht`], [`ClientError::Erasure`].
    pub async fn put_object(
        &self,
        owner: &dyn Signer,
        bytes: Bytes,
        params: ErasureParams,
        lease: Lease,
    ) -> Result<Stored, ClientError> {
        if bytes.len() as u64 > MAX_OBJECT_LEN {
            return Err(ErasureError::TooLong.into());
        }
        let whole = bytes.clone();
        let root = blocking(move || Digest::content(&whole)).await?;
        let chunks: Vec<Bytes> =
            (0..bytes.len()).step_by(CHUNK_LEN).map(|at| bytes.slice(at..bytes.len().min(at + CHUNK_LEN))).collect();
        let nodes = if chunks.is_empty() { Vec::new() } else { self.dht.nodes(&root).await? };
        let count = chunks.len();
        let done = stream::iter(chunks)
            .map(|chunk| self.put_chunk(root, chunk, params, lease, &nodes))
            .buffered(self.config.parallel_chunks.max(1))
            .enumerate()
            .map(|(index, stored)| {
                self.report(Progress { object: root, chunks_done: index + 1, chunks: count });
                stored
            });
        let done: Vec<(CodedChunk, Placed)> = done.try_collect().await?;

        let total = usize::from(params.total());
        let mut stored = Stored {
            object: ObjectRef { root, length: bytes.len() as u64, params, chunks: Vec::with_capacity(count) },
            receipts: Vec::with_capacity(count * total),
            holders: Vec::new(),
        };
        for page in done.chunks(CHUNKS_PER_PAGE) {
            let holder = |placed: &Placed, shard: usize| placed.get(&shard).map(Receipt::holder);
            let chunks = page.iter().map(|(_, placed)| (0..total).map(|shard| holder(placed, shard)).collect());
            stored.holders.push(Holders { chunks: chunks.collect() });
        }
        for (coded, placed) in done {
            stored.object.chunks.push(coded.reference);
            stored.receipts.extend(placed.into_values());
        }
        self.publish_holders(owner, &root, &stored.holders, lease).await?;
        Ok(stored)
    }

    pub(super) async fn publish_holders(
        &self,
        owner: &dyn Signer,
        root: &Digest,
        pages: &[Holders],
        lease: Lease,
    ) -> Result<(), ClientError> {
        let now = now_ms();
        let expires = lease.0.min(now.saturating_add(MAX_RECORD_LIFE_MS));
        for (page, holders) in (0u32..).zip(pages) {
            // The time as the number: a later put replaces an earlier one without asking what it was.
            let record = holders.sign(owner, root, page, now, expires)?;
            self.dht.put_record(&record).await?;
        }
        Ok(())
    }

    async fn put_chunk(
        &self,
        root: Digest,
        chunk: Bytes,
        params: ErasureParams,
        lease: Lease,
        nodes: &[NodeInfo],
    ) -> Result<(CodedChunk, Placed), ClientError> {
        let coded = blocking(move || Coder::new(params).encode_chunk(&chunk)).await??;
        let mut placed = Placed::new();
        let mut refused = HashSet::new();
        let mut bad_lease = false;
        for _ in 0..ROUNDS {
            let offers = self.offers(&root, &coded, &placed, &refused, nodes);
            if offers.is_empty() {
                break;
            }
            let mut answers: FuturesUnordered<_> =
                offers.iter().map(|(node, shards)| self.offer(*node, shards, &coded, lease)).collect();
            while let Some((node, shards, answer)) = answers.next().await {
                match answer {
                    Ok(receipts) => placed.extend(shards.iter().copied().zip(receipts)),
                    Err(TransportError::Stopped) => return Err(ClientError::ShuttingDown),
                    Err(why) => {
                        bad_lease |= why == TransportError::Refused(RefusalCode::Lease);
                        refused.insert(node);
                    }
                }
            }
            if placed.len() == coded.shards.len() {
                break;
            }
        }
        let needed = enough(params);
        if placed.len() >= needed {
            Ok((coded, placed))
        } else if bad_lease {
            Err(ClientError::LeaseRefused)
        } else {
            Err(ClientError::TooFewPlaced { placed: placed.len(), needed })
        }
    }

    /// Who is to be offered which of the shards that nobody has signed for, cut so that each fits one request.
    fn offers(
        &self,
        root: &Digest,
        coded: &CodedChunk,
        placed: &Placed,
        refused: &HashSet<PublicKey>,
        nodes: &[NodeInfo],
    ) -> Vec<(PublicKey, Vec<usize>)> {
        let willing: Vec<NodeInfo> = nodes.iter().filter(|node| !refused.contains(&node.id)).cloned().collect();
        let mut good: Vec<NodeInfo> =
            willing.iter().filter(|node| self.scores.penalty(&node.id) == 0).cloned().collect();
        if good.len() * 2 < nodes.len() {
            good = willing;
        }
        let mut placer = Placer::new(&good);
        placed.values().for_each(|receipt| placer.burden(&receipt.holder()));
        let mut chosen: BTreeMap<PublicKey, Vec<usize>> = BTreeMap::new();
        for shard in (0..coded.shards.len()).filter(|shard| !placed.contains_key(shard)) {
            let Some(node) = placer.next(&shard_point(root, shard)) else { break };
            chosen.entry(node).or_default().push(shard);
        }
        let length = coded.shards.first().map_or(1, Bytes::len).max(1);
        let at_once = (MAX_PUT_BYTES / length).clamp(1, MAX_ITEMS);
        let cut = |(node, shards): (PublicKey, Vec<usize>)| {
            shards.chunks(at_once).map(|part| (node, part.to_vec())).collect::<Vec<_>>()
        };
        chosen.into_iter().flat_map(cut).collect()
    }

    async fn offer<'a>(
        &self,
        node: PublicKey,
        indexes: &'a [usize],
        coded: &CodedChunk,
        lease: Lease,
    ) -> (PublicKey, &'a [usize], Result<Vec<Receipt>, TransportError>) {
        let shards: Vec<Bytes> = indexes.iter().filter_map(|index| coded.shards.get(*index).cloned()).collect();
        let put = self.transport.put(node, &shards, lease);
        let mut answer =
            tokio::time::timeout(self.config.put_timeout, put).await.unwrap_or(Err(TransportError::Timeout));
        if let Ok(receipts) = &answer {
            // A transport of the integrator's own is held to its promise here.
            let fits = |(index, receipt): (&usize, &Receipt)| {
                let (Some(id), Some(shard)) = (coded.reference.shards.get(*index), coded.shards.get(*index)) else {
                    return false;
                };
                receipt.check(node, *id, shard.len(), lease.0).is_ok()
            };
            if receipts.len() != shards.len() || !indexes.iter().zip(receipts).all(fits) {
                answer = Err(TransportError::BadAnswer);
            }
        }
        match &answer {
            Ok(_) => self.scores.record(node, Deed::Good),
            Err(TransportError::BadAnswer) => self.scores.record(node, Deed::Wrong),
            Err(TransportError::Refused(RefusalCode::Lease) | TransportError::Stopped) => {}
            Err(_) => self.scores.record(node, Deed::Failed),
        }
        (node, indexes, answer)
    }
}

/// Shards of a chunk that must be placed: as many as make a repair not yet due, 24 of 10/30.
fn enough(params: ErasureParams) -> usize {
    let (data, total) = (usize::from(params.data()), usize::from(params.total()));
    data + ((total - data) * 7).div_ceil(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_is_the_repair_threshold() {
        assert_eq!(enough(ErasureParams::default()), 24);
        assert_eq!(enough(ErasureParams::new(1, 2).unwrap()), 2);
    }
}

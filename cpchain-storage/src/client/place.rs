//! One chunk of a put: its shards go to nodes, receipts come back, slow and failing nodes are passed over.
//!
//! What [`enough`] promises and when a slow node is given up is in the table of the [module](super).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::OnceCell,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{ClientError, StorageClient, score::Deed};
use crate::{
    chunk::Lease,
    erasure::{CodedChunk, ErasureParams},
    network::{
        ChunkTransport, Dht, MAX_ITEMS, MAX_PUT_BYTES, NodeInfo, Placer, Receipt, RefusalCode, TransportError,
        shard_point,
    },
};

/// The chunks of one page of an object: all are placed by the same point, so that one lookup serves them.
#[derive(Debug)]
pub(super) struct Group {
    /// [`ObjectRef::anchor`](crate::ObjectRef::anchor) of the page.
    pub(super) anchor: Digest,
    pub(super) nodes: OnceCell<Vec<NodeInfo>>,
}

/// The shards of one chunk, by their index, that a node has signed for.
pub(super) type Placed = BTreeMap<usize, Receipt>;

/// Why a node is not offered any more of this chunk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passed {
    /// It has not answered yet.
    Slow,
    /// It failed in a way that may be over soon.
    Failed,
    /// It said no, or something wrong.
    Refused,
}

type Answer = (PublicKey, Vec<usize>, Result<Vec<Receipt>, TransportError>);

/// Shards of a chunk that a put needs receipts for: so many that repair is not yet due. The first `data` give the chunk back;
/// of the others, which make it last, 30 % may be missing: 24 of 10/30, 17 of 10/20, 3 of 2/3.
pub(super) fn enough(params: ErasureParams) -> usize {
    let (data, total) = (usize::from(params.data()), usize::from(params.total()));
    data + ((total - data) * 7).div_ceil(10)
}

impl<D: Dht, T: ChunkTransport> StorageClient<D, T> {
    /// Hands the shards of a chunk over, and returns the receipts.
    pub(super) async fn place_chunk(
        &self,
        group: &Group,
        coded: &CodedChunk,
        params: ErasureParams,
        lease: Lease,
    ) -> Result<Placed, ClientError> {
        let nodes = group.nodes.get_or_try_init(|| self.nodes(&group.anchor)).await?;
        let (total, needed) = (coded.shards.len(), enough(params));
        let mut placed = Placed::new();
        let mut passed: HashMap<PublicKey, Passed> = HashMap::new();
        // Shards that some node is asked for and that need not be offered to another.
        let mut asked: BTreeMap<usize, PublicKey> = BTreeMap::new();
        let mut under_way = FuturesUnordered::new();
        let (mut end, mut is_second_end, mut failed_rounds) = (None, false, 0);
        let (mut is_due, mut bad_lease) = (true, false);
        while placed.len() < total {
            // What is refused waits for the others of its round, so that one answer does not set off many requests.
            if is_due || under_way.is_empty() {
                is_due = false;
                let open: BTreeSet<usize> =
                    (0..total).filter(|shard| !placed.contains_key(shard) && !asked.contains_key(shard)).collect();
                for (node, shards) in self.offers(&group.anchor, coded, &open, &placed, &passed, nodes) {
                    asked.extend(shards.iter().map(|shard| (*shard, node)));
                    under_way.push(self.offer(node, shards, coded, lease));
                }
            }
            if under_way.is_empty() {
                if placed.len() >= needed {
                    break;
                }
                failed_rounds += 1;
                match self.config.retry.pause(failed_rounds, self.jitter.next()) {
                    Some(pause) if passed.values().any(|why| *why != Passed::Refused) => sleep(pause).await,
                    _ => break,
                }
                passed.retain(|_, why| *why == Passed::Refused);
                continue;
            }
            let limit = end.unwrap_or_else(|| Instant::now() + self.config.put_grace);
            match timeout_at(limit, under_way.next()).await {
                Ok(None) => {}
                Ok(Some((node, shards, answer))) => {
                    asked.retain(|shard, of| *of != node || !shards.contains(shard));
                    match answer {
                        Ok(receipts) => {
                            passed.remove(&node);
                            for (shard, receipt) in shards.into_iter().zip(receipts) {
                                placed.entry(shard).or_insert(receipt);
                            }
                        }
                        Err(TransportError::Stopped) => return Err(ClientError::ShuttingDown),
                        Err(why) => {
                            bad_lease |= why == TransportError::Refused(RefusalCode::Lease);
                            passed.insert(node, if why.is_passing() { Passed::Failed } else { Passed::Refused });
                        }
                    }
                    if placed.len() >= needed && end.is_none() {
                        end = Some(Instant::now() + self.config.put_grace);
                    }
                }
                // Those who have not answered are slow: what they are asked for is offered to others, if there are any.
                Err(_) => {
                    is_due = true;
                    let is_over = placed.len() >= needed;
                    for node in std::mem::take(&mut asked).into_values() {
                        if is_over && passed.get(&node) != Some(&Passed::Slow) {
                            self.scores.record(node, Deed::Failed);
                        }
                        passed.insert(node, Passed::Slow);
                    }
                    if is_over {
                        if is_second_end {
                            break;
                        }
                        is_second_end = true;
                        under_way.clear();
                        end = Some(Instant::now() + self.config.put_grace);
                    }
                }
            }
        }
        if placed.len() >= needed {
            Ok(placed)
        } else if bad_lease {
            Err(ClientError::LeaseRefused)
        } else {
            Err(ClientError::TooFewPlaced { placed: placed.len(), needed })
        }
    }

    /// Who is to be offered which of the `open` shards, cut so that each offer fits one request.
    fn offers(
        &self,
        anchor: &Digest,
        coded: &CodedChunk,
        open: &BTreeSet<usize>,
        placed: &Placed,
        passed: &HashMap<PublicKey, Passed>,
        nodes: &[NodeInfo],
    ) -> Vec<(PublicKey, Vec<usize>)> {
        if open.is_empty() {
            return Vec::new();
        }
        let willing: Vec<NodeInfo> = nodes.iter().filter(|node| !passed.contains_key(&node.id)).cloned().collect();
        let mut good: Vec<NodeInfo> =
            willing.iter().filter(|node| self.scores.penalty(&node.id) == 0).cloned().collect();
        if good.len() * 2 < nodes.len() {
            good = willing;
        }
        let mut placer = Placer::new(&good);
        placed.values().for_each(|receipt| placer.burden(&receipt.holder()));
        let mut chosen: BTreeMap<PublicKey, Vec<usize>> = BTreeMap::new();
        for shard in open {
            let Some(node) = placer.next(&shard_point(anchor, *shard)) else { break };
            chosen.entry(node).or_default().push(*shard);
        }
        let length = coded.shards.first().map_or(1, |shard| shard.bytes().len()).max(1);
        let at_once = (MAX_PUT_BYTES / length).clamp(1, MAX_ITEMS);
        let cut = |(node, shards): (PublicKey, Vec<usize>)| {
            shards.chunks(at_once).map(|part| (node, part.to_vec())).collect::<Vec<_>>()
        };
        chosen.into_iter().flat_map(cut).collect()
    }

    async fn offer(&self, node: PublicKey, indexes: Vec<usize>, coded: &CodedChunk, lease: Lease) -> Answer {
        let shards: Vec<Bytes> =
            indexes.iter().filter_map(|index| Some(coded.shards.get(*index)?.bytes().clone())).collect();
        let put = self.transport.put(node, &shards, lease);
        let mut answer = timeout(self.config.put_timeout, put).await.unwrap_or(Err(TransportError::Timeout));
        if let Ok(receipts) = &answer {
            // A transport of the integrator's own is held to its promise here.
            let fits = |(index, receipt): (&usize, &Receipt)| {
                let (Some(id), Some(shard)) = (coded.reference.shards.get(*index), coded.shards.get(*index)) else {
                    return false;
                };
                receipt.check(node, *id, shard.bytes().len(), lease.0).is_ok()
            };
            if receipts.len() != shards.len() || !indexes.iter().zip(receipts).all(fits) {
                answer = Err(TransportError::BadAnswer);
            }
        }
        match &answer {
            Ok(_) => self.scores.record(node, Deed::Good),
            Err(TransportError::BadAnswer) => self.scores.record(node, Deed::Wrong),
            Err(TransportError::Refused(RefusalCode::Lease | RefusalCode::Busy) | TransportError::Stopped) => {}
            Err(_) => self.scores.record(node, Deed::Failed),
        }
        (node, indexes, answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_is_the_repair_threshold() {
        let of = |data, total| enough(ErasureParams::new(data, total).unwrap());
        assert_eq!((of(10, 30), of(10, 20), of(2, 3), of(1, 2)), (24, 17, 3, 2));
    }
}

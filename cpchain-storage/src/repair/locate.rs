//! Finding shards without a record: who is near their points, says that it holds them, and proves it?

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use cpchain_crypto::{Digest, PublicKey};
use futures::{StreamExt, stream};
use tokio::time::timeout;

use super::{ASKED, group::Wanted};
use crate::{
    audit::{Auditor, Question},
    chunk::ChunkId,
    network::{ChunkTransport, Dht, DhtError, MAX_ITEMS, NodeInfo, TransportError, shard_point},
};

/// Lookups under way at once.
const PARALLEL: usize = 8;
/// Nodes that are asked at once.
const PARALLEL_NODES: usize = 32;

/// Nodes by the places of the shards whose points they are near, the closest first.
pub(crate) type Near = BTreeMap<u8, Vec<NodeInfo>>;

/// Who says that it holds which of the shards that were looked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    /// Indexes into the list of the shards, and nodes: for each shard the closest first.
    pub(crate) by: Vec<(usize, PublicKey)>,
    /// Has everybody answered? Whoever was silent may do so a little later.
    pub(crate) is_complete: bool,
}

/// The nodes closest to the points of these shards of a group, at most [`ASKED`] each, the closest first.
///
/// Lookups that fail leave a shard without nodes.
pub(crate) async fn neighbours<D: Dht>(
    dht: &D,
    anchor: &Digest,
    places: impl IntoIterator<Item = u8>,
) -> Result<Near, DhtError> {
    let points: Vec<_> = places.into_iter().map(|place| (place, shard_point(anchor, usize::from(place)))).collect();
    let mut lookups = stream::iter(points)
        .map(|(place, point)| async move { (place, dht.nodes(&point).await) })
        .buffer_unordered(PARALLEL);
    let mut found = BTreeMap::new();
    while let Some((place, nodes)) = lookups.next().await {
        match nodes {
            Ok(mut nodes) => {
                nodes.truncate(ASKED);
                found.insert(place, nodes);
            }
            Err(DhtError::Stopped) => return Err(DhtError::Stopped),
            Err(why) => tracing::debug!(%why, place, "no nodes near a shard"),
        }
    }
    Ok(found)
}

/// Who near the points of missing shards says that it holds them: for a reader, who checks the bytes themselves afterwards.
pub(crate) async fn find<D: Dht, T: ChunkTransport>(
    dht: &D,
    transport: &T,
    anchor: &Digest,
    missing: &[Wanted],
    deadline: Duration,
) -> Claims {
    let places: BTreeSet<u8> = missing.iter().map(|wanted| wanted.place).collect();
    let Ok(near) = neighbours(dht, anchor, places.iter().copied()).await else { return Claims::default() };
    let claims = claims(transport, &near, missing, deadline).await;
    Claims { is_complete: claims.is_complete && near.len() == places.len(), ..claims }
}

/// Which of the neighbours say that they hold which of `wanted`. Costs them a look into an index, and no shard is read.
async fn claims<T: ChunkTransport>(transport: &T, near: &Near, wanted: &[Wanted], deadline: Duration) -> Claims {
    let mut by_node: BTreeMap<PublicKey, Vec<(usize, ChunkId)>> = BTreeMap::new();
    for (index, wanted) in wanted.iter().enumerate() {
        for node in near.get(&wanted.place).into_iter().flatten() {
            by_node.entry(node.id).or_default().push((index, wanted.shard));
        }
    }
    let batches: Vec<(PublicKey, Vec<(usize, ChunkId)>)> = by_node
        .into_iter()
        .flat_map(|(node, asked)| asked.chunks(MAX_ITEMS).map(|batch| (node, batch.to_vec())).collect::<Vec<_>>())
        .collect();
    let mut answers = stream::iter(batches)
        .map(|(node, batch)| async move {
            let ids: Vec<ChunkId> = batch.iter().map(|(_, id)| *id).collect();
            let answer = timeout(deadline, transport.has(node, &ids)).await;
            (node, batch, answer.unwrap_or(Err(TransportError::Timeout)))
        })
        .buffer_unordered(PARALLEL_NODES);
    let (mut said, mut is_complete) = (BTreeSet::new(), true);
    while let Some((node, batch, answer)) = answers.next().await {
        match answer {
            Ok(held) => {
                said.extend(batch.iter().zip(held).filter(|(_, held)| *held).map(|((index, _), _)| (*index, node)))
            }
            Err(why) => is_complete &= !why.is_passing(),
        }
    }
    let mut by = Vec::with_capacity(said.len());
    for (index, wanted) in wanted.iter().enumerate() {
        let nodes = near.get(&wanted.place).into_iter().flatten().map(|node| (index, node.id));
        by.extend(nodes.filter(|claim| said.contains(claim)));
    }
    Claims { by, is_complete }
}

/// What of `wanted` the neighbours say that they hold, and whether they have proved it; the closest to each shard first.
pub(crate) async fn locate<T: ChunkTransport>(
    auditor: &Auditor<T>,
    near: &Near,
    wanted: &[Wanted],
    randomness: &[u8; 32],
) -> Vec<(usize, PublicKey, bool)> {
    let claims = claims(auditor.transport(), near, wanted, auditor.deadline()).await.by;
    let question = |(index, holder): &(usize, PublicKey)| {
        let wanted = wanted.get(*index)?;
        Some(Question { holder: *holder, shard: wanted.shard, length: wanted.length })
    };
    let questions: Vec<Question> = claims.iter().filter_map(question).collect();
    let verdicts = auditor.audit(randomness, &questions).await;
    claims.into_iter().zip(verdicts).map(|((index, holder), verdict)| (index, holder, verdict.is_proved())).collect()
}

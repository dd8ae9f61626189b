//! Finding shards without a record: who is near their points, and proves to hold them?

use std::collections::{BTreeMap, BTreeSet};

use cpchain_crypto::{Digest, PublicKey};
use futures::{StreamExt, stream};

use super::{ASKED, group::Wanted};
use crate::{
    audit::{Auditor, Question},
    network::{ChunkTransport, Dht, DhtError, NodeInfo, shard_point},
};

/// Lookups under way at once.
const PARALLEL: usize = 8;

/// The nodes closest to the points of these shards of a group, at most [`ASKED`] each, the closest first.
///
/// Lookups that fail leave a shard without nodes.
pub(crate) async fn neighbours<D: Dht>(
    dht: &D,
    anchor: &Digest,
    places: impl IntoIterator<Item = u8>,
) -> Result<BTreeMap<u8, Vec<NodeInfo>>, DhtError> {
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

/// Who near the points of missing shards proves to hold them, by their places: for a reader.
pub(crate) async fn find<D: Dht, T: ChunkTransport>(
    dht: &D,
    auditor: &Auditor<T>,
    anchor: &Digest,
    missing: &[Wanted],
) -> Vec<(u8, PublicKey)> {
    let places: BTreeSet<u8> = missing.iter().map(|wanted| wanted.place).collect();
    let near = neighbours(dht, anchor, places).await.unwrap_or_default();
    // A reader checks the bytes themselves afterwards: the leaf only spares it those who have nothing.
    let found = locate(auditor, &near, missing, anchor.as_bytes()).await;
    found.into_iter().filter_map(|(index, holder)| Some((missing.get(index)?.place, holder))).collect()
}

/// Who of the neighbours proves to hold which of `wanted`, as indexes into it, the closest first.
pub(crate) async fn locate<T: ChunkTransport>(
    auditor: &Auditor<T>,
    near: &BTreeMap<u8, Vec<NodeInfo>>,
    wanted: &[Wanted],
    randomness: &[u8; 32],
) -> Vec<(usize, PublicKey)> {
    let asked: Vec<(usize, Question)> = wanted
        .iter()
        .enumerate()
        .flat_map(|(index, wanted)| {
            let nodes = near.get(&wanted.place).map_or(&[][..], Vec::as_slice);
            let (shard, length) = (wanted.shard, wanted.length);
            nodes.iter().map(move |node| (index, Question { holder: node.id, shard, length }))
        })
        .collect();
    let questions: Vec<Question> = asked.iter().map(|(_, question)| *question).collect();
    let verdicts = auditor.audit(randomness, &questions).await;
    let proved = asked.iter().zip(verdicts).filter(|(_, verdict)| verdict.is_proved());
    proved.map(|((index, question), _)| (*index, question.holder)).collect()
}

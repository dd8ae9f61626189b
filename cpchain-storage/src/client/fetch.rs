//! A chunk, or a part of one, from the nodes that hold its shards: more shards than needed at once, the first good ones win.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
};

use bytes::Bytes;
use cpchain_crypto::PublicKey;
use futures::{StreamExt, future::try_join_all, stream::FuturesUnordered};
use tokio::time::{sleep, timeout};

use super::{ClientError, Coders, Page, StorageClient, score::Deed};
use crate::{
    chunk::ChunkId,
    erasure::ErasureError,
    network::{CHUNKS_PER_PAGE, ChunkTransport, Dht, TransportError},
    object::ChunkRef,
    repair::{Claims, Wanted, find},
};

/// Verified bytes of a chunk, in pieces that follow one another.
pub(super) struct Fetched {
    pub(super) pieces: Vec<Bytes>,
    /// Nodes that they came from.
    pub(super) hosts: usize,
}

/// A shard that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Candidate {
    place: u8,
    shard: ChunkId,
    holder: PublicKey,
}

/// How a candidate did.
enum Outcome {
    Good(Candidate, Bytes),
    /// It may do better a little later.
    Again(Candidate),
    Lost,
}

impl<D: Dht, T: ChunkTransport> StorageClient<D, T> {
    /// The bytes `range` of chunk `chunk` of a page, which has `length` bytes in all.
    ///
    /// A range in few data shards is read from their holders alone; if one of them fails, or is slow, and for a larger range,
    /// any shards of the chunk will do.
    pub(super) async fn fetch(
        &self,
        page: &Page,
        chunk: usize,
        length: usize,
        range: Range<usize>,
        coders: &Coders,
    ) -> Result<Fetched, ClientError> {
        let reference = page.chunks.get(chunk).ok_or(ErasureError::Reference)?;
        let shard_len = coders.params().shard_len(length);
        let data = usize::from(coders.params().data());
        let touched = range.start / shard_len..range.end.div_ceil(shard_len).min(data);
        if touched.len() * 2 <= data
            && let Some(pieces) = self.direct(page, chunk, touched.clone(), &range, shard_len).await
        {
            return Ok(Fetched { pieces, hosts: touched.len() });
        }
        let number = page.number * CHUNKS_PER_PAGE as u64 + chunk as u64;
        let good = self.any_shards(page, chunk, number, shard_len, coders).await?;
        let hosts = good.values().map(|(holder, _)| *holder).collect::<HashSet<_>>().len();
        let mut shards = vec![None; usize::from(coders.params().total())];
        for (place, (_, shard)) in good {
            shards.get_mut(usize::from(place)).and_then(|slot| slot.replace(shard));
        }
        let whole = if shards.iter().take(data).all(Option::is_some) {
            shards.into_iter().take(data).flatten().collect()
        } else {
            let reference: ChunkRef = reference.clone();
            coders.run(move |coder| coder.data_shards(&reference, shards)).await??
        };
        Ok(Fetched { pieces: part(whole, range), hosts })
    }

    /// A range from the holders of the data shards that it lies in; `None` if one of them does not give its part at once.
    async fn direct(
        &self,
        page: &Page,
        chunk: usize,
        touched: Range<usize>,
        range: &Range<usize>,
        shard_len: usize,
    ) -> Option<Vec<Bytes>> {
        let all = candidates(page, chunk);
        let wanted = touched.map(|place| {
            let found = all.iter().find(|candidate| usize::from(candidate.place) == place);
            let candidate = found.copied().filter(|candidate| self.scores.penalty(&candidate.holder) == 0)?;
            let start = place * shard_len;
            Some((candidate, range.start.max(start) - start..range.end.min(start + shard_len) - start))
        });
        let wanted = wanted.collect::<Option<Vec<_>>>()?;
        let gets = wanted.into_iter().map(|(candidate, part)| async move {
            let whole = part.len() * 4 > shard_len * 3;
            let got = if whole { 0..shard_len } else { part.clone() };
            match self.get_shard(candidate, shard_len, got).await {
                Outcome::Good(_, bytes) if whole => Ok(bytes.slice(part)),
                Outcome::Good(_, bytes) => Ok(bytes),
                _ => Err(()),
            }
        });
        timeout(self.config.hedge_after, try_join_all(gets)).await.ok()?.ok()
    }

    /// So many verified shards of a chunk as are enough, whichever they are, with those that they came from.
    async fn any_shards(
        &self,
        page: &Page,
        chunk: usize,
        number: u64,
        shard_len: usize,
        coders: &Coders,
    ) -> Result<BTreeMap<u8, (PublicKey, Bytes)>, ClientError> {
        let needed = usize::from(coders.params().data());
        let extra = self.config.extra_shards;
        let mut waiting = candidates(page, chunk);
        let mut tried: HashSet<Candidate> = waiting.iter().copied().collect();
        let (mut again, mut failed_rounds, mut is_rule_asked) = (Vec::new(), 0, false);
        let mut good: BTreeMap<u8, (PublicKey, Bytes)> = BTreeMap::new();
        let mut under_way = FuturesUnordered::new();
        let mut more = needed + extra;
        while good.len() < needed {
            if more > 0 {
                waiting.retain(|candidate| !good.contains_key(&candidate.place));
                // By what is known of their holders now: one that was just caught is not asked for its other shards.
                waiting.sort_by_cached_key(|candidate| self.scores.penalty(&candidate.holder));
            }
            let next = waiting.drain(..more.min(waiting.len()));
            under_way.extend(next.map(|candidate| self.get_shard(candidate, shard_len, 0..shard_len)));
            if under_way.is_empty() {
                more = needed - good.len() + extra;
                if !is_rule_asked {
                    // Whoever has repaired the object has put its shards where the placement rule looks.
                    let missing = missing(page, chunk, shard_len, &good);
                    let deadline = self.config.shard_timeout;
                    let claims = find(&self.dht, &self.transport, &page.anchor(), &missing, deadline).await;
                    is_rule_asked = claims.is_complete;
                    waiting.extend(claimed(page, chunk, &missing, &claims).filter(|of| tried.insert(*of)));
                    if !waiting.is_empty() {
                        continue;
                    }
                }
                failed_rounds += 1;
                match self.config.retry.pause(failed_rounds, self.jitter.next()) {
                    Some(pause) if !again.is_empty() || !is_rule_asked => sleep(pause).await,
                    _ => return Err(ClientError::TooFewShards { chunk: number, found: good.len(), needed }),
                }
                waiting.append(&mut again);
                continue;
            }
            more = match timeout(self.config.hedge_after, under_way.next()).await {
                Ok(Some(Outcome::Good(candidate, shard))) => {
                    good.insert(candidate.place, (candidate.holder, shard));
                    0
                }
                Ok(Some(Outcome::Again(candidate))) => {
                    again.push(candidate);
                    1
                }
                Ok(Some(Outcome::Lost)) => 1,
                Ok(None) => 0,
                // Nothing moves: do not wait for the slow ones alone.
                Err(_) => extra.max(1),
            };
        }
        Ok(good)
    }

    /// Some bytes of a shard of `length` bytes, if its holder returns the right ones in time: the whole of it against its id, a
    /// part with what proves it.
    async fn get_shard(&self, candidate: Candidate, length: usize, part: Range<usize>) -> Outcome {
        let Candidate { shard, holder, .. } = candidate;
        let is_whole = part == (0..length);
        let get = async {
            if is_whole {
                return self.transport.get(holder, shard).await;
            }
            self.transport.get_range(holder, shard, length as u64, part.start as u64..part.end as u64).await
        };
        let answer = timeout(self.config.shard_timeout, get).await;
        let (deed, outcome) = match answer.unwrap_or(Err(TransportError::Timeout)) {
            Ok(Some(bytes)) if bytes.len() == part.len() && (!is_whole || shard.matches(&bytes)) => {
                (Deed::Good, Outcome::Good(candidate, bytes))
            }
            Ok(Some(_)) | Err(TransportError::BadAnswer) => (Deed::Wrong, Outcome::Lost),
            Ok(None) => (Deed::Missing, Outcome::Lost),
            Err(TransportError::Stopped) => return Outcome::Lost,
            Err(why) if why.is_passing() => (Deed::Failed, Outcome::Again(candidate)),
            Err(_) => (Deed::Failed, Outcome::Lost),
        };
        self.scores.record(holder, deed);
        if deed == Deed::Wrong {
            tracing::warn!(node = %holder, %shard, "a storage node returned wrong bytes");
        }
        outcome
    }
}

/// The shards of a chunk whose holders are known.
fn candidates(page: &Page, chunk: usize) -> Vec<Candidate> {
    let holders = page.holders.chunks.get(chunk).map_or(&[][..], Vec::as_slice);
    (0u8..=u8::MAX).zip(holders).filter_map(|(place, holder)| candidate(page, chunk, place, *holder)).collect()
}

fn candidate(page: &Page, chunk: usize, place: u8, holder: Option<PublicKey>) -> Option<Candidate> {
    let shard = *page.chunks.get(chunk)?.shards.get(usize::from(place))?;
    Some(Candidate { place, shard, holder: holder? })
}

/// The claims as candidates: one for each shard before a second one for any.
fn claimed(page: &Page, chunk: usize, missing: &[Wanted], claims: &Claims) -> impl Iterator<Item = Candidate> {
    let mut claimants: BTreeMap<usize, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, Candidate)> = Vec::with_capacity(claims.by.len());
    for (index, holder) in &claims.by {
        let rank = claimants.entry(*index).or_default();
        let of = missing.get(*index).and_then(|wanted| candidate(page, chunk, wanted.place, Some(*holder)));
        ranked.extend(of.map(|of| (*rank, of)));
        *rank += 1;
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, candidate)| candidate)
}

/// The shards that nobody has given yet.
fn missing(page: &Page, chunk: usize, shard_len: usize, good: &BTreeMap<u8, (PublicKey, Bytes)>) -> Vec<Wanted> {
    let shards = page.chunks.get(chunk).map_or(&[][..], |chunk| &chunk.shards);
    let missing = (0u8..=u8::MAX).zip(shards).filter(|(place, _)| !good.contains_key(place));
    let length = u32::try_from(shard_len).unwrap_or(u32::MAX);
    missing.map(|(place, shard)| Wanted { chunk, place, shard: *shard, length }).collect()
}

/// The bytes `range` of pieces that follow one another.
fn part(pieces: Vec<Bytes>, range: Range<usize>) -> Vec<Bytes> {
    let mut at = 0;
    let mut cut = |piece: Bytes| {
        let (start, end) = (at, at + piece.len());
        at = end;
        let (from, to) = (range.start.clamp(start, end), range.end.clamp(start, end));
        (from < to).then(|| piece.slice(from - start..to - start))
    };
    pieces.into_iter().filter_map(&mut cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_pieces() {
        let pieces: Vec<Bytes> = vec!["abc".into(), "de".into(), "fghi".into()];
        for start in 0..9 {
            for end in start..10 {
                let whole = b"abcdefghi";
                let end = end.min(whole.len());
                assert_eq!(part(pieces.clone(), start..end).concat(), whole[start..end]);
            }
        }
    }
}

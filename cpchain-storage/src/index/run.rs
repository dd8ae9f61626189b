//! Runs: entries that are neighbours by id, together under one key of a database.
//!
//! A database spends far more on a key than the 60 bytes of an entry: with one key for half a dozen entries, a million
//! chunks need a sixth of the pages. A run holds the ids from its own key up to the next run's. Its key is a one and the first 16
//! bytes of its first id; the first run of all has the one alone, so every id has its run. Bytes of a run: per entry the id
//! (32) and the [`Location`] (28), ascending.
//!
//! Nobody can make ids that meet in 16 bytes by the dozen. If somebody could, those would stay together in one long run.

use std::collections::BTreeMap;

use cpchain_crypto::Digest;

use super::Location;
use crate::chunk::ChunkId;

const ID: usize = 32;
const ENTRY: usize = ID + Location::LEN;
/// A longer run is cut.
const MOST: usize = 8;
/// Entries of a piece: there is room for more.
const PIECE: usize = 6;

/// The key of the first run of all.
pub(super) const FIRST: &[u8] = &[1];
/// Above the keys of all runs.
pub(super) const END: &[u8] = &[2];

/// Where an entry stands among the keys of runs.
pub(super) fn key(id: &ChunkId) -> [u8; 17] {
    let mut key = [1; 17];
    key.iter_mut().skip(1).zip(id.as_bytes()).for_each(|(to, from)| *to = *from);
    key
}

/// The entries of a run; `None` if its bytes are damaged.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<(ChunkId, Location)>> {
    let (entries, rest) = bytes.as_chunks::<ENTRY>();
    let decode = |entry: &[u8; ENTRY]| {
        let (id, location) = entry.split_first_chunk::<ID>()?;
        Some((ChunkId(Digest(*id)), Location::from_bytes(location)?))
    };
    let run: Vec<_> = entries.iter().map(decode).collect::<Option<_>>()?;
    (rest.is_empty() && run.is_sorted_by(|(a, _), (b, _)| a < b)).then_some(run)
}

pub(super) fn encode(run: &[(ChunkId, Location)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(run.len() * ENTRY);
    for (id, location) in run {
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(&location.to_bytes());
    }
    bytes
}

/// The entry of a chunk in a run. Only looks where it must be: `Err(())` if that place is damaged.
pub(super) fn find(bytes: &[u8], id: &ChunkId) -> Result<Option<Location>, ()> {
    let (entries, rest) = bytes.as_chunks::<ENTRY>();
    if !rest.is_empty() {
        return Err(());
    }
    let at = entries.binary_search_by(|entry| entry.iter().take(ID).cmp(id.as_bytes()));
    let Some(entry) = at.ok().and_then(|at| entries.get(at)) else { return Ok(None) };
    entry.get(ID..).and_then(Location::from_bytes).map(Some).ok_or(())
}

/// A run with changes made.
pub(super) fn change(
    run: Vec<(ChunkId, Location)>,
    changes: impl IntoIterator<Item = (ChunkId, Option<Location>)>,
) -> Vec<(ChunkId, Location)> {
    let mut entries: BTreeMap<_, _> = run.into_iter().collect();
    for (id, change) in changes {
        match change {
            Some(location) => entries.insert(id, location),
            None => entries.remove(&id),
        };
    }
    entries.into_iter().collect()
}

/// A run as it is, or in pieces if it is too long. Each piece begins with an id that is told from the one before by its key.
pub(super) fn cut(mut run: &[(ChunkId, Location)]) -> Vec<&[(ChunkId, Location)]> {
    let mut pieces = Vec::new();
    while run.len() > MOST {
        let keys_differ = |at: &usize| match (run.get(at - 1), run.get(*at)) {
            (Some((before, _)), Some((after, _))) => key(before) != key(after),
            _ => false,
        };
        let Some((piece, rest)) = (PIECE..run.len()).find(keys_differ).and_then(|at| run.split_at_checked(at)) else {
            break;
        };
        pieces.push(piece);
        run = rest;
    }
    pieces.push(run);
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chunk::Lease;

    fn entry(n: u64) -> (ChunkId, Location) {
        let at = Location { pack: 1, length: 2, offset: n, lease: Lease(n), lease_pack: 3 };
        (ChunkId::of(&n.to_le_bytes()), at)
    }

    fn sorted(count: u64) -> Vec<(ChunkId, Location)> {
        change(Vec::new(), (0..count).map(entry).map(|(id, at)| (id, Some(at))))
    }

    #[test]
    fn ids_that_share_a_key_stay_together() {
        let alike = |n: u8| {
            let mut id = [7; 32];
            id[31] = n;
            (ChunkId(Digest(id)), entry(0).1)
        };
        let mut run: Vec<_> = (0..100).map(alike).collect();
        assert_eq!(cut(&run), [&run[..]]);
        run.push((ChunkId(Digest([8; 32])), entry(0).1));
        assert_eq!(cut(&run), [&run[..100], &run[100..]]);
    }

    proptest! {
        #[test]
        fn runs_round_trip_and_pieces_are_short(count in 0u64..300) {
            let run = sorted(count);
            let bytes = encode(&run);
            prop_assert_eq!(decode(&bytes), Some(run.clone()));
            for n in 0..count + 5 {
                let (id, at) = entry(n);
                prop_assert_eq!(find(&bytes, &id), Ok((n < count).then_some(at)));
            }
            let pieces = cut(&run);
            prop_assert!(pieces.iter().all(|piece| piece.len() <= MOST));
            prop_assert_eq!(pieces.concat(), &run[..]);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes);
            let _ = find(&bytes, &entry(1).0);
        }
    }
}

//! The owner's side of a table: which intervals there are, and how they are sealed.

use alloc::{vec, vec::Vec};

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit, StreamCipher},
};
use zeroize::Zeroizing;

use super::{
    Bins, LIMBS, Tally, WIDTH,
    limbs::Weights,
    wire::{self, AggregateTable, Head, Kind, Reader},
};
use crate::{
    aead::Key,
    entropy::Entropy,
    hash::{Digest, Domain},
    search::SearchError,
};

const TABLE: Domain = Domain::new("cpchain/crypto/search/aggregate-table/v1");
const SEALING: Domain = Domain::new("cpchain/crypto/search/aggregate-sealing/v1");
/// Most intervals of a table: a century of hours.
const MAX_INTERVALS: usize = 1 << 20;

/// The owner of a table: its key, its bins, and the state of its intervals. Asks through [`SearchClient`](crate::search::SearchClient).
///
/// The state ([`to_bytes`](Self::to_bytes)) is stored before an update is sent: a lost state means that hosts refuse
/// queries as stale until the intervals are sealed and sent again. Tallies themselves are not kept.
pub struct AggregateIndex {
    key: Key,
    bins: Bins,
    pub(super) table: AggregateTable,
    pub(super) heads: Vec<Head>,
}

/// Pads and weights of one sealing of one interval.
pub(super) struct Sealing {
    pads: Zeroizing<Vec<u8>>,
    pub(super) weights: Weights,
}

impl Sealing {
    fn new(key: &Key, table: &AggregateTable, head: Head) -> Self {
        let seed = Zeroizing::new(Digest::of(SEALING, &[key.expose(), &table.to_bytes(), &head.to_bytes()]).0);
        let mut cipher = ChaCha20::new(&(*seed).into(), &[0; 12].into());
        let mut weights = Zeroizing::new([0; 96]);
        cipher.apply_keystream(weights.as_mut_slice());
        let mut pads = Zeroizing::new(vec![0; table.body_len()]);
        cipher.apply_keystream(&mut pads);
        Self { pads, weights: Weights::new(&weights) }
    }

    /// The pads of a bin: a number modulo 2^15 for each limb.
    pub(super) fn pads(&self, bin: usize) -> impl Iterator<Item = u16> + '_ {
        let of_bin = self.pads.as_chunks::<2>().0.iter().skip(bin * LIMBS).take(LIMBS);
        of_bin.map(|pair| u16::from_le_bytes(*pair) & MASK)
    }
}

/// What is left of a sum modulo 2^15.
pub(super) const MASK: u16 = (1 << WIDTH) - 1;

impl AggregateIndex {
    /// A new table under a key of its own (for a stream: [`StreamSecret::derive`](crate::key_tree::StreamSecret::derive)).
    ///
    /// # Errors
    /// [`SearchError::Shape`]; not with bins that were made by [`Bins::new`].
    pub fn new(key: Key, bins: Bins) -> Result<Self, SearchError> {
        let edges: Vec<u8> = bins.edges().iter().flat_map(|edge| edge.to_le_bytes()).collect();
        let id = Digest::of(TABLE, &[key.expose(), &edges]);
        let count = u16::try_from(bins.edges().len()).map_err(|_| SearchError::Shape)?;
        let table = AggregateTable::new(id, count);
        Ok(Self { key, bins, table, heads: Vec::new() })
    }

    /// What a host needs to know about the table.
    pub const fn table(&self) -> AggregateTable {
        self.table
    }

    /// How the field is cut.
    pub const fn bins(&self) -> &Bins {
        &self.bins
    }

    /// Intervals so far.
    pub const fn intervals(&self) -> usize {
        self.heads.len()
    }

    /// Adds intervals, numbered in the order in which they were added, and returns an update to send for each.
    ///
    /// # Errors
    /// [`SearchError::Shape`] for a tally of other bins, [`SearchError::Full`], [`SearchError::Entropy`]; nothing is added then.
    pub fn append(&mut self, tallies: &[Tally], entropy: &mut dyn Entropy) -> Result<Vec<Vec<u8>>, SearchError> {
        if self.heads.len().saturating_add(tallies.len()) > MAX_INTERVALS {
            return Err(SearchError::Full { most: MAX_INTERVALS as u32 });
        }
        let (mut heads, mut updates) = (Vec::with_capacity(tallies.len()), Vec::with_capacity(tallies.len()));
        for (number, tally) in (self.heads.len() as u32..).zip(tallies) {
            let head = Head { number, version: 0, salt: salt(entropy)? };
            updates.push(self.seal(head, tally)?);
            heads.push(head);
        }
        self.heads.extend(heads);
        Ok(updates)
    }

    /// Replaces an interval: readings that came late. Returns the update to send.
    ///
    /// # Errors
    /// As [`append`](Self::append), and [`SearchError::Shape`] for an interval that is not there.
    pub fn replace(
        &mut self,
        interval: usize,
        tally: &Tally,
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<u8>, SearchError> {
        let before = self.heads.get(interval).ok_or(SearchError::Shape)?;
        let version = before.version.checked_add(1).ok_or(SearchError::Value)?;
        let head = Head { number: before.number, version, salt: salt(entropy)? };
        let update = self.seal(head, tally)?;
        if let Some(to) = self.heads.get_mut(interval) {
            *to = head;
        }
        Ok(update)
    }

    /// The state, without the key: the edges of bins, and version and salt of each interval.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = wire::start(Kind::Index, &self.table, 2 * Bins::MAX + Head::LEN * self.heads.len());
        out.extend(self.bins.edges().iter().flat_map(|edge| edge.to_le_bytes()));
        out.extend(self.heads.iter().flat_map(|head| head.to_bytes()));
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`SearchError::Format`], [`SearchError::Shape`], and [`SearchError::OtherTable`] if `key` is not the key of this table.
    pub fn from_bytes(key: Key, bytes: &[u8]) -> Result<Self, SearchError> {
        let (mut reader, table) = Reader::open(Kind::Index, bytes)?;
        let edges = reader.slice(2 * table.bins())?;
        let edges: Vec<u16> = edges.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
        let mut index = Self::new(key, Bins::new(&edges)?)?;
        if index.table != table {
            return Err(SearchError::OtherTable);
        }
        while !reader.rest().is_empty() {
            let head = Head::read(&mut reader)?;
            if head.number as usize != index.heads.len() || index.heads.len() >= MAX_INTERVALS {
                return Err(Kind::Index.error());
            }
            index.heads.push(head);
        }
        Ok(index)
    }

    pub(super) fn sealing(&self, head: Head) -> Sealing {
        Sealing::new(&self.key, &self.table, head)
    }

    fn seal(&self, head: Head, tally: &Tally) -> Result<Vec<u8>, SearchError> {
        if tally.cells.len() != self.table.bins() {
            return Err(SearchError::Shape);
        }
        let sealing = self.sealing(head);
        let mut out = wire::start(Kind::Interval, &self.table, Head::LEN + self.table.body_len());
        out.extend(head.to_bytes());
        for (bin, totals) in tally.cells.iter().enumerate() {
            let limbs = sealing.weights.write(*totals);
            let padded = limbs.iter().zip(sealing.pads(bin)).map(|(limb, pad)| limb.wrapping_add(pad) & MASK);
            out.extend(padded.flat_map(u16::to_le_bytes));
        }
        Ok(out)
    }
}

fn salt(entropy: &mut dyn Entropy) -> Result<[u8; 16], SearchError> {
    let mut salt = [0; 16];
    entropy.fill(&mut salt)?;
    Ok(salt)
}

impl core::fmt::Debug for AggregateIndex {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "AggregateIndex({:?}, {} intervals)", self.table, self.heads.len())
    }
}

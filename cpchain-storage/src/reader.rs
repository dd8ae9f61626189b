//! Reading back: sealed blocks, a manifest and interval keys in, rows out.
//!
//! Nothing is opened before it is checked against the manifest, and each thing that can be wrong with a sequence of blocks is
//! an error of its own. Tests: `tests/reader.rs`, one a variant of [`ReadError`].

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use cpchain_crypto::{
    BlockError, Digest,
    block::SealedBlock,
    key_tree::{IntervalId, IntervalKey, NodeSeed, StreamSecret},
};

use crate::{
    codec::{CodecError, CodecRegistry},
    manifest::{BlockEntry, Manifest, check_entry},
    table::{Table, TableError},
};

/// Where interval keys come from: the owner's secret, granted seeds, or keys that were bought.
pub trait KeySource {
    /// The key of an interval; `None` if this source does not open it.
    fn interval_key(&self, interval: IntervalId) -> Option<IntervalKey>;
}

impl KeySource for StreamSecret {
    fn interval_key(&self, interval: IntervalId) -> Option<IntervalKey> {
        Some(self.interval_key(interval))
    }
}

impl KeySource for [NodeSeed] {
    fn interval_key(&self, interval: IntervalId) -> Option<IntervalKey> {
        self.iter().find_map(|seed| seed.interval_key(interval))
    }
}

impl KeySource for Vec<NodeSeed> {
    fn interval_key(&self, interval: IntervalId) -> Option<IntervalKey> {
        self.as_slice().interval_key(interval)
    }
}

impl KeySource for BTreeMap<IntervalId, IntervalKey> {
    fn interval_key(&self, interval: IntervalId) -> Option<IntervalKey> {
        self.get(&interval).map(|key| IntervalKey::from_bytes(*key.expose()))
    }
}

/// Why blocks were not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The upload has no block in the intervals that were asked for.
    #[error("the upload has no block in these intervals: look at the manifest's intervals")]
    NoBlocks,
    /// The object is shorter than the blocks that the manifest places in it.
    #[error("the object ends before block {index}: fetch it again")]
    ObjectLength {
        /// The first block that is not there.
        index: u64,
    },
    /// A block is not there.
    #[error("block {index} is missing")]
    Missing {
        /// Its number.
        index: u64,
    },
    /// Blocks are there in another order.
    #[error("block {found} stands in the place of block {expected}: the blocks were swapped")]
    Swapped {
        /// The block that belongs there.
        expected: u64,
        /// The one that is there.
        found: u64,
    },
    /// A block is there twice.
    #[error("block {index} is there twice")]
    Repeated {
        /// Its number.
        index: u64,
    },
    /// A block is shorter (or longer) than it was.
    #[error("block {index} has {found} bytes instead of {expected}: it was cut")]
    Truncated {
        /// Its number.
        index: u64,
        /// Bytes by the manifest.
        expected: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// A block of another stream, or of another part of this one.
    #[error("a block that does not belong here stands in the place of block {expected}")]
    Foreign {
        /// The block that belongs there.
        expected: u64,
    },
    /// A block's bytes are not those that its owner signed.
    #[error("block {index} was changed ({what})")]
    Changed {
        /// Its number.
        index: u64,
        /// What differs.
        what: &'static str,
    },
    /// A block does not name the one before it.
    #[error("block {index} does not follow the one before it: the chain is broken")]
    Chain {
        /// Its number.
        index: u64,
    },
    /// No key for an interval.
    #[error("there is no key for interval {interval}: it has to be granted")]
    NoKey {
        /// The interval.
        interval: IntervalId,
    },
    /// A key that is not the one whose commitment the owner published.
    #[error("the key is not that of interval {interval}: it was granted wrongly")]
    WrongKey {
        /// The interval.
        interval: IntervalId,
    },
    /// The right key does not open the right bytes: the owner sealed something else.
    #[error("block {index} does not open under the key of its interval: {source}")]
    Sealed {
        /// Its number.
        index: u64,
        /// Which leaf.
        source: BlockError,
    },
    /// What was sealed is not what its codec writes.
    #[error("block {index} does not decode: {source}")]
    Codec {
        /// Its number.
        index: u64,
        /// Why.
        source: CodecError,
    },
    /// Readings outside of their block's period, or columns that change.
    #[error("the readings of block {index} do not fit: {source}")]
    Rows {
        /// Its number.
        index: u64,
        /// Why.
        source: TableError,
    },
    /// A reading that is not in the period of its block.
    #[error("block {index} holds a reading of another period")]
    Period {
        /// Its number.
        index: u64,
    },
}

/// Reads the blocks of the intervals `intervals` (half open) of an upload, given in order, into rows.
///
/// `blocks` must be all blocks of these intervals and no other. Each is compared with its entry in the manifest and with the one
/// before it, then opened with the key of its interval (which must have the published commitment), then decoded.
///
/// # Errors
/// [`ReadError`] says what is wrong with which block.
pub fn read_blocks<B: AsRef<[u8]>>(
    manifest: &Manifest,
    intervals: Range<u32>,
    blocks: &[B],
    keys: &(impl KeySource + ?Sized),
    codecs: &CodecRegistry,
) -> Result<Table, ReadError> {
    let entries = manifest.body().blocks_of(intervals);
    let sealed = check_order(manifest, entries, blocks)?;
    let mut key: Option<(IntervalId, IntervalKey)> = None;
    let mut all: Option<Table> = None;
    for (entry, block) in entries.iter().zip(&sealed) {
        let index = entry.index;
        let key = match &mut key {
            Some((interval, key)) if *interval == entry.interval => key,
            empty => &mut empty.insert((entry.interval, checked_key(manifest, entry.interval, keys)?)).1,
        };
        let body = zeroize::Zeroizing::new(block.open(key).map_err(|source| ReadError::Sealed { index, source })?);
        let header = block.header();
        let rows =
            codecs.decode(header.codec, &body, header.count).map_err(|source| ReadError::Codec { index, source })?;
        let is_inside =
            |at_ms: &u64| at_ms.checked_sub(entry.start_ms).is_some_and(|since| since < manifest.body().period_ms);
        if !rows.timestamps_ms().iter().all(is_inside) {
            return Err(ReadError::Period { index });
        }
        match &mut all {
            None => all = Some(rows),
            Some(all) => all.append(&rows).map_err(|source| ReadError::Rows { index, source })?,
        }
    }
    all.ok_or(ReadError::NoBlocks)
}

/// [`read_blocks`] of an upload's object (or its beginning, as far as the blocks reach).
///
/// # Errors
/// As `read_blocks`, and [`ReadError::ObjectLength`].
pub fn read_object(
    manifest: &Manifest,
    intervals: Range<u32>,
    object: &[u8],
    keys: &(impl KeySource + ?Sized),
    codecs: &CodecRegistry,
) -> Result<Table, ReadError> {
    let place = |entry: &BlockEntry| {
        let start = usize::try_from(entry.offset).ok()?;
        object.get(start..start.checked_add(entry.length as usize)?)
    };
    let entries = manifest.body().blocks_of(intervals.clone()).iter();
    let blocks = entries.map(|entry| place(entry).ok_or(ReadError::ObjectLength { index: entry.index }));
    let blocks: Vec<_> = blocks.collect::<Result<_, _>>()?;
    read_blocks(manifest, intervals, &blocks, keys, codecs)
}

/// Are these the blocks of `entries`, in order? Names what is wrong first.
pub(crate) fn check_order<'a, B: AsRef<[u8]>>(
    manifest: &Manifest,
    entries: &[BlockEntry],
    blocks: &'a [B],
) -> Result<Vec<SealedBlock<'a>>, ReadError> {
    let stream = manifest.body().stream.digest();
    // Numbers of the blocks of this stream that are there, wherever they stand.
    let present: BTreeSet<u64> = blocks.iter().filter_map(|block| number(block.as_ref(), stream)).collect();
    let mut sealed: Vec<SealedBlock<'a>> = Vec::with_capacity(entries.len());
    for (place, entry) in entries.iter().enumerate() {
        let expected = entry.index;
        let Some(bytes) = blocks.get(place).map(AsRef::as_ref) else {
            return Err(ReadError::Missing { index: expected });
        };
        let cut = ReadError::Truncated { index: expected, expected: entry.length as usize, found: bytes.len() };
        let found = match number(bytes, stream) {
            Some(found) => found,
            None if SealedBlock::parse(bytes).is_ok() => return Err(ReadError::Foreign { expected }),
            None if bytes.len() < entry.length as usize => return Err(cut),
            None => return Err(ReadError::Changed { index: expected, what: "header" }),
        };
        if found != expected {
            let is_of_these = entries.iter().any(|entry| entry.index == found);
            return Err(if !is_of_these {
                ReadError::Foreign { expected }
            } else if sealed.iter().any(|block| block.header().index == found) {
                ReadError::Repeated { index: found }
            } else if present.contains(&expected) {
                ReadError::Swapped { expected, found }
            } else {
                ReadError::Missing { index: expected }
            });
        }
        if bytes.len() != entry.length as usize {
            return Err(cut);
        }
        let block = SealedBlock::parse(bytes).map_err(|_| ReadError::Changed { index: expected, what: "header" })?;
        check_entry(entry, &block).map_err(|what| ReadError::Changed { index: expected, what })?;
        if sealed.last().is_some_and(|last| last.hash() != block.header().previous) {
            return Err(ReadError::Chain { index: expected });
        }
        sealed.push(block);
    }
    match blocks.get(entries.len()).map(|extra| number(extra.as_ref(), stream)) {
        None => Ok(sealed),
        Some(Some(index)) if entries.iter().any(|entry| entry.index == index) => Err(ReadError::Repeated { index }),
        Some(_) => {
            Err(ReadError::Foreign { expected: entries.last().map_or(0, |entry| entry.index.saturating_add(1)) })
        }
    }
}

/// The number in a block's header, if it is of this stream; the rest may be cut.
fn number(bytes: &[u8], stream: Digest) -> Option<u64> {
    use cpchain_crypto::block::{BlockHeader, HEADER_LEN};
    let header = BlockHeader::from_bytes(bytes.get(..HEADER_LEN)?).ok()?;
    (header.stream == stream).then_some(header.index)
}

fn checked_key(
    manifest: &Manifest,
    interval: IntervalId,
    keys: &(impl KeySource + ?Sized),
) -> Result<IntervalKey, ReadError> {
    let key = keys.interval_key(interval).ok_or(ReadError::NoKey { interval })?;
    let published = manifest.body().intervals.iter().find(|entry| entry.interval == interval);
    if published.is_none_or(|entry| entry.key_commitment != key.commitment()) {
        return Err(ReadError::WrongKey { interval });
    }
    Ok(key)
}

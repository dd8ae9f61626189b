//! A page: what one query fetches. 2,304 bytes of entries, and the eight hashes that prove them.

use alloc::vec::Vec;

use super::parameters::{DEGREE, SLOT_BITS};
use crate::hash::{Digest, Domain};

const LEAF: Domain = Domain::new("cpchain/crypto/search/catalogue-page/v1");
const NODE: Domain = Domain::new("cpchain/crypto/search/catalogue-node/v1");

/// Hashes between a page and the root of its block.
pub(super) const PATH: usize = super::block::BLOCK_PAGES.trailing_zeros() as usize;
const PAGE: usize = DEGREE * SLOT_BITS as usize / 8;
/// Bytes of a page for entries.
pub(super) const PAYLOAD: usize = PAGE - 32 * PATH;

/// The entries of a page, packed; the rest is zero.
pub(super) type Payload = [u8; PAYLOAD];

/// Payload and path.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Page([u8; PAGE]);

impl Page {
    pub(super) fn new(payload: &Payload, path: &[Digest; PATH]) -> Self {
        let mut bytes = [0; PAGE];
        let all = payload.iter().chain(path.iter().flat_map(|digest| digest.as_bytes()));
        bytes.iter_mut().zip(all).for_each(|(to, byte)| *to = *byte);
        Self(bytes)
    }

    /// The payload, if it is page `number` of the block with this root.
    pub(super) fn open(&self, number: usize, root: Digest) -> Option<Payload> {
        let (payload, path) = self.0.split_first_chunk::<PAYLOAD>()?;
        let mut digest = leaf(payload);
        for (level, sibling) in path.as_chunks::<32>().0.iter().enumerate() {
            let sibling = Digest(*sibling);
            digest = if number >> level & 1 == 0 { node(digest, sibling) } else { node(sibling, digest) };
        }
        (digest == root).then_some(*payload)
    }

    /// Ten bits a coefficient, as numbers from −512 to 511, which add less noise than from 0 on.
    pub(super) fn to_coefficients(&self) -> [f64; DEGREE] {
        let mut out = [0.0; DEGREE];
        for (values, [a, b, c, d, e]) in out.as_chunks_mut::<4>().0.iter_mut().zip(self.0.as_chunks::<5>().0) {
            let [a, b, c, d, e] = [a, b, c, d, e].map(|byte| i16::from(*byte));
            let bits = [a | b << 8, b >> 2 | c << 6, c >> 4 | d << 4, d >> 6 | e << 2];
            *values = bits.map(|value| f64::from(value << (16 - SLOT_BITS) >> (16 - SLOT_BITS)));
        }
        out
    }

    /// The inverse, from what a ciphertext decrypts to: its upper ten bits, rounded.
    pub(super) fn from_phases(phases: &[u64]) -> Self {
        let mut bytes = [0; PAGE];
        for (to, values) in bytes.as_chunks_mut::<5>().0.iter_mut().zip(phases.as_chunks::<4>().0) {
            let values = values.map(|phase| phase.wrapping_add(1 << (63 - SLOT_BITS)) >> (64 - SLOT_BITS));
            let all = values.iter().rev().fold(0, |all, value| all << SLOT_BITS | value);
            to.iter_mut().zip(all.to_le_bytes()).for_each(|(to, byte)| *to = byte);
        }
        Self(bytes)
    }
}

fn leaf(payload: &Payload) -> Digest {
    Digest::of(LEAF, &[payload])
}

fn node(left: Digest, right: Digest) -> Digest {
    Digest::of(NODE, &[&left.0, &right.0])
}

/// The hashes over the pages of a block.
pub(super) struct Tree {
    /// The leaves, then what is above them, level by level; the last one is the root.
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    /// `payloads` are as many as a block has pages.
    pub(super) fn new(payloads: &[Payload]) -> Self {
        let mut levels = Vec::with_capacity(PATH + 1);
        let mut digests: Vec<Digest> = payloads.iter().map(leaf).collect();
        while digests.len() > 1 {
            let above = digests.as_chunks::<2>().0.iter().map(|[left, right]| node(*left, *right)).collect();
            levels.push(core::mem::replace(&mut digests, above));
        }
        levels.push(digests);
        Self { levels }
    }

    pub(super) fn root(&self) -> Digest {
        self.levels.last().and_then(|level| level.first()).copied().unwrap_or(Digest::ZERO)
    }

    /// The hashes beside the way from page `number` of the block to its root.
    pub(super) fn path(&self, number: usize) -> [Digest; PATH] {
        let mut path = [Digest::ZERO; PATH];
        for (level, (to, digests)) in path.iter_mut().zip(&self.levels).enumerate() {
            *to = digests.get(number >> level ^ 1).copied().unwrap_or(Digest::ZERO);
        }
        path
    }
}

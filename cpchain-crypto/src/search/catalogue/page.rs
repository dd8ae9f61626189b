//! A page: what one query fetches. 2,816 bytes of entries, and the eight hashes that prove them.

use alloc::vec::Vec;

use super::{
    lattice::Polynomial,
    parameters::{DEGREE, SLOT_BITS},
};
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

    /// Twelve bits a coefficient, as numbers from −2048 to 2047, which add less noise than from 0 on.
    pub(super) fn to_coefficients(&self) -> Polynomial {
        let mut out = [0; DEGREE];
        for (values, [a, b, c]) in out.as_chunks_mut::<2>().0.iter_mut().zip(self.0.as_chunks::<3>().0) {
            let (a, b, c) = (u64::from(*a), u64::from(*b), u64::from(*c));
            *values = [a | (b & 15) << 8, b >> 4 | c << 4].map(|value| ((value << 52) as i64 >> 52) as u64);
        }
        out
    }

    /// The inverse, from what a ciphertext decrypts to: its upper twelve bits, rounded.
    pub(super) fn from_phases(phases: &[u64]) -> Self {
        let mut bytes = [0; PAGE];
        for (to, values) in bytes.as_chunks_mut::<3>().0.iter_mut().zip(phases.as_chunks::<2>().0) {
            let [x, y] = values.map(|phase| phase.wrapping_add(1 << (63 - SLOT_BITS)) >> (64 - SLOT_BITS));
            *to = [x as u8, (x >> 8 | y << 4) as u8, (y >> 4) as u8];
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

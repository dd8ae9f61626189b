//! The numbers that every message names.

use core::fmt;

use cpchain_crypto::{Digest, Domain};

/// A height of the chain. Height 0 is genesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Height(pub u64);

/// A term: the heights that one validator set and one list of proposers are responsible for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Term(pub u64);

/// Which chain a message belongs to: a digest of its genesis. No signature of one chain counts on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainId(pub Digest);

impl Height {
    /// The height of genesis.
    pub const GENESIS: Self = Self(0);

    /// The next height.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Term {
    /// The next term.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl ChainId {
    /// The id of the chain with this name and genesis.
    pub fn new(name: &str, genesis: &[u8]) -> Self {
        const CHAIN: Domain = Domain::new("cpchain/consensus/chain-id/v1");
        Self(Digest::of(CHAIN, &[name.as_bytes(), genesis]))
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

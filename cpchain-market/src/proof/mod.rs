//! Clients that do not trust a market.
//!
//! A market answers with signed operations and where they stand. A client holds each answer against the chain, of which it knows two things, both
//! single keys of the chain's state that a light client reads with a certified proof: the current operation of a listing, and
//! for each block how many operations stand in it and a digest of them ([`BlockSeal`]).
//!
//! | a market | is found out by | test in `tests/proof.rs` |
//! | --- | --- | --- |
//! | makes a listing up, or changes one | the seller's signature, the chain's current operation | `a_forged_or_changed_listing_is_refused` |
//! | shows an old price, or what was withdrawn | the chain's current operation | `an_old_or_withdrawn_revision_is_refused` |
//! | shows what was not asked for | the query's own filters | `a_hit_that_the_query_does_not_admit_is_refused` |
//! | leaves operations out of its log, or adds some | the seal of the block | `a_block_with_an_operation_hidden_or_added_is_refused` |
//! | lets its searches pass a listing by | an [`audit`] of sampled blocks | `a_market_that_hides_a_listing_is_found_out` |
//!
//! An honest market answers by [`OwnMarket`] and passes all of it (`an_honest_market_passes`). What is not checked is the order of hits: which of two honest listings fits
//! a question better is an opinion.

mod own;

use cpchain_crypto::{Digest, Domain, Entropy, EntropyError};

pub use own::OwnMarket;

use crate::{
    catalog::{MAX_HITS, Query},
    listing::{Action, ListingError, ListingId, RevisionId, SignedOperation},
    log::{Cursor, LogError},
    units::Height,
};

const SEAL: Domain = Domain::new("cpchain/market/block-seal/v1");

/// The operations of one block, summed up by the chain: how many, and a digest over all of their bytes in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockSeal {
    /// How many.
    pub count: u32,
    /// Over all of them; zero for none.
    pub digest: Digest,
}

impl BlockSeal {
    /// The seal of a block without an operation.
    pub const EMPTY: Self = Self { count: 0, digest: Digest::ZERO };

    /// The seal after one more operation.
    #[must_use]
    pub fn with(self, operation: &[u8]) -> Self {
        let digest = Digest::of(SEAL, &[&self.count.to_be_bytes(), &self.digest.0, operation]);
        Self { count: self.count.saturating_add(1), digest }
    }

    /// The seal of these operations.
    ///
    /// ```
    /// use cpchain_market::proof::BlockSeal;
    /// let seal = BlockSeal::of([b"first".as_slice(), b"second"]);
    /// assert_eq!(seal, BlockSeal::EMPTY.with(b"first").with(b"second"));
    /// assert_ne!(seal, BlockSeal::of([b"second".as_slice(), b"first"]));
    /// assert_eq!(BlockSeal::from_bytes(&seal.to_bytes()), Some(seal));
    /// ```
    pub fn of<'a>(operations: impl IntoIterator<Item = &'a [u8]>) -> Self {
        operations.into_iter().fold(Self::EMPTY, Self::with)
    }

    /// As the chain keeps it: count (4 bytes, big endian) and digest.
    pub fn to_bytes(&self) -> [u8; 36] {
        let mut bytes = [0; 36];
        let (count, digest) = bytes.split_at_mut(4);
        count.copy_from_slice(&self.count.to_be_bytes());
        digest.copy_from_slice(&self.digest.0);
        bytes
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (count, digest) = bytes.split_first_chunk::<4>()?;
        Some(Self { count: u32::from_be_bytes(*count), digest: Digest::from_slice(digest)? })
    }
}

/// What the chain says of its listing log: read from a node of one's own, or proven to a light client.
pub trait ChainTruth {
    /// The seal of a final block; [`BlockSeal::EMPTY`] for one without operations.
    ///
    /// # Errors
    /// [`LogError::Unavailable`].
    fn seal(&self, height: Height) -> Result<BlockSeal, LogError>;

    /// The last operation on a listing, or on something wanted, withdrawals too.
    ///
    /// # Errors
    /// [`LogError::Unavailable`].
    fn current(&self, id: ListingId) -> Result<Option<RevisionId>, LogError>;
}

/// What a market shows of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The signed operation.
    pub bytes: Vec<u8>,
    /// Where it says that it stands.
    pub at: Cursor,
}

/// A market that somebody else runs, as its clients ask it. Nothing that it answers is believed.
pub trait RemoteMarket {
    /// The listings that fit best.
    ///
    /// # Errors
    /// [`LogError::Unavailable`].
    fn search(&self, query: &Query) -> Result<Vec<Shown>, LogError>;

    /// One listing.
    ///
    /// # Errors
    /// [`LogError::Unavailable`].
    fn listing(&self, id: ListingId) -> Result<Option<Shown>, LogError>;

    /// The operations of one block, in order.
    ///
    /// # Errors
    /// [`LogError::Unavailable`].
    fn block(&self, height: Height) -> Result<Vec<Vec<u8>>, LogError>;
}

/// Why a market's answer is refused. All but the first are proof of a fault: ask another market.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// Market or chain cannot be reached, which proves nothing.
    #[error(transparent)]
    Unavailable(#[from] LogError),
    /// Bytes that nobody signed.
    #[error("the market shows what nobody signed: {0}")]
    Forged(#[from] ListingError),
    /// The chain knows no such listing, a later revision, or another listing was asked for.
    #[error("the market shows another state of listing {0} than the chain")]
    NotCurrent(ListingId),
    /// A hit that the query's filters exclude, or more hits than were asked for.
    #[error("the market shows what was not asked for")]
    NotAsked,
    /// The operations of a block are not those of the chain.
    #[error("the market's block {0} is not the chain's: it hides or adds operations")]
    Block(Height),
    /// A listing that is up on the chain is not shown.
    #[error("the market hides listing {0}")]
    Hidden(ListingId),
}

/// Holds a shown listing against the chain. A withdrawal passes too: it is the true answer to a question for that listing.
///
/// # Errors
/// [`Distrust`].
pub fn check_listing(shown: &Shown, chain: &dyn ChainTruth) -> Result<SignedOperation, Distrust> {
    let operation = SignedOperation::from_bytes(&shown.bytes)?;
    let id = operation.listing_id();
    if chain.current(id)? == Some(operation.id()) { Ok(operation) } else { Err(Distrust::NotCurrent(id)) }
}

/// Holds every hit of a search against the chain and against what was asked.
///
/// # Errors
/// [`Distrust`].
pub fn check_hits(query: &Query, hits: &[Shown], chain: &dyn ChainTruth) -> Result<Vec<SignedOperation>, Distrust> {
    let checked: Vec<_> = hits.iter().map(|shown| check_listing(shown, chain)).collect::<Result<_, _>>()?;
    let asked = hits.len() <= query.limit && checked.iter().all(|operation| query.admits(operation));
    let ids: std::collections::BTreeSet<_> = checked.iter().map(SignedOperation::listing_id).collect();
    if asked && ids.len() == checked.len() { Ok(checked) } else { Err(Distrust::NotAsked) }
}

/// Holds the operations of a block against the chain's seal.
///
/// # Errors
/// [`Distrust`].
pub fn check_block(
    height: Height,
    operations: &[Vec<u8>],
    chain: &dyn ChainTruth,
) -> Result<Vec<SignedOperation>, Distrust> {
    if BlockSeal::of(operations.iter().map(Vec::as_slice)) != chain.seal(height)? {
        return Err(Distrust::Block(height));
    }
    SignedOperation::from_many(operations.iter().map(Vec::as_slice))
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(Distrust::from)
}

/// What an audit looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Audited {
    /// Blocks whose operations were compared with their seals.
    pub blocks: usize,
    /// Listings in them that are up, were asked for, and were searched for.
    pub listings: usize,
}

/// Looks whether a market hides anything of these blocks: their operations must be those of the chain, and every listing and wish in them that is still
/// as it stands there must be shown when it is asked for, and be found among what its seller offers at its price.
///
/// A market that hides a share `p` of all listings passes an audit of `n` of them with probability (1 − p)ⁿ.
///
/// # Errors
/// [`Distrust`], with the first fault.
pub fn audit(
    market: &dyn RemoteMarket,
    chain: &dyn ChainTruth,
    heights: impl IntoIterator<Item = Height>,
    now: Height,
) -> Result<Audited, Distrust> {
    let mut audited = Audited::default();
    for height in heights {
        for operation in check_block(height, &market.block(height)?, chain)? {
            let id = operation.listing_id();
            let is_row = matches!(
                operation.operation().action,
                Action::Publish(_) | Action::Update { .. } | Action::Withdraw { .. } | Action::Want(_)
            );
            if !is_row || chain.current(id)? != Some(operation.id()) {
                continue;
            }
            let shown = market.listing(id)?.ok_or(Distrust::Hidden(id))?;
            if check_listing(&shown, chain)?.id() != operation.id() {
                return Err(Distrust::NotCurrent(id));
            }
            let Some(query) = Query::for_listing(&operation, now) else { continue };
            let hits = market.search(&query)?;
            let found = check_hits(&query, &hits, chain)?.iter().any(|hit| hit.listing_id() == id);
            // A full answer may have left it out for want of room.
            if !found && hits.len() < MAX_HITS {
                return Err(Distrust::Hidden(id));
            }
            audited.listings += 1;
        }
        audited.blocks += 1;
    }
    Ok(audited)
}

/// `count` heights from 1 to `tip`, at random: what a market cannot foresee of an [`audit`]. The same may come twice.
///
/// # Errors
/// [`EntropyError`].
pub fn sample(tip: Height, count: usize, entropy: &mut dyn Entropy) -> Result<Vec<Height>, EntropyError> {
    let mut heights = Vec::with_capacity(count);
    for _ in 0..if tip.0 == 0 { 0 } else { count } {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes)?;
        let place = u128::from_be_bytes(bytes).checked_rem(u128::from(tip.0)).unwrap_or(0);
        heights.push(Height(place as u64 + 1));
    }
    Ok(heights)
}

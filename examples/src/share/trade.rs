//! What buyer and seller must see alike: prices, and the leaves that an order over several uploads names.

use std::{
    collections::HashMap,
    ops::Range,
    time::{SystemTime, UNIX_EPOCH},
};

use cpchain_consensus::ledger::LedgerView;
use cpchain_crypto::{Digest, Domain, merkle};
use cpchain_market::Amount;
use cpchain_storage::{StreamId, Voucher, manifest::VerifiedUpload};

use super::error::{During, ShareError};
use crate::adapters::chain::VoucherModule;

const MANIFESTS: Domain = Domain::new("cpchain/examples/manifests/v1");
const CPC: u128 = 1_000_000_000_000_000_000;

/// What each posting proxy gets for an order.
pub(crate) const FEE: Amount = Amount(CPC);
/// t of n proxies.
pub(crate) const THRESHOLD: (u8, u8) = (2, 3);

/// What the seller asks for one interval.
pub(crate) const fn price_per_interval() -> Amount {
    Amount(5 * CPC)
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The Merkle leaves of an upload, in order.
pub(crate) fn leaves(upload: &VerifiedUpload<'_>) -> Vec<Digest> {
    let places = upload
        .blocks()
        .iter()
        .flat_map(|block| block.leaves().zip(0u32..).map(move |(sealed, leaf)| (block, leaf, sealed)));
    places
        .zip(upload.commitments())
        .map(|((block, leaf, sealed), commitment)| commitment.merkle_leaf(block.header(), leaf, sealed))
        .collect()
}

/// What an order over `intervals` names when they lie in several uploads: a digest of the manifests' hashes, and the root over
/// all leaves of these uploads, in order. `leaves` are known by manifest hash; a manifest without leaves there has no part in the
/// range.
///
/// Each side computes it from its own copy; the vouchers on the chain say which manifests there are.
pub(crate) fn combined_root(
    chain: &LedgerView,
    stream: &StreamId,
    intervals: &Range<u32>,
    leaves: &HashMap<Digest, Vec<Digest>>,
) -> Result<(Digest, Digest, u64), ShareError> {
    let uploads = intervals.start / super::source::INTERVALS_PER_UPLOAD
        ..=(intervals.end.max(1) - 1) / super::source::INTERVALS_PER_UPLOAD;
    let mut manifests = Vec::new();
    let mut builder = merkle::RootBuilder::default();
    let mut count = 0;
    for upload in uploads {
        let voucher = chain.get(VoucherModule::KIND, &VoucherModule::key(&stream.digest(), u64::from(upload)));
        let voucher = Voucher::decode(voucher.during("looking for a voucher")?).during("reading a voucher")?;
        let leaves = leaves.get(&voucher.body().manifest).during("looking for the leaves of a manifest")?;
        leaves.iter().for_each(|leaf| builder.push(*leaf));
        count += leaves.len() as u64;
        manifests.push(voucher.body().manifest);
    }
    let hashes: Vec<&[u8]> = manifests.iter().map(|hash| hash.as_bytes().as_slice()).collect();
    Ok((Digest::of(MANIFESTS, &hashes), builder.root(), count))
}

//! Listing operations on the chain.

use cpchain_consensus::ledger::{Call, Context, Module, ModuleError};
use cpchain_market::listing::{
    ListingId, SignedOperation,
    rule::{Known, decide},
};

use super::refuse;

/// Takes signed listing operations from anybody's transaction: the seller's signature inside is what counts.
///
/// State: listing id → its current operation. Every accepted operation is an event, read by the markets.
pub struct ListingModule;

impl ListingModule {
    /// The kind of its transactions.
    pub const KIND: &'static str = "listing";

    /// The state key of a listing's current operation.
    pub fn key(listing: &ListingId) -> [u8; 32] {
        listing.0.0
    }
}

impl Module for ListingModule {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn check(&self, payload: &bytes::Bytes) -> Result<(), ModuleError> {
        SignedOperation::from_bytes(payload).map(drop).map_err(refuse)
    }

    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        let operation = SignedOperation::from_bytes(call.payload()).map_err(refuse)?;
        let key = Self::key(&operation.listing_id());
        let current = context.get(&key).map(|bytes| SignedOperation::from_bytes(&bytes)).transpose().map_err(refuse)?;
        decide(current.as_ref().map(Known::from).as_ref(), &operation).map_err(refuse)?;
        context.put(&key, call.payload())?;
        context.emit(call.payload().clone())
    }
}

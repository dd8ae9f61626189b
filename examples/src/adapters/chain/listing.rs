//! Listing operations on the chain, and what buyers and sellers say beside them.

use bytes::Bytes;
use cpchain_consensus::ledger::{Call, Context, LedgerView, Module, ModuleError};
use cpchain_crypto::{Digest, PublicKey};
use cpchain_market::{
    Cursor, Height, LogError,
    book::{
        ChainRecord, Fact, FactKey, Placed, PreviewDraw, Trade,
        rule::{self, Refusal, View},
    },
    listing::{Action, ListingId, RevisionId, SignedOperation},
    proof::{BlockSeal, ChainTruth},
};

use super::{escrow::ended, record_event, refuse};

/// Takes signed operations from anybody's transaction: the signature inside is what counts. The rule is the
/// [market's](cpchain_market::book::rule), over what the escrow knows of each order.
///
/// State: listing id → its current operation; `fact/` → answers, previews, and the orders that were rated; `draw/height/…` → previews that
/// the end of that block draws; `seal/height` → what a client holds a market's block against. Every accepted operation is an event, read by the markets, and so is every draw.
pub struct ListingModule;

const SEAL: &[u8] = b"seal/";
const FACT: &[u8] = b"fact/";
const DRAW: &[u8] = b"draw/";

impl ListingModule {
    /// The kind of its transactions.
    pub const KIND: &'static str = "listing";

    /// The state key of a listing's current operation.
    pub fn key(listing: &ListingId) -> [u8; 32] {
        listing.0.0
    }

    /// The state key of a block's [seal](BlockSeal): absent for a block without operations.
    pub fn seal_key(height: u64) -> Vec<u8> {
        [SEAL, &height.to_be_bytes()].concat()
    }

    /// The state key of an answer, a preview, or a rated order.
    pub fn fact_key(key: &FactKey) -> Vec<u8> {
        [FACT, &key.to_bytes()].concat()
    }
}

impl Module for ListingModule {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn check(&self, payload: &Bytes) -> Result<(), ModuleError> {
        SignedOperation::from_bytes(payload).map(drop).map_err(refuse)
    }

    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        let operation = SignedOperation::from_bytes(call.payload()).map_err(refuse)?;
        let height = context.height().0;
        let (id, signer) = (operation.listing_id(), operation.operation().seller);
        let offered = match &operation.operation().action {
            Action::OfferPreview(offer) => Some(offer.manifest),
            _ => None,
        };
        let at = Cursor { height: Height(height), index: 0 };
        let changes = rule::operation(operation, at, &Known(context)).map_err(|refusal| match refusal {
            Refusal::Skip(skip) => refuse(skip),
            Refusal::Unknown(error) => error,
        })?;
        if changes.entry.is_some() {
            context.put(&Self::key(&id), call.payload())?;
        }
        for (key, fact) in &changes.facts {
            // Totals are for the markets to add up.
            if matches!(key, FactKey::Answer(..) | FactKey::Preview(..) | FactKey::Trade(_)) {
                context.put(&Self::fact_key(key), fact.to_bytes())?;
            }
        }
        if let Some(manifest) = offered {
            context.put(&draw_key(height.saturating_add(1), &signer, &manifest), [])?;
        }
        let sealed = Self::seal_key(height);
        let seal = context.get(&sealed).and_then(|bytes| BlockSeal::from_bytes(&bytes)).unwrap_or(BlockSeal::EMPTY);
        context.put(&sealed, seal.with(call.payload()).to_bytes())?;
        context.emit(call.payload().clone())
    }

    fn end_of_block(&self, context: &mut Context<'_>) -> Result<(), ModuleError> {
        let now = context.height().0;
        for (key, _) in context.scan(DRAW, None, usize::MAX) {
            let Some((height, seller, manifest)) = draw_of(&key) else { break };
            if height > now {
                break;
            }
            context.remove(&key);
            let draw = PreviewDraw { seller, manifest, randomness: context.randomness() };
            let record = ChainRecord::Draw(draw);
            let at = Cursor { height: Height(now), index: 0 };
            let Ok(changes) = rule::record(&record, at, &Known(context)) else { continue };
            for (key, fact) in &changes.facts {
                context.put(&Self::fact_key(key), fact.to_bytes())?;
            }
            context.emit(record_event(&record))?;
        }
        Ok(())
    }
}

/// The chain's state as the rule asks for it.
struct Known<'a, 'b>(&'a Context<'b>);

impl View for Known<'_, '_> {
    type Error = ModuleError;

    fn entry(&self, id: ListingId) -> Result<Option<Placed>, ModuleError> {
        let operation = self.0.get(&ListingModule::key(&id)).map(|bytes| SignedOperation::from_bytes(&bytes));
        Ok(operation.transpose().map_err(refuse)?.map(|operation| Placed { operation, at: Cursor::START }))
    }

    fn fact(&self, key: FactKey) -> Result<Option<Fact>, ModuleError> {
        if let Some(bytes) = self.0.get(&ListingModule::fact_key(&key)) {
            return Fact::from_bytes(&key, &bytes).map(Some).map_err(refuse);
        }
        // An order that nobody has rated is known to the escrow alone.
        let FactKey::Trade(id) = key else { return Ok(None) };
        Ok(ended(self.0, &id)?.map(|record| Fact::Trade(Box::new(Trade { record, at: Cursor::START, rated: None }))))
    }
}

fn draw_key(height: u64, seller: &PublicKey, manifest: &Digest) -> Vec<u8> {
    [DRAW, &height.to_be_bytes(), &seller.0, &manifest.0].concat()
}

fn draw_of(key: &[u8]) -> Option<(u64, PublicKey, Digest)> {
    let (height, rest) = key.strip_prefix(DRAW)?.split_first_chunk::<8>()?;
    let (seller, manifest) = rest.split_first_chunk::<32>()?;
    Some((u64::from_be_bytes(*height), PublicKey(*seller), Digest::from_slice(manifest)?))
}

/// What a node's own ledger says of the listing log. A light client reads the same two keys with certified proofs.
pub struct LedgerTruth<'a>(pub &'a LedgerView);

impl ChainTruth for LedgerTruth<'_> {
    fn seal(&self, height: Height) -> Result<BlockSeal, LogError> {
        match self.0.get(ListingModule::KIND, &ListingModule::seal_key(height.0)) {
            None => Ok(BlockSeal::EMPTY),
            Some(bytes) => BlockSeal::from_bytes(&bytes).ok_or_else(|| unreadable("a seal")),
        }
    }

    fn current(&self, id: ListingId) -> Result<Option<RevisionId>, LogError> {
        let bytes = self.0.get(ListingModule::KIND, &ListingModule::key(&id));
        let operation = bytes.map(|bytes| SignedOperation::from_bytes(&bytes)).transpose();
        Ok(operation.map_err(|_| unreadable("a listing"))?.map(|operation| operation.id()))
    }
}

fn unreadable(what: &str) -> LogError {
    LogError::Unavailable(format!("the ledger holds {what} that this build does not read"))
}

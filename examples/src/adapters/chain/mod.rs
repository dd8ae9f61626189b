//! Records of the other crates as kinds of transactions of the ledger.

mod escrow;
mod listing;
mod names;
mod voucher;

pub use {
    escrow::{EscrowModule, EscrowNotice, StakeCommand, burn_account, read_order, read_stream_order},
    listing::{LedgerTruth, ListingModule},
    names::{LabelModule, RegistrationModule, RevocationModule},
    voucher::VoucherModule,
};

use bytes::Bytes;
use cpchain_consensus::ledger::{LedgerBuilder, ModuleError};
use cpchain_market::{book::ChainRecord, escrow::Rules};

use super::UmbralJudge;

/// First byte of an event that the chain itself has to say to the markets: no version of an operation or notice.
const RECORD: u8 = 0;

fn record_event(record: &ChainRecord) -> Bytes {
    [&[RECORD], record.to_bytes().as_slice()].concat().into()
}

/// The bytes of a [`ChainRecord`] in an event of the listing or the escrow module, if it is one.
pub fn record_of(event: &[u8]) -> Option<&[u8]> {
    event.split_first().filter(|(tag, _)| **tag == RECORD).map(|(_, record)| record)
}

/// A ledger that knows vouchers, listings, names and orders: the chain of a market.
///
/// ```
/// use cpchain_consensus::ledger::{Genesis, Ledger};
/// use cpchain_examples::adapters::chain::{EscrowModule, with_market};
/// let genesis = Genesis::new();
/// let ledger = with_market(Ledger::builder(genesis.chain_id("x"), genesis), Default::default()).build()?;
/// assert!(ledger.view().get(EscrowModule::<()>::KIND, b"order/").is_none());
/// # Ok::<(), cpchain_consensus::ledger::GenesisError>(())
/// ```
pub fn with_market(ledger: LedgerBuilder, rules: Rules) -> LedgerBuilder {
    ledger
        .module(VoucherModule)
        .module(ListingModule)
        .module(RegistrationModule)
        .module(LabelModule)
        .module(RevocationModule)
        .module(EscrowModule::new(rules, UmbralJudge))
}

/// A module's refusal with the reason of the crate that the record belongs to.
fn refuse<E: ToString>(error: E) -> ModuleError {
    ModuleError::refused(error)
}

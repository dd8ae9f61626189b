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
use cpchain_consensus::ledger::ModuleError;
use cpchain_market::book::ChainRecord;

/// First byte of an event that the chain itself has to say to the markets: no version of an operation or notice.
const RECORD: u8 = 0;

fn record_event(record: &ChainRecord) -> Bytes {
    [&[RECORD], record.to_bytes().as_slice()].concat().into()
}

/// The bytes of a [`ChainRecord`] in an event of the listing or the escrow module, if it is one.
pub fn record_of(event: &[u8]) -> Option<&[u8]> {
    event.split_first().filter(|(tag, _)| **tag == RECORD).map(|(_, record)| record)
}

/// A module's refusal with the reason of the crate that the record belongs to.
fn refuse<E: ToString>(error: E) -> ModuleError {
    ModuleError::refused(error)
}

//! Records of the other crates as kinds of transactions of the ledger.

mod escrow;
mod listing;
mod names;
mod voucher;

pub use {
    escrow::{EscrowModule, EscrowNotice, StakeCommand, burn_account, read_order},
    listing::ListingModule,
    names::{LabelModule, RegistrationModule, RevocationModule},
    voucher::VoucherModule,
};

use cpchain_consensus::ledger::ModuleError;

/// A module's refusal with the reason of the crate that the record belongs to.
fn refuse<E: ToString>(error: E) -> ModuleError {
    ModuleError::refused(error)
}

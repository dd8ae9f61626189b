//! Reading applications and leases from other tasks.

use cpchain_crypto::PublicKey;

use super::{
    super::{transaction::AccountId, view::LedgerView},
    Developers,
    module::lease_key,
    quota::{day_key, day_of, sponsor_key, used, user_key},
    record::{Lease, LeaseId, Sponsor},
};

/// A handle for reading [`Developers`]: cheap to clone, usable from any task.
#[derive(Debug, Clone)]
pub struct DeveloperView(LedgerView);

impl DeveloperView {
    /// The applications of a ledger.
    pub const fn new(ledger: LedgerView) -> Self {
        Self(ledger)
    }

    /// The application of a developer.
    pub fn sponsor(&self, developer: &AccountId) -> Option<Sponsor> {
        Sponsor::from_slice(&self.0.get(Developers::KIND, &sponsor_key(developer))?)
    }

    /// The developer of the application that an account is a user of.
    pub fn application_of(&self, user: &AccountId) -> Option<AccountId> {
        PublicKey::from_slice(&self.0.get(Developers::KIND, &user_key(user))?)
    }

    /// Transactions that an application paid for in the day of the next block, for days of so many heights.
    pub fn used(&self, developer: &AccountId, day: u64) -> u64 {
        let today = day_of(self.0.height().next(), day);
        self.0.get(Developers::KIND, &day_key(developer)).and_then(|value| used(&value, today)).unwrap_or(0)
    }

    /// A lease that its owner has not reclaimed.
    pub fn lease(&self, id: LeaseId) -> Option<Lease> {
        Lease::from_slice(&self.0.get(Developers::KIND, &lease_key(id))?)
    }
}

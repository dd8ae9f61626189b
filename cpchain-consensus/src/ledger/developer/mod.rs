//! Developers of applications pay for their users (white paper 4): with what they hold, or lease, not transaction by transaction.
//!
//! An application is the account of its developer, and the kinds of transactions that it pays for. What its developer locks here, and what
//! others lease to it, gives it a number of transactions a day; its users' transactions of those kinds use that up before their own free
//! ones. Beyond it they count as everyone's ([`Fees`](super::Fees)): a transaction names no application, and does not change.
//!
//! # Rules, and the tests that hold them (`tests/ledger_developer.rs`)
//! - One transaction a day for each [`Resources::each`] that is held or leased; past that the user pays
//!   (`a_day_has_what_the_developer_holds`).
//! - A user belongs to one application: one that it joined, if that is open to all, or that enrolled it while it had none. It leaves when it
//!   wants, and may be expelled (`users_come_and_go`).
//! - No user takes more than its share of a day, also through several applications, and all together take no more than the day has, whoever they are: a flood costs an application
//!   its quota of that day, never money, and a closed one not even that (`a_flood_of_users_takes_no_more_than_the_day`).
//! - Money counts once a day: what was used today stays, and a lease ends with a day
//!   (`what_was_used_today_stays`, `a_lease_ends_with_a_day`).
//! - A lease is money of its owner, locked for one developer up to a height. It counts once the developer has accepted and paid the
//!   price, which goes to the owner; the owner has its money back before that, or after the end (`a_lease_is_paid_and_returned`).
//! - A transaction costs one look at its application, whose leases are at most [`MAX_LEASES`]. Money is conserved and ledgers agree,
//!   whatever is sent (`random_leases_conserve_money`).
//!
//! | in the space `developer` | value |
//! | --- | --- |
//! | `settings` | what the chain agreed on at genesis |
//! | `a`, developer | the [`Sponsor`] |
//! | `d`, developer | day (8), transactions of its users in it (8) |
//! | `j`, user | its developer (32) |
//! | `t`, user | day (8), transactions that applications paid for in it (8) |
//! | `n` | how many leases there were (8) |
//! | `l`, lease | the [`Lease`] |
//! | vault `h`, developer | what it holds |
//! | vault `l`, lease | what is leased |
//!
//! Numbers are big-endian.
//!
//! ```
//! use cpchain_consensus::ledger::{Amount, Fees, Genesis, Ledger, developer::{DeveloperView, Resources}};
//! let (fees, resources) = (Fees::default(), Resources::default());
//! let genesis = resources.found(fees.found(Genesis::new()));
//! let ledger = Ledger::builder(genesis.chain_id("example"), genesis).fees(fees).developers(resources).build()?;
//! assert_eq!(DeveloperView::new(ledger.view()).sponsor(&cpchain_crypto::PublicKey([1; 32])), None);
//! # Ok::<(), cpchain_consensus::ledger::GenesisError>(())
//! ```

mod call;
mod module;
mod quota;
mod record;
mod view;

use super::{amount::Amount, genesis::Genesis};

pub use {
    call::{DeveloperCall, MAX_KINDS},
    module::Developers,
    record::{Lease, LeaseId, MAX_LEASES, Sponsor},
    view::DeveloperView,
};

/// What resources cost on a chain; equal on all its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    /// What must be held or leased for each transaction a day; zero counts as the smallest amount.
    pub each: Amount,
}

impl Default for Resources {
    /// 10 CPC.
    fn default() -> Self {
        Self { each: Amount::cpc(10) }
    }
}

impl Resources {
    /// A genesis whose id commits to it.
    #[must_use]
    pub fn found(&self, genesis: Genesis) -> Genesis {
        genesis.entry(Developers::KIND, b"settings", self.each.to_bytes().to_vec())
    }
}

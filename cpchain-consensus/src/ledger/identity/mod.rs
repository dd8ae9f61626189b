//! Identities on the ledger (white paper 3.1.4): which key speaks for whom, and which gateway for which device.
//!
//! An identity is the `did:key` of its first key, and needs nobody's leave: it is on the ledger from its first record on, before that its
//! first key speaks. The records are those of [`cpchain_crypto::identity`], as signed there; a transaction of kind [`Identities::KIND`] carries
//! one of them, byte for byte. **Whoever pays may send it**: what counts is the record's own signature, so a gateway brings in the
//! records of devices that have no account.
//!
//! # Rules, and the tests that hold them (`tests/ledger_identity.rs`)
//! - The ledger takes the next key record of an identity, by the key that speaks, and so comes to what
//!   [`KeyHistory`](cpchain_crypto::identity::KeyHistory) comes to (`the_ledger_folds_as_a_key_history_does`). Of two statements of one sequence it takes the
//!   first and refuses the other, so there is no fork to judge (`of_two_statements_the_first_counts`).
//! - After a revocation nothing follows, and a key never comes back (`a_revoked_identity_stays_revoked`, `a_key_never_comes_back`).
//! - A delegation counts if the controller's present key signed it and its number is above all before it; a withdrawal if it ends more than those
//!   before it (`delegations_are_numbered`, `a_withdrawal_ends_what_it_names`).
//! - A device is found with all who were ever bound to it (`a_device_leads_to_its_gateways`).
//! - No record costs more than its own size: nothing walks over a history.
//!
//! The ledger has heights and no clock. A record says from when it holds in milliseconds; when the ledger took it is a height
//! ([`KeyStanding::height`]). Judge what was signed by the height at which *it* was seen.
//!
//! ```
//! use cpchain_consensus::ledger::{Amount, Genesis, Ledger, identity::{Identities, IdentityView}};
//! use cpchain_crypto::{Did, Signer, SigningKey};
//!
//! let device = SigningKey::from_seed(&[1; 32]);
//! let genesis = Genesis::new().account(device.public_key(), Amount::cpc(1));
//! let ledger = Ledger::builder(genesis.chain_id("example"), genesis).module(Identities).build()?;
//! let identities = IdentityView::new(ledger.view());
//! let standing = identities.standing(Did::from(device.public_key()));
//! assert_eq!(standing.speaker().map(|speaker| speaker.key()), Ok(device.public_key()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod module;
mod view;

pub use crate::proof::{KeyStanding, MalformedStanding};
pub use {
    module::Identities,
    view::{Binding, IdentityView},
};

//! Adapters between the crates, each short enough to copy.
//!
//! The four upper crates do not know each other; what one needs from a neighbour it asks for as a trait of its own. Here
//! these traits are met.
//!
//! | trait | of | met with |
//! | --- | --- | --- |
//! | `Module` (voucher, listing, escrow, names) | consensus | [`chain`]: records of storage, market and otp as kinds of transactions |
//! | `ListingLog` | market | [`ChainListingLog`]: the ledger's events |
//! | `ChainTruth` | market | [`chain::LedgerTruth`]: two keys of the ledger's state |
//! | `FragmentVerifier` | market | [`UmbralJudge`]: Umbral and sealed boxes of crypto |
//! | `VoucherSink` | storage | [`ChainClient`] |
//! | `Registry`, `GrantSource` | otp | [`ChainRegistry`]: the ledger's state |
//! | `ObjectSource` | otp | [`DhtObjects`]: the client of storage |
//! | `Service` | otp | [`SearchService`]: the search engines of crypto |

pub mod chain;
mod client;
mod dht_objects;
mod listing_log;
mod market;
mod registry;
mod search_gate;
mod search_service;
mod umbral;
mod voucher_sink;

pub use {
    client::{ChainClient, ChainClientError},
    dht_objects::DhtObjects,
    listing_log::{ChainListingLog, read_listing_log},
    market::{Market, MarketError, Standing},
    registry::ChainRegistry,
    search_gate::SearchLimits,
    search_service::SearchService,
    umbral::{
        GrantedFragment, UmbralJudge, fragment_bundle, granted_fragments, open_bundle, prove_bundle, seal_bundle,
    },
};

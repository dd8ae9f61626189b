//! Describe, find, price and exchange data fairly.
//!
//! | you want to | take |
//! | --- | --- |
//! | put data up for sale | [`listing::Operation::sign`], then [`sync::Publisher::enqueue`] |
//! | check what somebody else put up | [`listing::SignedOperation::from_bytes`] |
//! | keep a catalogue of all that is for sale | [`sync::Follower`] into a [`catalog::Catalog`] |
//! | know who sold and bought what, and what buyers say of it | [`catalog::Catalog::account`], [`catalog::Catalog::history`], [`book`] |
//! | search it in natural language | [`catalog::Catalog::search`] with a [`catalog::Query`] |
//! | use a market that somebody else runs | [`proof::check_hits`], [`proof::audit`] |
//! | exchange data for money without trusting anybody | [`escrow::Order`] |
//!
//! Nobody registers and no market operator is needed: every operation is signed, the chain orders them, and each
//! market builds the same catalogue from it.
//!
//! # What an integrator implements
//!
//! | trait | is | embedded |
//! | --- | --- | --- |
//! | [`ListingLog`] | the chain as an ordered log of listing operations | [`MemoryLog`], for one process |
//! | [`catalog::Catalog`] | rows, cursor and search | `TantivyCatalog` (feature `catalog`) |
//! | [`proof::ChainTruth`], [`proof::RemoteMarket`] | the chain, and a foreign market, as a client asks them | – |
//! | [`escrow::FragmentVerifier`] | the re-encryption scheme as the judge needs it | – |
//!
//! The escrow performs nothing itself: the chain's module keeps [`escrow::Order::to_bytes`] in its key-value space and performs
//! the [`escrow::Effect`]s on its balances.
//!
//! # A market in a few lines
//!
//! ```
//! use cpchain_crypto::{Digest, Signer, SigningKey};
//! use cpchain_market::{
//!     Amount, MemoryLog,
//!     listing::{Action, Listing, Operation, Unit},
//!     sync::Publisher,
//! };
//! let dir = tempfile::tempdir()?;
//! let (log, seller) = (MemoryLog::default(), SigningKey::from_seed(&[1; 32]));
//! let listing = Listing {
//!     title: "Hourly weather of Seattle".into(), description: "Temperature and wind".into(),
//!     tags: vec!["weather".into()], category: "climate".into(), price: Amount(5), unit: Unit::Interval,
//!     period_ms: 3_600_000, from_ms: 1_262_304_000_000, to_ms: 0, samples: vec![], uri: String::new(),
//!     proxies: vec![], stream: Digest([1; 32]), manifest: None, created_ms: 1_700_000_000_000,
//! };
//! let signed = Operation { seller: seller.public_key(), sequence: 0, action: Action::Publish(listing) }.sign(&seller)?;
//!
//! let mut publisher = Publisher::open(dir.path().join("outbox"))?;
//! publisher.enqueue(&signed)?;
//! publisher.step(&log)?;
//! log.seal_block();
//! assert_eq!(publisher.step(&log)?.confirmed.len(), 1);
//!
//! # #[cfg(feature = "catalog")] {
//! // Any market, anywhere:
//! use cpchain_market::{catalog::{Catalog, Query, TantivyCatalog}, sync::Follower};
//! let mut catalog = TantivyCatalog::open(dir.path().join("catalog"))?;
//! Follower::default().catch_up(&log, &mut catalog)?;
//! let hits = catalog.search(&Query::new("wind and temperature in Seattle"))?;
//! assert_eq!(hits[0].id, signed.listing_id());
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! | feature | adds |
//! | --- | --- |
//! | `catalog` (default) | the embedded catalogue, over tantivy and sled; without it the crate is listings, synchronisers and escrow |

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod book;
pub mod catalog;
pub mod escrow;
pub mod listing;
mod log;
mod memory_log;
pub mod proof;
pub mod sync;
mod units;
mod wire;

pub use log::{Cursor, ListingLog, LogEntry, LogError, Origin, Page};
pub use memory_log::MemoryLog;
pub use units::{Amount, Height};

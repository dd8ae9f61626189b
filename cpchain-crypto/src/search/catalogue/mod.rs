//! The catalogue lookup (engine B): one entry of a public table, by its number or a keyword. The host does not learn which; the reader needs no key and downloads nothing first.
//!
//! # The table
//! A [`CataloguePublisher`] packs entries of one length into **pages** of 2,560 bytes. A page ends with the eight hashes that lead to the root of its **block** of 256 pages; a
//! hash over the roots of all blocks stands in the [`Listing`], 86 bytes that the publisher makes known with a version number. 2,304 bytes of a page
//! are entries: 72 of 32 bytes. An entry may fill a page; what is longer goes to a store, and its hash into the catalogue. By [`Layout::Keyword`] a
//! public hash of the [`Term`](super::Term) names the page, and 16 bytes more of it tell the entry from others; half of such pages stays empty, so that
//! chance overfills none.
//!
//! # The query
//! Pages are polynomials with 10 bits a coefficient, in 64 rows and as many columns as it takes. The reader encrypts which row it wants: eight GLWE ciphertexts that the host expands
//! to 64 **selectors** (encryptions of 0, and of 1 for the row) with **evaluation keys** that the reader sent once. The host adds up page times selector in each column; what remains
//! is the wanted row, encrypted. Then it folds the columns in half, bit by bit, by encrypted bits of the column's number (GGSW), until one ciphertext is left.
//! The reader decrypts it, and checks the hashes. (Chillotti, Gama, Georgieva, Izabachène: *TFHE*, 2016; Angel, Chen, Laine, Setty: *PIR with compressed queries*, 2018; Menon, Wu: *Spiral*, 2022.)
//!
//! The host keeps the pages transformed (Fourier), so that a product takes one multiplication a coefficient: five bytes of memory for each byte of a page.
//!
//! | for 2²⁰ entries of 32 bytes | |
//! | --- | --- |
//! | at rest; in the host's memory | 2,304 bytes a page; 12 KiB a page: 171 MiB |
//! | evaluation keys, once for each host | 324 KiB |
//! | query | 264 KiB: 80 KiB of rows, 23 KiB for each of the 8 bits of the column |
//! | answer | 12.9 KiB: 11 KiB, and 32 bytes for each block |
//! | host | 14,592 pages times selectors, 56 key switches, 227 foldings |
//! | publishing 1 entry anew | the pages of its block: 256 transforms |
//!
//! `cargo run --release --bin lab -- search` measures all of it.
//!
//! Tried, and without gain: pages in five bytes a number (the rounding meets the whole turns of the phases: little more than one standard deviation is left), pages of 11 bits
//! a coefficient (7.6 standard deviations are left at 2¹³¹), gathering the columns of a block together before the fold, prefetching from further ahead or past the caches.
//!
//! # What is guaranteed, and the tests that hold it
//! - Answers are exact (`entries_by_position`, `entries_by_keyword`, `random_lookups`). A page is read wrong with a probability estimated at 2⁻⁹⁷ for the worst table, which would be noticed
//!   (`the_failure_is_this_unlikely`); measured noise stays more than 18 standard deviations from the threshold (`noise_stays_far_from_the_threshold`).
//! - **A false answer is refused**, and so is one of an old version: the page proves itself against the listing, entry by entry, and the absence of a term is as proven as its presence, for its
//!   page is shown whole (`a_host_that_lies_is_seen`, `versions_are_told_apart`). A host refuses an update that does not lead to the listing (`a_false_update_changes_nothing`).
//! - The host learns that a reader asks, how often, and of which version. Queries and answers of one version have one length each, and the work is the same
//!   (`lengths_do_not_depend_on_the_question`). Breaking a query is estimated in [`ParameterSet`]; that keys encrypt images of their own secret is assumed to be harmless, as all of this kind do.
//! - **After a refused answer the secret asks nothing more** ([`SearchError::Spent`](super::SearchError::Spent)), because a host that forges answers and sees which are refused learns about it
//!   (`a_refused_answer_retires_the_secret`). Ask another host after [`renew`](CatalogueClient::renew), and do not tell the first.
//! - An answer to another question, or of a host that lost part of the table, is refused, too (`a_replayed_answer_is_refused`, `a_truncated_table_is_refused`).
//! - Every query is encrypted anew, and is worth one answer (`no_query_repeats`). Unlike the other engines the secret stays, so a host can tell that queries come from one reader, until that renews.
//! - Hosts bound what strangers make them keep and compute: clients, new keys a minute, blocks; a query has one length and costs the same (`keys_are_bounded`).
//!   Malformed bytes are errors, and a length is checked before memory is taken for it (`decoders_take_any_bytes`, `decoders_take_changed_bytes`). All bytes are pinned (`bytes_are_these`).
//! - A host that restarts answers as before; only hashes and transforms are computed anew (`stored_states_answer_as_before`).
//!
//! Not hidden: the entries, from anyone. Not provided: who may publish. Where listings are published, they are to be signed.
//!
//! ```
//! use cpchain_crypto::{SystemEntropy, search::{SearchClient, SearchServer, Term}};
//! use cpchain_crypto::search::catalogue::{
//!     Catalogue, CatalogueClient, CataloguePublisher, CatalogueServer, KeyLimits, Layout, Wanted,
//! };
//!
//! // The publisher.
//! let mut publisher = CataloguePublisher::new(Catalogue::new(b"cities", Layout::Keyword, 4)?);
//! let update = publisher.insert(&[(Term::new("city", b"Bonn"), b"0228"), (Term::new("city", b"Ulm"), b"0731")], 100)?;
//! let listing = publisher.listing();
//!
//! // The host.
//! let mut host = CatalogueServer::new(listing.catalogue(), 1, KeyLimits::default());
//! host.apply(&update)?;
//!
//! // The reader.
//! let mut entropy = SystemEntropy;
//! let mut client = CatalogueClient::new(listing, &mut entropy)?;
//! host.register(client.evaluation_keys(), 0)?;
//! let (query, pending) = client.query(&Wanted::Keyword(Term::new("city", b"Ulm")), &mut entropy)?;
//! assert_eq!(client.decode(pending, &host.answer(&query)?)?.as_deref(), Some(&b"0731"[..]));
//! # Ok::<(), cpchain_crypto::search::SearchError>(())
//! ```

mod block;
mod client;
mod expand;
mod fold;
mod gadget;
mod kernel;
mod keys;
mod lattice;
mod listing;
mod page;
mod parameters;
mod posted;
mod publisher;
mod server;
mod table;
#[cfg(test)]
mod tests;
mod wire;

pub use {
    client::{CatalogueClient, Pending, Wanted},
    keys::KeyLimits,
    listing::{Catalogue, Layout, Listing},
    parameters::ParameterSet,
    publisher::CataloguePublisher,
    server::{CatalogueServer, Stage},
};

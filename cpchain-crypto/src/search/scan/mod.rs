//! The predicate scan: exact questions about 16-bit fields, one linear pass over masked bitmaps.
//!
//! # The table
//! A [`ScanIndex`] (the owner) cuts records into blocks of [`BLOCK_RECORDS`]. Each field has one to four base-16 digits, each digit
//! 16 **rows**, each row one bit a record: 16 records share a coefficient, 2,048 coefficients make a polynomial. A row is stored as
//! `(bits + keystream) mod 2¹⁶`, with a ChaCha20 keystream for each (index key, block, version, salt, row): a one-time pad
//! that the host's sums pass through unchanged, so that the owner subtracts the sum of the keystreams it asked for. At rest that is 8 bytes
//! a record and 16-bit field, for any number of hosts, and sealing needs no lattice at all.
//!
//! # The query
//! For each digit the client learns the *class* of each record's digit, a code of three bits, and decides the rest itself: two
//! values are of one class if the predicate cannot tell them apart. A range has at most five classes a digit, a set of
//! six values at most seven, so all of them look alike on the wire. That takes three **selectors** a row, each a GLWE encryption
//! of 0 or 1 with k = 1, N = 2048, q = 2⁶⁴, TUniform(17): parameters at which `tfhe` claims 128 bits. A selector travels
//! as its polynomial cut to 44 bits, with one seed for all masks. Every query selects over **all** fields, so which field is asked
//! does not show, and has a secret key of its own.
//!
//! | for one 16-bit field | bytes | work |
//! | --- | --- | --- |
//! | query | 2.06 MiB, whatever is asked and however long the table is | client: 192 encryptions |
//! | answer | 156 KiB for each block of 32,768 records | host: 384 products and 24 inverse transforms of degree 2048 a block |
//! | at rest | 256 KiB a block; 1 MiB more in the host's memory (transformed) | |
//!
//! # What is guaranteed, and the tests that hold it
//! - Matches are exact for every [`Predicate`](super::Predicate) that is accepted (`random_tables_and_predicates_agree_with_plaintext`). The
//!   measured noise margin is above 20 standard deviations (`noise_margin`): a wrong bit is less likely than 2⁻²⁸⁰.
//! - The host learns the number of blocks, when which block is replaced, and the number of queries. Block, query and answer bytes
//!   have one length each (`lengths_do_not_depend_on_content`).
//! - A query for another state of the table, bytes of another table, truncated and malformed bytes are refused
//!   (`stale_states_are_refused`, `decoders_take_any_bytes`).
//! - An answer computed from other rows, or changed at random, is refused: noise, unused codes and slots
//!   without a record are checked (`false_answers_are_refused`). **Not** seen is a host that adds a well-formed difference to
//!   single slots, which turns a class into another one: hence the rules of [the module above](super).
//! - A pad is never reused, even if an owner's state is rolled back: every sealing draws a salt of 16 bytes
//!   (`sealing_twice_shares_no_pad`).
//!
//! ```
//! use cpchain_crypto::{Key, SystemEntropy, search::{Predicate, SearchClient, SearchServer}};
//! use cpchain_crypto::search::scan::{ScanIndex, ScanServer};
//!
//! let mut entropy = SystemEntropy;
//! let mut owner = ScanIndex::new(Key::generate(&mut entropy)?, &[2])?;
//! let mut host = ScanServer::new(owner.table(), 16);
//! for update in owner.append(&[&[21, 35, 19, 250]], &mut entropy)? {
//!     host.apply(&update)?;
//! }
//! let (query, pending) = owner.query(&[Predicate::Between { low: 20, high: 100 }], &mut entropy)?;
//! let answer = host.answer(&query)?;
//! assert_eq!(owner.decode(pending, &answer)?, vec![0, 1]);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod client;
mod index;
mod kernel;
mod lattice;
mod mask;
mod plan;
mod server;
mod size;
mod wire;

pub use {client::Pending, index::ScanIndex, server::ScanServer, wire::Table};

/// Records of a block.
pub const BLOCK_RECORDS: usize = DEGREE * SLOTS;

/// N: coefficients of a polynomial.
const DEGREE: usize = 2048;
/// Most fields of a table.
const MAX_FIELDS: usize = 4;
/// w: records, or bits, of a coefficient.
const SLOTS: usize = 16;

//! The predicate scan: exact questions about 16-bit fields, one linear pass over masked bitmaps.
//!
//! # The table
//! A [`ScanIndex`] (the owner) cuts records into blocks of [`BLOCK_RECORDS`]. Each field has one to four base-16 digits, each digit
//! 15 **rows**, one for each value but 0, each row one bit a record: 16 records share a coefficient, 2,048 coefficients make a polynomial, the last four of which are a
//! check. A row is stored as `(bits + keystream) mod 2¹⁶`, with a ChaCha20 keystream for each (index key, block, version, salt, row): a one-time pad
//! that the host's sums pass through unchanged, so that the owner subtracts the sum of the keystreams it asked for. At rest that is 7.5 bytes
//! a record and 16-bit field, for any number of hosts, and sealing needs no lattice at all.
//!
//! # The query
//! For each digit the client learns the *class* of each record's digit, a code of one to three bits, and decides the rest itself: two
//! values are of one class if the predicate cannot tell them apart. How many bits is the [`Shape`] of a query: all queries of one shape look alike on the wire, and
//! the host sees which shape it is. A bit takes one **selector** a row, a GLWE encryption of 0 or 1 with k = 1, N = 2048, q = 2⁶⁴, an error of TUniform(20) and a secret of TUniform(3). The bits of a
//! code share their masks and have a secret each, so the host's sum with the masks is computed once for all bits. A selector travels
//! as its polynomial cut to 44 bits, with one seed for all masks. Every query selects over **all** fields, so which field is asked
//! does not show, and has secrets of its own.
//!
//! A [`ScanClient`] uses masks that are **fixed** for the table. The host made the sums of a block with them when the block came, so for a query it computes the bodies
//! alone, and answers with the sums that it kept. An owner that keeps a **hint** ([`ScanIndex::with_hint`]) has these sums itself, and answers are shorter. Masks
//! are public; they may serve many secrets, as they do for the bits of one code, and each query has secrets of its own. What an attacker computes about the masks of a
//! table helps against all queries to that table and to no other; the first takes the work that [`Parameters`] names. An index that asks without a client draws
//! fresh masks, from a seed in the query.
//!
//! | for one 16-bit field, in the shape | [`Products`](Shape::Products) | [`Ranges`](Shape::Ranges) | [`Classes`](Shape::Classes) |
//! | --- | --- | --- | --- |
//! | query, however long the table is | 660 KiB | 1,650 KiB | 1,980 KiB |
//! | client: encryptions (those of the widest digit, for all) | 60 | 180 | 180 |
//! | host: products and inverse transforms a block of 32,704 records | 120, 8 | 210, 14 | 240, 16 |
//! | the same with fixed masks | 60, 4 | 150, 10 | 180, 12 |
//! | answer, bits a record | 14.0 | 23.0 | 26.0 |
//! | the same with a hint | 6.0 | 15.0 | 18.0 |
//!
//! At rest a block has 240 KiB for such a field, in the host's memory 992 KiB more (transformed, and the sums with the fixed masks). The host reads these once from front to back for
//! each question; that takes most of its time. `lab search` measures it.
//!
//! # What is guaranteed, and the tests that hold it
//! - Matches are exact for every [`Predicate`](super::Predicate) that is accepted (`random_tables_and_predicates_agree_with_plaintext`). The
//!   measured noise margin is above 20 standard deviations of what the client accepts (`noise_margin`); [`Parameters`] bound it for the worst table.
//! - The host learns the number of blocks, when which block is replaced, the number of queries and the shape of each. Block, query and answer bytes
//!   have one length each (`lengths_do_not_depend_on_content`).
//! - A query for another state of the table, bytes of another table, truncated and malformed bytes are refused
//!   (`stale_states_are_refused`, `decoders_take_any_bytes`).
//! - **A false answer is refused**, also one in which single bits were turned by somebody who knows where they are: every row carries secret weights of its bits, which add up as
//!   the bits do (`false_answers_are_refused`, `a_bit_cannot_be_turned`). A forgery passes with a probability of 2⁻⁶⁴. So an absence is
//!   proven, for the state of the table that the owner knows. What a host can learn by a false answer is whether it was refused: one that leaves out a row
//!   sees by the reaction whether the row was asked for. Show none: ask elsewhere, or later.
//! - A pad is never reused, even if an owner's state is rolled back: every sealing draws a salt of 16 bytes
//!   (`sealing_twice_shares_no_pad`).
//! - No secret of a [`ScanClient`] serves two queries (`no_query_is_used_twice`).
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

mod asker;
mod checks;
mod client;
mod index;
mod mask;
mod parameters;
mod plan;
mod rows;
mod server;
mod shape;
pub mod shared;
mod size;
mod wire;

pub use {
    asker::ScanClient, client::Pending, index::ScanIndex, parameters::Parameters, server::ScanServer, shape::Shape,
    wire::Table,
};

/// Records of a block.
pub const BLOCK_RECORDS: usize = BITS * SLOTS;

/// N: coefficients of a polynomial.
const DEGREE: usize = super::fourier::COEFFICIENTS;
/// Coefficients at the end of a row that check the others.
const CHECKS: usize = 4;
/// Coefficients of a row that have bits of records.
const BITS: usize = DEGREE - CHECKS;
/// Most fields of a table.
const MAX_FIELDS: usize = 4;
/// w: records, or bits, of a coefficient.
const SLOTS: usize = 16;

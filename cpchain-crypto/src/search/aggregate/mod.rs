//! Encrypted aggregates: how many readings of each interval match a predicate, and what do they add up to? A host computes it, and learns neither the
//! predicate nor any number.
//!
//! # The table
//! The owner cuts one field into at most 256 **bins** ([`Bins`]), at edges of its choice. For every interval and bin it stores how many readings fell
//! into the bin, and the sum of a value of these readings (the same field or another): a [`Tally`]. Count and sum are written as **limbs** of seven bits, five
//! and seven of them, and eight more for a check: 20 numbers. Each is stored as `(limb + keystream) mod 2¹⁵`, with a ChaCha20 keystream for each (index
//! key, interval, version, salt): an additive one-time pad, which sums pass through unchanged.
//!
//! A bin is a row, 102 intervals are a polynomial of 2,048 coefficients. Intervals are appended one at a time, each with a pad of its own.
//!
//! # The query
//! One **selector** a bin, a GLWE encryption of 0 or 1 as in the [scan](super::scan), under secrets of its own, with the scan's [parameters](super::scan::Parameters). The host adds up row times selector: one
//! product for each bin, whatever is asked. Of 256 bins at most, each limb below 2⁷, no sum reaches 2¹⁵, so no limb overflows into its neighbour: the owner
//! subtracts the pads of the bins that it asked for, and puts the limbs together to the exact count and sum of every interval.
//!
//! A predicate must not part a bin ([`SearchError::PartsBin`](super::SearchError::PartsBin)): results are exact or refused, never estimated.
//!
//! | for 256 bins | bytes | work |
//! | --- | --- | --- |
//! | update, an interval | 10 KiB; 40 bytes a bin | owner: one keystream |
//! | at rest with the host | the same; in memory 4 MiB more for each 102 intervals (transformed) | 20 coefficients more: a transform a bin |
//! | query | 2.75 MiB, whatever is asked and however many intervals there are; 11 KiB a bin | client: 256 encryptions |
//! | answer | 14 KiB for each 102 intervals: 141 bytes an interval | host: 512 products, two inverse transforms for each 102 intervals |
//!
//! So a year of hours is 86 polynomials, and 1.2 MiB of answer: without this the owner would download 8,760 × 10 KiB, or all readings.
//!
//! # What is guaranteed, and the tests that hold it
//! - Counts and sums are exact (`aggregates_agree_with_plaintext`), also at the largest values (`the_largest_numbers`).
//! - The host learns the number of bins and intervals, when an interval is added or replaced, and the number of queries. Lengths depend on nothing else
//!   (`lengths_do_not_depend_on_content`).
//! - **A host that computes something else is refused**, except with a probability below 2⁻³⁷ an interval: the check limbs are a sum of the others with secret
//!   weights of 40 bits, another one for every sealing, so a difference that is added to a limb would have to be added to the check times a number that the host does
//!   not know (`a_host_that_lies_is_seen`). Unused coefficients and noise are checked, too. That an answer was refused may not be told to its host: see the
//!   [rules of every engine](super).
//! - Queries for another state of the table, bytes of another table, truncated and malformed bytes are refused (`states_and_bytes_are_checked`).
//! - A pad is never used twice, even if the owner's state is rolled back: every sealing draws a salt (`sealing_twice_shares_no_pad`).
//! - Noise stays more than 15 standard deviations from where an answer is refused, with 256 bins (`noise_margin`).
//!
//! ```
//! use cpchain_crypto::{Key, SystemEntropy, search::{Predicate, SearchClient, SearchServer}};
//! use cpchain_crypto::search::aggregate::{AggregateIndex, AggregateServer, Bins};
//!
//! // Power, by the temperature at which it was drawn: tenths of a degree, cut at 0, 10, 20 and 30 °C.
//! let bins = Bins::new(&[0, 100, 200, 300])?;
//! let mut entropy = SystemEntropy;
//! let mut owner = AggregateIndex::new(Key::generate(&mut entropy)?, bins)?;
//! let mut host = AggregateServer::new(owner.table(), 1000);
//! let monday = owner.bins().tally([(185, 40), (210, 55), (333, 120)])?;
//! let tuesday = owner.bins().tally([(95, 30)])?;
//! for update in owner.append(&[monday, tuesday], &mut entropy)? {
//!     host.apply(&update)?;
//! }
//!
//! // At 20 °C and more.
//! let (query, pending) = owner.query(&Predicate::Between { low: 200, high: u16::MAX }, &mut entropy)?;
//! let totals = owner.decode(pending, &host.answer(&query)?)?;
//! assert_eq!((totals[0].count, totals[0].sum), (2, 175));
//! assert_eq!(totals[0].mean(), Some(87.5));
//! assert_eq!(totals[1].mean(), None);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod bins;
mod client;
mod index;
mod limbs;
mod server;
mod size;
mod wire;

pub use {
    bins::{Bins, Tally, Totals},
    client::Pending,
    index::AggregateIndex,
    server::AggregateServer,
    wire::AggregateTable,
};

/// N: coefficients of a polynomial.
const DEGREE: usize = super::fourier::COEFFICIENTS;
/// Coefficients of an interval.
const LIMBS: usize = limbs::LIMBS;
/// Intervals of a polynomial.
const INTERVALS: usize = DEGREE / LIMBS;
/// w: bits of a coefficient.
const WIDTH: u32 = 15;

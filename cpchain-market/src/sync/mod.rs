//! The two synchronisers of a decentralised market (white paper 2.2.3, figure 8).
//!
//! [`Publisher`] brings local operations to the chain; [`Follower`] brings the chain's operations into a catalogue. Both
//! are driven by calls to `step`, keep no clock and no thread, and may be dropped at any point and opened again.
//!
//! Rules, and the tests that hold them (`tests/synchronisers.rs`):
//! 1. What [`Publisher::enqueue`] has returned from is in the log in the end, whatever crashes between
//!    (`two_markets_converge_bit_for_bit`), and once only (`an_operation_stands_in_the_log_once`).
//! 2. An update never overtakes the operation on the same listing that was queued before it
//!    (`operations_on_one_listing_keep_their_order`).
//! 3. Every market skips the same bad operations and goes on (`bad_operations_are_skipped_by_all`).
//! 4. Two markets that have read the log to the same height have the same rows, bit for bit, wherever they started and
//!    how often they crashed (`two_markets_converge_bit_for_bit`), also when their processes are killed between any two operations of
//!    their stores (`a_market_killed_at_any_moment_ends_as_one_that_was_not`). Rows are listings, wishes, and the [book](crate::book).

mod follower;
mod outbox;
mod publisher;

pub use follower::{FollowError, Follower, Progress};
pub use outbox::OutboxError;
pub use publisher::{PublishError, PublishReport, Publisher};

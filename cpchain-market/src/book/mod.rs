//! What the log says beside the listings: trades and how they ended, ratings, answers to what is wanted, previews.
//!
//! The [rule] turns each entry of the log into [`Changes`](rule::Changes); the chain's module and every market run the same one, so that what the chain
//! lets in is what the markets show. A market keeps the result as [`Fact`]s beside its listings, in the same commit, and reads them by
//! the provided methods of [`Catalog`](crate::catalog::Catalog): `standing`, `account`, `history`, `answers`, `preview`.
//!
//! Rules, and the tests that hold them (`tests/book.rs`):
//! 1. An order is rated once, by its buyer, after an interval of it was paid for, 1 to 5
//!    (`only_the_buyer_of_a_settled_order_rates_it_and_once`). Counts and sums are integers: no rating is dropped and none is a float
//!    (`a_mean_is_of_all_ratings`).
//! 2. Histories follow from what the chain recorded of each order, and from nothing that a party says
//!    (`histories_follow_the_chains_records`).
//! 3. What is wanted is answered until its block, by other people than the one who wants it, with their own listings and within the price
//!    (`answers_follow_the_rule`).
//! 4. Leaves of a manifest are drawn once for its seller, by the block after the offer, and opened as drawn or not at all
//!    (`previews_are_drawn_once_and_opened_as_drawn`); junk is seen (`junk_is_seen_in_a_preview`).

mod facts;
mod record;
pub mod rule;
mod wire;

pub use facts::{Account, Fact, FactError, FactKey, Placed, Preview, PreviewStatus, Ratings, Side, Standing, Trade};
pub use record::{ChainRecord, PreviewDraw, RecordError, TradeEnd, TradeRecord};

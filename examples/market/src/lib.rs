//! A market as a server: what is for sale, orders and the chain as JSON over HTTP, and a web page that needs nothing else.
//!
//! | part | what it is |
//! | --- | --- |
//! | [`App`] | one market at one node of the chain |
//! | [`api`] | what it answers over HTTP, and what it promises |
//! | [`Index`] | revisions, orders, accounts and impeachments, read from final blocks |
//! | [`page`] | the files of the web page, in the program |
//! | [`serve`] | connections with bounds |
//! | [`limits`] | how much one peer may ask |
//!
//! # What it is trusted with
//! Nothing that a client cannot check, but to answer: it keeps no key of a user, has no sessions and no registration. What changes something
//! is signed by the client, and refused by the chain when it is sent again (`tests/api.rs`: `a_replay_is_refused`). Listings travel as
//! the bytes that their sellers signed; the page checks the signatures itself.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod api;
mod app;
mod index;
pub mod limits;
pub mod page;
pub mod serve;

pub use app::{App, Parts};
pub use index::{Activity, Impeachment, Index, OrderRow, Orders, Revision, Step};

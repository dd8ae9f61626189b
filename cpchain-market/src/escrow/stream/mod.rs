//! Stream escrow: one order for many intervals, settled one after the other, which either side can stop at any of them.
//!
//! The roots of intervals to come do not exist when the order is made. So the buyer names each interval's root when it has downloaded and
//! checked its sealed data, and **asking for the next interval is the word that all before it were good**: what is settled only grows, and
//! each word covers everything before it. The seller stands by the root when it grants. Proxies are drawn once, and each interval is
//! granted, posted, and disputed exactly as an [`Order`](super::Order) of that interval alone: it is one, inside of this.
//!
//! The table and the invariants stand in the documentation of the [escrow](super).

mod events;
mod machine;
#[cfg(test)]
mod model;
mod order;
mod terms;
pub(super) mod wire;

pub use events::{Ask, StreamEvent};
pub use machine::StreamStep;
pub use order::{StreamOrder, StreamState};
pub use terms::StreamTerms;

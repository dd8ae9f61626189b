//! The payload of an escrow transaction.

use super::{event::Event, order::OrderId, terms::Terms};

/// What a transaction asks of the escrow module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A new order: [`Order::offer`](super::Order::offer).
    Offer(Terms),
    /// Something happens to an order: [`Order::apply`](super::Order::apply).
    Event {
        /// Which order.
        order: OrderId,
        /// What happens.
        event: Event,
    },
}

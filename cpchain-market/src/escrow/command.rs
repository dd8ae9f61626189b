//! The payload of an escrow transaction.

use super::{
    event::Event,
    order::OrderId,
    stream::{StreamEvent, StreamTerms},
    terms::Terms,
};

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
    /// A new order for intervals of a stream, one after the other: [`StreamOrder::offer`](super::StreamOrder::offer).
    OfferStream(StreamTerms),
    /// Something happens to a stream order: [`StreamOrder::apply`](super::StreamOrder::apply).
    Stream {
        /// Which order.
        order: OrderId,
        /// What happens.
        event: StreamEvent,
    },
}

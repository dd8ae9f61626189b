//! Stream orders, their terms and events as the messages of `proto/escrow.proto`.

use super::{
    super::{
        messages as m,
        order::OrderId,
        wire::{self, CodecError, amount, digest, framed, key, keys_in, keys_out, order_in, order_out, unframed},
    },
    events::{Ask, StreamEvent},
    order::{StreamOrder, StreamState},
    terms::StreamTerms,
};
use crate::{
    listing::{ListingId, RevisionId},
    units::Height,
};

impl StreamOrder {
    /// The bytes that the chain stores: equal orders have equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        framed(&m::StreamOrder {
            id: self.id.0.0.to_vec(),
            buyer: self.buyer.0.to_vec(),
            seller: self.seller.0.to_vec(),
            stream: self.stream.0.to_vec(),
            allowed: keys_out(&self.allowed),
            terms: Some(terms_out(&self.terms)),
            state: state_out(self.state) as i32,
            deadline: self.deadline.0,
            seller_bond: Some(self.seller_bond.into()),
            stake: Some(self.stake.into()),
            drawn: keys_out(&self.drawn),
            settled: self.settled,
            interval: self.interval().map(order_out),
        })
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let message: m::StreamOrder = unframed(bytes)?;
        Ok(Self {
            id: OrderId(digest(&message.id)?),
            buyer: key(&message.buyer)?,
            seller: key(&message.seller)?,
            stream: digest(&message.stream)?,
            allowed: keys_in(&message.allowed)?,
            terms: terms_in(message.terms.ok_or(CodecError("an order without terms"))?)?,
            state: state_in(message.state)?,
            deadline: Height(message.deadline),
            seller_bond: amount(message.seller_bond)?,
            stake: amount(message.stake)?,
            drawn: keys_in(&message.drawn)?,
            settled: message.settled,
            interval: message.interval.map(|order| order_in(order).map(Box::new)).transpose()?,
        })
    }
}

pub(super) fn terms_to_bytes(terms: &StreamTerms) -> Vec<u8> {
    framed(&terms_out(terms))
}

pub(in super::super) fn event_out(event: &StreamEvent) -> m::Action {
    match event {
        StreamEvent::Ask(ask) => m::Action::Ask(m::Ask {
            buyer_key: ask.buyer_key.clone(),
            manifest: ask.manifest.0.to_vec(),
            leaf_root: ask.leaf_root.0.to_vec(),
            leaf_count: ask.leaf_count,
        }),
        StreamEvent::Stop => m::Action::Stop(m::Empty {}),
        StreamEvent::Order(event) => wire::event_out(event),
    }
}

pub(in super::super) fn event_in(action: m::Action) -> Result<StreamEvent, CodecError> {
    Ok(match action {
        m::Action::Ask(ask) => StreamEvent::Ask(Ask {
            buyer_key: ask.buyer_key,
            manifest: digest(&ask.manifest)?,
            leaf_root: digest(&ask.leaf_root)?,
            leaf_count: ask.leaf_count,
        }),
        m::Action::Stop(_) => StreamEvent::Stop,
        action => StreamEvent::Order(wire::event_in(action)?),
    })
}

pub(in super::super) fn terms_out(terms: &StreamTerms) -> m::StreamTerms {
    m::StreamTerms {
        listing: terms.listing.0.0.to_vec(),
        revision: terms.revision.0.0.to_vec(),
        first: terms.first,
        count: terms.count,
        price: Some(terms.price.into()),
        fee: Some(terms.fee.into()),
        bond: Some(terms.bond.into()),
        threshold: u32::from(terms.threshold),
        proxies: u32::from(terms.proxies),
        nonce: terms.nonce,
    }
}

pub(in super::super) fn terms_in(terms: m::StreamTerms) -> Result<StreamTerms, CodecError> {
    let small = |number: u32| u8::try_from(number).map_err(|_| CodecError("more proxies than a byte counts"));
    Ok(StreamTerms {
        listing: ListingId(digest(&terms.listing)?),
        revision: RevisionId(digest(&terms.revision)?),
        first: terms.first,
        count: terms.count,
        price: amount(terms.price)?,
        fee: amount(terms.fee)?,
        bond: amount(terms.bond)?,
        threshold: small(terms.threshold)?,
        proxies: small(terms.proxies)?,
        nonce: terms.nonce,
    })
}

const fn state_out(state: StreamState) -> m::StreamState {
    match state {
        StreamState::Offered => m::StreamState::Offered,
        StreamState::Open => m::StreamState::Open,
        StreamState::Asked => m::StreamState::Asked,
        StreamState::Granted => m::StreamState::Granted,
        StreamState::Delivered => m::StreamState::Delivered,
        StreamState::Stopped => m::StreamState::Stopped,
        StreamState::Refunded => m::StreamState::Refunded,
        StreamState::SellerFault => m::StreamState::SellerFault,
    }
}

fn state_in(state: i32) -> Result<StreamState, CodecError> {
    Ok(match m::StreamState::try_from(state) {
        Ok(m::StreamState::Offered) => StreamState::Offered,
        Ok(m::StreamState::Open) => StreamState::Open,
        Ok(m::StreamState::Asked) => StreamState::Asked,
        Ok(m::StreamState::Granted) => StreamState::Granted,
        Ok(m::StreamState::Delivered) => StreamState::Delivered,
        Ok(m::StreamState::Stopped) => StreamState::Stopped,
        Ok(m::StreamState::Refunded) => StreamState::Refunded,
        Ok(m::StreamState::SellerFault) => StreamState::SellerFault,
        Ok(m::StreamState::Unspecified) | Err(_) => return Err(CodecError("no such state")),
    })
}

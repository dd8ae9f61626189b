//! One stream order: its terms, its state, and what each party has locked in it.

use cpchain_crypto::{Digest, PublicKey};

use super::{
    super::{
        event::Purpose,
        order::{Order, OrderId, Slot, State},
    },
    terms::StreamTerms,
};
use crate::units::{Amount, Height};

/// Where a stream order stands. See the table of the [escrow](super::super).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamState {
    /// The buyer's money is locked; the seller has not answered.
    Offered,
    /// No interval is under way.
    Open,
    /// The buyer has asked for an interval.
    Asked,
    /// The seller has granted it.
    Granted,
    /// t verified bundles for it are on the chain.
    Delivered,
    /// Final: all intervals are delivered, or somebody stopped, or nobody went on.
    Stopped,
    /// Final: too few proxies posted for an interval.
    Refunded,
    /// Final: the seller granted badly, or sold bad data.
    SellerFault,
}

impl StreamState {
    /// No event and no time changes it any more; nothing is locked.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Stopped | Self::Refunded | Self::SellerFault)
    }
}

/// A stream order as the chain keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamOrder {
    pub(super) id: OrderId,
    pub(super) buyer: PublicKey,
    pub(super) seller: PublicKey,
    pub(super) stream: Digest,
    pub(super) allowed: Vec<PublicKey>,
    pub(super) terms: StreamTerms,
    pub(super) state: StreamState,
    pub(super) deadline: Height,
    pub(super) seller_bond: Amount,
    pub(super) stake: Amount,
    pub(super) drawn: Vec<PublicKey>,
    /// Intervals that are paid for.
    pub(super) settled: u32,
    /// The interval under way, as an order of it alone.
    pub(super) interval: Option<Box<Order>>,
}

impl StreamOrder {
    /// Its id.
    pub const fn id(&self) -> OrderId {
        self.id
    }

    /// Who buys.
    pub const fn buyer(&self) -> PublicKey {
        self.buyer
    }

    /// Who sells.
    pub const fn seller(&self) -> PublicKey {
        self.seller
    }

    /// What was offered.
    pub const fn terms(&self) -> &StreamTerms {
        &self.terms
    }

    /// Where it stands.
    pub const fn state(&self) -> StreamState {
        self.state
    }

    /// Intervals that were delivered and paid for: counted from [`StreamTerms::first`], and never fewer than before.
    pub const fn settled(&self) -> u32 {
        self.settled
    }

    /// The number of the interval that is under way, or to be asked for next.
    pub const fn next_interval(&self) -> u32 {
        self.terms.first.saturating_add(self.settled)
    }

    /// The interval under way as an order of it alone: its grant, its proxies' fragments, its keys.
    pub fn interval(&self) -> Option<&Order> {
        self.interval.as_deref()
    }

    /// The proxies that its listing allows, from which [`Context::candidates`](super::super::Context) are to be made.
    pub fn allowed(&self) -> &[PublicKey] {
        &self.allowed
    }

    /// The drawn proxies, in the order of the draw; empty before the seller accepts.
    pub fn drawn(&self) -> &[PublicKey] {
        &self.drawn
    }

    /// The block from which on [`tick`](Self::tick) moves it and events are refused; `None` once it has ended.
    pub const fn deadline(&self) -> Option<Height> {
        if self.state.is_final() { None } else { Some(self.deadline) }
    }

    /// What of the buyer's money no settled interval has spent: other intervals and the bond.
    pub(super) fn unspent(&self) -> Amount {
        let left = u128::from(self.terms.count.saturating_sub(self.settled));
        let intervals = self.terms.interval().and_then(|each| each.checked_mul(left)).unwrap_or_default();
        intervals.checked_add(self.terms.bond).unwrap_or_default()
    }

    /// What is locked in it now, by whom and as what; nothing once it has ended.
    pub fn locked(&self) -> Vec<(PublicKey, Purpose, Amount)> {
        if self.state.is_final() {
            return Vec::new();
        }
        let mut locked = vec![(self.buyer, Purpose::Payment, self.unspent())];
        if self.state != StreamState::Offered {
            locked.push((self.seller, Purpose::Bond, self.seller_bond));
            locked.extend(self.drawn.iter().map(|proxy| (*proxy, Purpose::Stake, self.stake)));
        }
        locked
    }

    /// The order that an interval of it begins as: accepted, with the stream's proxies and bond.
    pub(super) fn begin(&self, ask: &super::Ask, deadline: Height) -> Order {
        let slots = self.drawn.iter().map(|proxy| Slot {
            proxy: *proxy,
            fragment_ids: Vec::new(),
            sealed: Digest::ZERO,
            posted: Vec::new(),
        });
        Order {
            id: self.id,
            buyer: self.buyer,
            seller: self.seller,
            stream: self.stream,
            allowed: Vec::new(),
            terms: self.terms.order(self.settled, ask),
            state: State::Accepted,
            deadline,
            seller_bond: self.seller_bond,
            stake: self.stake,
            slots: slots.collect(),
            verifying_key: Vec::new(),
            nodes: Vec::new(),
        }
    }
}

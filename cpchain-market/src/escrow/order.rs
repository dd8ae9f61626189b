//! One order: its terms, its state, and what each party has locked in it.

use core::fmt;

use cpchain_crypto::{Digest, PublicKey};

use super::{
    event::{GrantedNode, Purpose},
    judge::{FragmentId, FragmentKeys},
    terms::Terms,
};
use crate::units::{Amount, Height};

/// Names an order: a hash of its buyer and its terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub Digest);

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where an order stands. See the table of the [module](super).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The buyer's money is locked; the seller has not answered.
    Offered,
    /// The seller's bond and the proxies' stakes are locked; no key material exists yet.
    Accepted,
    /// The seller has granted; fewer than t proxies have posted.
    Granted,
    /// t verified bundles are on the chain.
    Delivered,
    /// Final: taken back, or the seller never answered.
    Cancelled,
    /// Final: too few proxies posted.
    Refunded,
    /// Final: sold.
    Settled,
    /// Final: the seller did not grant, granted badly, or sold bad data.
    SellerFault,
}

impl State {
    /// No event and no time changes it any more; nothing is locked.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Cancelled | Self::Refunded | Self::Settled | Self::SellerFault)
    }
}

/// A drawn proxy in an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    pub(super) proxy: PublicKey,
    pub(super) fragment_ids: Vec<FragmentId>,
    pub(super) sealed: Digest,
    pub(super) posted: Vec<Digest>,
}

impl Slot {
    /// Its key.
    pub const fn proxy(&self) -> PublicKey {
        self.proxy
    }

    /// The key fragment that it must use for each granted node; empty before the grant.
    pub fn fragment_ids(&self) -> &[FragmentId] {
        &self.fragment_ids
    }

    /// It has posted its verified bundle.
    pub fn has_posted(&self) -> bool {
        !self.posted.is_empty()
    }

    pub(super) fn posted_digest(&self, node: usize) -> Option<Digest> {
        self.posted.get(node).copied()
    }
}

/// An order as the chain keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub(super) id: OrderId,
    pub(super) buyer: PublicKey,
    pub(super) seller: PublicKey,
    pub(super) stream: Digest,
    pub(super) allowed: Vec<PublicKey>,
    pub(super) terms: Terms,
    pub(super) state: State,
    pub(super) deadline: Height,
    pub(super) seller_bond: Amount,
    pub(super) stake: Amount,
    pub(super) slots: Vec<Slot>,
    pub(super) verifying_key: Vec<u8>,
    pub(super) nodes: Vec<GrantedNode>,
}

impl Order {
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

    /// The stream that the data belongs to.
    pub const fn stream(&self) -> Digest {
        self.stream
    }

    /// What was offered.
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Where it stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The block from which on [`tick`](Self::tick) moves it and events are refused; `None` once it has ended.
    pub const fn deadline(&self) -> Option<Height> {
        if self.state.is_final() { None } else { Some(self.deadline) }
    }

    /// The proxies that its listing allows, from which [`Context::candidates`](super::Context) are to be made.
    pub fn allowed(&self) -> &[PublicKey] {
        &self.allowed
    }

    /// The drawn proxies, in the order of the draw; empty before the seller accepts.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The granted nodes; empty before the grant.
    pub fn nodes(&self) -> &[GrantedNode] {
        &self.nodes
    }

    /// The public keys that fragments for `node` are verified against.
    pub fn keys_of<'a>(&'a self, node: &'a GrantedNode) -> FragmentKeys<'a> {
        FragmentKeys {
            delegating: &node.delegating_key,
            receiving: &self.terms.buyer_key,
            verifying: &self.verifying_key,
        }
    }

    /// How many proxies have posted.
    pub fn posted(&self) -> usize {
        self.slots.iter().filter(|slot| slot.has_posted()).count()
    }

    /// What is locked in it now, by whom and as what; nothing once it has ended.
    pub fn locked(&self) -> Vec<(PublicKey, Purpose, Amount)> {
        if self.state.is_final() {
            return Vec::new();
        }
        let mut locked = vec![(self.buyer, Purpose::Payment, self.terms.locked().unwrap_or_default())];
        if self.state != State::Offered {
            locked.push((self.seller, Purpose::Bond, self.seller_bond));
            locked.extend(self.slots.iter().map(|slot| (slot.proxy, Purpose::Stake, self.stake)));
        }
        locked
    }
}

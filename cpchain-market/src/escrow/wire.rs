//! Orders and commands as bytes: the messages of `proto/escrow.proto` behind a version byte.
//!
//! Encoding is deterministic. Decoding is bounded by [`MAX_BYTES`] and checks the shape of every field, so that
//! arbitrary bytes give an error and never a panic; unknown versions and actions are refused.

use cpchain_crypto::{
    Digest, Key, PublicKey,
    block::{HEADER_LEN, LeafCommitment, LeafSecrets},
    key_tree::TreeNode,
};
use prost::Message;

use super::{
    command::Command,
    event::{Complaint, Event, GrantedNode, LeafEvidence, PostedFragment, ProxyGrant},
    judge::FragmentId,
    messages as m,
    order::{Order, OrderId, Slot, State},
    stream::wire as stream,
    terms::Terms,
};
use crate::{
    listing::{ListingId, RevisionId},
    units::{Amount, Height},
};

/// Longest encoded order or command.
pub(super) const MAX_BYTES: usize = 2 << 20;
const VERSION: u8 = 1;

/// Bytes that are no order or command of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not escrow bytes that this build reads: {0}")]
pub struct CodecError(pub(super) &'static str);

impl Command {
    /// The bytes of a transaction's payload.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (order, action, stream) = match self {
            Self::Offer(terms) => (Vec::new(), m::Action::Offer(terms_out(terms)), false),
            Self::Event { order, event } => (order.0.0.to_vec(), event_out(event), false),
            Self::OfferStream(terms) => (Vec::new(), m::Action::OfferStream(stream::terms_out(terms)), true),
            Self::Stream { order, event } => (order.0.0.to_vec(), stream::event_out(event), true),
        };
        framed(&m::Command { order, action: Some(action), stream })
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let message: m::Command = unframed(bytes)?;
        let action = message.action.ok_or(CodecError("no action that this version knows"))?;
        let offer = match (action, message.stream) {
            (m::Action::Offer(terms), false) => Self::Offer(terms_in(terms)?),
            (m::Action::OfferStream(terms), true) => Self::OfferStream(stream::terms_in(terms)?),
            (m::Action::Offer(_) | m::Action::OfferStream(_), _) => {
                return Err(CodecError("an offer of the other kind of order"));
            }
            (action, true) => {
                let event = stream::event_in(action)?;
                return Ok(Self::Stream { order: OrderId(digest(&message.order)?), event });
            }
            (action, false) => {
                return Ok(Self::Event { order: OrderId(digest(&message.order)?), event: event_in(action)? });
            }
        };
        if message.order.is_empty() { Ok(offer) } else { Err(CodecError("an offer names no order")) }
    }
}

impl Order {
    /// The bytes that the chain stores: equal orders have equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        framed(&order_out(self))
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        order_in(unframed(bytes)?)
    }
}

pub(super) fn order_out(order: &Order) -> m::Order {
    m::Order {
        id: order.id.0.0.to_vec(),
        buyer: order.buyer.0.to_vec(),
        seller: order.seller.0.to_vec(),
        stream: order.stream.0.to_vec(),
        allowed: keys_out(&order.allowed),
        terms: Some(terms_out(&order.terms)),
        state: state_out(order.state) as i32,
        deadline: order.deadline.0,
        seller_bond: Some(order.seller_bond.into()),
        stake: Some(order.stake.into()),
        slots: order.slots.iter().map(slot_out).collect(),
        verifying_key: order.verifying_key.clone(),
        nodes: order.nodes.iter().map(node_out).collect(),
    }
}

pub(super) fn order_in(message: m::Order) -> Result<Order, CodecError> {
    Ok(Order {
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
        slots: message.slots.into_iter().map(slot_in).collect::<Result<_, _>>()?,
        verifying_key: message.verifying_key,
        nodes: message.nodes.into_iter().map(node_in).collect::<Result<_, _>>()?,
    })
}

pub(super) fn keys_out(keys: &[PublicKey]) -> Vec<Vec<u8>> {
    keys.iter().map(|key| key.0.to_vec()).collect()
}

pub(super) fn keys_in(keys: &[Vec<u8>]) -> Result<Vec<PublicKey>, CodecError> {
    keys.iter().map(|bytes| key(bytes)).collect()
}

pub(super) fn terms_to_bytes(terms: &Terms) -> Vec<u8> {
    framed(&terms_out(terms))
}

pub(super) fn framed(message: &impl Message) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(message.encode_to_vec());
    bytes
}

pub(super) fn unframed<M: Message + Default>(bytes: &[u8]) -> Result<M, CodecError> {
    if bytes.len() > MAX_BYTES {
        return Err(CodecError("too long"));
    }
    match bytes.split_first() {
        Some((&VERSION, body)) => M::decode(body).map_err(|_| CodecError("not the expected message")),
        _ => Err(CodecError("unknown version")),
    }
}

pub(super) fn event_out(event: &Event) -> m::Action {
    match event {
        Event::Cancel => m::Action::Cancel(m::Empty {}),
        Event::Accept { bond } => m::Action::Accept((*bond).into()),
        Event::Grant { verifying_key, nodes, proxies } => m::Action::Grant(m::Grant {
            verifying_key: verifying_key.clone(),
            nodes: nodes.iter().map(node_out).collect(),
            proxies: proxies
                .iter()
                .map(|grant| m::ProxyGrant { fragment_ids: ids_out(&grant.fragment_ids), sealed: grant.sealed.clone() })
                .collect(),
        }),
        Event::Fragments(fragments) => m::Action::Fragments(m::Fragments { fragments: fragments.clone() }),
        Event::BadGrant { sealed, proof } => {
            m::Action::BadGrant(m::BadGrant { sealed: sealed.clone(), proof: proof.clone() })
        }
        Event::Confirm => m::Action::Confirm(m::Empty {}),
        Event::Complain(complaint) => match &**complaint {
            Complaint::BadLeaf { leaf, secrets } => m::Action::BadLeaf(m::BadLeaf {
                leaf: Some(leaf_out(leaf, Some(secrets))),
                key: secrets.key.expose().to_vec(),
                salt: secrets.salt.to_vec(),
            }),
            Complaint::BadKey { secret, node, fragments, leaf } => m::Action::BadKey(m::BadKey {
                secret: secret.clone(),
                node: *node,
                fragments: fragments
                    .iter()
                    .map(|f| m::PostedFragment { proxy: f.proxy.0.to_vec(), bytes: f.bytes.clone() })
                    .collect(),
                leaf: leaf.as_ref().map(|leaf| leaf_out(leaf, None)),
            }),
        },
    }
}

pub(super) fn event_in(action: m::Action) -> Result<Event, CodecError> {
    Ok(match action {
        m::Action::Offer(_) | m::Action::OfferStream(_) => return Err(CodecError("an offer is no event")),
        m::Action::Ask(_) | m::Action::Stop(_) => return Err(CodecError("only a stream order is asked or stopped")),
        m::Action::Cancel(_) => Event::Cancel,
        m::Action::Accept(bond) => Event::Accept { bond: bond.into() },
        m::Action::Grant(grant) => Event::Grant {
            verifying_key: grant.verifying_key,
            nodes: grant.nodes.into_iter().map(node_in).collect::<Result<_, _>>()?,
            proxies: grant
                .proxies
                .into_iter()
                .map(|grant| Ok(ProxyGrant { fragment_ids: ids_in(&grant.fragment_ids)?, sealed: grant.sealed }))
                .collect::<Result<_, _>>()?,
        },
        m::Action::Fragments(bundle) => Event::Fragments(bundle.fragments),
        m::Action::BadGrant(bad) => Event::BadGrant { sealed: bad.sealed, proof: bad.proof },
        m::Action::Confirm(_) => Event::Confirm,
        m::Action::BadLeaf(bad) => {
            let secrets = LeafSecrets { key: Key::from_bytes(array(&bad.key)?), salt: array(&bad.salt)? };
            let leaf = bad.leaf.ok_or(CodecError("a complaint without its leaf"))?;
            Event::Complain(Box::new(Complaint::BadLeaf { leaf: leaf_in(leaf, Some(&secrets))?, secrets }))
        }
        m::Action::BadKey(bad) => Event::Complain(Box::new(Complaint::BadKey {
            secret: bad.secret,
            node: bad.node,
            fragments: bad
                .fragments
                .into_iter()
                .map(|f| Ok(PostedFragment { proxy: key(&f.proxy)?, bytes: f.bytes }))
                .collect::<Result<_, _>>()?,
            leaf: bad.leaf.map(|leaf| leaf_in(leaf, None)).transpose()?,
        })),
    })
}

fn terms_out(terms: &Terms) -> m::Terms {
    m::Terms {
        listing: terms.listing.0.0.to_vec(),
        revision: terms.revision.0.0.to_vec(),
        first_interval: terms.intervals.start,
        end_interval: terms.intervals.end,
        manifest: terms.manifest.0.to_vec(),
        leaf_root: terms.leaf_root.0.to_vec(),
        leaf_count: terms.leaf_count,
        price: Some(terms.price.into()),
        fee: Some(terms.fee.into()),
        bond: Some(terms.bond.into()),
        buyer_key: terms.buyer_key.clone(),
        threshold: u32::from(terms.threshold),
        proxies: u32::from(terms.proxies),
        nonce: terms.nonce,
    }
}

fn terms_in(terms: m::Terms) -> Result<Terms, CodecError> {
    let small = |number: u32| u8::try_from(number).map_err(|_| CodecError("more proxies than a byte counts"));
    Ok(Terms {
        listing: ListingId(digest(&terms.listing)?),
        revision: RevisionId(digest(&terms.revision)?),
        intervals: terms.first_interval..terms.end_interval,
        manifest: digest(&terms.manifest)?,
        leaf_root: digest(&terms.leaf_root)?,
        leaf_count: terms.leaf_count,
        price: amount(terms.price)?,
        fee: amount(terms.fee)?,
        bond: amount(terms.bond)?,
        buyer_key: terms.buyer_key,
        threshold: small(terms.threshold)?,
        proxies: small(terms.proxies)?,
        nonce: terms.nonce,
    })
}

fn node_out(granted: &GrantedNode) -> m::GrantedNode {
    m::GrantedNode {
        depth: u32::from(granted.node.depth()),
        index: granted.node.index(),
        delegating_key: granted.delegating_key.clone(),
        capsule: granted.capsule.clone(),
    }
}

fn node_in(granted: m::GrantedNode) -> Result<GrantedNode, CodecError> {
    let node = u8::try_from(granted.depth).ok().and_then(|depth| TreeNode::new(depth, granted.index));
    Ok(GrantedNode {
        node: node.ok_or(CodecError("no such node in a key tree"))?,
        delegating_key: granted.delegating_key,
        capsule: granted.capsule,
    })
}

fn slot_out(slot: &Slot) -> m::Slot {
    m::Slot {
        proxy: slot.proxy.0.to_vec(),
        fragment_ids: ids_out(&slot.fragment_ids),
        sealed: slot.sealed.0.to_vec(),
        posted: slot.posted.iter().map(|digest| digest.0.to_vec()).collect(),
    }
}

fn slot_in(slot: m::Slot) -> Result<Slot, CodecError> {
    Ok(Slot {
        proxy: key(&slot.proxy)?,
        fragment_ids: ids_in(&slot.fragment_ids)?,
        sealed: digest(&slot.sealed)?,
        posted: slot.posted.iter().map(|bytes| digest(bytes)).collect::<Result<_, _>>()?,
    })
}

/// A commitment whose first half follows from the key that is shown beside it travels as its second half.
fn leaf_out(evidence: &LeafEvidence, shown: Option<&LeafSecrets>) -> m::LeafEvidence {
    let implied = shown.is_some_and(|secrets| secrets.key_hash() == evidence.commitment.key);
    let commitment =
        if implied { evidence.commitment.plain.0.to_vec() } else { evidence.commitment.to_bytes().to_vec() };
    m::LeafEvidence {
        header: evidence.header.to_vec(),
        leaf: evidence.leaf,
        sealed: evidence.sealed.clone(),
        commitment,
        index: evidence.index,
        path: evidence.path.iter().flat_map(|digest| digest.0).collect(),
    }
}

fn leaf_in(evidence: m::LeafEvidence, shown: Option<&LeafSecrets>) -> Result<LeafEvidence, CodecError> {
    let commitment = match (Digest::from_slice(&evidence.commitment), shown) {
        (Some(plain), Some(secrets)) => Some(LeafCommitment { key: secrets.key_hash(), plain }),
        _ => LeafCommitment::from_bytes(&evidence.commitment),
    };
    let (path, rest) = evidence.path.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(CodecError("a path is not of whole hashes"));
    }
    Ok(LeafEvidence {
        header: array::<HEADER_LEN>(&evidence.header)?,
        leaf: evidence.leaf,
        sealed: evidence.sealed,
        commitment: commitment.ok_or(CodecError("not a leaf commitment"))?,
        index: evidence.index,
        path: path.iter().map(|digest| Digest(*digest)).collect(),
    })
}

fn ids_out(ids: &[FragmentId]) -> Vec<Vec<u8>> {
    ids.iter().map(|id| id.0.0.to_vec()).collect()
}

fn ids_in(ids: &[Vec<u8>]) -> Result<Vec<FragmentId>, CodecError> {
    ids.iter().map(|bytes| digest(bytes).map(FragmentId)).collect()
}

fn state_out(state: State) -> m::State {
    match state {
        State::Offered => m::State::Offered,
        State::Accepted => m::State::Accepted,
        State::Granted => m::State::Granted,
        State::Delivered => m::State::Delivered,
        State::Cancelled => m::State::Cancelled,
        State::Refunded => m::State::Refunded,
        State::Settled => m::State::Settled,
        State::SellerFault => m::State::SellerFault,
    }
}

fn state_in(state: i32) -> Result<State, CodecError> {
    Ok(match m::State::try_from(state) {
        Ok(m::State::Offered) => State::Offered,
        Ok(m::State::Accepted) => State::Accepted,
        Ok(m::State::Granted) => State::Granted,
        Ok(m::State::Delivered) => State::Delivered,
        Ok(m::State::Cancelled) => State::Cancelled,
        Ok(m::State::Refunded) => State::Refunded,
        Ok(m::State::Settled) => State::Settled,
        Ok(m::State::SellerFault) => State::SellerFault,
        Ok(m::State::Unspecified) | Err(_) => return Err(CodecError("no such state")),
    })
}

pub(super) fn amount(message: Option<crate::wire::Amount>) -> Result<Amount, CodecError> {
    message.map(Amount::from).ok_or(CodecError("an amount is missing"))
}

pub(super) fn digest(bytes: &[u8]) -> Result<Digest, CodecError> {
    Digest::from_slice(bytes).ok_or(CodecError("a hash has 32 bytes"))
}

pub(super) fn key(bytes: &[u8]) -> Result<PublicKey, CodecError> {
    PublicKey::from_slice(bytes).ok_or(CodecError("a key has 32 bytes"))
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], CodecError> {
    bytes.try_into().map_err(|_| CodecError("a field has not its fixed length"))
}

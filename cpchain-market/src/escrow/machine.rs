//! The transitions: the table of the [module](super), row by row.

use std::collections::BTreeSet;

use cpchain_crypto::{Digest, Domain, PublicKey};

use super::{
    draw::{Candidate, draw},
    event::{Effect, EscrowError, Event, GrantedNode, ProxyGrant, Purpose},
    judge::{self, FragmentError, FragmentKeys, FragmentVerifier},
    order::{Order, OrderId, Slot, State},
    payout,
    terms::{MAX_CAPSULE, MAX_FRAGMENT, MAX_KEY, MAX_NODES, MAX_PROOF, MAX_SEALED, Terms, TermsError},
    wire,
};
use crate::{
    listing::SignedOperation,
    units::{Amount, Height},
};

const ORDER_ID: Domain = Domain::new("cpchain/market/order-id/v1");
const SEALED: Domain = Domain::new("cpchain/market/sealed-grant/v1");

/// How long each state lasts at most, in blocks. One value for the whole chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Ta: for the seller to accept.
    pub accept_blocks: u64,
    /// Tg: for the seller to grant.
    pub grant_blocks: u64,
    /// Tc: for t proxies to post.
    pub fragment_blocks: u64,
    /// Td: for the buyer to complain. Longer than any run of censoring proposers.
    pub dispute_blocks: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { accept_blocks: 60, grant_blocks: 30, fragment_blocks: 30, dispute_blocks: 360 }
    }
}

/// What the chain knows when an event is executed.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The block in which the event stands.
    pub height: Height,
    /// Who signed the transaction.
    pub sender: PublicKey,
    /// Chain randomness that nobody knew when the event was signed, such as the hash of the block in which it stands.
    pub randomness: Digest,
    /// For an accept: the staked proxies among [`Order::allowed`]. Others are ignored.
    pub candidates: &'a [Candidate],
    /// The chain's durations.
    pub rules: &'a Rules,
}

/// The order after an event, and what the ledger has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The order as it is to be stored.
    pub order: Order,
    /// To be performed in order, all or none.
    pub effects: Vec<Effect>,
}

impl Order {
    /// A new order from a buyer's offer against `listing`, the signed revision that is current on the chain.
    ///
    /// The id depends on buyer and terms alone: the chain module refuses an id that it has already.
    ///
    /// # Errors
    /// [`EscrowError::Terms`].
    pub fn offer(terms: Terms, listing: &SignedOperation, context: &Context<'_>) -> Result<Step, EscrowError> {
        terms.validate()?;
        let content = listing.content().ok_or(TermsError::Listing)?;
        if terms.listing != listing.listing_id() || terms.revision != listing.id() {
            return Err(TermsError::Listing.into());
        }
        let seller = listing.operation().seller;
        if seller == context.sender {
            return Err(TermsError::SameParty.into());
        }
        terms.fit(content)?;
        let amount = terms.locked().ok_or(TermsError::Amount)?;
        let order = Self {
            id: OrderId(Digest::of(ORDER_ID, &[&context.sender.0, &wire::terms_to_bytes(&terms)])),
            buyer: context.sender,
            seller,
            stream: content.stream,
            allowed: content.proxies.clone(),
            terms,
            state: State::Offered,
            deadline: after(context.height, context.rules.accept_blocks),
            seller_bond: Amount::ZERO,
            stake: Amount::ZERO,
            slots: Vec::new(),
            verifying_key: Vec::new(),
            nodes: Vec::new(),
        };
        let effects = vec![Effect::Hold { party: order.buyer, purpose: Purpose::Payment, amount }];
        Ok(Step { order, effects })
    }

    /// What `event` makes of the order. The order itself does not change: an error leaves no trace.
    ///
    /// # Errors
    /// [`EscrowError`], saying why the event changes nothing. A complaint whose proof fails is no error: it settles.
    pub fn apply(
        &self,
        event: &Event,
        context: &Context<'_>,
        verifier: &dyn FragmentVerifier,
    ) -> Result<Step, EscrowError> {
        if self.state.is_final() {
            return Err(EscrowError::Ended(self.state));
        }
        if context.height >= self.deadline {
            return Err(EscrowError::TooLate(self.deadline));
        }
        match (self.state, event) {
            (State::Offered, Event::Cancel) => {
                self.by_buyer(context)?;
                Ok(self.end(State::Cancelled, payout::cancelled(self)))
            }
            (State::Offered, Event::Accept { bond }) => self.accept(*bond, context),
            (State::Accepted, Event::Grant { verifying_key, nodes, proxies }) => {
                self.grant(verifying_key, nodes, proxies, context, verifier)
            }
            (State::Granted, Event::Fragments(fragments)) => self.post(fragments, context, verifier),
            (State::Granted, Event::BadGrant { sealed, proof }) => self.bad_grant(sealed, proof, context, verifier),
            (State::Delivered, Event::Confirm) => {
                self.by_buyer(context)?;
                Ok(self.end(State::Settled, payout::settled(self, false)))
            }
            (State::Delivered, Event::Complain(complaint)) => {
                self.by_buyer(context)?;
                Ok(if judge::holds(self, complaint, verifier) {
                    self.end(State::SellerFault, payout::seller_fault(self))
                } else {
                    self.end(State::Settled, payout::settled(self, true))
                })
            }
            _ => Err(EscrowError::WrongState(self.state)),
        }
    }

    /// What time alone makes of the order at `height`; `None` if it stays as it is.
    pub fn tick(&self, height: Height) -> Option<Step> {
        if height < self.deadline()? {
            return None;
        }
        Some(match self.state {
            State::Offered => self.end(State::Cancelled, payout::cancelled(self)),
            State::Accepted => self.end(State::SellerFault, payout::seller_fault(self)),
            State::Granted => self.end(State::Refunded, payout::refunded(self)),
            State::Delivered => self.end(State::Settled, payout::settled(self, false)),
            State::Cancelled | State::Refunded | State::Settled | State::SellerFault => return None,
        })
    }

    fn accept(&self, bond: Amount, context: &Context<'_>) -> Result<Step, EscrowError> {
        self.by_seller(context)?;
        let least = self.terms.fees().unwrap_or(Amount::LIMIT);
        if bond < least || bond > Amount::LIMIT.max(least) {
            return Err(EscrowError::SellerBond { least });
        }
        let stake = self.terms.stake();
        let wanted = usize::from(self.terms.proxies);
        let drawn = drawn_among(&self.allowed, &self.buyer, stake, wanted, self.id, context)?;
        let mut effects = vec![Effect::Hold { party: self.seller, purpose: Purpose::Bond, amount: bond }];
        effects.extend(drawn.iter().map(|proxy| Effect::Hold {
            party: *proxy,
            purpose: Purpose::Stake,
            amount: stake,
        }));
        let slots = drawn
            .into_iter()
            .map(|proxy| Slot { proxy, fragment_ids: Vec::new(), sealed: Digest::ZERO, posted: Vec::new() })
            .collect();
        let deadline = after(context.height, context.rules.grant_blocks);
        let order = Self { state: State::Accepted, deadline, seller_bond: bond, stake, slots, ..self.clone() };
        Ok(Step { order, effects })
    }

    fn grant(
        &self,
        verifying_key: &[u8],
        nodes: &[GrantedNode],
        proxies: &[ProxyGrant],
        context: &Context<'_>,
        verifier: &dyn FragmentVerifier,
    ) -> Result<Step, EscrowError> {
        self.by_seller(context)?;
        if verifying_key.is_empty() || verifying_key.len() > MAX_KEY {
            return Err(EscrowError::Grant("the verifying key is missing or too long"));
        }
        if nodes.len() > MAX_NODES || !self.terms.nodes().eq(nodes.iter().map(|granted| granted.node)) {
            return Err(EscrowError::Grant("its nodes are not exactly those that cover the bought intervals"));
        }
        let fits = |bytes: &[u8], most| !bytes.is_empty() && bytes.len() <= most;
        if !nodes.iter().all(|node| fits(&node.delegating_key, MAX_KEY) && fits(&node.capsule, MAX_CAPSULE)) {
            return Err(EscrowError::Grant("a delegating key or capsule is missing or too long"));
        }
        let receiving = &self.terms.buyer_key;
        let well_formed = nodes.iter().all(|node| {
            let keys = FragmentKeys { delegating: &node.delegating_key, receiving, verifying: verifying_key };
            verifier.accepts(&self.stream, node, &keys)
        });
        if !well_formed {
            return Err(EscrowError::Grant("a capsule or key is malformed, or the capsule is of another node"));
        }
        // A delegating key that serves two nodes would open both with the fragments of one.
        let keys: BTreeSet<_> = nodes.iter().map(|node| &node.delegating_key).collect();
        if keys.len() != nodes.len() {
            return Err(EscrowError::Grant("two nodes have the same delegating key"));
        }
        if proxies.len() != self.slots.len() {
            return Err(EscrowError::Grant("there is not one bundle for each drawn proxy"));
        }
        if !proxies.iter().all(|grant| grant.fragment_ids.len() == nodes.len() && fits(&grant.sealed, MAX_SEALED)) {
            return Err(EscrowError::Grant("a proxy's bundle does not cover each node, or is too long"));
        }
        let ids: BTreeSet<_> = proxies.iter().flat_map(|grant| &grant.fragment_ids).collect();
        if ids.len() != proxies.len() * nodes.len() {
            return Err(EscrowError::Grant("two key fragments have the same id"));
        }
        let slots = self
            .slots
            .iter()
            .zip(proxies)
            .map(|(slot, grant)| Slot {
                fragment_ids: grant.fragment_ids.clone(),
                sealed: Digest::of(SEALED, &[&grant.sealed]),
                ..slot.clone()
            })
            .collect();
        let order = Self {
            state: State::Granted,
            deadline: after(context.height, context.rules.fragment_blocks),
            slots,
            verifying_key: verifying_key.to_vec(),
            nodes: nodes.to_vec(),
            ..self.clone()
        };
        Ok(Step { order, effects: Vec::new() })
    }

    fn post(
        &self,
        fragments: &[Vec<u8>],
        context: &Context<'_>,
        verifier: &dyn FragmentVerifier,
    ) -> Result<Step, EscrowError> {
        let place = self.by_proxy(context)?;
        let slot = self.slots.get(place).ok_or(EscrowError::NotYours("drawn proxies"))?;
        if slot.has_posted() {
            return Err(EscrowError::Posted);
        }
        if fragments.len() != self.nodes.len() {
            return Err(EscrowError::BundleLength { found: fragments.len(), expected: self.nodes.len() });
        }
        let mut posted = Vec::with_capacity(fragments.len());
        for (index, ((fragment, granted), expected)) in
            fragments.iter().zip(&self.nodes).zip(&slot.fragment_ids).enumerate()
        {
            let refuse = |error| EscrowError::Fragment { index, error };
            if fragment.len() > MAX_FRAGMENT {
                return Err(refuse(FragmentError::Format));
            }
            let id = verifier.verify(&granted.capsule, fragment, &self.keys_of(granted)).map_err(refuse)?;
            if id != *expected {
                return Err(refuse(FragmentError::Foreign));
            }
            posted.push(judge::fragment_digest(fragment));
        }
        let mut order = self.clone();
        if let Some(slot) = order.slots.get_mut(place) {
            slot.posted = posted;
        }
        if order.posted() >= usize::from(self.terms.threshold) {
            order.state = State::Delivered;
            order.deadline = after(context.height, context.rules.dispute_blocks);
        }
        Ok(Step { order, effects: Vec::new() })
    }

    fn bad_grant(
        &self,
        sealed: &[u8],
        proof: &[u8],
        context: &Context<'_>,
        verifier: &dyn FragmentVerifier,
    ) -> Result<Step, EscrowError> {
        let place = self.by_proxy(context)?;
        let slot = self.slots.get(place).ok_or(EscrowError::NotYours("drawn proxies"))?;
        if slot.has_posted() || proof.len() > MAX_PROOF || Digest::of(SEALED, &[sealed]) != slot.sealed {
            return Err(EscrowError::NotProven);
        }
        let nodes: Vec<_> =
            self.nodes.iter().map(|node| self.keys_of(node)).zip(slot.fragment_ids.iter().copied()).collect();
        if !verifier.proves_bad_grant(&slot.proxy, sealed, proof, &nodes) {
            return Err(EscrowError::NotProven);
        }
        Ok(self.end(State::SellerFault, payout::seller_fault(self)))
    }

    fn by_buyer(&self, context: &Context<'_>) -> Result<(), EscrowError> {
        if context.sender == self.buyer { Ok(()) } else { Err(EscrowError::NotYours("buyer")) }
    }

    fn by_seller(&self, context: &Context<'_>) -> Result<(), EscrowError> {
        if context.sender == self.seller { Ok(()) } else { Err(EscrowError::NotYours("seller")) }
    }

    fn by_proxy(&self, context: &Context<'_>) -> Result<usize, EscrowError> {
        let place = self.slots.iter().position(|slot| slot.proxy == context.sender);
        place.ok_or(EscrowError::NotYours("drawn proxies"))
    }

    fn end(&self, state: State, effects: Vec<Effect>) -> Step {
        Step { order: Self { state, ..self.clone() }, effects }
    }
}

/// Draws `wanted` of the allowed proxies that have `stake` to lock, the buyer excluded.
pub(super) fn drawn_among(
    allowed: &[PublicKey],
    buyer: &PublicKey,
    stake: Amount,
    wanted: usize,
    order: OrderId,
    context: &Context<'_>,
) -> Result<Vec<PublicKey>, EscrowError> {
    let allowed: BTreeSet<_> = allowed.iter().filter(|key| *key != buyer).collect();
    let able: Vec<Candidate> =
        context.candidates.iter().filter(|c| allowed.contains(&c.proxy) && c.free_stake >= stake).copied().collect();
    let drawn = draw(&able, wanted, context.randomness, order);
    if drawn.len() < wanted {
        return Err(EscrowError::TooFewProxies { found: drawn.len(), wanted, stake });
    }
    Ok(drawn)
}

/// The deadline: never the current block, even where a duration is 0.
pub(super) fn after(height: Height, blocks: u64) -> Height {
    Height(height.0.saturating_add(blocks.max(1)))
}

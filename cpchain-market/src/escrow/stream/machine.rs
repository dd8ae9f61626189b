//! The transitions: the table of the [module](super), row by row.

use cpchain_crypto::{Digest, Domain};

use super::{
    super::{
        event::{Effect, EscrowError, Event, Purpose},
        judge::FragmentVerifier,
        machine::{Context, Rules, after, drawn_among},
        order::{Order, OrderId, State},
        payout,
        terms::TermsError,
    },
    events::{Ask, StreamEvent},
    order::{StreamOrder, StreamState},
    terms::StreamTerms,
    wire,
};
use crate::{
    listing::SignedOperation,
    units::{Amount, Height},
};

const STREAM_ID: Domain = Domain::new("cpchain/market/stream-order-id/v1");

/// The stream order after an event, and what the ledger has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamStep {
    /// The order as it is to be stored.
    pub order: StreamOrder,
    /// To be performed in order, all or none.
    pub effects: Vec<Effect>,
}

impl StreamOrder {
    /// A new order from a buyer's offer against `listing`, the signed revision that is current on the chain.
    ///
    /// The id depends on buyer and terms alone: the chain module refuses an id that it has already.
    ///
    /// # Errors
    /// [`EscrowError::Terms`].
    pub fn offer(
        terms: StreamTerms,
        listing: &SignedOperation,
        context: &Context<'_>,
    ) -> Result<StreamStep, EscrowError> {
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
            id: OrderId(Digest::of(STREAM_ID, &[&context.sender.0, &wire::terms_to_bytes(&terms)])),
            buyer: context.sender,
            seller,
            stream: content.stream,
            allowed: content.proxies.clone(),
            terms,
            state: StreamState::Offered,
            deadline: after(context.height, context.rules.accept_blocks),
            seller_bond: Amount::ZERO,
            stake: Amount::ZERO,
            drawn: Vec::new(),
            settled: 0,
            interval: None,
        };
        let effects = vec![Effect::Hold { party: order.buyer, purpose: Purpose::Payment, amount }];
        Ok(StreamStep { order, effects })
    }

    /// What `event` makes of the order. The order itself does not change: an error leaves no trace.
    ///
    /// # Errors
    /// [`EscrowError`], saying why the event changes nothing. A complaint whose proof fails is no error: it settles and stops.
    pub fn apply(
        &self,
        event: &StreamEvent,
        context: &Context<'_>,
        verifier: &dyn FragmentVerifier,
    ) -> Result<StreamStep, EscrowError> {
        if self.state.is_final() {
            return Err(EscrowError::StreamEnded(self.state));
        }
        if context.height >= self.deadline {
            return Err(EscrowError::TooLate(self.deadline));
        }
        match (self.state, event) {
            (StreamState::Offered, StreamEvent::Stop | StreamEvent::Order(Event::Cancel)) => {
                self.by_buyer(context)?;
                Ok(self.stop())
            }
            (StreamState::Offered, StreamEvent::Order(Event::Accept { bond })) => self.accept(*bond, context),
            (StreamState::Open | StreamState::Asked, StreamEvent::Stop) => {
                if context.sender != self.seller {
                    self.by_buyer(context)?;
                }
                Ok(self.stop())
            }
            (StreamState::Open, StreamEvent::Ask(ask)) => {
                self.by_buyer(context)?;
                Ok(StreamStep { order: self.ask(ask, context)?, effects: Vec::new() })
            }
            (StreamState::Delivered, StreamEvent::Ask(ask)) => {
                self.by_buyer(context)?;
                let StreamStep { order, effects } = self.settle(context.height, context.rules);
                if order.state.is_final() {
                    return Err(TermsError::Range.into());
                }
                Ok(StreamStep { order: order.ask(ask, context)?, effects })
            }
            (StreamState::Delivered, StreamEvent::Order(Event::Confirm)) => {
                self.by_buyer(context)?;
                Ok(self.settle(context.height, context.rules))
            }
            (StreamState::Delivered, StreamEvent::Stop) => {
                self.by_buyer(context)?;
                let StreamStep { order, mut effects } = self.settle(context.height, context.rules);
                if order.state.is_final() {
                    return Ok(StreamStep { order, effects });
                }
                let stopped = order.stop();
                effects.extend(stopped.effects);
                Ok(StreamStep { order: stopped.order, effects })
            }
            (
                StreamState::Asked | StreamState::Granted | StreamState::Delivered,
                StreamEvent::Order(
                    event @ (Event::Grant { .. } | Event::Fragments(_) | Event::BadGrant { .. } | Event::Complain(_)),
                ),
            ) => {
                let interval = self.interval().ok_or(EscrowError::StreamState(self.state))?;
                let step = interval.apply(event, context, verifier)?;
                Ok(self.follow(step.order, step.effects))
            }
            _ => Err(EscrowError::StreamState(self.state)),
        }
    }

    /// What time alone makes of the order at `height`; `None` if it stays as it is. After an interval that nobody complained about, the
    /// buyer has as long to ask for the next as it had to complain.
    pub fn tick(&self, height: Height, rules: &Rules) -> Option<StreamStep> {
        if height < self.deadline()? {
            return None;
        }
        match self.state {
            StreamState::Offered | StreamState::Open | StreamState::Asked => Some(self.stop()),
            StreamState::Granted => {
                let step = self.interval()?.tick(height)?;
                Some(self.follow(step.order, step.effects))
            }
            StreamState::Delivered => Some(self.settle(height, rules)),
            StreamState::Stopped | StreamState::Refunded | StreamState::SellerFault => None,
        }
    }

    fn accept(&self, bond: Amount, context: &Context<'_>) -> Result<StreamStep, EscrowError> {
        if context.sender != self.seller {
            return Err(EscrowError::NotYours("seller"));
        }
        // What an order of one interval asks of its parties is asked here once.
        let ask = Ask { buyer_key: Vec::new(), manifest: Digest::ZERO, leaf_root: Digest::ZERO, leaf_count: 0 };
        let each = self.terms.order(0, &ask);
        let least = each.fees().unwrap_or(Amount::LIMIT);
        if bond < least || bond > Amount::LIMIT.max(least) {
            return Err(EscrowError::SellerBond { least });
        }
        let stake = each.stake();
        let wanted = usize::from(self.terms.proxies);
        let drawn = drawn_among(&self.allowed, &self.buyer, stake, wanted, self.id, context)?;
        let mut effects = vec![Effect::Hold { party: self.seller, purpose: Purpose::Bond, amount: bond }];
        let hold = |proxy| Effect::Hold { party: proxy, purpose: Purpose::Stake, amount: stake };
        effects.extend(drawn.iter().copied().map(hold));
        let order = Self {
            state: StreamState::Open,
            deadline: after(context.height, context.rules.dispute_blocks),
            seller_bond: bond,
            stake,
            drawn,
            ..self.clone()
        };
        Ok(StreamStep { order, effects })
    }

    /// The next interval, asked for.
    fn ask(&self, ask: &Ask, context: &Context<'_>) -> Result<Self, EscrowError> {
        let deadline = after(context.height, context.rules.grant_blocks);
        let interval = self.begin(ask, deadline);
        interval.terms().validate()?;
        Ok(Self { state: StreamState::Asked, deadline, interval: Some(Box::new(interval)), ..self.clone() })
    }

    /// The stream after its interval's order took a step that is no settlement.
    fn follow(&self, interval: Order, mut effects: Vec<Effect>) -> StreamStep {
        let (state, deadline, settled) = match interval.state() {
            State::Granted => (StreamState::Granted, interval.deadline, self.settled),
            State::Delivered => (StreamState::Delivered, interval.deadline, self.settled),
            State::Refunded => (StreamState::Refunded, self.deadline, self.settled),
            State::SellerFault => (StreamState::SellerFault, self.deadline, self.settled),
            // A complaint that did not hold.
            State::Settled => (StreamState::Stopped, self.deadline, self.settled.saturating_add(1)),
            State::Offered | State::Accepted | State::Cancelled => (self.state, self.deadline, self.settled),
        };
        if state.is_final() {
            // The order of one interval gave back or spent its own share; the rest of the buyer's money was for others.
            let own = interval.terms().locked().unwrap_or_default();
            let amount = self.unspent().saturating_sub(own);
            if amount > Amount::ZERO {
                effects.push(Effect::Release { party: self.buyer, purpose: Purpose::Payment, amount });
            }
            if state != StreamState::Stopped && self.settled > 0 {
                effects.extend(payout::sold(self.buyer, self.seller, state == StreamState::Refunded));
            }
        }
        let interval = if state.is_final() { None } else { Some(Box::new(interval)) };
        StreamStep { order: Self { state, deadline, settled, interval, ..self.clone() }, effects }
    }

    /// The interval under way is paid. The last one ends the order.
    fn settle(&self, height: Height, rules: &Rules) -> StreamStep {
        let mut effects = self.interval().map(payout::interval_settled).unwrap_or_default();
        let order = Self {
            state: StreamState::Open,
            deadline: after(height, rules.dispute_blocks),
            settled: self.settled.saturating_add(1),
            interval: None,
            ..self.clone()
        };
        if order.settled < order.terms.count {
            return StreamStep { order, effects };
        }
        let end = order.stop();
        effects.extend(end.effects);
        StreamStep { order: end.order, effects }
    }

    /// What is unspent goes back, and both bonds, and the stakes.
    fn stop(&self) -> StreamStep {
        let mut effects: Vec<_> = (self.locked().into_iter())
            .filter(|(.., amount)| *amount > Amount::ZERO)
            .map(|(party, purpose, amount)| Effect::Release { party, purpose, amount })
            .collect();
        if self.settled > 0 {
            effects.extend(payout::sold(self.buyer, self.seller, true));
        }
        StreamStep { order: Self { state: StreamState::Stopped, interval: None, ..self.clone() }, effects }
    }

    fn by_buyer(&self, context: &Context<'_>) -> Result<(), EscrowError> {
        if context.sender == self.buyer { Ok(()) } else { Err(EscrowError::NotYours("buyer")) }
    }
}

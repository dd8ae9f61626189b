//! The machine with one rule left out, each with the property that misses it.

use cpchain_crypto::{Digest, PublicKey, key_tree::TreeNode};

use super::{
    super::{payout, *},
    goods::Toy,
    properties::*,
};
use crate::units::{Amount, Height};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::escrow) enum Mutant {
    None,
    DeliveredBelowT,
    UnverifiedFragments,
    CopiedFragments,
    OneProxyPostsTwice,
    GrantedTwice,
    ConfirmedBeforeDelivery,
    CancelledAfterAcceptance,
    AnybodyActsForTheBuyer,
    AnybodyActsForTheSeller,
    LateEvents,
    NeverEnds(State),
    EveryComplaintHolds,
    NoComplaintHolds,
    BadGrantWithoutProof,
    LiesAreFree,
    SilenceIsFree,
    HalfTheStake,
    SmallBond,
    /// Of the effects of an order's end, this one is left out.
    EffectLost(usize),
    PricePaidTwice,
}

impl Mutant {
    pub(super) fn all() -> Vec<(Self, &'static str)> {
        let mut all = vec![
            (Self::DeliveredBelowT, PAID),
            (Self::UnverifiedFragments, PAID),
            (Self::CopiedFragments, PAID),
            (Self::OneProxyPostsTwice, PAID),
            (Self::GrantedTwice, PAID),
            (Self::ConfirmedBeforeDelivery, PAID),
            (Self::CancelledAfterAcceptance, MONEY),
            (Self::AnybodyActsForTheBuyer, ENTITLED),
            (Self::AnybodyActsForTheSeller, ENTITLED),
            (Self::LateEvents, ENTITLED),
            (Self::EveryComplaintHolds, REFUND),
            (Self::NoComplaintHolds, WRONGED),
            (Self::BadGrantWithoutProof, FAULT),
            (Self::LiesAreFree, LIES),
            (Self::SilenceIsFree, SILENCE),
            (Self::HalfTheStake, SILENCE),
            (Self::SmallBond, WORKED),
            (Self::PricePaidTwice, MONEY),
        ];
        all.extend(
            [State::Offered, State::Accepted, State::Granted, State::Delivered].map(|s| (Self::NeverEnds(s), STUCK)),
        );
        all.extend((0..3).map(|effect| (Self::EffectLost(effect), MONEY)));
        all
    }

    pub(super) fn tick(self, order: &Order, height: Height) -> Option<Step> {
        if self == Self::NeverEnds(order.state) {
            return None;
        }
        order.tick(height).map(|step| self.change(order, step))
    }

    pub(super) fn apply(self, order: &Order, event: &Event, context: &Context<'_>) -> Result<Step, EscrowError> {
        let verifier = Lax(self);
        let applied = order.apply(event, context, &verifier);
        let again = |order: &Order, context: &Context<'_>| order.apply(event, context, &verifier);
        let place = || order.slots.iter().position(|slot| slot.proxy == context.sender);
        let applied = match (self, event, &applied) {
            (Self::AnybodyActsForTheBuyer, _, Err(EscrowError::NotYours("buyer"))) => {
                again(order, &Context { sender: order.buyer, ..*context })
            }
            (Self::AnybodyActsForTheSeller, _, Err(EscrowError::NotYours("seller"))) => {
                again(order, &Context { sender: order.seller, ..*context })
            }
            (Self::LateEvents, _, Err(EscrowError::TooLate(_))) => {
                again(&Order { deadline: Height(u64::MAX), ..order.clone() }, context)
            }
            (Self::CopiedFragments, Event::Fragments(shown), Err(EscrowError::Fragment { .. })) => {
                let mut changed = order.clone();
                if let Some(place) = place() {
                    let ids = shown.iter().filter_map(|bytes| Digest::from_slice(bytes.get(..32)?).map(FragmentId));
                    changed.slots[place].fragment_ids = ids.collect();
                }
                again(&changed, context)
            }
            (Self::OneProxyPostsTwice, Event::Fragments(_), Err(EscrowError::Posted)) => {
                let mut changed = order.clone();
                if let (Some(place), Some(free)) = (place(), order.slots.iter().position(|slot| !slot.has_posted())) {
                    changed.slots.swap(place, free);
                    changed.slots[place].proxy = context.sender;
                    changed.slots[place].fragment_ids = order.slots[place].fragment_ids.clone();
                }
                again(&changed, context).map(|mut step| {
                    step.order.slots.iter_mut().zip(&order.slots).for_each(|(slot, old)| slot.proxy = old.proxy);
                    step
                })
            }
            (Self::GrantedTwice, Event::Grant { .. }, Err(EscrowError::WrongState(State::Granted))) => {
                again(&Order { state: State::Accepted, ..order.clone() }, context)
            }
            (Self::ConfirmedBeforeDelivery, Event::Confirm, Err(EscrowError::WrongState(State::Granted))) => {
                again(&Order { state: State::Delivered, ..order.clone() }, context)
            }
            (Self::CancelledAfterAcceptance, Event::Cancel, Err(EscrowError::WrongState(State::Accepted))) => {
                again(&Order { state: State::Offered, ..order.clone() }, context)
            }
            (Self::SmallBond, Event::Accept { bond }, Err(EscrowError::SellerBond { least })) => {
                let mut lax = order.clone();
                lax.terms.fee = Amount(0);
                let step = lax.apply(&Event::Accept { bond: *bond }, context, &Toy);
                assert!(bond < least);
                step.map(|mut step| {
                    step.order.terms.fee = order.terms.fee;
                    let stake = order.terms.stake();
                    step.order.stake = stake;
                    resize(&mut step.effects, stake);
                    step
                })
            }
            _ => applied,
        };
        applied.map(|step| self.change(order, step))
    }

    /// What the mutant makes of a step that was taken.
    fn change(self, before: &Order, mut step: Step) -> Step {
        let (order, effects) = (&mut step.order, &mut step.effects);
        match self {
            Self::DeliveredBelowT if order.state == State::Granted && order.posted() + 1 >= 2 => {
                order.state = State::Delivered;
            }
            Self::LiesAreFree if order.state == State::Settled => *effects = payout::settled(before, false),
            Self::SilenceIsFree if order.state == State::Refunded => {
                effects
                    .retain(|effect| matches!(effect, Effect::Release { purpose, .. } if *purpose != Purpose::Stake));
                let stake =
                    |slot: &Slot| Effect::Release { party: slot.proxy, purpose: Purpose::Stake, amount: before.stake };
                effects.extend(before.slots.iter().map(stake));
            }
            Self::HalfTheStake if before.state == State::Offered && order.state == State::Accepted => {
                order.stake = Amount(order.stake.0 / 2);
                resize(effects, order.stake);
            }
            Self::EffectLost(place) if order.state.is_final() && place < effects.len() => {
                effects.remove(place);
            }
            Self::PricePaidTwice => {
                let price =
                    effects.iter().find(|e| matches!(e, Effect::Transfer { reason: Reason::Price, .. })).copied();
                effects.extend(price);
            }
            _ => {}
        }
        step
    }
}

fn resize(effects: &mut [Effect], stake: Amount) {
    for effect in effects {
        if let Effect::Hold { purpose: Purpose::Stake, amount, .. } = effect {
            *amount = stake;
        }
    }
}

/// The scheme with the mutant's rule left out.
pub(in crate::escrow) struct Lax(pub(in crate::escrow) Mutant);

impl FragmentVerifier for Lax {
    fn accepts(&self, stream: &Digest, granted: &GrantedNode, keys: &FragmentKeys<'_>) -> bool {
        Toy.accepts(stream, granted, keys)
    }

    fn verify(&self, capsule: &[u8], fragment: &[u8], keys: &FragmentKeys<'_>) -> Result<FragmentId, FragmentError> {
        let named = fragment.get(..32).and_then(Digest::from_slice).map(FragmentId);
        match (self.0, named) {
            (Mutant::UnverifiedFragments, Some(id)) => Ok(id),
            _ => Toy.verify(capsule, fragment, keys),
        }
    }

    fn proves_bad_grant(
        &self,
        proxy: &PublicKey,
        sealed: &[u8],
        proof: &[u8],
        nodes: &[(FragmentKeys<'_>, FragmentId)],
    ) -> bool {
        self.0 == Mutant::BadGrantWithoutProof || Toy.proves_bad_grant(proxy, sealed, proof, nodes)
    }

    fn recover(
        &self,
        secret: &[u8],
        node: TreeNode,
        capsule: &[u8],
        fragments: &[&[u8]],
        keys: &FragmentKeys<'_>,
    ) -> Recovered {
        match self.0 {
            Mutant::EveryComplaintHolds => Recovered::DoesNotOpen,
            Mutant::NoComplaintHolds => Recovered::WrongSecret,
            _ => Toy.recover(secret, node, capsule, fragments, keys),
        }
    }
}

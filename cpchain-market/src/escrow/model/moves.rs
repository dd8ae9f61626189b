//! What anybody can try, what it makes of the world, and what of it is true.

use cpchain_crypto::PublicKey;

use super::{
    super::*,
    FEE, Market, World,
    goods::{self, Cheat, Goods, Granted},
};
use crate::units::{Amount, Height};

/// A complaint of the buyer, or of somebody in its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::escrow) enum Claim {
    Leaf,
    LeafMadeUp,
    Key,
    KeyWithoutAFragment,
    KeyOfAnother,
}

/// A bundle as a proxy may post it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::escrow) enum Posted {
    Own,
    Forged,
    CopyOf(usize),
    Nothing,
}

/// What is tried. Parties are the buyer, the seller, a stranger and the drawn proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Move {
    /// A block passes, and the chain has not ticked the order.
    Block,
    Tick,
    Cancel(PublicKey),
    Accept {
        by: PublicKey,
        bond: u128,
        draw: u8,
    },
    Grant {
        by: PublicKey,
        kind: Granted,
    },
    Post {
        by: PublicKey,
        bundle: Posted,
    },
    BadGrant {
        by: PublicKey,
        honest: bool,
    },
    Confirm(PublicKey),
    Complain {
        by: PublicKey,
        claim: Claim,
    },
}

/// No honest machine is alive after four states of two blocks, each ticked a block late.
const LAST_BLOCK: u64 = 16;

/// What is worth trying: also what comes too early or too late for the state. That every other event is refused in a state not
/// its own is `each_event_belongs_to_its_state` in `tests/escrow_table.rs`.
pub(super) fn all(world: &World, draws: u8) -> Vec<Move> {
    let order = &world.order;
    let (state, slots) = (order.state(), order.slots().len());
    let mut parties = vec![goods::buyer(), goods::seller(), goods::stranger()];
    parties.extend(order.slots().iter().map(Slot::proxy));
    let mut moves = vec![Move::Tick];
    if order.deadline().is_some_and(|deadline| world.height <= deadline.0.min(LAST_BLOCK)) {
        moves.push(Move::Block);
    }
    let fees = FEE * u128::from(order.terms().proxies);
    for by in parties {
        moves.extend([Move::Cancel(by), Move::Confirm(by)]);
        for bond in [fees - 1, fees, fees + 10].into_iter().filter(|_| state == State::Offered) {
            moves.extend((0..draws).map(|draw| Move::Accept { by, bond, draw }));
        }
        if matches!(state, State::Accepted | State::Granted) {
            moves.extend([Granted::Good, Granted::Closed, Granted::Elsewhere].map(|kind| Move::Grant { by, kind }));
            moves.extend((0..slots).map(|slot| Move::Grant { by, kind: Granted::BadBox(slot) }));
        }
        if matches!(state, State::Granted | State::Delivered) {
            let copies = (0..slots).map(Posted::CopyOf);
            let bundles = [Posted::Own, Posted::Forged, Posted::Nothing].into_iter().chain(copies);
            moves.extend(bundles.map(|bundle| Move::Post { by, bundle }));
            moves.extend([true, false].map(|honest| Move::BadGrant { by, honest }));
        }
        if state == State::Delivered {
            let claims = [Claim::Leaf, Claim::LeafMadeUp, Claim::Key, Claim::KeyWithoutAFragment, Claim::KeyOfAnother];
            moves.extend(claims.map(|claim| Move::Complain { by, claim }));
        }
    }
    moves
}

fn slot_of(order: &Order, party: PublicKey) -> Option<usize> {
    order.slots().iter().position(|slot| slot.proxy() == party)
}

fn event(market: &Market, world: &World, action: &Move) -> Option<(PublicKey, Event)> {
    let order = &world.order;
    let goods = market.goods_of(world.cheat);
    Some(match *action {
        Move::Block | Move::Tick => return None,
        Move::Cancel(by) => (by, Event::Cancel),
        Move::Confirm(by) => (by, Event::Confirm),
        Move::Accept { by, bond, .. } => (by, Event::Accept { bond: Amount(bond) }),
        Move::Grant { by, kind } => (by, goods::grant(order, kind)),
        Move::Post { by, bundle } => {
            let own = slot_of(order, by).unwrap_or(0);
            let fragments = match bundle {
                Posted::Own => goods::bundle(order, own),
                Posted::CopyOf(other) => goods::bundle(order, other),
                Posted::Nothing => vec![],
                Posted::Forged => {
                    let mut forged = goods::bundle(order, own);
                    forged[0][40] ^= 1;
                    forged
                }
            };
            (by, Event::Fragments(fragments))
        }
        Move::BadGrant { by, honest } => {
            let proof = if honest { b"opening".to_vec() } else { b"no proof".to_vec() };
            let bad = matches!(world.granted, Some(Granted::BadBox(slot)) if slot_of(order, by) == Some(slot));
            let sealed = if bad { b"bad".to_vec() } else { b"bundle".to_vec() };
            (by, Event::BadGrant { sealed, proof })
        }
        Move::Complain { by, claim } => (by, Event::Complain(Box::new(complaint(order, goods, claim)))),
    })
}

pub(in crate::escrow) fn complaint(order: &Order, goods: &Goods, claim: Claim) -> Complaint {
    let posting = order.slots().iter().enumerate().filter(|(_, slot)| slot.has_posted());
    let mut fragments: Vec<_> = posting
        .map(|(i, slot)| PostedFragment { proxy: slot.proxy(), bytes: goods::bundle(order, i).swap_remove(0) })
        .collect();
    let secret = match claim {
        Claim::Leaf | Claim::LeafMadeUp => {
            return Complaint::BadLeaf { leaf: goods.evidence(), secrets: goods.secrets(claim == Claim::LeafMadeUp) };
        }
        Claim::KeyOfAnother => b"another secret".to_vec(),
        Claim::Key | Claim::KeyWithoutAFragment => goods::BUYER_SECRET.to_vec(),
    };
    if claim == Claim::KeyWithoutAFragment {
        fragments.pop();
    }
    Complaint::BadKey { secret, node: 0, fragments, leaf: Some(goods.evidence()) }
}

fn is_true(world: &World, claim: Claim) -> bool {
    holds(world.cheat, world.granted, claim)
}

/// Is the claim true of what was really sold and granted?
pub(in crate::escrow) fn holds(cheat: Cheat, granted: Option<Granted>, claim: Claim) -> bool {
    match claim {
        Claim::Leaf => matches!(cheat, Cheat::OtherContent | Cheat::Garbage),
        Claim::Key => cheat != Cheat::No || matches!(granted, Some(Granted::Closed | Granted::Elsewhere)),
        Claim::LeafMadeUp | Claim::KeyWithoutAFragment | Claim::KeyOfAnother => false,
    }
}

/// Who may do it at all.
fn may(world: &World, action: &Move) -> bool {
    match *action {
        Move::Block | Move::Tick => true,
        Move::Cancel(by) | Move::Confirm(by) | Move::Complain { by, .. } => by == goods::buyer(),
        Move::Accept { by, .. } | Move::Grant { by, .. } => by == goods::seller(),
        Move::Post { by, .. } | Move::BadGrant { by, .. } => slot_of(&world.order, by).is_some(),
    }
}

/// The world after the move; `None` if nothing changes.
pub(super) fn play(market: &Market, world: &World, action: &Move) -> Option<World> {
    let mut next = world.clone();
    match action {
        Move::Block => {
            next.height += 1;
            return Some(next);
        }
        Move::Tick => {
            let step = market.mutant.tick(&world.order, Height(world.height))?;
            next.books.perform(&step.effects);
            next.order = step.order;
            return Some(next);
        }
        _ => {}
    }
    let (sender, event) = event(market, world, action)?;
    let draw = if let Move::Accept { draw, .. } = action { *draw } else { 0 };
    let result =
        market.context(sender, world.height, draw, |context| market.mutant.apply(&world.order, &event, context));
    let in_time = world.order.deadline().is_some_and(|deadline| world.height < deadline.0);
    let buyers = matches!(*action, Move::Complain { by, claim } if by == goods::buyer() && is_true(world, claim));
    let due = buyers && in_time && world.order.state() == State::Delivered;
    let Ok(step) = result else {
        next.wronged |= due;
        return due.then_some(next);
    };
    next.intrusion |= !in_time || !may(world, action);
    next.books.perform(&step.effects);
    next.order = step.order;
    next.was_delivered |= next.order.state() == State::Delivered;
    match *action {
        Move::Grant { kind, .. } => (next.granted, next.genuine) = (Some(kind), 0),
        Move::Post { by, bundle } => {
            let slot = slot_of(&world.order, by);
            let own = bundle == Posted::Own || slot.map(Posted::CopyOf) == Some(bundle);
            next.genuine |= slot.filter(|_| own).map_or(0, |slot| 1 << slot);
        }
        Move::BadGrant { by, honest } => {
            let box_is_bad =
                matches!(world.granted, Some(Granted::BadBox(slot)) if slot_of(&world.order, by) == Some(slot));
            next.proven |= honest && box_is_bad;
        }
        Move::Complain { claim, .. } => {
            next.proven |= is_true(world, claim);
            next.lied |= !is_true(world, claim);
            next.wronged |= due && next.order.state() != State::SellerFault;
        }
        Move::Block | Move::Tick | Move::Cancel(_) | Move::Confirm(_) | Move::Accept { .. } => {}
    }
    Some(next)
}

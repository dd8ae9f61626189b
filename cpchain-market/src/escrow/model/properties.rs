//! What must hold in every state, in terms of what really happened.

use stateright::Property;

use super::{super::*, FEE, Market, PRICE, World, goods};
use crate::units::Height;

pub(super) const MONEY: &str = "money in = money out";
pub(super) const STUCK: &str = "time alone ends every order";
pub(super) const PAID: &str = "no payment without t genuine bundles";
pub(super) const REFUND: &str = "no refund after Delivered without a true proof";
pub(super) const WRONGED: &str = "a true complaint in time always holds";
pub(super) const FAULT: &str = "no seller is at fault without a reason";
pub(super) const WORKED: &str = "a proxy that worked is paid, and loses nothing";
pub(super) const SILENCE: &str = "silence that fails a sale costs 1.5 prices";
pub(super) const BUYER: &str = "a buyer pays price and fees at most, unless it lied";
pub(super) const LIES: &str = "a false complaint costs the bond";
pub(super) const ENTITLED: &str = "nobody acts for another, or late";

pub(super) const NAMES: [&str; 11] =
    [MONEY, STUCK, PAID, REFUND, WRONGED, FAULT, WORKED, SILENCE, BUYER, LIES, ENTITLED];

fn ended(world: &World, state: State) -> bool {
    world.order.state() == state
}

fn genuine(world: &World, slot: usize) -> bool {
    world.genuine >> slot & 1 == 1
}

fn ends_by_time(market: &Market, world: &World) -> bool {
    let (mut order, mut books) = (world.order.clone(), world.books.clone());
    for height in (100..).step_by(100).take(4) {
        if let Some(step) = market.mutant.tick(&order, Height(height)) {
            books.perform(&step.effects);
            order = step.order;
        }
    }
    order.state().is_final() && books.balance(order.locked())
}

fn paid(world: &World) -> bool {
    let enough = world.genuine.count_ones() >= u32::from(world.order.terms().threshold);
    match world.books.price.as_slice() {
        [] => !ended(world, State::Settled),
        [(to, amount)] => ended(world, State::Settled) && *to == goods::seller() && *amount == PRICE && enough,
        _ => false,
    }
}

fn worked(world: &World) -> bool {
    let paid = matches!(world.order.state(), State::Settled | State::Refunded | State::SellerFault);
    world.order.slots().iter().enumerate().all(|(i, slot)| {
        let gain = world.books.gain(slot.proxy());
        !paid || if genuine(world, i) { gain == FEE as i128 } else { gain == 0 || ended(world, State::Refunded) }
    })
}

fn silence(world: &World) -> bool {
    let lost: i128 = (world.order.slots().iter().enumerate())
        .filter(|(i, _)| !genuine(world, *i))
        .map(|(_, slot)| -world.books.gain(slot.proxy()))
        .sum();
    !ended(world, State::Refunded) || 2 * lost >= 3 * PRICE as i128
}

fn buyer(world: &World) -> bool {
    let gain = world.books.gain(goods::buyer());
    let fees = world.order.slots().iter().filter(|slot| slot.has_posted()).count() as u128 * FEE;
    match world.order.state() {
        State::Settled => world.lied || gain == -((PRICE + fees) as i128),
        State::Cancelled | State::Refunded => gain == 0,
        State::SellerFault => gain >= 0,
        State::Offered | State::Accepted | State::Granted | State::Delivered => true,
    }
}

pub(super) fn all() -> Vec<Property<Market>> {
    let mut all = vec![
        Property::always(MONEY, |_, world: &World| world.books.balance(world.order.locked())),
        Property::always(STUCK, ends_by_time),
        Property::always(PAID, |_, world: &World| paid(world)),
        Property::always(REFUND, |_, world: &World| {
            let refunded = world.was_delivered && world.order.state().is_final() && !ended(world, State::Settled);
            !refunded || world.proven
        }),
        Property::always(WRONGED, |_, world: &World| !world.wronged),
        Property::always(FAULT, |_, world: &World| {
            !ended(world, State::SellerFault) || world.granted.is_none() || world.proven
        }),
        Property::always(WORKED, |_, world: &World| worked(world)),
        Property::always(SILENCE, |_, world: &World| silence(world)),
        Property::always(BUYER, |_, world: &World| buyer(world)),
        Property::always(LIES, |_, world: &World| {
            let cost = 2 * PRICE as i128;
            !(world.lied && ended(world, State::Settled)) || world.books.gain(goods::buyer()) <= -cost
        }),
        Property::always(ENTITLED, |_, world: &World| !world.intrusion),
    ];
    // The exploration is worth something: every end is reached.
    all.extend([
        Property::sometimes("cancelled", |_, world: &World| ended(world, State::Cancelled)),
        Property::sometimes("refunded", |_, world: &World| ended(world, State::Refunded)),
        Property::sometimes("settled", |_, world: &World| ended(world, State::Settled)),
        Property::sometimes("at fault without a grant", |_, world: &World| {
            ended(world, State::SellerFault) && world.granted.is_none()
        }),
        Property::sometimes("at fault after the delivery", |_, world: &World| {
            ended(world, State::SellerFault) && world.was_delivered
        }),
        Property::sometimes("a lie", |_, world: &World| world.lied && ended(world, State::Settled)),
    ]);
    all
}

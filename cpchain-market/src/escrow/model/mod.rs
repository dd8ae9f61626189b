//! The escrow machine explored: every order of everything that buyer, seller, proxies and a stranger can try, all of them Byzantine,
//! with the real machine in the middle. The checker is `stateright`.
//!
//! What is free: who sends what (own and others' events, true and false proofs, good and bad grants, genuine, forged and copied
//! fragments), in which block, whom the chain draws, what the seller sold, and how late the chain ticks the order. What is bounded:
//! n ≤ 3 proxies of n + 1 staked ones, each state two blocks long, one granted node.
//!
//! The properties in [`properties`] are written from the paper's side: they count genuine bundles and true proofs by themselves and never
//! ask the machine. Each rule of the machine is left out once, in [`mutants`], and the checker misses it.

pub(super) mod goods;
pub(super) mod ledger;
pub(super) mod moves;
pub(super) mod mutants;
mod properties;

use std::hash::{Hash, Hasher};

use cpchain_crypto::{Digest, PublicKey};
use stateright::{Checker, HasDiscoveries, Model, Property};

use self::{
    goods::{Cheat, Goods, Granted},
    ledger::Books,
    moves::Move,
    mutants::Mutant,
};
use super::*;
use crate::units::{Amount, Height};

/// What is bought, and how small the world is.
#[derive(Debug, Clone)]
struct Market {
    threshold: u8,
    proxies: u8,
    /// Seeds of the chain's randomness that the draw may meet.
    draws: u8,
    goods: Vec<Goods>,
    mutant: Mutant,
}

/// Everything at one moment: the order, the money, and what really happened.
#[derive(Debug, Clone, PartialEq)]
struct World {
    order: Order,
    height: u64,
    books: Books,
    cheat: Cheat,
    granted: Option<Granted>,
    /// Slots whose proxy has posted a genuine bundle for the grant that stands.
    genuine: u8,
    was_delivered: bool,
    /// A true complaint or a true proof of a bad grant was accepted.
    proven: bool,
    /// A true complaint of the buyer, in time, did not bring the buyer its money.
    wronged: bool,
    /// The buyer complained in vain.
    lied: bool,
    /// Something was done by one who may not, or after its time.
    intrusion: bool,
}

const RULES: Rules = Rules { accept_blocks: 2, grant_blocks: 2, fragment_blocks: 2, dispute_blocks: 2 };
pub(super) const PRICE: u128 = 100;
pub(super) const FEE: u128 = 4;

impl Market {
    fn new(threshold: u8, proxies: u8, cheats: &[Cheat]) -> Self {
        let goods = cheats.iter().map(|cheat| Goods::new(*cheat)).collect();
        Self { threshold, proxies, draws: 1, goods, mutant: Mutant::None }
    }

    fn goods_of(&self, cheat: Cheat) -> &Goods {
        self.goods.iter().find(|goods| goods.cheat == cheat).unwrap()
    }

    fn context<R>(&self, sender: PublicKey, height: u64, draw: u8, f: impl FnOnce(&Context<'_>) -> R) -> R {
        let free_stake = Amount(1 << 40);
        let candidate = |i| Candidate { proxy: goods::proxy(i), reputation: 1, free_stake };
        let candidates: Vec<_> = (0..=self.proxies).map(candidate).collect();
        let randomness = Digest([draw; 32]);
        f(&Context { height: Height(height), sender, randomness, candidates: &candidates, rules: &RULES })
    }
}

impl Model for Market {
    type State = World;
    type Action = Move;

    fn init_states(&self) -> Vec<World> {
        let worlds = self.goods.iter().map(|goods| {
            let terms = goods.terms(self.threshold, self.proxies);
            let listing = goods::listing(self.proxies);
            let step = self.context(goods::buyer(), 0, 0, |context| Order::offer(terms, &listing, context)).unwrap();
            let mut books = Books::default();
            books.perform(&step.effects);
            World {
                order: step.order,
                height: 0,
                books,
                cheat: goods.cheat,
                granted: None,
                genuine: 0,
                was_delivered: false,
                proven: false,
                wronged: false,
                lied: false,
                intrusion: false,
            }
        });
        worlds.collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Move>) {
        if !world.order.state().is_final() {
            actions.extend(moves::all(world, self.draws));
        }
    }

    fn next_state(&self, world: &World, action: Move) -> Option<World> {
        moves::play(self, world, &action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.order.to_bytes().hash(state);
        (self.height, &self.books, self.cheat, self.granted, self.genuine).hash(state);
        (self.was_delivered, self.proven, self.wronged, self.lied, self.intrusion).hash(state);
    }
}

/// Explores until `wanted` is broken; the names of the broken properties, and how many states there were.
fn explore(market: Market, wanted: &'static str) -> (Vec<&'static str>, usize) {
    let until = HasDiscoveries::AllOf([wanted].into());
    let checker = market.checker().threads(1).finish_when(until).spawn_bfs().join();
    let broken = properties::NAMES.iter().copied().filter(|name| checker.discovery(name).is_some()).collect();
    (broken, checker.unique_state_count())
}

fn holds(threshold: u8, proxies: u8, draws: u8, cheats: &[Cheat]) -> usize {
    let market = Market { draws, ..Market::new(threshold, proxies, cheats) };
    let checker = market.checker().threads(1).spawn_bfs().join();
    checker.assert_properties();
    let states = checker.unique_state_count();
    println!("{threshold} of {proxies}, {draws} draws: {states} states");
    states
}

#[test]
fn two_proxies_whatever_anybody_does() {
    assert!(holds(1, 2, 1, &Cheat::ALL) > 1_000);
    assert!(holds(2, 2, 1, &Cheat::ALL) > 1_000);
}

/// Three proxies of four, every draw that two seeds give. `cargo test --release -p cpchain-market --lib model -- --ignored`
#[test]
#[ignore = "minutes without --release"]
fn three_proxies_whatever_anybody_does() {
    for threshold in 1..=3 {
        assert!(holds(threshold, 3, 2, &Cheat::ALL) > 10_000);
    }
}

#[test]
fn every_mutant_is_found() {
    for (mutant, property) in Mutant::all() {
        let (broken, states) = explore(Market { mutant, ..Market::new(2, 2, &[Cheat::OtherContent]) }, property);
        assert!(broken.contains(&property), "{mutant:?}: {property:?} holds in {states} states, broken: {broken:?}");
    }
}

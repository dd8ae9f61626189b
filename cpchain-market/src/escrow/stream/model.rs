//! A stream order explored: up to three intervals, two proxies of three, all parties Byzantine, the real machine in the middle.
//!
//! What is free and what is bounded is as in the model of one [order](super::super::model); each state lasts one block, and blocks are counted
//! from the last event, so that the same situation is one state whenever it comes. The properties count genuine bundles and true proofs by
//! themselves and never ask the machine.

use std::hash::{Hash, Hasher};

use cpchain_crypto::{Digest, PublicKey};
use stateright::{Checker, HasDiscoveries, Model, Property};

use super::{
    super::{
        model::{
            FEE, PRICE,
            goods::{self, Cheat, Goods, Granted},
            ledger::Books,
            moves::{Claim, Posted, complaint, holds},
            mutants::{Lax, Mutant as Scheme},
        },
        *,
    },
    *,
};
use crate::units::{Amount, Height};

const PROXIES: u8 = 2;
const RULES: Rules = Rules { accept_blocks: 1, grant_blocks: 1, fragment_blocks: 1, dispute_blocks: 1 };

const MONEY: &str = "money in = money out";
const STUCK: &str = "time alone ends every stream";
const PAID: &str = "no interval is paid without t genuine bundles for it";
const OWED: &str = "no delivered interval stays unpaid without a true proof";
const WRONGED: &str = "a true complaint in time always holds";
const FAULT: &str = "no seller is at fault without a reason";
const WORKED: &str = "a proxy that worked is paid for each interval, and loses nothing";
const SILENCE: &str = "silence that fails an interval costs 1.5 prices";
const BUYER: &str = "a buyer pays for delivered intervals only, unless it lied";
const LIES: &str = "a false complaint costs the bond and one interval";
const ENTITLED: &str = "nobody acts for another, or late";
const NAMES: [&str; 11] = [MONEY, STUCK, PAID, OWED, WRONGED, FAULT, WORKED, SILENCE, BUYER, LIES, ENTITLED];

/// The machine with one rule left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutant {
    None,
    /// The scheme's rules, as in the model of one order.
    Of(Scheme),
    ConfirmedBeforeDelivery,
    StoppedWithoutPaying,
    AskedWithoutPaying,
    NeverEnds(StreamState),
    RestKept,
    NotCounted,
    AnybodyActsForTheBuyer,
    LateEvents,
    PricePaidTwice,
    HalfTheStake,
    LiesAreFree,
}

#[derive(Debug, Clone)]
struct Streams {
    threshold: u8,
    intervals: u32,
    cheats: Vec<Cheat>,
    mutant: Mutant,
}

/// Everything at one moment: the order, the money, and what really happened.
#[derive(Debug, Clone, PartialEq)]
struct World {
    order: StreamOrder,
    height: u64,
    books: Books,
    cheat: Cheat,
    granted: Option<Granted>,
    /// Slots whose proxy has posted a genuine bundle for the interval under way.
    genuine: u8,
    /// Intervals for which each slot posted one.
    work: [u8; PROXIES as usize],
    /// Intervals for which the seller was paid.
    paid: u32,
    /// One was paid that should not have been, or to another, or otherwise.
    overpaid: bool,
    /// One was delivered, and its end neither paid for it nor proved it bad.
    owed: bool,
    proven: bool,
    wronged: bool,
    lied: bool,
    intrusion: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Move {
    Block,
    Tick,
    Cancel(PublicKey),
    Stop(PublicKey),
    Accept { by: PublicKey, bond: u128 },
    Ask(PublicKey),
    Grant { by: PublicKey, kind: Granted },
    Post { by: PublicKey, bundle: Posted },
    BadGrant { by: PublicKey, honest: bool },
    Confirm(PublicKey),
    Complain { by: PublicKey, claim: Claim },
}

fn slot_of(order: &StreamOrder, party: PublicKey) -> Option<usize> {
    order.drawn().iter().position(|proxy| *proxy == party)
}

fn goods_of(world: &World) -> Goods {
    Goods::of(world.cheat, world.order.next_interval())
}

impl Streams {
    fn context<R>(&self, sender: PublicKey, height: u64, f: impl FnOnce(&Context<'_>) -> R) -> R {
        let candidate = |i| Candidate { proxy: goods::proxy(i), reputation: 1, free_stake: Amount(1 << 40) };
        let candidates: Vec<_> = (0..=PROXIES).map(candidate).collect();
        let randomness = Digest([1; 32]);
        f(&Context { height: Height(height), sender, randomness, candidates: &candidates, rules: &RULES })
    }

    fn tick(&self, order: &StreamOrder, height: u64) -> Option<StreamStep> {
        if self.mutant == Mutant::NeverEnds(order.state) {
            return None;
        }
        order.tick(Height(height), &RULES).map(|step| self.change(order, step))
    }

    fn apply(&self, order: &StreamOrder, event: &StreamEvent, sender: PublicKey, height: u64) -> Option<StreamStep> {
        let verifier = Lax(if let Mutant::Of(scheme) = self.mutant { scheme } else { Scheme::None });
        let play = |order: &StreamOrder, sender, height| {
            self.context(sender, height, |context| order.apply(event, context, &verifier)).ok()
        };
        let delivered = order.state == StreamState::Delivered;
        let step = match (self.mutant, event) {
            (Mutant::StoppedWithoutPaying, StreamEvent::Stop) if delivered && sender == order.buyer => {
                play(&StreamOrder { state: StreamState::Open, ..order.clone() }, sender, height)
            }
            (Mutant::AskedWithoutPaying, StreamEvent::Ask(_)) if delivered && sender == order.buyer => {
                play(&StreamOrder { state: StreamState::Open, ..order.clone() }, sender, height)
            }
            (Mutant::ConfirmedBeforeDelivery, StreamEvent::Order(Event::Confirm))
                if order.state == StreamState::Granted =>
            {
                play(&StreamOrder { state: StreamState::Delivered, ..order.clone() }, sender, height)
            }
            (Mutant::AnybodyActsForTheBuyer, _) => {
                play(order, sender, height).or_else(|| play(order, order.buyer, height))
            }
            (Mutant::LateEvents, _) => play(order, sender, height.min(order.deadline.0.saturating_sub(1))),
            _ => play(order, sender, height),
        };
        step.map(|step| self.change(order, step))
    }

    /// What the mutant makes of a step that was taken.
    fn change(&self, before: &StreamOrder, mut step: StreamStep) -> StreamStep {
        let (order, effects) = (&mut step.order, &mut step.effects);
        match self.mutant {
            Mutant::RestKept if order.state == StreamState::SellerFault && before.settled + 1 < before.terms.count => {
                let last = effects.iter().rposition(
                    |e| matches!(e, Effect::Release { party, purpose: Purpose::Payment, .. } if *party == order.buyer),
                );
                last.map(|place| effects.remove(place));
            }
            Mutant::NotCounted if order.state == StreamState::Open => order.settled = before.settled,
            Mutant::PricePaidTwice => {
                let price = effects.iter().find(|e| matches!(e, Effect::Transfer { reason: Reason::Price, .. }));
                effects.extend(price.copied());
            }
            Mutant::HalfTheStake if before.state == StreamState::Offered && order.state == StreamState::Open => {
                order.stake = Amount(order.stake.0 / 2);
                for effect in effects {
                    if let Effect::Hold { purpose: Purpose::Stake, amount, .. } = effect {
                        *amount = order.stake;
                    }
                }
            }
            Mutant::LiesAreFree => {
                for effect in effects {
                    if let Effect::Transfer {
                        from, purpose: Purpose::Payment, amount, reason: Reason::Damages, ..
                    } = *effect
                    {
                        *effect = Effect::Release { party: from, purpose: Purpose::Payment, amount };
                    }
                }
            }
            _ => {}
        }
        step
    }

    fn event(world: &World, action: &Move) -> Option<(PublicKey, StreamEvent)> {
        let order = &world.order;
        let event = |by, event| Some((by, StreamEvent::Order(event)));
        match *action {
            Move::Block | Move::Tick => None,
            Move::Stop(by) => Some((by, StreamEvent::Stop)),
            Move::Ask(by) => {
                // Out of Delivered it is the interval after the one under way that is asked for.
                let next = order.next_interval() + u32::from(order.state == StreamState::Delivered);
                Some((by, StreamEvent::Ask(Goods::of(world.cheat, next).ask())))
            }
            Move::Cancel(by) => event(by, Event::Cancel),
            Move::Confirm(by) => event(by, Event::Confirm),
            Move::Accept { by, bond } => event(by, Event::Accept { bond: Amount(bond) }),
            Move::Grant { by, kind } => event(by, goods::grant(order.interval()?, kind)),
            Move::Post { by, bundle } => {
                let (own, interval) = (slot_of(order, by).unwrap_or(0), order.interval()?);
                let fragments = match bundle {
                    Posted::Own => goods::bundle(interval, own),
                    Posted::CopyOf(other) => goods::bundle(interval, other),
                    Posted::Nothing => vec![],
                    Posted::Forged => {
                        let mut forged = goods::bundle(interval, own);
                        forged[0][40] ^= 1;
                        forged
                    }
                };
                event(by, Event::Fragments(fragments))
            }
            Move::BadGrant { by, honest } => {
                let proof = if honest { b"opening".to_vec() } else { b"no proof".to_vec() };
                let sealed = if bad_box(world, by) { b"bad".to_vec() } else { b"bundle".to_vec() };
                event(by, Event::BadGrant { sealed, proof })
            }
            Move::Complain { by, claim } => {
                let shown = complaint(order.interval()?, &goods_of(world), claim);
                event(by, Event::Complain(Box::new(shown)))
            }
        }
    }

    fn play(&self, world: &World, action: Move) -> Option<World> {
        let mut next = world.clone();
        if action == Move::Block {
            next.height += 1;
            return Some(next);
        }
        let (order, in_time) = (&world.order, world.height < world.order.deadline.0);
        let mut due = false;
        let step = if action == Move::Tick {
            self.tick(order, world.height)
        } else {
            let (sender, event) = Self::event(world, &action)?;
            due = matches!(action, Move::Complain { by, claim }
                if by == goods::buyer() && in_time && order.state == StreamState::Delivered
                    && holds(world.cheat, world.granted, claim));
            next.intrusion |= !in_time || !may(world, action);
            self.apply(order, &event, sender, world.height)
        };
        let Some(step) = step else {
            let mut same = world.clone();
            same.wronged |= due;
            return due.then_some(same);
        };
        match action {
            Move::Grant { kind, .. } => (next.granted, next.genuine) = (Some(kind), 0),
            Move::Post { by, bundle } => {
                let slot = slot_of(order, by);
                if let Some(slot) = slot.filter(|_| bundle == Posted::Own || slot.map(Posted::CopyOf) == Some(bundle)) {
                    next.genuine |= 1 << slot;
                    next.work[slot] += 1;
                }
            }
            Move::BadGrant { by, honest } => next.proven |= honest && bad_box(world, by),
            Move::Complain { claim, .. } => {
                let is_true = holds(world.cheat, world.granted, claim);
                next.proven |= is_true;
                next.lied |= !is_true;
                next.wronged |= due && step.order.state != StreamState::SellerFault;
            }
            _ => {}
        }
        next.books.perform(&step.effects);
        self.judge(world, &mut next, &step);
        next.order = step.order;
        if next.order.interval.is_none() || next.order.state == StreamState::Asked {
            (next.granted, next.genuine) = (None, 0);
        }
        restart(&mut next);
        Some(next)
    }

    /// Notes what the step paid, and whether it had to.
    fn judge(&self, world: &World, next: &mut World, step: &StreamStep) {
        let prices = step.effects.iter().filter_map(|effect| match effect {
            Effect::Transfer { to, amount, reason: Reason::Price, .. } => Some((*to, amount.0)),
            _ => None,
        });
        let prices: Vec<_> = prices.collect();
        let enough = world.genuine.count_ones() >= u32::from(self.threshold);
        next.overpaid |= prices.iter().any(|price| !enough || *price != (goods::seller(), PRICE)) || prices.len() > 1;
        next.paid += prices.len() as u32;
        let over = world.order.state == StreamState::Delivered && step.order.state != StreamState::Delivered;
        next.owed |= over && prices.is_empty() && !next.proven;
    }
}

fn bad_box(world: &World, by: PublicKey) -> bool {
    matches!(world.granted, Some(Granted::BadBox(slot)) if slot_of(&world.order, by) == Some(slot))
}

/// Who may do it at all.
fn may(world: &World, action: Move) -> bool {
    match action {
        Move::Block | Move::Tick => true,
        Move::Cancel(by) | Move::Confirm(by) | Move::Ask(by) | Move::Complain { by, .. } => by == goods::buyer(),
        Move::Stop(by) => {
            let sellers = matches!(world.order.state, StreamState::Open | StreamState::Asked);
            by == goods::buyer() || sellers && by == goods::seller()
        }
        Move::Accept { by, .. } | Move::Grant { by, .. } => by == goods::seller(),
        Move::Post { by, .. } | Move::BadGrant { by, .. } => slot_of(&world.order, by).is_some(),
    }
}

/// Counts blocks from here.
fn restart(world: &mut World) {
    let now = world.height;
    world.height = 0;
    world.order.deadline.0 = world.order.deadline.0.saturating_sub(now);
    if let Some(interval) = &mut world.order.interval {
        interval.deadline.0 = interval.deadline.0.saturating_sub(now);
    }
}

impl Model for Streams {
    type State = World;
    type Action = Move;

    fn init_states(&self) -> Vec<World> {
        let listing = goods::listing(PROXIES);
        let terms = StreamTerms {
            listing: listing.listing_id(),
            revision: listing.id(),
            first: 0,
            count: self.intervals,
            price: Amount(PRICE),
            fee: Amount(FEE),
            bond: Amount(PRICE),
            threshold: self.threshold,
            proxies: PROXIES,
            nonce: 0,
        };
        let offer = |context: &Context<'_>| StreamOrder::offer(terms.clone(), &listing, context).unwrap();
        let worlds = self.cheats.iter().map(|cheat| {
            let step = self.context(goods::buyer(), 0, offer);
            let mut books = Books::default();
            books.perform(&step.effects);
            World {
                order: step.order,
                height: 0,
                books,
                cheat: *cheat,
                granted: None,
                genuine: 0,
                work: [0; PROXIES as usize],
                paid: 0,
                overpaid: false,
                owed: false,
                proven: false,
                wronged: false,
                lied: false,
                intrusion: false,
            }
        });
        worlds.collect()
    }

    fn actions(&self, world: &World, moves: &mut Vec<Move>) {
        let (state, order) = (world.order.state, &world.order);
        if state.is_final() {
            return;
        }
        moves.push(Move::Tick);
        if world.height <= order.deadline.0 {
            moves.push(Move::Block);
        }
        let fees = FEE * u128::from(PROXIES);
        let mut parties = vec![goods::buyer(), goods::seller(), goods::stranger()];
        parties.extend_from_slice(order.drawn());
        for by in parties {
            moves.extend([Move::Cancel(by), Move::Stop(by), Move::Confirm(by), Move::Ask(by)]);
            match state {
                StreamState::Offered => {
                    moves.extend([fees - 1, fees].map(|bond| Move::Accept { by, bond }));
                }
                StreamState::Asked => {
                    let kinds = [Granted::Good, Granted::Closed, Granted::Elsewhere, Granted::BadBox(0)];
                    moves.extend(kinds.map(|kind| Move::Grant { by, kind }));
                }
                StreamState::Granted => {
                    let bundles = [Posted::Own, Posted::Forged, Posted::CopyOf(0), Posted::Nothing];
                    moves.extend(bundles.map(|bundle| Move::Post { by, bundle }));
                    moves.extend([true, false].map(|honest| Move::BadGrant { by, honest }));
                }
                StreamState::Delivered => {
                    let claims =
                        [Claim::Leaf, Claim::LeafMadeUp, Claim::Key, Claim::KeyWithoutAFragment, Claim::KeyOfAnother];
                    moves.extend(claims.map(|claim| Move::Complain { by, claim }));
                }
                _ => {}
            }
        }
    }

    fn next_state(&self, world: &World, action: Move) -> Option<World> {
        self.play(world, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties()
    }
}

fn ended(world: &World, state: StreamState) -> bool {
    world.order.state == state
}

fn ends_by_time(market: &Streams, world: &World) -> bool {
    let (mut order, mut books) = (world.order.clone(), world.books.clone());
    for height in (100..).step_by(100).take(6) {
        if let Some(step) = market.tick(&order, height) {
            books.perform(&step.effects);
            order = step.order;
        }
    }
    order.state.is_final() && books.balance(order.locked())
}

fn worked(world: &World) -> bool {
    let silent = |slot: usize| ended(world, StreamState::Refunded) && world.genuine >> slot & 1 == 0;
    !world.order.state.is_final()
        || world.order.drawn.iter().enumerate().all(|(slot, proxy)| {
            let earned = i128::from(world.work[slot]) * FEE as i128;
            silent(slot) || world.books.gain(*proxy) == earned
        })
}

/// Of what they were paid for earlier intervals the silent keep what is theirs.
fn silence(world: &World) -> bool {
    let lost: i128 = (world.order.drawn.iter().enumerate())
        .filter(|(slot, _)| world.genuine >> slot & 1 == 0)
        .map(|(slot, proxy)| i128::from(world.work[slot]) * FEE as i128 - world.books.gain(*proxy))
        .sum();
    !ended(world, StreamState::Refunded) || 2 * lost >= 3 * PRICE as i128
}

fn buyer(world: &World) -> bool {
    let spent = -world.books.gain(goods::buyer());
    let most = i128::from(world.paid) * (PRICE + FEE * u128::from(PROXIES)) as i128;
    !world.order.state.is_final() || world.lied || spent <= most
}

fn properties() -> Vec<Property<Streams>> {
    vec![
        Property::always(MONEY, |_, world: &World| world.books.balance(world.order.locked())),
        Property::always(STUCK, ends_by_time),
        Property::always(PAID, |_, world: &World| !world.overpaid),
        Property::always(OWED, |_, world: &World| !world.owed),
        Property::always(WRONGED, |_, world: &World| !world.wronged),
        Property::always(FAULT, |_, world: &World| !ended(world, StreamState::SellerFault) || world.proven),
        Property::always(WORKED, |_, world: &World| worked(world)),
        Property::always(SILENCE, |_, world: &World| silence(world)),
        Property::always(BUYER, |_, world: &World| buyer(world)),
        Property::always(LIES, |_, world: &World| {
            let cost = (PRICE * u128::from(world.paid) + PRICE) as i128;
            !(world.lied && ended(world, StreamState::Stopped)) || world.books.gain(goods::buyer()) <= -cost
        }),
        Property::always(ENTITLED, |_, world: &World| !world.intrusion),
        // The exploration is worth something: every end is reached, after no, one and all intervals.
        Property::sometimes("all sold", |_, world: &World| ended(world, StreamState::Stopped) && world.paid == 2),
        Property::sometimes("stopped half-way", |_, world: &World| {
            ended(world, StreamState::Stopped) && world.paid == 1 && !world.lied
        }),
        Property::sometimes("never begun", |_, world: &World| ended(world, StreamState::Stopped) && world.paid == 0),
        Property::sometimes("refunded half-way", |_, world: &World| {
            ended(world, StreamState::Refunded) && world.paid == 1
        }),
        Property::sometimes("a lie at the last", |_, world: &World| world.lied && world.paid == 2),
    ]
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.order.to_bytes().hash(state);
        (self.height, &self.books, self.cheat, self.granted, self.genuine, self.work, self.paid).hash(state);
        (self.overpaid, self.owed, self.proven, self.wronged, self.lied, self.intrusion).hash(state);
    }
}

fn explore(threshold: u8, cheats: &[Cheat], mutant: Mutant, wanted: &'static str) -> (Vec<&'static str>, usize) {
    let market = Streams { threshold, intervals: 2, cheats: cheats.to_vec(), mutant };
    let until = HasDiscoveries::AllOf([wanted].into());
    let checker = market.checker().threads(1).finish_when(until).spawn_bfs().join();
    let broken = NAMES.iter().copied().filter(|name| checker.discovery(name).is_some()).collect();
    (broken, checker.unique_state_count())
}

/// Every way to cheat, one and two intervals and three, one proxy of two and both.
#[test]
fn streams_whatever_anybody_does() {
    for (threshold, intervals) in [(1, 2), (2, 1), (2, 2), (2, 3)] {
        let market = Streams { threshold, intervals, cheats: Cheat::ALL.to_vec(), mutant: Mutant::None };
        let checker = market.checker().threads(1).spawn_bfs().join();
        for name in NAMES {
            assert!(checker.discovery(name).is_none(), "{name}: {:?}", checker.discovery(name));
        }
        if intervals > 1 {
            checker.assert_properties();
        }
        let states = checker.unique_state_count();
        println!("{threshold} of 2, {intervals} intervals: {states} states");
        assert!(states > 100 * intervals as usize, "{states}");
    }
}

#[test]
fn every_stream_mutant_is_found() {
    let mut all = vec![
        (Mutant::ConfirmedBeforeDelivery, PAID),
        (Mutant::Of(Scheme::UnverifiedFragments), PAID),
        (Mutant::StoppedWithoutPaying, OWED),
        (Mutant::AskedWithoutPaying, OWED),
        (Mutant::RestKept, MONEY),
        (Mutant::NotCounted, MONEY),
        (Mutant::PricePaidTwice, MONEY),
        (Mutant::AnybodyActsForTheBuyer, ENTITLED),
        (Mutant::LateEvents, ENTITLED),
        (Mutant::Of(Scheme::EveryComplaintHolds), OWED),
        (Mutant::Of(Scheme::NoComplaintHolds), WRONGED),
        (Mutant::Of(Scheme::BadGrantWithoutProof), FAULT),
        (Mutant::HalfTheStake, SILENCE),
        (Mutant::LiesAreFree, LIES),
    ];
    let states =
        [StreamState::Offered, StreamState::Open, StreamState::Asked, StreamState::Granted, StreamState::Delivered];
    all.extend(states.map(|state| (Mutant::NeverEnds(state), STUCK)));
    for (mutant, property) in all {
        let (broken, states) = explore(2, &[Cheat::OtherContent], mutant, property);
        assert!(broken.contains(&property), "{mutant:?}: {property:?} holds in {states} states, broken: {broken:?}");
    }
}

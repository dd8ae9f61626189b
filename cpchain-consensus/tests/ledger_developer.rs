//! Developers who pay for their users: a day of ten heights, one free transaction a day, then 1 CPC; 10 CPC held are one transaction a day.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ledger_common;

use cpchain_consensus::{
    Application, Height,
    ledger::{
        Amount, Fees, Genesis, Ledger, LedgerView, Outcome, Transaction, Transfer, block_transactions,
        developer::{DeveloperCall, DeveloperView, Developers, LeaseId, MAX_LEASES, Resources},
    },
};
use ledger_common::{chain, id, pay, payload, run, signed};
use proptest::prelude::*;

const DAY: u64 = 10;
const DEVELOPER: u8 = 1;
const USER: u8 = 2;
const OWNER: u8 = 3;

fn fees() -> Fees {
    Fees { free: 100, day: DAY, rate: 1_000, window: DAY, fee: Amount::cpc(1) }
}

fn genesis(fees: Fees) -> Genesis {
    let genesis = (1..=20).fold(Genesis::new(), |g, i| g.account(id(i), Amount::cpc(1_000)));
    Resources::default().found(fees.found(genesis))
}

struct World {
    ledger: Ledger,
    view: LedgerView,
    applications: DeveloperView,
    nonces: [u64; 32],
}

impl World {
    fn with(fees: Fees) -> Self {
        let builder = Ledger::builder(chain(), genesis(fees)).fees(fees).developers(Resources::default());
        let ledger = builder.build().unwrap();
        let view = ledger.view();
        Self { applications: DeveloperView::new(view.clone()), view, ledger, nonces: [0; 32] }
    }

    /// All but what an application pays for costs 1 CPC.
    fn new() -> Self {
        Self::with(Fees { free: 0, ..fees() })
    }

    fn sign(&mut self, from: u8, kind: &str, payload: bytes::Bytes) -> Transaction {
        let nonce = &mut self.nonces[usize::from(from)];
        *nonce += 1;
        signed(from, *nonce - 1, kind, payload)
    }

    fn call(&mut self, from: u8, call: DeveloperCall) -> Result<(), String> {
        let transaction = self.sign(from, Developers::KIND, call.encode());
        run(&mut self.ledger, std::slice::from_ref(&transaction));
        match self.view.receipt(&transaction.id()).unwrap().outcome {
            Outcome::Applied => Ok(()),
            Outcome::Failed(error) => Err(error.to_string()),
            other => panic!("{other:?}"),
        }
    }

    fn register(&mut self, share: u32, is_open: bool, cpc: u64) {
        let kinds = vec![Transfer::KIND.to_owned()];
        self.call(DEVELOPER, DeveloperCall::Register { share, is_open, kinds }).unwrap();
        if cpc > 0 {
            self.call(DEVELOPER, DeveloperCall::Hold(Amount::cpc(cpc))).unwrap();
        }
    }

    /// A transfer of an account to itself in a block: what it paid, in CPC.
    fn send(&mut self, from: u8) -> u64 {
        let transaction = self.sign(from, Transfer::KIND, Transfer { to: id(from), amount: Amount(1) }.encode());
        let before = self.view.balance(&id(from));
        run(&mut self.ledger, std::slice::from_ref(&transaction));
        let paid = before.checked_sub(self.view.balance(&id(from))).unwrap();
        assert!(self.view.receipt(&transaction.id()).unwrap().is_applied());
        (0..=1).find(|cpc| Amount::cpc(*cpc) == paid).unwrap()
    }

    fn to(&mut self, height: u64) {
        while self.ledger.last_height().0 < height {
            run(&mut self.ledger, &[]);
        }
    }

    fn lease(&mut self, amount: u64, price: u64, until: u64) -> Result<(), String> {
        let (amount, price) = (Amount::cpc(amount), Amount::cpc(price));
        self.call(OWNER, DeveloperCall::Lease { developer: id(DEVELOPER), amount, price, until: Height(until) })
    }
}

#[test]
fn a_day_has_what_the_developer_holds() {
    let mut world = World::new();
    world.register(10, true, 25);
    assert_eq!(world.send(USER), 1, "not a user yet");
    world.call(USER, DeveloperCall::Join(id(DEVELOPER))).unwrap();
    assert_eq!(world.applications.application_of(&id(USER)), Some(id(DEVELOPER)));
    // 25 CPC are two transactions a day.
    for day in 0..3 {
        world.to(day * DAY + 4);
        assert_eq!([world.send(USER), world.send(USER), world.send(USER)], [0, 0, 1], "day {day}");
        assert_eq!(world.applications.used(&id(DEVELOPER), DAY), 2);
    }
    // Only of the kinds that it pays for.
    world.to(3 * DAY);
    let before = world.view.balance(&id(USER));
    world.call(USER, DeveloperCall::Leave).unwrap();
    assert_eq!(before.checked_sub(world.view.balance(&id(USER))), Some(Amount::cpc(1)));
    // Nothing to hold is nothing a day.
    world.call(DEVELOPER, DeveloperCall::Withdraw(Amount::cpc(25))).unwrap();
    world.call(USER, DeveloperCall::Join(id(DEVELOPER))).unwrap();
    assert_eq!(world.send(USER), 1);
}

/// The application's quota comes first; the user's free transactions are left.
#[test]
fn what_an_application_pays_does_not_count() {
    let mut world = World::with(Fees { free: 2, ..fees() });
    world.register(10, true, 20);
    world.call(USER, DeveloperCall::Join(id(DEVELOPER))).unwrap();
    // It joined by one of its own two.
    assert_eq!([0; 4].map(|_| world.send(USER)), [0, 0, 0, 1]);
}

#[test]
fn users_come_and_go() {
    let mut world = World::with(fees());
    let (join, leave) = (DeveloperCall::Join(id(DEVELOPER)), DeveloperCall::Leave);
    let (enrol, expel) = (DeveloperCall::Enrol(id(USER)), DeveloperCall::Expel(id(USER)));
    assert!(world.call(USER, join.clone()).unwrap_err().contains("no open application"));
    assert!(world.call(DEVELOPER, enrol.clone()).unwrap_err().contains("register it first"));
    world.register(10, false, 10);
    assert!(world.call(USER, join.clone()).unwrap_err().contains("enrols its users"));
    assert_eq!(world.call(DEVELOPER, enrol.clone()), Ok(()));
    assert!(world.call(DEVELOPER, enrol.clone()).unwrap_err().contains("leaves that one first"));
    assert_eq!(world.call(DEVELOPER, expel.clone()), Ok(()));
    assert!(world.call(DEVELOPER, expel).unwrap_err().contains("no user"));
    world.register(10, true, 0);
    assert_eq!(world.call(USER, join.clone()), Ok(()));
    assert!(world.call(USER, join).unwrap_err().contains("already"));
    // Nobody is taken over, and everybody is free to go.
    let other = DeveloperCall::Register { share: 1, is_open: false, kinds: Vec::new() };
    world.call(4, other).unwrap();
    assert!(world.call(4, enrol).unwrap_err().contains("leaves that one first"));
    assert!(world.call(4, DeveloperCall::Expel(id(USER))).unwrap_err().contains("no user"));
    assert_eq!(world.call(USER, leave), Ok(()));
    assert_eq!(world.applications.application_of(&id(USER)), None);
}

#[test]
fn a_flood_of_users_takes_no_more_than_the_day() {
    let mut world = World::new();
    world.register(2, true, 70);
    for user in 4..=10 {
        world.call(user, DeveloperCall::Join(id(DEVELOPER))).unwrap();
    }
    let (supply, money) = (world.view.supply(), world.view.balance(&id(DEVELOPER)));
    world.to(DAY);
    // Seven users send four each: two of each are its share, and seven in all are the day's.
    let mut flood = Vec::new();
    for _ in 0..4 {
        for user in 4..=10 {
            flood.push(world.sign(user, Transfer::KIND, Transfer { to: id(user), amount: Amount(1) }.encode()));
        }
    }
    let before: Vec<_> = (4..=10).map(|user| world.view.balance(&id(user))).collect();
    run(&mut world.ledger, &flood);
    assert_eq!(world.applications.used(&id(DEVELOPER), DAY), 7);
    let paid = (4..=10).zip(before).map(|(user, before)| before.0 - world.view.balance(&id(user)).0).sum::<u128>();
    assert_eq!(Amount(paid), Amount::cpc(28 - 7), "they pay for the rest themselves");
    assert_eq!((world.view.balance(&id(DEVELOPER)), world.view.supply()), (money, supply));
    // The next day one user alone has its share and no more, also when it goes and comes back.
    world.to(2 * DAY);
    assert_eq!([world.send(4), world.send(4), world.send(4)], [0, 0, 1]);
    world.call(4, DeveloperCall::Leave).unwrap();
    world.call(4, DeveloperCall::Join(id(DEVELOPER))).unwrap();
    assert_eq!(world.send(4), 1);
    // A closed application has the users that it takes in.
    world.register(2, false, 0);
    assert!(world.call(11, DeveloperCall::Join(id(DEVELOPER))).unwrap_err().contains("no open"));
}

#[test]
fn what_was_used_today_stays() {
    let mut world = World::new();
    world.register(10, true, 30);
    world.call(USER, DeveloperCall::Join(id(DEVELOPER))).unwrap();
    assert_eq!([world.send(USER), world.send(USER)], [0, 0]);
    let withdraw = |cpc| DeveloperCall::Withdraw(Amount::cpc(cpc));
    assert!(world.call(DEVELOPER, withdraw(11)).unwrap_err().contains("tomorrow"));
    assert_eq!(world.call(DEVELOPER, withdraw(10)), Ok(()));
    assert!(world.call(DEVELOPER, withdraw(1)).unwrap_err().contains("tomorrow"));
    world.to(DAY);
    assert_eq!(world.call(DEVELOPER, withdraw(20)), Ok(()));
    assert!(world.call(DEVELOPER, withdraw(1)).unwrap_err().contains("are needed"));
}

#[test]
fn a_lease_is_paid_and_returned() {
    let mut world = World::with(fees());
    let all = world.view.supply();
    let money = |world: &World| (world.view.balance(&id(DEVELOPER)), world.view.balance(&id(OWNER)));
    let start = money(&world);
    assert!(world.lease(10, 2, DAY + 1).unwrap_err().contains("multiple of 10"));
    assert!(world.lease(0, 2, 2 * DAY).unwrap_err().contains("of nothing"));
    assert!(world.lease(5_000, 2, 2 * DAY).unwrap_err().contains("are needed"));
    assert_eq!(world.lease(10, 2, 2 * DAY), Ok(()));
    let (accept, reclaim) = (DeveloperCall::Accept(LeaseId(0)), DeveloperCall::Reclaim(LeaseId(0)));
    assert!(world.call(USER, accept.clone()).unwrap_err().contains("no lease that this account"));
    assert!(world.call(DEVELOPER, accept.clone()).unwrap_err().contains("register it first"));
    // Before it is accepted its owner may think again.
    assert!(world.call(DEVELOPER, reclaim.clone()).unwrap_err().contains("another's"));
    assert_eq!(world.call(OWNER, reclaim.clone()), Ok(()));
    assert_eq!(money(&world), start);
    assert!(world.call(OWNER, reclaim).unwrap_err().contains("no such lease"));

    world.register(10, true, 0);
    assert_eq!(world.lease(30, 2, 3 * DAY), Ok(()));
    let (accept, reclaim) = (DeveloperCall::Accept(LeaseId(1)), DeveloperCall::Reclaim(LeaseId(1)));
    assert_eq!(world.call(DEVELOPER, accept.clone()), Ok(()));
    assert!(world.call(DEVELOPER, accept).unwrap_err().contains("no lease that"), "once");
    assert!(world.applications.lease(LeaseId(1)).unwrap().is_accepted);
    assert!(world.call(OWNER, reclaim.clone()).unwrap_err().contains("leased up to height 30"));
    world.to(3 * DAY - 1);
    assert!(world.call(OWNER, reclaim.clone()).unwrap_err().contains("leased up to"));
    assert_eq!(world.call(OWNER, reclaim), Ok(()));
    let two = Amount::cpc(2);
    assert_eq!(money(&world), (start.0.checked_sub(two).unwrap(), start.1.checked_add(two).unwrap()));
    assert_eq!((world.applications.lease(LeaseId(1)), world.view.supply()), (None, all));
    // Too late.
    assert_eq!(world.lease(10, 0, 4 * DAY), Ok(()));
    world.to(4 * DAY);
    assert!(world.call(DEVELOPER, DeveloperCall::Accept(LeaseId(2))).unwrap_err().contains("no lease that"));
}

#[test]
fn a_lease_ends_with_a_day() {
    let mut world = World::new();
    world.register(10, true, 10);
    world.call(USER, DeveloperCall::Join(id(DEVELOPER))).unwrap();
    world.lease(20, 5, 2 * DAY).unwrap();
    assert_eq!([world.send(USER), world.send(USER)], [0, 1], "it does not count before it is accepted");
    world.call(DEVELOPER, DeveloperCall::Accept(LeaseId(0))).unwrap();
    assert_eq!([world.send(USER), world.send(USER)], [0, 0]);
    world.to(DAY);
    assert_eq!([world.send(USER), world.send(USER), world.send(USER), world.send(USER)], [0, 0, 0, 1]);
    world.to(2 * DAY);
    assert_eq!([world.send(USER), world.send(USER)], [0, 1], "the lease has ended");
}

#[test]
fn an_application_has_few_leases() {
    let mut world = World::with(Fees { free: 10_000, ..fees() });
    world.register(10, true, 0);
    let accept = |world: &mut World, lease: u64, until: u64| {
        world.lease(1, 0, until).unwrap();
        world.call(DEVELOPER, DeveloperCall::Accept(LeaseId(lease)))
    };
    for lease in 0..MAX_LEASES as u64 {
        accept(&mut world, lease, 20 * DAY).unwrap();
    }
    assert!(accept(&mut world, MAX_LEASES as u64, 30 * DAY).unwrap_err().contains("at most 64"));
    assert_eq!(world.applications.sponsor(&id(DEVELOPER)).unwrap().stake(Height(9)), Amount::cpc(MAX_LEASES as u64));
    // Those that ended make room.
    world.to(20 * DAY);
    assert_eq!(accept(&mut world, MAX_LEASES as u64 + 1, 30 * DAY), Ok(()));
}

/// Who has no money is heard if its application pays, and is not proposed if that does not.
#[test]
fn who_has_nothing_is_paid_for() {
    let mut world = World::new();
    world.register(10, true, 10);
    world.call(USER, DeveloperCall::Join(id(DEVELOPER))).unwrap();
    let all = world.view.balance(&id(USER)).checked_sub(Amount(1)).unwrap();
    let give = world.sign(USER, Transfer::KIND, Transfer { to: id(9), amount: all }.encode());
    run(&mut world.ledger, std::slice::from_ref(&give));
    assert_eq!(world.view.balance(&id(USER)), Amount(1));
    let next = world.nonces[usize::from(USER)];
    for nonce in [next, next + 1] {
        world.ledger.submit(pay(USER, nonce, USER, Amount(1)).bytes().clone()).unwrap();
    }
    let proposed = |world: &mut World| {
        let height = world.ledger.last_height().next();
        block_transactions(&world.ledger.propose(height, &[], 1 << 20)).unwrap()
    };
    assert_eq!(proposed(&mut world).len(), 0, "the day's transaction was the gift");
    world.to(DAY);
    let block = proposed(&mut world);
    assert_eq!(block.len(), 2, "the pool does not count what an earlier one of the same block takes");
    let height = world.ledger.last_height().next();
    world.ledger.finalised(&ledger_common::block(height.0, payload(&block)));
    let outcome = |place: usize| world.view.receipt(&block[place].id()).unwrap().outcome;
    assert!(outcome(0) == Outcome::Applied && matches!(outcome(1), Outcome::Refused(_)));
    assert_eq!(world.view.nonce(&id(USER)).unwrap().0, next + 1, "what was refused waits");
    assert_eq!(proposed(&mut world).len(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is sent: money stays, two ledgers agree, and no day has more than its quota.
    #[test]
    fn random_leases_conserve_money(steps in prop::collection::vec((1u8..5, 0u8..10, 0u64..60, 1u8..5), 1..60)) {
        let (mut one, mut two) = (World::with(Fees { free: 2, ..fees() }), World::with(Fees { free: 2, ..fees() }));
        let supply = one.view.supply();
        for (from, what, number, of) in steps {
            let day_end = Height((one.view.height().0 / DAY + 1 + number % 3) * DAY);
            let amount = Amount::cpc(number);
            let call = match what {
                0 => DeveloperCall::Register { share: 3, is_open: of % 2 == 0, kinds: vec!["transfer".into()] },
                1 => DeveloperCall::Hold(amount),
                2 => DeveloperCall::Withdraw(amount),
                3 => DeveloperCall::Lease { developer: id(of), amount, price: Amount::cpc(1), until: day_end },
                4 => DeveloperCall::Accept(LeaseId(number % 6)),
                5 => DeveloperCall::Reclaim(LeaseId(number % 6)),
                6 => DeveloperCall::Join(id(of)),
                7 => DeveloperCall::Enrol(id(of)),
                8 => DeveloperCall::Leave,
                _ => {
                    prop_assert_eq!(one.send(from), two.send(from));
                    continue;
                }
            };
            prop_assert_eq!(one.call(from, call.clone()), two.call(from, call));
            prop_assert_eq!(one.view.height_and_root(), two.view.height_and_root());
            prop_assert_eq!(one.view.supply(), supply);
            for developer in 1..5 {
                let Some(sponsor) = one.applications.sponsor(&id(developer)) else { continue };
                let quota = sponsor.quota(Resources::default().each, one.view.height().next());
                prop_assert!(one.applications.used(&id(developer), DAY) <= quota, "{:?}", sponsor);
            }
        }
    }
}

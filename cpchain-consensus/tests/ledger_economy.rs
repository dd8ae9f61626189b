//! The economy pool through seasons of nine heights: four raising, three locked, two settling.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ledger_common;

use cpchain_consensus::{
    Application,
    dpor::season::{Phase, Schedule, Season},
    ledger::{
        Amount, Genesis, Ledger, LedgerView, Outcome,
        dpor::economy::{Economy, EconomyCall, EconomySettings, EconomyView},
    },
};
use ledger_common::{block, chain, id, payload, signed};
use proptest::prelude::*;

const SEASON: u64 = 9;

fn settings() -> EconomySettings {
    EconomySettings { schedule: Schedule::new(4, 3, 2), minimum: Amount::cpc(20), bonus: Amount::cpc(90) }
}

/// Accounts 1 to 4 with 1,000 CPC each, and money for bonuses.
fn genesis(fund: u64) -> Genesis {
    let genesis = (1..=4).fold(Genesis::new(), |g, i| g.account(id(i), Amount::cpc(1_000)));
    settings().found(genesis, Amount::cpc(fund))
}

struct Pool {
    ledger: Ledger,
    view: LedgerView,
    economy: EconomyView,
    nonces: [u64; 8],
}

impl Pool {
    fn new(fund: u64) -> Self {
        let ledger = Ledger::builder(chain(), genesis(fund)).module(Economy::new(settings())).build().unwrap();
        let view = ledger.view();
        Self { economy: EconomyView::new(view.clone(), settings()), view, ledger, nonces: [0; 8] }
    }

    fn call(&mut self, from: u8, call: EconomyCall) -> Result<(), String> {
        let nonce = &mut self.nonces[usize::from(from)];
        let transaction = signed(from, *nonce, Economy::KIND, call.encode());
        *nonce += 1;
        let next = self.view.height().next();
        self.ledger.finalised(&block(next.0, payload(std::slice::from_ref(&transaction))));
        match self.view.receipt(&transaction.id()).unwrap().outcome {
            Outcome::Applied => Ok(()),
            Outcome::Failed(error) => Err(error.to_string()),
            other => panic!("{other:?}"),
        }
    }

    /// Blocks without transactions until the next one has this place in its season, from 0.
    fn until(&mut self, place: u64) {
        while self.view.height().0 % SEASON != place {
            let next = self.view.height().next();
            self.ledger.finalised(&block(next.0, payload(&[])));
        }
    }

    fn put(&mut self, from: u8, cpc: u64) -> Result<(), String> {
        self.call(from, EconomyCall::Deposit(Amount::cpc(cpc)))
    }

    fn take(&mut self, from: u8, cpc: u64) -> Result<(), String> {
        self.call(from, EconomyCall::Withdraw(Amount::cpc(cpc)))
    }

    fn balance(&self, of: u8) -> Amount {
        self.view.balance(&id(of))
    }
}

#[test]
fn each_phase_allows_its_own() {
    let mut pool = Pool::new(900);
    assert_eq!(pool.economy.phase(), (Season(0), Phase::Raising));
    assert_eq!(pool.put(1, 100), Ok(()));
    assert_eq!(pool.take(1, 10), Ok(()));
    assert!(pool.call(1, EconomyCall::Claim).unwrap_err().contains("settles"));
    assert!(pool.take(1, 91).unwrap_err().contains("are needed"));
    let calls =
        [EconomyCall::Deposit(Amount::cpc(1)), EconomyCall::Withdraw(Amount::cpc(1)), EconomyCall::Assign(id(1))];
    for call in calls {
        // The first height of the lock, each time of another season; then the last one, and the first of settling.
        for (place, phase) in [(4, Phase::Locked), (6, Phase::Locked), (7, Phase::Settling)] {
            pool.until(place);
            assert_eq!(pool.economy.phase().1, phase);
            assert!(pool.call(1, call).unwrap_err().contains("only while raising"), "{call:?} in {phase:?}");
        }
    }
    for (place, settles) in [(4, false), (6, false), (7, true), (0, false), (3, false)] {
        pool.until(place);
        assert_eq!(pool.call(1, EconomyCall::Claim).is_ok(), settles, "{place}");
    }
    // Money for bonuses is welcome at any time.
    for place in [3, 4, 7] {
        pool.until(place);
        assert_eq!(pool.call(2, EconomyCall::Fund(Amount::cpc(1))), Ok(()));
    }
    pool.until(0);
    assert_eq!(pool.take(1, 90), Ok(()));
    assert_eq!(pool.economy.deposit(&id(1)), None);
}

#[test]
fn interest_is_a_share_of_the_bonus() {
    let mut pool = Pool::new(900);
    assert_eq!(pool.put(1, 100), Ok(()));
    assert_eq!(pool.put(2, 200), Ok(()));
    assert_eq!(pool.put(3, 19), Ok(()));
    pool.until(4);
    assert_eq!(pool.economy.season(Season(0)), Some((Amount::cpc(300), Amount::cpc(90))));
    assert_eq!(pool.economy.fund(), Amount::cpc(810));
    pool.until(7);
    assert_eq!(pool.call(1, EconomyCall::Claim), Ok(()));
    assert_eq!(pool.balance(1), Amount::cpc(930));
    // Once only.
    assert_eq!(pool.call(1, EconomyCall::Claim), Ok(()));
    assert_eq!(pool.balance(1), Amount::cpc(930));
    pool.until(7);
    assert_eq!(pool.call(2, EconomyCall::Claim), Ok(()));
    assert_eq!(pool.call(3, EconomyCall::Claim), Ok(()));
    // Two seasons are settled by now.
    assert_eq!(pool.balance(2), Amount::cpc(800 + 60 + 60));
    assert_eq!(pool.balance(3), Amount::cpc(981), "below the minimum");
}

#[test]
fn deposits_count_once() {
    let mut pool = Pool::new(900);
    assert_eq!(pool.put(1, 100), Ok(()));
    assert_eq!(pool.put(1, 50), Ok(()));
    assert_eq!(pool.take(1, 30), Ok(()));
    assert_eq!(pool.economy.total(), Amount::cpc(120));
    // Around the minimum, where a deposit begins and ends to earn.
    assert_eq!(pool.put(2, 19), Ok(()));
    assert_eq!(pool.economy.total(), Amount::cpc(120));
    for season in 1..4 {
        pool.until(0);
        let change = if season % 2 == 1 { pool.put(2, 1) } else { pool.take(2, 1) };
        assert_eq!(change, Ok(()));
        assert_eq!(pool.economy.total(), Amount::cpc(120 + 20 * (season % 2)));
        pool.until(7);
        assert_eq!(pool.call(1, EconomyCall::Claim), Ok(()));
        assert_eq!(pool.economy.total(), Amount::cpc(120 + 20 * (season % 2)), "settling changes no deposit");
    }
}

#[test]
fn what_nobody_took_is_assigned() {
    let mut pool = Pool::new(900);
    assert_eq!(pool.put(1, 100), Ok(()));
    assert_eq!(pool.put(2, 100), Ok(()));
    pool.until(8);
    pool.until(0);
    // Anybody may ask; it goes to the owner, once.
    assert_eq!(pool.call(4, EconomyCall::Assign(id(1))), Ok(()));
    assert_eq!(pool.call(4, EconomyCall::Assign(id(1))), Ok(()));
    assert_eq!((pool.balance(1), pool.balance(4)), (Amount::cpc(945), Amount::cpc(1_000)));
    assert!(pool.call(4, EconomyCall::Assign(id(4))).unwrap_err().contains("no deposit"));
    // The owner's next step brings what two seasons left, by the deposit of then.
    pool.until(8);
    pool.until(0);
    assert_eq!(pool.put(2, 300), Ok(()));
    assert_eq!(pool.balance(2), Amount::cpc(900 + 45 + 45 - 300));
    pool.until(7);
    assert_eq!(pool.call(2, EconomyCall::Claim), Ok(()));
    assert_eq!(pool.balance(2), Amount::cpc(900 + 45 + 45 - 300 + 72));
}

#[test]
fn an_empty_vault_pays_nothing() {
    let mut pool = Pool::new(100);
    assert_eq!(pool.put(1, 100), Ok(()));
    for (season, paid) in [(0, 90), (1, 100), (2, 100)] {
        pool.until(7);
        assert_eq!(pool.call(1, EconomyCall::Claim), Ok(()));
        assert_eq!(pool.balance(1), Amount::cpc(900 + paid), "season {season}");
    }
    assert_eq!(pool.call(4, EconomyCall::Fund(Amount::cpc(500))), Ok(()));
    pool.until(7);
    assert_eq!(pool.call(1, EconomyCall::Claim), Ok(()));
    assert_eq!((pool.balance(1), pool.economy.fund()), (Amount::cpc(1_090), Amount::cpc(410)));
    // A season in which nobody earns leaves the bonus where it is.
    let mut nobody = Pool::new(100);
    nobody.until(5);
    assert_eq!((nobody.economy.season(Season(0)), nobody.economy.fund()), (None, Amount::cpc(100)));
}

#[test]
fn payloads_are_pinned() {
    let hex = |call: EconomyCall| call.encode().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let amount = "00000000000000000000000000000102";
    assert_eq!(hex(EconomyCall::Deposit(Amount(0x0102))), format!("0101{amount}"));
    assert_eq!(hex(EconomyCall::Withdraw(Amount(0x0102))), format!("0102{amount}"));
    assert_eq!(hex(EconomyCall::Claim), "0103");
    assert_eq!(hex(EconomyCall::Assign(cpchain_crypto::PublicKey([7; 32]))), format!("0104{}", "07".repeat(32)));
    assert_eq!(hex(EconomyCall::Fund(Amount(0x0102))), format!("0105{amount}"));
    let id_of = |settings: EconomySettings| settings.found(Genesis::new(), Amount::ZERO).chain_id("economy");
    assert_ne!(id_of(settings()), id_of(EconomySettings { minimum: Amount(1), ..settings() }));
    assert_ne!(id_of(settings()), id_of(EconomySettings { bonus: Amount(1), ..settings() }));
    assert_ne!(id_of(settings()), id_of(EconomySettings { schedule: Schedule::new(4, 3, 3), ..settings() }));
}

fn any_call() -> impl Strategy<Value = EconomyCall> {
    let amount = || (0..600 * 10u128.pow(18)).prop_map(Amount);
    prop_oneof![
        4 => amount().prop_map(EconomyCall::Deposit),
        3 => amount().prop_map(EconomyCall::Withdraw),
        4 => Just(EconomyCall::Claim),
        3 => (0..6u8).prop_map(|of| EconomyCall::Assign(id(of))),
        1 => amount().prop_map(EconomyCall::Fund),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_seasons_conserve_money(
        calls in prop::collection::vec((1..5u8, any_call(), 0..3usize), 1..60),
        fund in 0..300u64,
    ) {
        let (mut pool, mut follower) = (Pool::new(fund), Pool::new(fund));
        let supply = pool.view.supply();
        let mut last = None;
        for (from, call, idle) in calls {
            let mut list = Vec::new();
            // The last one again, which is refused, and the next one.
            list.extend(last.take());
            let nonce = &mut pool.nonces[usize::from(from)];
            list.push(signed(from, *nonce, Economy::KIND, call.encode()));
            *nonce += 1;
            last = list.last().cloned();
            for transactions in std::iter::once(list.as_slice()).chain(std::iter::repeat_n([].as_slice(), idle)) {
                let block = block(pool.view.height().next().0, payload(transactions));
                prop_assert_eq!(pool.ledger.finalised(&block), follower.ledger.finalised(&block));
                prop_assert_eq!(pool.view.supply(), supply);
            }
            let nonces: Vec<_> = (1..5).map(|i| pool.view.nonce(&id(i)).unwrap().0).collect();
            prop_assert_eq!(&nonces[..], &pool.nonces[1..5], "each transaction was executed once");
        }
        // The total is the sum of the deposits that earn, and each deposit is there.
        let deposits: Vec<_> = (1..5).filter_map(|i| pool.economy.deposit(&id(i)).map(|d| (i, d.amount))).collect();
        let earning = deposits.iter().map(|(_, amount)| *amount).filter(|amount| *amount >= Amount::cpc(20));
        prop_assert_eq!(Amount::checked_sum(earning), Some(pool.economy.total()));
        for (i, amount) in deposits {
            prop_assert_eq!(pool.view.held(Economy::KIND, &[b"d".as_slice(), &id(i).0].concat()), amount);
        }
    }

    #[test]
    fn arbitrary_payloads_are_read_or_refused(head in 0u8..8, bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        for bytes in [bytes.clone(), [&[1, head], &bytes[..]].concat()] {
            if let Some(call) = EconomyCall::decode(&bytes) {
                prop_assert_eq!(call.encode(), bytes);
            }
        }
    }
}

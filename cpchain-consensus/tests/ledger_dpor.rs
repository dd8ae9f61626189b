//! Deposits, campaigns, elections and rewards on the ledger, driven as the engine drives it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ledger_common;

use bytes::Bytes;
use cpchain_consensus::{
    Application, ChainId, FinalBlock, Height, Term,
    dpor::{
        election::{Election, Seats},
        reward::{self, maintenance_between},
        seed,
    },
    lbft::Committee,
    ledger::{
        Amount, Genesis, Ledger, LedgerView, Nonce, Outcome, Transaction, TransactionDraft, Transfer,
        dpor::{
            Campaigns, Claim, Dpor, DporView, PoolCall, RNodes, Rewards, Settings, SettingsError,
            admission::{Work, find},
        },
    },
};
use cpchain_crypto::{
    Digest, PublicKey,
    vrf::{VrfProof, VrfPublicKey, VrfSecretKey},
};
use ledger_common::{id, key};
use proptest::prelude::*;

const TERM: u64 = 6;
const LOCK: u64 = 8;
const BITS: (u32, u32) = (4, 1);

fn vrf(account: &PublicKey) -> VrfSecretKey {
    VrfSecretKey::from_seed(&account.0)
}

/// Six proposers a term, of which two are default proposers; the default proposers are 101 to 106.
fn settings() -> Settings {
    let defaults: Vec<_> = (101..107).map(id).collect();
    let keys = defaults.iter().map(|account| vrf(account).public_key()).collect();
    let election = Election::new(Seats::of(6).unwrap(), defaults).unwrap();
    let settings = Settings::new(election, keys).unwrap().with_rounds(1).unwrap();
    settings.with_deposit(Amount::cpc(100), LOCK).with_difficulty(BITS.0, BITS.1).with_version(5).with_reporter("told")
}

/// Accounts 1 to 5 with 1,000 CPC each; those in `seats` begin as RNodes that stand for `terms` terms.
fn genesis(seats: &[u8], terms: u64) -> Genesis {
    let settings = settings();
    let genesis = (1..=5).fold(Genesis::new(), |g, i| g.account(id(i), Amount::cpc(1_000)));
    seats.iter().fold(settings.found(genesis), |g, i| settings.seat(g, id(*i), vrf(&id(*i)).public_key(), terms))
}

struct Chain {
    dpor: Dpor,
    view: DporView,
    ledger: LedgerView,
    nonces: [u64; 256],
}

impl Chain {
    fn new(genesis: Genesis) -> Self {
        let chain = genesis.chain_id("dpor");
        let dpor = Dpor::build(settings(), Ledger::builder(chain, genesis), None).unwrap();
        Self { view: dpor.view(), ledger: dpor.ledger_view(), dpor, nonces: [0; 256] }
    }

    fn next(&self) -> Height {
        self.ledger.height().next()
    }

    fn proposers(&self) -> Vec<PublicKey> {
        self.view.proposers(self.view.term()).unwrap_or_else(|| settings().first_proposers().to_vec())
    }

    fn proposer(&self) -> PublicKey {
        self.proposers()[(self.next().0 - 1) as usize % 6]
    }

    fn beacon(&self) -> VrfProof {
        seed::prove(&vrf(&self.proposer()), self.ledger.chain_id(), self.view.seed(), self.next())
    }

    fn payload(&self, beacon: &VrfProof, transactions: &[Transaction]) -> Bytes {
        ledger_common::payload_on(self.ledger.height_and_root().1, &beacon.0, transactions)
    }

    fn block(&self, payload: Bytes) -> FinalBlock {
        let digest = Digest::content(&[payload.as_ref(), &self.next().0.to_be_bytes()].concat());
        let impeached = payload.is_empty();
        FinalBlock { height: self.next(), digest, parent: Digest::ZERO, proposer: self.proposer(), impeached, payload }
    }

    /// The next block, by whose turn it is.
    fn run(&mut self, transactions: &[Transaction]) -> Digest {
        let payload = self.payload(&self.beacon(), transactions);
        self.dpor.verify(self.next(), &[], &payload).unwrap();
        let block = self.block(payload);
        self.dpor.finalised(&block)
    }

    fn impeach(&mut self) -> Digest {
        let block = self.block(Bytes::new());
        self.dpor.finalised(&block)
    }

    fn run_to(&mut self, height: u64) {
        while self.next().0 <= height {
            self.run(&[]);
        }
    }

    fn sign(&mut self, from: u8, kind: &str, payload: Bytes) -> Transaction {
        let nonce = &mut self.nonces[usize::from(from)];
        let draft = TransactionDraft {
            chain: self.ledger.chain_id(),
            nonce: Nonce(*nonce),
            expires: Height(10_000),
            kind: kind.into(),
            payload,
        };
        *nonce += 1;
        draft.sign(&key(from)).unwrap()
    }

    /// One transaction in one block, and why it failed.
    fn call(&mut self, from: u8, kind: &str, payload: Bytes) -> Result<(), String> {
        let transaction = self.sign(from, kind, payload);
        self.run(std::slice::from_ref(&transaction));
        match self.ledger.receipt(&transaction.id()).unwrap().outcome {
            Outcome::Applied => Ok(()),
            Outcome::Failed(error) => Err(error.to_string()),
            other => panic!("{other:?}"),
        }
    }

    fn pool(&mut self, from: u8, call: PoolCall) -> Result<(), String> {
        self.call(from, RNodes::KIND, call.encode())
    }

    /// A claim with proofs over the last block.
    fn claim(&self, from: u8, terms: u8) -> Claim {
        let (account, height) = (id(from), self.ledger.height());
        let block = self.view.recent_block(height).unwrap();
        let nonce = |work, bits| find(work, &account, &block, bits, 0..u64::MAX).unwrap();
        Claim {
            terms,
            software: 5,
            key: vrf(&account).public_key(),
            cpu: (nonce(Work::Cpu, BITS.0), height),
            memory: (nonce(Work::Memory, BITS.1), height),
        }
    }

    fn stand(&mut self, from: u8, claim: Claim) -> Result<(), String> {
        self.call(from, Campaigns::KIND, claim.encode())
    }
}

#[test]
fn deposits_are_taken_once_and_locked() {
    let mut chain = Chain::new(genesis(&[], 0));
    let supply = chain.ledger.supply();
    let join = |cpc| PoolCall::Join(Amount::cpc(cpc));
    assert!(chain.pool(1, join(99)).unwrap_err().contains("at least 100 CPC"));
    assert!(chain.pool(1, join(1_001)).unwrap_err().contains("are needed"));
    assert_eq!(chain.pool(1, join(150)), Ok(()));
    assert_eq!((chain.ledger.balance(&id(1)), chain.view.rnode_since(&id(1))), (Amount::cpc(850), Some(Height(3))));
    assert!(chain.pool(1, join(150)).unwrap_err().contains("once"));
    assert!(chain.pool(2, PoolCall::Leave).unwrap_err().contains("not an RNode"));
    chain.run_to(3 + LOCK - 2);
    assert!(chain.pool(1, PoolCall::Leave).unwrap_err().contains("locked before height 11"));
    assert_eq!(chain.pool(1, PoolCall::Leave), Ok(()));
    assert_eq!((chain.ledger.balance(&id(1)), chain.view.rnode_since(&id(1))), (Amount::cpc(1_000), None));
    assert_eq!(chain.ledger.supply(), supply);
}

#[test]
fn claims_are_refused_for_each_reason() {
    let mut chain = Chain::new(genesis(&[1], 0));
    chain.run(&[]);
    let good = chain.claim(1, 2);
    assert!(chain.stand(2, good).unwrap_err().contains("only an RNode"));
    assert!(chain.stand(1, Claim { software: 4, ..good }).unwrap_err().contains("software 5"));
    for terms in [0, 4] {
        assert!(chain.stand(1, Claim { terms, ..good }).unwrap_err().contains("1 to 3 terms"));
    }
    let no_key = Claim { key: VrfPublicKey([0xff; 32]), ..good };
    assert!(chain.stand(1, no_key).unwrap_err().contains("key for beacons"));
    // Nonces that do not prove, for either proof, and a block that is none.
    for nonce in 0..20 {
        let wrong = Claim { cpu: (good.cpu.0 + nonce + 1, good.cpu.1), ..good };
        let holds = |work, (nonce, height), bits| {
            let block = chain.view.recent_block(height).unwrap();
            cpchain_consensus::ledger::dpor::admission::holds(work, &id(1), &block, nonce, bits)
        };
        if !holds(Work::Cpu, wrong.cpu, BITS.0) {
            assert!(chain.stand(1, wrong).unwrap_err().contains("does not hold"));
            break;
        }
        assert!(nonce < 19);
    }
    assert!(chain.stand(1, Claim { memory: (0, Height(500)), ..good }).unwrap_err().contains("last 10 heights"));
    // The proofs grow old.
    chain.run_to(good.cpu.1.0 + 10);
    assert!(chain.stand(1, good).unwrap_err().contains("last 10 heights"));
    let fresh = chain.claim(1, 2);
    assert_eq!(chain.stand(1, fresh), Ok(()));
    let again = chain.claim(1, 1);
    assert!(chain.stand(1, again).unwrap_err().contains("the last claim runs up to term 4"), "{}", chain.next());
    // Another's proofs are not its own.
    assert_eq!(chain.pool(2, PoolCall::Join(Amount::cpc(100))), Ok(()));
    let stolen = chain.claim(1, 1);
    assert!(chain.stand(2, stolen).is_err_and(|error| error.contains("does not hold")));
}

/// A memory proof costs a validator milliseconds: who fails does not try again in the same block.
#[test]
fn an_rnode_has_one_try_a_block() {
    let mut chain = Chain::new(genesis(&[1, 2], 0));
    chain.run(&[]);
    let (good, other) = (chain.claim(1, 1), chain.claim(2, 1));
    let bad = Claim { memory: (0, Height(500)), ..good };
    let list = [(1, bad), (1, good), (2, other)].map(|(from, claim)| chain.sign(from, Campaigns::KIND, claim.encode()));
    chain.run(&list);
    let outcome = |transaction: &Transaction| chain.ledger.receipt(&transaction.id()).unwrap().outcome;
    assert!(matches!(outcome(&list[1]), Outcome::Failed(error) if error.to_string().contains("first transaction")));
    assert_eq!(outcome(&list[2]), Outcome::Applied);
}

/// The digest of an impeached height is known long before: a proof over it would be work done ahead.
#[test]
fn no_proof_is_over_an_impeached_height() {
    let mut chain = Chain::new(genesis(&[1], 0));
    chain.run(&[]);
    chain.impeach();
    assert!(chain.view.recent_block(Height(1)).is_some() && chain.view.recent_block(Height(2)).is_none());
}

#[test]
fn who_claims_is_elected_three_terms_later() {
    let mut chain = Chain::new(genesis(&[], 0));
    for from in 1..=4 {
        assert_eq!(chain.pool(from, PoolCall::Join(Amount::cpc(100))), Ok(()));
    }
    for from in 1..=4 {
        let claim = chain.claim(from, 1);
        assert_eq!(chain.stand(from, claim), Ok(()));
    }
    // The claims fell into terms 0 (one) and 1 (three): for the elections at the ends of terms 1 and 2.
    chain.run_to(3 * TERM);
    assert_eq!(chain.view.standing(Term(2)).len(), 0, "candidates are forgotten after their election");
    let seats = |term| {
        let proposers = chain.view.proposers(Term(term)).unwrap();
        (1..=4).filter(|i| proposers.contains(&id(*i))).count()
    };
    assert_eq!((seats(3), seats(4) + seats(5)), (0, 4));
    assert_eq!(chain.view.proposers(Term(6)), None);
    // And they serve.
    chain.run_to(6 * TERM);
    assert!((1..=4).all(|i| chain.view.record(&id(i)).blocks > 0));
}

#[test]
fn an_elected_rnode_cannot_withdraw() {
    let mut chain = Chain::new(genesis(&[1], 1));
    chain.run_to(TERM - 1);
    assert!(chain.pool(1, PoolCall::Leave).unwrap_err().contains("locked"));
    // Elected at the end of term 0 for term 3, which ends with height 24.
    assert!(chain.view.proposers(Term(3)).unwrap().contains(&id(1)));
    assert_eq!(chain.view.seated_until(&id(1)), Some(Term(3)));
    assert!(chain.dpor.is_next(&id(1)) && !chain.dpor.is_next(&id(2)), "its node keeps transactions already");
    chain.run_to(LOCK + 1);
    assert!(chain.pool(1, PoolCall::Leave).unwrap_err().contains("elected up to term 3"));
    chain.run_to(4 * TERM - 1);
    assert!(chain.pool(1, PoolCall::Leave).unwrap_err().contains("elected up to term 3"));
    assert_eq!(chain.pool(1, PoolCall::Leave), Ok(()));
    assert!(!chain.dpor.is_next(&id(1)));
}

#[test]
fn who_has_left_is_not_elected() {
    let mut chain = Chain::new(genesis(&[], 0));
    assert_eq!(chain.pool(3, PoolCall::Join(Amount::cpc(100))), Ok(()));
    let claim = chain.claim(3, 3);
    assert_eq!(chain.stand(3, claim), Ok(()));
    chain.run_to(1 + LOCK - 1);
    assert_eq!(chain.pool(3, PoolCall::Leave), Ok(()));
    assert_eq!(chain.view.standing(Term(1)).len(), 0);
    chain.run_to(4 * TERM);
    for term in 3..=6 {
        assert!(!chain.view.proposers(Term(term)).unwrap().contains(&id(3)), "{term}");
    }
}

#[test]
fn rewards_are_paid_and_impeachments_counted() {
    let mut chain = Chain::new(genesis(&[1], 2));
    let supply = chain.ledger.supply();
    let vault = || chain.ledger.held(Rewards::KIND, Rewards::VAULT);
    assert_eq!(vault(), Amount(reward::ALL_REWARDS));
    let first = chain.proposer();
    chain.run(&[]);
    assert_eq!(chain.ledger.balance(&first), "12.65".parse().unwrap());
    let second = chain.proposer();
    chain.impeach();
    assert_eq!(chain.ledger.balance(&second), Amount::ZERO);
    let record = |account| (chain.view.record(account).blocks, chain.view.record(account).impeached);
    assert_eq!((record(&first), record(&second)), ((1, 0), (0, 1)));
    assert_eq!(chain.call(2, Rewards::KIND, Bytes::new()).unwrap_err(), "rewards are paid, not asked for");
    chain.run_to(20);
    let impeached = Amount(reward::maintenance(Height(2)));
    let paid = Amount(maintenance_between(Height(1), Height(20))).checked_sub(impeached).unwrap();
    assert_eq!(chain.ledger.held(Rewards::KIND, Rewards::VAULT).checked_add(paid), Some(Amount(reward::ALL_REWARDS)));
    assert_eq!(chain.ledger.supply(), supply);
}

#[test]
fn what_leaves_the_window_counts_no_more() {
    let mut chain = Chain::new(genesis(&[], 0));
    for _ in 0..3 {
        let pay = Transfer { to: id(2), amount: Amount::cpc(1) };
        assert_eq!(chain.call(1, Transfer::KIND, pay.encode()), Ok(()));
    }
    let first = chain.view.proposers(Term(0)).unwrap_or_else(|| settings().first_proposers().to_vec())[0];
    chain.run_to(100);
    assert_eq!(chain.view.record(&id(1)).transactions, 3);
    assert_eq!((1..=5).map(|i| chain.view.record(&id(i)).transactions).sum::<u64>(), 3);
    let blocks = |chain: &Chain| (101..107).map(|i| chain.view.record(&id(i)).blocks).sum::<u64>();
    assert_eq!(blocks(&chain), 100);
    chain.run(&[]);
    assert_eq!((chain.view.record(&id(1)).transactions, blocks(&chain)), (2, 100));
    chain.run_to(110);
    assert_eq!((chain.view.record(&id(1)).transactions, blocks(&chain)), (0, 100));
    assert!(chain.view.record(&first).blocks > 0);
}

/// Modules of integrators tell what accounts did with data; the original left both dimensions at zero.
#[test]
fn reported_contributions_count() {
    let told = |numbers: [u64; 3]| [vec![1], numbers.iter().flat_map(|n| n.to_be_bytes()).collect()].concat();
    let report = |genesis: Genesis, of: u8, numbers| {
        genesis.entry("told", &[b"rpt:".as_slice(), &id(of).0].concat(), told(numbers))
    };
    let genesis = report(genesis(&[1, 2], 1), 1, [4, 3, 2]);
    let chain = Chain::new(genesis.entry("told", &[b"rpt:".as_slice(), &id(2).0].concat(), vec![9; 7]));
    let standing = chain.view.standing(Term(0));
    let of = |i| standing.iter().find(|standing| standing.account == id(i)).unwrap();
    let record = of(1).record;
    assert_eq!((record.is_proxy, record.trades, record.vouchers, record.sales), (true, 4, 3, 2));
    assert_eq!((of(1).scores.proxy, of(1).scores.data), (100, 100));
    assert_eq!((of(2).scores.proxy, of(2).scores.data), (50, 50));
}

#[test]
fn a_blocks_content_never_changes_the_seed() {
    let seeds = |content: bool, impeached: Option<u64>| {
        let mut chain = Chain::new(genesis(&[1, 2, 3, 4, 5], 3));
        let mut seeds = Vec::new();
        for height in 1..=3 * TERM {
            let pay = Transfer { to: id(7), amount: Amount(u128::from(height)) };
            // What is paid changes the state and the digest of every block, and nobody's rank.
            let transactions: Vec<_> =
                (1..=5).filter(|_| content).map(|i| chain.sign(i, Transfer::KIND, pay.encode())).collect();
            if impeached == Some(height) {
                chain.impeach()
            } else {
                chain.run(&transactions)
            };
            seeds.push(chain.view.seed());
        }
        let terms: Vec<_> = (3..6).map(|term| chain.view.proposers(Term(term)).unwrap()).collect();
        (seeds, terms, chain.ledger.height_and_root().1)
    };
    let (seed, terms, root) = seeds(false, None);
    let (same_seed, same_terms, other_root) = seeds(true, None);
    assert_ne!(root, other_root);
    assert_eq!((&seed, &terms), (&same_seed, &same_terms));
    assert_eq!(
        seed.iter().collect::<std::collections::HashSet<_>>().len(),
        4,
        "one before the first term, one for each"
    );
    // All that a proposer can do is not to propose.
    assert_ne!(seeds(false, Some(TERM)).0, seed);
}

#[test]
fn a_block_without_its_beacon_is_illicit() {
    let mut chain = Chain::new(genesis(&[], 0));
    chain.run(&[]);
    let refuses = |chain: &mut Chain, payload: &Bytes| {
        let error = chain.dpor.verify(Height(2), &[], payload).unwrap_err();
        assert!(error.to_string().contains("beacon"), "{error}");
    };
    let good = chain.beacon();
    let good_payload = chain.payload(&good, &[]);
    assert_eq!(chain.dpor.verify(Height(2), &[], &good_payload), Ok(()));
    let without = ledger_common::payload_on(chain.ledger.height_and_root().1, b"", &[]);
    refuses(&mut chain, &without);
    let prove = |account, height| seed::prove(&vrf(&account), chain.ledger.chain_id(), chain.view.seed(), height);
    let wrong = [prove(id(101), Height(2)), prove(id(102), Height(3)), VrfProof([0; 80])];
    assert_eq!(good, prove(id(102), Height(2)));
    for beacon in wrong {
        let payload = chain.payload(&beacon, &[]);
        refuses(&mut chain, &payload);
    }
    // A ledger without elections takes none.
    let mut plain = ledger_common::ledger();
    let error = plain.verify(Height(1), &[], &good_payload).unwrap_err();
    assert!(error.to_string().contains("beacon"));
    // And of another term nothing can be said.
    assert!(chain.dpor.verify(Height(TERM + 1), &[], &good_payload).is_err());
}

#[test]
fn a_node_proposes_what_it_verifies() {
    let genesis = genesis(&[], 0);
    let id_of = genesis.chain_id("dpor");
    let builder = || Ledger::builder(id_of, genesis.clone());
    let mut proposer = Dpor::build(settings(), builder(), Some(vrf(&id(101)))).unwrap();
    let mut chain = Chain::new(genesis.clone());
    let pay = chain.sign(1, Transfer::KIND, Transfer { to: id(2), amount: Amount::cpc(1) }.encode());
    let idle = proposer.propose(Height(1), &[], 1 << 20);
    assert!(proposer.is_idle(&idle) && proposer.is_idle(&Bytes::new()), "a beacon is no work");
    assert_eq!(proposer.admit(pay.bytes().clone()), Ok(pay.id()));
    let payload = proposer.propose(Height(1), &[], 1 << 20);
    assert!(!proposer.is_idle(&payload));
    assert_eq!(chain.dpor.verify(Height(1), &[], &payload), Ok(()));
    let block = chain.block(payload);
    assert_eq!(chain.dpor.finalised(&block), proposer.finalised(&block));
    assert_eq!(chain.ledger.balance(&id(2)), Amount::cpc(1_001));
    // Without a key, or without room, there is nothing to propose.
    assert!(Dpor::build(settings(), builder(), None).unwrap().propose(Height(1), &[], 1 << 20).is_empty());
    assert!(proposer.propose(Height(2), &[], 119).is_empty());
    assert_eq!(proposer.propose(Height(2), &[], 120).len(), 120);
}

#[test]
fn the_engine_is_given_the_elected_committee() {
    let mut chain = Chain::new(genesis(&[1, 2, 3, 4, 5], 2));
    let first = settings().first_proposers().to_vec();
    let committee = Committee::new(chain.ledger.chain_id(), Term(0), vec![id(50)], first.clone()).unwrap();
    let mut committee = committee.until(Height(TERM)).unwrap();
    for term in 0..5 {
        chain.run_to((term + 1) * TERM);
        let next = chain.dpor.next_committee(&committee);
        // It is asked again after a restart, when more heights are executed.
        chain.run(&[]);
        assert_eq!(chain.dpor.next_committee(&committee), next);
        assert!(next.follows(&committee));
        assert_eq!((next.last().unwrap().0, next.validators()), ((term + 2) * TERM, [id(50)].as_slice()));
        let elected = chain.view.proposers(Term(term + 1)).unwrap_or_else(|| first.clone());
        assert_eq!(next.proposers(), elected);
        committee = next;
    }
    let candidates = (1..=5).filter(|i| chain.view.proposers(Term(3)).unwrap().contains(&id(*i))).count();
    assert_eq!(candidates, 4);
}

#[test]
fn settings_are_part_of_the_chains_id() {
    let id_of = |settings: Settings| settings.found(Genesis::new()).chain_id("dpor");
    let all: Vec<ChainId> = [
        settings(),
        settings().with_rounds(2).unwrap(),
        settings().with_deposit(Amount::cpc(1), LOCK),
        settings().with_deposit(Amount::cpc(100), 1),
        settings().with_difficulty(1, 1),
        settings().with_difficulty(4, 2),
        settings().with_version(6),
        settings().with_reporter("more"),
    ]
    .map(id_of)
    .to_vec();
    for (i, one) in all.iter().enumerate() {
        assert!(all.iter().skip(i + 1).all(|other| other != one), "{i}");
    }
    assert!(matches!(settings().with_rounds(0), Err(SettingsError::Rounds)));
    let election = Election::new(Seats::of(1).unwrap(), vec![id(1)]).unwrap();
    assert!(matches!(Settings::new(election.clone(), vec![]), Err(SettingsError::Keys)));
    assert!(matches!(Settings::new(election, vec![VrfPublicKey([0xff; 32])]), Err(SettingsError::Keys)));
}

#[derive(Debug, Clone)]
enum Act {
    Pay(u8, u8, u64),
    Join(u8, u64),
    Leave(u8),
    Claim(u8, u8),
    Garbage(u8, bool, Vec<u8>),
    Replay(prop::sample::Index),
    Impeach,
}

fn act() -> impl Strategy<Value = Act> {
    let who = || 1..6u8;
    prop_oneof![
        3 => (who(), who(), 0..1_200u64).prop_map(|(from, to, cpc)| Act::Pay(from, to, cpc)),
        3 => (who(), 50..400u64).prop_map(|(from, cpc)| Act::Join(from, cpc)),
        2 => who().prop_map(Act::Leave),
        4 => (who(), 1..4u8).prop_map(|(from, terms)| Act::Claim(from, terms)),
        1 => (who(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..80)).prop_map(|(f, p, b)| Act::Garbage(f, p, b)),
        2 => any::<prop::sample::Index>().prop_map(Act::Replay),
        2 => Just(Act::Impeach),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn random_histories_conserve_money_and_agree(acts in prop::collection::vec(act(), 10..50)) {
        let genesis = genesis(&[1, 2], 2);
        let (mut chain, mut follower) = (Chain::new(genesis.clone()), Chain::new(genesis.clone()));
        let supply = genesis.supply().unwrap();
        let mut past: Vec<Transaction> = Vec::new();
        chain.run(&[]);
        let block = follower.block(follower.payload(&follower.beacon(), &[]));
        follower.dpor.finalised(&block);
        for act in acts {
            let replayed = matches!(act, Act::Replay(_));
            let transaction = match act {
                Act::Impeach => None,
                Act::Pay(from, to, cpc) => {
                    let pay = Transfer { to: id(to), amount: Amount::cpc(cpc) };
                    Some(chain.sign(from, Transfer::KIND, pay.encode()))
                }
                Act::Join(from, cpc) => Some(chain.sign(from, RNodes::KIND, PoolCall::Join(Amount::cpc(cpc)).encode())),
                Act::Leave(from) => Some(chain.sign(from, RNodes::KIND, PoolCall::Leave.encode())),
                Act::Claim(from, terms) if chain.view.recent_block(chain.ledger.height()).is_some() => {
                    let claim = chain.claim(from, terms);
                    Some(chain.sign(from, Campaigns::KIND, claim.encode()))
                }
                Act::Claim(..) => None,
                Act::Garbage(from, pool, bytes) => {
                    let kind = if pool { RNodes::KIND } else { Campaigns::KIND };
                    Some(chain.sign(from, kind, bytes.into()))
                }
                Act::Replay(which) => (!past.is_empty()).then(|| which.get(&past).clone()),
            };
            let payload = transaction.as_ref().map_or_else(Bytes::new, |transaction| {
                chain.payload(&chain.beacon(), std::slice::from_ref(transaction))
            });
            let block = chain.block(payload);
            let nonces: Vec<_> = (1..6).map(|i| chain.ledger.nonce(&id(i))).collect();
            prop_assert_eq!(chain.dpor.finalised(&block), follower.dpor.finalised(&block));
            prop_assert_eq!(chain.ledger.supply(), supply);
            if replayed {
                let after: Vec<_> = (1..6).map(|i| chain.ledger.nonce(&id(i))).collect();
                prop_assert_eq!(after, nonces, "a replay was executed");
            }
            past.extend(transaction);
        }
        // What is locked is what the members deposited.
        for i in 1..6 {
            let held = chain.ledger.held(RNodes::KIND, &id(i).0);
            prop_assert_eq!(held >= Amount::cpc(100), chain.view.rnode_since(&id(i)).is_some());
            prop_assert!(held == Amount::ZERO || held >= Amount::cpc(100));
        }
    }

    #[test]
    fn arbitrary_payloads_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..90), head in 0u8..3) {
        for bytes in [bytes.clone(), [&[1, head], &bytes[..]].concat()] {
            if let Some(call) = PoolCall::decode(&bytes) {
                prop_assert_eq!(call.encode(), bytes.clone());
            }
            if let Some(claim) = Claim::decode(&bytes) {
                prop_assert_eq!(claim.encode(), bytes);
            }
        }
    }
}

#[test]
fn payloads_are_pinned() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&PoolCall::Join(Amount(0x0102)).encode()), "010100000000000000000000000000000102");
    assert_eq!(hex(&PoolCall::Leave.encode()), "0102");
    let claim =
        Claim { terms: 3, software: 4, key: VrfPublicKey([5; 32]), cpu: (6, Height(7)), memory: (8, Height(9)) };
    let expected = format!("010300000004{}{:016x}{:016x}{:016x}{:016x}", "05".repeat(32), 6, 7, 8, 9);
    assert_eq!(hex(&claim.encode()), expected);
}

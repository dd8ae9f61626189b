//! Elections in the running engine: a network in virtual time whose proposers the ledger elects, term after term.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{cell::RefCell, collections::BTreeMap, sync::Arc, time::Duration};

use cpchain_consensus::{
    Application, ChainId, Height, Term,
    dpor::{
        election::{Election, Seats},
        reward::maintenance_between,
    },
    lbft::{Block, Kind, Message, Proposal},
    ledger::{
        Amount, Genesis, Ledger, LedgerView,
        dpor::{Dpor, DporView, Rewards, Settings},
        governance::{Governance, GovernanceSettings, GovernanceView},
    },
    sim::{
        Keys, Latency, Links, Nemesis, Passing, Scenario, World,
        actors::{self, Actor, Stage},
    },
};
use cpchain_crypto::{PublicKey, vrf::VrfSecretKey};

const SEED: u64 = 7;
/// Members: four validators, six default proposers, six candidates.
const VALIDATORS: usize = 4;
const DEFAULTS: std::ops::Range<usize> = 4..10;
const CANDIDATES: std::ops::Range<usize> = 10..16;
const SILENT_DEFAULT: usize = 5;
const ILLICIT_DEFAULT: usize = 7;
const SILENT_CANDIDATE: usize = 12;
/// Six proposers, each with one turn.
const TERM: u64 = 6;
const TERMS: u64 = 10;

/// Voted out of the validators, and in, before the end of the first term.
const LEAVES: usize = 3;
const COMES: usize = 15;

thread_local! {
    /// What the applications of this thread's network show.
    static VIEWS: RefCell<BTreeMap<usize, (DporView, LedgerView)>> = const { RefCell::new(BTreeMap::new()) };
}

fn account(member: usize) -> PublicKey {
    Keys::new(SEED).public_key(member)
}

fn vrf(member: usize) -> VrfSecretKey {
    VrfSecretKey::from_seed(&[member as u8; 32])
}

fn settings() -> Settings {
    let defaults: Vec<_> = DEFAULTS.map(account).collect();
    let keys = DEFAULTS.map(|member| vrf(member).public_key()).collect();
    let settings = Settings::new(Election::new(Seats::of(6).unwrap(), defaults).unwrap(), keys).unwrap();
    settings.with_rounds(1).unwrap()
}

fn application(member: usize) -> Box<dyn Application> {
    build(member, settings(), |genesis| genesis)
}

/// The candidates have their deposits and claims from genesis: nobody in the simulation signs transactions.
fn build(member: usize, settings: Settings, more: impl Fn(Genesis) -> Genesis) -> Box<dyn Application> {
    let genesis = CANDIDATES.fold(settings.found(Genesis::new()), |genesis, candidate| {
        let genesis = genesis.account(account(candidate), Amount::cpc(1_000 * candidate as u64));
        settings.seat(genesis, account(candidate), vrf(candidate).public_key(), TERMS)
    });
    let ledger = Ledger::builder(ChainId::new("simulation", b""), more(genesis));
    let dpor = Dpor::build(settings, ledger, Some(vrf(member))).unwrap();
    VIEWS.with_borrow_mut(|views| views.insert(member, (dpor.view(), dpor.ledger_view())));
    Box::new(dpor)
}

fn scenario() -> Scenario {
    let ms = Duration::from_millis;
    Scenario::new(SEED)
        .members(VALIDATORS, DEFAULTS.len(), CANDIDATES.len())
        .links(Links::good(Latency::Between(ms(1), ms(20))))
        .application(application)
        .terms(TERM)
        .byzantine(SILENT_DEFAULT, || Box::new(actors::Silent))
        .byzantine(SILENT_CANDIDATE, || Box::new(actors::Silent))
        .goal(TERM * TERMS, Duration::from_secs(600))
}

fn view(member: usize) -> (DporView, LedgerView) {
    VIEWS.with_borrow(|views| views[&member].clone())
}

/// Runs a network and gives the committees of the elected terms. The judge of the simulator has compared every committee and every
/// state of all nodes by then.
fn committees(scenario: &Scenario) -> (World, Vec<Vec<PublicKey>>) {
    let world = scenario.run().unwrap_or_else(|failure| panic!("{failure}"));
    let (dpor, _) = view(0);
    (world, (3..TERMS).map(|term| dpor.proposers(Term(term)).unwrap()).collect())
}

#[test]
fn elected_proposers_take_their_seats() {
    let (world, committees) = committees(&scenario());
    let (dpor, ledger) = view(0);
    assert!(ledger.height() >= Height(TERM * TERMS));

    let candidates: Vec<_> = CANDIDATES.map(account).collect();
    for proposers in &committees {
        assert_eq!(proposers.iter().filter(|key| candidates.contains(key)).count(), 4);
    }
    let different: std::collections::BTreeSet<_> = committees.iter().collect();
    assert!(different.len() > 3, "{} committees in {} terms", different.len(), committees.len());

    // Who has a seat and works becomes the proposer of final blocks, and is paid; who is silent is impeached, and ranks low.
    let record = |member| dpor.record(&account(member));
    let working = CANDIDATES.filter(|member| *member != SILENT_CANDIDATE);
    assert!(working.clone().map(|member| record(member).blocks).sum::<u64>() > 15);
    assert_eq!(working.map(|member| record(member).impeached).sum::<u64>(), 0);
    for silent in [SILENT_DEFAULT, SILENT_CANDIDATE] {
        assert!(record(silent).impeached > 0 && record(silent).blocks == 0, "{silent}: {:?}", record(silent));
        assert!(CANDIDATES.contains(&silent) || ledger.balance(&account(silent)) == Amount::ZERO);
    }
    let all = (0..16).map(record);
    let (blocks, impeached) = all.fold((0, 0), |(b, i), record| (b + record.blocks, i + record.impeached));
    assert_eq!(blocks + impeached, ledger.height().0, "fewer heights than a window");
    let paid = Amount(maintenance_between(Height(1), Height(blocks)));
    let left = ledger.held(Rewards::KIND, Rewards::VAULT);
    assert_eq!(left.checked_add(paid), Some(Amount(cpchain_consensus::dpor::reward::ALL_REWARDS)));

    // All who came as far say the same of every term.
    for member in (0..16).filter(|member| world.is_honest(*member)) {
        let (other, _) = view(member);
        for (term, proposers) in (3..).zip(&committees) {
            assert_eq!(other.proposers(Term(term)).as_ref(), Some(proposers), "member {member}, term {term}");
        }
    }
}

/// Names a state that was true long ago, or one that never was, in turn.
#[derive(Default)]
struct WrongStates {
    old: Option<Vec<u8>>,
}

/// Where the root stands in a payload.
const ROOT: std::ops::Range<usize> = 6..38;

impl Actor for WrongStates {
    fn name(&self) -> &'static str {
        "proposer of wrong states"
    }

    fn says(&mut self, stage: &mut Stage<'_>, to: &[PublicKey], message: Message) {
        let Message::Propose(proposal) = &message else { return stage.send(to, message) };
        let header = *proposal.block.header();
        let mut payload = proposal.block.payload().to_vec();
        // Closing blocks have none.
        if !stage.is_my_turn(header.height) || payload.len() < ROOT.end {
            return stage.send(to, message);
        }
        let true_root = payload[ROOT].to_vec();
        let old = self.old.get_or_insert_with(|| true_root.clone());
        if *old == true_root || header.height.0.is_multiple_of(2) {
            payload[ROOT.start] ^= 1;
        } else {
            payload[ROOT].copy_from_slice(old);
        }
        let (height, parent_height, parent) = (header.height, header.parent_height, header.parent);
        let block = Block::seal(stage.committee, stage.signer, height, parent_height, parent, payload.into());
        stage.send(to, Message::Propose(Proposal { block: Arc::new(block), ..proposal.clone() }));
    }
}

/// Whoever names a state that is not that of the ancestors is impeached, each time, and nobody else is: no honest validator's
/// check differs from another's, or the judge would have stopped the run.
#[test]
fn wrong_states_are_impeached_and_nothing_else() {
    let wrong: [usize; 2] = [ILLICIT_DEFAULT, SILENT_CANDIDATE + 1];
    let scenario = wrong.iter().fold(scenario(), |s, member| s.byzantine(*member, || Box::<WrongStates>::default()));
    let (_, committees) = committees(&scenario);
    assert_eq!(committees.len() as u64, TERMS - 3);
    let (dpor, _) = view(0);
    let bad = [wrong.as_slice(), &[SILENT_DEFAULT, SILENT_CANDIDATE]].concat();
    for member in DEFAULTS.chain(CANDIDATES) {
        let record = dpor.record(&account(member));
        assert!(bad.contains(&member) || record.impeached == 0, "{member}: {record:?}");
        assert!(!bad.contains(&member) || record.impeached > 0 && record.blocks == 0, "{member}: {record:?}");
    }
}

/// A validator that hears of nothing that is final, in a network that needs its votes: it judges the states of blocks by its own
/// execution of their ancestors, and votes as those do that have executed them as final.
#[test]
fn a_validator_judges_states_wherever_its_tip_is() {
    let ms = Duration::from_millis;
    let blind = |passing: Passing<'_>| {
        let says_commit = match passing.message {
            Message::Vote(vote) => vote.kind == Kind::Commit,
            Message::Certificate(certificate) => certificate.kind == Kind::Commit,
            Message::Propose(proposal) => proposal.parent.as_ref().is_some_and(|parent| parent.kind == Kind::Commit),
            Message::Range(_) => true,
            _ => false,
        };
        passing.to != 3 || !says_commit
    };
    let quiet = ms(1_500);
    let scenario = Scenario::new(SEED)
        .members(VALIDATORS, DEFAULTS.len(), CANDIDATES.len())
        .links(Links::good(Latency::Between(ms(10), ms(10))))
        .pause(Duration::ZERO)
        .application(application)
        .terms(TERM)
        .byzantine(2, || Box::new(actors::Silent))
        .filter(blind)
        .quiet_at(quiet)
        .goal(3 * TERM, Duration::from_secs(60));
    let mut world = scenario.world().unwrap();
    world.run_until(ms(1_000)).unwrap();
    let finals: Vec<_> = (0..4).map(|member| world.core(member).unwrap().final_height().0).collect();
    assert_eq!((finals[3], finals[0], finals[1]), (0, TERM, TERM), "{finals:?}");
    scenario.finish(&mut world).unwrap();
    assert_eq!(world.judge().impeached(), 0);
}

/// An application whose validators have decided on a change already: what `validators_decide_on_validators`
/// (`tests/ledger_governance.rs`) leaves in the state when such votes have passed.
fn voted_application(member: usize) -> Box<dyn Application> {
    let votes = GovernanceSettings::new((0..VALIDATORS).map(account).collect()).unwrap();
    let genesis = |genesis: Genesis| {
        let genesis = genesis.entry(Governance::KIND, b"x", account(LEAVES).0.to_vec());
        genesis.entry(Governance::KIND, b"y", account(COMES).0.to_vec())
    };
    build(member, settings().with_governance(votes).unwrap(), genesis)
}

/// Validators that were voted in and out serve, or do not, from the second term on, and the new quorum finalises: the engine, the
/// hand-over and the ledger agree on every node.
#[test]
fn voted_validators_take_office() {
    let (world, _) = committees(&scenario().application(voted_application));
    let (_, ledger) = view(0);
    let votes = GovernanceView::new(ledger);
    let members = |term| votes.members(Term(term)).unwrap().validators;
    let first: Vec<_> = (0..VALIDATORS).map(account).collect();
    let second: Vec<_> = [0, 1, 2, COMES].map(account).into();
    assert_eq!((members(0), members(1)), (first, second.clone()));
    for member in [0, LEAVES, COMES] {
        let core = world.core(member).unwrap();
        assert!(core.committee().term() >= Term(TERMS - 1), "{member}");
        assert_eq!(core.committee().validators(), second);
    }
}

/// Restarts in the middle of terms, and blocks without a beacon: nodes execute again what was final, and come to the same committees.
#[test]
fn elections_survive_crashes_and_illicit_blocks() {
    let ms = Duration::from_millis;
    let mut scenario = scenario().byzantine(ILLICIT_DEFAULT, || Box::new(actors::IllicitProposer));
    for (time, member) in [(1_500, 0), (2_500, 11), (4_000, 1), (7_000, 6), (9_000, 2)] {
        scenario = scenario.at(ms(time), Nemesis::Crash { node: member, down: ms(1_200) });
    }
    let (_, committees) = committees(&scenario.quiet_at(ms(11_000)));
    assert_eq!(committees.len() as u64, TERMS - 3);
    let (dpor, _) = view(0);
    for bad in [SILENT_DEFAULT, ILLICIT_DEFAULT, SILENT_CANDIDATE] {
        let record = dpor.record(&account(bad));
        assert!(record.impeached > 0 && record.blocks == 0, "{bad}: {record:?}");
    }
}

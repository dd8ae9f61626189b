//! The chain: a validator's ledger with elections, and candidates of four kinds whose turns come as they are elected.
//!
//! The ledger, its modules, payloads, beacons and elections are those of a node. What the engine adds is an outcome for each height:
//! a proposal that a validator takes in time becomes final, any other height is impeached.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cpchain_consensus::{
    Application, FinalBlock, Height, Term,
    dpor::{
        election::{Election, ElectionError, Seats},
        generator::Generator,
        seed,
    },
    ledger::{
        Amount, Call, Context, Genesis, GenesisError, Ledger, LedgerView, Module, ModuleError, Nonce, Transaction,
        TransactionDraft, TransactionError, block_payload,
        dpor::{Dpor, DporView, Report, Settings, SettingsError},
    },
    proof::PayloadHead,
};
use cpchain_crypto::{Digest, PublicKey, Signer as _, SigningKey, vrf::VrfSecretKey};

const SEATS: usize = 12;
/// Transactions in a block.
const BUSY: u64 = 4;
/// Of so many turns a late candidate misses one less.
const LATE: u64 = 2;

/// How large, and from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// What candidates own, send and miss follows from it.
    pub seed: u64,
    /// Terms of 36 heights.
    pub terms: u64,
    /// Candidates of every election.
    pub candidates: usize,
}

/// What a proposer does at its turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Proposes what is right, in time.
    Honest,
    /// Proposes nothing.
    Silent,
    /// Is too late at half of its turns.
    Late,
    /// Names a state that is not the chain's.
    Illicit,
    /// One of the default proposers: honest, and no candidate.
    Default,
}

/// All of them.
pub const CLASSES: [Class; 5] = [Class::Honest, Class::Silent, Class::Late, Class::Illicit, Class::Default];

impl Class {
    /// For plots and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::Silent => "silent",
            Self::Late => "late",
            Self::Illicit => "illicit",
            Self::Default => "default",
        }
    }

    /// Seven of ten are honest.
    const fn of(candidate: usize) -> Self {
        match candidate % 10 {
            0 => Self::Silent,
            3 => Self::Late,
            6 => Self::Illicit,
            _ => Self::Honest,
        }
    }
}

/// What a class came to in a term.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// The term.
    pub term: u64,
    /// The class.
    pub class: Class,
    /// Mean reputation of its candidates at the last height but one of the term, as the election weighs them; zero for the defaults.
    pub reputation: f64,
    /// Places that it has in the committee of the term.
    pub seats: u64,
    /// Heights of the term that were its turn.
    pub turns: u64,
    /// And how many of them were impeached.
    pub impeached: u64,
}

/// Why there is no simulation.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// No such committee.
    #[error(transparent)]
    Election(#[from] ElectionError),
    /// No such settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No such chain.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// A transaction that cannot be signed.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
}

/// Counts vouchers for the dimension DC: each of its transactions is one.
struct Vouchers;

impl Module for Vouchers {
    fn kind(&self) -> &'static str {
        "vouchers"
    }

    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        Report::change(context, &call.sender(), |report| report.vouchers = report.vouchers.saturating_add(1))
    }
}

struct Member {
    class: Class,
    signer: SigningKey,
    beacons: VrfSecretKey,
}

impl Member {
    fn new(number: usize, class: Class) -> Self {
        let seed = Digest::content(&number.to_le_bytes()).0;
        Self { class, signer: SigningKey::from_seed(&seed), beacons: VrfSecretKey::from_seed(&seed) }
    }
}

struct Chain {
    dpor: Dpor,
    view: DporView,
    ledger: LedgerView,
    members: BTreeMap<PublicKey, Member>,
    candidates: Vec<PublicKey>,
    random: Generator,
}

/// Runs a chain through its terms.
///
/// # Errors
/// [`SimulationError`] for a plan that makes no chain.
pub fn simulate(plan: Plan) -> Result<Vec<Row>, SimulationError> {
    let mut chain = Chain::new(plan)?;
    let heights = chain.view.settings().term_heights();
    let mut rows = Vec::new();
    for term in 0..plan.terms {
        let committee = chain.committee();
        let mut counts: BTreeMap<Class, (u64, u64, u64)> = BTreeMap::new();
        for proposer in &committee {
            counts.entry(chain.class(proposer)).or_default().0 += 1;
        }
        let mut reputations = BTreeMap::new();
        for place in 0..heights {
            if place + 1 == heights {
                reputations = chain.reputations(Term(term));
            }
            let (class, impeached) = chain.height(&committee)?;
            let count = counts.entry(class).or_default();
            count.1 += 1;
            count.2 += u64::from(impeached);
        }
        rows.extend(CLASSES.map(|class| {
            let (seats, turns, impeached) = counts.get(&class).copied().unwrap_or_default();
            let reputation = reputations.get(&class).copied().unwrap_or_default();
            Row { term, class, reputation, seats, turns, impeached }
        }));
    }
    Ok(rows)
}

impl Chain {
    fn new(plan: Plan) -> Result<Self, SimulationError> {
        let mut random = Generator::new(&Digest::content(&plan.seed.to_le_bytes()).0);
        let defaults: Vec<_> = (0..SEATS).map(|number| Member::new(number, Class::Default)).collect();
        let candidates: Vec<_> =
            (0..plan.candidates).map(|number| Member::new(SEATS + number, Class::of(number))).collect();
        let key = |member: &Member| member.signer.public_key();
        let election = Election::new(Seats::of(SEATS)?, defaults.iter().map(key).collect())?;
        let beacons = defaults.iter().map(|member| member.beacons.public_key()).collect();
        let settings = Settings::new(election, beacons)?.with_reporter(Vouchers.kind());
        let mut genesis = settings.found(Genesis::new());
        for member in &candidates {
            let balance = Amount::cpc(1_000 + random.below(100_000));
            genesis = genesis.account(key(member), balance);
            genesis = settings.seat(genesis, key(member), member.beacons.public_key(), plan.terms);
        }
        let names = candidates.iter().map(key).collect();
        let ledger = Ledger::builder(genesis.chain_id("terms"), genesis).module(Vouchers).retain(1);
        let dpor = Dpor::build(settings, ledger, None)?;
        let members = defaults.into_iter().chain(candidates).map(|member| (key(&member), member)).collect();
        Ok(Self { view: dpor.view(), ledger: dpor.ledger_view(), dpor, members, candidates: names, random })
    }

    fn committee(&self) -> Vec<PublicKey> {
        let elected = self.view.proposers(self.view.term());
        elected.unwrap_or_else(|| self.view.settings().first_proposers().to_vec())
    }

    fn class(&self, key: &PublicKey) -> Class {
        self.members.get(key).map_or(Class::Default, |member| member.class)
    }

    fn reputations(&self, term: Term) -> BTreeMap<Class, f64> {
        let mut sums: BTreeMap<Class, (u64, u64)> = BTreeMap::new();
        for standing in self.view.standing(term) {
            let (sum, count) = sums.entry(self.class(&standing.account)).or_default();
            *sum += u64::from(standing.scores.reputation().0);
            *count += 1;
        }
        sums.into_iter().map(|(class, (sum, count))| (class, sum as f64 / count.max(1) as f64)).collect()
    }

    /// The next height: whose turn it is, and whether it was impeached.
    fn height(&mut self, committee: &[PublicKey]) -> Result<(Class, bool), SimulationError> {
        let height = self.ledger.height().next();
        let turn = (height.0 - 1) % committee.len().max(1) as u64;
        let proposer = committee.get(turn as usize).copied().unwrap_or(PublicKey([0; 32]));
        let class = self.class(&proposer);
        let late = self.random.below(LATE) != 0;
        let proposal = match class {
            Class::Silent => None,
            Class::Late if late => None,
            _ => self.proposal(height, &proposer)?,
        };
        // What a validator refuses is impeached like what never came.
        let payload = proposal.filter(|payload| self.dpor.verify(height, &[], payload).is_ok());
        let impeached = payload.is_none();
        let payload = payload.unwrap_or_default();
        let digest = Digest::content(&[&height.0.to_be_bytes(), payload.as_ref()].concat());
        self.dpor.finalised(&FinalBlock { height, digest, parent: Digest::ZERO, proposer, impeached, payload });
        Ok((class, impeached))
    }

    fn proposal(&mut self, height: Height, proposer: &PublicKey) -> Result<Option<Bytes>, SimulationError> {
        let senders: BTreeSet<_> = (0..BUSY).filter_map(|_| self.somebody()).collect();
        let transactions =
            senders.iter().filter_map(|sender| self.voucher(sender, height)).collect::<Result<Vec<_>, _>>()?;
        let Some(member) = self.members.get(proposer) else { return Ok(None) };
        let beacon = seed::prove(&member.beacons, self.ledger.chain_id(), self.view.seed(), height);
        let (_, root) = self.ledger.height_and_root();
        let root = if member.class == Class::Illicit { Digest::ZERO } else { root };
        Ok(Some(block_payload(&PayloadHead { root, beacon: Some(beacon) }, &transactions)))
    }

    fn somebody(&mut self) -> Option<PublicKey> {
        let which = self.random.below(self.candidates.len().max(1) as u64);
        self.candidates.get(which as usize).copied()
    }

    fn voucher(&self, sender: &PublicKey, height: Height) -> Option<Result<Transaction, TransactionError>> {
        let member = self.members.get(sender)?;
        let draft = TransactionDraft {
            chain: self.ledger.chain_id(),
            nonce: self.ledger.nonce(sender).unwrap_or(Nonce(0)),
            expires: height,
            kind: Vouchers.kind().into(),
            payload: Bytes::new(),
        };
        Some(draft.sign(&member.signer))
    }
}

//! Elections in the run: candidates deposit, find proofs, claim, and are elected; until then the validators' nodes propose.
//!
//! Lower than on a real chain, so that a run takes seconds: terms of [`ROUNDS`] rounds of at most a few proposers, and no memory proof
//! ([`MEMORY_BITS`]), where a chain asks for 6 bits, about 64 tries of scrypt: all nodes of the run share one computer, and each checks the
//! proof of each candidate. The deposit of 200,000 CPC, its lock and the CPU proof of 12 bits are the real ones, and so is everything
//! else. `node campaign` finds both proofs at their real difficulty.

use std::time::Duration;

use cpchain_consensus::{
    Height, Term,
    dpor::election::{Election, Seats},
    lbft::MAX_PROPOSERS,
    ledger::{
        Amount,
        dpor::{
            Campaigns, Claim, DporView, PoolCall, RNodes, SOFTWARE, Settings,
            admission::{Work, find},
        },
    },
    node::NodeHandle,
};
use cpchain_crypto::{
    Digest, Domain, PublicKey, Signer, SigningKey,
    vrf::{VrfPublicKey, VrfSecretKey},
};
use serde::Serialize;
use tokio::task::JoinSet;

use super::{
    actors::Actors,
    chain::Chain,
    error::{During, ShareError},
};
use crate::adapters::{
    ChainClient,
    chain::{EscrowModule, VoucherModule},
};

/// CPC that a candidate begins with: its deposit, and a rest that is not the same for all.
pub(crate) const FUNDS: Amount = Amount::cpc(250_000);
const ROUNDS: u32 = 2;
const MEMORY_BITS: u32 = 0;
/// Between two looks of a candidate at its claim.
const LOOK: Duration = Duration::from_millis(20);
/// How long elected proposers may be awaited.
const PATIENCE: Duration = Duration::from_secs(120);

const BEACON: Domain = Domain::new("cpchain/examples/beacon/v1");

/// With which a node makes its beacons.
pub(crate) fn beacon(actors: &Actors, node: &PublicKey) -> VrfSecretKey {
    VrfSecretKey::from_seed(&Digest::of(BEACON, &[&actors.secret("beacon", 0), &node.0]).0)
}

/// The seats that so many candidates run for: fewer than there are candidates if there are two, and not more than the validators can fill.
fn seats(candidates: usize, validators: usize) -> Result<Seats, ShareError> {
    let most = candidates.saturating_sub(1).clamp(1, MAX_PROPOSERS).min(validators);
    (1..=most).rev().find_map(|seats| Seats::of(seats).ok()).during("counting the seats")
}

/// How proposers are elected, by what vouchers and trades report, too; the validators are the default proposers.
pub(crate) fn settings(
    validators: Vec<PublicKey>,
    beacons: Vec<VrfPublicKey>,
    candidates: usize,
) -> Result<Settings, ShareError> {
    let election = Election::new(seats(candidates, validators.len())?, validators);
    let settings = Settings::new(election.during("setting up elections")?, beacons).during("setting up elections")?;
    let (cpu, _) = settings.difficulty();
    let settings = settings.with_rounds(ROUNDS).during("setting up elections")?.with_difficulty(cpu, MEMORY_BITS);
    Ok(settings.with_reporter(VoucherModule::KIND).with_reporter(EscrowModule::<()>::KIND))
}

/// Those who stand for election, each with a task that claims again and again. Dropping it ends their campaigns.
pub(crate) struct Campaign {
    tasks: JoinSet<()>,
    view: DporView,
    node: NodeHandle,
}

/// One term of a run.
#[derive(Debug, Clone, Serialize)]
pub struct TermRow {
    /// The term.
    pub term: u64,
    /// Its first height.
    pub first: u64,
    /// Its last height.
    pub last: u64,
    /// Who proposes, in the order of turns: `candidate 2`, `validator 0`.
    pub proposers: Vec<String>,
    /// Candidates took every seat that is theirs to take.
    pub elected: bool,
}

impl Campaign {
    /// Every candidate deposits and campaigns: from its own node, or, if that does not run, from a follower's.
    pub(crate) fn start(chain: &Chain, actors: &Actors) -> Result<Self, ShareError> {
        let mut tasks = JoinSet::new();
        let elsewhere = chain.followers.first().during("looking for a follower")?;
        for (place, key) in chain.standing.iter().enumerate() {
            let node = chain.candidates.get(place).unwrap_or(elsewhere);
            let client = ChainClient::new(key.clone(), node.node.clone(), node.view.clone());
            let candidate = Candidate {
                client,
                dpor: node.dpor.clone(),
                beacon: beacon(actors, &key.public_key()),
                key: key.clone(),
            };
            tasks.spawn(candidate.campaign());
        }
        Ok(Self { tasks, view: elsewhere.dpor.clone(), node: elsewhere.node.clone() })
    }

    /// Waits until those who were elected propose, and will in the next two terms too; says who they are.
    pub(crate) async fn take_over(&self, chain: &Chain) -> Result<TermRow, ShareError> {
        let mut status = self.node.watch();
        let serve = async {
            loop {
                let term = self.view.term();
                if (term.0..=term.0 + 2).all(|term| is_elected(&self.view, chain, Term(term))) {
                    return row(&self.view, chain, term);
                }
                status.changed().await.ok()?;
            }
        };
        let late = "the candidates' claims do not get in";
        tokio::time::timeout(PATIENCE, serve)
            .await
            .ok()
            .flatten()
            .ok_or_else(|| ShareError::while_doing("electing proposers")(late))
    }

    /// Ends all campaigns.
    pub(crate) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Whether candidates took every seat of a term that is theirs to take.
fn is_elected(view: &DporView, chain: &Chain, term: Term) -> bool {
    let seats = view.settings().seats();
    let candidate = |key: &PublicKey| chain.standing.iter().any(|other| other.public_key() == *key);
    let proposers = view.proposers(term).unwrap_or_default();
    proposers.iter().filter(|key| candidate(key)).count() == seats.lower() + seats.upper()
}

/// The terms up to a height, as far as the ledger remembers them.
pub(crate) fn terms(view: &DporView, chain: &Chain, height: Height) -> Vec<TermRow> {
    (0..=view.settings().term(height).0).filter_map(|term| row(view, chain, Term(term))).collect()
}

fn row(view: &DporView, chain: &Chain, term: Term) -> Option<TermRow> {
    let heights = view.settings().term_heights();
    // Nobody is elected for the first three terms.
    let first = || (term.0 < 3).then(|| view.settings().first_proposers().to_vec());
    let proposers = view.proposers(term).or_else(first)?;
    Some(TermRow {
        term: term.0,
        first: term.0 * heights + 1,
        last: (term.0 + 1) * heights,
        proposers: proposers.iter().map(|key| name(chain, key)).collect(),
        elected: is_elected(view, chain, term),
    })
}

/// What the reader calls a proposer.
pub(crate) fn name(chain: &Chain, key: &PublicKey) -> String {
    let candidate = chain.standing.iter().position(|other| other.public_key() == *key);
    let validator = chain.committee.validators().iter().position(|other| other == key);
    match (candidate, validator) {
        (Some(place), _) => format!("candidate {place}"),
        (None, Some(place)) => format!("validator {place}"),
        (None, None) => "nobody".to_owned(),
    }
}

/// One who stands for election.
struct Candidate {
    client: ChainClient,
    dpor: DporView,
    beacon: VrfSecretKey,
    key: SigningKey,
}

impl Candidate {
    /// Deposits, and claims whenever the last claim ends.
    async fn campaign(self) {
        let account = self.key.public_key();
        let deposit = PoolCall::Join(self.dpor.settings().deposit()).encode();
        if let Err(error) = self.client.execute(RNodes::KIND, deposit).await {
            tracing::warn!(%error, "a candidate cannot deposit");
            return;
        }
        loop {
            if self.dpor.claimed_until(&account).is_none_or(|last| last <= self.dpor.term())
                && let Some(claim) = self.claim().await
                && let Err(error) = self.client.execute(Campaigns::KIND, claim.encode()).await
            {
                tracing::info!(%error, "a claim came to nothing; the next one follows");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A claim with both proofs over the newest block.
    async fn claim(&self) -> Option<Claim> {
        let (height, block) = self.dpor.last_recent_block()?;
        let (account, (cpu_bits, memory_bits)) = (self.key.public_key(), self.dpor.settings().difficulty());
        let prove = move || {
            let nonce = |work, bits| Some((find(work, &account, &block, bits, 0..u64::MAX)?, height));
            Some((nonce(Work::Cpu, cpu_bits)?, nonce(Work::Memory, memory_bits)?))
        };
        let (cpu, memory) = tokio::task::spawn_blocking(prove).await.ok()??;
        Some(Claim { terms: 3, software: SOFTWARE, key: self.beacon.public_key(), cpu, memory })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_outnumber_the_seats_and_validators_can_fill_them() {
        let total = |candidates, validators| seats(candidates, validators).unwrap().total();
        assert_eq!([total(1, 4), total(2, 4), total(4, 4), total(5, 4), total(6, 7)], [1, 1, 3, 4, 4]);
        assert_eq!([total(8, 7), total(31, 31), total(31, 1), total(4, 1)], [6, 30, 1, 1]);
    }
}

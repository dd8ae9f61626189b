//! Terms, committees, deposits, claims and reputations.

use cpchain_consensus::{
    Term,
    dpor::{
        reputation::{FORGIVEN, Record, Scores},
        season::Phase,
    },
    ledger::{
        Amount,
        dpor::{Campaigns, RNodes, SOFTWARE},
    },
};
use cpchain_crypto::PublicKey;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{INTERNAL, NOT_FOUND, PARAMS, RpcError, methods::Rpc};
use crate::keys;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfTerm {
    term: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Of {
    account: String,
}

impl Of {
    fn account(&self) -> Result<PublicKey, RpcError> {
        let wrong = || RpcError::new(PARAMS, "account needs 64 hexadecimal digits or a did:key");
        keys::account(&self.account).ok_or_else(wrong)
    }
}

fn texts(keys: &[PublicKey]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

impl Rpc {
    /// Answers a question of the state after one block: between equal heights nothing was executed.
    pub(super) fn steady<T>(&self, question: impl Fn() -> T) -> (u64, T) {
        loop {
            let before = self.view.height();
            let answer = question();
            if self.view.height() == before {
                return (before.0, answer);
            }
        }
    }

    pub(super) fn term(&self) -> Value {
        let committee = self.node.committee();
        json!({
            "term": committee.term().0,
            "first": committee.first().0,
            "last": committee.last().map(|last| last.0),
            "elected": self.dpor.proposers(committee.term()).is_some(),
            "heights": self.dpor.settings().term_heights(),
        })
    }

    pub(super) fn committee(&self, of: &OfTerm) -> Result<Value, RpcError> {
        let serving = self.node.committee();
        let term = of.term.map_or(serving.term(), Term);
        let elected = self.dpor.proposers(term);
        let is_elected = elected.is_some();
        let proposers = match elected {
            Some(proposers) => proposers,
            None if term == serving.term() => serving.proposers().to_vec(),
            None if term.0 < 3 => self.dpor.settings().first_proposers().to_vec(),
            None => {
                let known = "committees are known from sixteen terms back to three ahead of the present one";
                return Err(RpcError::new(NOT_FOUND, known));
            }
        };
        let defaults = self.dpor.settings().default_proposers();
        let seated: Vec<_> = proposers.iter().filter(|key| defaults.contains(key)).copied().collect();
        Ok(json!({
            "term": term.0,
            "elected": is_elected,
            "validators": texts(serving.validators()),
            "proposers": texts(&proposers),
            "default_proposers": texts(&seated),
            "quorum": serving.quorum(),
            "faults": serving.faults(),
        }))
    }

    pub(super) fn deposits(&self, of: &Of) -> Result<Value, RpcError> {
        let account = of.account()?;
        let term = |term: Option<Term>| term.map(|term| term.0);
        let question = || {
            let rnode = self.dpor.rnode_since(&account).map(|since| {
                json!({
                    "amount": self.view.held(RNodes::KIND, &account.0).to_string(),
                    "since": since.0,
                    "locked_before": since.0.saturating_add(self.dpor.settings().lock()),
                    "claimed_until": term(self.dpor.claimed_until(&account)),
                    "seated_until": term(self.dpor.seated_until(&account)),
                })
            });
            let economy = self.economy.deposit(&account);
            let economy =
                economy.map(|held| json!({ "amount": held.amount.to_string(), "unpaid_season": held.unpaid.0 }));
            (rnode, economy, self.economy.phase(), self.view.balance(&account))
        };
        let (height, (rnode, economy, (season, phase), balance)) = self.steady(question);
        Ok(json!({
            "height": height,
            "balance": balance.to_string(),
            "rnode": rnode,
            "economy": economy,
            "season": season.0,
            "phase": match phase {
                Phase::Raising => "raising",
                Phase::Locked => "locked",
                Phase::Settling => "settling",
            },
        }))
    }

    /// What a claim is made of.
    pub(super) fn campaign(&self, of: &Of) -> Result<Value, RpcError> {
        let account = of.account()?;
        let question = || {
            let last = self.dpor.claimed_until(&account).map(|term| term.0);
            (self.dpor.rnode_since(&account), last, self.dpor.term(), self.dpor.last_recent_block())
        };
        let (height, (since, claimed_until, term, recent)) = self.steady(question);
        let (cpu_bits, memory_bits) = self.dpor.difficulty();
        Ok(json!({
            "height": height,
            "term": term.0,
            "rnode": since.is_some(),
            "claimed_until": claimed_until,
            "block_height": recent.map(|(height, _)| height.0),
            "block": recent.map(|(_, block)| block.to_string()),
            "expires": recent.map(|(height, _)| height.0.saturating_add(Campaigns::RECENT)),
            "cpu_bits": cpu_bits,
            "memory_bits": memory_bits,
            "software": SOFTWARE,
        }))
    }

    /// Ranks all candidates, so it is asked on a thread of its own.
    pub(super) async fn reputation(&self, of: Of) -> Result<Value, RpcError> {
        let rpc = self.clone();
        let account = of.account()?;
        let answer = tokio::task::spawn_blocking(move || rpc.rank(&account)).await;
        answer.map_err(|error| RpcError::new(INTERNAL, error))
    }

    fn rank(&self, account: &PublicKey) -> Value {
        let (height, (term, standing, record)) = self.steady(|| {
            let term = self.dpor.term();
            (term, self.dpor.standing(term), self.dpor.record(account))
        });
        let own = standing.iter().find(|standing| standing.account == *account);
        json!({
            "height": height,
            "account": account.to_string(),
            "election_at_the_end_of_term": term.0,
            "candidates": standing.len(),
            "is_candidate": own.is_some(),
            "reputation": own.map(|own| own.scores.reputation().0),
            "dimensions": dimensions(&record, own.map(|own| &own.scores)),
            "impeached": record.impeached,
            "kept_ninths": FORGIVEN.saturating_sub(record.impeached),
        })
    }
}

/// What each dimension is worth: the value that is ranked, its rank among the candidates, and the points that it gives.
fn dimensions(record: &Record, scores: Option<&Scores>) -> Value {
    let row = |name: &str, weight: u32, value: String, rank: Option<u32>| json!({ "dimension": name, "value": value, "rank": rank, "weight": weight, "points": rank.map(|rank| rank * weight) });
    let rank = |of: fn(&Scores) -> u32| scores.map(of);
    json!([
        row("balance", 50, format!("{} CPC", Amount(record.balance)), rank(|s| s.balance)),
        row("transactions", 15, record.transactions.to_string(), rank(|s| s.transactions)),
        row("proxy", 10, record.proxy_points().to_string(), rank(|s| s.proxy)),
        row("data", 15, record.data_points().to_string(), rank(|s| s.data)),
        row("maintenance", 10, record.blocks.to_string(), rank(|s| s.maintenance)),
    ])
}

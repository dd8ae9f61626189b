//! The methods, one function each.

use std::time::Duration;

use bytes::Bytes;
use cpchain_consensus::{
    Height,
    lbft::{Evidence, FinalEntry, Message, Role},
    ledger::{
        LedgerView, Outcome, SubmitError, Transaction, TransactionId, block_transactions,
        dpor::{Dpor, DporView, economy::EconomyView},
    },
    network::{NetworkControl, WhiteList},
    node::NodeHandle,
};
use cpchain_crypto::{Digest, vrf::VrfPublicKey};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{BUSY, FORBIDDEN, INTERNAL, METHOD, NOT_FOUND, PARAMS, REFUSED, RpcError, TIMEOUT};
use crate::{
    campaign::Campaigning,
    keys,
    outbox::{Outbox, OutboxError},
};

/// The longest that a request may wait.
const MAX_WAIT: Duration = Duration::from_secs(60);
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// A transaction that expires more heights ahead than this is refused: the node would have to keep it for too long.
pub const MAX_LIFE: u64 = 100_000;

/// What the methods work on. Clones are the same node.
#[derive(Clone)]
pub struct Rpc {
    pub(crate) node: NodeHandle,
    pub(crate) view: LedgerView,
    pub(crate) dpor: DporView,
    pub(crate) economy: EconomyView,
    /// With which the node makes its beacons.
    pub(crate) beacon: Option<VrfPublicKey>,
    pub(crate) campaigning: watch::Receiver<Campaigning>,
    pub(crate) outbox: Outbox,
    pub(crate) network: NetworkControl,
    pub(crate) admin: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AtHeight {
    height: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfAccount {
    account: String,
    #[serde(default)]
    min_height: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfTransaction {
    id: String,
}

#[derive(Deserialize, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Wait {
    #[default]
    Accepted,
    Final,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Submit {
    transaction: String,
    #[serde(default)]
    wait: Wait,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Set {
    On,
    Off,
    Auto,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetWhiteList {
    set: Set,
}

fn read<T: DeserializeOwned>(params: Value) -> Result<T, RpcError> {
    let params = if params.is_null() { json!({}) } else { params };
    serde_json::from_value(params).map_err(|error| RpcError::new(PARAMS, error))
}

fn ended(error: impl ToString) -> RpcError {
    RpcError::new(INTERNAL, error)
}

impl Rpc {
    pub(crate) async fn call(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        match method {
            "status" => read(params).map(|Nothing {}| self.status()),
            "chain_head" => {
                let Nothing {} = read(params)?;
                self.chain_head().await
            }
            "block" => self.block(read(params)?).await,
            "certificate" => self.certificate(read(params)?).await,
            "term" => read(params).map(|Nothing {}| self.term()),
            "committee" => self.committee(&read(params)?),
            "deposits" => self.deposits(&read(params)?),
            "campaign" => self.campaign(&read(params)?),
            "proposals" => read(params).map(|page| self.proposals(&page)),
            "reputation" => self.reputation(read(params)?).await,
            "balance" => self.balance(read(params)?).await,
            "submit" => self.submit(read(params)?).await,
            "transaction" => self.transaction(read(params)?),
            "evidence" => read(params).map(|Nothing {}| self.evidence()),
            "white_list" => self.white_list(read(params)?),
            other => Err(RpcError::new(METHOD, format!("there is no method `{other}`"))),
        }
    }

    fn status(&self) -> Value {
        let status = self.node.status();
        let (counters, network) = (self.node.counters(), self.network.stats());
        json!({
            "role": match status.role {
                Role::Validator => "validator",
                Role::Proposer => "proposer",
                Role::Follower => "follower",
            },
            "key": self.node.key().to_string(),
            "beacon": self.beacon.map(|key| hex::encode(key.0)),
            "chain": self.view.chain_id().0.to_string(),
            "term": status.term.0,
            "campaign": *self.campaigning.borrow(),
            "height": status.height.0,
            "final_height": status.final_height.0,
            "state": status.state.to_string(),
            "impeached": status.impeached,
            "timeouts": counters.timeouts,
            "evidence": status.evidence.is_some(),
            "fault": status.fault.map(|fault| fault.to_string()),
            "ended": status.ended.map(|cause| cause.to_string()),
            "peers": network.connected,
            "incompatible_peers": network.incompatible,
            "banned_peers": network.banned,
            "white_list": network.white_list,
            "pool": self.view.waiting(),
            "outbox": self.outbox.len(),
        })
    }

    async fn chain_head(&self) -> Result<Value, RpcError> {
        let status = self.node.status();
        let entry = self.node.block(status.final_height).await.map_err(ended)?;
        let digest = entry.map_or(Digest::ZERO, |entry| entry.block.digest);
        Ok(json!({ "height": status.final_height.0, "digest": digest.to_string(), "state": status.state.to_string() }))
    }

    async fn entry(&self, height: u64) -> Result<FinalEntry, RpcError> {
        let missing = || RpcError::new(NOT_FOUND, format!("height {height} is not final here"));
        self.node.block(Height(height)).await.map_err(ended)?.ok_or_else(missing)
    }

    async fn block(&self, at: AtHeight) -> Result<Value, RpcError> {
        Ok(block_json(&self.entry(at.height).await?))
    }

    async fn certificate(&self, at: AtHeight) -> Result<Value, RpcError> {
        let entry = self.entry(at.height).await?;
        let missing =
            || RpcError::new(NOT_FOUND, "this node holds no certificate for that height; a later one covers it");
        let certificate = entry.certificate.ok_or_else(missing)?;
        let committee = self.node.committee();
        let signers = certificate.signers().filter_map(|place| committee.validator(place)).map(|key| key.to_string());
        Ok(json!({
            "kind": format!("{:?}", certificate.kind),
            "term": certificate.term.0,
            "height": certificate.height.0,
            "digest": certificate.digest.to_string(),
            "signers": signers.collect::<Vec<_>>(),
            "header": entry.sealed.map(|block| hex::encode(block.encoded_header())),
            "bytes": hex::encode(Message::Certificate(certificate).encode()),
        }))
    }

    async fn balance(&self, of: OfAccount) -> Result<Value, RpcError> {
        let account = keys::account(&of.account);
        let account =
            account.ok_or_else(|| RpcError::new(PARAMS, "account needs 64 hexadecimal digits or a did:key"))?;
        let reached = tokio::time::timeout(DEFAULT_WAIT, self.node.wait_final(Height(of.min_height))).await;
        let late = |_| RpcError::new(TIMEOUT, format!("height {} is not final here yet", of.min_height));
        reached.map_err(late)?.map_err(ended)?;
        // Between equal heights nothing was executed, so the answers are of one block.
        loop {
            let before = self.view.height();
            let (balance, nonce) = (self.view.balance(&account), self.view.nonce(&account));
            let next = self.view.next_nonce(&account);
            if self.view.height() == before {
                return Ok(json!({
                    "height": before.0,
                    "balance": balance.to_string(),
                    "units": balance.0.to_string(),
                    "nonce": nonce.map(|nonce| nonce.0),
                    "next_nonce": next.0,
                }));
            }
        }
    }

    async fn submit(&self, submit: Submit) -> Result<Value, RpcError> {
        let bytes = hex::decode(&submit.transaction).map_err(|error| RpcError::new(PARAMS, error))?;
        let transaction = Transaction::decode(Bytes::from(bytes)).map_err(|error| RpcError::new(REFUSED, error))?;
        let id = transaction.id();
        if !self.outbox.holds(&id) && !self.is_executed(&id) {
            self.accept(transaction).await?;
        }
        if submit.wait == Wait::Final {
            let wait = submit.timeout_ms.map_or(DEFAULT_WAIT, Duration::from_millis).min(MAX_WAIT);
            let late = |_| RpcError::new(TIMEOUT, "accepted, and not final yet: ask for the transaction later");
            tokio::time::timeout(wait, self.executed(&id)).await.map_err(late)??;
        }
        Ok(self.describe(&id))
    }

    /// Into the pool, onto the disk, to the proposers, in this order: what the ledger refuses is not kept. What the pool
    /// has no room for waits on the disk.
    pub(crate) async fn accept(&self, transaction: Transaction) -> Result<(), RpcError> {
        let latest = self.view.height().0.saturating_add(MAX_LIFE);
        if transaction.expires().0 > latest {
            return Err(RpcError::new(REFUSED, format!("it expires too late: choose a height up to {latest}")));
        }
        let bytes = transaction.bytes().clone();
        let admitted = self.node.with_application(move |dpor: &mut Dpor| dpor.admit(bytes)).await;
        let now = match admitted.map_err(ended)? {
            Ok(_) | Err(SubmitError::Known(_)) => true,
            Err(SubmitError::Full | SubmitError::NonceTooHigh { .. }) => {
                let checked = transaction.check(self.view.chain_id(), self.view.height().next());
                checked.map_err(|error| RpcError::new(REFUSED, error))?;
                false
            }
            Err(error) => return Err(RpcError::new(REFUSED, error)),
        };
        let bytes = transaction.bytes().clone();
        self.outbox.add(transaction).await.map_err(|error| match error {
            OutboxError::Full | OutboxError::FullOfSender => RpcError::new(BUSY, error),
            OutboxError::Io(_) => RpcError::new(INTERNAL, error),
        })?;
        if now { self.node.spread(bytes).await.map_err(ended) } else { Ok(()) }
    }

    fn is_executed(&self, id: &TransactionId) -> bool {
        self.view.receipt(id).is_some_and(|receipt| !matches!(receipt.outcome, Outcome::Refused(_)))
    }

    async fn executed(&self, id: &TransactionId) -> Result<(), RpcError> {
        let mut status = self.node.watch();
        loop {
            let seen = status.borrow_and_update().ended.clone();
            if self.is_executed(id) {
                return Ok(());
            }
            if let Some(cause) = seen {
                return Err(ended(cause));
            }
            status.changed().await.map_err(ended)?;
        }
    }

    fn transaction(&self, of: OfTransaction) -> Result<Value, RpcError> {
        let id = keys::public(&of.id).ok_or_else(|| RpcError::new(PARAMS, "id needs 64 hexadecimal digits"))?;
        Ok(self.describe(&TransactionId(Digest(id.0))))
    }

    fn describe(&self, id: &TransactionId) -> Value {
        let receipt = self.view.receipt(id);
        let (status, error) = match receipt.as_ref().map(|receipt| &receipt.outcome) {
            Some(Outcome::Applied) => ("final", None),
            Some(Outcome::Failed(error)) => ("final", Some(error.to_string())),
            Some(Outcome::Refused(_)) | None if self.outbox.holds(id) => ("waiting", None),
            Some(Outcome::Refused(refusal)) => ("unknown", Some(refusal.to_string())),
            None => ("unknown", None),
        };
        json!({
            "id": id.to_string(),
            "status": status,
            "applied": receipt.as_ref().is_some_and(|receipt| receipt.is_applied()),
            "height": receipt.as_ref().map(|receipt| receipt.height.0),
            "index": receipt.as_ref().map(|receipt| receipt.index),
            "error": error,
        })
    }

    fn evidence(&self) -> Value {
        json!({ "evidence": self.node.status().evidence.iter().map(evidence_json).collect::<Vec<_>>() })
    }

    fn white_list(&self, SetWhiteList { set }: SetWhiteList) -> Result<Value, RpcError> {
        if !self.admin {
            return Err(RpcError::new(FORBIDDEN, "set rpc.admin in node.toml to allow this"));
        }
        self.network.set_white_list(match set {
            Set::On => WhiteList::On,
            Set::Off => WhiteList::Off,
            Set::Auto => WhiteList::Auto,
        });
        Ok(json!({ "white_list": self.network.stats().white_list }))
    }
}

fn evidence_json(evidence: &Evidence) -> Value {
    let statement = |(said, signature): &(cpchain_consensus::lbft::Statement, cpchain_crypto::Signature)| {
        json!({
            "kind": format!("{:?}", said.kind),
            "term": said.term.0,
            "height": said.height.0,
            "digest": said.digest.to_string(),
            "signature": hex::encode(signature.0),
        })
    };
    json!({ "key": evidence.key.to_string(), "first": statement(&evidence.first), "second": statement(&evidence.second) })
}

/// A final block as JSON.
pub(crate) fn block_json(entry: &FinalEntry) -> Value {
    let block = &entry.block;
    let transactions = block_transactions(&block.payload).unwrap_or_default();
    json!({
        "height": block.height.0,
        "digest": block.digest.to_string(),
        "parent": block.parent.to_string(),
        "proposer": block.proposer.to_string(),
        "impeached": block.impeached,
        "payload_bytes": block.payload.len(),
        "transactions": transactions.iter().map(|transaction| transaction.id().to_string()).collect::<Vec<_>>(),
    })
}

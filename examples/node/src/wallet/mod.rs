//! What people do with their accounts from a command line: every step is signed here, by a key in a file, and sent to a node.
//!
//! | part | what it is |
//! | --- | --- |
//! | [`Wallet`] | one key at one node: signs, sends, waits for the receipt |
//! | [`money`] | send, deposit, withdraw, take interest |
//! | [`election`] | stand for election |
//! | [`vote`] | propose and vote |
//! | [`text`] | answers as text for people |
//!
//! # Rules, and the tests that hold them (`tests/wallet.rs`)
//! - No key leaves its file: the node gets signed transactions (`every_command_against_a_network`).
//! - A command ends well only if the ledger applied its transaction. One that is in a block and failed, and one that is not final in
//!   time, are errors that name it (`what_fails_says_why`).
//! - Amounts are read as decimals with at most 18 places, never as floating point (same test).

pub mod election;
pub mod money;
pub mod text;
pub mod vote;

use std::time::Duration;

use bytes::Bytes;
use cpchain_consensus::ledger::Transaction;
use cpchain_crypto::{PublicKey, Signer as _, SigningKey};
use serde_json::Value;

use crate::{
    client::{Client, ClientError, EXPIRES_AFTER},
    rpc::{RpcError, TIMEOUT},
};

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// The node, or the way to it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It is in a block, and the ledger refused what it asks for. The state is as before.
    #[error("the transaction {id} is in block {height} and changed nothing: {reason}")]
    Failed {
        /// The transaction.
        id: String,
        /// The block.
        height: u64,
        /// The ledger's reason.
        reason: String,
    },
    /// No block has executed it yet.
    #[error(
        "the transaction {id} is accepted and not final after {seconds} s: it may still be executed, so do not send it again; ask with \
         `node call --dir DIR transaction '{{\"id\":\"{id}\"}}'`"
    )]
    NotFinal {
        /// The transaction.
        id: String,
        /// How long it was awaited.
        seconds: u64,
    },
    /// What was asked for cannot be asked for.
    #[error("{0}")]
    Usage(&'static str),
    /// No proof was found while its block was young.
    #[error(
        "no block took the claim while its proofs were fresh, {0} times: the chain is faster than this computer, or has stopped"
    )]
    Stale(u32),
}

fn number(of: &Value, field: &str) -> Result<u64, ClientError> {
    let missing = || ClientError::Answer(format!("`{field}` is missing"));
    of.get(field).and_then(Value::as_u64).ok_or_else(missing)
}

/// One key at one node.
pub struct Wallet {
    client: Client,
    key: SigningKey,
    patience: Duration,
}

impl Wallet {
    /// A key at a node; transactions are awaited for `patience`, at most 60 s.
    pub const fn new(client: Client, key: SigningKey, patience: Duration) -> Self {
        Self { client, key, patience }
    }

    /// The account of the key.
    pub fn account(&self) -> PublicKey {
        self.key.public_key()
    }

    /// Signs and sends a transaction, and waits until it is executed.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn execute(&self, kind: &str, payload: Bytes) -> Result<Value, WalletError> {
        let transaction = self.client.sign(&self.key, kind, payload, EXPIRES_AFTER).await?;
        self.settle(&transaction).await
    }

    /// Sends a transaction, and waits until it is executed.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn settle(&self, transaction: &Transaction) -> Result<Value, WalletError> {
        let id = transaction.id().to_string();
        let answer = match self.client.submit_within(transaction, self.patience).await {
            Err(ClientError::Refused(RpcError { code: TIMEOUT, .. })) => {
                return Err(WalletError::NotFinal { id, seconds: self.patience.as_secs() });
            }
            answer => answer?,
        };
        match answer.get("error").and_then(Value::as_str) {
            Some(reason) => {
                let height = answer.get("height").and_then(Value::as_u64).unwrap_or_default();
                Err(WalletError::Failed { id, height, reason: reason.to_owned() })
            }
            None => Ok(answer),
        }
    }
}

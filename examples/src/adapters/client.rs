//! Somebody with a key and a node of the chain: signs transactions and waits for what becomes of them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cpchain_consensus::{
    Height,
    ledger::{LedgerView, Outcome, Receipt, TransactionDraft, TransactionError, TransactionId},
    node::{NodeHandle, SubmitError},
};
use cpchain_crypto::{PublicKey, Signer, SigningKey};
use tokio::sync::Mutex;

/// Heights after which a transaction that no block took is void.
const LIFE: u64 = 500;
/// How long a transaction may wait for its block.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a transaction was not executed.
#[derive(Debug, thiserror::Error)]
pub enum ChainClientError {
    /// It could not be signed.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// The node did not take it.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// It is in a block and failed.
    #[error("the transaction failed in block {height}: {why}")]
    Failed {
        /// The block.
        height: Height,
        /// The reason in the receipt.
        why: String,
    },
    /// No block took it in time.
    #[error("no block took the transaction in time")]
    TimedOut,
}

/// One account at one node. Clones share the account's order of nonces.
#[derive(Clone)]
pub struct ChainClient {
    key: Arc<SigningKey>,
    node: NodeHandle,
    view: LedgerView,
    turn: Arc<Mutex<()>>,
}

impl ChainClient {
    /// An account at a node.
    pub fn new(key: SigningKey, node: NodeHandle, view: LedgerView) -> Self {
        Self { key: Arc::new(key), node, view, turn: Arc::default() }
    }

    /// The account.
    pub fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// The key that signs.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The node's ledger.
    pub fn view(&self) -> &LedgerView {
        &self.view
    }

    /// The node.
    pub fn node(&self) -> &NodeHandle {
        &self.node
    }

    /// Signs and submits a transaction.
    ///
    /// # Errors
    /// [`ChainClientError::Transaction`], [`ChainClientError::Submit`].
    pub async fn submit(&self, kind: &str, payload: Bytes) -> Result<TransactionId, ChainClientError> {
        // One at a time: the next nonce is known only once the node has taken the one before.
        let _turn = self.turn.lock().await;
        let transaction = TransactionDraft {
            chain: self.view.chain_id(),
            nonce: self.view.next_nonce(&self.public_key()),
            expires: Height(self.view.height().0 + LIFE),
            kind: kind.to_owned(),
            payload,
        }
        .sign(&*self.key)?;
        self.node.submit(transaction.bytes().clone()).await?;
        Ok(transaction.id())
    }

    /// Waits until a final block has executed the transaction.
    ///
    /// # Errors
    /// [`ChainClientError::Failed`], [`ChainClientError::TimedOut`].
    pub async fn settled(&self, id: TransactionId) -> Result<Receipt, ChainClientError> {
        let receipt = self.until(|view| view.receipt(&id)).await.ok_or(ChainClientError::TimedOut)?;
        match &receipt.outcome {
            Outcome::Applied => Ok(receipt),
            Outcome::Failed(why) => Err(ChainClientError::Failed { height: receipt.height, why: why.to_string() }),
            Outcome::Refused(why) => Err(ChainClientError::Failed { height: receipt.height, why: why.to_string() }),
        }
    }

    /// [`submit`](Self::submit) and [`settled`](Self::settled).
    ///
    /// # Errors
    /// [`ChainClientError`].
    pub async fn execute(&self, kind: &str, payload: Bytes) -> Result<Receipt, ChainClientError> {
        let id = self.submit(kind, payload).await?;
        self.settled(id).await
    }

    /// Waits until the ledger answers a question; `None` if it does not in time.
    pub async fn until<T>(&self, mut question: impl FnMut(&LedgerView) -> Option<T>) -> Option<T> {
        let mut status = self.node.watch();
        let wait = async {
            loop {
                if let Some(answer) = question(&self.view) {
                    return Some(answer);
                }
                status.changed().await.ok()?;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.ok().flatten()
    }
}

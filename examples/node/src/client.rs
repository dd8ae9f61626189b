//! Asks a node over JSON-RPC.

use std::{net::SocketAddr, path::Path, time::Duration};

use bytes::Bytes;
use cpchain_consensus::{
    ChainId, Height,
    ledger::{Amount, Nonce, Transaction, TransactionDraft, TransactionError, Transfer},
};
use cpchain_crypto::{PublicKey, Signer};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::{
    config::{ConfigError, NodeFile},
    keys,
    rpc::{Response, RpcError},
};

/// Most bytes of an answer.
const MAX_ANSWER: usize = 8 << 20;
/// Heights after which a transaction that is in no block expires.
pub const EXPIRES_AFTER: u64 = 10_000;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The node's file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nobody answers.
    #[error("no answer from {0}: {1}; is the node running?")]
    Away(SocketAddr, String),
    /// The node says no.
    #[error(transparent)]
    Refused(#[from] RpcError),
    /// The node answered something else than asked.
    #[error("the answer of the node is not understood: {0}")]
    Answer(String),
    /// The transaction cannot be made.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
}

/// A node that can be asked. Every call is a connection of its own.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    address: SocketAddr,
    patience: Duration,
}

impl Client {
    /// Asks at this address; an answer may take as long as the node allows.
    pub const fn new(address: SocketAddr) -> Self {
        Self { address, patience: Duration::from_secs(80) }
    }

    /// Asks the node in this folder.
    ///
    /// # Errors
    /// [`ClientError::Config`].
    pub fn of(dir: &Path) -> Result<Self, ClientError> {
        Ok(Self::new(NodeFile::read(dir)?.rpc.listen))
    }

    /// Gives up after so long.
    #[must_use]
    pub const fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// One call.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, ClientError> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let body = self.post(request.to_string().into()).await?;
        let response: Response = serde_json::from_slice(&body).map_err(|e| ClientError::Answer(e.to_string()))?;
        match (response.result, response.error) {
            (_, Some(error)) => Err(error.into()),
            (Some(result), None) => Ok(result),
            (None, None) => Err(ClientError::Answer("neither result nor error".into())),
        }
    }

    /// The page at a path, for `/metrics`.
    ///
    /// # Errors
    /// [`ClientError::Away`].
    pub async fn get(&self, path: &str) -> Result<Bytes, ClientError> {
        self.send(Request::get(path), Bytes::new()).await
    }

    async fn post(&self, body: Bytes) -> Result<Bytes, ClientError> {
        self.send(Request::post("/"), body).await
    }

    async fn send(&self, request: hyper::http::request::Builder, body: Bytes) -> Result<Bytes, ClientError> {
        let request =
            request.header(HOST, self.address.to_string()).body(Full::new(body)).map_err(|e| self.away(&e))?;
        let exchange = async {
            let socket = TcpStream::connect(self.address).await.map_err(|e| self.away(&e))?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(|e| self.away(&e))?;
            let exchange = async {
                let response = sender.send_request(request).await.map_err(|e| self.away(&e))?;
                let status = response.status();
                let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
                let body = body.map_err(|e| ClientError::Answer(e.to_string()))?.to_bytes();
                if status.is_success() {
                    return Ok(body);
                }
                Err(ClientError::Answer(format!("{status}: {}", String::from_utf8_lossy(&body))))
            };
            tokio::pin!(exchange);
            tokio::pin!(connection);
            let mut open = true;
            loop {
                tokio::select! {
                    outcome = &mut exchange => return outcome,
                    _ = &mut connection, if open => open = false,
                }
            }
        };
        tokio::time::timeout(self.patience, exchange).await.map_err(|e| self.away(&e))?
    }

    fn away(&self, error: &dyn ToString) -> ClientError {
        ClientError::Away(self.address, error.to_string())
    }

    /// Signs the account's next transfer, as this node knows the account.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn transfer(
        &self,
        signer: &dyn Signer,
        to: PublicKey,
        amount: Amount,
    ) -> Result<Transaction, ClientError> {
        self.sign(signer, Transfer::KIND, Transfer { to, amount }.encode(), EXPIRES_AFTER).await
    }

    /// Signs the account's next transaction, as this node knows the account; it expires after so many heights.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn sign(
        &self,
        signer: &dyn Signer,
        kind: &str,
        payload: Bytes,
        life: u64,
    ) -> Result<Transaction, ClientError> {
        let unclear = |field: &str| ClientError::Answer(format!("`{field}` is missing"));
        let number = |of: &Value, field: &str| of.get(field).and_then(Value::as_u64).ok_or_else(|| unclear(field));
        let account = self.call("balance", json!({ "account": signer.public_key().to_string() })).await?;
        let nonce = number(&account, "next_nonce")?;
        let height = number(&account, "height")?;
        let status = self.call("status", json!({})).await?;
        let chain =
            status.get("chain").and_then(Value::as_str).and_then(keys::public).ok_or_else(|| unclear("chain"))?;
        let draft = TransactionDraft {
            chain: ChainId(cpchain_crypto::Digest(chain.0)),
            nonce: Nonce(nonce),
            expires: Height(height.saturating_add(life)),
            kind: kind.to_owned(),
            payload,
        };
        Ok(draft.sign(signer)?)
    }

    /// Submits a transaction; with `until_final` answers when it is executed.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn submit(&self, transaction: &Transaction, until_final: bool) -> Result<Value, ClientError> {
        let wait = if until_final { "final" } else { "accepted" };
        self.call("submit", json!({ "transaction": hex::encode(transaction.bytes()), "wait": wait })).await
    }

    /// Submits a transaction, and answers when it is executed, or with [`TIMEOUT`](crate::rpc::TIMEOUT) after so long, at most 60 s.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn submit_within(&self, transaction: &Transaction, time: Duration) -> Result<Value, ClientError> {
        let (bytes, time) = (hex::encode(transaction.bytes()), u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self.call("submit", json!({ "transaction": bytes, "wait": "final", "timeout_ms": time })).await
    }
}

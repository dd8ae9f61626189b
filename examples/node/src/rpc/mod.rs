//! JSON-RPC 2.0 over HTTP/1.1: `POST /`, one request a body. No login; see [`RpcTable::listen`](crate::config::RpcTable).
//!
//! | method | parameters | answer |
//! | --- | --- | --- |
//! | `status` | – | role, heights, pool, outbox, peers, white list, faults |
//! | `chain_head` | – | the last final height, its digest, and the state's |
//! | `block` | `height` | the final block, with the ids of its transactions |
//! | `certificate` | `height` | who certified it, and the bytes for a light client |
//! | `term` | – | the term, its heights, and whether its proposers were elected |
//! | `committee` | `term`? | validators, proposers and which of them are default ones, quorum; from 16 terms back to 3 ahead |
//! | `deposits` | `account` | its deposits as an RNode and in the economy pool, when they are free, the season |
//! | `campaign` | `account` | what a claim needs: the last one, the block for its proofs, the difficulties |
//! | `proposals` | `after`? | 100 proposals from the one after that number: action, votes, status; the public vault |
//! | `reputation` | `account` | its rank, weight and points in each dimension, its impeachments |
//! | `balance` | `account`, `min_height`? | balance and next nonce, and the final height at which that was so |
//! | `submit` | `transaction` (hex), `wait`?: `accepted` or `final`, `timeout_ms`? | its id and status |
//! | `transaction` | `id` | `final` with height and outcome, `waiting`, or `unknown` |
//! | `evidence` | – | proofs of misbehaviour that this node saw |
//! | `white_list` | `set`: `on`, `off` or `auto` | whether it is on (needs `rpc.admin`) |
//!
//! `GET /subscribe?from=HEIGHT` is a stream of server-sent events: one `block` event for each final height from there on,
//! in order and without a gap; its `id` is the height, to go on from. `GET /metrics` is the Prometheus page.
//!
//! # What it promises
//! - Nothing that is not final is ever shown as part of the chain.
//! - `accepted`: the transaction is on this node's disk and will be spread until it is final, has expired, or another
//!   transaction of its sender with the same nonce is final (it is `unknown` then). It survives a crash of this node, not
//!   the loss of its disk.
//! - `final`: the transaction is in a final block and executed here. A quorum has that block on disk: no crash of any
//!   node loses it. The answer to a `final` that takes too long is an error with code [`TIMEOUT`]; the transaction is
//!   accepted all the same.
//! - To submit the same bytes again is safe, and answers what became of them.
//! - `balance` answers from one final height, named in the answer and not below `min_height`, for which it waits. A node
//!   may be behind others: a read that must see everything that was acknowledged before it began submits a transaction
//!   with `wait: final` and reads with the height of its receipt as `min_height`. Such reads and `final` writes are
//!   linearizable (`tests/nemesis.rs`).
//!
//! # Bounds
//! Bodies up to [`MAX_BODY`](http::MAX_BODY), headers up to 16 KiB that come within 10 s, requests within 75 s,
//! `rpc.max_connections` connections, at most half of them subscriptions (status 503 above that). A subscription without
//! news gets a comment line every 15 s. A connection whose client takes nothing for 10 s is closed. Transactions may expire
//! at most [`MAX_LIFE`] heights ahead; a sender may have 1,000 waiting. Requests with an `Origin` (from a browser's page) are refused.

mod elections;
pub mod http;
mod methods;
pub mod patient;
mod stream;
mod votes;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use methods::{MAX_LIFE, Rpc};

/// Not JSON.
pub const PARSE: i64 = -32700;
/// No JSON-RPC 2.0 request.
pub const REQUEST: i64 = -32600;
/// No such method.
pub const METHOD: i64 = -32601;
/// Parameters of the wrong shape.
pub const PARAMS: i64 = -32602;
/// The node failed or is ending.
pub const INTERNAL: i64 = -32603;
/// The ledger refuses the transaction.
pub const REFUSED: i64 = -32010;
/// Too much waits: try again.
pub const BUSY: i64 = -32011;
/// It is not final yet.
pub const TIMEOUT: i64 = -32012;
/// There is no such height, or this node does not have it.
pub const NOT_FOUND: i64 = -32013;
/// Needs `rpc.admin`.
pub const FORBIDDEN: i64 = -32014;

/// One request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// `2.0`.
    pub jsonrpc: String,
    /// Comes back in the response.
    #[serde(default)]
    pub id: Value,
    /// Which method.
    pub method: String,
    /// An object, or nothing.
    #[serde(default)]
    pub params: Value,
}

/// One response.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Response {
    /// `2.0`.
    pub jsonrpc: String,
    /// That of the request.
    pub id: Value,
    /// The answer, if it went well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why not, otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RpcError>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} (code {code})")]
pub struct RpcError {
    /// One of the codes of this module.
    pub code: i64,
    /// What to do.
    pub message: String,
}

impl RpcError {
    pub(crate) fn new(code: i64, message: impl ToString) -> Self {
        Self { code, message: message.to_string() }
    }
}

impl Response {
    fn new(id: Value, outcome: Result<Value, RpcError>) -> Self {
        let (result, error) = match outcome {
            Ok(result) => (Some(result), None),
            Err(error) => (None, Some(error)),
        };
        Self { jsonrpc: "2.0".into(), id, result, error }
    }
}

/// Reads a body as one request and answers it.
pub(crate) async fn answer(rpc: &Rpc, body: &[u8]) -> Response {
    let request = match read(body) {
        Ok(request) => request,
        Err(error) => return Response::new(Value::Null, Err(error)),
    };
    let outcome = rpc.call(&request.method, request.params).await;
    Response::new(request.id, outcome)
}

fn read(body: &[u8]) -> Result<Request, RpcError> {
    let value: Value = serde_json::from_slice(body).map_err(|error| RpcError::new(PARSE, error))?;
    if value.is_array() {
        return Err(RpcError::new(REQUEST, "one request a body: batches are not taken"));
    }
    let request: Request = serde_json::from_value(value).map_err(|error| RpcError::new(REQUEST, error))?;
    if request.jsonrpc != "2.0" {
        return Err(RpcError::new(REQUEST, "jsonrpc must be \"2.0\""));
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_single_requests_of_version_2_are_read() {
        let code = |body: &str| read(body.as_bytes()).map(drop).map_err(|error| error.code);
        assert_eq!(code("{"), Err(PARSE));
        assert_eq!(code("[]"), Err(REQUEST));
        assert_eq!(code("{\"method\":\"status\"}"), Err(REQUEST));
        assert_eq!(code("{\"jsonrpc\":\"1.0\",\"method\":\"status\"}"), Err(REQUEST));
        assert_eq!(code("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}"), Ok(()));
    }
}

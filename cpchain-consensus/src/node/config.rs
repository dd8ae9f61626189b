//! Settings and errors of a node.

use std::time::Duration;

use crate::{
    application::InvalidPayload,
    lbft::{Committee, Config},
    storage::StorageError,
};

/// How a node runs. The durations should be the same on all nodes; safety does not depend on them.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Who votes and who proposes; the role of this node follows from its key.
    pub committee: Committee,
    /// How long validators wait for a proposer while all goes well. Over `idle_block_interval` by at least three message
    /// delays, fetch and execution.
    pub timeout: Duration,
    /// The longest wait, after many heights without a final one.
    pub timeout_cap: Duration,
    /// How often messages that may be lost are sent again.
    pub retry_interval: Duration,
    /// Shortest time between two blocks.
    pub block_interval: Duration,
    /// Time between two blocks when the application has nothing to order: it proposes an empty payload.
    pub idle_block_interval: Duration,
    /// Most bytes of a transaction that the node takes.
    pub max_transaction: usize,
}

impl NodeConfig {
    /// Settings for a network with delays up to some hundred milliseconds: blocks every 100 ms under load and every second
    /// when idle, a silent proposer impeached after three seconds.
    pub const fn new(committee: Committee) -> Self {
        Self {
            committee,
            timeout: Duration::from_secs(3),
            timeout_cap: Duration::from_secs(60),
            retry_interval: Duration::from_millis(500),
            block_interval: Duration::from_millis(100),
            idle_block_interval: Duration::from_secs(1),
            max_transaction: 64 << 10,
        }
    }

    pub(super) fn core(&self) -> Result<Config, NodeError> {
        if self.idle_block_interval >= self.timeout || self.block_interval > self.idle_block_interval {
            return Err(NodeError::Config("block_interval <= idle_block_interval < timeout must hold"));
        }
        if self.retry_interval.is_zero() || self.timeout_cap < self.timeout {
            return Err(NodeError::Config("retry_interval must not be zero, timeout_cap not below timeout"));
        }
        Ok(Config { committee: self.committee.clone(), timeout: self.timeout, timeout_cap: self.timeout_cap })
    }
}

/// Why a node does not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// Settings that cannot work.
    #[error("settings that cannot work: {0}")]
    Config(&'static str),
    /// The log failed. The node has stopped, since a validator that cannot log must not vote.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The final blocks in the log have a gap below the last one.
    #[error("the log has no final block at height {0}, which the application has not executed; restore the file")]
    Gap(crate::Height),
    /// The chain decided on rules that this software does not know.
    #[error(transparent)]
    Outdated(#[from] crate::Outdated),
    /// The node was stopped, or failed; the last [`Status`](super::Status) says which.
    #[error("the node has stopped")]
    Stopped,
    /// The application is of another type than the one asked for.
    #[error("the application is not of the type that was asked for")]
    OtherApplication,
}

/// Why a transaction was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The application refuses it.
    #[error(transparent)]
    Refused(#[from] InvalidPayload),
    /// Longer than [`NodeConfig::max_transaction`].
    #[error("the transaction has {0} bytes, which is over the node's limit")]
    TooLong(usize),
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

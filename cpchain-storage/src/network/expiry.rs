//! Collects shards whose lease, and the day of grace after it, are over.
//!
//! | rule | test |
//! | --- | --- |
//! | A node forgets a shard a day after its lease has ended, and none before | `tests/network/expiry.rs` |
//! | It stops with its node, and leaves the store to its owner | `tests/network/expiry.rs` |

use std::{sync::Weak, time::Duration};

use super::{clock::now_ms, node::WeakNode};
use crate::chunk::ChunkStore;

/// Collects again and again until the node, or the store, is gone.
pub(crate) async fn run(node: WeakNode, store: Weak<dyn ChunkStore>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        if node.upgrade().is_none_or(|node| node.is_stopped()) {
            return;
        }
        let Some(store) = store.upgrade() else { return };
        match tokio::task::spawn_blocking(move || store.expire(now_ms())).await {
            Ok(Ok(0)) => {}
            Ok(Ok(shards)) => tracing::info!(shards, "forgot shards whose leases are over"),
            Ok(Err(error)) => tracing::error!(%error, "the store did not forget shards whose leases are over"),
            Err(_) => return,
        }
    }
}

//! Links within the process: a channel to each node, for what agreement costs without a network.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cpchain_consensus::network::{Network, Receipt, Received, Topic, Verdict};
use cpchain_crypto::PublicKey;
use tokio::sync::mpsc;

/// Messages that wait for one node; more are lost.
const QUEUE: usize = 8192;

/// One node's end.
pub(crate) struct MemoryLinks {
    me: PublicKey,
    ways: Arc<Vec<(PublicKey, mpsc::Sender<Received>)>>,
    inbox: mpsc::Receiver<Received>,
}

/// Links between all these nodes, in their order.
pub(crate) fn memory(keys: &[PublicKey]) -> Vec<MemoryLinks> {
    let (ways, inboxes): (Vec<_>, Vec<_>) = keys
        .iter()
        .map(|key| {
            let (way, inbox) = mpsc::channel(QUEUE);
            ((*key, way), (*key, inbox))
        })
        .unzip();
    let ways = Arc::new(ways);
    inboxes.into_iter().map(|(me, inbox)| MemoryLinks { me, ways: ways.clone(), inbox }).collect()
}

#[async_trait]
impl Network for MemoryLinks {
    fn send(&mut self, to: &PublicKey, message: Bytes) {
        if let Some((_, way)) = self.ways.iter().find(|(key, _)| key == to) {
            // Lost when the queue is full, as the trait allows.
            let _ = way.try_send(Received::Direct { from: self.me, bytes: message });
        }
    }

    fn gossip(&mut self, topic: Topic, message: Bytes) {
        for (_, way) in self.ways.iter().filter(|(key, _)| *key != self.me) {
            let receipt = Receipt::new(Vec::new(), Vec::new());
            let _ = way.try_send(Received::Gossip { from: self.me, topic, bytes: message.clone(), receipt });
        }
    }

    /// Everybody has it from its author already.
    fn judge(&mut self, _: Receipt, _: Verdict) {}

    async fn next(&mut self) -> Option<Received> {
        self.inbox.recv().await
    }

    async fn stop(&mut self) {
        self.inbox.close();
    }
}

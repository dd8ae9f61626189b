//! `GET /subscribe`: final heights as server-sent events.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use cpchain_consensus::{
    Height,
    lbft::FinalEntry,
    node::{NodeHandle, Subscription},
};
use futures::{Stream, stream};
use hyper::body::Frame;

use super::methods::block_json;

struct Reader {
    node: NodeHandle,
    live: Subscription,
    /// What the reader wants next; below what the subscription gives, it is read from the log.
    next: Height,
    /// Where the subscription stands.
    held: Option<Arc<FinalEntry>>,
}

impl Reader {
    async fn read(&mut self) -> Option<Arc<FinalEntry>> {
        loop {
            if self.held.is_none() && self.next > self.node.status().final_height {
                self.held = Some(self.live.next().await?);
            }
            let entry = match self.held.take() {
                Some(entry) if entry.block.height == self.next => entry,
                // The subscription is behind the reader, who began later.
                Some(entry) if entry.block.height < self.next => continue,
                ahead => {
                    self.held = ahead;
                    Arc::new(self.node.block(self.next).await.ok()??)
                }
            };
            self.next = entry.block.height.next();
            return Some(entry);
        }
    }
}

/// One event for each final height from `from` on; ends with the node.
pub(super) fn events(node: &NodeHandle, from: Height) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + use<> {
    let reader = Reader { node: node.clone(), live: node.subscribe(), next: from.max(Height(1)), held: None };
    stream::unfold(reader, |mut reader| async move {
        let entry = reader.read().await?;
        let text = format!("id: {}\nevent: block\ndata: {}\n\n", entry.block.height, block_json(&entry));
        Some((Ok(Frame::data(Bytes::from(text))), reader))
    })
}

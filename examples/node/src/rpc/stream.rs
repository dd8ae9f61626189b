//! `GET /subscribe`: final heights as server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use cpchain_consensus::{
    Height,
    lbft::FinalEntry,
    node::{NodeHandle, Subscription},
};
use futures::{Stream, stream};
use hyper::body::Frame;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::methods::block_json;

/// A comment is sent when there was no news for so long: it shows that the stream lives, and finds readers that are gone.
const PING: Duration = Duration::from_secs(15);

struct Reader {
    node: NodeHandle,
    live: Subscription,
    /// What the reader wants next; below what the subscription gives, it is read from the log.
    next: Height,
    /// Where the subscription stands.
    held: Option<Arc<FinalEntry>>,
    /// Free again when the reader goes.
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// Cancelling it loses nothing.
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
pub(super) fn events(
    node: &NodeHandle,
    from: Height,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + use<> {
    let reader =
        Reader { node: node.clone(), live: node.subscribe(), next: from.max(Height(1)), held: None, _place: place };
    stream::unfold(reader, |mut reader| async move {
        let text = match timeout(PING, reader.read()).await {
            Ok(entry) => {
                let entry = entry?;
                format!("id: {}\nevent: block\ndata: {}\n\n", entry.block.height, block_json(&entry))
            }
            Err(_) => ": ping\n\n".to_owned(),
        };
        Some((Ok(Frame::data(Bytes::from(text))), reader))
    })
}

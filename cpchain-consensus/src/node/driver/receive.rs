//! What comes from the network: decoded, counted, given to the core in batches that share one sync.

use bytes::Bytes;
use cpchain_crypto::PublicKey;
use futures::FutureExt as _;
use tokio::time::Instant;

use super::{super::config::NodeError, BATCH, BATCH_BYTES, Driver};
use crate::{
    lbft::{Input, Kind, Message, Output},
    network::{Offence, Received, Topic, Verdict},
};

impl Driver {
    /// Takes in a message and those that are already here behind it, so that they share one sync.
    pub(super) async fn receive(&mut self, first: Received) -> Result<(), NodeError> {
        let (mut outputs, mut bytes) = (Vec::new(), 0_usize);
        let mut next = Some(first);
        for _ in 0..BATCH {
            let Some(received) = next.take().or_else(|| self.network.next().now_or_never().flatten()) else { break };
            bytes = bytes.saturating_add(received.len());
            self.take(received, &mut outputs);
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        self.perform(outputs).await
    }

    fn take(&mut self, received: Received, outputs: &mut Vec<Output>) {
        match received {
            Received::Direct { from, bytes } => {
                self.message(from, bytes, outputs);
            }
            Received::Gossip { from, topic: Topic::Validate, bytes, receipt } => {
                let verdict = self.validate(from, bytes, outputs);
                self.network.judge(receipt, verdict);
            }
            Received::Gossip { topic: Topic::Transactions, bytes, receipt, .. } => {
                // Proposers, and those who soon are, judge transactions; the others pass them on, within the size that they would
                // take themselves.
                let fits = bytes.len() <= self.config.max_transaction;
                let keeps = self.proposes || self.application.is_next(self.core.key());
                let taken = fits && (!keeps || self.application.submit(bytes).is_ok());
                if taken && self.proposes {
                    self.pace.work(Instant::now());
                }
                self.network.judge(receipt, if taken { Verdict::Accept } else { Verdict::Ignore });
            }
        }
    }

    /// Gossip about finality: a C-certificate, or the proof of a hand-over, that was news here travels on, one that was not
    /// ends here, and anything else is its sender's fault.
    fn validate(&mut self, from: PublicKey, bytes: Bytes, outputs: &mut Vec<Output>) -> Verdict {
        let fits = |message: &Message| match message {
            Message::Certificate(certificate) => matches!(certificate.kind, Kind::Commit | Kind::Handover),
            _ => false,
        };
        if !Message::decode(bytes.clone()).is_ok_and(|message| fits(&message)) {
            self.counting.malformed();
            self.network.report(&from, Offence::Malformed);
            return Verdict::Reject;
        }
        let (before, covered) = (outputs.len(), self.core.covered());
        let good = self.message(from, bytes, outputs);
        // A large committee leaves it to a few to publish; all pass on what was published.
        let published = outputs.iter().skip(before).any(|output| matches!(output, Output::Gossip(_)));
        let is_news = published || self.core.covered() > covered;
        match (good, is_news) {
            (false, _) => Verdict::Reject,
            (true, true) => Verdict::Accept,
            (true, false) => Verdict::Ignore,
        }
    }

    /// Whether nothing was wrong with it.
    fn message(&mut self, from: PublicKey, bytes: Bytes, outputs: &mut Vec<Output>) -> bool {
        match Message::decode(bytes) {
            Ok(message) => {
                self.counting.received(&message);
                let more = self.core.step(Input::Message { from, message });
                let blamed = more.iter().any(|output| matches!(output, Output::Blame { .. }));
                outputs.extend(more);
                !blamed
            }
            Err(error) => {
                tracing::debug!(%from, %error, "a message was dropped");
                self.counting.malformed();
                self.network.report(&from, Offence::Malformed);
                false
            }
        }
    }
}

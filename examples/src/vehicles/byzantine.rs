//! A gateway that lies: illicit blocks, two blocks at one height, and grants that nobody gave.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cpchain_consensus::{
    Ancestors, Application, FinalBlock, Height, InvalidPayload,
    lbft::{Block, Committee, Header, Message, Proposal},
    network::{Network, Offence, Receipt, Received, Topic, Verdict},
};
use cpchain_crypto::{Digest, PublicKey, SigningKey};
use tokio::sync::broadcast;

use super::{
    application::{Crossing, Notice},
    message::MESSAGE_BYTES,
    rule::Event,
};

/// Up to this height its blocks are illicit; from there on it shows two blocks.
const TWO_FACED_FROM: Height = Height(150);

/// The application of a liar: its blocks hold a forged message, and it tells every vehicle that it may drive.
pub(super) struct Liar {
    pub(super) crossing: Crossing,
    pub(super) me: PublicKey,
    pub(super) vehicles: Vec<PublicKey>,
    pub(super) radio: broadcast::Sender<Notice>,
}

impl Application for Liar {
    fn submit(&mut self, transaction: Bytes) -> Result<(), InvalidPayload> {
        self.crossing.submit(transaction)
    }

    fn propose(&mut self, height: Height, ancestors: Ancestors<'_>, max_bytes: usize) -> Bytes {
        let payload = self.crossing.propose(height, ancestors, max_bytes);
        if height >= TWO_FACED_FROM { payload } else { [&payload[..], &[7; MESSAGE_BYTES]].concat().into() }
    }

    fn verify(&mut self, height: Height, ancestors: Ancestors<'_>, payload: &Bytes) -> Result<(), InvalidPayload> {
        self.crossing.verify(height, ancestors, payload)
    }

    fn finalised(&mut self, block: &FinalBlock) -> Digest {
        let state = self.crossing.finalised(block);
        let lies = self.vehicles.iter().flat_map(|vehicle| [(*vehicle, Event::Opened), (*vehicle, Event::Entered)]);
        let notice = Notice { gateway: self.me, height: block.height, state: Digest::ZERO, events: lies.collect() };
        // Nobody listening is fine.
        let _ = self.radio.send(notice);
        state
    }

    fn last_height(&self) -> Height {
        self.crossing.last_height()
    }
}

/// The links of a liar: half of the others get another block than the other half.
pub(super) struct TwoFaced<N> {
    pub(super) links: N,
    pub(super) key: SigningKey,
    pub(super) committee: Committee,
}

impl<N> TwoFaced<N> {
    /// The other block for this receiver, if it is to get one.
    fn twin(&self, to: &PublicKey, message: &Bytes) -> Option<Bytes> {
        let Ok(Message::Propose(proposal)) = Message::decode(message.clone()) else { return None };
        let header = *proposal.block.header();
        if header.height < TWO_FACED_FROM || to.0.last().is_some_and(|byte| byte & 1 == 0) {
            return None;
        }
        // Without the first message, or, where there is none, sealed for a payload that nobody takes.
        let rest = proposal.block.payload().get(MESSAGE_BYTES..).map(Bytes::copy_from_slice);
        let payload = rest.unwrap_or_else(|| Bytes::from_static(b"nothing"));
        let Header { height, parent_height, parent, .. } = header;
        let block = Block::seal(&self.committee, &self.key, height, parent_height, parent, payload);
        Some(Message::Propose(Proposal { block: Arc::new(block), ..proposal }).encode())
    }
}

#[async_trait]
impl<N: Network> Network for TwoFaced<N> {
    fn send(&mut self, to: &PublicKey, message: Bytes) {
        let message = self.twin(to, &message).unwrap_or(message);
        self.links.send(to, message);
    }

    fn reaches(&self, peer: &PublicKey) -> bool {
        self.links.reaches(peer)
    }

    fn gossip(&mut self, topic: Topic, message: Bytes) {
        self.links.gossip(topic, message);
    }

    fn judge(&mut self, receipt: Receipt, verdict: Verdict) {
        self.links.judge(receipt, verdict);
    }

    fn members(&mut self, members: &[PublicKey]) {
        self.links.members(members);
    }

    fn report(&mut self, peer: &PublicKey, offence: Offence) {
        self.links.report(peer, offence);
    }

    async fn next(&mut self) -> Option<Received> {
        self.links.next().await
    }

    async fn stop(&mut self) {
        self.links.stop().await;
    }
}

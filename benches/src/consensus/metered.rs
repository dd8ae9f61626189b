//! A node's links with a meter on them, and with the faults of the plan.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use cpchain_consensus::{
    lbft::{Block, Committee, Message, Proposal},
    network::{Network, Offence, Receipt, Received, Topic, Verdict},
};
use cpchain_crypto::{PublicKey, Signer as _, SigningKey};

use super::faults::{Effects, SLOW};

/// What messages are, by the tag at the start of their envelope, and gossip by its topic.
const KINDS: [&str; 8] =
    ["proposals", "votes", "certificates", "blocks", "pulls", "ranges", "gossip: finality", "gossip: transactions"];
const PROPOSAL: usize = 0;

fn kind(message: &Bytes) -> usize {
    // The field's number is above the three bits of its wire type, and counts from one.
    usize::from(message.first().copied().unwrap_or(0) >> 3).saturating_sub(1).min(KINDS.len() - 3)
}

/// Messages and bytes that left one node, by kind, counted once for each receiver; gossip once.
#[derive(Debug, Default)]
pub(crate) struct Traffic([(AtomicU64, AtomicU64); KINDS.len()]);

impl Traffic {
    fn add(&self, kind: usize, bytes: usize) {
        if let Some((messages, sum)) = self.0.get(kind) {
            messages.fetch_add(1, Ordering::Relaxed);
            sum.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// What left up to now.
    pub(crate) fn read(&self) -> BTreeMap<String, (u64, u64)> {
        let read =
            |counts: &(AtomicU64, AtomicU64)| (counts.0.load(Ordering::Relaxed), counts.1.load(Ordering::Relaxed));
        KINDS.iter().zip(&self.0).map(|(name, counts)| ((*name).to_owned(), read(counts))).collect()
    }
}

/// When the run began, once it has, and when its faults begin and end.
#[derive(Debug, Clone)]
pub(crate) struct Period {
    pub(crate) go: Arc<OnceLock<Instant>>,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

impl Period {
    fn is_now(&self) -> bool {
        self.go.get().is_some_and(|go| (self.from..self.until).contains(&go.elapsed()))
    }
}

/// Links that count, and fail as told.
pub(crate) struct Metered {
    pub(crate) inner: Box<dyn Network>,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) effects: Effects,
    pub(crate) period: Period,
    pub(crate) key: SigningKey,
    pub(crate) committee: Committee,
    /// All members by number; in a partition the even ones hear the even ones.
    pub(crate) members: Vec<PublicKey>,
    /// What leaves late.
    pub(crate) late: VecDeque<(Instant, PublicKey, Bytes)>,
    /// The second block of a proposer that shows two, with the message of the first.
    pub(crate) other: Option<(Bytes, Bytes)>,
    /// Of the generator that chooses what is lost.
    pub(crate) chance: u64,
}

impl Metered {
    fn place(&self, key: &PublicKey) -> usize {
        self.members.iter().position(|member| member == key).unwrap_or(0)
    }

    /// Another block for the same height, under the same seal, in place of an own one.
    fn second(&mut self, message: &Bytes) -> Option<Bytes> {
        if let Some((first, other)) = &self.other
            && first == message
        {
            return Some(other.clone());
        }
        let Ok(Message::Propose(proposal)) = Message::decode(message.clone()) else { return None };
        let header = proposal.block.header();
        let mut payload = proposal.block.payload().to_vec();
        match payload.last_mut() {
            Some(last) => *last ^= 1,
            None => payload.push(1),
        }
        let (height, parent_height, parent) = (header.height, header.parent_height, header.parent);
        let block = Block::seal(&self.committee, &self.key, height, parent_height, parent, payload.into());
        let other = Message::Propose(Proposal { block: Arc::new(block), ..proposal }).encode();
        self.other = Some((message.clone(), other.clone()));
        Some(other)
    }

    /// Whether this message is lost on its way in.
    fn is_lost(&mut self, from: &PublicKey) -> bool {
        if self.effects.loss == 0.0 && !self.effects.cut || !self.period.is_now() {
            return false;
        }
        let me = self.key.public_key();
        let apart = self.effects.cut && self.place(from) % 2 != self.place(&me) % 2;
        // Xorshift: what is lost need not be unpredictable.
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        apart || (self.chance >> 11) as f64 / (1_u64 << 53) as f64 <= self.effects.loss && self.effects.loss > 0.0
    }
}

#[async_trait]
impl Network for Metered {
    fn send(&mut self, to: &PublicKey, message: Bytes) {
        let (mut message, faulty) = (message, self.period.is_now());
        if faulty && self.effects.mute {
            return;
        }
        let kind = kind(&message);
        self.traffic.add(kind, message.len());
        if faulty && self.effects.equivocates && kind == PROPOSAL && self.place(to) % 2 == 1 {
            message = self.second(&message).unwrap_or(message);
        }
        if faulty && self.effects.slow {
            self.late.push_back((Instant::now() + SLOW, *to, message));
        } else {
            self.inner.send(to, message);
        }
    }

    fn reaches(&self, peer: &PublicKey) -> bool {
        self.inner.reaches(peer)
    }

    fn gossip(&mut self, topic: Topic, message: Bytes) {
        if self.effects.mute && self.period.is_now() {
            return;
        }
        let kind = if topic == Topic::Validate { KINDS.len() - 2 } else { KINDS.len() - 1 };
        self.traffic.add(kind, message.len());
        self.inner.gossip(topic, message);
    }

    fn judge(&mut self, receipt: Receipt, verdict: Verdict) {
        self.inner.judge(receipt, verdict);
    }

    fn members(&mut self, members: &[PublicKey]) {
        self.inner.members(members);
    }

    fn report(&mut self, peer: &PublicKey, offence: Offence) {
        self.inner.report(peer, offence);
    }

    async fn next(&mut self) -> Option<Received> {
        loop {
            let due = self.late.front().map(|(at, ..)| (*at).into());
            let received = match due {
                None => self.inner.next().await,
                Some(at) => match tokio::time::timeout_at(at, self.inner.next()).await {
                    Ok(received) => received,
                    Err(_) => {
                        if let Some((_, to, message)) = self.late.pop_front() {
                            self.inner.send(&to, message);
                        }
                        continue;
                    }
                },
            }?;
            let (Received::Direct { from, .. } | Received::Gossip { from, .. }) = &received;
            let from = *from;
            if !self.is_lost(&from) {
                return Some(received);
            }
            if let Received::Gossip { receipt, .. } = received {
                self.inner.judge(receipt, Verdict::Ignore);
            }
        }
    }

    async fn stop(&mut self) {
        self.inner.stop().await;
    }
}

#[cfg(test)]
mod tests {
    use cpchain_consensus::{ChainId, Height, lbft::Pull};
    use cpchain_crypto::Digest;

    use super::*;
    use crate::consensus::plan::{key, small};

    fn metered(effects: Effects) -> (Metered, super::super::links::MemoryLinks) {
        let plan = small();
        let members: Vec<_> = (0..plan.members()).map(|member| key(member).public_key()).collect();
        let mut links = super::super::links::memory(&members);
        let receiver = links.remove(1);
        let go = Arc::new(OnceLock::from(Instant::now()));
        let metered = Metered {
            inner: Box::new(links.remove(0)),
            traffic: Arc::default(),
            effects,
            period: Period { go, from: Duration::ZERO, until: Duration::from_secs(60) },
            key: key(0),
            committee: plan.committee(ChainId::new("metered", b"")).unwrap(),
            members,
            late: VecDeque::new(),
            other: None,
            chance: 1,
        };
        (metered, receiver)
    }

    #[tokio::test]
    async fn messages_are_counted_by_kind_and_the_mute_say_nothing() {
        let to = key(1).public_key();
        let pull = Message::Pull(Pull { range: Some(Height(3)), ..Pull::default() }).encode();
        let (mut links, mut receiver) = metered(Effects::default());
        links.send(&to, pull.clone());
        assert_eq!(links.traffic.read()["pulls"], (1, pull.len() as u64));
        assert!(matches!(receiver.next().await, Some(Received::Direct { bytes, .. }) if bytes == pull));
        let (mut links, _receiver) = metered(Effects { mute: true, ..Effects::default() });
        links.send(&to, pull);
        assert_eq!(links.traffic.read()["pulls"], (0, 0));
    }

    #[tokio::test]
    async fn an_equivocator_shows_another_block_under_its_seal_to_one_half() {
        let (mut links, mut receiver) = metered(Effects { equivocates: true, ..Effects::default() });
        let block = Block::seal(&links.committee, &links.key, Height(1), Height(0), Digest::ZERO, "ab".into());
        let first = Arc::new(block);
        let message = Message::Propose(Proposal { block: first.clone(), parent: None, impeachment: None });
        links.send(&key(1).public_key(), message.encode());
        let Some(Received::Direct { bytes, .. }) = receiver.next().await else { panic!() };
        let Ok(Message::Propose(seen)) = Message::decode(bytes) else { panic!() };
        assert_eq!(seen.block.height(), first.height());
        assert_ne!(seen.block.digest(), first.digest());
    }
}

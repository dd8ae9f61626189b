//! The rule as an application of the engine: a payload is messages one behind the other.

use std::collections::{BTreeMap, HashSet, VecDeque};

use bytes::Bytes;
use cpchain_consensus::{Ancestors, Application, ChainId, FinalBlock, Height, InvalidPayload};
use cpchain_crypto::{Digest, PublicKey};
use tokio::sync::broadcast;

use super::{
    message::{MESSAGE_BYTES, Message},
    rule::{Event, Junction, Rule},
};

/// Most messages of one block.
const MAX_MESSAGES: usize = 1_024;
/// Messages of one speaker that wait.
const MAX_WAITING: usize = 8;
/// Messages whose signature is remembered as good.
const MAX_SEEN: usize = 16 * MAX_MESSAGES;

/// What a gateway tells those around it about a final height.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The gateway that says so.
    pub gateway: PublicKey,
    /// The height.
    pub height: Height,
    /// The state after it.
    pub state: Digest,
    /// What was decided there, for whom.
    pub events: Vec<(PublicKey, Event)>,
}

/// One gateway's copy of the crossing.
pub struct Crossing {
    chain: ChainId,
    gateway: PublicKey,
    junction: Junction,
    pool: BTreeMap<PublicKey, VecDeque<Message>>,
    /// Digests of messages whose signature was checked.
    seen: HashSet<Digest>,
    last: Height,
    radio: broadcast::Sender<Notice>,
}

impl Crossing {
    /// An empty crossing; what becomes final is told on `radio`.
    pub fn new(chain: ChainId, gateway: PublicKey, rule: Rule, radio: broadcast::Sender<Notice>) -> Self {
        let (pool, seen) = (BTreeMap::new(), HashSet::new());
        Self { chain, gateway, junction: Junction::new(rule), pool, seen, last: Height::GENESIS, radio }
    }

    /// The messages of a payload: whole, signed, by those who take part, each once.
    fn read(&mut self, payload: &Bytes) -> Result<Vec<Message>, InvalidPayload> {
        let refuse = |reason: &str| InvalidPayload(reason.to_owned());
        if !payload.len().is_multiple_of(MESSAGE_BYTES) || payload.len() > MAX_MESSAGES * MESSAGE_BYTES {
            return Err(refuse("not a list of messages"));
        }
        let mut messages: Vec<Message> = Vec::with_capacity(payload.len() / MESSAGE_BYTES);
        let mut once = HashSet::new();
        for start in (0..payload.len()).step_by(MESSAGE_BYTES) {
            let bytes = payload.slice(start..start + MESSAGE_BYTES);
            let message = self.open(&bytes).ok_or_else(|| refuse("not a message of this crossing"))?;
            if !once.insert((message.speaker, message.number)) {
                return Err(refuse("a message stands there twice"));
            }
            messages.push(message);
        }
        Ok(messages)
    }

    /// Reads a message; its signature is checked once for the pool, the block and the execution.
    fn open(&mut self, bytes: &Bytes) -> Option<Message> {
        let name = Digest::content(bytes);
        let message =
            if self.seen.contains(&name) { Message::trusted(bytes)? } else { Message::open(self.chain, bytes)? };
        if self.seen.len() >= MAX_SEEN {
            self.seen.clear();
        }
        self.seen.insert(name);
        Some(message)
    }
}

impl Application for Crossing {
    fn submit(&mut self, transaction: Bytes) -> Result<(), InvalidPayload> {
        let refuse = |reason: &str| InvalidPayload(reason.to_owned());
        let message = self.open(&transaction).ok_or_else(|| refuse("not a message of this crossing"))?;
        if !self.junction.expects(&message) {
            return Err(refuse("of a stranger, or said before"));
        }
        let waiting = self.pool.entry(message.speaker).or_default();
        if waiting.len() >= MAX_WAITING || waiting.iter().any(|other| other.number >= message.number) {
            return Err(refuse("too many messages wait, or a later one does"));
        }
        waiting.push_back(message);
        Ok(())
    }

    fn propose(&mut self, _: Height, ancestors: Ancestors<'_>, max_bytes: usize) -> Bytes {
        let chunks = ancestors.iter().flat_map(|block| block.payload.chunks_exact(MESSAGE_BYTES));
        let ordered: HashSet<&[u8]> = chunks.collect();
        let waiting = self.pool.values().flatten().filter(|message| !ordered.contains(&message.bytes()[..]));
        let room = MAX_MESSAGES.min(max_bytes / MESSAGE_BYTES);
        waiting.take(room).flat_map(|message| message.bytes().iter().copied()).collect()
    }

    /// The form of a payload alone: what a message changes is decided when it is executed, and depends on what is final.
    fn verify(&mut self, _: Height, _: Ancestors<'_>, payload: &Bytes) -> Result<(), InvalidPayload> {
        self.read(payload).map(drop)
    }

    fn finalised(&mut self, block: &FinalBlock) -> Digest {
        self.last = block.height;
        // No quorum certifies a payload that `verify` refused.
        let messages = self.read(&block.payload).unwrap_or_default();
        let events = self.junction.apply(block.height, &messages);
        let junction = &self.junction;
        self.pool.retain(|_, waiting| {
            waiting.retain(|message| junction.expects(message));
            !waiting.is_empty()
        });
        let state = self.junction.digest();
        // Nobody listening is fine.
        let _ = self.radio.send(Notice { gateway: self.gateway, height: block.height, state, events });
        state
    }

    fn last_height(&self) -> Height {
        self.last
    }
}

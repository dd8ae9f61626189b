//! What became of transactions, and what modules told: receipts by id, events by height.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::{
    amount::Amount,
    module::ModuleError,
    transaction::{AccountId, Nonce, TransactionError, TransactionId},
};
use crate::Height;

/// Why a transaction in a final block was passed over, as if it were not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is not valid on this chain at this height.
    #[error(transparent)]
    Invalid(#[from] TransactionError),
    /// Its sender never received anything.
    #[error("the sender has no account yet: an account exists once it has received money")]
    UnknownAccount,
    /// It is not the sender's next one.
    #[error("the sender's next nonce is {expected}, not {found}")]
    WrongNonce {
        /// The sender's next nonce.
        expected: Nonce,
        /// The transaction's.
        found: Nonce,
    },
    /// No module has this kind.
    #[error("there is no module of the kind `{0}`")]
    UnknownKind(String),
    /// It is not free, and its sender cannot pay its fee.
    #[error("the fee is {needed} CPC, the sender has {available}: wait for free transactions or receive money")]
    Fee {
        /// The fee.
        needed: Amount,
        /// What the sender has.
        available: Amount,
    },
}

/// What became of a transaction in a final block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was executed.
    Applied,
    /// Its module refused; of it only the nonce remains.
    Failed(ModuleError),
    /// It was passed over and left no trace. If its nonce was too high it may still be executed in a later block, and
    /// this receipt is replaced then.
    Refused(Refusal),
}

/// What became of a transaction, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Which transaction.
    pub id: TransactionId,
    /// The block that has it.
    pub height: Height,
    /// Its place in the block.
    pub index: u32,
    /// Who signed it.
    pub sender: AccountId,
    /// What became of it.
    pub outcome: Outcome,
}

impl Receipt {
    /// Was it executed without an error?
    pub fn is_applied(&self) -> bool {
        self.outcome == Outcome::Applied
    }
}

/// Something that a module told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The block.
    pub height: Height,
    /// Its place among the block's events.
    pub index: u32,
    /// Which module.
    pub kind: &'static str,
    /// In which transaction; `None` at the end of the block.
    pub transaction: Option<TransactionId>,
    /// What it told.
    pub data: Bytes,
}

/// The place of the next event that a reader wants. The default is the first event of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cursor {
    /// The block.
    pub height: Height,
    /// The event's place in it.
    pub index: u32,
}

/// Some events, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// In the order of the chain.
    pub events: Vec<Event>,
    /// Where the next page starts. Equal to the cursor asked for when nothing new is there.
    pub next: Cursor,
}

/// The events asked for are no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("events below height {oldest} are not kept here: start over from a full copy of the chain")]
pub struct EventsPruned {
    /// The lowest height whose events are kept.
    pub oldest: Height,
}

/// Receipts and events of the last blocks.
#[derive(Debug, Default)]
pub(crate) struct History {
    receipts: HashMap<TransactionId, Receipt>,
    by_height: BTreeMap<Height, Vec<TransactionId>>,
    events: BTreeMap<Height, Vec<Event>>,
    oldest: Height,
    last: Height,
}

impl History {
    /// One that begins after a block: nothing of that block and of those before it is known.
    pub(crate) fn after(height: Height) -> Self {
        let oldest = if height == Height::GENESIS { height } else { height.next() };
        Self { oldest, last: height, ..Self::default() }
    }

    pub(crate) fn receipt(&self, id: &TransactionId) -> Option<&Receipt> {
        self.receipts.get(id)
    }

    /// Was it executed, with or without success?
    pub(crate) fn is_executed(&self, id: &TransactionId) -> bool {
        self.receipt(id).is_some_and(|receipt| !matches!(receipt.outcome, Outcome::Refused(_)))
    }

    pub(crate) fn record(&mut self, receipt: Receipt) {
        self.by_height.entry(receipt.height).or_default().push(receipt.id);
        self.receipts.insert(receipt.id, receipt);
    }

    pub(crate) fn tell(&mut self, height: Height, kind: &'static str, of: Option<TransactionId>, data: Vec<Bytes>) {
        if data.is_empty() {
            return;
        }
        let events = self.events.entry(height).or_default();
        for data in data {
            events.push(Event { height, index: events.len() as u32, kind, transaction: of, data });
        }
    }

    /// The block at this height is complete; forgets what is more than `retain` blocks old.
    pub(crate) fn close(&mut self, height: Height, retain: Option<u64>) {
        self.last = height;
        let Some(retain) = retain else { return };
        self.oldest = self.oldest.max(Height((height.0 + 1).saturating_sub(retain)));
        self.events = self.events.split_off(&self.oldest);
        let kept = self.by_height.split_off(&self.oldest);
        for (height, ids) in std::mem::replace(&mut self.by_height, kept) {
            for id in ids {
                if self.receipts.get(&id).is_some_and(|receipt| receipt.height == height) {
                    self.receipts.remove(&id);
                }
            }
        }
    }

    pub(crate) fn events(&self, kind: Option<&str>, from: Cursor, limit: usize) -> Result<EventPage, EventsPruned> {
        // Height 1 has the first events.
        if from.height < self.oldest && self.oldest > Height(1) {
            return Err(EventsPruned { oldest: self.oldest });
        }
        let mut page = EventPage { events: Vec::new(), next: from };
        let later = self.events.range(from.height..).flat_map(|(_, events)| events);
        for event in later.filter(|event| (event.height, event.index) >= (from.height, from.index)) {
            if kind.is_none_or(|kind| kind == event.kind) {
                if page.events.len() >= limit {
                    return Ok(page);
                }
                page.events.push(event.clone());
            }
            page.next = Cursor { height: event.height, index: event.index + 1 };
        }
        // All of the closed blocks was seen.
        page.next = page.next.max(Cursor { height: self.last.next(), index: 0 });
        Ok(page)
    }
}

//! What final blocks say about listings, orders and accounts, by key.
//!
//! It is in memory and made anew at each start from the node's own blocks: it holds nothing that the chain does not, and grows as the
//! node's history of events does.

mod orders;
mod words;

use std::collections::{BTreeMap, HashMap, VecDeque};

use cpchain_consensus::{
    Height, Term,
    lbft::FinalEntry,
    ledger::{Amount, Cursor, Event, EventPage, LedgerView, Outcome, TransactionId, Transfer, block_transactions},
};
use cpchain_crypto::PublicKey;
use cpchain_examples::adapters::chain::{EscrowModule, ListingModule};
use cpchain_market::listing::{Action, ListingId, RevisionId, SignedOperation};

pub use self::orders::{OrderRow, Orders, Step};
use self::words::Words;

/// Activities that are kept of an account, the latest.
const KEPT: usize = 1000;

/// A signed operation on a listing, and where it stands.
#[derive(Debug, Clone)]
pub struct Revision {
    /// The operation.
    pub operation: SignedOperation,
    /// The block.
    pub height: Height,
    /// The event in that block.
    pub index: u32,
    /// The transaction that brought it.
    pub transaction: Option<TransactionId>,
}

/// A transaction that an account sent, or money that it received.
#[derive(Debug, Clone)]
pub struct Activity {
    /// The block.
    pub height: Height,
    /// The transaction's place in it.
    pub index: u32,
    /// Which transaction.
    pub transaction: TransactionId,
    /// Its kind.
    pub kind: String,
    /// Who sent it.
    pub sender: PublicKey,
    /// Of a transfer, to whom and how much.
    pub transfer: Option<(PublicKey, Amount)>,
    /// Was it executed without an error?
    pub applied: bool,
    /// Why not.
    pub error: Option<String>,
}

/// A height at which no block came.
#[derive(Debug, Clone, Copy)]
pub struct Impeachment {
    /// The height.
    pub height: Height,
    /// Its term.
    pub term: Term,
    /// Who should have proposed.
    pub proposer: PublicKey,
}

/// Final blocks, read once.
#[derive(Debug, Default)]
pub struct Index {
    height: Height,
    cursor: Cursor,
    revisions: HashMap<ListingId, Vec<Revision>>,
    operations: HashMap<RevisionId, (ListingId, Height)>,
    categories: BTreeMap<String, usize>,
    words: Words,
    orders: Orders,
    accounts: HashMap<PublicKey, VecDeque<Activity>>,
    impeachments: Vec<Impeachment>,
}

impl Index {
    /// The last block and the next event.
    pub const fn place(&self) -> (Height, Cursor) {
        (self.height, self.cursor)
    }

    /// All revisions of a listing, oldest first; empty if there is none.
    pub fn revisions(&self, listing: &ListingId) -> &[Revision] {
        self.revisions.get(listing).map_or(&[], Vec::as_slice)
    }

    /// What an operation is about, and the block that has it.
    pub fn operation(&self, id: &RevisionId) -> Option<(ListingId, Height)> {
        self.operations.get(id).copied()
    }

    /// Listings that are for sale, by category.
    pub const fn categories(&self) -> &BTreeMap<String, usize> {
        &self.categories
    }

    /// Words of listings that begin as `prefix` does, the most frequent first.
    pub fn suggestions(&self, prefix: &str, limit: usize) -> Vec<(String, usize)> {
        self.words.beginning(prefix, limit)
    }

    /// The orders.
    pub const fn orders(&self) -> &Orders {
        &self.orders
    }

    /// What an account did and received, latest first.
    pub fn activities(&self, account: &PublicKey) -> impl Iterator<Item = &Activity> {
        self.accounts.get(account).into_iter().flat_map(|all| all.iter().rev())
    }

    /// Heights at which no block came, oldest first.
    pub fn impeachments(&self) -> &[Impeachment] {
        &self.impeachments
    }

    /// Reads a final block.
    pub(crate) fn block(&mut self, entry: &FinalEntry, view: &LedgerView) {
        let block = &entry.block;
        self.height = block.height;
        if block.impeached {
            let (height, term, proposer) = (block.height, entry.term, block.proposer);
            self.impeachments.push(Impeachment { height, term, proposer });
        }
        for (transaction, index) in block_transactions(&block.payload).unwrap_or_default().iter().zip(0u32..) {
            let receipt = view.receipt(&transaction.id()).filter(|receipt| receipt.height == block.height);
            let error = receipt.and_then(|receipt| match receipt.outcome {
                Outcome::Applied => None,
                Outcome::Failed(why) => Some(why.to_string()),
                Outcome::Refused(why) => Some(why.to_string()),
            });
            let transfer = Transfer::decode(transaction.payload()).filter(|_| transaction.kind() == Transfer::KIND);
            let activity = Activity {
                height: block.height,
                index,
                transaction: transaction.id(),
                kind: transaction.kind().to_owned(),
                sender: transaction.sender(),
                transfer: transfer.map(|transfer| (transfer.to, transfer.amount)),
                applied: error.is_none(),
                error,
            };
            if let Some((to, _)) = activity.transfer.filter(|(to, _)| *to != activity.sender && activity.applied) {
                self.remember(to, activity.clone());
            }
            self.remember(activity.sender, activity);
        }
    }

    fn remember(&mut self, account: PublicKey, activity: Activity) {
        let all = self.accounts.entry(account).or_default();
        if all.len() >= KEPT {
            all.pop_front();
        }
        all.push_back(activity);
    }

    /// Reads events.
    pub(crate) fn events(&mut self, page: &EventPage) {
        for event in &page.events {
            match event.kind {
                ListingModule::KIND => self.listing(event),
                EscrowModule::<()>::KIND => self.orders.add(event),
                _ => {}
            }
        }
        self.cursor = page.next;
    }

    fn listing(&mut self, event: &Event) {
        let Ok(operation) = SignedOperation::from_bytes(&event.data) else { return };
        let id = operation.listing_id();
        self.operations.insert(operation.id(), (id, event.height));
        let of_listing = match operation.operation().action {
            Action::Publish(_) | Action::Update { .. } => true,
            Action::Withdraw { .. } => self.revisions.contains_key(&id),
            _ => false,
        };
        if !of_listing {
            return;
        }
        let before = self.revisions.get(&id).and_then(|all| all.last()).and_then(|last| last.operation.content());
        if let Some(old) = before {
            self.words.remove(old);
            if let Some(count) = self.categories.get_mut(&old.category) {
                *count -= 1;
                if *count == 0 {
                    let category = old.category.clone();
                    self.categories.remove(&category);
                }
            }
        }
        if let Some(new) = operation.content() {
            self.words.add(new);
            *self.categories.entry(new.category.clone()).or_default() += 1;
        }
        self.revisions.entry(id).or_default().push(Revision {
            operation,
            height: event.height,
            index: event.index,
            transaction: event.transaction,
        });
    }
}

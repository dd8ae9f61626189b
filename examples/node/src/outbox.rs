//! Accepted transactions that are not final yet, on disk.
//!
//! - [`Outbox::add`] returns when the transaction is durable: a crash of the node does not lose it.
//! - What is in it is spread again, at an interval and after a restart, until it is final, can no longer be executed,
//!   or has expired: neither a lost message nor a full pool of a proposer loses it (`stress` in `tests/scenarios.rs`).
//! - Each sender has a bounded share, so that one does not take the places of the others
//!   (`a_sender_has_a_bounded_share`).
//! - Additions that come together share one sync.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use bytes::Bytes;
use cpchain_consensus::{
    Height,
    ledger::{LedgerView, Nonce, Outcome, Transaction, TransactionId},
};
use cpchain_crypto::PublicKey;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use tokio::sync::{mpsc, oneshot};

const WAITING: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("waiting");
/// Most transactions, and bytes, that wait.
const MAX_WAITING: usize = 50_000;
const MAX_BYTES: usize = 64 << 20;
/// Most transactions of one sender that wait.
const MAX_OF_SENDER: usize = 1_000;
/// Additions that share a sync.
const BATCH: usize = 512;

/// Why a transaction was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboxError {
    /// Too much waits already.
    #[error("too many accepted transactions wait for a block: try again later")]
    Full,
    /// Too much of this sender waits already.
    #[error("too many accepted transactions of this sender wait for a block: try again later")]
    FullOfSender,
    /// The disk failed.
    #[error("the outbox failed: {0}; check the disk")]
    Io(String),
}

fn io(error: impl Into<redb::Error>) -> OutboxError {
    OutboxError::Io(error.into().to_string())
}

type Waiting = Arc<Mutex<Held>>;

#[derive(Default)]
struct Held {
    transactions: HashMap<TransactionId, Transaction>,
    /// How many of each sender.
    senders: HashMap<PublicKey, usize>,
    bytes: usize,
}

impl Held {
    fn insert(&mut self, transaction: Transaction) {
        let size = transaction.bytes().len();
        let sender = transaction.sender();
        if self.transactions.insert(transaction.id(), transaction).is_none() {
            self.bytes += size;
            *self.senders.entry(sender).or_default() += 1;
        }
    }

    fn remove(&mut self, id: &TransactionId) {
        if let Some(transaction) = self.transactions.remove(id) {
            self.bytes = self.bytes.saturating_sub(transaction.bytes().len());
            if let Entry::Occupied(mut of_sender) = self.senders.entry(transaction.sender()) {
                *of_sender.get_mut() -= 1;
                if *of_sender.get() == 0 {
                    of_sender.remove();
                }
            }
        }
    }

    /// Why a transaction has no room.
    fn room(&self, transaction: &Transaction) -> Result<(), OutboxError> {
        if self.transactions.contains_key(&transaction.id()) {
            return Ok(());
        }
        if self.transactions.len() >= MAX_WAITING || self.bytes >= MAX_BYTES {
            return Err(OutboxError::Full);
        }
        let of_sender = self.senders.get(&transaction.sender()).copied().unwrap_or(0);
        if of_sender >= MAX_OF_SENDER { Err(OutboxError::FullOfSender) } else { Ok(()) }
    }
}

fn lock(waiting: &Waiting) -> MutexGuard<'_, Held> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[allow(clippy::large_enum_variant, reason = "few live at a time")]
enum Order {
    Add { transaction: Transaction, done: oneshot::Sender<Result<(), OutboxError>> },
    Remove(Vec<TransactionId>),
}

/// The outbox of one node. Clones are the same outbox; its file is closed when all are dropped.
#[derive(Clone)]
pub struct Outbox {
    waiting: Waiting,
    orders: mpsc::Sender<Order>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Outbox {
    /// Opens or makes the file, and starts the thread that writes it.
    ///
    /// # Errors
    /// [`OutboxError::Io`].
    pub fn open(path: &Path) -> Result<Self, OutboxError> {
        let database = Database::create(path).map_err(io)?;
        let transaction = database.begin_write().map_err(io)?;
        transaction.open_table(WAITING).map_err(io)?;
        transaction.commit().map_err(io)?;
        let mut waiting = Held::default();
        let reading = database.begin_read().map_err(io)?;
        for row in reading.open_table(WAITING).map_err(io)?.iter().map_err(io)? {
            let (_, bytes) = row.map_err(io)?;
            match Transaction::decode(Bytes::copy_from_slice(bytes.value())) {
                Ok(transaction) => waiting.insert(transaction),
                Err(error) => tracing::warn!(%error, "the outbox holds what is no transaction"),
            }
        }
        let waiting: Waiting = Arc::new(Mutex::new(waiting));
        let (orders, inbox) = mpsc::channel(4 * BATCH);
        let held = waiting.clone();
        let thread = std::thread::spawn(move || write(&database, inbox, &held));
        Ok(Self { waiting, orders, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Waits until the file is closed, which it is when every other clone is dropped.
    pub async fn close(self) {
        let Self { orders, thread, .. } = self;
        drop(orders);
        let thread = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A thread that panicked is over too.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    /// Keeps a transaction; returns when it is durable. Adding it again changes nothing.
    ///
    /// # Errors
    /// [`OutboxError`]; nothing is promised then.
    pub async fn add(&self, transaction: Transaction) -> Result<(), OutboxError> {
        let stopped = || OutboxError::Io("its thread has ended".into());
        lock(&self.waiting).room(&transaction)?;
        let (done, answer) = oneshot::channel();
        self.orders.send(Order::Add { transaction, done }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Whether a transaction waits here.
    pub fn holds(&self, id: &TransactionId) -> bool {
        lock(&self.waiting).transactions.contains_key(id)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        lock(&self.waiting).transactions.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What still waits after `view`, each sender's in the order of nonces. What is final, overtaken or expired leaves.
    pub async fn sweep(&self, view: &LedgerView) -> Vec<Transaction> {
        let waiting: Vec<_> = lock(&self.waiting).transactions.values().cloned().collect();
        let height = view.height();
        let mut left: BTreeMap<([u8; 32], Nonce), Transaction> = BTreeMap::new();
        let mut done = Vec::new();
        for transaction in waiting {
            if is_over(&transaction, height, view) {
                done.push(transaction.id());
            } else {
                left.insert((transaction.sender().0, transaction.nonce()), transaction);
            }
        }
        if !done.is_empty() {
            // A removal that is lost is made again at the next sweep.
            let _ = self.orders.send(Order::Remove(done)).await;
        }
        left.into_values().collect()
    }
}

/// Nothing will come of sending it again.
fn is_over(transaction: &Transaction, height: Height, view: &LedgerView) -> bool {
    let executed = view.receipt(&transaction.id()).is_some_and(|r| !matches!(r.outcome, Outcome::Refused(_)));
    let overtaken = view.nonce(&transaction.sender()).is_some_and(|next| next > transaction.nonce());
    executed || overtaken || transaction.expires() <= height
}

fn write(database: &Database, mut orders: mpsc::Receiver<Order>, waiting: &Waiting) {
    while let Some(first) = orders.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(more) = orders.try_recv()
        {
            batch.push(more);
        }
        let outcome = store(database, &batch);
        let mut held = lock(waiting);
        for order in batch {
            match order {
                Order::Add { transaction, done } => {
                    if outcome.is_ok() {
                        held.insert(transaction);
                    }
                    let _ = done.send(outcome.clone());
                }
                Order::Remove(ids) if outcome.is_ok() => ids.iter().for_each(|id| held.remove(id)),
                Order::Remove(_) => {}
            }
        }
    }
}

fn store(database: &Database, batch: &[Order]) -> Result<(), OutboxError> {
    let transaction = database.begin_write().map_err(io)?;
    {
        let mut table = transaction.open_table(WAITING).map_err(io)?;
        for order in batch {
            match order {
                Order::Add { transaction, .. } => {
                    table.insert(&transaction.id().0.0, transaction.bytes().as_ref()).map_err(io)?;
                }
                Order::Remove(ids) => {
                    for id in ids {
                        table.remove(&id.0.0).map_err(io)?;
                    }
                }
            }
        }
    }
    transaction.commit().map_err(io)
}

#[cfg(test)]
mod tests {
    use cpchain_consensus::ledger::{Amount, Genesis, Ledger, TransactionDraft, Transfer};
    use cpchain_crypto::{Signer as _, SigningKey};

    use super::*;

    #[tokio::test]
    async fn what_was_added_is_there_after_a_restart_until_it_expires() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox.redb");
        let key = SigningKey::from_seed(&[1; 32]);
        let genesis = Genesis::new().account(key.public_key(), Amount::cpc(1));
        let ledger = Ledger::builder(genesis.chain_id("x"), genesis).build().unwrap();
        let view = ledger.view();
        let transfer = |nonce, expires| {
            TransactionDraft {
                chain: view.chain_id(),
                nonce: Nonce(nonce),
                expires: Height(expires),
                kind: Transfer::KIND.into(),
                payload: Transfer { to: PublicKey([2; 32]), amount: Amount(1) }.encode(),
            }
            .sign(&key)
            .unwrap()
        };
        let outbox = Outbox::open(&path).unwrap();
        for transaction in [transfer(1, 9), transfer(0, 9), transfer(2, 0)] {
            outbox.add(transaction).await.unwrap();
        }
        assert!(outbox.holds(&transfer(1, 9).id()));
        outbox.close().await;
        let outbox = Outbox::open(&path).unwrap();
        assert_eq!(outbox.len(), 3);
        let left = outbox.sweep(&view).await;
        assert_eq!(left, [transfer(0, 9), transfer(1, 9)], "in order, without the expired one");
    }
    #[test]
    fn a_sender_has_a_bounded_share() {
        let transfer = |seed: u8, nonce: u64| {
            TransactionDraft {
                chain: Genesis::new().chain_id("x"),
                nonce: Nonce(nonce),
                expires: Height(9),
                kind: Transfer::KIND.into(),
                payload: Transfer { to: PublicKey([2; 32]), amount: Amount(1) }.encode(),
            }
            .sign(&SigningKey::from_seed(&[seed; 32]))
            .unwrap()
        };
        let mut held = Held::default();
        for nonce in 0..MAX_OF_SENDER as u64 {
            held.room(&transfer(1, nonce)).unwrap();
            held.insert(transfer(1, nonce));
        }
        assert_eq!(held.room(&transfer(1, 5000)), Err(OutboxError::FullOfSender));
        held.room(&transfer(1, 3)).expect("again is no more");
        held.room(&transfer(2, 0)).expect("another sender");
        held.remove(&transfer(1, 3).id());
        held.room(&transfer(1, 5000)).unwrap();
    }
}

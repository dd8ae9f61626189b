//! One operator of a market: a catalogue that follows the chain, and an outbox for what sellers hand in.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use cpchain_market::{
    catalog::{CatalogError, TantivyCatalog},
    listing::{RevisionId, SignedOperation},
    sync::{Follower, OutboxError, Publisher},
};
use tokio::runtime::Handle;

use super::{ChainClient, ChainListingLog};

/// How often a market looks at the chain.
const ROUND: Duration = Duration::from_millis(50);
/// Refusals of the chain that are remembered, for those who ask what became of an operation.
const REMEMBERED: usize = 1000;

/// Why a market cannot be opened, or does not take an operation.
#[derive(Debug, thiserror::Error)]
pub enum MarketError {
    /// Its folder or its thread.
    #[error("the market's folder or thread: {0}")]
    Io(#[from] std::io::Error),
    /// Its catalogue.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Its outbox.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

/// What is known of an operation that was handed in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// In the outbox: it is submitted until the chain has it.
    Pending,
    /// The chain refused it, for this reason.
    Refused(String),
    /// Not handed in here, or in the chain by now.
    Unknown,
}

/// Catalogue and outbox in one folder, kept up by a thread of its own until [`stop`](Self::stop) or drop.
pub struct Market {
    catalog: Arc<RwLock<TantivyCatalog>>,
    outbox: Arc<Mutex<Out>>,
    stop: Arc<AtomicBool>,
    synchronisers: Option<JoinHandle<()>>,
}

struct Out {
    publisher: Publisher,
    refused: Vec<(RevisionId, String)>,
}

impl Market {
    /// Opens a market in a folder. The account of `client` pays for what its sellers publish. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`MarketError`].
    pub fn open(client: ChainClient, dir: &Path) -> Result<Self, MarketError> {
        std::fs::create_dir_all(dir)?;
        let catalog = Arc::new(RwLock::new(TantivyCatalog::open(dir.join("catalogue"))?));
        let publisher = Publisher::open(dir.join("outbox"))?;
        let outbox = Arc::new(Mutex::new(Out { publisher, refused: Vec::new() }));
        let stop = Arc::new(AtomicBool::new(false));
        let log = ChainListingLog::new(client, Handle::current());
        let parts = (catalog.clone(), outbox.clone(), stop.clone());
        let synchronisers = std::thread::Builder::new().name("market".to_owned()).spawn(move || {
            let (catalog, outbox, stop) = parts;
            while !stop.load(Ordering::Relaxed) {
                lock(&outbox).step(&log);
                let mut catalog = catalog.write().unwrap_or_else(PoisonError::into_inner);
                if let Err(error) = Follower::default().catch_up(&log, &mut *catalog) {
                    tracing::warn!(%error, "following the chain waits");
                }
                drop(catalog);
                std::thread::sleep(ROUND);
            }
        })?;
        Ok(Self { catalog, outbox, stop, synchronisers: Some(synchronisers) })
    }

    /// Takes a seller's operation over: it reaches the chain in the end. `false` if it was taken before.
    ///
    /// # Errors
    /// [`MarketError::Outbox`]; the operation is not taken then.
    pub fn publish(&self, operation: &SignedOperation) -> Result<bool, MarketError> {
        Ok(lock(&self.outbox).publisher.enqueue(operation)?)
    }

    /// Operations in the outbox.
    pub fn pending(&self) -> usize {
        lock(&self.outbox).publisher.pending().count()
    }

    /// What became of an operation that was handed in here.
    pub fn standing(&self, id: RevisionId) -> Standing {
        let out = lock(&self.outbox);
        if out.publisher.pending().any(|operation| operation.id() == id) {
            return Standing::Pending;
        }
        let refused = out.refused.iter().rev().find(|(refused, _)| *refused == id);
        refused.map_or(Standing::Unknown, |(_, reason)| Standing::Refused(reason.clone()))
    }

    /// Asks the catalogue. Blocking: searches read files.
    pub fn ask<T>(&self, question: impl FnOnce(&TantivyCatalog) -> T) -> T {
        question(&self.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stops the synchronisers and closes the files.
    pub async fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.synchronisers.take() {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Drop for Market {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Out {
    fn step(&mut self, log: &ChainListingLog) {
        match self.publisher.step(log) {
            Ok(report) => self.refused.extend(report.refused),
            Err(error) => tracing::warn!(%error, "publishing waits"),
        }
        let old = self.refused.len().saturating_sub(REMEMBERED);
        self.refused.drain(..old);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

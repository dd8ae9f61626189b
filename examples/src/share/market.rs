//! A market: a catalogue that follows the chain, and an outbox for what its sellers publish.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use cpchain_crypto::Digest;
use cpchain_market::{
    Amount,
    catalog::{Catalog, Query, TantivyCatalog},
    listing::{Listing, SignedOperation, Unit},
    sync::{Follower, Publisher},
};
use tokio::runtime::Handle;

use super::{
    actors::Actors,
    error::{During, ShareError},
    seller::sign_listing,
    trade::now_ms,
};
use crate::adapters::{ChainClient, ChainListingLog};

/// How often a market looks at the chain.
const ROUND: Duration = Duration::from_millis(50);
/// How long an answer of a search may be awaited.
const PATIENCE: Duration = Duration::from_secs(60);

/// One operator of a market.
pub(crate) struct Market {
    catalog: Arc<Mutex<TantivyCatalog>>,
    publisher: Arc<Mutex<Publisher>>,
    stop: Arc<AtomicBool>,
    synchronisers: Option<JoinHandle<()>>,
}

impl Market {
    /// Opens a market whose operator has an account.
    pub(crate) fn open(client: ChainClient, dir: &Path) -> Result<Self, ShareError> {
        std::fs::create_dir_all(dir).during("making a market's folder")?;
        let catalog = TantivyCatalog::open(dir.join("catalogue")).during("opening a catalogue")?;
        let catalog = Arc::new(Mutex::new(catalog));
        let publisher = Arc::new(Mutex::new(Publisher::open(dir.join("outbox")).during("opening an outbox")?));
        let stop = Arc::new(AtomicBool::new(false));
        let log = ChainListingLog::new(client, Handle::current());
        let parts = (catalog.clone(), publisher.clone(), stop.clone());
        let synchronisers = std::thread::Builder::new().name("market".to_owned()).spawn(move || {
            let (catalog, publisher, stop) = parts;
            while !stop.load(Ordering::Relaxed) {
                if let Err(error) = lock(&publisher).step(&log) {
                    tracing::warn!(%error, "publishing waits");
                }
                if let Err(error) = Follower::default().catch_up(&log, &mut *lock(&catalog)) {
                    tracing::warn!(%error, "following the chain waits");
                }
                std::thread::sleep(ROUND);
            }
        });
        Ok(Self { catalog, publisher, stop, synchronisers: Some(synchronisers.during("starting a market")?) })
    }

    /// Takes a seller's operation over: it reaches the chain in the end.
    pub(crate) fn publish(&self, operation: &SignedOperation) -> Result<(), ShareError> {
        lock(&self.publisher).enqueue(operation).map(drop).during("publishing a listing")
    }

    /// Waits until the best hit of a search is there, and `enough` listings are known.
    pub(crate) async fn search(&self, words: &str, enough: usize) -> Result<SignedOperation, ShareError> {
        let (catalog, words) = (self.catalog.clone(), words.to_owned());
        let search = move || -> Result<Option<SignedOperation>, cpchain_market::catalog::CatalogError> {
            let catalog = lock(&catalog);
            if catalog.search(&Query::new("").limit(100))?.len() < enough {
                return Ok(None);
            }
            let hits = catalog.search(&Query::new(words.as_str()))?;
            let best = hits.first().map(|hit| catalog.get(hit.id)).transpose()?.flatten();
            Ok(best.map(|entry| entry.operation))
        };
        let search = Arc::new(search);
        let found = async {
            loop {
                let search = search.clone();
                let found = tokio::task::spawn_blocking(move || search()).await.during("searching")?;
                if let Some(found) = found.during("searching")? {
                    return Ok(found);
                }
                tokio::time::sleep(ROUND).await;
            }
        };
        tokio::time::timeout(PATIENCE, found).await.during("searching: nothing fits")?
    }

    /// A hash over the whole catalogue: equal in all markets.
    pub(crate) fn digest(&self) -> Result<Digest, ShareError> {
        lock(&self.catalog).digest().during("hashing a catalogue")
    }

    /// Stops the synchronisers.
    pub(crate) async fn stop(mut self) {
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What other sellers offer, so that the search has something to tell apart.
pub(crate) fn other_listings(actors: &Actors) -> Result<Vec<SignedOperation>, ShareError> {
    let offers = [
        ("Minute counts of bicycles on a bridge", "Two induction loops, direction and count", "mobility"),
        ("Daily rainfall of forty stations", "Precipitation in millimetres, quality flags", "climate"),
        ("Vibration of a wind turbine's gearbox", "Three axes, 10 kHz bursts every hour", "industry"),
        ("Temperature of cold-chain containers", "Five-minute readings while on the road", "logistics"),
    ];
    let sign = |(index, (title, description, category)): (usize, (&str, &str, &str))| {
        let content = Listing {
            title: title.to_owned(),
            description: description.to_owned(),
            tags: Vec::new(),
            category: category.to_owned(),
            price: Amount(1_000_000_000_000_000_000),
            unit: Unit::Interval,
            period_ms: 60_000,
            from_ms: 0,
            to_ms: 0,
            samples: Vec::new(),
            uri: String::new(),
            proxies: Vec::new(),
            stream: Digest::content(title.as_bytes()),
            manifest: None,
            created_ms: now_ms(),
        };
        sign_listing(content, &actors.key("other seller", index))
    };
    offers.into_iter().enumerate().map(sign).collect()
}

//! The two markets of the share: what other sellers offer, and a search that waits for the chain.

use std::{sync::Arc, time::Duration};

use cpchain_crypto::Digest;
use cpchain_market::{
    Amount,
    catalog::{Catalog, CatalogError, Query},
    listing::{Listing, SignedOperation, Unit},
};

use super::{
    actors::Actors,
    error::{During, ShareError},
    seller::sign_listing,
    trade::now_ms,
};
use crate::adapters::Market;

/// Between two looks at a catalogue.
const ROUND: Duration = Duration::from_millis(50);
/// How long an answer of a search may be awaited.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the best hit of a search is there, and `enough` listings are known.
pub(crate) async fn search(market: &Arc<Market>, words: &str, enough: usize) -> Result<SignedOperation, ShareError> {
    let found = async {
        loop {
            let (market, words) = (market.clone(), words.to_owned());
            let look = tokio::task::spawn_blocking(move || best(&market, &words, enough));
            if let Some(found) = look.await.during("searching")?.during("searching")? {
                return Ok(found);
            }
            tokio::time::sleep(ROUND).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.during("searching: nothing fits")?
}

fn best(market: &Market, words: &str, enough: usize) -> Result<Option<SignedOperation>, CatalogError> {
    market.ask(|catalog| {
        if catalog.search(&Query::new("").limit(100))?.len() < enough {
            return Ok(None);
        }
        let hits = catalog.search(&Query::new(words))?;
        let best = hits.first().map(|hit| catalog.get(hit.id)).transpose()?.flatten();
        Ok(best.map(|entry| entry.operation))
    })
}

/// A hash over a whole catalogue: equal in all markets.
pub(crate) fn digest(market: &Market) -> Result<Digest, ShareError> {
    market.ask(|catalog| catalog.digest()).during("hashing a catalogue")
}

/// Ends a market that nobody else uses.
pub(crate) async fn stop(market: Arc<Market>) {
    if let Some(market) = Arc::into_inner(market) {
        market.stop().await;
    }
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

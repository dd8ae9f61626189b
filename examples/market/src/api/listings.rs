//! What is for sale.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use cpchain_crypto::Did;
use cpchain_market::{
    Amount,
    catalog::{Catalog as _, CatalogError, MAX_HITS, MAX_QUERY, Query},
    listing::{Action, Listing, ListingId, SignedOperation, Unit},
};
use serde::{Deserialize, Serialize};

use super::{
    error::ApiError,
    read::{Args, account, amount, digest, limit},
};
use crate::App;

const PAGE: usize = 20;
const MOST: usize = 100;
const SUGGESTIONS: usize = 8;
/// How many hits the catalogue is asked for. It ranks those that it is asked for, so that pages of one window fit together.
const WINDOWS: [usize; 3] = [50, 250, MAX_HITS];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    #[serde(default)]
    q: String,
    category: Option<String>,
    seller: Option<String>,
    unit: Option<String>,
    min_price: Option<String>,
    max_price: Option<String>,
    min_period_ms: Option<u64>,
    max_period_ms: Option<u64>,
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct Found {
    hits: Vec<Summary>,
    offset: usize,
    more: bool,
}

/// A listing in a list.
#[derive(Serialize)]
pub(super) struct Summary {
    id: String,
    revision: String,
    sequence: u64,
    seller: String,
    did: String,
    title: String,
    description: String,
    category: String,
    tags: Vec<String>,
    price: String,
    unit: &'static str,
    period_ms: u64,
    from_ms: u64,
    to_ms: u64,
    height: u64,
}

/// One listing with all that its seller signed.
#[derive(Serialize)]
pub(super) struct Full {
    #[serde(flatten)]
    summary: Summary,
    stream: String,
    manifest: Option<String>,
    uri: String,
    proxies: Vec<String>,
    samples: Vec<String>,
    created_ms: u64,
    withdrawn: bool,
    operation: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prefix {
    q: String,
}

#[derive(Serialize)]
pub(super) struct Counted {
    text: String,
    listings: usize,
}

#[derive(Serialize)]
pub(super) struct Revised {
    revision: String,
    sequence: u64,
    action: &'static str,
    title: Option<String>,
    price: Option<String>,
    height: u64,
    index: u32,
    transaction: Option<String>,
    operation: String,
}

impl Summary {
    fn of(operation: &SignedOperation, content: &Listing, height: u64) -> Self {
        let signed = operation.operation();
        Self {
            id: operation.listing_id().to_string(),
            revision: operation.id().to_string(),
            sequence: signed.sequence,
            seller: signed.seller.to_string(),
            did: Did::from(signed.seller).to_string(),
            title: content.title.clone(),
            description: content.description.clone(),
            category: content.category.clone(),
            tags: content.tags.clone(),
            price: content.price.0.to_string(),
            unit: content.unit.name(),
            period_ms: content.period_ms,
            from_ms: content.from_ms,
            to_ms: content.to_ms,
            height,
        }
    }
}

impl Search {
    fn query(&self) -> Result<(Query, usize), ApiError> {
        let limit = limit(self.limit, PAGE, MOST)?;
        let last = self.offset.saturating_add(limit);
        // One more than is shown tells whether there is another page.
        let window = WINDOWS.into_iter().find(|window| *window > last);
        let window =
            window.ok_or_else(|| ApiError::BadRequest(format!("only the first {} hits are shown", MAX_HITS - 1)))?;
        if self.q.len() > MAX_QUERY {
            return Err(ApiError::BadRequest(format!("a query has up to {MAX_QUERY} bytes")));
        }
        let mut query = Query::new(self.q.as_str()).limit(window);
        query.category = self.category.clone();
        query.seller = self.seller.as_deref().map(account).transpose()?;
        query.unit = self.unit.as_deref().map(unit).transpose()?;
        if self.min_price.is_some() || self.max_price.is_some() {
            let low = self.min_price.as_deref().map(amount).transpose()?.unwrap_or(0);
            let high = self.max_price.as_deref().map(amount).transpose()?.unwrap_or(u128::MAX);
            query = query.price(Amount(low)..=Amount(high));
        }
        if self.min_period_ms.is_some() || self.max_period_ms.is_some() {
            query = query.period_ms(self.min_period_ms.unwrap_or(0)..=self.max_period_ms.unwrap_or(u64::MAX));
        }
        Ok((query, limit))
    }
}

fn unit(name: &str) -> Result<Unit, ApiError> {
    let known = [Unit::File, Unit::Interval, Unit::Stream].into_iter().find(|unit| unit.name() == name);
    known.ok_or_else(|| ApiError::BadRequest("unit is file, interval or stream".to_owned()))
}

pub(super) async fn search(State(app): State<Arc<App>>, Args(args): Args<Search>) -> Result<Json<Found>, ApiError> {
    let (query, limit) = args.query()?;
    let work = tokio::task::spawn_blocking(move || {
        app.market.ask(|catalog| {
            let hits = catalog.search(&query)?;
            let more = hits.len() > args.offset + limit;
            let rows = hits.iter().skip(args.offset).take(limit).filter_map(|hit| catalog.get(hit.id).transpose());
            let rows = rows.map(|entry| {
                let entry = entry?;
                let height = entry.at.height.0;
                Ok(entry.operation.content().map(|content| Summary::of(&entry.operation, content, height)))
            });
            let hits = rows.filter_map(Result::transpose).collect::<Result<Vec<_>, CatalogError>>()?;
            Ok(Found { hits, offset: args.offset, more })
        })
    });
    let found: Result<_, CatalogError> = work.await.map_err(ApiError::internal)?;
    found.map(Json).map_err(|error| match error {
        CatalogError::Query => ApiError::BadRequest(error.to_string()),
        other => ApiError::internal(other),
    })
}

pub(super) async fn suggestions(State(app): State<Arc<App>>, Args(prefix): Args<Prefix>) -> Json<Vec<Counted>> {
    let counted = |(text, listings)| Counted { text, listings };
    let found = app.index(|index| index.suggestions(&prefix.q, SUGGESTIONS));
    Json(found.into_iter().map(counted).collect())
}

pub(super) async fn categories(State(app): State<Arc<App>>) -> Json<Vec<Counted>> {
    let counted = |(text, listings): (&String, &usize)| Counted { text: text.clone(), listings: *listings };
    Json(app.index(|index| index.categories().iter().map(counted).collect()))
}

/// The present content of a listing; of a withdrawn one, the last.
pub(super) fn current(app: &App, id: &str) -> Result<(SignedOperation, SignedOperation, u64), ApiError> {
    let id = ListingId(digest(id)?);
    app.index(|index| {
        let revisions = index.revisions(&id);
        let last = revisions.last()?;
        let shown = revisions.iter().rev().find(|revision| revision.operation.content().is_some())?;
        Some((shown.operation.clone(), last.operation.clone(), last.height.0))
    })
    .ok_or_else(|| ApiError::NotFound("there is no such listing".to_owned()))
}

pub(super) async fn listing(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Full>, ApiError> {
    let (shown, last, height) = current(&app, &id)?;
    let content = shown.content().ok_or(ApiError::Internal)?;
    Ok(Json(Full {
        summary: Summary::of(&shown, content, height),
        stream: content.stream.to_string(),
        manifest: content.manifest.map(|manifest| manifest.to_string()),
        uri: content.uri.clone(),
        proxies: content.proxies.iter().map(ToString::to_string).collect(),
        samples: content.samples.iter().map(ToString::to_string).collect(),
        created_ms: content.created_ms,
        withdrawn: last.content().is_none(),
        operation: hex::encode(shown.as_bytes()),
    }))
}

pub(super) async fn revisions(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Vec<Revised>>, ApiError> {
    let id = ListingId(digest(&id)?);
    let revised = |revision: &crate::Revision| {
        let signed = revision.operation.operation();
        Revised {
            revision: revision.operation.id().to_string(),
            sequence: signed.sequence,
            action: match signed.action {
                Action::Publish(_) => "publish",
                Action::Update { .. } => "update",
                _ => "withdraw",
            },
            title: signed.content().map(|content| content.title.clone()),
            price: signed.content().map(|content| content.price.0.to_string()),
            height: revision.height.0,
            index: revision.index,
            transaction: revision.transaction.map(|id| id.to_string()),
            operation: hex::encode(revision.operation.as_bytes()),
        }
    };
    let all: Vec<_> = app.index(|index| {
        // The latest are the ones that matter; a seller may revise as often as it pays for.
        let revisions = index.revisions(&id);
        revisions.iter().skip(revisions.len().saturating_sub(MOST)).map(revised).collect()
    });
    if all.is_empty() { Err(ApiError::NotFound("there is no such listing".to_owned())) } else { Ok(Json(all)) }
}

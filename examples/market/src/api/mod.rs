//! HTTP and JSON: `GET` to read, `POST` of what the client signed. `openapi.json` beside this file describes every route and field, and is
//! itself served; `tests/openapi.rs` holds the two together.
//!
//! | route | answer |
//! | --- | --- |
//! | `GET /listings` | what is for sale: words, filters, pages |
//! | `GET /suggestions` | words that begin so |
//! | `GET /categories` | categories with how many listings each has |
//! | `GET /listings/{id}` | one listing, with the bytes that its seller signed |
//! | `GET /listings/{id}/revisions` | how it changed, with the prices |
//! | `GET /listings/{id}/provenance` | the vouchers of its stream, block by block, and who holds the data |
//! | `GET /listings/{id}/quote` | what an offer for some intervals names and costs |
//! | `GET /orders`, `/orders/{id}` | orders; one with its timeline |
//! | `GET /accounts/{account}`, `/accounts/{account}/history` | balance and next nonce; what it did and received |
//! | `GET /chain`, `/blocks`, `/blocks/{height}`, `/transactions/{id}` | head, blocks, certificates, receipts |
//! | `GET /committee`, `/terms`, `/impeachments` | who votes and proposes, and who did not |
//! | `GET /stream` | final blocks as server-sent events |
//! | `POST /operations`, `GET /operations/{id}` | a signed operation on a listing; what became of it |
//! | `POST /transactions` | a signed transaction of the ledger |
//!
//! All of them begin with `/api/v1`.
//!
//! # What it promises
//! - Nothing that is not final is shown as part of the chain.
//! - A `POST` changes nothing by itself: it hands over what a key has signed, and the chain decides. To send the same bytes again is safe;
//!   to send old ones again is refused (`tests/api.rs`: `a_replay_is_refused`).
//! - An operation that was taken (`202`) is on this server's disk and reaches the chain in the end. A transaction that was taken is in its
//!   node's pool: a client that does not see it final sends it again.
//! - Every answer has an `ETag`; `If-None-Match` gives `304` (`tests/api.rs`: `answers_have_tags`).
//!
//! # Bounds
//! Bodies up to [`MAX_BODY`], answers within [`ANSWER_WITHIN`], pages of at most 100 items (the first 1,000 hits of a search), peers as in
//! [`limits`](crate::limits), connections as in [`serve`](crate::serve). Pages of other origins are refused, and no cookie is read or set.

mod accounts;
mod chain;
mod error;
mod guard;
mod listings;
mod orders;
mod provenance;
mod read;
mod stream;
mod submit;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{StatusCode, header},
    middleware,
    response::IntoResponse,
    routing::{get, post},
};

pub use self::{error::ApiError, guard::Peer};
use crate::{App, page};

/// Most bytes of a request's body: a transaction of the largest size in hexadecimal digits, with room around it.
pub const MAX_BODY: usize = 160 << 10;
/// An answer that takes longer is given up.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The description of this API, OpenAPI 3.1.
pub const OPENAPI: &str = include_str!("openapi.json");

/// All routes of a market, with their bounds and headers.
pub fn router(app: Arc<App>) -> Router {
    let api = Router::new()
        .route("/openapi.json", get(openapi))
        .route("/listings", get(listings::search))
        .route("/suggestions", get(listings::suggestions))
        .route("/categories", get(listings::categories))
        .route("/listings/{id}", get(listings::listing))
        .route("/listings/{id}/revisions", get(listings::revisions))
        .route("/listings/{id}/provenance", get(provenance::provenance))
        .route("/listings/{id}/quote", get(provenance::quote))
        .route("/orders", get(orders::orders))
        .route("/orders/{id}", get(orders::order))
        .route("/accounts/{account}", get(accounts::account))
        .route("/accounts/{account}/history", get(accounts::history))
        .route("/chain", get(chain::head))
        .route("/blocks", get(chain::blocks))
        .route("/blocks/{height}", get(chain::block))
        .route("/transactions/{id}", get(chain::transaction))
        .route("/committee", get(chain::committee))
        .route("/terms", get(chain::terms))
        .route("/impeachments", get(chain::impeachments))
        .route("/stream", get(stream::stream))
        .route("/operations", post(submit::operation))
        .route("/operations/{id}", get(submit::standing))
        .route("/transactions", post(submit::transaction))
        .method_not_allowed_fallback(async || ApiError::Method)
        .fallback(async || ApiError::NotFound("there is no such route: see /api/v1/openapi.json".to_owned()));
    let pages = page::FILES.iter().fold(Router::new(), |router, file| {
        router.route(file.path, get(async || ([(header::CONTENT_TYPE, file.kind)], file.text)))
    });
    Router::new()
        .nest("/api/v1", api)
        .merge(pages)
        .method_not_allowed_fallback(async || ApiError::Method)
        .fallback(async || (StatusCode::NOT_FOUND, "there is no such page\n"))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

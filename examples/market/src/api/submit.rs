//! What a client signed, handed over to the chain.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use cpchain_consensus::{ledger::Transaction, node::SubmitError};
use cpchain_examples::adapters::Standing;
use cpchain_market::listing::{
    Action, RevisionId, SignedOperation,
    rule::{Known, decide},
};
use serde::{Deserialize, Serialize};

use super::{
    chain::{self, describe},
    error::ApiError,
    read::{Body, bytes, digest},
};
use crate::App;

/// Operations that wait to reach the chain; above it none is taken.
const MAX_PENDING: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Operation {
    operation: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signed {
    transaction: String,
}

#[derive(Serialize)]
pub(super) struct Taken {
    id: String,
    listing: Option<String>,
    status: &'static str,
    height: Option<u64>,
    error: Option<String>,
}

fn known(app: &App, id: RevisionId) -> Taken {
    let found = app.index(|index| index.operation(&id));
    let (listing, height) = found.map(|(listing, height)| (listing.to_string(), height.0)).unzip();
    let (status, error) = match app.market.standing(id) {
        _ if height.is_some() => ("final", None),
        Standing::Pending => ("pending", None),
        Standing::Refused(reason) => ("refused", Some(reason)),
        Standing::Unknown => ("unknown", None),
    };
    Taken { id: id.to_string(), listing, status, height, error }
}

pub(super) async fn operation(
    State(app): State<Arc<App>>,
    Body(body): Body<Operation>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    let operation = SignedOperation::from_bytes(&bytes(&body.operation)?);
    let operation = operation.map_err(|error| ApiError::BadRequest(error.to_string()))?;
    let (id, listing) = (operation.id(), operation.listing_id());
    let before = known(&app, id);
    if before.height.is_some() {
        return Ok((StatusCode::OK, Json(before)));
    }
    // The chain's own rule, asked early so that the answer says why.
    let last = app.index(|index| index.revisions(&listing).last().map(|last| Known::from(&last.operation)));
    if last.is_some() || matches!(operation.operation().action, Action::Publish(_)) {
        decide(last.as_ref(), &operation).map_err(|skip| ApiError::Refused(skip.to_string()))?;
    }
    if app.market.pending() >= MAX_PENDING {
        return Err(ApiError::Busy);
    }
    let work = app.clone();
    let queued = tokio::task::spawn_blocking(move || work.market.publish(&operation)).await;
    queued.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    let taken = Taken { listing: Some(listing.to_string()), ..known(&app, id) };
    Ok((StatusCode::ACCEPTED, Json(taken)))
}

pub(super) async fn standing(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Taken>, ApiError> {
    Ok(Json(known(&app, RevisionId(digest(&id)?))))
}

pub(super) async fn transaction(
    State(app): State<Arc<App>>,
    Body(body): Body<Signed>,
) -> Result<(StatusCode, Json<chain::Transaction>), ApiError> {
    let transaction = Transaction::decode(bytes(&body.transaction)?.into());
    let transaction = transaction.map_err(|error| ApiError::BadRequest(error.to_string()))?;
    let id = transaction.id();
    let before = describe(&app, &id);
    if before.is_final() {
        return Ok((StatusCode::OK, Json(before)));
    }
    match app.node.submit(transaction.bytes().clone()).await {
        Ok(()) => Ok((StatusCode::ACCEPTED, Json(describe(&app, &id).waiting()))),
        Err(SubmitError::Stopped) => Err(ApiError::Unavailable("the node has stopped".to_owned())),
        Err(error) => Err(ApiError::Refused(error.to_string())),
    }
}

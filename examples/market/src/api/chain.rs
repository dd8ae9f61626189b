//! The chain: head, blocks, certificates, receipts, terms.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use cpchain_consensus::{
    Height, Term,
    lbft::{FinalEntry, Kind},
    ledger::{LedgerView, Outcome, TransactionId, block_transactions},
};
use cpchain_crypto::PublicKey;
use serde::{Deserialize, Serialize};

use super::{
    error::ApiError,
    read::{Args, digest, limit},
};
use crate::{App, Impeachment};

const PAGE: usize = 20;
const MOST: usize = 100;
/// Committees are known from so many terms back to [`AHEAD`].
const BACK: u64 = 16;
const AHEAD: u64 = 3;

#[derive(Serialize)]
pub(super) struct Head {
    chain: String,
    height: u64,
    digest: String,
    state: String,
    term: u64,
    last_of_term: u64,
    pool: usize,
    pending: usize,
    listings: usize,
    orders: usize,
    impeached: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Before {
    before: Option<u64>,
    limit: Option<usize>,
}

/// A block in a list and in the stream.
#[derive(Serialize)]
pub(super) struct BlockRow {
    height: u64,
    digest: String,
    term: u64,
    proposer: String,
    impeached: bool,
    transactions: usize,
    bytes: usize,
}

#[derive(Serialize)]
pub(super) struct Block {
    height: u64,
    digest: String,
    parent: String,
    term: u64,
    proposer: String,
    impeached: bool,
    bytes: usize,
    transactions: Vec<TransactionRow>,
    certificate: Option<Certified>,
}

#[derive(Serialize)]
struct TransactionRow {
    id: String,
    kind: String,
    sender: String,
    nonce: u64,
    bytes: usize,
    applied: bool,
    error: Option<String>,
}

#[derive(Serialize)]
struct Certified {
    kind: &'static str,
    height: u64,
    digest: String,
    signers: Vec<String>,
    validators: usize,
    quorum: usize,
}

#[derive(Serialize)]
pub(super) struct Transaction {
    id: String,
    status: &'static str,
    applied: bool,
    height: Option<u64>,
    index: Option<u32>,
    sender: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfTerm {
    term: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Committee {
    term: u64,
    elected: bool,
    validators: Vec<String>,
    proposers: Vec<Proposer>,
    quorum: usize,
    faults: usize,
}

#[derive(Serialize)]
struct Proposer {
    key: String,
    default: bool,
}

#[derive(Serialize)]
pub(super) struct TermRow {
    term: u64,
    first: u64,
    last: u64,
    present: bool,
    elected: bool,
    proposers: Vec<Proposer>,
    impeached: usize,
}

#[derive(Serialize)]
pub(super) struct Impeached {
    height: u64,
    term: u64,
    proposer: String,
}

/// What became of a transaction: applied, and why not.
fn outcome(view: &LedgerView, id: &TransactionId) -> (bool, Option<String>) {
    match view.receipt(id).map(|receipt| receipt.outcome) {
        Some(Outcome::Applied) => (true, None),
        Some(Outcome::Failed(why)) => (false, Some(why.to_string())),
        Some(Outcome::Refused(why)) => (false, Some(why.to_string())),
        None => (false, None),
    }
}

impl BlockRow {
    pub(super) fn of(entry: &FinalEntry) -> Self {
        let block = &entry.block;
        Self {
            height: block.height.0,
            digest: block.digest.to_string(),
            term: entry.term.0,
            proposer: block.proposer.to_string(),
            impeached: block.impeached,
            transactions: block_transactions(&block.payload).map_or(0, |all| all.len()),
            bytes: block.payload.len(),
        }
    }
}

async fn entry(app: &App, height: Height) -> Result<Option<FinalEntry>, ApiError> {
    app.node.block(height).await.map_err(ApiError::internal)
}

pub(super) async fn head(State(app): State<Arc<App>>) -> Result<Json<Head>, ApiError> {
    let status = app.node.status();
    let digest = entry(&app, status.final_height).await?.map(|entry| entry.block.digest).unwrap_or_default();
    let (listings, orders, impeached) =
        app.index(|index| (index.categories().values().sum(), index.orders().all().len(), index.impeachments().len()));
    let term = app.dpor.settings().term(status.final_height);
    Ok(Json(Head {
        chain: app.view.chain_id().0.to_string(),
        height: status.final_height.0,
        digest: digest.to_string(),
        state: status.state.to_string(),
        term: term.0,
        last_of_term: term.0.saturating_add(1).saturating_mul(app.dpor.settings().term_heights()),
        pool: app.view.waiting(),
        pending: app.market.pending(),
        listings,
        orders,
        impeached,
    }))
}

pub(super) async fn blocks(
    State(app): State<Arc<App>>,
    Args(args): Args<Before>,
) -> Result<Json<Vec<BlockRow>>, ApiError> {
    let limit = limit(args.limit, PAGE, MOST)? as u64;
    let end = args.before.unwrap_or(u64::MAX).min(app.node.status().final_height.0.saturating_add(1)).max(1);
    let mut rows = Vec::new();
    for height in (end.saturating_sub(limit).max(1)..end).rev() {
        rows.extend(entry(&app, Height(height)).await?.as_ref().map(BlockRow::of));
    }
    Ok(Json(rows))
}

pub(super) async fn block(State(app): State<Arc<App>>, Path(height): Path<String>) -> Result<Json<Block>, ApiError> {
    let height = height.parse().map_err(|_| ApiError::BadRequest("a height is a number".to_owned()))?;
    let missing = || ApiError::NotFound(format!("height {height} is not final here"));
    let entry = entry(&app, Height(height)).await?.ok_or_else(missing)?;
    let committee = app.node.committee();
    let certificate = entry.certificate.as_ref().map(|certificate| Certified {
        kind: match certificate.kind {
            Kind::Seal => "seal",
            Kind::Prepare => "prepare",
            Kind::Commit => "commit",
            Kind::ImpeachPrepare => "impeach",
            Kind::Handover => "handover",
        },
        height: certificate.height.0,
        digest: certificate.digest.to_string(),
        signers: certificate.signers().filter_map(|at| committee.validator(at)).map(|key| key.to_string()).collect(),
        validators: committee.validators().len(),
        quorum: committee.quorum(),
    });
    let row = |transaction: &cpchain_consensus::ledger::Transaction| {
        let (applied, error) = outcome(&app.view, &transaction.id());
        TransactionRow {
            id: transaction.id().to_string(),
            kind: transaction.kind().to_owned(),
            sender: transaction.sender().to_string(),
            nonce: transaction.nonce().0,
            bytes: transaction.bytes().len(),
            applied,
            error,
        }
    };
    let block = &entry.block;
    Ok(Json(Block {
        height: block.height.0,
        digest: block.digest.to_string(),
        parent: block.parent.to_string(),
        term: entry.term.0,
        proposer: block.proposer.to_string(),
        impeached: block.impeached,
        bytes: block.payload.len(),
        transactions: block_transactions(&block.payload).unwrap_or_default().iter().map(row).collect(),
        certificate,
    }))
}

/// What is known of a transaction: `final`, or `unknown` if no block has it yet.
pub(super) fn describe(app: &App, id: &TransactionId) -> Transaction {
    let receipt = app.view.receipt(id).filter(|receipt| !matches!(receipt.outcome, Outcome::Refused(_)));
    let (applied, error) = outcome(&app.view, id);
    Transaction {
        id: id.to_string(),
        status: if receipt.is_some() { "final" } else { "unknown" },
        applied,
        height: receipt.as_ref().map(|receipt| receipt.height.0),
        index: receipt.as_ref().map(|receipt| receipt.index),
        sender: receipt.as_ref().map(|receipt| receipt.sender.to_string()),
        error,
    }
}

impl Transaction {
    pub(super) fn is_final(&self) -> bool {
        self.status == "final"
    }

    /// One that was just taken.
    pub(super) fn waiting(self) -> Self {
        if self.is_final() { self } else { Self { status: "waiting", ..self } }
    }
}

pub(super) async fn transaction(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Transaction>, ApiError> {
    Ok(Json(describe(&app, &TransactionId(digest(&id)?))))
}

/// The proposers of a term, and whether they were elected; nobody is for the first three terms.
fn proposers(app: &App, term: Term) -> Option<(Vec<PublicKey>, bool)> {
    let serving = app.node.committee();
    match app.dpor.proposers(term) {
        Some(proposers) => Some((proposers, true)),
        None if term == serving.term() => Some((serving.proposers().to_vec(), false)),
        None if term.0 < AHEAD => Some((app.dpor.settings().first_proposers().to_vec(), false)),
        None => None,
    }
}

fn named(app: &App, proposers: Vec<PublicKey>) -> Vec<Proposer> {
    let defaults = app.dpor.settings().default_proposers();
    let named = |key: PublicKey| Proposer { key: key.to_string(), default: defaults.contains(&key) };
    proposers.into_iter().map(named).collect()
}

pub(super) async fn committee(
    State(app): State<Arc<App>>,
    Args(args): Args<OfTerm>,
) -> Result<Json<Committee>, ApiError> {
    let serving = app.node.committee();
    let term = args.term.map_or(serving.term(), Term);
    let unknown = || ApiError::NotFound("committees are known from sixteen terms back to three ahead".to_owned());
    let (proposers, elected) = proposers(&app, term).ok_or_else(unknown)?;
    Ok(Json(Committee {
        term: term.0,
        elected,
        validators: serving.validators().iter().map(ToString::to_string).collect(),
        proposers: named(&app, proposers),
        quorum: serving.quorum(),
        faults: serving.faults(),
    }))
}

pub(super) async fn terms(State(app): State<Arc<App>>) -> Json<Vec<TermRow>> {
    let (present, heights) = (app.node.committee().term().0, app.dpor.settings().term_heights());
    let impeached =
        |term: u64| app.index(|index| index.impeachments().iter().filter(|impeached| impeached.term.0 == term).count());
    let row = |term: u64| {
        let (proposers, elected) = proposers(&app, Term(term))?;
        Some(TermRow {
            term,
            first: term.saturating_mul(heights).saturating_add(1),
            last: term.saturating_add(1).saturating_mul(heights),
            present: term == present,
            elected,
            proposers: named(&app, proposers),
            impeached: impeached(term),
        })
    };
    let terms = present.saturating_sub(BACK)..=present.saturating_add(AHEAD);
    Json(terms.rev().filter_map(row).collect())
}

pub(super) async fn impeachments(
    State(app): State<Arc<App>>,
    Args(args): Args<Before>,
) -> Result<Json<Vec<Impeached>>, ApiError> {
    let limit = limit(args.limit, PAGE, MOST)?;
    let below = Height(args.before.unwrap_or(u64::MAX));
    let row = |impeachment: &Impeachment| Impeached {
        height: impeachment.height.0,
        term: impeachment.term.0,
        proposer: impeachment.proposer.to_string(),
    };
    Ok(Json(app.index(|index| {
        let latest = index.impeachments().iter().rev().filter(|impeachment| impeachment.height < below);
        latest.take(limit).map(row).collect()
    })))
}

//! Accounts: what they have, and what they did.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use cpchain_consensus::Height;
use cpchain_crypto::Did;
use serde::{Deserialize, Serialize};

use super::{
    error::ApiError,
    read::{Args, account as read_account, limit},
};
use crate::{Activity, App};

const PAGE: usize = 20;
const MOST: usize = 100;

#[derive(Serialize)]
pub(super) struct Account {
    account: String,
    did: String,
    height: u64,
    balance: String,
    /// Null for an account that never received anything.
    nonce: Option<u64>,
    next_nonce: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Before {
    before: Option<u64>,
    limit: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct Row {
    height: u64,
    index: u32,
    transaction: String,
    kind: String,
    sender: String,
    to: Option<String>,
    amount: Option<String>,
    applied: bool,
    error: Option<String>,
}

pub(super) async fn account(State(app): State<Arc<App>>, Path(text): Path<String>) -> Result<Json<Account>, ApiError> {
    let account = read_account(&text)?;
    let view = &app.view;
    // Between equal heights nothing was executed, so the answers are of one block.
    let (height, balance, nonce, next_nonce) = loop {
        let before = view.height();
        let answer = (before, view.balance(&account), view.nonce(&account), view.next_nonce(&account));
        if view.height() == before {
            break answer;
        }
    };
    Ok(Json(Account {
        account: account.to_string(),
        did: Did::from(account).to_string(),
        height: height.0,
        balance: balance.0.to_string(),
        nonce: nonce.map(|nonce| nonce.0),
        next_nonce: next_nonce.0,
    }))
}

pub(super) async fn history(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    Args(args): Args<Before>,
) -> Result<Json<Vec<Row>>, ApiError> {
    let (account, limit) = (read_account(&text)?, limit(args.limit, PAGE, MOST)?);
    let below = Height(args.before.unwrap_or(u64::MAX));
    let row = |activity: &Activity| Row {
        height: activity.height.0,
        index: activity.index,
        transaction: activity.transaction.to_string(),
        kind: activity.kind.clone(),
        sender: activity.sender.to_string(),
        to: activity.transfer.map(|(to, _)| to.to_string()),
        amount: activity.transfer.map(|(_, amount)| amount.0.to_string()),
        applied: activity.applied,
        error: activity.error.clone(),
    };
    Ok(Json(app.index(|index| {
        index.activities(&account).filter(|activity| activity.height < below).take(limit).map(row).collect()
    })))
}

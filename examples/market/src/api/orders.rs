//! Orders under escrow.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use cpchain_examples::adapters::chain::read_order;
use cpchain_market::{
    Amount,
    escrow::{Order, OrderId, State as OrderState},
    listing::ListingId,
};
use serde::{Deserialize, Serialize};

use super::{
    error::ApiError,
    read::{Args, account, digest, limit},
};
use crate::{App, OrderRow};

const PAGE: usize = 20;
const MOST: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    account: Option<String>,
    listing: Option<String>,
    state: Option<String>,
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct Orders {
    orders: Vec<Row>,
    offset: usize,
    more: bool,
}

/// An order in a list.
#[derive(Serialize)]
struct Row {
    id: String,
    listing: String,
    title: Option<String>,
    buyer: String,
    seller: String,
    state: &'static str,
    first_interval: u32,
    end_interval: u32,
    price: String,
    deadline: Option<u64>,
    offered: u64,
}

/// One order, with what it names and what happened.
#[derive(Serialize)]
pub(super) struct Full {
    #[serde(flatten)]
    row: Row,
    revision: String,
    stream: String,
    manifest: String,
    leaf_root: String,
    leaf_count: u64,
    fee: String,
    bond: String,
    locked: String,
    buyer_key: String,
    threshold: u8,
    proxies: u8,
    drawn: Vec<Drawn>,
    nodes: usize,
    timeline: Vec<Happened>,
    height: u64,
}

#[derive(Serialize)]
struct Drawn {
    proxy: String,
    posted: bool,
}

#[derive(Serialize)]
struct Happened {
    event: &'static str,
    height: u64,
    index: u32,
    sender: Option<String>,
    transaction: Option<String>,
}

/// The word for a state, as in `escrow.proto`.
const fn word(state: OrderState) -> &'static str {
    match state {
        OrderState::Offered => "offered",
        OrderState::Accepted => "accepted",
        OrderState::Granted => "granted",
        OrderState::Delivered => "delivered",
        OrderState::Cancelled => "cancelled",
        OrderState::Refunded => "refunded",
        OrderState::Settled => "settled",
        OrderState::SellerFault => "seller_fault",
    }
}

fn row(app: &App, known: &OrderRow, order: &Order) -> Row {
    let title = app.index(|index| {
        let revisions = index.revisions(&known.listing).iter().rev();
        revisions.filter_map(|revision| revision.operation.content()).map(|content| content.title.clone()).next()
    });
    let terms = order.terms();
    Row {
        id: order.id().to_string(),
        listing: terms.listing.to_string(),
        title,
        buyer: order.buyer().to_string(),
        seller: order.seller().to_string(),
        state: word(order.state()),
        first_interval: terms.intervals.start,
        end_interval: terms.intervals.end,
        price: terms.price.0.to_string(),
        deadline: order.deadline().map(|height| height.0),
        offered: known.steps.first().map_or(0, |step| step.height.0),
    }
}

pub(super) async fn orders(State(app): State<Arc<App>>, Args(filter): Args<Filter>) -> Result<Json<Orders>, ApiError> {
    let limit = limit(filter.limit, PAGE, MOST)?;
    let account = filter.account.as_deref().map(account).transpose()?;
    let listing = filter.listing.as_deref().map(digest).transpose()?.map(ListingId);
    let known: Vec<OrderRow> = app.index(|index| {
        let fits = |row: &&OrderRow| listing.is_none_or(|listing| listing == row.listing);
        index.orders().all().iter().rev().filter(fits).cloned().collect()
    });
    let found = known.iter().filter_map(|row| Some((row, read_order(&app.view, &row.id)?)));
    let found = found
        .filter(|(_, order)| account.is_none_or(|account| [order.buyer(), order.seller()].contains(&account)))
        .filter(|(_, order)| filter.state.as_deref().is_none_or(|state| state == word(order.state())));
    let mut orders: Vec<_> =
        found.skip(filter.offset).take(limit + 1).map(|(known, order)| row(&app, known, &order)).collect();
    let more = orders.len() > limit;
    orders.truncate(limit);
    Ok(Json(Orders { orders, offset: filter.offset, more }))
}

pub(super) async fn order(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Full>, ApiError> {
    let id = OrderId(digest(&id)?);
    let missing = || ApiError::NotFound("there is no such order".to_owned());
    let height = app.view.height().0;
    let order = read_order(&app.view, &id).ok_or_else(missing)?;
    let known = app.index(|index| index.orders().get(&id).cloned()).ok_or_else(missing)?;
    let terms = order.terms();
    let drawn =
        |slot: &cpchain_market::escrow::Slot| Drawn { proxy: slot.proxy().to_string(), posted: slot.has_posted() };
    let happened = |step: &crate::Step| Happened {
        event: step.event,
        height: step.height.0,
        index: step.index,
        sender: step.sender.map(|sender| sender.to_string()),
        transaction: step.transaction.map(|id| id.to_string()),
    };
    let locked = order.locked().into_iter().filter(|(party, ..)| *party == order.buyer());
    let locked = locked.fold(Amount::ZERO, |sum, (.., amount)| sum.checked_add(amount).unwrap_or(sum));
    Ok(Json(Full {
        revision: terms.revision.to_string(),
        stream: order.stream().to_string(),
        manifest: terms.manifest.to_string(),
        leaf_root: terms.leaf_root.to_string(),
        leaf_count: terms.leaf_count,
        fee: terms.fee.0.to_string(),
        bond: terms.bond.0.to_string(),
        locked: locked.0.to_string(),
        buyer_key: hex::encode(&terms.buyer_key),
        threshold: terms.threshold,
        proxies: terms.proxies,
        drawn: order.slots().iter().map(drawn).collect(),
        nodes: order.nodes().len(),
        timeline: known.steps.iter().map(happened).collect(),
        height,
        row: row(&app, &known, &order),
    }))
}

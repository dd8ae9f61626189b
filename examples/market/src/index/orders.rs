//! Orders and what happened to each.

use std::collections::HashMap;

use cpchain_consensus::{
    Height,
    ledger::{Event as LedgerEvent, TransactionId},
};
use cpchain_crypto::PublicKey;
use cpchain_examples::adapters::chain::EscrowNotice;
use cpchain_market::{
    escrow::{Command, Complaint, Event, OrderId},
    listing::ListingId,
};

/// One thing that happened to an order.
#[derive(Debug, Clone)]
pub struct Step {
    /// The block.
    pub height: Height,
    /// The event in that block.
    pub index: u32,
    /// Who signed it; `None` when a deadline passed.
    pub sender: Option<PublicKey>,
    /// What it was: `offer`, `accept`, `grant`, ...
    pub event: &'static str,
    /// The transaction.
    pub transaction: Option<TransactionId>,
}

/// An order as its events tell it; its state is read from the ledger.
#[derive(Debug, Clone)]
pub struct OrderRow {
    /// Its id.
    pub id: OrderId,
    /// The listing that it is for.
    pub listing: ListingId,
    /// Who offered.
    pub buyer: PublicKey,
    /// What happened, in order.
    pub steps: Vec<Step>,
}

/// All orders, in the order of their offers.
#[derive(Debug, Default)]
pub struct Orders {
    rows: Vec<OrderRow>,
    by_id: HashMap<OrderId, usize>,
}

impl Orders {
    /// All, oldest offer first.
    pub fn all(&self) -> &[OrderRow] {
        &self.rows
    }

    /// One of them.
    pub fn get(&self, id: &OrderId) -> Option<&OrderRow> {
        self.rows.get(*self.by_id.get(id)?)
    }

    pub(super) fn add(&mut self, event: &LedgerEvent) {
        let Some(notice) = EscrowNotice::from_bytes(&event.data) else { return };
        let Some(name) = name(notice.command.as_ref()) else { return };
        if let Some(Command::Offer(terms)) = &notice.command {
            self.by_id.insert(notice.order, self.rows.len());
            let (id, listing, buyer) = (notice.order, terms.listing, notice.sender);
            self.rows.push(OrderRow { id, listing, buyer, steps: Vec::new() });
        }
        let row = self.by_id.get(&notice.order).and_then(|place| self.rows.get_mut(*place));
        if let Some(row) = row {
            row.steps.push(Step {
                height: event.height,
                index: event.index,
                sender: notice.command.as_ref().map(|_| notice.sender),
                event: name,
                transaction: event.transaction,
            });
        }
    }
}

/// `None` for what happens to orders of streams, which have a table of their own.
fn name(command: Option<&Command>) -> Option<&'static str> {
    Some(match command {
        None => "deadline",
        Some(Command::Offer(_)) => "offer",
        Some(Command::OfferStream(_) | Command::Stream { .. }) => return None,
        Some(Command::Event { event, .. }) => match event {
            Event::Cancel => "cancel",
            Event::Accept { .. } => "accept",
            Event::Grant { .. } => "grant",
            Event::Fragments(_) => "fragments",
            Event::BadGrant { .. } => "bad_grant",
            Event::Confirm => "confirm",
            Event::Complain(complaint) => match complaint.as_ref() {
                Complaint::BadLeaf { .. } => "complain_leaf",
                Complaint::BadKey { .. } => "complain_key",
            },
        },
    })
}

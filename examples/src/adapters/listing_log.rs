//! The chain as a market's log of listing operations.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use cpchain_consensus::{self as consensus, ledger::LedgerView};
use cpchain_market::{
    Cursor, Height, ListingLog, LogEntry, LogError, Origin, Page,
    listing::{RevisionId, SignedOperation},
};
use tokio::runtime::Handle;

use super::{
    ChainClient,
    chain::{EscrowModule, ListingModule, record_of},
};

type EscrowKind = EscrowModule<()>;

/// Most events in one reading.
const PAGE: usize = 1000;

/// Reads the listing events of a node's ledger, and submits operations through it. Blocking: use it off the runtime's own threads.
pub struct ChainListingLog {
    client: ChainClient,
    runtime: Handle,
    places: Mutex<Places>,
}

/// Where operations stand, as far as the log has been read.
#[derive(Default)]
struct Places {
    next: consensus::ledger::Cursor,
    by_id: HashMap<RevisionId, Cursor>,
}

impl ChainListingLog {
    /// A log over a node; `client` pays for the operations that are appended.
    pub fn new(client: ChainClient, runtime: Handle) -> Self {
        Self { client, runtime, places: Mutex::default() }
    }

    fn view(&self) -> &LedgerView {
        self.client.view()
    }
}

fn outward(cursor: consensus::ledger::Cursor) -> Cursor {
    Cursor { height: Height(cursor.height.0), index: cursor.index }
}

fn inward(cursor: Cursor) -> consensus::ledger::Cursor {
    consensus::ledger::Cursor { height: consensus::Height(cursor.height.0), index: cursor.index }
}

fn unavailable<E: ToString>(error: E) -> LogError {
    LogError::Unavailable(error.to_string())
}

impl ListingLog for ChainListingLog {
    fn append(&self, operation: &SignedOperation) -> Result<(), LogError> {
        let payload = operation.as_bytes().to_vec().into();
        self.runtime.block_on(self.client.submit(ListingModule::KIND, payload)).map(drop).map_err(unavailable)
    }

    fn position(&self, id: RevisionId) -> Result<Option<Cursor>, LogError> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let page = self.view().events(Some(ListingModule::KIND), places.next, PAGE).map_err(unavailable)?;
            if page.next == places.next {
                return Ok(places.by_id.get(&id).copied());
            }
            for event in &page.events {
                let at = Cursor { height: Height(event.height.0), index: event.index };
                if let Ok(operation) = SignedOperation::from_bytes(&event.data) {
                    places.by_id.entry(operation.id()).or_insert(at);
                }
            }
            places.next = page.next;
        }
    }

    fn tip(&self) -> Result<Height, LogError> {
        Ok(Height(self.view().height().0))
    }

    fn read(&self, from: Cursor, limit: usize) -> Result<Page, LogError> {
        read_listing_log(self.view(), from, limit)
    }
}

/// A stretch of the listing log as a node's ledger has it: operations, and the records of the listing and escrow modules, which tell how
/// orders ended and what previews were drawn.
///
/// # Errors
/// [`LogError::Unavailable`] if the node keeps no events that old.
pub fn read_listing_log(view: &LedgerView, from: Cursor, limit: usize) -> Result<Page, LogError> {
    let page = view.events(None, inward(from), limit).map_err(unavailable)?;
    let entries = page.events.iter().filter_map(|event| {
        let at = Cursor { height: Height(event.height.0), index: event.index };
        let own = event.kind == ListingModule::KIND || event.kind == EscrowKind::KIND;
        match record_of(&event.data).filter(|_| own) {
            Some(record) => Some(LogEntry { at, origin: Origin::Chain, bytes: record.to_vec() }),
            None if event.kind == ListingModule::KIND => {
                Some(LogEntry { at, origin: Origin::Party, bytes: event.data.to_vec() })
            }
            None => None,
        }
    });
    Ok(Page { entries: entries.collect(), next: outward(page.next) })
}

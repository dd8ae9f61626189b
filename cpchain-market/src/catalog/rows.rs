//! The rows and the cursor, in sled.
//!
//! Rows and cursor change in one batch. Beside the cursor stand two fingerprints, the XOR of a hash of each listing's row, and of each row
//! of the book: when the files are opened they are computed again, so that rows which sled lost or changed in a crash are noticed and the log is read anew.

use std::{
    collections::BTreeSet,
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

use cpchain_crypto::{Digest, Domain};

use super::{CatalogError, Entry};
use crate::{
    book::{Fact, FactError, FactKey},
    listing::{ListingId, Operation, SignedOperation},
    log::Cursor,
    units::Height,
};

const ROW: Domain = Domain::new("cpchain/market/catalog-row/v2");
const ALL: Domain = Domain::new("cpchain/market/catalog/v2");
const STATE: &[u8] = b"state/v2";
const ROWS: u8 = b'r';
const BOOK: u8 = b'b';
const PLACE: usize = 12;
/// Bytes of rows that sled keeps in memory.
const CACHE: u64 = 64 << 20;

pub(super) struct Rows {
    path: PathBuf,
    db: sled::Db,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct State {
    cursor: Cursor,
    fingerprint: Digest,
    book: Digest,
}

impl Rows {
    /// Opens the rows at `path`; what is damaged is thrown away, and the cursor is at the start then.
    pub(super) fn open(path: &Path) -> Result<Self, CatalogError> {
        match open_db(path).and_then(|db| Ok((check(&db)?, db))) {
            Ok((state, db)) => Ok(Self { path: path.to_owned(), db, state }),
            Err(error @ CatalogError::Io(_)) => Err(error),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "the catalogue's rows are thrown away");
                wipe(path)?;
                Ok(Self { path: path.to_owned(), db: open_db(path)?, state: State::default() })
            }
        }
    }

    pub(super) const fn cursor(&self) -> Cursor {
        self.state.cursor
    }

    /// Changes exactly when a listing's row does.
    pub(super) const fn fingerprint(&self) -> Digest {
        self.state.fingerprint
    }

    pub(super) fn get(&self, id: ListingId) -> Result<Option<Entry>, CatalogError> {
        self.db.get(key(id)).map_err(failed)?.map(|value| entry(id, &value)).transpose()
    }

    /// Tells which listings were there before.
    pub(super) fn apply(
        &mut self,
        entries: &[Entry],
        facts: &[(FactKey, Fact)],
        next: Cursor,
    ) -> Result<BTreeSet<ListingId>, CatalogError> {
        let mut replaced = BTreeSet::new();
        let mut state = State { cursor: next, ..self.state };
        let mut batch = sled::Batch::default();
        for entry in entries {
            let id = entry.operation.listing_id();
            let value = value(entry);
            if let Some(old) = self.db.get(key(id)).map_err(failed)? {
                state.fingerprint = xor(state.fingerprint, row_hash(&key(id), &old));
                replaced.insert(id);
            }
            state.fingerprint = xor(state.fingerprint, row_hash(&key(id), &value));
            batch.insert(&key(id)[..], value);
        }
        for (key, fact) in facts {
            let (key, value) = (book_key(&key.to_bytes()), fact.to_bytes());
            if let Some(old) = self.db.get(&key).map_err(failed)? {
                state.book = xor(state.book, row_hash(&key, &old));
            }
            state.book = xor(state.book, row_hash(&key, &value));
            batch.insert(key, value);
        }
        batch.insert(STATE, [place(state.cursor).as_slice(), &state.fingerprint.0, &state.book.0].concat());
        self.db.apply_batch(batch).map_err(failed)?;
        self.db.flush().map_err(failed)?;
        self.state = state;
        Ok(replaced)
    }

    pub(super) fn fact(&self, key: &FactKey) -> Result<Option<Fact>, CatalogError> {
        let value = self.db.get(book_key(&key.to_bytes())).map_err(failed)?;
        value.map(|value| Fact::from_bytes(key, &value).map_err(unreadable)).transpose()
    }

    pub(super) fn facts(
        &self,
        prefix: &[u8],
        after: Option<FactKey>,
        limit: usize,
    ) -> Result<Vec<(FactKey, Fact)>, CatalogError> {
        let prefix = book_key(prefix);
        let from = after.map_or(Bound::Included(prefix.clone()), |key| Bound::Excluded(book_key(&key.to_bytes())));
        let mut found = Vec::new();
        for row in self.db.range((from, Bound::Unbounded)).take(limit) {
            let (key, value) = row.map_err(failed)?;
            if !key.starts_with(&prefix) {
                break;
            }
            let key = FactKey::from_bytes(key.get(1..).unwrap_or_default()).map_err(unreadable)?;
            found.push((key, Fact::from_bytes(&key, &value).map_err(unreadable)?));
        }
        Ok(found)
    }

    /// What all rows say, in order of id. Signatures are not checked again: every row was verified before it was written, the
    /// fingerprint tells that it is the same, and whoever is shown a row reads it by [`get`](Self::get).
    pub(super) fn operations(&self) -> impl Iterator<Item = Result<(ListingId, Operation), CatalogError>> {
        self.db.scan_prefix([ROWS]).map(|row| {
            let (key, value) = row.map_err(failed)?;
            let bytes = value.get(PLACE..).ok_or_else(|| broken("a row is cut"))?;
            let operation = Operation::read(bytes).map_err(|error| CatalogError::Broken(error.to_string()))?;
            Ok((id_of(&key)?, operation))
        })
    }

    pub(super) fn digest(&self) -> Result<Digest, CatalogError> {
        let mut all = Vec::new();
        for prefix in [ROWS, BOOK] {
            for row in self.db.scan_prefix([prefix]) {
                let (key, value) = row.map_err(failed)?;
                all.extend_from_slice(&row_hash(&key, &value).0);
            }
        }
        Ok(Digest::of(ALL, &[&all]))
    }

    pub(super) fn reset(&mut self) -> Result<(), CatalogError> {
        self.db.clear().map_err(failed)?;
        self.db.flush().map_err(failed)?;
        self.state = State::default();
        tracing::info!(path = %self.path.display(), "the catalogue's rows are empty");
        Ok(())
    }
}

fn open_db(path: &Path) -> Result<sled::Db, CatalogError> {
    // sled may panic on files that it does not understand, and gives its own lock back some time after it is dropped.
    let mut last = CatalogError::Io("sled did not open".into());
    for _ in 0..50 {
        match catch_unwind(AssertUnwindSafe(|| {
            sled::Config::new().path(path).cache_capacity(CACHE).flush_every_ms(None).open()
        })) {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(sled::Error::Io(error))) if error.to_string().contains("lock") => {
                last = CatalogError::Io(error.to_string());
            }
            // Any other error while opening is one of the files: lost or garbled ones show as I/O errors too.
            Ok(Err(sled::Error::Io(error))) => return Err(CatalogError::Broken(error.to_string())),
            Ok(Err(error)) => return Err(failed(error)),
            Err(_) => return Err(CatalogError::Broken("sled panicked while it opened its files".into())),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(last)
}

/// Reads the state and compares the fingerprint with the rows that are there.
fn check(db: &sled::Db) -> Result<State, CatalogError> {
    let state = match db.get(STATE).map_err(failed)? {
        None => State::default(),
        Some(bytes) => {
            let (place, fingerprints) = bytes.split_at_checked(PLACE).ok_or_else(|| broken("its state is cut"))?;
            let (rows, book) = fingerprints.split_at_checked(32).ok_or_else(|| broken("its state is cut"))?;
            State {
                cursor: cursor(place).ok_or_else(|| broken("its cursor is cut"))?,
                fingerprint: Digest::from_slice(rows).ok_or_else(|| broken("its fingerprint is cut"))?,
                book: Digest::from_slice(book).ok_or_else(|| broken("its fingerprint is cut"))?,
            }
        }
    };
    let mut found = [Digest::ZERO; 2];
    for (found, prefix) in found.iter_mut().zip([ROWS, BOOK]) {
        for row in db.scan_prefix([prefix]) {
            let (key, value) = row.map_err(failed)?;
            *found = xor(*found, row_hash(&key, &value));
        }
    }
    if found == [state.fingerprint, state.book] {
        Ok(state)
    } else {
        Err(broken("its rows are not those that were written"))
    }
}

pub(super) fn wipe(path: &Path) -> Result<(), CatalogError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(CatalogError::Io(error.to_string())),
        _ => Ok(()),
    }
}

fn failed(error: sled::Error) -> CatalogError {
    match error {
        sled::Error::Io(error) => CatalogError::Io(error.to_string()),
        other => CatalogError::Broken(other.to_string()),
    }
}

fn broken(reason: &str) -> CatalogError {
    CatalogError::Broken(reason.into())
}

fn key(id: ListingId) -> [u8; 33] {
    let mut key = [ROWS; 33];
    if let Some((_, rest)) = key.split_first_mut() {
        rest.copy_from_slice(&id.0.0);
    }
    key
}

fn id_of(key: &[u8]) -> Result<ListingId, CatalogError> {
    let id = key.split_first().and_then(|(_, id)| Digest::from_slice(id));
    id.map(ListingId).ok_or_else(|| broken("a row has no id"))
}

fn place(at: Cursor) -> [u8; PLACE] {
    let mut bytes = [0; PLACE];
    let (height, index) = bytes.split_at_mut(8);
    height.copy_from_slice(&at.height.0.to_be_bytes());
    index.copy_from_slice(&at.index.to_be_bytes());
    bytes
}

fn cursor(bytes: &[u8]) -> Option<Cursor> {
    let (height, index) = bytes.split_first_chunk::<8>()?;
    Some(Cursor { height: Height(u64::from_be_bytes(*height)), index: u32::from_be_bytes(index.try_into().ok()?) })
}

fn value(entry: &Entry) -> Vec<u8> {
    [place(entry.at).as_slice(), entry.operation.as_bytes()].concat()
}

/// The row, with its signature verified again.
fn entry(id: ListingId, value: &[u8]) -> Result<Entry, CatalogError> {
    let (place, bytes) = value.split_at_checked(PLACE).ok_or_else(|| broken("a row is cut"))?;
    let at = cursor(place).ok_or_else(|| broken("a row is cut"))?;
    let operation =
        SignedOperation::from_bytes(bytes).map_err(|error| CatalogError::Broken(format!("listing {id}: {error}")))?;
    if operation.listing_id() != id {
        return Err(broken("a row stands under another listing's id"));
    }
    Ok(Entry { operation, at })
}

fn book_key(key: &[u8]) -> Vec<u8> {
    [&[BOOK], key].concat()
}

fn row_hash(key: &[u8], value: &[u8]) -> Digest {
    Digest::of(ROW, &[key, value])
}

fn unreadable(error: FactError) -> CatalogError {
    CatalogError::Broken(error.to_string())
}

fn xor(mut a: Digest, b: Digest) -> Digest {
    a.0.iter_mut().zip(b.0).for_each(|(a, b)| *a ^= b);
    a
}

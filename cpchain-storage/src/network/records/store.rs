//! The door to a node's records, as libp2p-kad wants it.
//!
//! libp2p's own filter (`FilterBoth`) tells the sender of a refused record that it was stored. Here validation sits inside
//! the store instead, so that a refused record does not count as a copy at its sender, and no path around it exists, local
//! ones included. (The sender of libp2p-kad 0.49 learns of a refusal by its step time-out.)

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io,
    ops::Bound,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cpchain_crypto::Digest;
use libp2p::{
    PeerId,
    kad::{
        ProviderRecord, Record, RecordKey as KadKey,
        store::{Error, RecordStore, Result},
    },
};

use super::{
    index::{Index, Point, Slot, seconds, tag},
    quota::{Limits, OWN, Quota, Share},
    shelf::{MemoryShelf, Place, RecordShelf, Tenant},
};
use crate::network::{
    clock::now_ms,
    meter,
    record::{RecordError, SignedRecord, dht_key, from_dht_key},
};

/// Validated records on a shelf.
pub(crate) struct ValidatedStore {
    clock: fn() -> u64,
    shelf: Box<dyn RecordShelf>,
    index: Index,
    quota: Quota,
    /// No record expires before this second.
    first_expiry_s: u32,
    /// Who is sending right now: set by those who know before each message is handled.
    pub(crate) origin: u32,
    /// What became of the records that were sent since this was last looked at.
    pub(crate) refused: Vec<RecordError>,
}

impl ValidatedStore {
    /// A store that takes over what is on a shelf.
    pub(crate) fn load(limits: Limits, shelf: Box<dyn RecordShelf>) -> io::Result<Self> {
        Self::load_at(limits, shelf, now_ms)
    }

    /// A store for one that only reads.
    pub(crate) fn nothing() -> Self {
        Self::empty(Limits { records: 0, bytes: 0 }, Box::<MemoryShelf>::default(), now_ms)
    }

    fn empty(limits: Limits, shelf: Box<dyn RecordShelf>, clock: fn() -> u64) -> Self {
        Self {
            clock,
            shelf,
            index: BTreeMap::new(),
            quota: Quota::new(limits),
            first_expiry_s: u32::MAX,
            origin: OWN,
            refused: Vec::new(),
        }
    }

    fn load_at(limits: Limits, mut shelf: Box<dyn RecordShelf>, clock: fn() -> u64) -> io::Result<Self> {
        let mut store = Self::empty(limits, Box::<MemoryShelf>::default(), clock);
        let mut freed = Vec::new();
        let loaded = shelf.load(&mut |place, origin, bytes| {
            // Checked when it came in, and whole; readers verify the signature in any case.
            let Ok(record) = SignedRecord::decode_known(bytes.clone()) else {
                return freed.push((place, bytes.len()));
            };
            let point = Point::of(&record.key().digest());
            let slot = store.slot(&record, &bytes, origin, place);
            if slot.expires_s <= seconds(clock()) {
                return freed.push((place, bytes.len()));
            }
            match store.index.get(&point).copied() {
                // The later one counts: it was let in over the earlier, or is its copy of a clean-up.
                Some(known) => {
                    freed.push((known.place, usize::from(known.length)));
                    store.forget(point);
                    store.keep(point, slot);
                }
                None if store.quota.check(slot.owner, slot.origin, false, bytes.len() as u64).is_ok() => {
                    store.keep(point, slot);
                }
                // The room was made smaller.
                None => freed.push((place, bytes.len())),
            }
        })?;
        for (place, length) in freed {
            shelf.free(place, length);
        }
        if loaded.damaged_bytes > 0 {
            tracing::warn!(
                bytes = loaded.damaged_bytes,
                "part of the record log is damaged; neighbours will refill it"
            );
        }
        store.shelf = shelf;
        Ok(store)
    }

    /// Takes a record in, or says why not. Taking in what is known already is fine.
    pub(crate) fn insert(&mut self, key: Digest, value: Vec<u8>, origin: u32) -> std::result::Result<(), RecordError> {
        self.enter(key, value, origin).inspect_err(|_| meter::count("cpchain_storage_records_refused_total", 1))
    }

    fn enter(&mut self, digest: Digest, value: Vec<u8>, origin: u32) -> std::result::Result<(), RecordError> {
        let now = (self.clock)();
        let point = Point::of(&digest);
        let known = self.index.get(&point).copied().filter(|slot| slot.expires_s > seconds(now));
        let value = Bytes::from(value);
        if known.is_some_and(|known| known.tag == tag(&value)) {
            return Ok(());
        }
        let record = SignedRecord::decode(value.clone(), now)?;
        if record.key().digest() != digest {
            return Err(RecordError::WrongKey);
        }
        if let Some(known) = known
            && let Some(old) = self.read(known)
            && !record.supersedes(&old)
        {
            return Err(RecordError::Stale { known: old.sequence() });
        }
        self.check_room(&record, value.len(), origin, now)?;
        // It stays on the account of the network that brought it first.
        let origin = self.index.get(&point).map_or(origin, |slot| slot.origin);
        let place = self.shelf.add(origin, &value).map_err(|error| {
            tracing::error!(%error, "a record could not be written");
            RecordError::NoRoom(Share::Node)
        })?;
        let slot = self.slot(&record, &value, origin, place);
        self.remove_at(point);
        self.keep(point, slot);
        Ok(())
    }

    fn check_room(
        &mut self,
        record: &SignedRecord,
        length: usize,
        origin: u32,
        now: u64,
    ) -> std::result::Result<(), RecordError> {
        let owner = self.quota.owner(&record.owner());
        let point = Point::of(&record.key().digest());
        let check = |store: &Self| {
            let known = store.index.get(&point);
            let grown = length.saturating_sub(known.map_or(0, |slot| usize::from(slot.length)));
            let origin = known.map_or(origin, |slot| slot.origin);
            store.quota.check(owner, origin, known.is_some(), grown as u64)
        };
        if check(self).is_err() && self.first_expiry_s <= seconds(now) {
            self.drop_expired(now);
        }
        check(self).map_err(RecordError::NoRoom)
    }

    fn slot(&self, record: &SignedRecord, encoded: &[u8], origin: u32, place: Place) -> Slot {
        Slot {
            place,
            tag: tag(encoded),
            owner: self.quota.owner(&record.owner()),
            origin,
            expires_s: seconds(record.expires_ms()),
            length: u16::try_from(encoded.len()).unwrap_or(u16::MAX),
            spread: false,
        }
    }

    fn keep(&mut self, point: Point, slot: Slot) {
        self.quota.take(slot.owner, slot.origin, u64::from(slot.length));
        self.first_expiry_s = self.first_expiry_s.min(slot.expires_s);
        self.index.insert(point, slot);
    }

    fn forget(&mut self, point: Point) -> Option<Slot> {
        let slot = self.index.remove(&point)?;
        self.quota.give_back(slot.owner, slot.origin, u64::from(slot.length));
        Some(slot)
    }

    fn remove_at(&mut self, point: Point) {
        if let Some(slot) = self.forget(point) {
            self.shelf.free(slot.place, usize::from(slot.length));
        }
    }

    /// Forgets what has expired.
    pub(crate) fn drop_expired(&mut self, now: u64) {
        let now = seconds(now);
        let expired: Vec<_> =
            self.index.iter().filter(|(_, slot)| slot.expires_s <= now).map(|(point, _)| *point).collect();
        for point in expired {
            self.remove_at(point);
        }
        self.first_expiry_s = self.index.values().map(|slot| slot.expires_s).min().unwrap_or(u32::MAX);
    }

    fn read(&self, slot: Slot) -> Option<SignedRecord> {
        let bytes = self.shelf.get(slot.place).unwrap_or_else(|error| {
            tracing::error!(%error, "a record could not be read");
            None
        })?;
        SignedRecord::decode_known(bytes).ok()
    }

    /// The record under a key, if it is here, whole and alive.
    fn live(&self, key: &[u8]) -> Option<SignedRecord> {
        let digest = from_dht_key(key)?;
        let record = self.record_at(Point::of(&digest))?;
        (record.key().digest() == digest).then_some(record)
    }

    /// The live record at a point.
    pub(crate) fn record_at(&self, point: Point) -> Option<SignedRecord> {
        let record = self.read(*self.index.get(&point)?)?;
        (record.expires_ms() > (self.clock)()).then_some(record)
    }

    /// The first live records from a point on: their points and tags, and whether a neighbour has just spread them.
    pub(crate) fn from(&self, from: Bound<Point>) -> impl Iterator<Item = (Point, u64, bool)> {
        let now = seconds((self.clock)());
        let range = self.index.range((from, Bound::Unbounded));
        range.filter(move |(_, slot)| slot.expires_s > now).map(|(point, slot)| (*point, slot.tag, slot.spread))
    }

    /// Is this version of the record at a point here? Notes that the record is being spread.
    pub(crate) fn has_version(&mut self, point: Point, tag: u64) -> bool {
        let now = seconds((self.clock)());
        let Some(slot) = self.index.get_mut(&point).filter(|slot| slot.expires_s > now) else { return false };
        let same = slot.tag == tag;
        slot.spread |= same;
        same
    }

    /// The next sweep does not pass this record over.
    pub(crate) fn due(&mut self, point: Point) {
        if let Some(slot) = self.index.get_mut(&point) {
            slot.spread = false;
        }
    }

    /// Forgets a record that others keep now.
    pub(crate) fn let_go(&mut self, point: Point) {
        self.remove_at(point);
    }

    /// Records, their bytes, and the bytes that they take on the shelf.
    pub(crate) fn size(&self) -> (u64, u64, u64) {
        (self.index.len() as u64, self.quota.bytes(), self.shelf.bytes())
    }

    /// What a node does every second: a bounded clean-up. Returns work that is to be done beside its task.
    pub(crate) fn tidy(&mut self) -> Option<Box<dyn FnOnce() -> io::Result<()> + Send>> {
        let now = (self.clock)();
        if self.first_expiry_s.saturating_add(60) <= seconds(now) {
            self.drop_expired(now);
        }
        if let Err(error) = self.shelf.tidy(&mut Living(&mut self.index)) {
            tracing::error!(%error, "the record log could not be cleaned up");
        }
        self.shelf.sync()
    }

    fn to_kad(&self, record: &SignedRecord) -> Record {
        let left = record.expires_ms().saturating_sub((self.clock)());
        Record {
            key: dht_key(&record.key().digest()),
            value: record.to_bytes().to_vec(),
            publisher: None,
            expires: Instant::now().checked_add(Duration::from_millis(left)),
        }
    }
}

struct Living<'a>(&'a mut Index);

impl Tenant for Living<'_> {
    fn lives_at(&self, record: &[u8], place: Place) -> bool {
        point_of(record).and_then(|point| self.0.get(&point)).is_some_and(|slot| slot.place == place)
    }

    fn moved(&mut self, record: &[u8], to: Place) {
        if let Some(slot) = point_of(record).and_then(|point| self.0.get_mut(&point)) {
            slot.place = to;
        }
    }
}

fn point_of(record: &[u8]) -> Option<Point> {
    let record = SignedRecord::decode_known(Bytes::copy_from_slice(record)).ok()?;
    Some(Point::of(&record.key().digest()))
}

impl RecordStore for ValidatedStore {
    type RecordsIter<'a> = Box<dyn Iterator<Item = Cow<'a, Record>> + 'a>;
    type ProvidedIter<'a> = std::iter::Empty<Cow<'a, ProviderRecord>>;

    fn get(&self, key: &KadKey) -> Option<Cow<'_, Record>> {
        self.live(key.as_ref()).map(|record| Cow::Owned(self.to_kad(&record)))
    }

    fn put(&mut self, record: Record) -> Result<()> {
        let inserted = match from_dht_key(record.key.as_ref()) {
            Some(key) => self.insert(key, record.value, self.origin),
            None => Err(RecordError::WrongKey),
        };
        inserted.map_err(|why| {
            tracing::debug!(%why, "record refused");
            self.refused.push(why);
            // The interface knows two reasons; the sender sees a reset substream for both.
            Error::ValueTooLarge
        })
    }

    fn remove(&mut self, key: &KadKey) {
        if let Some(digest) = from_dht_key(key.as_ref()) {
            self.remove_at(Point::of(&digest));
        }
    }

    fn records(&self) -> Self::RecordsIter<'_> {
        let live = self.from(Bound::Unbounded).filter_map(|(point, ..)| self.record_at(point));
        Box::new(live.map(|record| Cow::Owned(self.to_kad(&record))))
    }

    fn add_provider(&mut self, _: ProviderRecord) -> Result<()> {
        Err(Error::MaxProvidedKeys)
    }

    fn providers(&self, _: &KadKey) -> Vec<ProviderRecord> {
        Vec::new()
    }

    fn provided(&self) -> Self::ProvidedIter<'_> {
        std::iter::empty()
    }

    fn remove_provider(&mut self, _: &KadKey, _: &PeerId) {}
}

#[cfg(test)]
#[path = "store_test.rs"]
mod tests;

//! The records that a node keeps: validated at the only door, bounded, gone when they expire.
//!
//! libp2p's own filter (`FilterBoth`) tells the sender of a refused record that it was stored. Here validation sits inside
//! the store instead, so that a refused record does not count as a copy at its sender, and no path around it exists, local
//! ones included. (The sender of libp2p-kad 0.49 learns of a refusal by its step time-out.)
//!
//! | rule | test |
//! | --- | --- |
//! | Nothing enters that [`SignedRecord::decode`] refuses, that lies under another key, or that is stale | `only_valid_and_newer_records_enter` |
//! | At most so many records; the furthest from the node goes first | `the_furthest_record_makes_room` |
//! | Expired records are neither read nor counted | `expired_records_are_gone` |
//! | Provider records are not kept | `provider_records_are_refused` |

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use cpchain_crypto::{Digest, PublicKey};
use libp2p::{
    PeerId,
    kad::{
        ProviderRecord, Record, RecordKey as KadKey,
        store::{Error, RecordStore, Result},
    },
};

use super::{
    clock::now_ms,
    record::{RecordError, SignedRecord},
};

/// Validated records by their key.
pub(crate) struct ValidatedStore {
    node: PublicKey,
    capacity: usize,
    clock: fn() -> u64,
    records: HashMap<Digest, SignedRecord>,
    /// The same records by their distance from the node.
    by_distance: BTreeMap<[u8; 32], Digest>,
}

impl ValidatedStore {
    /// An empty store of a node, for at most `capacity` records (0 for one that only reads).
    pub(crate) fn new(node: PublicKey, capacity: usize) -> Self {
        Self { node, capacity, clock: now_ms, records: HashMap::new(), by_distance: BTreeMap::new() }
    }

    /// Takes a record in, or says why not. Taking in what is known already is fine.
    pub(crate) fn insert(&mut self, key: &[u8], value: Vec<u8>) -> std::result::Result<(), RecordError> {
        let now = (self.clock)();
        let record = SignedRecord::decode(value, now)?;
        let digest = record.key().digest();
        if digest.as_bytes() != key {
            return Err(RecordError::WrongKey);
        }
        if let Some(known) = self.records.get(&digest)
            && known.expires_ms() > now
        {
            if *known == record {
                return Ok(());
            }
            if !record.supersedes(known) {
                return Err(RecordError::Stale { known: known.sequence() });
            }
        }
        self.by_distance.insert(distance(&self.node, &digest), digest);
        self.records.insert(digest, record);
        if self.records.len() > self.capacity {
            self.drop_expired(now);
        }
        while self.records.len() > self.capacity {
            let Some((_, furthest)) = self.by_distance.pop_last() else { break };
            self.records.remove(&furthest);
        }
        Ok(())
    }

    fn drop_expired(&mut self, now: u64) {
        self.records.retain(|_, record| record.expires_ms() > now);
        self.by_distance.retain(|_, digest| self.records.contains_key(digest));
    }

    /// Is a record under this key here and alive?
    fn live(&self, key: &[u8]) -> Option<&SignedRecord> {
        let record = self.records.get(&Digest::from_slice(key)?)?;
        (record.expires_ms() > (self.clock)()).then_some(record)
    }

    fn to_kad(&self, record: &SignedRecord) -> Record {
        let left = record.expires_ms().saturating_sub((self.clock)());
        Record {
            key: KadKey::new(record.key().digest().as_bytes()),
            value: record.to_bytes().to_vec(),
            publisher: None,
            expires: Instant::now().checked_add(Duration::from_millis(left)),
        }
    }
}

impl RecordStore for ValidatedStore {
    type RecordsIter<'a> = Box<dyn Iterator<Item = Cow<'a, Record>> + 'a>;
    type ProvidedIter<'a> = std::iter::Empty<Cow<'a, ProviderRecord>>;

    fn get(&self, key: &KadKey) -> Option<Cow<'_, Record>> {
        self.live(key.as_ref()).map(|record| Cow::Owned(self.to_kad(record)))
    }

    fn put(&mut self, record: Record) -> Result<()> {
        self.insert(record.key.as_ref(), record.value).map_err(|why| {
            tracing::debug!(%why, "record refused");
            // The interface knows two reasons; the sender sees a reset substream for both.
            Error::ValueTooLarge
        })
    }

    fn remove(&mut self, key: &KadKey) {
        if let Some(digest) = Digest::from_slice(key.as_ref()) {
            self.records.remove(&digest);
            self.by_distance.remove(&distance(&self.node, &digest));
        }
    }

    fn records(&self) -> Self::RecordsIter<'_> {
        let now = (self.clock)();
        let live = self.records.values().filter(move |record| record.expires_ms() > now);
        Box::new(live.map(|record| Cow::Owned(self.to_kad(record))))
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

/// How far a record is from a node: XOR of both hashes.
fn distance(node: &PublicKey, key: &Digest) -> [u8; 32] {
    let node = Digest::content(&node.0);
    std::array::from_fn(|i| node.0.get(i).unwrap_or(&0) ^ key.0.get(i).unwrap_or(&0))
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::SigningKey;

    use super::*;
    use crate::network::record::RecordKind;

    fn store(capacity: usize) -> ValidatedStore {
        ValidatedStore { clock: || 1000, ..ValidatedStore::new(PublicKey([7; 32]), capacity) }
    }

    fn sign(seed: u8, name: &[u8], sequence: u64, expires: u64) -> SignedRecord {
        let owner = SigningKey::from_seed(&[seed; 32]);
        SignedRecord::sign(&owner, RecordKind::ManifestHead, name, sequence, expires, b"body".to_vec()).unwrap()
    }

    fn put(store: &mut ValidatedStore, record: &SignedRecord) -> std::result::Result<(), RecordError> {
        store.insert(record.key().digest().as_bytes(), record.to_bytes().to_vec())
    }

    #[test]
    fn only_valid_and_newer_records_enter() {
        let mut store = store(10);
        let second = sign(1, b"n", 2, 2000);
        assert_eq!(put(&mut store, &second), Ok(()));
        assert_eq!(put(&mut store, &second), Ok(()));
        assert_eq!(put(&mut store, &sign(1, b"n", 1, 2000)), Err(RecordError::Stale { known: 2 }));
        assert_eq!(put(&mut store, &sign(1, b"m", 1, 1000)), Err(RecordError::Expired(1000)));
        let stranger = sign(2, b"n", 3, 2000);
        let foreign = second.key().digest();
        assert_eq!(store.insert(foreign.as_bytes(), stranger.to_bytes().to_vec()), Err(RecordError::WrongKey));
        let kad = |value| Record::new(KadKey::new(foreign.as_bytes()), value);
        assert!(store.put(kad(stranger.to_bytes().to_vec())).is_err());
        assert!(store.put(kad(vec![0; 100])).is_err());
        let third = sign(1, b"n", 3, 2000);
        assert!(store.put(kad(third.to_bytes().to_vec())).is_ok());
        let read = store.get(&KadKey::new(foreign.as_bytes())).unwrap().into_owned();
        assert_eq!(read.value, third.to_bytes());
        assert_eq!(store.records().count(), 1);
        store.remove(&read.key);
        assert!(store.get(&read.key).is_none() && store.by_distance.is_empty());
    }

    #[test]
    fn the_furthest_record_makes_room() {
        let mut store = store(3);
        let mut records: Vec<_> = (0..8u8).map(|n| sign(1, &[n], 1, 2000)).collect();
        for record in &records {
            put(&mut store, record).unwrap();
        }
        records.sort_by_key(|record| distance(&store.node, &record.key().digest()));
        assert_eq!((store.records.len(), store.by_distance.len()), (3, 3));
        for (rank, record) in records.iter().enumerate() {
            assert_eq!(store.live(record.key().digest().as_bytes()).is_some(), rank < 3);
        }
        // A store without room keeps nothing.
        let mut none = ValidatedStore { capacity: 0, ..store };
        put(&mut none, &sign(1, b"new", 1, 2000)).unwrap();
        assert!(none.records.is_empty() && none.by_distance.is_empty());
    }

    #[test]
    fn expired_records_are_gone() {
        let mut store = store(2);
        let (short, long) = (sign(1, b"short", 9, 1500), sign(1, b"long", 1, 3000));
        put(&mut store, &short).unwrap();
        put(&mut store, &long).unwrap();
        store.clock = || 2000;
        assert!(store.live(short.key().digest().as_bytes()).is_none());
        assert_eq!(store.records().count(), 1);
        // Its sequence number no longer binds, and it makes room before a live one does.
        put(&mut store, &sign(1, b"short", 1, 3000)).unwrap();
        put(&mut store, &sign(1, b"third", 1, 3000)).unwrap();
        assert_eq!(store.records.len(), 2);
    }

    #[test]
    fn provider_records_are_refused() {
        let mut store = store(2);
        let provider = ProviderRecord::new(KadKey::new(&[1; 32]), PeerId::random(), vec![]);
        assert!(store.add_provider(provider).is_err());
        assert_eq!((store.providers(&KadKey::new(&[1; 32])).len(), store.provided().count()), (0, 0));
    }
}

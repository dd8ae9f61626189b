use cpchain_crypto::SigningKey;

use super::{
    super::{log::RecordLog, shelf::Loaded},
    *,
};
use crate::network::record::{RecordKind, dht_key};

const ROOM: Limits = Limits { records: 160, bytes: 1 << 20 };

fn store(records: u64) -> ValidatedStore {
    ValidatedStore::load_at(Limits { records, ..ROOM }, Box::<MemoryShelf>::default(), || 1000).unwrap()
}

fn sign(seed: u64, name: &[u8], sequence: u64, expires: u64) -> SignedRecord {
    let mut secret = [7; 32];
    secret[..8].copy_from_slice(&seed.to_le_bytes());
    let owner = SigningKey::from_seed(&secret);
    SignedRecord::sign(&owner, RecordKind::ManifestHead, name, sequence, expires, b"body".to_vec()).unwrap()
}

fn put_from(store: &mut ValidatedStore, origin: u32, record: &SignedRecord) -> std::result::Result<(), RecordError> {
    store.insert(record.key().digest(), record.to_bytes().to_vec(), origin)
}

fn put(store: &mut ValidatedStore, record: &SignedRecord) -> std::result::Result<(), RecordError> {
    put_from(store, OWN, record)
}

fn has(store: &ValidatedStore, record: &SignedRecord) -> bool {
    store.live(dht_key(&record.key().digest()).as_ref()).as_ref() == Some(record)
}

#[test]
fn only_valid_and_newer_records_enter() {
    let mut store = store(160);
    let second = sign(1, b"n", 2, 9000);
    assert_eq!(put(&mut store, &second), Ok(()));
    assert_eq!(put(&mut store, &second), Ok(()));
    assert_eq!(put(&mut store, &sign(1, b"n", 1, 9000)), Err(RecordError::Stale { known: 2 }));
    assert_eq!(put(&mut store, &sign(1, b"m", 1, 1000)), Err(RecordError::Expired(1000)));
    let stranger = sign(2, b"n", 3, 9000);
    let foreign = second.key().digest();
    assert_eq!(store.insert(foreign, stranger.to_bytes().to_vec(), OWN), Err(RecordError::WrongKey));
    let kad = |value| Record::new(dht_key(&foreign), value);
    assert!(store.put(kad(stranger.to_bytes().to_vec())).is_err());
    assert!(store.put(kad(vec![0; 100])).is_err());
    assert_eq!(store.refused, [RecordError::WrongKey, RecordError::Malformed]);
    let third = sign(1, b"n", 3, 9000);
    assert!(store.put(kad(third.to_bytes().to_vec())).is_ok());
    let read = store.get(&dht_key(&foreign)).unwrap().into_owned();
    assert_eq!(read.value, third.to_bytes());
    assert_eq!(store.records().count(), 1);
    store.remove(&read.key);
    assert!(store.get(&read.key).is_none());
    assert_eq!(store.size(), (0, 0, 0));
}

#[test]
fn of_two_records_with_one_number_all_nodes_keep_the_same() {
    let owner = SigningKey::from_seed(&[1; 32]);
    let twin =
        |body: &[u8]| SignedRecord::sign(&owner, RecordKind::ManifestHead, b"n", 1, 9000, body.to_vec()).unwrap();
    let (one, two) = (twin(b"one"), twin(b"two"));
    let (mut first, mut second) = (store(160), store(160));
    let _ = (put(&mut first, &one), put(&mut first, &two), put(&mut second, &two), put(&mut second, &one));
    let kept = if one.supersedes(&two) { &one } else { &two };
    assert!(has(&first, kept) && has(&second, kept));
}

#[test]
fn a_flood_of_owners_pushes_nobody_out() {
    let mut store = store(160);
    let honest: Vec<_> = (0..5).map(|n| sign(n, b"honest", 1, 9000)).collect();
    for record in &honest {
        put_from(&mut store, 1, record).unwrap();
    }
    // New keys by the thousand, from every network there is.
    let mut taken = 0;
    for n in 0..2000 {
        taken += u64::from(put_from(&mut store, 2 + n as u32, &sign(1000 + n, b"flood", 1, 9000)).is_ok());
    }
    assert_eq!(taken, 155);
    assert_eq!(put_from(&mut store, 1, &sign(9, b"late", 1, 9000)), Err(RecordError::NoRoom(Share::Node)));
    assert!(honest.iter().all(|record| has(&store, record)));
    // Owners renew theirs in a full node.
    let renewed = sign(0, b"honest", 2, 9900);
    put_from(&mut store, 1, &renewed).unwrap();
    assert!(has(&store, &renewed));
}

#[test]
fn an_owner_has_a_share() {
    let mut store = store(160);
    let taken = (0..100u8).filter(|n| put(&mut store, &sign(1, &[*n], 1, 9000)).is_ok()).count();
    assert_eq!(taken, 10);
    assert_eq!(put(&mut store, &sign(1, b"more", 1, 9000)), Err(RecordError::NoRoom(Share::Owner)));
    assert_eq!(put(&mut store, &sign(2, b"other", 1, 9000)), Ok(()));
}

#[test]
fn an_owner_has_a_share_of_the_bytes() {
    let limits = Limits { records: 1000, bytes: 64_000 };
    let mut store = ValidatedStore::load_at(limits, Box::<MemoryShelf>::default(), || 1000).unwrap();
    let owner = SigningKey::from_seed(&[1; 32]);
    let large = |name: &[u8], sequence, length| {
        SignedRecord::sign(&owner, RecordKind::ManifestHead, name, sequence, 9000, vec![0; length]).unwrap()
    };
    assert_eq!(put(&mut store, &large(b"a", 1, 3000)), Ok(()));
    assert_eq!(put(&mut store, &large(b"b", 1, 3000)), Err(RecordError::NoRoom(Share::Owner)));
    // Nor by letting one record grow.
    assert_eq!(put(&mut store, &large(b"a", 2, 6000)), Err(RecordError::NoRoom(Share::Owner)));
    assert_eq!(put(&mut store, &large(b"a", 2, 3100)), Ok(()));
}

#[test]
fn a_network_has_a_share() {
    let mut store = store(160);
    let taken = (0..100).filter(|n| put_from(&mut store, 7, &sign(*n, b"n", 1, 9000)).is_ok()).count();
    assert_eq!(taken, 20);
    assert_eq!(put_from(&mut store, 7, &sign(200, b"n", 1, 9000)), Err(RecordError::NoRoom(Share::Network)));
    assert_eq!(put_from(&mut store, 8, &sign(200, b"n", 1, 9000)), Ok(()));
    // The first to bring a record is charged for it, whoever brings its replacement.
    assert_eq!(put_from(&mut store, 9, &sign(0, b"n", 2, 9000)), Ok(()));
    assert_eq!(put_from(&mut store, 7, &sign(201, b"n", 1, 9000)), Err(RecordError::NoRoom(Share::Network)));
}

#[test]
fn expired_records_are_gone() {
    let mut store = store(16);
    let (short, long) = (sign(1, b"short", 9, 2000), sign(2, b"long", 1, 9000));
    put(&mut store, &short).unwrap();
    put(&mut store, &long).unwrap();
    store.clock = || 3000;
    assert!(store.live(dht_key(&short.key().digest()).as_ref()).is_none());
    assert_eq!(store.records().count(), 1);
    // Its sequence number no longer binds, and it makes room.
    put(&mut store, &sign(1, b"short", 1, 9000)).unwrap();
    for n in 0..14 {
        put(&mut store, &sign(10 + n, b"n", 1, 3500)).unwrap();
    }
    assert_eq!(put(&mut store, &sign(50, b"n", 1, 9000)), Err(RecordError::NoRoom(Share::Node)));
    store.clock = || 5000;
    put(&mut store, &sign(50, b"n", 1, 9000)).unwrap();
    assert_eq!(store.size().0, 3);
}

#[test]
fn provider_records_are_refused() {
    let mut store = store(2);
    let provider = ProviderRecord::new(KadKey::new(&[1; 32]), PeerId::random(), vec![]);
    assert!(store.add_provider(provider).is_err());
    assert_eq!((store.providers(&KadKey::new(&[1; 32])).len(), store.provided().count()), (0, 0));
}

#[test]
fn a_record_that_is_being_spread_is_noted_once() {
    let mut store = store(16);
    let record = sign(1, b"n", 1, 9000);
    put(&mut store, &record).unwrap();
    let (point, version, spread) = store.from(Bound::Unbounded).next().unwrap();
    assert!(!spread && !store.has_version(point, version + 1) && store.has_version(point, version));
    assert!(store.from(Bound::Unbounded).next().unwrap().2);
    store.due(point);
    assert!(!store.from(Bound::Unbounded).next().unwrap().2);
    assert!(!store.has_version(Point(point.0 ^ 1), version));
}

fn on_disk(dir: &std::path::Path) -> ValidatedStore {
    let log = RecordLog::with_segments(dir, 2000).unwrap();
    ValidatedStore::load_at(ROOM, Box::new(log), || 1000).unwrap()
}

#[test]
fn shares_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = on_disk(dir.path());
    for n in 0..20 {
        put_from(&mut store, 7, &sign(n, b"n", 1, 9000)).unwrap();
    }
    drop(store);
    let mut store = on_disk(dir.path());
    assert_eq!(store.size().0, 20);
    assert_eq!(put_from(&mut store, 7, &sign(99, b"n", 1, 9000)), Err(RecordError::NoRoom(Share::Network)));
    assert!((0..20).all(|n| has(&store, &sign(n, b"n", 1, 9000))));
}

#[test]
fn replaced_records_leave_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = on_disk(dir.path());
    let stays = sign(100, b"stays", 1, 9000);
    put(&mut store, &stays).unwrap();
    for sequence in 0..400 {
        put(&mut store, &sign(sequence % 4, b"n", sequence + 1, 9000)).unwrap();
        if let Some(sync) = store.tidy() {
            sync().unwrap();
        }
    }
    let (records, bytes, taken) = store.size();
    assert_eq!(records, 5);
    assert!(taken < 4 * 2000, "{taken} bytes for {bytes}");
    let on_files: u64 =
        std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(on_files < 5 * 2000, "{on_files} bytes in files");
    drop(store);
    let store = on_disk(dir.path());
    assert!(store.size().0 == 5 && has(&store, &stays));
    assert!((0..4).all(|n| has(&store, &sign(n, b"n", 397 + n, 9000))));
}

#[test]
fn a_full_disk_refuses_and_takes_again() {
    /// A shelf whose disk is full every other time.
    struct Full(MemoryShelf, bool);
    impl RecordShelf for Full {
        fn load(&mut self, each: &mut dyn FnMut(Place, u32, Bytes)) -> io::Result<Loaded> {
            self.0.load(each)
        }
        fn add(&mut self, origin: u32, record: &[u8]) -> io::Result<Place> {
            self.1 = !self.1;
            if self.1 { Err(io::ErrorKind::StorageFull.into()) } else { self.0.add(origin, record) }
        }
        fn get(&self, place: Place) -> io::Result<Option<Bytes>> {
            self.0.get(place)
        }
        fn free(&mut self, place: Place, length: usize) {
            self.0.free(place, length);
        }
        fn tidy(&mut self, tenant: &mut dyn Tenant) -> io::Result<()> {
            self.0.tidy(tenant)
        }
        fn sync(&mut self) -> Option<Box<dyn FnOnce() -> io::Result<()> + Send>> {
            self.0.sync()
        }
        fn bytes(&self) -> u64 {
            self.0.bytes()
        }
    }
    let mut store = ValidatedStore::load_at(ROOM, Box::new(Full(MemoryShelf::default(), false)), || 1000).unwrap();
    let (old, new) = (sign(1, b"n", 1, 9000), sign(1, b"n", 2, 9000));
    assert_eq!(put(&mut store, &old), Err(RecordError::NoRoom(Share::Node)));
    assert_eq!(put(&mut store, &old), Ok(()));
    assert_eq!(put(&mut store, &new), Err(RecordError::NoRoom(Share::Node)));
    assert!(has(&store, &old), "what is known stays when its replacement cannot be written");
    assert_eq!(put(&mut store, &new), Ok(()));
}

//! Sealed letters over real sockets: durable before they are signed for, each given once, bounded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{World, client, key, node};
use cpchain_crypto::{Signer, SystemEntropy};
use cpchain_otp::{
    Client, ClientError, Inbox, InboxConfig, InboxError, NodeHandle, RefusalCode,
    access::Clock,
    backend::{Backend, BackendError, BackendWriter, MemoryBackend, OpendalBackend},
    letters::SealedLetter,
    records::MAX_LETTER,
};

const BOB: u8 = 3;
const DAY: u64 = 24 * 3_600_000;

/// A clock that a test turns.
#[derive(Clone)]
struct Turned(Arc<AtomicU64>);

impl Clock for Turned {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

fn clock() -> Turned {
    Turned(Arc::new(AtomicU64::new(1000 * DAY)))
}

/// A storage that fails to write when told to: full.
struct Full {
    inner: MemoryBackend,
    full: AtomicBool,
}

#[async_trait]
impl Backend for Full {
    async fn len(&self, key: &str) -> Result<Option<u64>, BackendError> {
        self.inner.len(key).await
    }

    async fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, BackendError> {
        self.inner.read(key, range).await
    }

    async fn write(&self, key: &str) -> Result<Box<dyn BackendWriter>, BackendError> {
        match self.full.load(Ordering::SeqCst) {
            true => Err(BackendError::Permanent("no space left".into())),
            false => self.inner.write(key).await,
        }
    }

    async fn delete(&self, key: &str) -> Result<(), BackendError> {
        self.inner.delete(key).await
    }
}

fn full() -> Arc<Full> {
    Arc::new(Full { inner: MemoryBackend::new(), full: AtomicBool::new(false) })
}

async fn post_office(seed: u8, backend: Arc<dyn Backend>, config: InboxConfig, clock: &Turned) -> NodeHandle {
    let world = World::new();
    node(seed, world.parts().inboxes(backend, config).clock(Arc::new(clock.clone()))).await
}

fn sealed(from: u8, words: &str, clock: &Turned) -> SealedLetter {
    let to = key(BOB).public_key();
    SealedLetter::seal(&key(from), to, words.to_owned().into(), clock.now_ms(), &mut SystemEntropy).unwrap()
}

fn inbox(clients: Vec<Client>, memory: Arc<dyn Backend>, clock: &Turned) -> Inbox {
    Inbox::new(Arc::new(key(BOB)), clients, memory).unwrap().clock(Arc::new(clock.clone()))
}

fn code<T: std::fmt::Debug>(result: Result<T, ClientError>) -> RefusalCode {
    match result.unwrap_err() {
        ClientError::Refused(refusal) => refusal.code,
        error => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_signed_for_delivered_and_acknowledged() {
    let clock = clock();
    let office = post_office(20, Arc::new(MemoryBackend::new()), InboxConfig::default(), &clock).await;
    // Whoever posts shows the proxy a key of the moment; the recipient sees who wrote.
    let (courier, bob) = (client(77, &office).await, client(BOB, &office).await);
    let letter = sealed(1, "come at noon", &clock);
    assert_eq!(code(courier.post(&letter).await), RefusalCode::NotFound, "no inbox yet");
    bob.open_inbox().await.unwrap();
    bob.open_inbox().await.unwrap();
    let custody = courier.post(&letter).await.unwrap();
    assert_eq!((custody.proxy, custody.letter), (office.key(), letter.digest()));
    assert_eq!(code(courier.delivery(&letter).await), RefusalCode::NotFound, "not yet");

    let mut inbox = inbox(vec![bob.clone()], Arc::new(MemoryBackend::new()), &clock);
    let received = inbox.next().await.unwrap().unwrap();
    assert_eq!(
        (received.letter.sender, received.letter.body.as_ref()),
        (key(1).public_key(), b"come at noon".as_slice())
    );
    assert_eq!(inbox.next().await.unwrap().unwrap(), received, "until it is confirmed");
    inbox.confirm(&received).await.unwrap();
    assert_eq!(inbox.next().await.unwrap(), None);
    let delivery = courier.delivery(&letter).await.unwrap();
    assert!(delivery.opened && delivery.recipient == bob.key());

    // Nobody else fetches or confirms: the inbox is that of the key which the transport proved.
    courier.post(&sealed(1, "again", &clock)).await.unwrap();
    let thief = Inbox::new(Arc::new(key(BOB)), vec![client(9, &office).await], Arc::new(MemoryBackend::new()));
    assert!(matches!(thief, Err(InboxError::Key(_))));
    let other = Inbox::new(Arc::new(key(9)), vec![client(9, &office).await], Arc::new(MemoryBackend::new()));
    assert_eq!(other.unwrap().next().await.unwrap(), None);
    let without = node(22, World::new().parts()).await;
    assert_eq!(code(client(BOB, &without).await.open_inbox().await), RefusalCode::Unsupported);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_two_proxies_and_restarts_each_letter_is_given_once() {
    let clock = clock();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let disk = |i: usize| Arc::new(OpendalBackend::file_system(folders[i].path()).unwrap());
    let memory = Arc::new(MemoryBackend::new());
    let mut given: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    let letters: Vec<SealedLetter> = (0..12).map(|n| sealed(1 + n % 2, &format!("letter {n}"), &clock)).collect();
    // Everything is started and stopped again and again, the offices with their disks, the reader with its memory. The sender
    // posts every letter to both, again in each round, for it does not know what arrived.
    for round in 0..4 {
        let offices = [
            post_office(20, disk(0), InboxConfig::default(), &clock).await,
            post_office(21, disk(1), InboxConfig::default(), &clock).await,
        ];
        let mut clients = Vec::new();
        for office in &offices {
            clients.push(client(BOB, office).await);
            clients.last().unwrap().open_inbox().await.unwrap();
            let courier = client(1, office).await;
            for letter in &letters[..3 * (round + 1)] {
                courier.post(letter).await.unwrap();
            }
        }
        if round == 2 {
            clients.swap(0, 1);
        }
        let mut inbox = inbox(clients.clone(), memory.clone(), &clock);
        for n in 0..3 {
            let received = inbox.next().await.unwrap().expect("three new ones a round");
            *given.entry(received.letter.body.to_vec()).or_default() += 1;
            if round == 1 && n == 0 {
                // A proxy is away while a letter is confirmed, and offers it again later.
                let mut lonely = self::inbox(clients[..1].to_vec(), memory.clone(), &clock);
                let same = lonely.next().await.unwrap().unwrap();
                assert_eq!(same.id(), received.id());
                lonely.confirm(&same).await.unwrap();
            }
            inbox.confirm(&received).await.unwrap();
        }
        assert_eq!(inbox.next().await.unwrap(), None);
        for office in offices {
            office.stop().await;
        }
    }
    assert_eq!(given.len(), 12);
    assert!(given.values().all(|times| *times == 1), "{given:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_given_and_confirmed_gives_the_same_id_again() {
    let clock = clock();
    let office = post_office(20, Arc::new(MemoryBackend::new()), InboxConfig::default(), &clock).await;
    let bob = client(BOB, &office).await;
    bob.open_inbox().await.unwrap();
    bob.post(&sealed(1, "one", &clock)).await.unwrap();
    let memory = full();
    let first = inbox(vec![bob.clone()], memory.clone(), &clock).next().await.unwrap().unwrap();
    let mut again = inbox(vec![bob.clone()], memory.clone(), &clock);
    let received = again.next().await.unwrap().unwrap();
    assert_eq!(received.id(), first.id());
    // What cannot be written down is not confirmed: the proxy still has it.
    memory.full.store(true, Ordering::SeqCst);
    assert!(matches!(again.confirm(&received).await, Err(InboxError::Memory(_))));
    assert_eq!(again.next().await.unwrap().unwrap().id(), first.id());
    memory.full.store(false, Ordering::SeqCst);
    again.confirm(&received).await.unwrap();
    assert_eq!(inbox(vec![bob], memory, &clock).next().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_signs_for_nothing() {
    let clock = clock();
    let disk = full();
    let office = post_office(20, disk.clone(), InboxConfig::default(), &clock).await;
    let bob = client(BOB, &office).await;
    bob.open_inbox().await.unwrap();
    disk.full.store(true, Ordering::SeqCst);
    let letter = sealed(1, "one", &clock);
    assert_eq!(code(bob.post(&letter).await), RefusalCode::Internal);
    let carol = client(5, &office).await;
    assert_eq!(code(carol.open_inbox().await), RefusalCode::Internal);
    disk.full.store(false, Ordering::SeqCst);
    let mut inbox = inbox(vec![bob.clone()], Arc::new(MemoryBackend::new()), &clock);
    assert_eq!(inbox.next().await.unwrap(), None, "nothing half");
    bob.post(&letter).await.unwrap();
    assert_eq!(inbox.next().await.unwrap().unwrap().letter.body, "one");
}

#[tokio::test(flavor = "multi_thread")]
async fn inboxes_are_bounded_in_number_count_bytes_age_and_rate() {
    let clock = clock();
    let config = InboxConfig {
        max_inboxes: 1,
        max_letters: 3,
        max_bytes: 40_000,
        max_age_ms: DAY,
        letters_per_sender: 6,
        window_ms: DAY / 4,
    };
    let backend = MemoryBackend::new();
    let office = post_office(20, Arc::new(backend.clone()), config, &clock).await;
    let (bob, sender, other) = (client(BOB, &office).await, client(1, &office).await, client(4, &office).await);
    bob.open_inbox().await.unwrap();
    assert_eq!(code(other.open_inbox().await), RefusalCode::Quota, "one inbox");
    for n in 0..3 {
        sender.post(&sealed(1, &format!("letter {n}"), &clock)).await.unwrap();
    }
    assert_eq!(code(sender.post(&sealed(1, "one too many", &clock)).await), RefusalCode::Quota);
    assert_eq!(code(other.post(&sealed(4, "from another too", &clock)).await), RefusalCode::Quota);
    sender.post(&sealed(1, "", &clock)).await.unwrap_err();
    sender.post(&sealed(1, "", &clock)).await.unwrap_err();
    let refused = sender.post(&sealed(1, "", &clock)).await.unwrap_err().to_string();
    assert!(refused.contains("per window"), "six a window: {refused}");
    // After a day the letters are gone, and there is room again; but not for more bytes than the bound.
    clock.0.fetch_add(DAY, Ordering::SeqCst);
    let mut inbox = inbox(vec![bob.clone()], Arc::new(MemoryBackend::new()), &clock);
    assert_eq!(inbox.next().await.unwrap(), None);
    let long = "x".repeat(MAX_LETTER);
    sender.post(&sealed(1, &long, &clock)).await.unwrap();
    assert_eq!(code(sender.post(&sealed(1, &long, &clock)).await), RefusalCode::Quota);
    // What is no letter to Bob is thrown away, and does not stop the others.
    let rubbish = SealedLetter::from_bytes(bob.key(), vec![7; 500].into()).unwrap();
    sender.post(&rubbish).await.unwrap();
    let received = inbox.next().await.unwrap().unwrap();
    assert_eq!(received.letter.body.len(), MAX_LETTER);
    inbox.confirm(&received).await.unwrap();
    assert_eq!(inbox.next().await.unwrap(), None);
    assert!(!sender.delivery(&rubbish).await.unwrap().opened);
    assert_eq!(
        code(sender.post(&SealedLetter::from_bytes(bob.key(), Bytes::new()).unwrap()).await),
        RefusalCode::TooLarge
    );
}

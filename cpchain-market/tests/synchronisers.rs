//! Two markets, one chain: publishing and following through crashes and restarts.

#![cfg(feature = "catalog")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use cpchain_crypto::{Entropy, SeededEntropy, Signer};
use cpchain_market::{
    Amount, Cursor, Height, ListingLog, LogEntry, LogError, MemoryLog, Page,
    catalog::{Catalog, Query, TantivyCatalog},
    listing::{Action, Listing, Operation, RevisionId, SignedOperation, rule::Skip},
    sync::{Follower, Publisher},
};
use support::{key, listing};

/// The chain over a bad line: some submissions get lost, some calls fail, some entries are junk.
struct BadLine {
    log: MemoryLog,
    calls: AtomicU32,
}

impl BadLine {
    fn new() -> Self {
        Self { log: MemoryLog::default(), calls: AtomicU32::new(0) }
    }

    fn works(&self) -> Result<u32, LogError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if call % 7 == 3 { Err(LogError::Unavailable("the line is bad".into())) } else { Ok(call) }
    }
}

impl ListingLog for BadLine {
    fn append(&self, operation: &SignedOperation) -> Result<(), LogError> {
        if self.works()? % 5 == 1 { Ok(()) } else { self.log.append(operation) }
    }

    fn position(&self, id: RevisionId) -> Result<Option<Cursor>, LogError> {
        self.works()?;
        self.log.position(id)
    }

    fn tip(&self) -> Result<Height, LogError> {
        self.log.tip()
    }

    fn read(&self, from: Cursor, limit: usize) -> Result<Page, LogError> {
        self.works()?;
        self.log.read(from, limit)
    }
}

fn publish(seller: u8, number: u64) -> SignedOperation {
    let content = Listing { title: format!("Data set {number} of seller {seller}"), created_ms: number, ..listing() };
    sign(seller, 0, Action::Publish(content))
}

fn sign(seller: u8, sequence: u64, action: Action) -> SignedOperation {
    Operation { seller: key(seller).public_key(), sequence, action }.sign(&key(seller)).unwrap()
}

fn update(of: &SignedOperation, seller: u8, sequence: u64) -> SignedOperation {
    let content = Listing { price: Amount(sequence.into()), ..of.content().unwrap().clone() };
    sign(seller, sequence, Action::Update { listing: of.listing_id(), content })
}

fn withdraw(of: &SignedOperation, seller: u8, sequence: u64) -> SignedOperation {
    sign(seller, sequence, Action::Withdraw { listing: of.listing_id() })
}

/// Some listings, half of them changed, some withdrawn, in the order of one seller's market.
fn work(seller: u8) -> Vec<SignedOperation> {
    let mut all = Vec::new();
    for number in 0..12 {
        let first = publish(seller, number);
        let second = update(&first, seller, 1);
        let third = withdraw(&first, seller, 2);
        all.extend([Some(first), (number % 2 == 0).then_some(second), (number % 4 == 0).then_some(third)]);
    }
    all.into_iter().flatten().collect()
}

/// One operator's market; dropped and opened again to crash it.
struct Market {
    publisher: Publisher,
    catalog: TantivyCatalog,
}

impl Market {
    fn open(dir: &Path) -> Self {
        let publisher = Publisher::open(dir.join("outbox")).unwrap();
        Self { publisher, catalog: TantivyCatalog::open(dir.join("catalog")).unwrap() }
    }
}

fn settle(log: &BadLine, publisher: &mut Publisher) {
    for _ in 0..2000 {
        let _ = publisher.step(log);
        log.log.seal_block();
        if publisher.pending().next().is_none() {
            return;
        }
    }
    panic!("the outbox does not empty");
}

fn follow(log: &BadLine, catalog: &mut TantivyCatalog) -> Vec<(Cursor, Skip)> {
    let mut skipped = Vec::new();
    for _ in 0..2000 {
        match Follower::with_batch(7).step(log, catalog) {
            Ok(progress) if progress.caught_up => return skipped,
            Ok(progress) => skipped.extend(progress.skipped),
            Err(_) => {}
        }
    }
    panic!("the follower does not catch up");
}

#[test]
fn two_markets_converge_bit_for_bit() {
    for seed in 0..3u8 {
        let mut random = SeededEntropy::new(&[seed; 32]);
        let mut chance = |of: u8| {
            let mut byte = [0];
            random.fill(&mut byte).unwrap();
            byte[0] % of == 0
        };
        let log = BadLine::new();
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let mut markets = [Some(Market::open(dirs[0].path())), None];
        let mut queues = [work(40).into_iter(), work(41).into_iter()];
        for round in 0..60 {
            for (i, market) in markets.iter_mut().enumerate() {
                // The second market starts later; each crashes now and then between any two calls.
                if market.is_none() && (i == 0 || round > 15) {
                    *market = Some(Market::open(dirs[i].path()));
                }
                let Some(open) = market else { continue };
                if let Some(operation) = queues[i].next() {
                    open.publisher.enqueue(&operation).unwrap();
                }
                if chance(8) {
                    *market = None;
                    continue;
                }
                let _ = open.publisher.step(&log);
                if chance(8) {
                    *market = None;
                    continue;
                }
                let _ = Follower::with_batch(3).step(&log, &mut open.catalog);
            }
            if chance(6) {
                log.log.append_unchecked(vec![1; 100]);
            }
            if !chance(3) {
                log.log.seal_block();
            }
        }
        for (i, queue) in queues.iter_mut().enumerate() {
            markets[i] = None;
            let mut market = Market::open(dirs[i].path());
            queue.for_each(|operation| assert!(market.publisher.enqueue(&operation).unwrap()));
            settle(&log, &mut market.publisher);
            markets[i] = Some(market);
        }
        let digests: Vec<_> = (markets.iter_mut().flatten())
            .map(|market| {
                follow(&log, &mut market.catalog);
                market.catalog.digest().unwrap()
            })
            .collect();
        assert_eq!(digests[0], digests[1], "seed {seed}");
        // A third one that starts now comes to the same, and all of it is there.
        let dir = tempfile::tempdir().unwrap();
        let mut late = TantivyCatalog::open(dir.path()).unwrap();
        follow(&log, &mut late);
        assert_eq!(late.digest().unwrap(), digests[0], "seed {seed}");
        let found = late.search(&Query::new("data set").limit(100)).unwrap();
        assert_eq!(found.len(), 2 * 9, "12 listings of each seller, 3 withdrawn");
        for seller in [40, 41] {
            for operation in work(seller).iter().filter(|operation| operation.operation().sequence == 0) {
                assert!(late.get(operation.listing_id()).unwrap().is_some());
            }
        }
    }
}

#[test]
fn an_operation_stands_in_the_log_once() {
    let log = BadLine::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("outbox");
    let operations = work(42);
    for operation in &operations {
        // Opened anew each time: nothing is remembered but what is in the file.
        let mut publisher = Publisher::open(&path).unwrap();
        assert!(publisher.enqueue(operation).unwrap());
        assert!(!publisher.enqueue(operation).unwrap());
        let _ = publisher.step(&log);
    }
    settle(&log, &mut Publisher::open(&path).unwrap());
    let page = log.log.read(Cursor::START, 10_000).unwrap();
    let ids: Vec<_> = page.entries.iter().map(|e| SignedOperation::from_bytes(&e.bytes).unwrap().id()).collect();
    assert_eq!(ids.len(), operations.len());
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), operations.len());
}

#[test]
fn operations_on_one_listing_keep_their_order() {
    let log = BadLine::new();
    let dir = tempfile::tempdir().unwrap();
    let mut publisher = Publisher::open(dir.path().join("outbox")).unwrap();
    let first = publish(43, 0);
    let queued = [first.clone(), update(&first, 43, 1), update(&first, 43, 2), withdraw(&first, 43, 3)];
    queued.iter().for_each(|operation| assert!(publisher.enqueue(operation).unwrap()));
    settle(&log, &mut publisher);
    let mut catalog = TantivyCatalog::open(dir.path().join("catalog")).unwrap();
    assert_eq!(follow(&log, &mut catalog), []);
    assert_eq!(catalog.get(first.listing_id()).unwrap().unwrap().operation, queued[3]);
}

#[test]
fn bad_operations_are_skipped_by_all() {
    let log = MemoryLog::default();
    let good = publish(44, 0);
    let mut forged = publish(44, 1).as_bytes().to_vec();
    forged[10] ^= 1;
    log.append_unchecked(b"junk".to_vec());
    log.append_unchecked(forged);
    log.append(&good).unwrap();
    log.seal_block();
    for bad in [update(&good, 45, 9), update(&publish(44, 7), 44, 1)] {
        log.append_unchecked(bad.as_bytes().to_vec());
    }
    log.append_unchecked(good.as_bytes().to_vec());
    log.append(&withdraw(&good, 44, 1)).unwrap();
    log.append(&update(&good, 44, 2)).unwrap();
    log.seal_block();
    let mut all = Vec::new();
    for batch in [1, 2, 100] {
        let dir = tempfile::tempdir().unwrap();
        let mut catalog = TantivyCatalog::open(dir.path()).unwrap();
        let mut skipped = Vec::new();
        loop {
            let progress = Follower::with_batch(batch).step(&log, &mut catalog).unwrap();
            skipped.extend(progress.skipped);
            if progress.caught_up {
                break;
            }
        }
        all.push((skipped, catalog.digest().unwrap()));
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    let reasons: Vec<_> = all[0].0.iter().map(|(_, skip)| skip.clone()).collect();
    assert!(matches!(reasons[..2], [Skip::Invalid(_), Skip::Invalid(_)]), "{reasons:?}");
    assert_eq!(reasons[2..], [Skip::NotSeller, Skip::Unknown, Skip::Exists, Skip::Withdrawn]);
}

#[test]
fn a_refused_operation_leaves_the_outbox_and_is_reported() {
    struct Refusing;
    impl ListingLog for Refusing {
        fn append(&self, _: &SignedOperation) -> Result<(), LogError> {
            Err(LogError::Refused("no".into()))
        }
        fn position(&self, _: RevisionId) -> Result<Option<Cursor>, LogError> {
            Ok(None)
        }
        fn tip(&self) -> Result<Height, LogError> {
            Ok(Height(1))
        }
        fn read(&self, from: Cursor, _: usize) -> Result<Page, LogError> {
            let entries: Vec<LogEntry> = Vec::new();
            Ok(Page { entries, next: from })
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let mut publisher = Publisher::open(dir.path().join("outbox")).unwrap();
    publisher.enqueue(&publish(46, 0)).unwrap();
    assert_eq!(publisher.step(&Refusing).unwrap().refused, [(publish(46, 0).id(), "no".to_owned())]);
    assert_eq!(publisher.pending().count(), 0);
}

//! Two markets, one chain: publishing and following through crashes and restarts.

#![cfg(feature = "catalog")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use cpchain_crypto::{Digest, Entropy, SeededEntropy, Signer};
use cpchain_market::{
    Amount, Cursor, Height, ListingLog, LogEntry, LogError, MemoryLog, Page,
    book::{ChainRecord, PreviewStatus, Ratings, TradeEnd, TradeRecord},
    catalog::{Catalog, Query, TantivyCatalog},
    escrow::OrderId,
    listing::{
        Action, Answer, Listing, Offered, OpenedLeaf, Operation, PreviewOffer, PreviewOpening, Rating, RevisionId,
        SignedOperation, Unit, Wanted, rule::Skip,
    },
    sync::{Follower, Publisher},
};
use support::{Cheat, Goods, key, listing};

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

fn follow(log: &BadLine, batch: usize, catalog: &mut TantivyCatalog) -> Vec<(Cursor, Skip)> {
    let mut skipped = Vec::new();
    for _ in 0..2000 {
        match Follower::with_batch(batch).step(log, catalog) {
            Ok(progress) if progress.caught_up => return skipped,
            Ok(progress) => skipped.extend(progress.skipped),
            Err(_) => {}
        }
    }
    panic!("the follower does not catch up");
}

/// How many seeds the convergence test runs, and how often the killing test kills; the defaults take seconds.
/// `CPCHAIN_MARKET_ROUNDS=100 cargo test --release -p cpchain-market --test synchronisers` is the long form.
fn rounds(default: u8) -> u8 {
    std::env::var("CPCHAIN_MARKET_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(default)
}

/// What a buyer, number 60, says in between: wishes, one of them taken back, ratings of what it bought; and what the sellers say to it.
fn talk(seller: u8) -> Vec<SignedOperation> {
    let wish = |number| Wanted {
        title: format!("Wish {number} to seller {seller}"),
        description: String::new(),
        tags: vec![],
        category: String::new(),
        max_price: Amount(10),
        unit: Unit::File,
        period_ms: 0,
        until: Height(1 << 40),
        created_ms: number,
    };
    let wishes: Vec<_> = (0..3).map(|number| sign(60, 0, Action::Want(wish(number)))).collect();
    let answer = |sequence| {
        let offered = Offered::Object { manifest: Digest([seller; 32]), uri: String::new() };
        let (wanted, price) = (wishes[0].listing_id(), Amount(u128::from(sequence)));
        sign(seller, sequence, Action::Answer(Answer { wanted, offered, price, note: String::new() }))
    };
    let mut all = wishes.clone();
    all.extend([answer(1), answer(2), withdraw(&wishes[1], 60, 1)]);
    all.extend((0..3).map(|number| {
        let rating = Rating { order: order(seller, number), score: 1 + number, text: "seen".into() };
        sign(60, 0, Action::Rate(rating))
    }));
    let preview = PreviewOffer {
        listing: publish(seller, 1).listing_id(),
        manifest: Digest([6; 32]),
        leaf_root: Goods::new(Cheat::No).root(),
        leaf_count: 8,
        leaves: 4,
    };
    all.push(sign(seller, 0, Action::OfferPreview(preview)));
    all
}

fn order(seller: u8, number: u8) -> OrderId {
    OrderId(Digest([seller.wrapping_mul(8).wrapping_add(number); 32]))
}

/// Orders of the buyer with a seller, as the chain records their ends.
fn record_trades(log: &MemoryLog, seller: u8) {
    for number in 0..4 {
        log.record(&ChainRecord::Trade(TradeRecord {
            order: order(seller, number),
            listing: publish(seller, u64::from(number)).listing_id(),
            buyer: key(60).public_key(),
            seller: key(seller).public_key(),
            end: if number == 3 { TradeEnd::SellerFault } else { TradeEnd::Settled },
            intervals: u32::from(number != 3),
            paid: Amount(5),
            false_complaint: false,
        }));
    }
}

/// The seller opens what the chain drew.
fn open_preview(seller: u8, catalog: &TantivyCatalog) -> SignedOperation {
    let listing = publish(seller, 1).listing_id();
    let goods = Goods::new(Cheat::No);
    let leaves = catalog.preview(listing).unwrap().unwrap().leaves();
    let leaves = leaves
        .iter()
        .map(|place| OpenedLeaf { evidence: goods.leaf(*place as usize), secrets: Goods::secrets_of(*place as usize) });
    let (manifest, leaves) = (Digest([6; 32]), leaves.collect());
    sign(seller, 0, Action::OpenPreview(PreviewOpening { listing, manifest, leaves }))
}

#[test]
fn two_markets_converge_bit_for_bit() {
    for seed in 0..rounds(1) {
        let mut random = SeededEntropy::new(&[seed; 32]);
        let mut chance = |of: u8| {
            let mut byte = [0];
            random.fill(&mut byte).unwrap();
            byte[0] % of == 0
        };
        let log = BadLine::new();
        [40, 41].iter().for_each(|seller| record_trades(&log.log, *seller));
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let mut markets = [Some(Market::open(dirs[0].path())), None];
        let mut queues = [40, 41].map(|seller| [work(seller), talk(seller)].concat().into_iter());
        for round in 0..30 {
            for (i, market) in markets.iter_mut().enumerate() {
                // The second market starts later; each crashes now and then between any two calls.
                if market.is_none() && (i == 0 || round > 12) {
                    *market = Some(Market::open(dirs[i].path()));
                }
                let Some(open) = market else { continue };
                if let Some(operation) = queues[i].next() {
                    open.publisher.enqueue(&operation).unwrap();
                }
                if chance(10) {
                    *market = None;
                    continue;
                }
                let _ = open.publisher.step(&log);
                if chance(10) {
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
        log.log.seal_block();
        for (market, seller) in markets.iter_mut().flatten().zip([40, 41]) {
            follow(&log, 100, &mut market.catalog);
            log.log.append_unchecked(open_preview(seller, &market.catalog).as_bytes().to_vec());
            log.log.seal_block();
        }
        let digests: Vec<_> = (markets.iter_mut().flatten())
            .map(|market| {
                follow(&log, 7, &mut market.catalog);
                market.catalog.digest().unwrap()
            })
            .collect();
        assert_eq!(digests[0], digests[1], "seed {seed}");
        // A third one that starts now comes to the same, and all of it is there.
        let dir = tempfile::tempdir().unwrap();
        let mut late = TantivyCatalog::open(dir.path()).unwrap();
        follow(&log, 11, &mut late);
        assert_eq!(late.digest().unwrap(), digests[0], "seed {seed}");
        all_is_there(&late);
    }
}

fn all_is_there(catalog: &TantivyCatalog) {
    let found = catalog.search(&Query::new("data set").limit(100)).unwrap();
    assert_eq!(found.len(), 2 * 9, "12 listings of each seller, 3 withdrawn");
    assert_eq!(catalog.search(&Query::new("wish").wanted().limit(100)).unwrap().len(), 2 * 2);
    for seller in [40, 41] {
        for operation in work(seller).iter().filter(|operation| operation.operation().sequence == 0) {
            assert!(catalog.get(operation.listing_id()).unwrap().is_some());
        }
        let account = catalog.account(key(seller).public_key()).unwrap();
        assert_eq!((account.selling.settled, account.selling.faults), (3, 1));
        assert_eq!(account.ratings, Ratings { count: 3, sum: 6 });
        assert_eq!(catalog.history(key(seller).public_key(), None, 10).unwrap().len(), 4);
        assert_eq!(catalog.answers(talk(seller)[0].listing_id(), 10).unwrap()[0].operation, talk(seller)[4]);
        let preview = catalog.preview(publish(seller, 1).listing_id()).unwrap().unwrap();
        assert_eq!(preview.status(), PreviewStatus::Open);
    }
}

/// The same log, whoever makes it: 23 blocks of all that two sellers and a buyer say, with junk between.
fn fixed_log() -> BadLine {
    let log = BadLine::new();
    for seller in [40, 41] {
        record_trades(&log.log, seller);
        let all = [work(seller), talk(seller)].concat();
        for operations in all.chunks(3) {
            operations.iter().for_each(|operation| log.log.append(operation).unwrap());
            log.log.append_unchecked(vec![1; 70]);
            log.log.seal_block();
        }
    }
    log
}

const CHILD: &str = "CPCHAIN_MARKET_CHILD";

/// Not a test by itself: the process that `a_market_killed_at_any_moment_ends_as_one_that_was_not` starts and kills.
#[test]
#[ignore = "a part of another test"]
fn child() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let mut catalog = TantivyCatalog::open(dir).unwrap();
    // Its own line is good: only the killing is under test.
    let log = fixed_log();
    while !Follower::with_batch(2).step(&log.log, &mut catalog).unwrap().caught_up {}
}

/// A market in a process of its own that is killed again and again, at moments that nobody chose: between any two operations of its stores.
#[test]
fn a_market_killed_at_any_moment_ends_as_one_that_was_not() {
    let (log, dirs) = (fixed_log(), [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]);
    let mut whole = TantivyCatalog::open(dirs[0].path()).unwrap();
    follow(&log, 1000, &mut whole);
    let child = || {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child", "--ignored"]).env(CHILD, dirs[1].path());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    let mut random = SeededEntropy::new(&[9; 32]);
    let (mut kills, mut on_the_way) = (0, BTreeSet::new());
    for _ in 0..rounds(6) {
        let mut process = child();
        let mut bytes = [0; 2];
        random.fill(&mut bytes).unwrap();
        // Some die while they open their files, some after several commits.
        std::thread::sleep(std::time::Duration::from_millis(50 + u64::from(u16::from_be_bytes(bytes)) % 700));
        let running = process.try_wait().unwrap().is_none();
        process.kill().unwrap();
        process.wait().unwrap();
        kills += usize::from(running);
        let left = TantivyCatalog::open(dirs[1].path()).unwrap();
        on_the_way.insert(left.cursor().unwrap());
    }
    assert!(kills > 0, "every process was done before it was killed");
    println!("{kills} kills, at {on_the_way:?}");
    assert!(child().wait().unwrap().success());
    let market = TantivyCatalog::open(dirs[1].path()).unwrap();
    assert_eq!(market.cursor().unwrap(), whole.cursor().unwrap());
    assert_eq!(market.digest().unwrap(), whole.digest().unwrap());
    let titles = |catalog: &TantivyCatalog| {
        let hits = catalog.search(&Query::new("data set").limit(100)).unwrap();
        hits.into_iter().map(|hit| hit.id).collect::<BTreeSet<_>>()
    };
    assert_eq!(titles(&market), titles(&whole));
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
    assert_eq!(follow(&log, 7, &mut catalog), []);
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

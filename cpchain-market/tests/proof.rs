//! Markets that forge and markets that hide, and the clients who find out.

#![cfg(feature = "catalog")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use cpchain_crypto::{SeededEntropy, Signer};
use cpchain_market::{
    Amount, Cursor, Height, ListingLog as _, LogError, MemoryLog, Origin,
    catalog::{Catalog as _, Query, TantivyCatalog},
    listing::{Action, Listing, ListingId, Operation, RevisionId, SignedOperation, Unit, Wanted},
    proof::{
        Audited, BlockSeal, ChainTruth, Distrust, OwnMarket, RemoteMarket, Shown, audit, check_block, check_hits,
        check_listing, sample,
    },
    sync::Follower,
};
use support::{key, listing};

/// A chain's log, and an honest market over it.
struct Chain {
    log: MemoryLog,
    catalog: TantivyCatalog,
    _dir: tempfile::TempDir,
}

impl ChainTruth for Chain {
    fn seal(&self, height: Height) -> Result<BlockSeal, LogError> {
        // As a chain's module makes it, operation by operation.
        let page = self.log.read(Cursor::START, 1000)?;
        let of_it = page.entries.iter().filter(|entry| entry.at.height == height && entry.origin == Origin::Party);
        Ok(of_it.fold(BlockSeal::EMPTY, |seal, entry| seal.with(&entry.bytes)))
    }

    fn current(&self, id: ListingId) -> Result<Option<RevisionId>, LogError> {
        Ok(self.catalog.get(id).unwrap().map(|entry| entry.operation.id()))
    }
}

impl Chain {
    fn market(&self) -> OwnMarket<'_> {
        OwnMarket { catalog: &self.catalog, log: &self.log }
    }
}

impl RemoteMarket for Chain {
    fn search(&self, query: &Query) -> Result<Vec<Shown>, LogError> {
        self.market().search(query)
    }

    fn listing(&self, id: ListingId) -> Result<Option<Shown>, LogError> {
        self.market().listing(id)
    }

    fn block(&self, height: Height) -> Result<Vec<Vec<u8>>, LogError> {
        self.market().block(height)
    }
}

/// A market that lies: each field is one way.
struct Liar<'a> {
    honest: &'a Chain,
    /// Not shown when asked for.
    hides: Option<ListingId>,
    /// Not found in searches, but shown when asked for.
    passes_by: Option<ListingId>,
    /// Not in its blocks.
    cuts: Option<RevisionId>,
}

impl RemoteMarket for Liar<'_> {
    fn search(&self, query: &Query) -> Result<Vec<Shown>, LogError> {
        let mut hits = self.honest.search(query)?;
        hits.retain(|hit| {
            let id = SignedOperation::from_bytes(&hit.bytes).unwrap().listing_id();
            Some(id) != self.passes_by && Some(id) != self.hides
        });
        Ok(hits)
    }

    fn listing(&self, id: ListingId) -> Result<Option<Shown>, LogError> {
        if self.hides == Some(id) { Ok(None) } else { self.honest.listing(id) }
    }

    fn block(&self, height: Height) -> Result<Vec<Vec<u8>>, LogError> {
        let mut block = self.honest.block(height)?;
        block.retain(|bytes| SignedOperation::from_bytes(bytes).ok().map(|op| op.id()) != self.cuts);
        Ok(block)
    }
}

fn sign(who: u8, sequence: u64, action: Action) -> SignedOperation {
    Operation { seller: key(who).public_key(), sequence, action }.sign(&key(who)).unwrap()
}

fn publish(number: u64) -> SignedOperation {
    sign(2, 0, Action::Publish(Listing { created_ms: number, title: format!("Set {number}"), ..listing() }))
}

/// Six blocks: listings, one changed, one withdrawn, something wanted.
fn chain() -> (Chain, Vec<SignedOperation>) {
    let (log, dir) = (MemoryLog::default(), tempfile::tempdir().unwrap());
    let mut all: Vec<_> = (0..8).map(publish).collect();
    let content = Listing { price: Amount(900), ..all[0].content().unwrap().clone() };
    all.push(sign(2, 1, Action::Update { listing: all[0].listing_id(), content }));
    all.push(sign(2, 1, Action::Withdraw { listing: all[1].listing_id() }));
    all.push(sign(
        4,
        0,
        Action::Want(Wanted {
            title: "Anything".into(),
            description: String::new(),
            tags: vec![],
            category: String::new(),
            max_price: Amount(1),
            unit: Unit::File,
            period_ms: 0,
            until: Height(100),
            created_ms: 0,
        }),
    ));
    for pair in all.chunks(2) {
        pair.iter().for_each(|operation| log.append(operation).unwrap());
        log.seal_block();
    }
    let mut catalog = TantivyCatalog::open(dir.path()).unwrap();
    Follower::default().catch_up(&log, &mut catalog).unwrap();
    (Chain { log, catalog, _dir: dir }, all)
}

fn shown(operation: &SignedOperation) -> Shown {
    Shown { bytes: operation.as_bytes().to_vec(), at: Cursor::START }
}

#[test]
fn an_honest_market_passes() {
    let (chain, _) = chain();
    let audited = audit(&chain, &chain, (1..=6).map(Height), Height(7)).unwrap();
    // Eight listings, one of them withdrawn, and a wish.
    assert_eq!(audited, Audited { blocks: 6, listings: 8 });
    let query = Query::new("set").price(Amount(0)..=Amount(800)).limit(3);
    assert_eq!(check_hits(&query, &chain.search(&query).unwrap(), &chain).unwrap().len(), 3);
    assert_eq!(chain.seal(Height(77)).unwrap(), BlockSeal::EMPTY);
}

#[test]
fn a_forged_or_changed_listing_is_refused() {
    let (chain, all) = chain();
    let mut changed = shown(&all[2]);
    *changed.bytes.last_mut().unwrap() ^= 1;
    assert!(matches!(check_listing(&changed, &chain), Err(Distrust::Forged(_))));
    // Well signed, by a seller of the market's own, and never on the chain.
    let invented = publish(99);
    assert_eq!(check_listing(&shown(&invented), &chain), Err(Distrust::NotCurrent(invented.listing_id())));
    let mut hits = chain.search(&Query::new("set")).unwrap();
    hits.truncate(3);
    hits.push(shown(&invented));
    assert!(matches!(check_hits(&Query::new("set"), &hits, &chain), Err(Distrust::NotCurrent(_))));
}

#[test]
fn an_old_or_withdrawn_revision_is_refused() {
    let (chain, all) = chain();
    for old in [&all[0], &all[1]] {
        assert_eq!(check_listing(&shown(old), &chain), Err(Distrust::NotCurrent(old.listing_id())));
    }
    assert!(check_listing(&shown(&all[8]), &chain).is_ok());
    assert!(check_listing(&shown(&all[9]), &chain).unwrap().content().is_none());
    assert_eq!(check_hits(&Query::new("set"), &[shown(&all[9])], &chain), Err(Distrust::NotAsked));
}

#[test]
fn a_hit_that_the_query_does_not_admit_is_refused() {
    let (chain, all) = chain();
    let hit = [shown(&all[2])];
    let asked = [
        Query::new("").price(Amount(0)..=Amount(499)),
        Query::new("").category("energy"),
        Query::new("").seller(key(3).public_key()),
        Query::new("").unit(Unit::File),
        Query::new("").period_ms(1..=2),
        Query::new("").wanted(),
    ];
    for query in asked {
        assert_eq!(check_hits(&query, &hit, &chain), Err(Distrust::NotAsked), "{query:?}");
    }
    let fits = Query::new("").price(Amount(500)..=Amount(500)).category("CLIMATE").seller(key(2).public_key());
    assert_eq!(check_hits(&fits, &hit, &chain).unwrap(), [all[2].clone()]);
    let twice = [shown(&all[2]), shown(&all[2])];
    assert_eq!(check_hits(&fits, &twice, &chain), Err(Distrust::NotAsked));
    assert_eq!(check_hits(&fits.limit(1), &twice, &chain), Err(Distrust::NotAsked));
}

#[test]
fn a_block_with_an_operation_hidden_or_added_is_refused() {
    let (chain, all) = chain();
    let honest = chain.block(Height(2)).unwrap();
    assert_eq!(check_block(Height(2), &honest, &chain).unwrap(), all[2..4]);
    let mut turned = honest.clone();
    turned.reverse();
    let more = [honest.clone(), vec![publish(50).as_bytes().to_vec()]].concat();
    for wrong in [&honest[..1], &honest[1..], &[], &turned, &more] {
        assert_eq!(check_block(Height(2), wrong, &chain), Err(Distrust::Block(Height(2))));
    }
    let liar = Liar { honest: &chain, hides: None, passes_by: None, cuts: Some(all[3].id()) };
    assert_eq!(audit(&liar, &chain, [Height(1), Height(2)], Height(7)), Err(Distrust::Block(Height(2))));
}

#[test]
fn a_market_that_hides_a_listing_is_found_out() {
    let (chain, all) = chain();
    let (id, wish) = (all[5].listing_id(), all[10].listing_id());
    for hidden in [id, wish] {
        let ways = [
            Liar { honest: &chain, hides: Some(hidden), passes_by: None, cuts: None },
            Liar { honest: &chain, hides: None, passes_by: Some(hidden), cuts: None },
        ];
        for liar in ways {
            let found = audit(&liar, &chain, (1..=6).map(Height), Height(7));
            assert_eq!(found, Err(Distrust::Hidden(hidden)));
        }
    }
    // One of eight hidden: ten samples of six blocks find it in most cases, thirty in nearly all.
    let liar = Liar { honest: &chain, hides: Some(id), passes_by: None, cuts: None };
    let found = |count| {
        let audits = (0..40).filter(|seed| {
            let heights = sample(Height(6), count, &mut SeededEntropy::new(&[*seed; 32])).unwrap();
            assert!(heights.iter().all(|height| (1..=6).contains(&height.0)));
            audit(&liar, &chain, heights, Height(7)).is_err()
        });
        audits.count()
    };
    assert!(found(1) < 20, "one block of six");
    assert!(found(10) > 25);
    assert!(sample(Height(0), 3, &mut SeededEntropy::new(&[1; 32])).unwrap().is_empty());
}

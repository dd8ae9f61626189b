//! What buyers and sellers say beside their orders, on the ledger: ratings, what is wanted, previews; and a market that reads it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod escrow_world;

use cpchain_consensus::ledger::Outcome;
use cpchain_crypto::{
    Digest, Signer, SigningKey,
    block::{BlockHeader, LeafSecrets, SealedBlock, seal},
    key_tree::IntervalId,
    merkle,
    pre::{ProxyReEncryption, Umbral},
};
use cpchain_examples::adapters::{
    chain::{LedgerTruth, ListingModule, read_stream_order},
    read_listing_log,
};
use cpchain_market::{
    Amount, Cursor, Height, ListingLog, LogError, Page,
    book::{PreviewStatus, Ratings},
    catalog::{Catalog as _, Query, TantivyCatalog},
    escrow::{Ask, Command, Event, LeafEvidence, OrderId, State, StreamEvent, StreamOrder, StreamState, StreamTerms},
    listing::{
        Action, Answer, Offered, OpenedLeaf, Operation, PreviewOffer, PreviewOpening, Rating, RevisionId,
        SignedOperation, Unit, Wanted,
    },
    proof::{BlockSeal, ChainTruth as _, Distrust, Shown, check_block, check_listing},
    sync::Follower,
};
use escrow_world::*;

/// The ledger of a world as a market reads it.
struct WorldLog<'a>(&'a World);

impl ListingLog for WorldLog<'_> {
    fn append(&self, _: &SignedOperation) -> Result<(), LogError> {
        Err(LogError::Refused("read only".into()))
    }

    fn position(&self, _: RevisionId) -> Result<Option<Cursor>, LogError> {
        Ok(None)
    }

    fn tip(&self) -> Result<Height, LogError> {
        Ok(Height(self.0.height))
    }

    fn read(&self, from: Cursor, limit: usize) -> Result<Page, LogError> {
        read_listing_log(&self.0.view, from, limit)
    }
}

/// A catalogue of all that the ledger says, and that nothing of it is skipped; read in steps of `batch`.
fn market(world: &World, batch: usize) -> (TantivyCatalog, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut catalog = TantivyCatalog::open(dir.path()).unwrap();
    loop {
        let progress = Follower::with_batch(batch).step(&WorldLog(world), &mut catalog).unwrap();
        assert_eq!(progress.skipped, [], "the chain let in what a market skips");
        if progress.caught_up {
            return (catalog, dir);
        }
    }
}

fn say(world: &mut World, key: &SigningKey, sequence: u64, action: Action) -> Outcome {
    let operation = Operation { seller: key.public_key(), sequence, action }.sign(key).unwrap();
    // Anybody's transaction carries it: the signature inside counts.
    let carrier = world.proxies[0].clone();
    world.send(&carrier, ListingModule::KIND, operation.as_bytes().to_vec().into()).1
}

fn rate(world: &mut World, key: &SigningKey, order: OrderId, score: u8) -> Outcome {
    say(world, key, 0, Action::Rate(Rating { order, score, text: "good readings".into() }))
}

fn settled(world: &mut World) -> OrderId {
    let id = world.accepted();
    world.grant(id, |_, bundle| bundle);
    assert_eq!([world.post(id, 0), world.post(id, 1)], [Outcome::Applied, Outcome::Applied]);
    let buyer = world.buyer.clone();
    assert_eq!(world.event(&buyer, id, Event::Confirm), Outcome::Applied);
    assert_eq!(world.order(id).state(), State::Settled);
    id
}

#[test]
fn a_buyer_who_bought_rates_once_and_the_markets_know() {
    let mut world = World::new();
    let (buyer, seller, stranger) = (world.buyer.clone(), world.seller.clone(), key(60));
    let lapsed = world.offered();
    assert!(matches!(rate(&mut world, &buyer, lapsed, 1), Outcome::Failed(_)), "it has not ended");
    world.blocks(RULES.accept_blocks);
    assert!(matches!(rate(&mut world, &buyer, lapsed, 1), Outcome::Failed(_)), "nothing was sold");
    let id = settled(&mut world);
    for nobody in [&seller, &stranger] {
        assert!(matches!(rate(&mut world, nobody, id, 5), Outcome::Failed(_)));
    }
    assert_eq!(rate(&mut world, &buyer, id, 4), Outcome::Applied);
    assert!(matches!(rate(&mut world, &buyer, id, 1), Outcome::Failed(_)), "once");
    let (catalog, _dir) = market(&world, 1000);
    let ratings = Ratings { count: 1, sum: 4 };
    let standing = catalog.standing(world.listing.listing_id()).unwrap();
    assert_eq!((standing.sold, standing.ratings), (1, ratings));
    let account = catalog.account(seller.public_key()).unwrap();
    assert_eq!((account.selling.settled, account.selling.lapsed, account.ratings), (1, 1, ratings));
    let history = catalog.history(buyer.public_key(), None, 10).unwrap();
    assert_eq!(history.iter().map(|trade| trade.record.order).collect::<Vec<_>>(), [lapsed, id]);
    assert_eq!(history[1].record.paid, Amount(PRICE));
    assert_eq!(history[1].rating().unwrap().text, "good readings");
    // Another market, which reads in other steps.
    assert_eq!(market(&world, 1).0.digest().unwrap(), catalog.digest().unwrap());
}

#[test]
fn what_is_wanted_is_answered_until_its_block() {
    let mut world = World::new();
    let (buyer, seller) = (world.buyer.clone(), world.seller.clone());
    let wanted = Wanted {
        title: "Pump data".into(),
        description: String::new(),
        tags: vec![],
        category: String::new(),
        max_price: Amount(2 * CPC),
        unit: Unit::Interval,
        period_ms: 0,
        until: Height(world.height + 5),
        created_ms: 0,
    };
    let action = Action::Want(wanted);
    let id = Operation { seller: buyer.public_key(), sequence: 0, action: action.clone() }.sign(&buyer).unwrap();
    let id = id.listing_id();
    assert_eq!(say(&mut world, &buyer, 0, action), Outcome::Applied);
    let offered = Offered::Listing(world.listing.listing_id());
    let answer = |price| Action::Answer(Answer { wanted: id, offered: offered.clone(), price, note: String::new() });
    assert!(matches!(say(&mut world, &seller, 0, answer(Amount(3 * CPC))), Outcome::Failed(_)), "too dear");
    assert_eq!(say(&mut world, &seller, 0, answer(Amount(CPC))), Outcome::Applied);
    let (catalog, _dir) = market(&world, 1000);
    assert_eq!(catalog.search(&Query::new("pump").wanted()).unwrap()[0].id, id);
    assert_eq!(catalog.answers(id, 10).unwrap().len(), 1);
    world.block();
    assert!(matches!(say(&mut world, &seller, 1, answer(Amount(CPC))), Outcome::Failed(_)), "over");
}

#[test]
fn the_block_after_the_offer_draws_the_preview() {
    let mut world = World::new();
    let seller = world.seller.clone();
    let body: Vec<u8> = (0..60_000u32).map(|i| i as u8).collect();
    let header = BlockHeader {
        stream: Digest([7; 32]),
        index: 3,
        interval: IntervalId(3),
        start_ms: 0,
        count: 1,
        codec: 0,
        body_len: body.len() as u32,
        previous: Digest::ZERO,
    };
    let key = world.secret.interval_key(IntervalId(3));
    let (bytes, commitments) = seal(&header, &key, &body).unwrap();
    let block = SealedBlock::parse(&bytes).unwrap();
    let leaves: Vec<_> = (0..)
        .zip(&commitments)
        .map(|(leaf, commitment)| commitment.merkle_leaf(&header, leaf, block.leaf(leaf).unwrap()))
        .collect();
    let (listing, manifest) = (world.listing.listing_id(), Digest([1; 32]));
    let leaf_root = merkle::root(&leaves);
    let offer = PreviewOffer { listing, manifest, leaf_root, leaf_count: leaves.len() as u64, leaves: 4 };
    assert_eq!(say(&mut world, &seller, 0, Action::OfferPreview(offer)), Outcome::Applied);
    let again = PreviewOffer { leaf_root: Digest([2; 32]), ..offer };
    assert!(matches!(say(&mut world, &seller, 0, Action::OfferPreview(again)), Outcome::Failed(_)), "one draw");
    let (catalog, _dir) = market(&world, 1000);
    let preview = catalog.preview(listing).unwrap().unwrap();
    assert!(matches!(preview.status(), PreviewStatus::Unopened(_)));
    let open = |places: &[u64]| {
        let leaves = places.iter().map(|place| OpenedLeaf {
            evidence: LeafEvidence {
                header: header.to_bytes(),
                leaf: *place as u32,
                sealed: block.leaf(*place as u32).unwrap().to_vec(),
                commitment: commitments[*place as usize],
                index: *place,
                path: merkle::path(&leaves, *place as usize).unwrap(),
            },
            secrets: LeafSecrets::derive(&key, 3, *place as u32),
        });
        Action::OpenPreview(PreviewOpening { listing, manifest, leaves: leaves.collect() })
    };
    let chosen: Vec<u64> = (0..leaves.len() as u64).filter(|place| !preview.leaves().contains(place)).take(4).collect();
    assert!(matches!(say(&mut world, &seller, 0, open(&chosen)), Outcome::Failed(_)), "the seller does not choose");
    assert_eq!(say(&mut world, &seller, 0, open(&preview.leaves())), Outcome::Applied);
    let (catalog, _dir) = market(&world, 2);
    assert_eq!(catalog.preview(listing).unwrap().unwrap().status(), PreviewStatus::Open);
}

fn stream_event(world: &mut World, key: &SigningKey, order: OrderId, event: StreamEvent) -> Outcome {
    world.send(key, Escrow::KIND, Escrow::payload(&Command::Stream { order, event })).1
}

fn ask(world: &World) -> StreamEvent {
    StreamEvent::Ask(Ask {
        buyer_key: Umbral.public_key(&world.receiving).unwrap().as_bytes().to_vec(),
        manifest: Digest([1; 32]),
        leaf_root: Digest([2; 32]),
        leaf_count: 10,
    })
}

#[test]
fn a_stream_is_paid_interval_by_interval_until_somebody_stops() {
    let mut world = World::new();
    let (buyer, seller) = (world.buyer.clone(), world.seller.clone());
    let before = (world.balance(&buyer), world.balance(&seller));
    let terms = StreamTerms {
        listing: world.listing.listing_id(),
        revision: world.listing.id(),
        first: 3,
        count: 100,
        price: Amount(CPC),
        fee: Amount(CPC / 10),
        bond: Amount(CPC),
        threshold: 2,
        proxies: 3,
        nonce: 0,
    };
    world.must(&buyer, Escrow::KIND, Escrow::payload(&Command::OfferStream(terms.clone())));
    let again = world.send(&buyer, Escrow::KIND, Escrow::payload(&Command::OfferStream(terms))).1;
    assert!(matches!(again, Outcome::Failed(_)), "the same order twice");
    let found = world.view.scan(Escrow::KIND, b"stream/", None, 2);
    let id = StreamOrder::from_bytes(&found[0].1).unwrap().id();
    let accept = StreamEvent::Order(Event::Accept { bond: Amount(CPC) });
    assert_eq!(stream_event(&mut world, &seller, id, accept), Outcome::Applied);
    for interval in 3..6 {
        // From the second on, this pays for the one before.
        let event = ask(&world);
        assert_eq!(stream_event(&mut world, &buyer, id, event), Outcome::Applied);
        let order = read_stream_order(&world.view, &id).unwrap();
        assert_eq!((order.settled(), order.next_interval()), (interval - 3, interval));
        assert_eq!(world.balance(&seller) + CPC, before.1 + u128::from(interval - 3) * CPC, "its bond is locked");
        let granted = world.make_grant(order.interval().unwrap(), |_, bundle| bundle);
        assert_eq!(stream_event(&mut world, &seller, id, StreamEvent::Order(granted)), Outcome::Applied);
        for place in [2, 0] {
            let order = read_stream_order(&world.view, &id).unwrap();
            let (proxy, fragments) = world.bundle_of(order.interval().unwrap(), place);
            let (_, foreign) = world.bundle_of(order.interval().unwrap(), 1);
            let copied = StreamEvent::Order(Event::Fragments(foreign));
            assert!(matches!(stream_event(&mut world, &proxy, id, copied), Outcome::Failed(_)));
            let posted = StreamEvent::Order(Event::Fragments(fragments));
            assert_eq!(stream_event(&mut world, &proxy, id, posted), Outcome::Applied);
        }
    }
    // The buyer falls silent: the third interval is paid when its time is over, then the stream ends, and all else comes back.
    world.blocks(RULES.dispute_blocks);
    assert_eq!(read_stream_order(&world.view, &id).unwrap().state(), StreamState::Open);
    world.blocks(RULES.dispute_blocks);
    assert_eq!(read_stream_order(&world.view, &id).unwrap().state(), StreamState::Stopped);
    let paid = 3 * (CPC + 2 * CPC / 10);
    assert_eq!((world.balance(&buyer), world.balance(&seller)), (before.0 - paid, before.1 + 3 * CPC));
    // It is a trade like any other, and its buyer rates it.
    assert_eq!(rate(&mut world, &buyer, id, 5), Outcome::Applied);
    let (catalog, _dir) = market(&world, 1000);
    let history = catalog.history(seller.public_key(), None, 10).unwrap();
    assert_eq!((history[0].record.intervals, history[0].record.paid), (3, Amount(3 * CPC)));
    assert_eq!(history[0].rating().unwrap().score, 5);
}

/// What a light client would read with proofs, and what it finds out by it.
#[test]
fn the_ledger_says_what_stood_in_each_block_and_what_stands() {
    let mut world = World::new();
    let seller = world.seller.clone();
    let first = world.listing.clone();
    let content = first.content().unwrap().clone();
    let update = Action::Update { listing: first.listing_id(), content };
    let update = Operation { seller: seller.public_key(), sequence: 1, action: update }.sign(&seller).unwrap();
    world.must(&seller, ListingModule::KIND, update.as_bytes().to_vec().into());
    let (truth, at) = (LedgerTruth(&world.view), Cursor::START);
    let mut found = 0;
    for height in 1..=world.height {
        let entries = read_listing_log(&world.view, Cursor { height: Height(height), index: 0 }, 100).unwrap().entries;
        let of_it = entries.into_iter().filter(|entry| entry.at.height == Height(height));
        let block: Vec<_> = of_it.map(|entry| entry.bytes).collect();
        found += check_block(Height(height), &block, &truth).unwrap().len();
        if !block.is_empty() {
            assert_eq!(check_block(Height(height), &[], &truth), Err(Distrust::Block(Height(height))));
        }
    }
    assert_eq!(found, 2);
    assert_eq!(truth.seal(Height(world.height + 9)).unwrap(), BlockSeal::EMPTY);
    let shown = |operation: &SignedOperation| Shown { bytes: operation.as_bytes().to_vec(), at };
    assert_eq!(check_listing(&shown(&update), &truth).unwrap(), update);
    assert_eq!(check_listing(&shown(&first), &truth), Err(Distrust::NotCurrent(first.listing_id())));
}

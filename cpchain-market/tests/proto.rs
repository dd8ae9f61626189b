//! The committed `.proto` files describe the bytes that this crate writes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;

use cpchain_market::escrow::{
    Ask, Command, Complaint, Event, OrderId, PostedFragment, StreamEvent, StreamOrder, StreamTerms,
};
use protox::prost_reflect::{
    DescriptorPool, DynamicMessage, Kind, MessageDescriptor, ReflectMessage, Value, prost::Message,
};
use support::*;

/// Decodes `bytes` by the description, notes every field that is set, and checks that nothing is unknown and that the
/// description writes the same bytes.
fn describe(pool: &DescriptorPool, name: &str, bytes: &[u8], seen: &mut BTreeSet<String>) {
    let descriptor = pool.get_message_by_name(&format!("cpchain.market.v1.{name}")).unwrap();
    let message = DynamicMessage::decode(descriptor, bytes).unwrap();
    assert_eq!(message.encode_to_vec(), bytes, "{name}");
    walk(&message, seen);
}

fn walk(message: &DynamicMessage, seen: &mut BTreeSet<String>) {
    assert_eq!(message.unknown_fields().count(), 0, "{}", message.descriptor().full_name());
    for (field, value) in message.fields() {
        seen.insert(field.full_name().to_owned());
        match value {
            Value::Message(inner) => walk(inner, seen),
            Value::List(items) => items.iter().filter_map(Value::as_message).for_each(|inner| walk(inner, seen)),
            _ => {}
        }
    }
}

/// Every field below a message.
fn fields(message: &MessageDescriptor, all: &mut BTreeSet<String>) {
    for field in message.fields() {
        if all.insert(field.full_name().to_owned())
            && let Kind::Message(inner) = field.kind()
        {
            fields(&inner, all);
        }
    }
}

#[test]
fn proto_files_describe_the_same_messages() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let files = protox::compile(["listing.proto", "escrow.proto", "book.proto"], [root]).unwrap();
    let pool = DescriptorPool::from_file_descriptor_set(files).unwrap();
    let mut seen = BTreeSet::new();

    let mut full = listing();
    full.samples = vec![cpchain_crypto::Digest([3; 32])];
    (full.from_ms, full.to_ms, full.price) = (1, 2, cpchain_market::Amount(1 << 90 | 5));
    for signed in operations(full) {
        describe(&pool, "Operation", &signed.as_bytes()[65..], &mut seen);
    }

    let goods = Goods::new(Cheat::No);
    let order = delivered(&goods);
    describe(&pool, "Order", &order.to_bytes()[1..], &mut seen);
    let mut terms = terms(&goods);
    terms.nonce = 1;
    let mut commands = vec![Command::Offer(terms)];
    let fragments = vec![PostedFragment { proxy: proxy(1), bytes: vec![1] }];
    let leaf = goods.evidence(2);
    let secrets = Goods::leaf_secrets(2);
    commands.extend(
        [
            Event::Cancel,
            accept(),
            grant(&order),
            Event::Fragments(bundle(&order, 0)),
            Event::BadGrant { sealed: vec![1], proof: vec![2] },
            Event::Confirm,
            Event::Complain(Box::new(Complaint::BadLeaf { leaf: leaf.clone(), secrets })),
            Event::Complain(Box::new(Complaint::BadKey { secret: vec![1], node: 1, fragments, leaf: Some(leaf) })),
        ]
        .map(|event| Command::Event { order: OrderId(cpchain_crypto::Digest([1; 32])), event }),
    );
    let (digest, terms) = (cpchain_crypto::Digest([1; 32]), stream_terms());
    let step = with(buyer(), 100, |context| StreamOrder::offer(terms.clone(), &signed(), context)).unwrap();
    let order = step.order;
    let stream = |order: &StreamOrder, sender, event| {
        with(sender, 110, |context| order.apply(&event, context, &Toy)).unwrap().order
    };
    let open = stream(&order, seller(), StreamEvent::Order(accept()));
    let ask = StreamEvent::Ask(Ask { buyer_key: vec![1], manifest: digest, leaf_root: digest, leaf_count: 4 });
    let asked = stream(&open, buyer(), ask.clone());
    let granted = stream(&asked, seller(), StreamEvent::Order(grant(asked.interval().unwrap())));
    let fragments = Event::Fragments(bundle(granted.interval().unwrap(), 0));
    let settled = stream(&granted, granted.drawn()[0], StreamEvent::Order(fragments));
    let settled = stream(&settled, buyer(), ask.clone());
    describe(&pool, "StreamOrder", &settled.to_bytes()[1..], &mut seen);
    commands.push(Command::OfferStream(terms));
    commands.extend(
        [ask, StreamEvent::Stop, StreamEvent::Order(Event::Confirm)]
            .map(|event| Command::Stream { order: OrderId(digest), event }),
    );
    for command in commands {
        describe(&pool, "Command", &command.to_bytes()[1..], &mut seen);
    }

    for (name, bytes) in book_messages() {
        describe(&pool, name, &bytes, &mut seen);
    }

    let mut all = BTreeSet::new();
    let rows = ["ChainRecord", "Placed", "StandingRow", "AccountRow", "TradeRow", "PreviewRow"];
    for name in ["Operation", "Order", "StreamOrder", "Command"].into_iter().chain(rows) {
        fields(&pool.get_message_by_name(&format!("cpchain.market.v1.{name}")).unwrap(), &mut all);
    }
    let missed: Vec<_> = all.difference(&seen).collect();
    assert!(missed.is_empty(), "described, but never written: {missed:?}");
}

fn operations(content: cpchain_market::listing::Listing) -> Vec<cpchain_market::listing::SignedOperation> {
    use cpchain_market::listing::{
        Action, Answer, Offered, OpenedLeaf, Operation, PreviewOpening, Rating, Unit, Wanted,
    };
    let listing = signed().listing_id();
    let wanted = Wanted {
        title: "t".into(),
        description: "d".into(),
        tags: vec!["a".into()],
        category: "c".into(),
        max_price: cpchain_market::Amount(1),
        unit: Unit::Stream,
        period_ms: 1,
        until: cpchain_market::Height(9),
        created_ms: 1,
    };
    let digest = cpchain_crypto::Digest([1; 32]);
    let answer = |offered| {
        Action::Answer(Answer { wanted: listing, offered, price: cpchain_market::Amount(1), note: "n".into() })
    };
    let goods = Goods::new(Cheat::No);
    let leaf = OpenedLeaf { evidence: goods.leaf(5), secrets: Goods::secrets_of(5) };
    let actions = [
        (0, Action::Publish(content.clone())),
        (1, Action::Update { listing, content }),
        (2, Action::Withdraw { listing }),
        (0, Action::Want(wanted)),
        (1, answer(Offered::Listing(listing))),
        (2, answer(Offered::Object { manifest: digest, uri: "u".into() })),
        (0, Action::Rate(Rating { order: OrderId(digest), score: 5, text: "t".into() })),
        (0, Action::OfferPreview(offer())),
        (0, Action::OpenPreview(PreviewOpening { listing, manifest: digest, leaves: vec![leaf] })),
    ];
    actions
        .into_iter()
        .map(|(sequence, action)| Operation { seller: seller(), sequence, action }.sign(&key(2)).unwrap())
        .collect()
}

fn stream_terms() -> StreamTerms {
    let (listing, revision) = (signed().listing_id(), signed().id());
    let (price, fee, bond) = (cpchain_market::Amount(500), cpchain_market::Amount(1), cpchain_market::Amount(500));
    StreamTerms { listing, revision, first: 1, count: 3, price, fee, bond, threshold: 1, proxies: 2, nonce: 1 }
}

fn offer() -> cpchain_market::listing::PreviewOffer {
    let digest = cpchain_crypto::Digest([1; 32]);
    let listing = signed().listing_id();
    cpchain_market::listing::PreviewOffer { listing, manifest: digest, leaf_root: digest, leaf_count: 9, leaves: 4 }
}

fn book_messages() -> Vec<(&'static str, Vec<u8>)> {
    use cpchain_market::{
        Amount, Cursor,
        book::{
            Account, ChainRecord, Fact, Preview, PreviewDraw, Ratings, Side, Standing, Trade, TradeEnd, TradeRecord,
        },
        catalog::Entry,
    };
    let digest = cpchain_crypto::Digest([1; 32]);
    let at = Cursor { height: cpchain_market::Height(7), index: 3 };
    let placed = || Entry { operation: signed(), at };
    let record = TradeRecord {
        order: OrderId(digest),
        listing: signed().listing_id(),
        buyer: buyer(),
        seller: seller(),
        end: TradeEnd::Settled,
        intervals: 2,
        paid: Amount(1 << 70 | 1),
        false_complaint: true,
    };
    let draw = PreviewDraw { seller: seller(), manifest: digest, randomness: digest };
    let (ratings, side) = (Ratings { count: 1, sum: 5 }, Side { settled: 1, faults: 2, lapsed: 3 });
    let preview = Preview { offered: placed(), drawn: Some((digest, at)), opened: Some(placed()) };
    vec![
        ("ChainRecord", ChainRecord::Trade(record).to_bytes()[1..].to_vec()),
        ("ChainRecord", ChainRecord::Draw(draw).to_bytes()[1..].to_vec()),
        ("Placed", Fact::Answer(Box::new(placed())).to_bytes()),
        ("StandingRow", Fact::Standing(Standing { ratings, sold: 4, preview: Some(digest) }).to_bytes()),
        ("AccountRow", Fact::Account(Account { selling: side, buying: side, false_complaints: 1, ratings }).to_bytes()),
        ("TradeRow", Fact::Trade(Box::new(Trade { record, at, rated: Some(placed()) })).to_bytes()),
        ("PreviewRow", Fact::Preview(Box::new(preview)).to_bytes()),
    ]
}

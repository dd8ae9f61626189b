//! The bytes of the protocol: the schema file and the code say the same, and signed records keep their bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::path::Path;

use bytes::Bytes;
use cpchain_crypto::{Digest, Signer, SigningKey};
use cpchain_otp::{
    Record, Signed,
    records::{
        Custody, Delivery, Grant, GrantKind, Label, Letter, MAX_LETTER, ProxyDescriptor, ProxyId, Receipt,
        Registration, Revocations, StreamHead, WitnessedReceipt,
    },
    wire::{self, lookup, reply, request},
};
use proptest::prelude::*;
use prost::Message;
use protox::prost_reflect::{DescriptorPool, DynamicMessage};

fn pool() -> DescriptorPool {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let files = protox::compile(["otp.proto"], [folder]).unwrap();
    DescriptorPool::from_file_descriptor_set(files).unwrap()
}

/// Every field of `message` must be known to the schema, with the same type, and the schema must not have more.
fn same<M: Message + std::fmt::Debug>(pool: &DescriptorPool, name: &str, message: &M) {
    let descriptor = pool.get_message_by_name(&format!("cpchain.otp.v1.{name}")).expect(name);
    let bytes = message.encode_to_vec();
    let read = DynamicMessage::decode(descriptor.clone(), bytes.as_slice()).unwrap();
    assert_eq!(read.unknown_fields().count(), 0, "{name} has a field that the schema does not have");
    for field in descriptor.fields().filter(|field| field.containing_oneof().is_none_or(|one| one.is_synthetic())) {
        assert!(read.has_field(&field), "{name}.{} is not in the code, or of another type", field.name());
        assert!(format!("{message:?}").contains(field.name()), "{name}.{} has another name", field.name());
    }
    assert_eq!(read.encode_to_vec(), bytes, "{name}");
}

fn b(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[test]
fn proto_file_describes_the_messages() {
    let pool = pool();
    let get = wire::Get { root: b("r"), start: 1, end: Some(2), grant: b("g") };
    let call = wire::Call { service: "s".into(), len: 1 };
    let deposit = wire::Deposit { grant: b("g"), node: b("n"), fragment: b("f") };
    let reencrypt = wire::Reencrypt { grant: b("g"), node: b("n"), capsule: b("c") };
    let lookups = [
        lookup::What::Descriptor(true),
        lookup::What::Registration(b("r")),
        lookup::What::Label(b("l")),
        lookup::What::Head(b("h")),
        lookup::What::Delivery(b("d")),
    ];
    let announce = wire::Announce { head: b("h") };
    let follow = wire::Follow { owner: b("o"), stream: b("s"), next: 1, grant: b("g") };
    let post = wire::Post { recipient: b("r"), sealed: b("s") };
    let collect = wire::Collect { from: 1 };
    let confirm = wire::Confirm { delivery: b("d") };
    same(&pool, "Announce", &announce);
    same(&pool, "Follow", &follow);
    same(&pool, "OpenInbox", &wire::OpenInbox {});
    same(&pool, "Post", &post);
    same(&pool, "Collect", &collect);
    same(&pool, "Confirm", &confirm);
    same(&pool, "Get", &get);
    same(&pool, "Call", &call);
    same(&pool, "Deposit", &deposit);
    same(&pool, "Reencrypt", &reencrypt);
    let lookups = lookups.map(|what| wire::Lookup { what: Some(what) });
    lookups.iter().for_each(|message| same(&pool, "Lookup", message));
    let requests = [
        request::Body::Get(get),
        request::Body::Call(call),
        request::Body::Lookup(lookups[0].clone()),
        request::Body::Deposit(deposit),
        request::Body::Reencrypt(reencrypt),
        request::Body::Announce(announce),
        request::Body::Follow(follow),
        request::Body::OpenInbox(wire::OpenInbox {}),
        request::Body::Post(post),
        request::Body::Collect(collect),
        request::Body::Confirm(confirm),
    ];
    requests.into_iter().for_each(|body| same(&pool, "Request", &wire::Request { version: 1, body: Some(body) }));

    let refused = wire::Refused { code: 1, detail: "d".into() };
    let (opened, answer) = (wire::Opened { size: 1 }, wire::Answer { len: 1 });
    let (found, fragment) = (wire::Found { record: b("r") }, wire::Fragment { capsule_fragment: b("c") });
    same(&pool, "Refused", &refused);
    same(&pool, "Opened", &opened);
    same(&pool, "Answer", &answer);
    same(&pool, "Found", &found);
    same(&pool, "Fragment", &fragment);
    let (told, posted) = (wire::Told { head: b("h") }, wire::Posted { custody: b("c") });
    let collected = wire::Collected { number: 1, sealed: b("s") };
    same(&pool, "Told", &told);
    same(&pool, "Posted", &posted);
    same(&pool, "Collected", &collected);
    let replies = [
        reply::Body::Refused(refused),
        reply::Body::Opened(opened),
        reply::Body::Answer(answer),
        reply::Body::Found(found),
        reply::Body::Held(wire::Held {}),
        reply::Body::Fragment(fragment),
        reply::Body::Ready(wire::Ready {}),
        reply::Body::Told(told),
        reply::Body::Posted(posted),
        reply::Body::Collected(collected),
    ];
    replies.into_iter().for_each(|body| same(&pool, "Reply", &wire::Reply { body: Some(body) }));

    same(&pool, "Acknowledge", &wire::Acknowledge { signature: b("s") });
    same(&pool, "SignedRecord", &wire::SignedRecord { body: b("b"), signature: b("s") });
    same(&pool, "WitnessedReceipt", &wire::WitnessedReceipt { receipt: b("r"), acknowledgement: b("a") });
    let records = records();
    same(&pool, "Registration", &wire::Registration::decode(records.0.body().clone()).unwrap());
    same(&pool, "Label", &wire::Label::decode(records.1.body().clone()).unwrap());
    same(&pool, "Grant", &wire::Grant::decode(records.2.body().clone()).unwrap());
    same(&pool, "Revocations", &wire::Revocations::decode(records.3.body().clone()).unwrap());
    same(&pool, "Descriptor", &wire::Descriptor::decode(records.4.body().clone()).unwrap());
    same(&pool, "Receipt", &wire::Receipt::decode(records.5.body().clone()).unwrap());
    let records = live_records();
    same(&pool, "StreamHead", &wire::StreamHead::decode(records.0.body().clone()).unwrap());
    same(&pool, "Letter", &wire::Letter::decode(records.1.body().clone()).unwrap());
    same(&pool, "Custody", &wire::Custody::decode(records.2.body().clone()).unwrap());
    same(&pool, "Delivery", &wire::Delivery::decode(records.3.body().clone()).unwrap());
    let entry = wire::InboxEntry { number: 1, letter: b("l"), len: 2, at_ms: 3 };
    same(&pool, "InboxEntry", &entry);
    same(&pool, "InboxIndex", &wire::InboxIndex { next: 1, waiting: vec![entry.clone()], delivered: vec![entry] });
    same(&pool, "StreamEnd", &wire::StreamEnd { first: 1, newest: b("n") });
    assert_eq!(pool.all_messages().count(), 39, "a message of the schema is not tested here");
}

type Records =
    (Signed<Registration>, Signed<Label>, Signed<Grant>, Signed<Revocations>, Signed<ProxyDescriptor>, Signed<Receipt>);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// One record of each kind, with every field set.
fn records() -> Records {
    let (owner, proxy) = (key(1).public_key(), key(2).public_key());
    let [root, stream, order] = [b"root", b"strm", b"ordr"].map(|text| Digest::content(text));
    let grant = Grant {
        owner,
        grantee: key(3).public_key(),
        stream,
        intervals: 3..9,
        proxies: [ProxyId::from(proxy)].into(),
        kind: GrantKind::Reencrypt,
        expires_ms: Some(1_700_000_000_000),
        expires_height: Some(77),
        order: Some(order),
        nonce: 5,
    };
    let grant = Signed::sign(grant, &key(1)).unwrap();
    let receipt = Receipt {
        proxy,
        caller: key(3).public_key(),
        root,
        range: 16..99,
        grant: Some(grant.id()),
        at_ms: 1_700_000_000_001,
    };
    let addresses = vec!["/ip4/127.0.0.1/tcp/4001".to_owned()];
    let descriptor = ProxyDescriptor { key: proxy, addresses, sequence: 8, expires_ms: 1_700_000_000_002 };
    (
        Signed::sign(Registration { owner, name: "weather".into(), root, sequence: 7 }, &key(1)).unwrap(),
        Signed::sign(Label { owner, root, stream, intervals: 3..9, public: true }, &key(1)).unwrap(),
        grant.clone(),
        Signed::sign(Revocations { owner, sequence: 6, grants: [grant.id(), root].into() }, &key(1)).unwrap(),
        Signed::sign(descriptor, &key(2)).unwrap(),
        Signed::sign(receipt, &key(2)).unwrap(),
    )
}

type LiveRecords = (Signed<StreamHead>, Signed<Letter>, Signed<Custody>, Signed<Delivery>);

/// One of each kind that live streams and inboxes need, with every field set.
fn live_records() -> LiveRecords {
    let (owner, proxy) = (key(1).public_key(), key(2).public_key());
    let [root, stream, previous, letter] = [b"root", b"strm", b"prev", b"lttr"].map(|text| Digest::content(text));
    let head = StreamHead { owner, stream, sequence: 4, previous, root, intervals: 3..9, public: true };
    let words = Letter { sender: owner, recipient: proxy, sent_ms: 1_700_000_000_003, nonce: letter, body: b("words") };
    let custody = Custody { proxy, recipient: owner, letter, at_ms: 1_700_000_000_004, until_ms: 1_700_000_000_005 };
    let delivery = Delivery { recipient: owner, letter, opened: true, at_ms: 1_700_000_000_006 };
    (
        Signed::sign(head, &key(1)).unwrap(),
        Signed::sign(words, &key(1)).unwrap(),
        Signed::sign(custody, &key(2)).unwrap(),
        Signed::sign(delivery, &key(1)).unwrap(),
    )
}

fn line<T: Record + PartialEq + std::fmt::Debug>(record: &Signed<T>) -> String {
    assert_eq!(&Signed::<T>::from_bytes(&record.to_bytes()).unwrap(), record);
    format!("{} {} {}\n", T::DOMAIN.as_str(), record.id(), Digest::content(&record.to_bytes()))
}

/// Domain, id and hash of the signed bytes of each kind: a change here is a change of the wire, with a changelog line.
#[test]
fn golden_records() {
    let all = records();
    let witnessed = WitnessedReceipt::acknowledge(all.5.clone(), &key(3)).unwrap();
    let lines = [line(&all.0), line(&all.1), line(&all.2), line(&all.3), line(&all.4), line(&all.5)].concat();
    let live = live_records();
    let live = [line(&live.0), line(&live.1), line(&live.2), line(&live.3)].concat();
    let lines = format!("{lines}witnessed {}\n{live}", Digest::content(&witnessed.to_bytes()));
    assert_eq!(lines, include_str!("../testdata/records.golden"), "found:\n{lines}");
}

#[test]
fn records_out_of_bounds_are_refused() {
    let all = records();
    let sign = |grant: Grant| Signed::sign(grant, &key(1));
    assert!(sign(Grant { intervals: 5..5, ..all.2.clone().into_inner() }).is_err());
    let many = (0..33).map(|i| ProxyId(Digest([i; 32]))).collect();
    assert!(sign(Grant { proxies: many, ..all.2.clone().into_inner() }).is_err());
    let name = Registration { name: "UPPER".into(), ..all.0.clone().into_inner() };
    assert!(Signed::sign(name, &key(1)).is_err());
    let head = live_records().0.into_inner();
    assert!(Signed::sign(StreamHead { sequence: 0, ..head.clone() }, &key(1)).is_err(), "the first follows none");
    assert!(Signed::sign(StreamHead { sequence: u64::MAX, ..head.clone() }, &key(1)).is_err());
    assert!(Signed::sign(StreamHead { previous: Digest::ZERO, ..head }, &key(1)).is_err());
    let letter = live_records().1.into_inner();
    assert!(Signed::sign(Letter { body: vec![0; MAX_LETTER + 1].into(), ..letter }, &key(1)).is_err());
    let addresses = vec!["x".repeat(257)];
    let far = ProxyDescriptor { addresses, ..all.4.clone().into_inner() };
    assert!(Signed::sign(far, &key(2)).is_err());
}

proptest! {
    /// Whatever bytes come as a record of whatever kind, none panics, and only signed ones are records.
    #[test]
    fn any_bytes_are_no_record(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Signed::<StreamHead>::from_bytes(&bytes).is_err());
        prop_assert!(Signed::<Letter>::from_bytes(&bytes).is_err());
        prop_assert!(Signed::<Custody>::from_bytes(&bytes).is_err());
        prop_assert!(Signed::<Delivery>::from_bytes(&bytes).is_err());
        let _ = (StreamHead::from_body(&bytes), Letter::from_body(&bytes), Custody::from_body(&bytes), Delivery::from_body(&bytes));
        let _ = (wire::InboxIndex::decode(bytes.as_slice()), wire::StreamEnd::decode(bytes.as_slice()));
    }
}

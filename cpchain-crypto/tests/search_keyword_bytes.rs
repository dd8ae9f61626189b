//! Bytes of the keyword search: pinned, and bounded against any others.
#![cfg(feature = "search")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::LazyLock;

use cpchain_crypto::{
    Digest, Key, SeededEntropy,
    counter::{FileCounter, SealCounter},
    search::{
        Field, FieldKind, Language, SearchClient, SearchError, SearchServer, Term, Value,
        keyword::{
            KeywordClient, KeywordIndex, KeywordServer, KeywordTable, Lookup, ParameterSet, Pending, Posting, Shard,
            add_answers,
        },
    },
};
use proptest::prelude::*;

const KEY: [u8; 32] = [7; 32];
const MAX: u64 = 1 << 24;

/// One of each message, and what made them.
struct Messages {
    client: KeywordClient<FileCounter>,
    host: KeywordServer,
    /// Update, query, answer, stored table, stored index.
    all: [Vec<u8>; 5],
    pending: Pending,
    _folder: tempfile::TempDir,
}

fn messages() -> Messages {
    let mut entropy = SeededEntropy::new(&[4; 32]);
    let mut index = KeywordIndex::new(Key::from_bytes(KEY), ParameterSet::Bucket1K, 2).unwrap();
    let term = Term::new("golden", b"term");
    let postings: Vec<_> = (0..20).map(|record| Posting { term, record: record << 30 }).collect();
    let update = index.append(&postings, &mut entropy).unwrap();
    let mut host = KeywordServer::new(index.table(), Shard::WHOLE, MAX);
    host.apply(&update).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let counter = SealCounter::open(FileCounter::open(folder.path()).unwrap()).unwrap();
    let mut client = KeywordClient::new(index, Key::from_bytes([6; 32]), counter);
    let (query, pending) = client.query(&Lookup::pages(term, 2), &mut entropy).unwrap();
    let answer = host.answer(&query).unwrap();
    let all = [update, query, answer, host.to_bytes(), client.index().to_bytes()];
    Messages { client, host, all, pending, _folder: folder }
}

/// A change of these bytes is a change of the wire or of the disk.
#[test]
fn bytes_are_these() {
    let Messages { client, all, pending, .. } = messages();
    let table = client.index().table();
    assert_eq!(KeywordTable::from_bytes(&table.to_bytes()), Ok(table));
    let hex: String = table.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut lines = format!("table {hex}\n");
    for (name, bytes) in ["update", "query", "answer", "server", "index"].iter().zip(&all) {
        lines += &format!("{name} {} {}\n", bytes.len(), Digest::content(bytes));
    }
    let field = |kind, value| Field::new("field", kind).unwrap().term(value).unwrap();
    let terms = [
        Term::new("kind", b"value"),
        *Language::German.terms("text", "Türen").first().unwrap(),
        field(FieldKind::Category, Value::Category("Dach")),
        field(FieldKind::Integer, Value::Integer(-7)),
        field(FieldKind::Timestamp { step_ms: 60_000 }, Value::Timestamp(1_767_225_600_000)),
        field(FieldKind::Decimal { places: 2 }, Value::Decimal(-3.25)),
    ];
    terms.iter().for_each(|term| lines += &format!("{term:?}\n"));
    let pages = client.decode(pending, &all[2]).unwrap();
    assert_eq!(pages.iter().map(|page| page.records.len()).collect::<Vec<_>>(), [8, 8]);
    assert_eq!(lines, include_str!("../testdata/search_keyword.txt"));
}

fn with_messages<T>(test: impl FnOnce(&Messages) -> T) -> T {
    thread_local!(static MESSAGES: LazyLock<Messages> = LazyLock::new(messages));
    MESSAGES.with(|messages| test(messages))
}

/// Everything that reads bytes, on these: errors at the most, and what is accepted is written back as it was.
fn read_all(messages: &Messages, bytes: &[u8]) {
    if let Ok(table) = KeywordTable::from_bytes(bytes) {
        assert_eq!(table.to_bytes().as_slice(), bytes);
    }
    if let Ok(server) = KeywordServer::from_bytes(bytes, MAX) {
        assert_eq!(server.to_bytes(), bytes);
        assert!(server.bytes() <= MAX);
    }
    if let Ok(index) = KeywordIndex::from_bytes(Key::from_bytes(KEY), bytes) {
        assert_eq!(index.to_bytes(), bytes);
    }
    if let Ok(sum) = add_answers(&[bytes]) {
        assert_eq!(sum, bytes);
    }
    let _ = KeywordServer::new(messages.client.index().table(), Shard::WHOLE, MAX).apply(bytes);
    if let Ok(answer) = messages.host.answer(bytes) {
        assert_eq!(answer.len(), messages.all[2].len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoders_take_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        with_messages(|messages| read_all(messages, &bytes));
    }

    #[test]
    fn decoders_take_changed_bytes(kind in 0usize..5, cut in any::<prop::sample::Index>(), flips in prop::collection::vec((0usize..120, any::<u8>()), 0..4)) {
        with_messages(|messages| {
            let mut bytes = messages.all[kind].clone();
            for (at, byte) in flips {
                bytes[at] = byte;
            }
            read_all(messages, &bytes);
            bytes.truncate(cut.index(bytes.len()));
            read_all(messages, &bytes);
        });
    }
}

/// A head that promises more than there is makes no host take memory for it.
#[test]
fn lengths_are_checked_before_they_are_used() {
    let Messages { host, all, .. } = messages();
    let mut update = all[0].clone();
    // Version, kind, table, sequence, keep; then the buckets.
    update[44..48].copy_from_slice(&(1u32 << 18).to_le_bytes());
    let mut fresh = KeywordServer::new(host.table(), Shard::WHOLE, u64::MAX);
    assert_eq!(fresh.apply(&update), Err(SearchError::Format { what: "update of a keyword table" }));
    update[44..48].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(fresh.apply(&update), Err(SearchError::Format { what: "update of a keyword table" }));
    assert_eq!(fresh.bytes(), 0);
}

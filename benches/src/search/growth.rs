//! How the time of an answer grows with the table, for every engine: what `lab search --svg` measures and draws.

use std::hint::black_box;

use cpchain_crypto::{
    Key, SeededEntropy, Signer, SigningKey,
    counter::SealCounter,
    search::{
        Predicate, SearchClient, SearchError, SearchServer, Term,
        catalogue::{Catalogue, CatalogueClient, CataloguePublisher, CatalogueServer, KeyLimits, Layout, Wanted},
        keyword::{KeywordClient, KeywordIndex, KeywordServer, Lookup, ParameterSet, Posting, Shard},
        scan::{
            BLOCK_RECORDS, ScanIndex, ScanServer, Shape,
            shared::{SharedReader, SharedServer, SharedTable, SharedWriter},
        },
    },
};

use super::scan::{Memory, column};
use crate::{
    measure::{Effort, Sample, measure},
    report::Figure,
};

/// Records of a table.
const SIZES: [usize; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
/// Postings of a segment.
const SEGMENT: usize = 1_000_000;
const WRITERS: usize = 4;
/// Bytes of a catalogue's entry.
const ENTRY: usize = 32;
/// Entries of a catalogue of this length, at most.
const MAX_ENTRIES: usize = 2_359_296;

/// A line of the plot: its name, and milliseconds against records.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

/// An engine of one kind: the time of an answer from a table of so many records.
type Answer = fn(usize) -> Result<Sample, SearchError>;

/// The engines, with their names in the plot and in figures, and the largest table.
const ENGINES: [(&str, &str, Answer, usize); 4] = [
    ("K, one term", "keyword", keyword, usize::MAX),
    ("A, equality", "scan", scan, usize::MAX),
    ("A2, equality, 4 writers", "shared", shared, usize::MAX),
    ("B, an entry of 32 bytes", "catalogue", catalogue, MAX_ENTRIES),
];

/// Measures every engine over tables of growing size.
pub(super) fn growth(effort: Effort, progress: &mut impl FnMut(&str)) -> Result<(Vec<Line>, Vec<Figure>), SearchError> {
    let most = if effort == Effort::Full { SIZES.len() } else { 2 };
    let (mut lines, mut figures) = (Vec::new(), Vec::new());
    for (name, engine, answer, largest) in ENGINES {
        let mut points = Vec::new();
        for size in SIZES.iter().take(most) {
            let records = (*size).min(largest);
            progress(&format!("search::answer, {engine}, {records} records"));
            let sample = answer(records)?;
            points.push((records as f64, sample.median() / 1e6));
            let params = format!("engine={engine} records={records}");
            figures.push(Figure::nanoseconds("search::answer", params, &sample));
        }
        lines.push(Line { name, points });
    }
    Ok((lines, figures))
}

/// The line of what takes so many nanoseconds a record.
#[cfg(feature = "tfhe-api")]
pub(super) fn scaled(name: &'static str, effort: Effort, nanos: f64) -> Line {
    let most = if effort == Effort::Full { SIZES.len() } else { 2 };
    let points = SIZES.iter().take(most).map(|size| (*size as f64, *size as f64 * nanos / 1e6));
    Line { name, points: points.collect() }
}

fn keyword(records: usize) -> Result<Sample, SearchError> {
    let mut entropy = SeededEntropy::new(&[1; 32]);
    let mut index = KeywordIndex::new(Key::from_bytes([2; 32]), ParameterSet::Bucket1K, 1)?;
    let mut host = KeywordServer::new(index.table(), Shard::WHOLE, 1 << 30);
    let term = |record: u64| Term::new("serial number", &record.to_le_bytes());
    for first in (0..records).step_by(SEGMENT) {
        let of_segment = first as u64..records.min(first + SEGMENT) as u64;
        let postings: Vec<Posting> = of_segment.map(|record| Posting { term: term(record), record }).collect();
        host.apply(&index.append(&postings, &mut entropy)?)?;
    }
    let Ok(counter) = SealCounter::open(Memory) else { unreachable!("the store does not fail") };
    let mut client = KeywordClient::new(index, Key::from_bytes([3; 32]), counter);
    let (query, _pending) = client.query(&[Lookup { term: term(7), page: 0 }], &mut entropy)?;
    Ok(measure(Effort::Quick, || host.answer(&query)))
}

fn scan(records: usize) -> Result<Sample, SearchError> {
    let mut entropy = SeededEntropy::new(&[1; 32]);
    let mut index = ScanIndex::new(Key::from_bytes([2; 32]), &[4])?.in_shape(Shape::Products);
    let mut host = ScanServer::new(index.table(), records.div_ceil(BLOCK_RECORDS) as u32);
    for part in column(records, &mut entropy)?.chunks(BLOCK_RECORDS) {
        for update in index.append(&[part], &mut entropy)? {
            host.apply(&update)?;
        }
    }
    let (query, _pending) = index.query(&[Predicate::Equal(7)], &mut entropy)?;
    Ok(measure(Effort::Quick, || host.answer(&query)))
}

fn shared(records: usize) -> Result<Sample, SearchError> {
    let mut entropy = SeededEntropy::new(&[1; 32]);
    let identity = SigningKey::from_seed(&[5; 32]);
    let table = SharedTable::new(identity.public_key(), &[4])?;
    let of_writer = records.div_ceil(WRITERS);
    let mut host = SharedServer::new(table, (WRITERS * of_writer.div_ceil(BLOCK_RECORDS)) as u32);
    for _ in 0..WRITERS {
        let (mut writer, announcement) = SharedWriter::join(table, &mut entropy)?;
        host.apply(&announcement)?;
        for part in column(of_writer, &mut entropy)?.chunks(BLOCK_RECORDS) {
            for update in writer.append(&[part], &mut entropy)? {
                host.apply(&update)?;
            }
        }
    }
    let Ok(counter) = SealCounter::open(Memory) else { unreachable!("the store does not fail") };
    let reader = SharedReader::new(identity, table, Key::from_bytes([3; 32]), counter)?;
    let mut reader = reader.in_shape(Shape::Products);
    reader.learn(&host.directory())?;
    let (query, _pending) = reader.query(&[Predicate::Equal(7)], &mut entropy)?;
    Ok(measure(Effort::Quick, || host.answer(&query)))
}

fn catalogue(records: usize) -> Result<Sample, SearchError> {
    let mut entropy = SeededEntropy::new(&[1; 32]);
    let mut publisher = CataloguePublisher::new(Catalogue::new(b"growth", Layout::Position, ENTRY)?);
    let mut host = CatalogueServer::new(publisher.listing().catalogue(), 128, KeyLimits::default());
    let entries: Vec<[u8; ENTRY]> = (0..records).map(|number| [(number % 251) as u8; ENTRY]).collect();
    let slices: Vec<&[u8]> = entries.iter().map(<[u8; ENTRY]>::as_slice).collect();
    host.apply(&publisher.append(&slices)?)?;
    let mut client = CatalogueClient::new(publisher.listing(), &mut entropy)?;
    host.register(client.evaluation_keys(), 0)?;
    let (query, pending) = client.query(&Wanted::Position(records as u64 / 2), &mut entropy)?;
    let sample = measure(Effort::Quick, || host.answer(&query));
    black_box(client.decode(pending, &host.answer(&query)?)?);
    Ok(sample)
}

//! What a plan estimates with: the time of an answer as a straight line, through a small table and a large one.

use cpchain_crypto::{
    Key, SeededEntropy,
    search::{
        Predicate, SearchClient, SearchError, SearchServer,
        aggregate::{AggregateIndex, AggregateServer, Bins},
        catalogue::{Catalogue, CatalogueClient, CataloguePublisher, CatalogueServer, KeyLimits, Layout, Wanted},
        scan::{BLOCK_RECORDS, ScanIndex, ScanServer},
    },
};

use super::scan::column;
use crate::{
    measure::{Effort, measure},
    report::Figure,
};

/// Bytes of an entry of a catalogue.
const ENTRY: usize = 32;
/// Pages of a block of a catalogue.
const BLOCK_PAGES: usize = 256;
const BINS: u16 = 64;

/// Nanoseconds of an answer from a table of so many parts.
type Answer = fn(usize, Effort) -> Result<f64, SearchError>;

/// For each engine: its name, the time of an answer, a small and a large table, and what a part and a query are divided by.
const ENGINES: [(&str, Answer, [usize; 2], f64, f64); 3] = [
    ("scan", scan, [1, 32], 4.0 * BLOCK_RECORDS as f64, 4.0),
    ("catalogue", catalogue, [1, 32], BLOCK_PAGES as f64, 1.0),
    ("aggregate", aggregate, [102, 3060], BINS as f64, BINS as f64),
];

/// The fields of `search::plan::Rates`, as this machine has them: a digit of a record, a page, a bin of an interval, and for each query.
pub(super) fn rates(effort: Effort, progress: &mut impl FnMut(&str)) -> Result<Vec<Figure>, SearchError> {
    let mut figures = Vec::new();
    for (engine, answer, [small, large], of_part, of_query) in ENGINES {
        progress(&format!("search::rate, {engine}"));
        let (first, second) = (answer(small, effort)?, answer(large, effort)?);
        let part = (second - first) / (large - small) as f64;
        let query = (first - part * small as f64).max(0.0);
        for (of, nanos) in
            [(format!("{engine}_nanos"), part / of_part), (format!("{engine}_query_nanos"), query / of_query)]
        {
            figures.push(Figure::count("search::rate", format!("of={of}"), "ns", nanos));
        }
    }
    Ok(figures)
}

/// Any questions about a field of four digits.
fn scan(blocks: usize, effort: Effort) -> Result<f64, SearchError> {
    let mut entropy = SeededEntropy::new(&[1; 32]);
    let mut index = ScanIndex::new(Key::from_bytes([2; 32]), &[4])?;
    let mut host = ScanServer::new(index.table(), blocks as u32);
    for part in column(blocks * BLOCK_RECORDS, &mut entropy)?.chunks(BLOCK_RECORDS) {
        for update in index.append(&[part], &mut entropy)? {
            host.apply(&update)?;
        }
    }
    let (query, _pending) = index.query(&[Predicate::Between { low: 0x1234, high: 0x1357 }], &mut entropy)?;
    Ok(measure(effort, || host.answer(&query)).median())
}

fn catalogue(blocks: usize, effort: Effort) -> Result<f64, SearchError> {
    let mut entropy = SeededEntropy::new(&[1; 32]);
    let catalogue = Catalogue::new(b"bench", Layout::Position, ENTRY)?;
    let mut publisher = CataloguePublisher::new(catalogue);
    let mut host = CatalogueServer::new(catalogue, blocks, KeyLimits::default());
    let entries = vec![[7u8; ENTRY]; blocks * BLOCK_PAGES * catalogue.page_entries()];
    host.apply(&publisher.append(&entries.iter().map(<[u8; ENTRY]>::as_slice).collect::<Vec<_>>())?)?;
    let mut client = CatalogueClient::new(publisher.listing(), &mut entropy)?;
    host.register(client.evaluation_keys(), 0)?;
    let (query, _pending) = client.query(&Wanted::Position(1), &mut entropy)?;
    Ok(measure(effort, || host.answer(&query)).median())
}

fn aggregate(intervals: usize, effort: Effort) -> Result<f64, SearchError> {
    let mut entropy = SeededEntropy::new(&[1; 32]);
    let edges: Vec<u16> = (0..BINS).map(|bin| bin * 1000).collect();
    let mut owner = AggregateIndex::new(Key::from_bytes([2; 32]), Bins::new(&edges)?)?;
    let mut host = AggregateServer::new(owner.table(), intervals as u32);
    let tally = owner.bins().tally((0..50u32).map(|at| (at as u16 * 1200, at)))?;
    for update in owner.append(&vec![tally; intervals], &mut entropy)? {
        host.apply(&update)?;
    }
    let (query, _pending) = owner.query(&Predicate::Any, &mut entropy)?;
    Ok(measure(effort, || host.answer(&query)).median())
}

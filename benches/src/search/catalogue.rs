//! The catalogue lookup (engine B): one of 2²⁰ entries of 32 bytes, nothing downloaded first.

use std::hint::black_box;

use cpchain_crypto::{
    SeededEntropy,
    search::{
        Kernel, SearchClient, SearchError, SearchServer,
        catalogue::{
            Catalogue, CatalogueClient, CataloguePublisher, CatalogueServer, KeyLimits, Layout, Listing, Stage, Wanted,
        },
    },
};

use crate::{
    measure::{Clock, Effort, measure},
    report::Figure,
};

const ENTRY: usize = 32;
/// The parts of a host's work, as figures name them.
const STAGES: [(Stage, &str); 5] = [
    (Stage::Read, "read"),
    (Stage::Expand, "expand"),
    (Stage::Select, "multiply"),
    (Stage::Fold, "fold_and_inverse_transforms"),
    (Stage::Write, "write"),
];

/// Host and reader of one table.
struct Table {
    host: CatalogueServer,
    client: CatalogueClient,
    entropy: SeededEntropy,
    entries: u64,
}

impl Table {
    fn new(entries: u64) -> Result<(Self, Vec<Figure>), SearchError> {
        let mut entropy = SeededEntropy::new(&[1; 32]);
        let bytes: Vec<[u8; ENTRY]> = (0..entries)
            .map(|number| std::array::from_fn(|at| ((number >> (8 * (at % 4))) ^ (37 * at as u64)) as u8))
            .collect();
        let slices: Vec<&[u8]> = bytes.iter().map(<[u8; ENTRY]>::as_slice).collect();
        let mut publisher = CataloguePublisher::new(Catalogue::new(b"bench", Layout::Position, ENTRY)?);
        let start = Clock::now();
        let update = publisher.append(&slices)?;
        let append = start.elapsed_nanos() / entries as f64;
        let mut host = CatalogueServer::new(publisher.listing().catalogue(), 64, KeyLimits::default());
        let start = Clock::now();
        host.apply(&update)?;
        let apply = start.elapsed_nanos() / entries as f64;
        let start = Clock::now();
        black_box(CatalogueServer::from_bytes(&host.to_bytes(), 64, KeyLimits::default())?);
        let restart = start.elapsed_nanos();
        let replace = publisher.replace(&[(entries / 2, &[7; ENTRY])])?;
        let start = Clock::now();
        host.apply(&replace)?;
        let replaced = start.elapsed_nanos();
        let start = Clock::now();
        let client = CatalogueClient::new(publisher.listing(), &mut entropy)?;
        let keys = start.elapsed_nanos();
        let start = Clock::now();
        host.register(client.evaluation_keys(), 0)?;
        let register = start.elapsed_nanos();
        let params = format!("entries={entries}");
        let figures = vec![
            Figure::count("search::catalogue_append", format!("{params} of=entry"), "ns", append),
            Figure::count("search::catalogue_apply", format!("{params} of=entry"), "ns", apply),
            Figure::count("search::catalogue_apply", format!("{params} of=replaced_entry"), "ns", replaced),
            Figure::count("search::catalogue_restart", &params, "ns", restart),
            Figure::count("search::catalogue_keys", format!("{params} side=client"), "ns", keys),
            Figure::count("search::catalogue_keys", format!("{params} side=host"), "ns", register),
            Figure::count("search::catalogue_bytes", format!("{params} of=memory"), "bytes", host.bytes() as f64),
            Figure::count("search::catalogue_bytes", format!("{params} of=listing"), "bytes", Listing::LEN as f64),
            Figure::count(
                "search::catalogue_bytes",
                format!("{params} of=evaluation_keys"),
                "bytes",
                client.evaluation_keys().len() as f64,
            ),
        ];
        Ok((Self { host, client, entropy, entries }, figures))
    }

    fn params(&self) -> String {
        format!("entries={}", self.entries)
    }

    /// The host's work as a whole, and cut into its parts.
    fn answers(&mut self, effort: Effort, goals: bool) -> Result<Vec<Figure>, SearchError> {
        let wanted = Wanted::Position(self.entries * 5 / 7);
        let (query, _) = self.client.query(&wanted, &mut self.entropy)?;
        let mut stages = STAGES.map(|_| Vec::new());
        let sample = measure(effort, || {
            let mut clock = Clock::now();
            self.host.answer_observed(&query, |stage| {
                let at = STAGES.iter().position(|(known, _)| *known == stage);
                at.and_then(|at| stages.get_mut(at)).into_iter().for_each(|times| times.push(clock.elapsed_nanos()));
                clock = Clock::now();
            })
        });
        let answer = self.host.answer(&query)?;
        let params = self.params();
        let lookup = Figure::nanoseconds("search::catalogue_lookup", &params, &sample);
        let asked = Figure::count("search::catalogue_bytes", format!("{params} of=query"), "bytes", query.len() as f64);
        let answered =
            Figure::count("search::catalogue_bytes", format!("{params} of=answer"), "bytes", answer.len() as f64);
        let mut figures = if goals {
            vec![lookup.at_most(25e6), asked.at_most(307_200.0), answered.at_most(13_312.0)]
        } else {
            vec![lookup, asked, answered]
        };
        for ((_, name), times) in STAGES.iter().zip(stages) {
            let params = format!("{params} stage={name}");
            figures.push(Figure::nanoseconds("search::catalogue_stage", params, &times.into()));
        }
        let entry = sample.divided_by(self.entries as f64);
        figures.push(Figure::nanoseconds("search::catalogue_entry", params, &entry));
        Ok(figures)
    }

    fn client(&mut self) -> Result<Vec<Figure>, SearchError> {
        let (mut queries, mut reads) = (Vec::new(), Vec::new());
        for number in 0..15 {
            let start = Clock::now();
            let wanted = Wanted::Position(number * self.entries / 16);
            let (query, pending) = self.client.query(&wanted, &mut self.entropy)?;
            queries.push(start.elapsed_nanos());
            let answer = self.host.answer(&query)?;
            let start = Clock::now();
            black_box(self.client.decode(pending, &answer)?);
            reads.push(start.elapsed_nanos());
        }
        let params = self.params();
        Ok(vec![
            Figure::nanoseconds("search::catalogue_query", &params, &queries.into()),
            Figure::nanoseconds("search::catalogue_decode", &params, &reads.into()),
        ])
    }

    /// The same query by every kernel of this processor but the scalar one, which takes a second.
    fn kernels(mut self, effort: Effort) -> Result<Vec<Figure>, SearchError> {
        let (query, _) = self.client.query(&Wanted::Position(0), &mut self.entropy)?;
        let mut figures = Vec::new();
        for kernel in Kernel::available().into_iter().skip(1) {
            self.host = self.host.with_kernel(kernel);
            let sample = measure(effort, || self.host.answer(&query));
            let params = format!("entries={} kernel={}", self.entries, kernel.name());
            figures.push(Figure::nanoseconds("search::catalogue_lookup", params, &sample));
        }
        Ok(figures)
    }
}

pub(super) fn catalogue(effort: Effort, mut progress: impl FnMut(&str)) -> Result<Vec<Figure>, SearchError> {
    let entries: u64 = if effort == Effort::Full { 1 << 20 } else { 1 << 16 };
    progress("search::catalogue, the host");
    let (mut table, mut figures) = Table::new(entries)?;
    figures.extend(table.answers(effort, effort == Effort::Full)?);
    progress("search::catalogue, the reader");
    figures.extend(table.client()?);
    progress("search::catalogue, every kernel");
    figures.extend(table.kernels(effort)?);
    Ok(figures)
}

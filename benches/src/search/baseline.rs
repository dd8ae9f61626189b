//! What the same questions cost with `tfhe`'s high-level API: records under its homomorphic encryption, compared one by one.

use std::hint::black_box;

use tfhe::{ConfigBuilder, FheUint16, generate_keys, prelude::*, set_server_key};

use crate::{
    measure::{Effort, ProcessClock, Sample},
    report::Figure,
};

const NAME: &str = "tfhe, FheUint16";

/// The time of all threads for one record, in nanoseconds: of an equality, and of a range.
pub(super) struct Baseline {
    equality: f64,
    range: f64,
}

/// Measures a sample of records, with the default parameters.
pub(super) fn baseline(effort: Effort, progress: &mut impl FnMut(&str)) -> (Baseline, Vec<Figure>) {
    progress("tfhe's high-level API, on a sample");
    let (client, server) = generate_keys(ConfigBuilder::default().build());
    set_server_key(server);
    let [record, wanted, high] = [0x1300_u16, 0x1234, 0x1357].map(|value| FheUint16::encrypt(value, &client));
    let runs = if effort == Effort::Quick { 3 } else { 15 };
    let equality = sample(runs, || record.eq(&wanted));
    let range = sample(runs, || record.ge(&wanted) & record.le(&high));
    let figures = vec![
        Figure::nanoseconds("search::tfhe_record", "question=equality", &equality),
        Figure::nanoseconds("search::tfhe_record", "question=range", &range),
    ];
    (Baseline { equality: equality.median(), range: range.median() }, figures)
}

fn sample<T>(runs: usize, mut operation: impl FnMut() -> T) -> Sample {
    let run = |_| {
        let start = ProcessClock::now();
        black_box(operation());
        start.elapsed_nanos()
    };
    (0..runs).map(run).collect::<Vec<_>>().into()
}

impl Baseline {
    /// Nanoseconds of a record's equality.
    pub(super) const fn equality(&self) -> f64 {
        self.equality
    }

    /// Puts the ratio beside figures of one record, posting or entry.
    pub(super) fn beside(&self, figure: Figure) -> Figure {
        let ours = figure.median;
        match figure.bench.as_str() {
            "search::scan_record" | "search::shared_record" if !figure.params.contains("shape=products") => {
                figure.against(&format!("{NAME} range"), self.range / ours)
            }
            "search::scan_record" | "search::shared_record" | "search::keyword_posting" | "search::catalogue_entry" => {
                figure.against(&format!("{NAME} equality"), self.equality / ours)
            }
            _ => figure,
        }
    }
}

//! Random queries to every engine, over random small tables: never a record too few, never one too many.
//!
//! Each round makes a table for every engine and asks it as often as [`ROUND`] says; what is found must be what the plaintext has. A failure prints its round,
//! which repeats it: `SEARCH_FIRST=round`.
#![cfg(all(feature = "search", feature = "tfhe"))]
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod catalogue;
mod dice;
mod keyword;
mod scan;
mod shared;

use std::time::Instant;

use dice::Dice;

/// An engine: asks so many queries of a random table.
type Ask = fn(&mut Dice, usize);

/// The engines, and how many queries of a thousand each gets: in such shares that the run takes its time about equally for each.
const ROUND: [(&str, Ask, usize); 4] = [
    ("keyword (K)", keyword::ask, 500),
    ("scan (A)", scan::ask, 300),
    ("shared scan (A2)", shared::ask, 190),
    ("catalogue (B)", catalogue::ask, 10),
];

/// Asks from round `first` on until `wanted` queries were answered rightly.
fn rounds(first: u64, wanted: usize, divided_by: usize) {
    let begun = Instant::now();
    let (mut asked, mut seconds) = ([0; ROUND.len()], [0.0; ROUND.len()]);
    for round in first.. {
        for ((name, ask, share), (count, spent)) in ROUND.iter().zip(asked.iter_mut().zip(seconds.iter_mut())) {
            let (begun, queries) = (Instant::now(), share.div_ceil(divided_by));
            let failed = std::panic::catch_unwind(|| ask(&mut Dice::new(name, round), queries));
            assert!(failed.is_ok(), "{name}: repeat it with SEARCH_FIRST={round}");
            *count += queries;
            *spent += begun.elapsed().as_secs_f64();
        }
        let sum: usize = asked.iter().sum();
        if sum >= wanted || round % 20 == 0 {
            let of_engines = ROUND.iter().zip(asked.iter().zip(&seconds));
            let rates = of_engines.map(|((name, ..), (count, spent))| {
                format!("{name} {count} at {:.2} ms", spent * 1000.0 / *count as f64)
            });
            let rates: Vec<String> = rates.collect();
            println!("{sum} queries in {:.0} s: {}", begun.elapsed().as_secs_f64(), rates.join(", "));
        }
        if sum >= wanted {
            return;
        }
    }
}

/// A few of each engine.
#[test]
fn few_random_queries_to_every_engine() {
    rounds(0, 1, 100);
}

#[test]
#[ignore = "long: bounded by SEARCH_QUERIES, 20,000 without it"]
fn no_false_negative_and_no_false_positive() {
    let number = |name, otherwise| std::env::var(name).map_or(otherwise, |count| count.parse().unwrap());
    rounds(number("SEARCH_FIRST", 0), number("SEARCH_QUERIES", 20_000) as usize, 1);
}

//! Random queries to every engine, and to all by way of the language, over random small tables: never a record too few, never one too many.
//!
//! Each round makes a table of 64 to 4,096 records for every engine and asks it as often as [`ROUND`] says; what is found must be what the plaintext has. A
//! failure prints its round, which repeats it: `SEARCH_FIRST=round`.
//!
//! At length: `SEARCH_EACH=5 SEARCH_QUERIES=10000000 cargo test --release -p cpchain-crypto --features search --test search_random -- --ignored --nocapture`.
//! `SEARCH_EACH` asks each table so many times as often, so that fewer tables are made: at 5, 10⁷ queries take about 14,000 s of processor time (AMD EPYC with
//! AVX-512, November 2026), without it 16,400 s. `SEARCH_FIRST` begins at another round, so that several processors share a run, and together with the same
//! `SEARCH_EACH` repeats a round exactly. `SEARCH_ENGINE=plans` asks one engine alone. Queries are those that were sent: one with eight fetches is one.
#![cfg(feature = "search")]
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod catalogue;
mod dice;
mod keyword;
mod plans;
#[path = "../readings/mod.rs"]
mod readings;
mod scan;
mod shared;

use std::time::Instant;

use dice::Dice;

/// An engine: asks so many queries of a random table.
type Ask = fn(&mut Dice, usize);

/// The engines, and how many queries of a thousand each gets: in such shares that the run takes its time about equally for each.
const ROUND: [(&str, Ask, usize); 5] = [
    ("keyword (K)", keyword::ask, 500),
    ("scan (A)", scan::ask, 300),
    ("shared scan (A2)", shared::ask, 185),
    ("catalogue (B)", catalogue::ask, 10),
    ("plans (all)", plans::ask, 5),
];

/// How often a round asks.
#[derive(Clone, Copy)]
struct Often {
    /// Each table so many times as often as [`ROUND`] says.
    each: usize,
    /// And so many times as seldom.
    divided_by: usize,
}

/// Asks from round `first` on until `wanted` queries were answered rightly.
fn rounds(first: u64, wanted: usize, often: Often, engine: &str) {
    let begun = Instant::now();
    let (mut asked, mut seconds) = ([0; ROUND.len()], [0.0; ROUND.len()]);
    for round in first.. {
        let of_engines = ROUND.iter().zip(asked.iter_mut().zip(seconds.iter_mut()));
        for ((name, ask, share), (count, spent)) in of_engines.filter(|((name, ..), _)| name.starts_with(engine)) {
            let (begun, queries) = (Instant::now(), (share * often.each).div_ceil(often.divided_by));
            let failed = std::panic::catch_unwind(|| ask(&mut Dice::new(name, round), queries));
            assert!(failed.is_ok(), "{name}: repeat it with SEARCH_FIRST={round} SEARCH_EACH={}", often.each);
            *count += queries;
            *spent += begun.elapsed().as_secs_f64();
        }
        let sum: usize = asked.iter().sum();
        if sum >= wanted || round % 10 == 0 {
            let of_engines = ROUND.iter().zip(asked.iter().zip(&seconds)).filter(|(_, (count, _))| **count > 0);
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
    rounds(0, 1, Often { each: 1, divided_by: 100 }, "");
}

#[test]
#[ignore = "long: bounded by SEARCH_QUERIES, 10,000 without it"]
fn no_false_negative_and_no_false_positive() {
    let number = |name, otherwise| std::env::var(name).map_or(otherwise, |count| count.parse().unwrap());
    let engine = std::env::var("SEARCH_ENGINE").unwrap_or_default();
    let often = Often { each: number("SEARCH_EACH", 1) as usize, divided_by: 1 };
    rounds(number("SEARCH_FIRST", 0), number("SEARCH_QUERIES", 10_000) as usize, often, &engine);
}

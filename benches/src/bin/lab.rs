//! `lab`: the figures of the workspace, measured on this machine.
//!
//! `cargo run --release --bin lab -- crypto` prints a table, `--json` the same as a list of objects
//! `{bench, params, unit, median, p50, p99, runs, baseline, ratio, goal}`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use cpchain_benches::{
    Effort, Networks, Relaying, audit, compress, crypto, dht, dpor, json, lbft, market, pipeline, read, relay, search,
    store, table, terms,
};
use indicatif::ProgressBar;

/// Measures the CPChain crates on this machine.
#[derive(Parser)]
#[command(version)]
struct Lab {
    #[command(subcommand)]
    bench: Bench,
    /// Print one JSON list on standard output in place of the table.
    #[arg(long, global = true)]
    json: bool,
    /// A smoke run of a few seconds: the figures are rough.
    #[arg(long, global = true)]
    quick: bool,
}

#[derive(Subcommand)]
enum Bench {
    /// Proofs that shards are held: made and verified, beside hashing the whole shard.
    Audit,
    /// Sealing, streams, signatures, batches, sealed blocks, the key tree; beside the bare dependencies.
    Crypto,
    /// The weather file and a vibration signal as sealed uploads, beside zstd -19 of their CSV.
    Compress,
    /// LBFT in virtual time: random faults by the thousand, the replay of one seed, finality over a real map.
    Lbft {
        #[command(subcommand)]
        work: lbft::Work,
    },
    /// The market: a catalogue of a million listings, its synchroniser, and orders under escrow with all fragments verified.
    Market,
    /// Private search: the keyword engine and the predicate scan, by kernel and by size of the table.
    Search(search::Search),
    /// The local store: processor time of a durable put, disk, memory and recovery, beside sled, redb and fjall alone.
    Store(store::Store),
    /// The storage network's DHT: memory of a node, publishing against sweeping in 10, 50 and 200 nodes, a million on paper.
    Dht(Networks),
    /// Elections: a million candidates ranked and drawn from, and the beacons of blocks.
    Dpor,
    /// Who proposes over many terms on the real ledger, when some candidates are silent, late or seal what is illicit.
    Terms(terms::Terms),
    /// Seal, hash, code, pack on one core: each stage and the whole, beside the same with bodies in sled.
    Pipeline,
    /// Relaying between gateways as an evolutionary game: altruists against the selfish, for several credits.
    Relay(Relaying),
    /// A large object from 10 of 13 nodes over loopback, beside one plain stream and records of the DHT.
    Read,
}

fn main() -> ExitCode {
    let lab = Lab::parse();
    let effort = if lab.quick { Effort::Quick } else { Effort::Full };
    let spinner = ProgressBar::new_spinner();
    spinner.enable_steady_tick(std::time::Duration::from_millis(100));
    let figures = match lab.bench {
        Bench::Audit => audit(effort, |text| spinner.set_message(text)).map_err(Into::into),
        Bench::Crypto => crypto(effort, |name| spinner.set_message(name.to_owned())).map_err(Into::into),
        Bench::Compress => compress(effort).map_err(Into::into),
        Bench::Search(work) => search::search(&work, effort, |name| spinner.set_message(name.to_owned())),
        Bench::Dht(networks) => dht(&networks, effort, &|text| spinner.set_message(text)),
        Bench::Dpor => dpor(effort, |name| spinner.set_message(name)).map_err(Into::into),
        Bench::Market => market(effort, |text| spinner.set_message(text)),
        Bench::Lbft { work } => lbft::run(&work, effort, &|text| spinner.set_message(text)),
        Bench::Store(work) => store::run(&work, effort, &|text| spinner.set_message(text)),
        Bench::Terms(work) => terms::run(&work, effort, &|text| spinner.set_message(text)),
        Bench::Pipeline => pipeline(effort, |text| spinner.set_message(text)),
        Bench::Relay(game) => relay(&game, effort, |name| spinner.set_message(name)),
        Bench::Read => read(effort, |text| spinner.set_message(text)),
    };
    spinner.finish_and_clear();
    let text = figures.and_then(|figures| match figures.as_slice() {
        [] => Ok(String::new()),
        figures if lab.json => Ok(json(figures)? + "\n"),
        figures => Ok(table(figures)),
    });
    match text.and_then(|text| Ok(io::stdout().write_all(text.as_bytes())?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::FAILURE
        }
    }
}

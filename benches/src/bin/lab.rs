//! `lab`: the figures of the workspace, measured on this machine.
//!
//! `cargo run --release --bin lab -- crypto` prints a table, `--json` the same as a list of objects
//! `{bench, params, unit, median, p50, p99, runs, baseline, ratio, goal}`, `--html FILE` a page of it. `lab all` is every bench, `lab storage`
//! and `lab ledger` are those of one crate; `lab compare A.json B.json` says what moved between two runs.

use std::{
    error::Error,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Parser, Subcommand};
use cpchain_benches::{
    Effort, Figure, Networks, Relaying, audit, compress, consensus, crypto, dht, diff, dpor, json, lbft, machine,
    market, page, pipeline, read, relay, search, store, table, terms, transfer,
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
    /// Write a page of the figures into this file as well (HTML).
    #[arg(long, global = true)]
    html: Option<PathBuf>,
    /// A smoke run of a few seconds: the figures are rough.
    #[arg(long, global = true)]
    quick: bool,
}

#[derive(Subcommand)]
enum Bench {
    /// Every bench, one after the other.
    All,
    /// What moved between two runs whose `--json` was kept.
    Compare {
        /// The first run.
        before: PathBuf,
        /// The second run.
        after: PathBuf,
        /// Changes below this many percent are noise.
        #[arg(long, default_value_t = 10.0)]
        noise: f64,
        /// End with an error if a figure became worse by more than that.
        #[arg(long)]
        strict: bool,
    },
    /// All of the storage crate: audit, compress, dht, pipeline, read, store.
    Storage,
    /// All of the ledger: dpor, relay, terms.
    Ledger,
    /// Proofs that shards are held: made and verified, beside hashing the whole shard.
    Audit,
    /// Sealing, streams, signatures, batches, sealed blocks, the key tree; beside the bare dependencies.
    Crypto,
    /// The weather file and a vibration signal as sealed uploads, beside zstd -19 of their CSV.
    Compress,
    /// Throughput and latency of LBFT with real nodes, links, logs and ledgers, under load and under faults.
    Consensus(consensus::Consensus),
    /// One node of `consensus --transport processes`, told over its pipes what to do.
    #[command(hide = true)]
    ConsensusNode,
    /// LBFT in virtual time: random faults by the thousand, the replay of one seed, finality over a real map.
    Lbft {
        #[command(subcommand)]
        work: lbft::Work,
    },
    /// The market: a catalogue of a million listings, its synchroniser, and orders under escrow with all fragments verified.
    Market,
    /// Private search: every engine, by kernel and by size of the table.
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
    /// OTP: proxy to client over loopback beside one raw libp2p stream, from 1, 2 and 4 proxies, and the memory of both ends.
    Transfer(transfer::Transfer),
}

/// Benches of the storage crate, and of the ledger: as they are typed.
const STORAGE: &[&str] = &["audit", "compress", "dht", "pipeline", "read", "store"];
const LEDGER: &[&str] = &["dpor", "relay", "terms"];
const ALL: &[&str] = &["crypto", "search", "storage", "lbft report", "consensus", "ledger", "market", "transfer"];

type Outcome<T> = Result<T, Box<dyn Error>>;

fn run(bench: Bench, effort: Effort, spinner: &ProgressBar) -> Outcome<Vec<Figure>> {
    let say = |text: String| spinner.set_message(text);
    let name = |name: &str| spinner.set_message(name.to_owned());
    match bench {
        Bench::All => several(ALL, effort, spinner),
        Bench::Storage => several(STORAGE, effort, spinner),
        Bench::Ledger => several(LEDGER, effort, spinner),
        Bench::Compare { before, after, noise, strict } => {
            compare(&before, &after, noise / 100.0, strict).map(|()| Vec::new())
        }
        Bench::Audit => audit(effort, say).map_err(Into::into),
        Bench::Consensus(work) => consensus::run(&work, effort, &say),
        Bench::ConsensusNode => consensus::node().map(|()| Vec::new()),
        Bench::Crypto => crypto(effort, name).map_err(Into::into),
        Bench::Compress => compress(effort).map_err(Into::into),
        Bench::Search(work) => search::search(&work, effort, name),
        Bench::Dht(networks) => dht(&networks, effort, &say),
        Bench::Dpor => dpor(effort, |name| spinner.set_message(name)).map_err(Into::into),
        Bench::Market => market(effort, |name| spinner.set_message(name)),
        Bench::Lbft { work } => lbft::run(&work, effort, &say),
        Bench::Store(work) => store::run(&work, effort, &say),
        Bench::Terms(work) => terms::run(&work, effort, &|name| spinner.set_message(name)),
        Bench::Pipeline => pipeline(effort, say),
        Bench::Relay(game) => relay(&game, effort, say),
        Bench::Read => read(effort, say),
        Bench::Transfer(work) => transfer::run(&work, effort, &say),
    }
}

/// Benches by the words that ask for them, with all else as they are without options.
fn several(names: &[&str], effort: Effort, spinner: &ProgressBar) -> Outcome<Vec<Figure>> {
    let mut figures = Vec::new();
    for name in names {
        let begun = Instant::now();
        let lab = Lab::try_parse_from(["lab"].into_iter().chain(name.split(' ')))?;
        figures.extend(run(lab.bench, effort, spinner).map_err(|error| format!("{name}: {error}"))?);
        spinner.suspend(|| eprintln!("lab {name}: {:.1} s", begun.elapsed().as_secs_f64()));
    }
    Ok(figures)
}

fn compare(before: &PathBuf, after: &PathBuf, noise: f64, strict: bool) -> Outcome<()> {
    let read = |path: &PathBuf| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let moved = diff(&read(before)?, &read(after)?, noise)?;
    io::stdout().write_all(moved.table.as_bytes())?;
    if strict && moved.worse > 0 {
        return Err(format!("{} figures became worse", moved.worse).into());
    }
    Ok(())
}

fn print(lab: &Lab, figures: &[Figure]) -> Outcome<()> {
    if let Some(path) = &lab.html {
        let words: Vec<String> = std::env::args().skip(1).collect();
        std::fs::write(path, page(figures, &format!("lab {}", words.join(" ")), &machine()))?;
    }
    let text = match figures {
        [] => String::new(),
        figures if lab.json => json(figures)? + "\n",
        figures => table(figures),
    };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

fn main() -> ExitCode {
    let mut lab = Lab::parse();
    let effort = if lab.quick { Effort::Quick } else { Effort::Full };
    let spinner = ProgressBar::new_spinner();
    spinner.enable_steady_tick(Duration::from_millis(100));
    let figures = run(std::mem::replace(&mut lab.bench, Bench::All), effort, &spinner);
    spinner.finish_and_clear();
    match figures.and_then(|figures| print(&lab, &figures)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::FAILURE
        }
    }
}

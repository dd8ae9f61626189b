//! The local store beside the databases that could hold the chunks themselves: `lab store`.
//!
//! Every measurement runs in a process of its own, so that processor time and memory are of one engine, its threads included.

mod engine;
mod measure;

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::Command,
};

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use self::{
    engine::Engine,
    measure::{churn, index, put},
};
use crate::{Effort, Figure};

/// Bytes of a chunk in the comparison.
const CHUNK: usize = 64 << 10;
/// Chunks that are made durable together.
const BATCH: usize = 64;
/// What a put may cost.
const PUT_GOAL: f64 = 70_000.0;
/// What the disk may hold, in percent of what lives.
const DISK_GOAL: f64 = 110.0;
/// Memory with a million chunks.
const MEMORY_GOAL: f64 = 32.0;

/// What to measure; all of it if nothing is said.
#[derive(Debug, Args)]
pub struct Store {
    /// Where the databases are made; a folder for temporary files if not given.
    #[arg(long)]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    work: Option<Work>,
}

/// One measurement: what the processes that `lab store` starts do.
#[derive(Debug, Subcommand)]
enum Work {
    /// Durable puts of 64 KiB in batches of 64.
    #[command(hide = true)]
    Put { engine: Engine, dir: PathBuf, batches: usize },
    /// Half of the chunks are removed and as many put, again and again; then compaction.
    #[command(hide = true)]
    Churn { engine: Engine, dir: PathBuf, chunks: usize },
    /// Many small chunks: memory, time to open, time to make the index again.
    #[command(hide = true)]
    Index { engine: Engine, dir: PathBuf, chunks: usize, len: usize },
}

/// What a process found.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Found {
    /// Nanoseconds of processor time per put.
    cpu_ns: f64,
    /// Nanoseconds that passed per put.
    wall_ns: f64,
    /// Bytes on the disk per byte of living chunks.
    disk: f64,
    /// The same after compaction.
    compacted: f64,
    /// Resident memory, MiB, at the end and at its highest.
    memory: f64,
    peak_memory: f64,
    /// Nanoseconds to open the store with its index, and without.
    open_ns: f64,
    rebuild_ns: f64,
    /// Bytes of the packs.
    bytes: f64,
}

/// Measures and gives the figures.
///
/// # Errors
/// What the disk or a database says.
pub fn run(store: &Store, effort: Effort, progress: &dyn Fn(String)) -> Result<Vec<Figure>, Box<dyn Error>> {
    let found = match &store.work {
        None => return compare(store.dir.as_deref(), effort, progress),
        Some(Work::Put { engine, dir, batches }) => put(*engine, dir, *batches)?,
        Some(Work::Churn { engine, dir, chunks }) => churn(*engine, dir, *chunks)?,
        Some(Work::Index { engine, dir, chunks, len }) => index(*engine, dir, *chunks, *len)?,
    };
    println!("{}", serde_json::to_string(&found)?);
    Ok(Vec::new())
}

/// Runs one measurement in a process and a folder of its own.
fn measured(dir: &Path, work: &str, engine: Engine, numbers: &[usize]) -> Result<Found, Box<dyn Error>> {
    let folder = tempfile::tempdir_in(dir)?;
    let name = engine.to_possible_value().map(|name| name.get_name().to_owned()).unwrap_or_default();
    let output = Command::new(std::env::current_exe()?)
        .args(["store", work, &name])
        .arg(folder.path())
        .args(numbers.iter().map(usize::to_string))
        .output()?;
    if !output.status.success() {
        return Err(format!("{work} {name}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn compare(dir: Option<&Path>, effort: Effort, progress: &dyn Fn(String)) -> Result<Vec<Figure>, Box<dyn Error>> {
    let temporary = std::env::temp_dir();
    let dir = dir.unwrap_or(&temporary);
    let (rounds, batches, churned, many, rebuilt) = match effort {
        Effort::Quick => (1, 6, 512, 50_000, 256),
        Effort::Full => (5, 40, 4096, 1_000_000, 8192),
    };
    let mut figures = Vec::new();

    let mut puts: Vec<Vec<Found>> = Vec::new();
    for round in 0..rounds {
        // In turn, so that all meet the same noise.
        let mut found = Vec::new();
        for engine in Engine::value_variants() {
            progress(format!("durable puts, round {} of {rounds}: {engine:?}", round + 1));
            found.push(measured(dir, "put", *engine, &[batches])?);
        }
        puts.push(found);
    }
    let others = |found: &Found| found.cpu_ns;
    for (n, engine) in Engine::value_variants().iter().enumerate() {
        let of_engine = |value: fn(&Found) -> f64| median(puts.iter().filter_map(|round| round.get(n)).map(value));
        let params = format!("engine={} bytes={CHUNK} batch={BATCH}", engine.name());
        let mut figure = Figure::count("store::put_cpu", &params, "ns", of_engine(others));
        if engine.is_ours() {
            // Against the cheapest of the others, round by round.
            let ratios = puts.iter().map(|round| {
                let ours = round.get(n).map_or(f64::NAN, others);
                let theirs = round.iter().zip(Engine::value_variants()).filter(|(_, engine)| !engine.is_ours());
                theirs.map(|(found, _)| found.cpu_ns).fold(f64::INFINITY, f64::min) / ours
            });
            figure = figure.against("the cheapest database", median(ratios));
            figure = if *engine == Engine::PackSled { figure.at_most(PUT_GOAL) } else { figure };
        }
        figures.push(figure);
        figures.push(Figure::count("store::put_wall", &params, "ns", of_engine(|found| found.wall_ns)));
    }

    for engine in Engine::value_variants() {
        progress(format!("churn: {engine:?}"));
        let found = measured(dir, "churn", *engine, &[churned])?;
        let params = format!("engine={} chunks={churned} bytes={CHUNK}", engine.name());
        figures.push(Figure::count("store::disk_after_churn", &params, "%", found.disk * 100.0));
        let mut compacted = Figure::count("store::disk_after_compaction", &params, "%", found.compacted * 100.0);
        if engine.is_ours() {
            compacted = compacted.at_most(DISK_GOAL);
        }
        figures.push(compacted);
    }

    for engine in [Engine::PackSled, Engine::PackRedb] {
        progress(format!("{many} chunks: {engine:?}"));
        let found = measured(dir, "index", engine, &[many, 64])?;
        let params = format!("engine={} chunks={many}", engine.name());
        figures.push(Figure::count("store::memory", &params, "MiB", found.memory).at_most(MEMORY_GOAL));
        figures.push(Figure::count("store::memory_peak", &params, "MiB", found.peak_memory));
        figures.push(Figure::count("store::open", &params, "ns", found.open_ns));
        figures.push(Figure::count("store::rebuild", &params, "ns", found.rebuild_ns));
        let found = measured(dir, "index", engine, &[rebuilt, CHUNK])?;
        let params = format!("engine={} chunks={rebuilt} bytes={CHUNK}", engine.name());
        figures.push(Figure::count("store::rebuild_speed", &params, "MB/s", found.bytes / found.rebuild_ns * 1e3));
    }
    Ok(figures)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

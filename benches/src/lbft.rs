//! LBFT in virtual time: `lab lbft sweep`, `lab lbft replay`, `lab lbft report`.

use std::{
    error::Error,
    io::{self, Write},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::{Subcommand, ValueEnum};
use cpchain_consensus::sim::{
    AWS, Chaos, Latency, Links, Scenario, Statistics, World,
    actors::{self, MakeActor},
    sweep,
};

use crate::{Effort, Figure, plot::distribution};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Work {
    /// Random faults for many seeds, on all cores; stops at the first that breaks an invariant and says how to repeat it.
    Sweep {
        /// Which random scenarios.
        #[arg(long, value_enum, default_value_t = Kind::Both)]
        chaos: Kind,
        /// How many seeds of each.
        #[arg(long, default_value_t = 10_000)]
        seeds: u64,
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Threads; all cores if not given.
        #[arg(long)]
        threads: Option<NonZeroUsize>,
    },
    /// One seed again, with all that happens in it.
    Replay {
        /// Which random scenario.
        #[arg(long, value_enum)]
        chaos: Kind,
        /// The seed that a sweep or a test printed.
        #[arg(long)]
        seed: u64,
    },
    /// Finality of a committee that is spread over ten cloud regions of six continents: all well, a third crashed, a third Byzantine.
    Report {
        /// Validators; as many again as proposers, up to ten.
        #[arg(long, default_value_t = 100)]
        validators: usize,
        /// Blocks to make final in each case.
        #[arg(long, default_value_t = 12)]
        blocks: u64,
        /// Where the distribution of the times goes, as an SVG.
        #[arg(long)]
        svg: Option<PathBuf>,
    },
}

/// Which random scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Four validators, one Byzantine or run twice, 20 blocks, crashes, partitions.
    Small,
    /// All fault kinds, one to ten validators, terms.
    Everything,
    /// Both, one after the other.
    Both,
}

impl Kind {
    const fn chaos(self) -> &'static [Chaos] {
        match self {
            Self::Small => &[Chaos::Small],
            Self::Everything => &[Chaos::Everything],
            Self::Both => &[Chaos::Small, Chaos::Everything],
        }
    }
}

/// Does the work and gives its figures. `progress` hears how far it is, from any thread.
///
/// # Errors
/// A broken invariant, with the command that repeats it; or a file that cannot be written.
pub fn run(work: &Work, effort: Effort, progress: &(dyn Fn(String) + Sync)) -> Result<Vec<Figure>, Box<dyn Error>> {
    let is_quick = matches!(effort, Effort::Quick);
    match work {
        Work::Sweep { chaos, seeds, from, threads } => {
            let threads = threads.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
            let seeds = if is_quick { (*seeds).min(200) } else { *seeds };
            let mut figures = Vec::new();
            for chaos in chaos.chaos() {
                figures.extend(sweep_all(*chaos, *from, seeds, threads, progress)?);
            }
            Ok(figures)
        }
        Work::Replay { chaos, seed } => {
            chaos.chaos().iter().try_for_each(|chaos| replay(*chaos, *seed)).map(|()| Vec::new())
        }
        Work::Report { validators, blocks, svg } => {
            let (validators, blocks) = if is_quick { ((*validators).min(10), *blocks) } else { (*validators, *blocks) };
            report(validators, blocks, svg.as_deref(), progress)
        }
    }
}

fn sweep_all(
    chaos: Chaos,
    from: u64,
    seeds: u64,
    threads: NonZeroUsize,
    progress: &(dyn Fn(String) + Sync),
) -> Result<Vec<Figure>, Box<dyn Error>> {
    let start = Instant::now();
    let scenario = |seed| Scenario::chaos(chaos, seed);
    let done = |runs: u64| {
        if runs.is_multiple_of(64) {
            progress(format!(
                "{chaos:?}: {runs} of {seeds} seeds, {:.0} a second",
                runs as f64 / start.elapsed().as_secs_f64()
            ));
        }
    };
    let sum = sweep(from..from.saturating_add(seeds), threads, scenario, done).map_err(|failure| {
        let name = format!("{chaos:?}").to_lowercase();
        format!(
            "{failure}\nrepeat it: cargo run --release --bin lab -- lbft replay --chaos {name} --seed N, N as above"
        )
    })?;
    let elapsed = start.elapsed().as_secs_f64();
    let params = format!("chaos={} from={from} threads={threads}", format!("{chaos:?}").to_lowercase());
    let count = |name: &str, value: u64| Figure::count(&format!("lbft::sweep/{name}"), &params, "", value as f64);
    Ok(vec![
        count("runs", sum.runs),
        count("violations", 0),
        count("final_heights", sum.heights),
        count("impeached", sum.impeached),
        count("evidence", sum.evidence),
        count("crashes", sum.crashes),
        count("events", sum.events),
        Figure::count("lbft::sweep/speed", &params, "runs/s", sum.runs as f64 / elapsed),
    ])
}

fn replay(chaos: Chaos, seed: u64) -> Result<(), Box<dyn Error>> {
    let scenario = Scenario::chaos(chaos, seed).log();
    let mut world = scenario.world()?;
    let outcome = scenario.finish(&mut world);
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in world.trace().lines() {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "trace {}, final height {}", world.trace().digest(), world.judge().final_height())?;
    out.flush()?;
    Ok(outcome?)
}

/// What a third of the validators does in the Byzantine case.
const THIRD: &[MakeActor] = &[
    || Box::<actors::EquivocatingValidator>::default(),
    || Box::<actors::FalseImpeacher>::default(),
    || Box::new(actors::CertificateWithholder),
    || Box::<actors::StaleSigner>::default(),
    || Box::new(actors::LyingPeer),
];

fn report(
    validators: usize,
    blocks: u64,
    svg: Option<&Path>,
    progress: &(dyn Fn(String) + Sync),
) -> Result<Vec<Figure>, Box<dyn Error>> {
    let proposers = validators.clamp(1, AWS.names.len());
    let base = Scenario::new(1)
        .members(validators, proposers, 0)
        .links(Links::good(Latency::Regions(&AWS, 10)))
        .timeout(Duration::from_secs(2), Duration::from_secs(60))
        .retry(Duration::from_secs(1))
        .pause(Duration::ZERO)
        .sync(Duration::from_millis(2))
        .goal(blocks, Duration::from_secs(3_600));
    let third = validators.saturating_sub(1) / 3;
    let with = |actor: &dyn Fn(usize) -> MakeActor| {
        (0..third).fold(base.clone(), |scenario, member| scenario.byzantine(member, actor(member)))
    };
    let byzantine = |member: usize| THIRD.get(member % THIRD.len()).copied().unwrap_or(|| Box::new(actors::Silent));
    let cases = [
        ("all well", base.clone()),
        ("a third crashed", with(&|_| || Box::new(actors::Silent))),
        ("a third Byzantine", with(&byzantine)),
    ];
    let mut figures = Vec::new();
    let mut series = Vec::new();
    for (name, scenario) in cases {
        progress(format!("{validators} validators, {name}"));
        let start = Instant::now();
        let world = scenario.run()?;
        let cpu = start.elapsed();
        let params = format!("n={validators} case=\"{name}\" topology=aws10");
        let statistics = world.statistics();
        let finality = statistics.finality();
        figures.push(virtual_time("lbft::finality", &params, &finality));
        figures.push(virtual_time("lbft::block_interval", &params, &statistics.intervals()));
        figures.extend(per_block(&params, &world, cpu));
        series.push((name, finality.iter().map(|time| time.as_secs_f64() * 1e3).collect()));
    }
    if let Some(path) = svg {
        let title =
            format!("LBFT: from proposal to finality, {validators} validators in ten AWS regions (virtual time)");
        std::fs::write(path, distribution(&title, "ms", &series))?;
    }
    Ok(figures)
}

fn virtual_time(bench: &str, params: &str, sorted: &[Duration]) -> Figure {
    let at = |in_ten_thousand| Statistics::quantile(sorted, in_ten_thousand).as_secs_f64() * 1e3;
    let mut figure = Figure::count(bench, params, "ms virtual", at(5_000));
    (figure.p99, figure.runs) = (at(9_900), sorted.len());
    figure
}

fn per_block(params: &str, world: &World, cpu: Duration) -> [Figure; 3] {
    let blocks = world.judge().final_height().0.max(1) as f64;
    let statistics = world.statistics();
    [
        Figure::count("lbft::messages_per_block", params, "messages", statistics.sent as f64 / blocks),
        Figure::count("lbft::bytes_per_block", params, "bytes", statistics.bytes as f64 / blocks),
        Figure::count("lbft::simulation_per_block", params, "ms real", cpu.as_secs_f64() * 1e3 / blocks),
    ]
}

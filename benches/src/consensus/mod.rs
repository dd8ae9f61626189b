//! `lab consensus`: throughput and latency of LBFT with the real parts: nodes, links, logs and ledgers as an integrator runs them.
//!
//! # How it measures
//! - Clients are open-loop: transactions are sent at the times that the rate says, and a latency runs from the time at which
//!   a transaction was meant to leave, so a node that is slow to take it does not shorten it. `--rate saturation` keeps
//!   about two full blocks of each proposer under way and finds what the nodes get through.
//! - Each client has one proposer, gives its transactions to it alone, and sees them become final there.
//! - Transfers are signed before the run, each account's in the order of its nonces.
//! - Figures are medians of the runs; p99 is the worst run's, so that the spread is seen.
//! - The processor's time is that of all nodes and clients together, from the end of the warm-up on.

mod charts;
mod client;
mod faults;
mod figures;
mod links;
mod load;
mod local;
mod member;
mod metered;
mod opaque;
mod page;
mod plan;
mod processes;
mod stages;
mod summary;
mod virtual_time;

use std::{error::Error, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;

pub use self::{
    faults::Fault,
    plan::{Disk, Load, Plan, Rate, Transport, Verify},
    processes::node,
};
use self::{
    page::Point,
    summary::{Summary, median},
};
use crate::{Effort, Figure};

/// What to run.
#[derive(Debug, Clone, Args)]
pub struct Consensus {
    /// Validators.
    #[arg(long, default_value_t = 7)]
    validators: usize,
    /// Proposers.
    #[arg(long, default_value_t = 4)]
    proposers: usize,
    /// The proposers are the first of the validators, and not nodes of their own.
    #[arg(long)]
    joint: bool,
    /// Bytes of an opaque transaction, at least eight.
    #[arg(long, default_value_t = 512)]
    payload: usize,
    /// Transactions offered in a second, or `saturation`.
    #[arg(long, default_value = "saturation")]
    rate: Rate,
    /// Seconds that count, in each run.
    #[arg(long, default_value_t = 20.0)]
    duration: f64,
    /// Seconds before that do not.
    #[arg(long, default_value_t = 5.0)]
    warm_up: f64,
    /// Runs; the figures are their medians.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Shortest time between two blocks, in milliseconds.
    #[arg(long, default_value_t = 5)]
    block_interval: u64,
    /// How long validators wait for a proposer before they impeach it, in milliseconds.
    #[arg(long, default_value_t = 3_000)]
    timeout: u64,
    /// How the nodes reach each other.
    #[arg(long, value_enum, default_value_t = Transport::Memory)]
    transport: Transport,
    /// Where they log.
    #[arg(long, value_enum, default_value_t = Disk::Memory)]
    storage: Disk,
    /// What is ordered.
    #[arg(long, value_enum, default_value_t = Load::Opaque)]
    load: Load,
    /// Who checks the signatures of transfers.
    #[arg(long, value_enum, default_value_t = Verify::Each)]
    verify: Verify,
    /// What goes wrong in the middle third: crash:N, silent:N, equivocate:N, partition, slow:N, loss:SHARE.
    #[arg(long, value_delimiter = ',')]
    faults: Vec<Fault>,
    /// Then runs at these percents of the rate: of saturation, what it found.
    #[arg(long, value_delimiter = ',')]
    sweep: Vec<u32>,
    /// Committees of 4 validators up to the most there can be in virtual time, and what simulating them costs, in place of all the above.
    #[arg(long = "virtual")]
    is_virtual: bool,
    /// Where each run goes, as CSV.
    #[arg(long)]
    csv: Option<PathBuf>,
    /// Where the figures and their plots go, as one page (HTML).
    #[arg(long)]
    plots: Option<PathBuf>,
}

impl Consensus {
    /// The plan that the options make.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn plan(&self, effort: Effort) -> Result<Plan, Box<dyn Error>> {
        let seconds = |value: f64| Duration::try_from_secs_f64(value).map_err(|error| format!("{value} s: {error}"));
        let (warm_up, duration) = match effort {
            Effort::Full => (seconds(self.warm_up)?, seconds(self.duration)?),
            Effort::Quick => (Duration::from_millis(300), Duration::from_millis(1_200)),
        };
        let plan = Plan {
            validators: self.validators,
            proposers: self.proposers,
            joint: self.joint,
            payload: self.payload,
            rate: self.rate,
            warm_up,
            duration,
            block_interval: Duration::from_millis(self.block_interval),
            timeout: Duration::from_millis(self.timeout),
            transport: self.transport,
            disk: self.storage,
            load: self.load,
            verify: self.verify,
            faults: self.faults.clone(),
        };
        if plan.duration < Duration::from_millis(100) {
            return Err("a run of less than 0.1 s measures nothing: give a longer --duration".into());
        }
        if plan.timeout <= plan.idle_interval() {
            return Err(
                "validators would impeach every proposer: a longer --timeout, or a shorter --block-interval".into()
            );
        }
        if plan.joint && plan.proposers > plan.validators {
            return Err("--joint has the proposers among the validators: there are more of them".into());
        }
        if plan.transport == Transport::Processes && plan.verify == Verify::Once {
            return Err("processes share no verdicts: --verify once needs --transport memory or sockets".into());
        }
        if !plan.proposing().any(|member| plan.is_honest(member)) {
            return Err("no proposer is left for the load: fewer faults, or more --proposers".into());
        }
        Ok(plan)
    }
}

/// Runs it and gives its figures.
///
/// # Errors
/// Options that make no committee; nodes that do not find each other; files that cannot be written.
pub fn run(work: &Consensus, effort: Effort, progress: &dyn Fn(String)) -> Result<Vec<Figure>, Box<dyn Error>> {
    if work.is_virtual {
        return virtual_time::run(effort, progress);
    }
    let plan = work.plan(effort)?;
    let runs = if effort == Effort::Quick { 1 } else { work.runs.max(1) };
    let mut points = vec![Point { runs: repeat(&plan, runs, progress)?, plan: plan.clone() }];
    let whole = match plan.rate {
        Rate::Offered(rate) => rate,
        Rate::Saturation => points.first().map_or(0.0, |point| median(point.runs.iter().map(|run| run.committed))),
    };
    for percent in &work.sweep {
        let rate = Rate::Offered((whole * f64::from(*percent) / 100.0).max(1.0).round());
        let plan = Plan { rate, ..plan.clone() };
        points.push(Point { runs: repeat(&plan, runs, progress)?, plan });
    }
    if let Some(path) = &work.csv {
        std::fs::write(path, figures::csv(&points))?;
    }
    let figures: Vec<Vec<Figure>> = points.iter().map(|point| figures::figures(&point.plan, &point.runs)).collect();
    if let Some(path) = &work.plots {
        let command: Vec<_> = std::env::args().skip(1).collect();
        let first = figures.first().map_or(&[][..], Vec::as_slice);
        std::fs::write(path, page::page(&format!("lab {}", command.join(" ")), &points, first))?;
    }
    Ok(figures.into_iter().flatten().collect())
}

fn repeat(plan: &Plan, runs: usize, progress: &dyn Fn(String)) -> Result<Vec<Summary>, Box<dyn Error>> {
    let plan = &Arc::new(plan.clone());
    let sources = match plan.transport {
        Transport::Processes => Vec::new(),
        Transport::Memory | Transport::Sockets => {
            progress("making the transactions".to_owned());
            local::sources(plan).map_err(|error| error.to_string())?
        }
    };
    let program = std::env::current_exe()?;
    (1..=runs)
        .map(|run| {
            progress(format!("run {run} of {runs}, {}", plan.params()));
            let outcome = match plan.transport {
                Transport::Processes => processes::run(plan, &program),
                Transport::Memory | Transport::Sockets => local::run(plan, &sources),
            };
            let outcome = outcome.map_err(|error| error.to_string())?;
            Ok(Summary::of(plan, &outcome))
        })
        .collect()
}

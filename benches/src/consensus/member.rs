//! One node of a run with its meters, and its client if it proposes.

use std::{
    collections::{BTreeMap, VecDeque},
    error::Error,
    num::NonZero,
    path::Path,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use cpchain_consensus::{
    Application, Height,
    ledger::{Ledger, LedgerBuilder, PoolLimits, Verdicts},
    network::Network,
    node::{Node, NodeConfig, NodeHandle},
    storage::{MemoryStorage, RedbStorage, Storage},
};
use cpchain_crypto::Signer as _;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::{
    client::{self, Seen},
    load::{self, Source},
    metered::{Metered, Period, Traffic},
    opaque::Opaque,
    plan::{Disk, Load, Plan, key},
    stages::{Stages, Timed, TimedSigner, TimedStorage, histogram},
};

/// Blocks whose receipts a ledger keeps.
const RECEIPTS: u64 = 64;

/// What a node and its client measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Sent, refused and final, within what was measured.
    pub(crate) sent: u64,
    pub(crate) refused: u64,
    pub(crate) committed: u64,
    pub(crate) ran_out: bool,
    /// Microseconds and how many took so long: from the intended sending to the commit.
    pub(crate) latency: Vec<(u64, u64)>,
    /// The same from the making of an own block to its finality.
    pub(crate) agreement: Vec<(u64, u64)>,
    /// Transactions that became final in each tenth of a second since the start.
    pub(crate) line: Vec<u64>,
    /// Heights that became final, and impeached ones among them.
    pub(crate) heights: u64,
    pub(crate) impeached: u64,
    /// Messages and bytes by kind.
    pub(crate) traffic: BTreeMap<String, (u64, u64)>,
    /// Seconds of the processor by stage.
    pub(crate) stages: BTreeMap<String, f64>,
    /// Seconds of the processor of the whole process; zero where many nodes share one.
    pub(crate) processor: f64,
}

/// A running node.
pub(crate) struct Member {
    number: usize,
    plan: Arc<Plan>,
    handle: NodeHandle,
    source: Option<Arc<Source>>,
    stages: Arc<Stages>,
    traffic: Arc<Traffic>,
    go: Arc<OnceLock<Instant>>,
}

/// What the meters said at one time.
struct Reading {
    traffic: BTreeMap<String, (u64, u64)>,
    stages: BTreeMap<String, f64>,
    height: Height,
    impeached: u64,
}

impl Member {
    /// Starts the node of this number on these links, its files in this folder.
    pub(crate) fn start(
        plan: &Arc<Plan>,
        number: usize,
        links: Box<dyn Network>,
        folder: &Path,
        source: Option<Arc<Source>>,
        verdicts: Option<Verdicts>,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let (stages, traffic, go) = (Stages::new(), Arc::<Traffic>::default(), Arc::<OnceLock<Instant>>::default());
        let key = key(number);
        let me = key.public_key();
        let chain = load::chain(plan);
        let committee = plan.committee(chain)?;
        let application: Box<dyn Application> = match plan.load {
            Load::Opaque => Box::new(Timed::new(Opaque::new(plan.payload.max(8)), me, stages.clone())),
            Load::Transfers => Box::new(Timed::new(ledger(plan, verdicts)?, me, stages.clone())),
        };
        let store: Box<dyn Storage> = match plan.disk {
            Disk::Memory => Box::new(MemoryStorage::new()),
            Disk::Redb => Box::new(RedbStorage::open(folder.join(format!("{number}.redb")))?),
        };
        let store = Box::new(TimedStorage { inner: store, stages: stages.clone() });
        let (from, until) = plan.fault_window();
        let links = Metered {
            inner: links,
            traffic: traffic.clone(),
            effects: plan.effects(number),
            period: Period { go: go.clone(), from, until },
            key: key.clone(),
            committee: committee.clone(),
            members: (0..plan.members()).map(|member| super::plan::key(member).public_key()).collect(),
            late: VecDeque::new(),
            other: None,
            chance: number as u64 + 1,
        };
        let mut config = NodeConfig::new(committee);
        config.block_interval = plan.block_interval;
        config.idle_block_interval = plan.idle_interval();
        config.timeout = plan.timeout;
        config.retry_interval = Duration::from_millis(200);
        let signer = Arc::new(TimedSigner { inner: key, stages: stages.clone() });
        let handle = Node::start(config, signer, application, store, Box::new(links))?;
        Ok(Self { number, plan: plan.clone(), handle, source, stages, traffic, go })
    }

    /// Waits until the chain moves here.
    pub(crate) async fn ready(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.handle.wait_final(Height(3)).await?;
        Ok(())
    }

    /// Runs the plan from `go` on: the report comes when it is over. The node still runs then.
    pub(crate) fn run(&self, go: Instant) -> JoinHandle<Report> {
        let _ = self.go.set(go);
        let effects = self.plan.effects(self.number);
        let client = self
            .source
            .clone()
            .filter(|_| self.plan.is_honest(self.number))
            .map(|source| tokio::spawn(client::run(self.plan.clone(), self.handle.clone(), source, go)));
        if effects.crashes {
            let (handle, at) = (self.handle.clone(), go + self.plan.fault_window().0);
            tokio::spawn(async move {
                tokio::time::sleep_until(at.into()).await;
                handle.stop().await;
            });
        }
        let meters = Meters { handle: self.handle.clone(), stages: self.stages.clone(), traffic: self.traffic.clone() };
        let plan = self.plan.clone();
        tokio::spawn(async move {
            tokio::time::sleep_until((go + plan.warm_up).into()).await;
            let before = meters.read();
            meters.stages.take_agreement();
            tokio::time::sleep_until((go + plan.whole()).into()).await;
            let after = meters.read();
            let agreement = pairs(&meters.stages.take_agreement());
            let seen = match client {
                Some(client) => client.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())),
                None => {
                    Seen { sent: 0, refused: 0, committed: 0, latency: histogram(), line: Vec::new(), ran_out: false }
                }
            };
            report(&before, &after, seen, agreement)
        })
    }

    /// Ends the node and closes its files.
    pub(crate) async fn stop(self) {
        self.handle.stop().await;
    }
}

struct Meters {
    handle: NodeHandle,
    stages: Arc<Stages>,
    traffic: Arc<Traffic>,
}

impl Meters {
    fn read(&self) -> Reading {
        let status = self.handle.status();
        Reading {
            traffic: self.traffic.read(),
            stages: self.stages.seconds(),
            height: status.final_height,
            impeached: status.impeached,
        }
    }
}

fn report(before: &Reading, after: &Reading, seen: Seen, agreement: Vec<(u64, u64)>) -> Report {
    let earlier = |kind: &str| before.traffic.get(kind).copied().unwrap_or_default();
    let traffic = after.traffic.iter().map(|(kind, (messages, bytes))| {
        let (m, b) = earlier(kind);
        (kind.clone(), (messages - m, bytes - b))
    });
    let stages = after
        .stages
        .iter()
        .map(|(stage, seconds)| (stage.clone(), seconds - before.stages.get(stage).copied().unwrap_or_default()));
    Report {
        sent: seen.sent,
        refused: seen.refused,
        committed: seen.committed,
        ran_out: seen.ran_out,
        latency: pairs(&seen.latency),
        agreement,
        line: seen.line,
        heights: after.height.0 - before.height.0,
        impeached: after.impeached - before.impeached,
        traffic: traffic.collect(),
        stages: stages.collect(),
        processor: 0.0,
    }
}

fn pairs(histogram: &hdrhistogram::Histogram<u64>) -> Vec<(u64, u64)> {
    histogram.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
}

fn ledger(plan: &Plan, verdicts: Option<Verdicts>) -> Result<Ledger, cpchain_consensus::ledger::GenesisError> {
    // Room for what clients have under way.
    let pool = PoolLimits { transactions: 200_000, bytes: 256 << 20, per_sender: 100_000, age: u64::MAX };
    let ledger = Ledger::builder(load::chain(plan), load::genesis(plan)).pool(pool).retain(RECEIPTS);
    // The nodes share the cores, so each checks on its own thread, where the clock sees it.
    let ledger = ledger.threads(NonZero::<usize>::MIN);
    verdicts.into_iter().fold(ledger, LedgerBuilder::verdicts).build()
}

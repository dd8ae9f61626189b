//! What the DHT of the storage network costs: `lab dht`.
//!
//! Networks of 10, 50 and 200 nodes run in this process over loopback, so that its processor time is that of the whole network.
//! Records are published one by one, then swept by all nodes; the two costs are for the same records in the same network.

mod model;
mod nodes;

use std::{error::Error, time::Duration};

use cpchain_crypto::SigningKey;
use cpchain_storage::network::{Dht, NodeHandle, RecordKind, RecordLog, RecordShelf, SignedRecord, SweepReport};
use tokio::task::JoinSet;

use self::{
    model::Costs,
    nodes::{Cpu, Network, light, now_ms, resident_bytes},
};
use crate::{Effort, Figure};

/// Records of one object: the head of its manifest, its holders, the correspondence of an interval.
const RECORDS_PER_OBJECT: f64 = 3.0;
/// Sweeps a day with the default interval of an hour.
const SWEEPS_PER_DAY: f64 = 24.0;
/// Body of a record of the bench, in bytes: with its signature about half a KiB.
const BODY: usize = 300;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Records published for each node of a network.
const PER_NODE: usize = 40;

/// What `lab dht` is to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Networks {
    /// Nodes of each network.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 50, 200])]
    nodes: Vec<usize>,
    /// Records of others that one node takes over; 0 leaves its memory out.
    #[arg(long, default_value_t = 1_000_000)]
    records: usize,
}

/// Measures memory, publishing and sweeping; a quick run has ten nodes and 20,000 records. `progress` hears what is being
/// done.
///
/// # Errors
/// A node that cannot be started, or a record that is lost.
pub fn dht(networks: &Networks, effort: Effort, progress: &dyn Fn(String)) -> Outcome<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (sizes, foreign): (&[usize], usize) = match effort {
        Effort::Quick => (&[10], 20_000),
        Effort::Full => (&networks.nodes, networks.records),
    };
    runtime.block_on(async {
        let mut figures = if foreign > 0 { memory(foreign, progress).await? } else { Vec::new() };
        let mut costs = Costs::default();
        for size in sizes {
            figures.extend(network(*size, size * PER_NODE, &mut costs, progress).await?);
        }
        figures.extend(costs.paper());
        Ok(figures)
    })
}

fn record(n: usize, sequence: u64, expires_ms: u64) -> Outcome<SignedRecord> {
    // A thousand owners, so that none has more than its share.
    let mut seed = [9; 32];
    seed.iter_mut().zip((n % 1000).to_le_bytes()).for_each(|(byte, of)| *byte ^= of);
    let owner = SigningKey::from_seed(&seed);
    let mut body = vec![0; BODY];
    blake3::Hasher::new().update(&n.to_le_bytes()).finalize_xof().fill(&mut body);
    Ok(SignedRecord::sign(&owner, RecordKind::ManifestHead, &n.to_le_bytes(), sequence, expires_ms, body)?)
}

/// A node that takes over the records of others from its disk.
async fn memory(count: usize, progress: &dyn Fn(String)) -> Outcome<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let expires = now_ms() + 24 * 3_600_000;
    let mut log = RecordLog::open(folder.path().join("records"))?;
    let mut sample = None;
    for n in 0..count {
        if n % 10_000 == 0 {
            progress(format!("writing {count} foreign records: {n}"));
        }
        let record = record(n, 1, expires)?;
        log.add(0, &record.to_bytes())?;
        if n == count / 2 {
            sample = Some(record);
        }
    }
    let disk = log.bytes();
    drop(log);
    progress(format!("opening a node with {count} records"));
    let before = resident_bytes();
    let (cpu, begin) = (Cpu::now(), std::time::Instant::now());
    let node = nodes::start(&folder, 1, true).await?;
    let (open_cpu, open) = (cpu.elapsed(), begin.elapsed());
    let after = resident_bytes();
    let stats = node.stats().await?;
    if stats.records != count as u64 {
        return Err(format!("{} of {count} records are there", stats.records).into());
    }
    let reader = light(2, node.address()).await?;
    let sample = sample.ok_or("no record")?;
    if reader.get_record(sample.key()).await?.as_ref() != Some(&sample) {
        return Err("a record was not found".into());
    }
    node.stop().await;
    let params = format!("records={count} disk={disk}");
    let each = after.saturating_sub(before) as f64 / count as f64;
    Ok(vec![
        Figure::count("dht::memory", params.clone(), "MB", after.saturating_sub(before) as f64 / 1e6),
        Figure::count("dht::memory_each", params.clone(), "B/record", each),
        Figure::count("dht::open", params.clone(), "s", open.as_secs_f64()),
        Figure::count("dht::open_cpu", params, "s", open_cpu),
    ])
}

/// One network: publishes records one by one, sweeps, and looks whether all are there.
async fn network(size: usize, count: usize, costs: &mut Costs, progress: &dyn Fn(String)) -> Outcome<Vec<Figure>> {
    let cpu = Cpu::now();
    let network = Network::start(size, progress).await?;
    let joined = cpu.elapsed();
    let publisher = light(3, network.first()).await?;
    let expires = now_ms() + 24 * 3_600_000;
    let records = (0..count).map(|n| record(n, 1, expires)).collect::<Outcome<Vec<_>>>()?;
    progress(format!("{size} nodes: publishing {count} records one by one"));
    publish(&publisher, &records).await?;
    settled(&network).await?;
    // The same again is what an owner or a node does who renews record by record.
    let renewed = (0..count).map(|n| record(n, 2, expires)).collect::<Outcome<Vec<_>>>()?;
    let cpu = Cpu::now();
    publish(&publisher, &renewed).await?;
    settled(&network).await?;
    let one_by_one = cpu.elapsed() / count as f64;

    let cpu = Cpu::now();
    const LOOKUPS: usize = 50;
    for record in records.iter().take(LOOKUPS) {
        publisher.nodes(&record.key().digest()).await?;
    }
    let lookup = cpu.elapsed() / LOOKUPS as f64;

    progress(format!("{size} nodes: sweeping"));
    // The first round brings what the publisher left out; the second is what every hour costs.
    sweep(&network).await?;
    let (report, cpu) = sweep(&network).await?;
    let each = cpu / count as f64;
    for record in renewed.iter().step_by((count / 50).max(1)) {
        if publisher.get_record(record.key()).await?.as_ref() != Some(record) {
            return Err("a record was lost".into());
        }
    }
    costs.add(size, lookup, cpu, &report, count);
    let params = format!("nodes={size} records={count}");
    let messages = (report.requests as f64 + report.lookups as f64 * model::messages(size as f64)) / count as f64;
    network.stop().await;
    let ratio = one_by_one / each;
    let object = each * RECORDS_PER_OBJECT * SWEEPS_PER_DAY;
    Ok(vec![
        Figure::count("dht::join", params.clone(), "cpu-ms/node", joined * 1e3 / size as f64),
        Figure::count("dht::put", params.clone(), "cpu-us/record", one_by_one * 1e6),
        Figure::count("dht::sweep", params.clone(), "cpu-us/record", each * 1e6).against("one by one", ratio),
        Figure::count("dht::sweep_messages", params.clone(), "messages/record", messages),
        Figure::count("dht::sweep_bytes", params.clone(), "B/record", report.bytes as f64 / count as f64),
        Figure::count("dht::sweep_lookups", params.clone(), "lookups/node", report.lookups as f64 / size as f64),
        Figure::count("dht::object_day", params, "cpu-ms/object", object * 1e3),
    ])
}

/// Publishes records, sixteen at a time.
async fn publish(node: &NodeHandle, records: &[SignedRecord]) -> Outcome<()> {
    for part in records.chunks(16) {
        let mut puts = JoinSet::new();
        for record in part {
            let (node, record) = (node.clone(), record.clone());
            puts.spawn(async move { node.put_record(&record).await });
        }
        for put in puts.join_all().await {
            put?;
        }
    }
    Ok(())
}

/// Waits for copies that are still under way: a write returns once more than half of them are there.
async fn settled(network: &Network) -> Outcome<()> {
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = network.records().await?;
        if now == before {
            return Ok(());
        }
        before = now;
    }
}

/// Every node sweeps once, one after the other.
async fn sweep(network: &Network) -> Outcome<(SweepReport, f64)> {
    let cpu = Cpu::now();
    let mut all = SweepReport::default();
    for node in network.nodes() {
        let report = node.sweep().await?;
        all.records += report.records;
        all.passed_over += report.passed_over;
        all.lookups += report.lookups;
        all.requests += report.requests;
        all.bytes += report.bytes;
        all.copies += report.copies;
        all.let_go += report.let_go;
    }
    Ok((all, cpu.elapsed()))
}

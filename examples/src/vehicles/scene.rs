//! A scene: gateways with real links and logs, vehicles around them, a judge, and the times.

use std::{io::Write as _, path::Path, sync::Arc, time::Duration};

use cpchain_consensus::{
    ChainId, Height, Term,
    dpor::generator::Generator,
    lbft::Committee,
    network::{Libp2pConfig, Libp2pNetwork},
    node::{Node, NodeConfig, NodeHandle},
    storage::RedbStorage,
};
use cpchain_crypto::{Domain, PublicKey, Signer as _, SigningKey};
use futures::future::join_all;
use tokio::sync::broadcast;

use super::{
    application::{Crossing, Notice},
    audit::Audit,
    byzantine::{Liar, TwoFaced},
    crossing::Movement,
    options::Options,
    rule::Rule,
    summary::{Scene, Summary},
    vehicle::{Log, Vehicle},
};

/// Heights without a word after which a slot is lost: at the shortest idle interval, over a third of a second.
const PATIENCE: u64 = 60;
const KEYS: Domain = Domain::new("cpchain/examples/vehicles-keys/v1");
const LONG: Duration = Duration::from_secs(60);
/// Notices that a slow listener may be behind.
const RADIO: usize = 1 << 16;

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {why}")]
pub struct VehiclesError {
    doing: &'static str,
    why: String,
}

trait During<T> {
    fn during(self, doing: &'static str) -> Result<T, VehiclesError>;
}

impl<T, E: ToString> During<T> for Result<T, E> {
    fn during(self, doing: &'static str) -> Result<T, VehiclesError> {
        self.map_err(|error| VehiclesError { doing, why: error.to_string() })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Crash,
    Lies,
}

/// Plays the three scenes one after the other.
///
/// # Errors
/// [`VehiclesError`] if a gateway does not start or the chain does not begin.
pub async fn run(options: &Options) -> Result<Summary, VehiclesError> {
    let logs = options.logs.clone().unwrap_or_else(std::env::temp_dir);
    let sync = sync_time(&logs).during("writing to the folder of the logs")?;
    let mut scenes = Vec::new();
    for (name, fault) in
        [("all well", Fault::None), ("a gateway crashes", Fault::Crash), ("a gateway lies", Fault::Lies)]
    {
        scenes.push(play(options, name, fault, &logs, sync).await?);
    }
    let Options { gateways, vehicles, goal_ms, .. } = *options;
    Ok(Summary { gateways, vehicles, goal_ms, log_sync_ms: sync.as_secs_f64() * 1e3, scenes })
}

/// What a durable write costs in a folder: the median of 31.
fn sync_time(folder: &Path) -> std::io::Result<Duration> {
    let mut file = tempfile::tempfile_in(folder)?;
    let mut times = Vec::new();
    for _ in 0..31 {
        let start = std::time::Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}

/// Milliseconds, since the gateways stand at one crossing: a block when there is something to order, else one in 6 ms, and a proposer that
/// says nothing is impeached after 20, and after as long again as eight durable writes take: a block waits for three in a row, and gateways of
/// one machine share its disk.
fn config(committee: &Committee, sync: Duration) -> NodeConfig {
    NodeConfig {
        timeout: Duration::from_millis(20) + sync.saturating_mul(8).min(Duration::from_millis(400)),
        timeout_cap: Duration::from_secs(1),
        retry_interval: Duration::from_millis(20),
        block_interval: Duration::from_millis(1),
        idle_block_interval: Duration::from_millis(6),
        ..NodeConfig::new(committee.clone())
    }
}

fn keys(seed: u64, role: &str, count: u16) -> Vec<SigningKey> {
    let seed =
        |index: u16| cpchain_crypto::Digest::of(KEYS, &[&seed.to_be_bytes(), role.as_bytes(), &index.to_be_bytes()]);
    (0..count).map(|index| SigningKey::from_seed(&seed(index).0)).collect()
}

async fn play(
    options: &Options,
    name: &'static str,
    fault: Fault,
    logs: &Path,
    sync: Duration,
) -> Result<Scene, VehiclesError> {
    let gateways = keys(options.seed, "gateway", options.gateways);
    let vehicles = keys(options.seed, "vehicle", options.vehicles);
    let public = |keys: &[SigningKey]| keys.iter().map(|key| key.public_key()).collect::<Vec<_>>();
    let rule = Rule {
        vehicles: public(&vehicles).into_iter().collect(),
        gateways: public(&gateways).into_iter().collect(),
        patience: PATIENCE,
    };
    let chain = ChainId::new("right of way", &rule.to_bytes());
    let committee =
        Committee::new(chain, Term(0), public(&gateways), public(&gateways)).during("making the committee")?;
    let (radio, listener) = broadcast::channel(RADIO);
    let folder = tempfile::tempdir_in(logs).during("making a folder for the logs")?;
    let nodes = start(&gateways, &config(&committee, sync), &rule, &radio, fault, folder.path()).await?;

    // The first gateway is the one that fails.
    let honest: Vec<PublicKey> = public(&gateways).into_iter().skip(usize::from(fault != Fault::None)).collect();
    let judge = tokio::spawn(judge(listener, honest));
    for node in &nodes {
        let first =
            tokio::time::timeout(LONG, node.wait_final(Height(10))).await.during("waiting for the first blocks")?;
        first.during("waiting for the first blocks")?;
    }
    let begun = (std::time::Instant::now(), nodes.last().map_or(0, |node| node.status().final_height.0));
    let mut driving = Vec::new();
    let count = vehicles.len();
    for (index, key) in vehicles.into_iter().enumerate() {
        // Any `f + 1`: one of them is honest.
        let reach = (0..rule.witnesses()).filter_map(|step| nodes.get((index + step) % nodes.len().max(1)).cloned());
        let vehicle = Vehicle::new(chain, key, reach.collect(), radio.subscribe(), rule.witnesses());
        let mut draw =
            Generator::new(&cpchain_crypto::Digest::of(KEYS, &[&options.seed.to_be_bytes(), &[index as u8]]).0);
        let all: Vec<_> = Movement::all().collect();
        let ways = (0..options.crossings).filter_map(|_| all.get(draw.below(all.len() as u64) as usize).copied());
        let inside = Duration::from_millis(options.drive_ms);
        driving.push(tokio::spawn(vehicle.drive(ways.collect(), inside, index + 1 == count)));
    }
    if fault == Fault::Crash
        && let Some(first) = nodes.first()
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
        first.stop().await;
    }
    let mut log = Log::default();
    for vehicle in driving {
        let more = vehicle.await.during("driving")?;
        log.grants.extend(more.grants);
        log.crossings += more.crossings;
        log.failed += more.failed;
    }
    let last = nodes.last().map(NodeHandle::status);
    let heights = last.as_ref().map_or(0, |status| status.final_height.0);
    let seconds = begun.0.elapsed().as_secs_f64();
    // The silent vehicle loses its slot after the patience of the crossing.
    if let Some(node) = nodes.last() {
        let end = Height(heights + PATIENCE + 5);
        tokio::time::timeout(LONG, node.wait_final(end))
            .await
            .during("waiting for silence to cost")?
            .during("waiting")?;
    }
    join_all(nodes.iter().map(NodeHandle::stop)).await;
    drop(radio);
    let audit = judge.await.during("judging")?;
    log.grants.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let place = (log.grants.len() as f64 * share).ceil() as usize;
        log.grants.get(place.saturating_sub(1)).copied().unwrap_or(f64::INFINITY)
    };
    Ok(Scene {
        name,
        grants: log.grants.len(),
        p50_ms: quantile(0.5),
        p99_ms: quantile(0.99),
        worst_ms: quantile(1.0),
        crossings: log.crossings,
        failed: log.failed,
        lost_slots: audit.lost,
        heights,
        impeached: last.as_ref().map_or(0, |status| status.impeached),
        heights_per_second: heights.saturating_sub(begun.1) as f64 / seconds,
        evidence: nodes.iter().skip(1).any(|node| node.status().evidence.is_some()),
        conflicts: audit.conflicts,
        disagreements: audit.disagreements,
    })
}

async fn judge(mut radio: broadcast::Receiver<Notice>, honest: Vec<PublicKey>) -> Audit {
    let mut audit = Audit::default();
    loop {
        match radio.recv().await {
            Ok(notice) if honest.contains(&notice.gateway) => audit.hear(&notice),
            Ok(_) => {}
            // What it did not hear it cannot judge: that is no agreement.
            Err(broadcast::error::RecvError::Lagged(_)) => audit.disagreements += 1,
            Err(broadcast::error::RecvError::Closed) => return audit,
        }
    }
}

async fn start(
    keys: &[SigningKey],
    config: &NodeConfig,
    rule: &Rule,
    radio: &broadcast::Sender<Notice>,
    fault: Fault,
    folder: &Path,
) -> Result<Vec<NodeHandle>, VehiclesError> {
    let committee = &config.committee;
    let mut networks = Vec::new();
    for key in keys {
        let listen = "/ip4/127.0.0.1/tcp/0".parse().during("reading a loopback address")?;
        let network = Libp2pNetwork::start(key, Libp2pConfig::new(committee.chain(), listen)).await;
        networks.push((key, network.during("listening")?));
    }
    let addresses: Vec<_> = networks.iter().map(|(key, net)| (key.public_key(), net.address().clone())).collect();
    let mut nodes = Vec::new();
    for (index, (key, mut network)) in networks.into_iter().enumerate() {
        let me = key.public_key();
        for (peer, address) in addresses.iter().filter(|(peer, _)| *peer != me) {
            network.add_peer(*peer, address.clone()).during("linking the gateways")?;
        }
        let storage = RedbStorage::open(folder.join(format!("gateway-{index}.redb"))).during("opening a log")?;
        let storage = Box::new(storage);
        let crossing = Crossing::new(committee.chain(), me, rule.clone(), radio.clone());
        let (config, signer) = (config.clone(), Arc::new(key.clone()));
        let node = if fault == Fault::Lies && index == 0 {
            let vehicles = rule.vehicles.iter().copied().collect();
            let liar = Liar { crossing, me, vehicles, radio: radio.clone() };
            let links = TwoFaced { links: network, key: key.clone(), committee: committee.clone() };
            Node::start(config, signer, Box::new(liar), storage, Box::new(links))
        } else {
            Node::start(config, signer, Box::new(crossing), storage, Box::new(network))
        };
        nodes.push(node.during("starting a gateway")?);
    }
    Ok(nodes)
}

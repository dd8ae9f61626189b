//! `node init`: a network on paper. Keys, a genesis with funded accounts, and a folder for each node.

use std::{
    collections::BTreeMap,
    fs,
    hash::{BuildHasher as _, RandomState},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use cpchain_consensus::network::PROTOCOL_VERSION;
use cpchain_crypto::Signer as _;

use crate::{
    config::{BEACON_FILE, CandidateTable, ConfigError, NetworkTable, NodeFile, PeerTable, RpcTable, TimingTable},
    genesis::{DporTable, EconomyTable, GenesisFile, ProposerTable},
    keys::{self, KeyError},
};

/// The genesis file in the folder of a network.
pub const GENESIS_FILE: &str = "genesis.toml";
/// The file of the account key in a node's folder.
pub const ACCOUNT_FILE: &str = "account.key";
/// CPC on each account at genesis.
pub const FUNDS: u64 = 1_000_000;
/// CPC that each candidate has at genesis beside its deposit.
pub const CANDIDATE_FUNDS: u64 = 1_000;

/// What to make.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Nodes that vote; they come first.
    pub validators: usize,
    /// Default proposers.
    pub proposers: usize,
    /// Nodes that stand for election: RNodes whose deposit and first claim are in the genesis.
    pub candidates: usize,
    /// Nodes that follow.
    pub followers: usize,
    /// The chain's name.
    pub chain: String,
    /// Ports from this one on, two for each node; without it free ones are chosen.
    pub base_port: Option<u16>,
    /// Timers of all nodes.
    pub timing: TimingTable,
    /// How proposers are elected; see [`seats`] for how many.
    pub dpor: DporTable,
}

/// The most proposers that a committee can have with so many default proposers.
pub fn seats(defaults: usize) -> usize {
    if defaults <= 4 { defaults } else { (defaults / 3 * 3).max(4) }
}

/// Why no network was made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The folder is in use.
    #[error("{0} exists already: choose another folder, or remove it if nothing in it is needed")]
    Exists(PathBuf),
    /// A folder cannot be made.
    #[error("cannot make the folder {0}: {1}")]
    Io(PathBuf, #[source] io::Error),
    /// No ports.
    #[error("no free ports: {0}")]
    Ports(String),
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Makes the folder of a network: `genesis.toml`, and `node0`, `node1`, … with `node.toml`, `node.key`, `beacon.key` and a funded
/// `account.key` each. Validators come first, then default proposers, candidates, and followers. Returns the folders of the nodes.
///
/// # Errors
/// [`SetupError`].
pub fn init(dir: &Path, plan: &Plan) -> Result<Vec<PathBuf>, SetupError> {
    if dir.exists() {
        return Err(SetupError::Exists(dir.to_owned()));
    }
    let roles = [plan.validators, plan.proposers, plan.candidates, plan.followers];
    let count = roles.into_iter().fold(0, usize::saturating_add);
    let addresses = addresses(plan.base_port, count)?;
    let mut nodes = Vec::new();
    let mut accounts = BTreeMap::new();
    for index in 0..count {
        let folder = dir.join(format!("node{index}"));
        fs::create_dir_all(&folder).map_err(|error| SetupError::Io(folder.clone(), error))?;
        let key = keys::create(&folder.join("node.key"))?.public_key();
        let beacon = keys::create_beacon(&folder.join(BEACON_FILE))?.public_key();
        let account = keys::create(&folder.join(ACCOUNT_FILE))?.public_key();
        accounts.insert(account.to_string(), FUNDS.to_string());
        nodes.push((folder, ProposerTable { key: key.to_string(), beacon: hex::encode(beacon.0) }));
    }
    let keys = |skip: usize, take: usize| nodes.iter().skip(skip).take(take).map(|(_, keys)| keys.clone());
    let electors = plan.validators + plan.proposers;
    let candidates: Vec<_> = keys(electors, plan.candidates).collect();
    accounts.extend(candidates.iter().map(|candidate| (candidate.key.clone(), CANDIDATE_FUNDS.to_string())));
    let genesis = GenesisFile {
        chain: plan.chain.clone(),
        validators: keys(0, plan.validators).map(|keys| keys.key).collect(),
        proposers: keys(plan.validators, plan.proposers).collect(),
        candidates,
        dpor: plan.dpor.clone(),
        economy: EconomyTable::default(),
        accounts,
    };
    genesis.committee()?;
    genesis.write(&dir.join(GENESIS_FILE))?;
    let multiaddr = |address: &SocketAddr| format!("/ip4/{}/tcp/{}", address.ip(), address.port());
    for (index, ((folder, own), (listen, rpc))) in nodes.iter().zip(&addresses).enumerate() {
        let others = nodes.iter().zip(&addresses).filter(|((_, keys), _)| keys.key != own.key);
        let peers = others
            .map(|((_, keys), (listen, _))| PeerTable { key: keys.key.clone(), address: Some(multiaddr(listen)) });
        let file = NodeFile {
            genesis: Path::new("..").join(GENESIS_FILE),
            key: "node.key".into(),
            beacon: BEACON_FILE.into(),
            log: "log.redb".into(),
            outbox: "outbox.redb".into(),
            network: NetworkTable {
                listen: multiaddr(listen),
                protocol: PROTOCOL_VERSION,
                trusted: Vec::new(),
                peers: peers.collect(),
            },
            rpc: RpcTable { listen: *rpc, admin: true, max_connections: 64 },
            candidate: CandidateTable {
                campaign: (electors..electors + plan.candidates).contains(&index),
                ..CandidateTable::default()
            },
            timing: plan.timing.clone(),
        };
        file.check()?;
        file.write(folder)?;
    }
    Ok(nodes.into_iter().map(|(folder, _)| folder).collect())
}

/// Two loopback addresses for each node: links and RPC.
fn addresses(base: Option<u16>, count: usize) -> Result<Vec<(SocketAddr, SocketAddr)>, SetupError> {
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let ports: Vec<u16> = match base {
        Some(base) => (0..count.saturating_mul(2))
            .map(|i| u16::try_from(i).ok().and_then(|i| base.checked_add(i)))
            .collect::<Option<_>>()
            .ok_or_else(|| SetupError::Ports(format!("{count} nodes from port {base} on go past port 65535")))?,
        None => free_ports(count.saturating_mul(2))?,
    };
    Ok(ports
        .chunks_exact(2)
        .filter_map(|pair| match pair {
            [link, rpc] => Some((local(*link), local(*rpc))),
            _ => None,
        })
        .collect())
}

/// Ports that nobody holds, none from the range that systems give to outgoing connections (32768 and up on Linux,
/// 49152 and up elsewhere): a node that starts later, or again, finds its port free.
fn free_ports(count: usize) -> Result<Vec<u16>, SetupError> {
    const RANGE: Range<u16> = 10_000..32_768;
    // Two networks that one process makes get different ports, though neither runs yet.
    static CURSOR: LazyLock<AtomicUsize> =
        LazyLock::new(|| AtomicUsize::new(usize::from(RandomState::new().hash_one(()) as u16)));
    let ports = RANGE.len();
    let start = CURSOR.fetch_add(count.saturating_add(64), Ordering::Relaxed);
    // Held until all are chosen, so that no port is chosen twice.
    let held: Vec<_> = (0..ports)
        .filter_map(|step| u16::try_from(start.wrapping_add(step) % ports).ok())
        .filter_map(|offset| TcpListener::bind((Ipv4Addr::LOCALHOST, RANGE.start + offset)).ok())
        .take(count)
        .collect();
    let chosen: Vec<u16> = held.iter().filter_map(|held| held.local_addr().ok()).map(|held| held.port()).collect();
    if chosen.len() < count {
        return Err(SetupError::Ports(format!(
            "{count} ports are needed, {} between {RANGE:?} are free",
            chosen.len()
        )));
    }
    Ok(chosen)
}

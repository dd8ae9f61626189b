//! `node.toml`: the settings of one node. What is the same on all of them is in [`genesis`](crate::genesis).

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use cpchain_consensus::{
    dpor::election::ElectionError,
    lbft::{Committee, CommitteeError},
    ledger::{dpor::SettingsError, governance::GovernanceError},
    network::PROTOCOL_VERSION,
    node::NodeConfig,
};
use cpchain_crypto::PublicKey;
use serde::{Deserialize, Serialize};

use crate::keys;

/// The name of a node's own file in its folder.
pub const NODE_FILE: &str = "node.toml";

/// The file of the beacon key in a node's folder.
pub const BEACON_FILE: &str = "beacon.key";

/// Why a file is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read or written.
    #[error("cannot read or write {0}: {1}; `node init` makes the files of a network")]
    Io(PathBuf, #[source] io::Error),
    /// It is not the TOML that is expected.
    #[error("{0} is not understood: {1}")]
    Toml(PathBuf, String),
    /// A key that is none.
    #[error("`{0}` is not a public key: write 64 hexadecimal digits")]
    Key(String),
    /// An amount that is none.
    #[error("`{0}` is not an amount of CPC: write digits, and at most 18 of them behind a point")]
    Amount(String),
    /// An address that is none.
    #[error("`{0}` is not an address: write it like /ip4/127.0.0.1/tcp/4001")]
    Address(String),
    /// Nobody could vote or propose.
    #[error("the committee of the genesis cannot work: {0}")]
    Committee(#[from] CommitteeError),
    /// Nobody could be elected.
    #[error("`seats` or `proposers` of the genesis: {0}")]
    Election(#[from] ElectionError),
    /// Votes could not be held.
    #[error("`validators` of the genesis: {0}")]
    Governance(#[from] GovernanceError),
    /// The rest of what proposers are elected by.
    #[error("`proposers` or `rounds` of the genesis: {0}")]
    Settings(#[from] SettingsError),
    /// A value that cannot work.
    #[error("{0}")]
    Value(&'static str),
}

/// `node.toml`. Paths are relative to its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFile {
    /// The genesis file.
    pub genesis: PathBuf,
    /// The file of the node's key, which decides its role.
    pub key: PathBuf,
    /// The file of the key with which it makes the beacons of its blocks. A node that never proposes needs none.
    #[serde(default = "beacon")]
    pub beacon: PathBuf,
    /// The log of votes and blocks. It belongs to the key for ever.
    pub log: PathBuf,
    /// Accepted transactions that are not final yet.
    pub outbox: PathBuf,
    /// Links to other nodes.
    pub network: NetworkTable,
    /// What clients ask.
    pub rpc: RpcTable,
    /// Whether it stands for election.
    #[serde(default)]
    pub candidate: CandidateTable,
    /// How long things take.
    #[serde(default)]
    pub timing: TimingTable,
}

/// `[network]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkTable {
    /// Where to listen, like `/ip4/127.0.0.1/tcp/4001`.
    pub listen: String,
    /// The protocol version to speak. Nodes of another version are refused.
    #[serde(default = "protocol")]
    pub protocol: u32,
    /// Nodes that are heard under attack besides validators and proposers: 64 hexadecimal digits each.
    #[serde(default)]
    pub trusted: Vec<String>,
    /// Nodes that are dialled.
    #[serde(default)]
    pub peers: Vec<PeerTable>,
}

/// `[[network.peers]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerTable {
    /// Its key, 64 hexadecimal digits.
    pub key: String,
    /// Where it listens. Without it the peer is expected to dial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// `[rpc]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RpcTable {
    /// Where to listen. There is no login: keep it on the loopback, or behind a proxy that has one.
    pub listen: SocketAddr,
    /// Whether the white list may be turned on and off by hand. Refused on an address that is not a loopback.
    #[serde(default)]
    pub admin: bool,
    /// Connections at one time; at most half of them are subscriptions.
    #[serde(default = "connections")]
    pub max_connections: usize,
}

/// `[candidate]`: an RNode that stands for election again and again. It needs a deposit of the account of `node.key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CandidateTable {
    /// Whether the node makes its claims by itself.
    pub campaign: bool,
    /// For how many terms each of them is: 1 to 3.
    pub terms: u8,
}

impl Default for CandidateTable {
    fn default() -> Self {
        Self { campaign: false, terms: 3 }
    }
}

/// `[timing]`: milliseconds. See [`NodeConfig`]; equal on all nodes is best, safety does not depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimingTable {
    /// How long validators wait for a proposer.
    pub timeout_ms: u64,
    /// The longest such wait.
    pub timeout_cap_ms: u64,
    /// How often messages that may be lost are sent again.
    pub retry_interval_ms: u64,
    /// Shortest time between two blocks.
    pub block_interval_ms: u64,
    /// Time between two blocks without transactions.
    pub idle_block_interval_ms: u64,
    /// How fast this node's clock runs, for tests of drift: at 200 every timer takes half as long. 10 to 1000.
    pub clock_percent: u64,
}

impl Default for TimingTable {
    /// As [`NodeConfig::new`].
    fn default() -> Self {
        Self {
            timeout_ms: 3000,
            timeout_cap_ms: 60_000,
            retry_interval_ms: 500,
            block_interval_ms: 100,
            idle_block_interval_ms: 1000,
            clock_percent: 100,
        }
    }
}

fn beacon() -> PathBuf {
    BEACON_FILE.into()
}

fn protocol() -> u32 {
    PROTOCOL_VERSION
}

fn connections() -> usize {
    64
}

pub(crate) fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, ConfigError> {
    let text = fs::read_to_string(path).map_err(|error| ConfigError::Io(path.to_owned(), error))?;
    toml::from_str(&text).map_err(|error| ConfigError::Toml(path.to_owned(), error.to_string()))
}

pub(crate) fn write(path: &Path, value: &impl Serialize) -> Result<(), ConfigError> {
    let text = toml::to_string(value).map_err(|error| ConfigError::Toml(path.to_owned(), error.to_string()))?;
    fs::write(path, text).map_err(|error| ConfigError::Io(path.to_owned(), error))
}

pub(crate) fn key(text: &str) -> Result<PublicKey, ConfigError> {
    keys::public(text).ok_or_else(|| ConfigError::Key(text.to_owned()))
}

impl NodeFile {
    /// Reads and checks the file in a node's folder; its paths come back joined to the folder.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(dir: &Path) -> Result<Self, ConfigError> {
        let mut file: Self = read(&dir.join(NODE_FILE))?;
        for path in [&mut file.genesis, &mut file.key, &mut file.beacon, &mut file.log, &mut file.outbox] {
            *path = dir.join(&*path);
        }
        file.check()?;
        Ok(file)
    }

    /// Writes it into a node's folder as it is.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn write(&self, dir: &Path) -> Result<(), ConfigError> {
        write(&dir.join(NODE_FILE), self)
    }

    /// Checks what can be checked without other files.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.rpc.admin && !self.rpc.listen.ip().is_loopback() {
            return Err(ConfigError::Value(
                "rpc.admin needs a loopback address in rpc.listen, since there is no login",
            ));
        }
        if self.rpc.max_connections == 0 {
            return Err(ConfigError::Value("rpc.max_connections must be at least 1"));
        }
        if !(1..=3).contains(&self.candidate.terms) {
            return Err(ConfigError::Value("candidate.terms must be between 1 and 3"));
        }
        let timing = &self.timing;
        if !(10..=1000).contains(&timing.clock_percent) {
            return Err(ConfigError::Value("timing.clock_percent must be between 10 and 1000; 100 is a true clock"));
        }
        if timing.block_interval_ms > timing.idle_block_interval_ms
            || timing.idle_block_interval_ms >= timing.timeout_ms
            || timing.timeout_ms > timing.timeout_cap_ms
            || timing.retry_interval_ms == 0
        {
            let rule = "timing needs block_interval_ms <= idle_block_interval_ms < timeout_ms <= timeout_cap_ms, and \
                        retry_interval_ms above 0";
            return Err(ConfigError::Value(rule));
        }
        self.network.trusted.iter().chain(self.network.peers.iter().map(|peer| &peer.key)).try_for_each(|text| {
            key(text)?;
            Ok(())
        })
    }
}

impl TimingTable {
    /// The settings of the consensus driver.
    pub fn node_config(&self, committee: Committee) -> NodeConfig {
        let time = |ms: u64| Duration::from_millis(ms.saturating_mul(100) / self.clock_percent.max(1));
        NodeConfig {
            timeout: time(self.timeout_ms),
            timeout_cap: time(self.timeout_cap_ms),
            retry_interval: time(self.retry_interval_ms),
            block_interval: time(self.block_interval_ms),
            idle_block_interval: time(self.idle_block_interval_ms),
            ..NodeConfig::new(committee)
        }
    }
}

#[cfg(test)]
mod tests {
    use cpchain_consensus::{Term, ledger::Genesis};

    use super::*;

    fn file() -> NodeFile {
        NodeFile {
            genesis: "../genesis.toml".into(),
            key: "node.key".into(),
            beacon: BEACON_FILE.into(),
            log: "log.redb".into(),
            outbox: "outbox.redb".into(),
            network: NetworkTable {
                listen: "/ip4/127.0.0.1/tcp/4001".into(),
                protocol: PROTOCOL_VERSION,
                trusted: Vec::new(),
                peers: vec![PeerTable { key: "11".repeat(32), address: None }],
            },
            rpc: RpcTable { listen: "127.0.0.1:5001".parse().unwrap(), admin: true, max_connections: 64 },
            candidate: CandidateTable::default(),
            timing: TimingTable::default(),
        }
    }

    #[test]
    fn files_round_trip_with_joined_paths() {
        let folder = tempfile::tempdir().unwrap();
        file().write(folder.path()).unwrap();
        let read = NodeFile::read(folder.path()).unwrap();
        assert_eq!(read.key, folder.path().join("node.key"));
        assert_eq!(read.network, file().network);
    }

    #[test]
    fn every_wrong_setting_says_what_to_do() {
        let wrong = |change: fn(&mut NodeFile)| {
            let mut file = file();
            change(&mut file);
            file.check().unwrap_err().to_string()
        };
        assert!(wrong(|f| f.rpc.listen = "0.0.0.0:5001".parse().unwrap()).contains("loopback"));
        assert!(wrong(|f| f.rpc.max_connections = 0).contains("at least 1"));
        assert!(wrong(|f| f.candidate.terms = 4).contains("between 1 and 3"));
        assert!(wrong(|f| f.timing.clock_percent = 0).contains("between 10 and 1000"));
        assert!(wrong(|f| f.timing.timeout_ms = 900).contains("idle_block_interval_ms < timeout_ms"));
        assert!(wrong(|f| f.network.peers[0].key = "12".into()).contains("64 hexadecimal digits"));
    }

    #[test]
    fn unknown_fields_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NODE_FILE);
        file().write(folder.path()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("speed = 3\n{text}")).unwrap();
        assert!(matches!(NodeFile::read(folder.path()), Err(ConfigError::Toml(..))));
    }

    #[test]
    fn a_fast_clock_has_short_timers() {
        let committee =
            Committee::new(Genesis::new().chain_id("x"), Term(0), vec![PublicKey([1; 32])], vec![PublicKey([1; 32])]);
        let timing = TimingTable { clock_percent: 200, ..TimingTable::default() };
        assert_eq!(timing.node_config(committee.unwrap()).timeout, Duration::from_millis(1500));
    }
}

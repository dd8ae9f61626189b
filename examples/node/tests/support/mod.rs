//! A network of real processes on the loopback, with a proxy in every link that the test controls.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

pub mod history;
pub mod proxy;

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use cpchain_consensus::ledger::{Amount, Transaction};
use cpchain_crypto::{PublicKey, Signer as _, SigningKey};
use cpchain_node::{
    client::{Client, ClientError},
    config::{NodeFile, TimingTable},
    genesis::DporTable,
    keys,
    setup::{ACCOUNT_FILE, Plan, init, seats},
};
use proxy::Links;
use serde_json::{Value, json};

/// How long anything that must happen may take on a slow machine.
pub const LONG: Duration = Duration::from_secs(90);

pub struct Net {
    folder: tempfile::TempDir,
    pub validators: usize,
    pub nodes: Vec<PathBuf>,
    pub keys: Vec<PublicKey>,
    pub links: Links,
    running: BTreeMap<usize, Child>,
}

/// Timers for a loopback on a busy machine.
pub fn timing() -> TimingTable {
    TimingTable {
        timeout_ms: 1500,
        timeout_cap_ms: 6000,
        retry_interval_ms: 300,
        block_interval_ms: 100,
        idle_block_interval_ms: 500,
        clock_percent: 100,
    }
}

/// A network for tests.
pub fn plan(validators: usize, proposers: usize, candidates: usize, followers: usize, dpor: DporTable) -> Plan {
    let (chain, timing) = ("test".into(), timing());
    Plan { validators, proposers, candidates, followers, chain, base_port: None, timing, dpor }
}

impl Net {
    /// Makes the folders and the links, and starts nothing.
    pub async fn make(validators: usize, proposers: usize, followers: usize) -> Self {
        let dpor = DporTable { seats: seats(proposers), ..DporTable::default() };
        Self::of(&plan(validators, proposers, 0, followers, dpor)).await
    }

    /// Makes the folders and the links of any network, and starts nothing.
    pub async fn of(plan: &Plan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nodes = init(&folder.path().join("net"), plan).unwrap();
        let key = |dir: &PathBuf| keys::read(&dir.join("node.key")).unwrap().public_key();
        let keys: Vec<_> = nodes.iter().map(key).collect();
        let links = Links::new(nodes.len());
        for (from, dir) in nodes.iter().enumerate() {
            let mut file: NodeFile = toml::from_str(&std::fs::read_to_string(dir.join("node.toml")).unwrap()).unwrap();
            for peer in &mut file.network.peers {
                let to = keys.iter().position(|key| key.to_string() == peer.key).unwrap();
                let port: u16 = peer.address.as_ref().unwrap().rsplit('/').next().unwrap().parse().unwrap();
                let proxy = links.open(from, to, port).await;
                peer.address = Some(format!("/ip4/127.0.0.1/tcp/{proxy}"));
            }
            file.write(dir).unwrap();
        }
        Self { folder, validators: plan.validators, nodes, keys, links, running: BTreeMap::new() }
    }

    /// Makes and starts a network, and waits for its first final blocks.
    pub async fn start(validators: usize, proposers: usize, followers: usize) -> Self {
        let mut net = Self::make(validators, proposers, followers).await;
        net.run_all();
        net.all_reach(2).await;
        net
    }

    pub fn change(&self, node: usize, change: impl FnOnce(&mut NodeFile)) {
        let path = self.nodes[node].join("node.toml");
        let mut file: NodeFile = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        change(&mut file);
        file.write(&self.nodes[node]).unwrap();
    }

    pub fn run(&mut self, node: usize) {
        let log = File::options().create(true).append(true).open(self.nodes[node].join("stderr")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_node"))
            .args(["run", "--json", "--dir"])
            .arg(&self.nodes[node])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        assert!(self.running.insert(node, child).is_none(), "node {node} runs already");
    }

    pub fn run_all(&mut self) {
        for node in 0..self.nodes.len() {
            if !self.running.contains_key(&node) {
                self.run(node);
            }
        }
    }

    /// SIGKILL: nothing is flushed, nobody is told.
    pub fn kill(&mut self, node: usize) {
        let mut child = self.running.remove(&node).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM; it must end cleanly.
    pub async fn terminate(&mut self, node: usize) {
        let mut child = self.running.remove(&node).unwrap();
        signal(&child, "TERM");
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(begin.elapsed() < LONG, "node {node} does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!(status.success(), "node {node} ended with {status}: {}", self.stderr(node));
    }

    pub fn pause(&self, node: usize) {
        signal(&self.running[&node], "STOP");
    }

    pub fn resume(&self, node: usize) {
        signal(&self.running[&node], "CONT");
    }

    pub fn is_running(&self, node: usize) -> bool {
        self.running.contains_key(&node)
    }

    pub fn running(&self) -> Vec<usize> {
        self.running.keys().copied().collect()
    }

    pub fn client(&self, node: usize) -> Client {
        Client::of(&self.nodes[node]).unwrap().patience(Duration::from_secs(20))
    }

    pub fn account(&self, node: usize) -> SigningKey {
        keys::read(&self.nodes[node].join(ACCOUNT_FILE)).unwrap()
    }

    pub async fn status(&self, node: usize) -> Option<Value> {
        self.client(node).patience(Duration::from_secs(5)).call("status", json!({})).await.ok()
    }

    pub async fn final_height(&self, node: usize) -> u64 {
        self.status(node).await.and_then(|status| status["final_height"].as_u64()).unwrap_or(0)
    }

    pub async fn reaches(&self, node: usize, height: u64) {
        let begin = Instant::now();
        while self.final_height(node).await < height {
            assert!(
                begin.elapsed() < LONG,
                "node {node} does not reach {height}: {:?}\n{}",
                self.status(node).await,
                self.stderr(node)
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// All that run reach a height.
    pub async fn all_reach(&self, height: u64) {
        for node in self.running() {
            self.reaches(node, height).await;
        }
    }

    pub async fn highest(&self) -> u64 {
        let mut highest = 0;
        for node in self.running() {
            highest = highest.max(self.final_height(node).await);
        }
        highest
    }

    /// Sends money and waits until it is final.
    pub async fn transfer(&self, via: usize, from: &SigningKey, to: PublicKey, amount: Amount) -> Transaction {
        let client = self.client(via);
        let transaction = client.transfer(from, to, amount).await.unwrap();
        let answer = client.submit(&transaction, true).await.unwrap();
        assert_eq!(answer["applied"], true, "{answer}");
        transaction
    }

    pub async fn balance(&self, node: usize, account: PublicKey, min_height: u64) -> Result<Amount, ClientError> {
        let params = json!({ "account": account.to_string(), "min_height": min_height });
        let answer = self.client(node).call("balance", params).await?;
        Ok(Amount(answer["units"].as_str().unwrap().parse().unwrap()))
    }

    pub async fn block(&self, node: usize, height: u64) -> Value {
        self.client(node).call("block", json!({ "height": height })).await.unwrap()
    }

    /// Equal blocks at every height on all that run, and nobody contradicted itself. Returns the blocks.
    pub async fn agree(&self) -> Vec<Value> {
        let mut lowest = u64::MAX;
        for node in self.running() {
            let status = self.status(node).await.unwrap();
            assert_eq!(status["fault"], Value::Null, "node {node}: {status}");
            assert_eq!(status["evidence"], false, "node {node}: {status}");
            lowest = lowest.min(status["final_height"].as_u64().unwrap());
        }
        let mut blocks = Vec::new();
        for height in 1..=lowest {
            let mut first: Option<Value> = None;
            for node in self.running() {
                let block = self.block(node, height).await;
                let known = first.get_or_insert_with(|| block.clone());
                assert_eq!(known["digest"], block["digest"], "a fork at {height} on node {node}");
            }
            blocks.extend(first);
        }
        blocks
    }

    pub fn stderr(&self, node: usize) -> String {
        let text = std::fs::read_to_string(self.nodes[node].join("stderr")).unwrap_or_default();
        let tail: Vec<_> = text.lines().rev().take(30).collect();
        tail.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

//! Real processes, killed, stopped, cut off, delayed and with clocks that run fast or slow, under load. Then: one chain,
//! nothing acknowledged is lost, and reads are linearizable.
//!
//! Half a minute by default; `NEMESIS_SECONDS=600 cargo test --release -p cpchain-node --test nemesis` for longer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use cpchain_consensus::ledger::{Amount, Nonce, Transaction, TransactionDraft, Transfer};
use cpchain_consensus::{ChainId, Height};
use cpchain_crypto::{Digest, PublicKey, Signer as _, SigningKey};
use cpchain_node::{client::Client, keys};
use serde_json::{Value, json};
use support::{
    LONG, Net,
    history::{Action, Operation, check_the_checker, is_linearizable},
    proxy::Mode,
};

/// One at a time: the machine is shared.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn seconds(default: u64) -> u64 {
    std::env::var("NEMESIS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Small and repeatable; which operation meets which fault is not.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// A client with an account of its own. What it submitted it submits again, to any node, until it is final.
struct Worker {
    key: SigningKey,
    chain: ChainId,
    clients: Vec<Client>,
    nonce: u64,
    dice: Dice,
    register: PublicKey,
    final_ones: Vec<Transaction>,
    accepted: Vec<Transaction>,
}

impl Worker {
    fn pick(&mut self) -> Client {
        let index = self.dice.below(self.clients.len());
        self.clients[index]
    }

    fn transfer(&mut self, to: PublicKey, amount: u128) -> Transaction {
        let draft = TransactionDraft {
            chain: self.chain,
            nonce: Nonce(self.nonce),
            expires: Height(100_000),
            kind: Transfer::KIND.into(),
            payload: Transfer { to, amount: Amount(amount) }.encode(),
        };
        self.nonce += 1;
        draft.sign(&self.key).unwrap()
    }

    /// Accepted by some node, which may be killed in the next moment.
    async fn leave(&mut self, to: PublicKey, amount: u128) {
        let transaction = self.transfer(to, amount);
        let params = json!({ "transaction": hex::encode(transaction.bytes()) });
        while self.pick().call("submit", params.clone()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.accepted.push(transaction);
    }

    async fn leave_some(mut self, stop: Arc<AtomicBool>) -> Self {
        let sink = PublicKey(*Digest::content(b"left").as_bytes());
        while !stop.load(Ordering::SeqCst) {
            self.leave(sink, 1).await;
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        self
    }

    /// Returns the height at which it became final.
    async fn send(&mut self, to: PublicKey, amount: u128) -> u64 {
        let transaction = self.transfer(to, amount);
        let begin = Instant::now();
        loop {
            assert!(begin.elapsed() < 2 * LONG, "a transaction never becomes final");
            let bytes = hex::encode(transaction.bytes());
            let params = json!({ "transaction": bytes, "wait": "final", "timeout_ms": 3000 });
            match self.pick().call("submit", params).await {
                Ok(answer) if answer["status"] == "final" => {
                    assert_eq!(answer["applied"], true, "{answer}");
                    self.final_ones.push(transaction);
                    return answer["height"].as_u64().unwrap();
                }
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// A read that sees everything that was acknowledged before it began: a transaction of its own first, then the state
    /// at its height or above, on any node.
    async fn read(&mut self) -> u128 {
        let own = self.key.public_key();
        let sink = PublicKey(*Digest::content(&own.0).as_bytes());
        let height = self.send(sink, 1).await;
        let params = json!({ "account": self.register.to_string(), "min_height": height });
        loop {
            match self.pick().call("balance", params.clone()).await {
                Ok(answer) => return answer["units"].as_str().unwrap().parse().unwrap(),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn work(mut self, stop: Arc<AtomicBool>, history: Arc<Mutex<Vec<Operation>>>) -> Self {
        let register = self.register;
        while !stop.load(Ordering::SeqCst) {
            let from = Instant::now();
            let action = if self.dice.below(3) == 0 {
                Action::Read(self.read().await)
            } else {
                // Every sum of adds is then another number.
                let amount = 1 + self.dice.below(1 << 40) as u128;
                self.send(register, amount).await;
                Action::Add(amount)
            };
            history.lock().unwrap().push(Operation { action, from, to: Instant::now() });
        }
        self
    }
}

async fn worker(net: &Net, index: usize, register: PublicKey) -> Worker {
    let status = net.status(0).await.unwrap();
    let chain = keys::public(status["chain"].as_str().unwrap()).unwrap();
    let clients = (0..net.nodes.len()).map(|node| net.client(node).patience(Duration::from_secs(8))).collect();
    Worker {
        key: net.account(index),
        chain: ChainId(Digest(chain.0)),
        clients,
        nonce: 0,
        dice: Dice(0x9E37_79B9_7F4A_7C15 ^ (index as u64 + 1)),
        register,
        final_ones: Vec::new(),
        accepted: Vec::new(),
    }
}

/// One fault, undone before the next.
async fn fault(net: &mut Net, kind: usize, dice: &mut Dice) {
    let count = net.nodes.len();
    let (victim, other) = (dice.below(net.validators), dice.below(count));
    match kind % 6 {
        0 => {
            net.kill(victim);
            tokio::time::sleep(Duration::from_millis(500)).await;
            net.run(victim);
        }
        1 => {
            net.pause(victim);
            tokio::time::sleep(Duration::from_secs(2)).await;
            net.resume(victim);
        }
        2 => {
            // Half of the validators on each side: no quorum anywhere.
            net.links.part(&[0, 1, count - 1], Mode::Hold);
            tokio::time::sleep(Duration::from_secs(2)).await;
            net.links.heal();
        }
        3 => {
            net.links.part(&[other], Mode::Cut);
            tokio::time::sleep(Duration::from_secs(2)).await;
            net.links.heal();
        }
        4 => {
            for a in 0..count {
                for b in 0..a {
                    net.links.delay(a, b, Duration::from_millis(dice.below(80) as u64));
                }
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
            net.links.heal();
        }
        _ => {
            // More than f at once: nothing goes on, and nothing is lost.
            net.kill(0);
            net.kill(net.validators);
            net.kill(1);
            tokio::time::sleep(Duration::from_millis(300)).await;
            for node in [1, net.validators, 0] {
                net.run(node);
            }
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
}

#[test]
fn the_checker_is_checked() {
    check_the_checker();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_reads_are_linearizable() {
    let _turn = TURN.lock().await;
    let mut net = Net::make(4, 3, 0).await;
    // Time drifts: one clock a third too fast, one a third too slow.
    net.change(1, |file| file.timing.clock_percent = 133);
    net.change(2, |file| file.timing.clock_percent = 67);
    net.run_all();
    net.all_reach(2).await;
    let register = PublicKey(*Digest::content(b"register").as_bytes());
    let stop = Arc::new(AtomicBool::new(false));
    let history: Arc<Mutex<Vec<Operation>>> = Arc::default();
    let mut workers = Vec::new();
    for index in 0..4 {
        let worker = worker(&net, index, register).await;
        workers.push(tokio::spawn(worker.work(stop.clone(), history.clone())));
    }
    workers.push(tokio::spawn(worker(&net, 4, register).await.leave_some(stop.clone())));
    let mut dice = Dice(42);
    let begin = Instant::now();
    let mut faults = 0;
    while begin.elapsed() < Duration::from_secs(seconds(24)) || faults < 6 {
        fault(&mut net, faults, &mut dice).await;
        faults += 1;
    }
    stop.store(true, Ordering::SeqCst);
    let mut done = Vec::new();
    for worker in workers {
        done.push(tokio::time::timeout(3 * LONG, worker).await.expect("the load ends").unwrap());
    }
    // It heals: all reach a height above everything that was acknowledged.
    let target = net.highest().await + 3;
    net.all_reach(target).await;
    // What was only accepted follows.
    let left = done.iter().map(|worker| worker.accepted.len()).sum::<usize>();
    let sink = PublicKey(*Digest::content(b"left").as_bytes());
    let begin = Instant::now();
    for node in net.running() {
        while net.balance(node, sink, 0).await.unwrap() != Amount(left as u128) {
            assert!(begin.elapsed() < LONG, "{:?} of {left} that were accepted", net.balance(node, sink, 0).await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let blocks = net.agree().await;
    let mut ordered = Vec::new();
    for block in &blocks {
        ordered.extend(block["transactions"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()));
    }
    let mut acknowledged = 0;
    for transaction in done.iter().flat_map(|worker| worker.final_ones.iter().chain(&worker.accepted)) {
        let id = transaction.id().to_string();
        assert!(ordered.contains(&id), "{id} was acknowledged and is in no block");
        for node in net.running() {
            let answer = net.client(node).call("transaction", json!({ "id": id })).await.unwrap();
            assert_eq!((&answer["status"], &answer["applied"]), (&json!("final"), &Value::Bool(true)));
        }
        acknowledged += 1;
    }
    let history = history.lock().unwrap().clone();
    let adds: u128 = history.iter().map(|o| if let Action::Add(more) = o.action { more } else { 0 }).sum();
    assert_eq!(net.balance(0, register, 0).await.unwrap(), Amount(adds), "the register holds what was added");
    assert!(is_linearizable(&history), "no order explains {} operations", history.len());
    assert!(history.iter().any(|operation| matches!(operation.action, Action::Read(_))), "nobody read");
    println!("{faults} faults, {} operations, {acknowledged} transactions, {} heights", history.len(), blocks.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_killed_in_a_loop_never_contradicts_itself_and_never_stalls_the_others() {
    let _turn = TURN.lock().await;
    let mut net = Net::start(4, 2, 0).await;
    let begin = Instant::now();
    let (mut kills, mut dice) = (0, Dice(7));
    let lasts = Duration::from_secs(seconds(12));
    while begin.elapsed() < lasts {
        let before = net.final_height(1).await;
        // At any moment of its life: while it starts, votes, or writes.
        tokio::time::sleep(Duration::from_millis(50 + dice.below(1200) as u64)).await;
        net.kill(0);
        kills += 1;
        net.run(0);
        if kills % 4 == 0 {
            net.reaches(1, before + 1).await;
        }
    }
    let after = net.final_height(1).await;
    // A height takes half a second when idle; the others need all their votes while it is away.
    assert!(after >= begin.elapsed().as_secs() / 4, "{after} heights in {:?}", begin.elapsed());
    net.all_reach(after + 2).await;
    net.agree().await;
    println!("{kills} kills, {after} heights in {:?}", begin.elapsed());
}

//! What becomes of a chain whose candidates fail: without their keys, unheard, killed, or gone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::{Duration, Instant};

use cpchain_consensus::ledger::Amount;
use cpchain_node::{config::BEACON_FILE, genesis::DporTable, wallet::Wallet, wallet::money::Pool};
use serde_json::{Value, json};
use support::{LONG, Net, plan};

/// One at a time: the machine is shared.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Terms of three heights. The memory proof takes two tries where the real one takes 64.
fn short() -> DporTable {
    DporTable { seats: 3, rounds: 1, lock: 5, memory_bits: 1, ..DporTable::default() }
}

async fn committee(net: &Net, term: u64) -> Vec<String> {
    let answer = net.client(0).call("committee", json!({ "term": term })).await.unwrap();
    answer["proposers"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect()
}

async fn term(net: &Net) -> u64 {
    net.client(0).call("term", json!({})).await.unwrap()["term"].as_u64().unwrap()
}

/// Waits until a committee that is decided already has the keys, or has them not; returns its term.
async fn decided(net: &Net, keys: &[String], has: bool) -> u64 {
    let begin = Instant::now();
    loop {
        let ahead = term(net).await + 2;
        let proposers = committee(net, ahead).await;
        if keys.iter().all(|key| proposers.contains(key) == has) {
            return ahead;
        }
        assert!(begin.elapsed() < 2 * LONG, "term {ahead}: {proposers:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until a node's campaign is in a state.
async fn campaigning(net: &Net, node: usize, wanted: &str) -> Value {
    let begin = Instant::now();
    loop {
        let status = net.status(node).await.unwrap_or_default();
        if status["campaign"]["state"] == wanted {
            return status;
        }
        assert!(begin.elapsed() < 2 * LONG, "never {wanted}: {status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn turns<'a>(blocks: &'a [Value], keys: &'a [String]) -> impl Iterator<Item = &'a Value> {
    blocks.iter().filter(|block| keys.iter().any(|key| block["proposer"] == key.as_str()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_without_its_beacon_key_is_impeached() {
    let _turn = TURN.lock().await;
    // Two candidates for three seats; the first has lost its key.
    let mut net = Net::of(&plan(4, 3, 2, 0, short())).await;
    let lost = vec![net.keys[7].to_string()];
    std::fs::remove_file(net.nodes[7].join(BEACON_FILE)).unwrap();
    let refused =
        std::process::Command::new(env!("CARGO_BIN_EXE_node")).args(["run", "--dir"]).arg(&net.nodes[7]).output();
    let refused = refused.unwrap();
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && error.contains("candidate.campaign needs the beacon key"), "{error}");
    // It may follow.
    net.change(7, |file| file.candidate.campaign = false);
    net.run_all();
    net.reaches(0, 3 * 5).await;
    let status = net.status(7).await.unwrap();
    assert_eq!((&status["beacon"], &status["campaign"]["state"]), (&Value::Null, &"off".into()));
    // Its claims in the genesis seat it in terms 3 to 5, and in no other.
    let after = decided(&net, &lost, false).await;
    net.reaches(0, 3 * after).await;
    let blocks = net.agree().await;
    let (impeached, made): (Vec<_>, Vec<_>) = turns(&blocks, &lost).partition(|block| block["impeached"] == true);
    assert!(!impeached.is_empty() && made.is_empty(), "{impeached:?} {made:?}");
    let reputation = net.client(0).call("reputation", json!({ "account": lost[0] })).await.unwrap();
    assert_eq!(reputation["impeached"], impeached.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_never_gets_in_is_made_again() {
    let _turn = TURN.lock().await;
    // Long terms: impeached heights within one count, those at its end are forgotten.
    let mut plan = plan(4, 2, 0, 1, DporTable { seats: 2, rounds: 30, ..short() });
    (plan.timing.timeout_ms, plan.timing.timeout_cap_ms) = (600, 600);
    let mut net = Net::of(&plan).await;
    net.run_all();
    net.all_reach(2).await;
    // The follower becomes an RNode by hand.
    let (node, key) = (6, net.keys[6]);
    net.transfer(node, &net.account(node), key, Amount::cpc(200_000)).await;
    let own = cpchain_node::keys::read(&net.nodes[node].join("node.key")).unwrap();
    let wallet = Wallet::new(net.client(node), own, Duration::from_secs(30));
    wallet.deposit(Pool::Rnode, Amount::cpc(200_000)).await.unwrap();
    // Then it campaigns, and nobody proposes any more.
    net.terminate(node).await;
    net.change(node, |file| file.candidate.campaign = true);
    for proposer in [4, 5] {
        net.kill(proposer);
    }
    net.run(node);
    let sent = campaigning(&net, node, "sent").await;
    // Validators impeach height after height, and nothing is final without a block: the claim is void from ten heights on.
    let begin = Instant::now();
    loop {
        let status = net.status(0).await.unwrap();
        if status["height"].as_u64() > status["final_height"].as_u64().map(|height| height + 14) {
            break;
        }
        assert!(begin.elapsed() < LONG, "{status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The node's task and its engine go on meanwhile.
    let waiting = net.status(node).await.unwrap();
    assert_eq!(waiting["campaign"], sent["campaign"]);
    assert_eq!((&waiting["fault"], &waiting["ended"]), (&Value::Null, &Value::Null));
    for proposer in [4, 5] {
        net.run(proposer);
    }
    campaigning(&net, node, "stands").await;
    let first = net.client(node).call("transaction", json!({ "id": sent["campaign"]["id"] })).await.unwrap();
    assert_eq!((&first["applied"], &first["height"]), (&false.into(), &Value::Null), "the first claim: {first}");
}

/// Half of the elected are killed: their turns are impeached, and once their claims end they are not elected again. Then the others are:
/// default proposers have all seats, and nothing is impeached any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_killed_is_impeached_and_default_proposers_fill_the_seats() {
    let _turn = TURN.lock().await;
    let mut plan = plan(4, 3, 4, 0, short());
    plan.timing.timeout_cap_ms = plan.timing.timeout_ms;
    let mut net = Net::of(&plan).await;
    for candidate in 7..11 {
        net.change(candidate, |file| file.candidate.terms = 1);
    }
    net.run_all();
    net.reaches(0, 3 * 3 + 1).await;
    let names = |range: std::ops::Range<usize>| net.keys[range].iter().map(ToString::to_string).collect::<Vec<_>>();
    let (killed, rest, defaults) = (names(7..9), names(9..11), names(4..7));
    net.kill(7);
    net.kill(8);
    let without = decided(&net, &killed, false).await;
    net.reaches(0, 3 * without + 1).await;
    let blocks = net.agree().await;
    assert!(turns(&blocks, &killed).any(|block| block["impeached"] == true), "they had turns left");
    assert!(turns(&blocks, &rest).any(|block| block["impeached"] == false), "the others propose");
    net.kill(9);
    net.kill(10);
    let filled = decided(&net, &defaults, true).await;
    net.reaches(0, 3 * (filled + 2)).await;
    let blocks = net.agree().await;
    let last = &blocks[3 * filled as usize..3 * (filled + 2) as usize];
    assert_eq!(turns(last, &defaults).filter(|block| block["impeached"] == false).count(), 6, "{last:?}");
    net.transfer(0, &net.account(0), net.keys[7], Amount::cpc(1)).await;
}

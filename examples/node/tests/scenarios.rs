//! The black-box scenarios of white paper 2.6.2, on real processes. Nemesis has a file of its own, and so has stress.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use cpchain_consensus::ledger::Amount;
use cpchain_crypto::PublicKey;
use serde_json::{Value, json};
use support::{LONG, Net, proxy::Mode};

/// One at a time: the machine is shared.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn proposers_of(blocks: &[Value], impeached: bool) -> Vec<String> {
    let of = blocks.iter().filter(|block| block["impeached"] == impeached);
    of.map(|block| block["proposer"].as_str().unwrap().to_owned()).collect()
}

/// Scenario: validators fail, up to f and beyond. Expected: up to f the chain goes on; beyond it stops without a fork,
/// and goes on when they are back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abnormal_consensus() {
    let _turn = TURN.lock().await;
    let mut net = Net::start(4, 2, 1).await;
    net.kill(3);
    let height = net.highest().await;
    net.reaches(0, height + 3).await;
    // A second one: no quorum is left.
    net.links.part(&[2], Mode::Hold);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let stuck = net.final_height(0).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(net.final_height(0).await, stuck, "final without a quorum");
    net.links.heal();
    net.run(3);
    net.all_reach(stuck + 3).await;
    net.agree().await;
}

/// Scenario: launch, reboot and abort of nodes of every role, one by one and all at once. Expected: what was final stays,
/// and the chain goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stability() {
    let _turn = TURN.lock().await;
    let mut net = Net::start(4, 2, 1).await;
    let receiver = PublicKey([9; 32]);
    net.transfer(6, &net.account(6), receiver, Amount::cpc(5)).await;
    // Reboot: a validator, a proposer, a follower.
    for node in [0, 4, 6] {
        net.terminate(node).await;
        net.run(node);
    }
    net.all_reach(net.highest().await + 2).await;
    // Blackout.
    let before = net.agree().await;
    for node in net.running() {
        net.kill(node);
    }
    net.run_all();
    net.all_reach(before.len() as u64 + 3).await;
    let after = net.agree().await;
    assert_eq!(after[..before.len()], before[..], "what was final stays");
    for node in net.running() {
        assert_eq!(net.balance(node, receiver, 0).await.unwrap(), Amount::cpc(5));
    }
    net.transfer(0, &net.account(0), receiver, Amount::cpc(1)).await;
}

/// Scenario: a proposer stops, and comes back. Expected: its heights are impeached, its turns pass to the next ones, and
/// it proposes again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mining() {
    let _turn = TURN.lock().await;
    let mut net = Net::start(4, 3, 0).await;
    let silent = net.keys[5].to_string();
    net.terminate(5).await;
    let stopped = net.highest().await;
    net.reaches(0, stopped + 7).await;
    net.transfer(0, &net.account(0), PublicKey([9; 32]), Amount::cpc(1)).await;
    let blocks = net.agree().await;
    let impeached = proposers_of(&blocks[stopped as usize..], true);
    assert!(impeached.iter().filter(|key| **key == silent).count() >= 2, "its turns: {impeached:?}");
    assert!(blocks.iter().filter(|block| block["impeached"] == true).all(|block| block["payload_bytes"] == 0));
    net.run(5);
    let back = net.highest().await + 2;
    net.all_reach(back).await;
    net.all_reach(back + 7).await;
    let blocks = net.agree().await;
    assert!(proposers_of(&blocks[back as usize..], false).contains(&silent), "it proposes again");
}

/// Scenario: a node of another protocol version. Expected: it is refused and gets nothing, the chain goes on, and after
/// an update the node takes part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compatibility() {
    let _turn = TURN.lock().await;
    let mut net = Net::make(4, 2, 0).await;
    net.change(3, |file| file.network.protocol += 1);
    net.run_all();
    for node in [0, 1, 2, 4, 5] {
        net.reaches(node, 4).await;
    }
    assert_eq!(net.final_height(3).await, 0, "the old version hears nothing");
    let status = net.status(0).await.unwrap();
    assert_eq!(status["incompatible_peers"], 1, "{status}");
    assert!(net.stderr(0).contains("another protocol version"), "the log says what to do");
    net.terminate(3).await;
    net.change(3, |file| file.network.protocol -= 1);
    net.run(3);
    // It is not dialled for a minute after a refusal; it dials itself as soon as it is heard.
    let height = net.highest().await;
    net.all_reach(height + 2).await;
    net.agree().await;
}

/// Transactions below the limit are final at once; above it those that exceed it are postponed to later blocks, and none
/// is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stress() {
    let _turn = TURN.lock().await;
    let net = Net::start(4, 2, 0).await;
    let receiver = PublicKey([9; 32]);
    for sender in 0..3 {
        net.transfer(sender, &net.account(sender), receiver, Amount(1)).await;
    }
    // Three senders; a pool takes 128 of each, so most must wait outside of it.
    let each = 400_u64;
    let mut tasks = Vec::new();
    for sender in 0..3 {
        let (client, key) = (net.client(sender), net.account(sender));
        let first = client.transfer(&key, receiver, Amount(1)).await.unwrap();
        let chain = cpchain_node::keys::public(net.status(0).await.unwrap()["chain"].as_str().unwrap()).unwrap();
        tasks.push(tokio::spawn(async move {
            let mut ids = Vec::new();
            for more in 0..each {
                let draft = cpchain_consensus::ledger::TransactionDraft {
                    chain: cpchain_consensus::ChainId(cpchain_crypto::Digest(chain.0)),
                    nonce: cpchain_consensus::ledger::Nonce(first.nonce().0 + more),
                    expires: cpchain_consensus::Height(100_000),
                    kind: first.kind().to_owned(),
                    payload: first.payload().clone(),
                };
                let transaction = draft.sign(&key).unwrap();
                let answer = client.submit(&transaction, false).await.unwrap();
                assert_ne!(answer["status"], "unknown", "{answer}");
                ids.push(transaction.id());
            }
            ids
        }));
    }
    let mut ids = Vec::new();
    for task in tasks {
        ids.extend(task.await.unwrap());
    }
    let begin = std::time::Instant::now();
    let total = Amount(u128::from(3 * each + 3));
    while net.balance(5, receiver, 0).await.unwrap() != total {
        assert!(begin.elapsed() < LONG, "{:?} of {total:?}", net.balance(5, receiver, 0).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    net.all_reach(net.highest().await + 2).await;
    let blocks = net.agree().await;
    let with_some = blocks.iter().filter(|block| !block["transactions"].as_array().unwrap().is_empty()).count();
    assert!(with_some > 3, "they are spread over blocks");
    for id in ids {
        let answer = net.client(4).call("transaction", json!({ "id": id.to_string() })).await.unwrap();
        assert_eq!(answer["applied"], true, "{answer}");
    }
    for node in 0..3 {
        let status = net.status(node).await.unwrap();
        assert_eq!(status["outbox"], 0, "{status}");
    }
}

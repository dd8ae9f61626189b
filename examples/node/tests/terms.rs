//! Elections on real processes: candidates campaign by themselves, committees change at the ends of terms, nodes die across them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;

use cpchain_consensus::ledger::Amount;
use cpchain_crypto::PublicKey;
use cpchain_node::genesis::DporTable;
use serde_json::{Value, json};
use support::{Net, plan};

/// One at a time: the machine is shared.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Three proposers a term, each with one turn: terms of three heights. The CPU proof is the real one; the memory proof takes two tries
/// where the real one takes 64, so that claims keep up with terms of a second and a half.
fn short() -> DporTable {
    DporTable { seats: 3, rounds: 1, lock: 5, memory_bits: 1, ..DporTable::default() }
}

fn lasts(term: u64) -> u64 {
    3 * (term + 1)
}

async fn committee(net: &Net, node: usize, term: u64) -> Vec<String> {
    let answer = net.client(node).call("committee", json!({ "term": term })).await.unwrap();
    answer["proposers"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect()
}

/// The blocks of a term, by their proposers; those of elected terms must be the committee that the ledger named.
async fn check_turns(net: &Net, blocks: &[Value], term: u64) {
    let proposers = committee(net, 0, term).await;
    for (block, place) in blocks[3 * term as usize..].iter().zip(0..3) {
        assert_eq!(block["proposer"], proposers[place], "term {term}: {block}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn candidates_are_elected_and_renew_their_claims() {
    let _turn = TURN.lock().await;
    // Validators 0 to 3, default proposers 4 to 6, candidates 7 to 10, and a follower that joins late.
    let mut net = Net::of(&plan(4, 3, 4, 1, short())).await;
    (0..11).for_each(|node| net.run(node));
    net.reaches(0, 1).await;
    let candidates: BTreeSet<_> = net.keys[7..11].iter().map(ToString::to_string).collect();

    // What the genesis claims is for the elections of terms 0 to 2, so for the seats of terms 3 to 5. What follows are claims that the
    // candidates made themselves.
    net.reaches(0, lasts(8)).await;
    for term in 3..=8 {
        let proposers = committee(&net, 0, term).await;
        let elected = proposers.iter().filter(|key| candidates.contains(*key)).count();
        assert!(elected >= if term < 6 { 3 } else { 1 }, "term {term}: {proposers:?}");
    }
    let status = net.status(7).await.unwrap();
    assert!(["stands", "proving", "sent"].contains(&status["campaign"]["state"].as_str().unwrap()), "{status}");

    // One dies in the middle of a term and comes back in another; a validator too.
    net.kill(8);
    net.kill(1);
    let height = net.final_height(0).await;
    net.reaches(0, height + 5).await;
    net.run(8);
    net.run(1);

    // The late one follows through all terms.
    net.run(11);
    let target = net.final_height(0).await + 6;
    net.all_reach(target).await;
    let blocks = net.agree().await;
    let terms = blocks.len() as u64 / 3;
    for term in 0..terms {
        check_turns(&net, &blocks, term).await;
    }
    assert_eq!(committee(&net, 11, terms).await, committee(&net, 0, terms).await);
    for node in [0, 8, 11] {
        let answer = net.client(node).call("term", json!({})).await.unwrap();
        assert_eq!(answer["elected"], true, "node {node}: {answer}");
    }
    // A transaction reaches proposers who were elected after the network began.
    net.transfer(11, &net.account(11), PublicKey([9; 32]), Amount::cpc(1)).await;
}

/// A blackout: every process is killed in the middle of a term, and what was elected is elected still.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blackout_loses_no_election() {
    let _turn = TURN.lock().await;
    let mut net = Net::of(&plan(4, 3, 3, 0, short())).await;
    net.run_all();
    net.reaches(0, lasts(3) + 2).await;
    let blocks = net.agree().await;
    let ahead = blocks.len() as u64 / 3 + 2;
    let elected = committee(&net, 0, ahead).await;
    for node in net.running() {
        net.kill(node);
    }
    net.run_all();
    net.all_reach(lasts(ahead)).await;
    let after = net.agree().await;
    assert_eq!(after[..blocks.len()], blocks[..], "what was final stays");
    assert_eq!(committee(&net, 5, ahead).await, elected);
    check_turns(&net, &after, ahead).await;
}

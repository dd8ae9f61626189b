//! Nodes that are slow, busy, silent or refuse: what is waited for, what is tried again, and what is given up.

use std::time::Duration;

use cpchain_crypto::Signer;
use cpchain_storage::{
    ErasureParams,
    client::{ClientConfig, ClientError, RetryPolicy},
    network::{DhtError, Holders, RefusalCode},
};
use tokio::time::Instant;

use crate::network::{Fault, Network, bytes, config, lease, owner};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test(start_paused = true)]
async fn slow_nodes_are_given_up_by_a_put() {
    let net = Network::new(30);
    net.set(0..5, Some(Fault::Silent));
    let client = net.client(config());
    let object = bytes(1, 100_000);
    let begin = Instant::now();
    let stored = client.put_object(&owner(), object.clone(), ErasureParams::default(), lease()).await.unwrap();
    // 25 of 30 are enough: the silent five cost the grace, not their time-out, and their shards went to others.
    assert_eq!(begin.elapsed(), ClientConfig::default().put_grace);
    assert_eq!(stored.receipts.len(), 30);
    let silent: Vec<_> = (0..5).map(|node| net.id(node)).collect();
    assert!(stored.receipts.iter().all(|receipt| !silent.contains(&receipt.holder())));
    assert!(client.scores().iter().all(|(node, score)| (score.failed > 0) == silent.contains(node)));
    // The next put does not ask them first.
    let begin = Instant::now();
    client.put_object(&owner(), bytes(2, 100_000), ErasureParams::default(), lease()).await.unwrap();
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_put_with_too_few_fast_nodes_goes_on_after_a_moment() {
    // Twelve nodes with two or three shards each: without the three silent ones 22 or 23 of the 24 are placed.
    let net = Network::new(12);
    net.set(0..3, Some(Fault::Silent));
    let client = net.client(config());
    let begin = Instant::now();
    let stored = client.put_object(&owner(), bytes(1, 9000), ErasureParams::default(), lease()).await.unwrap();
    assert_eq!(begin.elapsed(), ClientConfig::default().put_grace);
    assert_eq!(stored.receipts.len(), 30);
}

#[tokio::test(start_paused = true)]
async fn all_nodes_slow_is_no_reason_to_give_up() {
    let net = Network::new(12);
    net.set(0..12, Some(Fault::Slow(secs(3))));
    let client = net.client(config());
    let object = bytes(1, 9000);
    let stored = client.put_object(&owner(), object.clone(), ErasureParams::default(), lease()).await.unwrap();
    assert!(stored.receipts.len() >= 24);
    let begin = Instant::now();
    assert_eq!(client.get_object(owner().public_key(), &stored.object).await.unwrap(), object);
    assert!(begin.elapsed() < secs(4), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_get_does_not_wait_for_silent_nodes() {
    let net = Network::new(30);
    let object = bytes(1, 9000);
    let seller = net.client(config());
    let stored = seller.put_object(&owner(), object.clone(), ErasureParams::default(), lease()).await.unwrap();
    // Of 13 that are asked three may be silent at no cost; then each pause brings three more, long before the time-out.
    for (silent, pauses) in [(3, 0), (6, 1), (9, 2), (20, 6)] {
        net.set(0..silent, Some(Fault::Silent));
        let begin = Instant::now();
        let got = net.client(config()).get_object(owner().public_key(), &stored.object).await.unwrap();
        let ClientConfig { hedge_after, shard_timeout, .. } = config();
        assert!(got == object && begin.elapsed() <= hedge_after * pauses, "{silent} silent: {:?}", begin.elapsed());
        assert!(begin.elapsed() < shard_timeout);
    }
}

#[tokio::test(start_paused = true)]
async fn those_near_a_shard_are_asked_again_while_they_are_busy() {
    let net = Network::new(30);
    let (owner, object) = (owner(), bytes(1, 9000));
    let seller = net.client(config());
    let stored = seller.put_object(&owner, object.clone(), ErasureParams::default(), lease()).await.unwrap();
    // A record as repairs leave it: every shard is at another node than it says.
    let mut moved = stored.holders[0].clone();
    moved.chunks[0].rotate_left(1);
    let record = net.record(&Holders::key(owner.public_key(), &stored.object.root, 0));
    let record = moved.sign(&owner, &stored.object.root, 0, record.sequence() + 1, lease().0).unwrap();
    net.replace_record(&record);
    // Each node is too busy for the shard that it has not, and for the question what it has.
    net.set(0..30, Some(Fault::Busy(2)));
    let client = net.client(config());
    assert_eq!(client.get_object(owner.public_key(), &stored.object).await.unwrap(), object);
    // Who is busy for ever is not asked for ever.
    net.set(0..30, Some(Fault::Busy(u32::MAX)));
    let lost = client.get_object(owner.public_key(), &stored.object).await;
    assert!(matches!(lost, Err(ClientError::TooFewShards { found: 0, .. })), "{lost:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_moment_of_its_holders_is_no_reason_to_rebuild() {
    let net = Network::new(30);
    let (client, owner) = (net.client(config()), owner());
    let stored = client.put_object(&owner, bytes(1, 9000), ErasureParams::default(), lease()).await.unwrap();
    let repair = || client.repair_object(owner.public_key(), &stored.object, lease(), &[1; 32]);
    net.set(0..10, Some(Fault::Busy(1)));
    let repaired = &repair().await.unwrap()[0];
    assert_eq!((repaired.least_before, repaired.receipts.len()), (Some(30), 0));
    // Those who stay silent have lost their shards; those who then give theirs late are heard all the same.
    net.set(0..10, Some(Fault::Silent));
    let repaired = &repair().await.unwrap()[0];
    assert_eq!((repaired.least_before, repaired.least_after, repaired.receipts.len()), (Some(20), Some(30), 10));
}

#[tokio::test(start_paused = true)]
async fn a_repair_asks_busy_holders_for_their_shards_again() {
    let net = Network::new(30);
    let (client, owner) = (net.client(config()), owner());
    let stored = client.put_object(&owner, bytes(1, 9000), ErasureParams::default(), lease()).await.unwrap();
    let group = &client.groups(owner.public_key(), &stored.object).await.unwrap()[0];
    // Twenty are gone: every one of the last ten is needed.
    net.set(0..20, Some(Fault::Forgets));
    let repairer = client.repairer(None);
    let survey = repairer.survey(group, &[1; 32]).await.unwrap();
    assert_eq!(survey.least(), Some(10));
    net.set(20..30, Some(Fault::Busy(1)));
    let repaired = repairer.repair_surveyed(group, survey, lease(), &[1; 32]).await.unwrap();
    assert_eq!(repaired.least_before, Some(10));
}

#[tokio::test(start_paused = true)]
async fn busy_nodes_are_asked_again() {
    let net = Network::new(12);
    net.set(0..12, Some(Fault::Busy(2)));
    let client = net.client(config());
    let object = bytes(1, 9000);
    let begin = Instant::now();
    let stored = client.put_object(&owner(), object.clone(), ErasureParams::default(), lease()).await.unwrap();
    assert_eq!(stored.receipts.len(), 30);
    let policy = RetryPolicy::default();
    let (least, most) = ((policy.first + policy.first * 2) / 2, policy.first + policy.first * 2);
    assert!((least..=most).contains(&begin.elapsed()), "{:?}", begin.elapsed());

    net.set(0..12, Some(Fault::Busy(3)));
    assert_eq!(client.get_object(owner().public_key(), &stored.object).await.unwrap(), object);
}

#[tokio::test(start_paused = true)]
async fn a_seed_makes_the_pauses_the_same_every_time() {
    let mut pauses = Vec::new();
    for seed in [7, 7, 8] {
        let net = Network::new(12);
        net.set(0..12, Some(Fault::Busy(2)));
        let client = net.client(ClientConfig { jitter_seed: Some(seed), ..config() });
        let begin = Instant::now();
        client.put_object(&owner(), bytes(1, 9000), ErasureParams::default(), lease()).await.unwrap();
        pauses.push(begin.elapsed());
    }
    assert!(pauses[0] == pauses[1] && pauses[1] != pauses[2], "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_repeated() {
    let net = Network::new(12);
    net.set(0..12, Some(Fault::Refuses(RefusalCode::Store)));
    let client = net.client(config());
    let begin = Instant::now();
    let put = client.put_object(&owner(), bytes(1, 9000), ErasureParams::default(), lease()).await;
    assert!(matches!(put, Err(ClientError::TooFewPlaced { placed: 0, needed: 24 })));
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert!((0..12).all(|node| net.asked(node) <= 1));
    net.set(0..12, Some(Fault::Refuses(RefusalCode::Lease)));
    let put = net.client(config()).put_object(&owner(), bytes(1, 9000), ErasureParams::default(), lease()).await;
    assert!(matches!(put, Err(ClientError::LeaseRefused)));
}

#[tokio::test(start_paused = true)]
async fn a_dht_that_fails_in_passing_is_asked_again_and_not_for_ever() {
    let net = Network::new(12);
    let client = net.client(config());
    net.fail_dht(3);
    let stored = client.put_object(&owner(), bytes(1, 9000), ErasureParams::default(), lease()).await.unwrap();
    net.fail_dht(4);
    let begin = Instant::now();
    let got = client.get_object(owner().public_key(), &stored.object).await;
    assert!(matches!(got, Err(ClientError::Dht(DhtError::Timeout))));
    let policy = RetryPolicy::default();
    assert!(begin.elapsed() <= policy.first * 7);
    assert!(client.get_object(owner().public_key(), &stored.object).await.is_ok());
    net.fail_dht(1);
    let never = net.client(ClientConfig { retry: RetryPolicy::NEVER, ..config() });
    assert!(never.get_object(owner().public_key(), &stored.object).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_get_survives_twenty_bad_nodes_of_thirty() {
    let net = Network::new(30);
    let client = net.client(config());
    let object = bytes(1, 700_000);
    let stored = client.put_object(&owner(), object.clone(), ErasureParams::default(), lease()).await.unwrap();
    for fault in [Fault::Silent, Fault::Lies, Fault::Forgets, Fault::Refuses(RefusalCode::Store)] {
        net.set(0..20, Some(fault));
        let reader = net.client(config());
        assert_eq!(reader.get_object(owner().public_key(), &stored.object).await.unwrap(), object);
        net.set(0..21, Some(fault));
        let lost = net.client(config()).get_object(owner().public_key(), &stored.object).await;
        assert!(matches!(lost, Err(ClientError::TooFewShards { chunk: 0, found: 9, needed: 10 })));
        net.set(0..21, None);
    }
}

//! Many seeds over the network in memory (5, or `TRIAL_SEEDS`): 60 hosts, 30 % killed at once, repaired, 30 % killed again, repaired.

use cpchain_crypto::Signer;
use cpchain_storage::{ErasureParams, Lease, client::StorageClient, encode_object, repair::Watch};

use crate::{
    course::{Objects, Random, computed, seeds},
    memory::{Conduct, Memory},
    net::{bytes, client_config, key, lease, now_ms},
};

const HOSTS: u16 = 60;

fn client(net: &Memory, viewer: u8) -> StorageClient<Memory> {
    StorageClient::over(net.seen_by(viewer), client_config())
}

async fn run(seed: u8, conduct: impl Fn(u16) -> Conduct, is_swept_first: bool) -> String {
    let net = Memory::new(HOSTS, conduct);
    let mut random = Random(u64::from(seed));
    let objects = Objects::put(&client(&net, 1), seed).await;
    let mut log = format!("seed {seed}:");
    if is_swept_first {
        objects.check(&client(&net, 9)).await;
        let (least, rebuilt) = objects.repair(&client(&net, 8), None).await;
        log += &format!(" least {least}, rebuilt {rebuilt};");
    }
    for round in 0..2 {
        let living = net.living();
        let killed = living.len() * 3 / 10;
        random.choose(killed, living.len()).into_iter().for_each(|n| net.kill(&living[n]));
        let (least, rebuilt) = objects.repair(&client(&net, 2 + round), None).await;
        log += &format!(" killed {killed} of {}, least {least}, rebuilt {rebuilt};", living.len());
        objects.check(&client(&net, 4 + round)).await;
    }
    log
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_percent_killed_twice_lose_nothing() {
    for seed in 0..seeds(5) {
        println!("{}", run(seed, |_| Conduct::Honest, false).await);
    }
    println!("{}; then {}", computed(60, 18), computed(42, 12));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_percent_byzantine_lose_nothing() {
    for seed in 0..seeds(5) {
        let bad = Random(1000 + u64::from(seed)).choose(18, 60);
        let conduct = |n: u16| match bad.iter().position(|bad| *bad == usize::from(n)) {
            None => Conduct::Honest,
            Some(n) => [Conduct::Lies, Conduct::Stalls, Conduct::Forgets][n % 3],
        };
        println!("{}", run(seed, conduct, true).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repair_waits_until_it_is_due() {
    let net = Memory::new(HOSTS, |_| Conduct::Honest);
    let owner = key(1);
    let seller = client(&net, 1);
    let stored = seller.put_object(&owner, bytes(1, 10_000), ErasureParams::default(), lease()).await.unwrap();
    let randomness = [1; 32];
    let repair = || seller.repair_object(owner.public_key(), &stored.object, lease(), &randomness);
    let mut holders: Vec<_> = stored.receipts.iter().map(|receipt| receipt.holder()).collect();
    holders.sort_unstable();
    holders.dedup();
    assert_eq!(holders.len(), 30, "one shard a host");
    for (gone, node) in holders.iter().enumerate().take(7) {
        let repaired = &repair().await.unwrap()[0];
        assert_eq!((repaired.least_before, repaired.receipts.len()), (Some(30 - gone), 0));
        net.kill(node);
    }
    let repaired = &repair().await.unwrap()[0];
    assert_eq!((repaired.least_before, repaired.least_after, repaired.receipts.len()), (Some(23), Some(30), 7));
    assert!(repaired.receipts.iter().all(|receipt| !holders[..7].contains(&receipt.holder())));
    // Another repairer, who knows other nodes, finds all that the first has placed.
    let other = client(&net, 3);
    let again = other.repair_object(owner.public_key(), &stored.object, lease(), &[2; 32]).await.unwrap();
    assert_eq!((again[0].least_before, again[0].receipts.len()), (Some(30), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_extends_leases_and_writes_the_new_hosts_down() {
    let net = Memory::new(HOSTS, |_| Conduct::Honest);
    let owner = key(1);
    let seller = client(&net, 1);
    let object = bytes(1, 1_100_000);
    let stored = seller.put_object(&owner, object.clone(), ErasureParams::default(), lease()).await.unwrap();
    for node in stored.holders[0].chunks[0].iter().flatten().take(8) {
        net.kill(node);
    }
    // Too much is gone to go on without a repair.
    let later = Lease::until(now_ms() + 9_000_000);
    assert!(client(&net, 2).renew_leases(owner.public_key(), &stored.object, later).await.is_err());
    let repairer = client(&net, 2);
    repairer.repair_object(owner.public_key(), &stored.object, lease(), &[1; 32]).await.unwrap();
    let by_stranger = client(&net, 3).renew_leases(owner.public_key(), &stored.object, later).await.unwrap();
    assert_eq!(by_stranger.receipts.len(), 60);
    let latest = Lease::until(later.0 + 1);
    let renewed = seller.renew_object(&owner, &stored.object, latest).await.unwrap();
    assert!(renewed.receipts.iter().all(|receipt| receipt.lease_until_ms() == latest.0));
    for shard in stored.object.chunks.iter().flat_map(|chunk| &chunk.shards) {
        assert!(net.leases(shard).contains(&latest));
    }
    let published = client(&net, 4).holders(owner.public_key(), &stored.object).await.unwrap();
    assert_eq!(published, renewed.holders);
    assert_ne!(published, stored.holders);
    assert_eq!(client(&net, 5).get_object(owner.public_key(), &stored.object).await.unwrap(), object);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_keeps_objects_alive() {
    let net = Memory::new(HOSTS, |_| Conduct::Honest);
    let objects = Objects::put(&client(&net, 1), 1).await;
    let watch = Watch::new(client(&net, 2));
    for (_, object) in &objects.all {
        watch.add(objects.owner.public_key(), object.clone(), lease()).unwrap();
    }
    // One that nobody has ever stored fails, and the others are repaired all the same.
    let (absent, _) = encode_object(b"never stored", ErasureParams::default()).unwrap();
    watch.add(objects.owner.public_key(), absent.clone(), lease()).unwrap();
    let (over, _) = encode_object(b"its lease is over", ErasureParams::default()).unwrap();
    watch.add(objects.owner.public_key(), over, Lease::until(1)).unwrap();
    let mut random = Random(5);
    let mut rebuilt = 0;
    for sweep in 0..6u8 {
        let living = net.living();
        random.choose(living.len() / 6, living.len()).into_iter().for_each(|n| net.kill(&living[n]));
        let swept = watch.sweep(&[sweep; 32]).await;
        assert_eq!((swept.objects, swept.failed.len(), swept.failed[0].0), (6, 1, absent.root));
        rebuilt += swept.rebuilt;
        objects.check(&client(&net, 3)).await;
    }
    assert!(net.living().len() < 22 && rebuilt > 60, "{rebuilt}");
    assert!(watch.remove(&absent.root) && !watch.remove(&absent.root));
    assert_eq!(watch.len(), 5);
}

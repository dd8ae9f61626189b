//! The same with real nodes: libp2p over loopback, packs on disk.

use std::{sync::Arc, time::Instant};

use cpchain_crypto::Signer;
use cpchain_storage::{
    ChunkStore,
    client::StorageClient,
    network::{Holders, NodeHandle, RecordKind, SignedRecord},
};
use futures::future::join_all;

use crate::{
    course::{Objects, Random, computed, seeds},
    hostile::{Bad, Vice},
    net::{Net, key, now_ms},
    peer::Peer,
};

const HOSTS: u8 = 60;

/// A client that joins through two living nodes.
async fn client(net: &Net, living: &[usize], seed: u8) -> StorageClient<NodeHandle> {
    let node = net.light_through(seed, &[living[0], living[living.len() - 1]]).await;
    StorageClient::over(node, crate::net::client_config())
}

async fn run(seed: u8, wrap: impl Fn(u8, Arc<dyn ChunkStore>) -> Arc<dyn ChunkStore>, is_swept_first: bool) {
    let begin = Instant::now();
    let net = Net::with(HOSTS, wrap).await;
    let up = begin.elapsed();
    let mut living: Vec<usize> = (0..usize::from(HOSTS)).collect();
    let mut random = Random(u64::from(seed));
    let objects = Objects::put(&client(&net, &living, 1).await, seed).await;
    let mut log = format!("seed {seed}: up in {up:.1?}, stored after {:.1?};", begin.elapsed());
    if is_swept_first {
        objects.check(&client(&net, &living, 9).await).await;
        overwrite(&net, &objects).await;
        let (least, rebuilt) = objects.repair(&client(&net, &living, 8).await, None).await;
        log += &format!(" least {least}, rebuilt {rebuilt};");
    }
    for round in 0..2 {
        let killed = living.len() * 3 / 10;
        let mut chosen = random.choose(killed, living.len());
        chosen.sort_unstable();
        let killed_nodes: Vec<usize> = chosen.into_iter().rev().map(|n| living.remove(n)).collect();
        join_all(killed_nodes.iter().map(|n| net.nodes[*n].stop())).await;
        let (least, rebuilt) = objects.repair(&client(&net, &living, 2 + round).await, None).await;
        log += &format!(" killed {killed}, least {least}, rebuilt {rebuilt} after {:.1?};", begin.elapsed());
        objects.check(&client(&net, &living, 4 + round).await).await;
    }
    join_all(living.iter().map(|n| net.nodes[*n].stop())).await;
    println!("{log} done after {:.1?}", begin.elapsed());
}

/// A stranger tries to put records of its own in the place of those that name the holders.
async fn overwrite(net: &Net, objects: &Objects) {
    let stranger = key(66);
    for node in net.nodes.iter().step_by(20) {
        let mut peer = Peer::new(node.address().unwrap());
        for (_, object) in &objects.all {
            let at = Holders::key(objects.owner.public_key(), &object.root, 0);
            let kind = RecordKind::ShardHolders;
            let mine = SignedRecord::sign(&stranger, kind, &at.name, u64::MAX, now_ms() + 100_000, vec![]).unwrap();
            assert!(!peer.put(at.digest().as_bytes(), mine.to_bytes().to_vec()).await, "a foreign record was taken");
        }
    }
}

#[ignore = "60 real nodes: a minute a seed in a release build"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_percent_of_sixty_nodes_killed_twice() {
    for seed in 0..seeds(1) {
        run(seed, |_, store| store, false).await;
    }
    println!("{}; then {}", computed(60, 18), computed(42, 12));
}

#[ignore = "60 real nodes: a minute a seed in a release build"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_percent_of_sixty_nodes_byzantine() {
    for seed in 0..seeds(1) {
        let bad = Random(1000 + u64::from(seed)).choose(18, usize::from(HOSTS));
        let wrap = |n: u8, store: Arc<dyn ChunkStore>| match bad.iter().position(|bad| *bad == usize::from(n)) {
            None => store,
            Some(n) => Arc::new(Bad([Vice::Lies, Vice::Stalls, Vice::Forgets][n % 3], store)) as Arc<dyn ChunkStore>,
        };
        run(seed, wrap, true).await;
    }
}

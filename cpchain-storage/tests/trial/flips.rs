//! Bits flip in the packs of real nodes: none reaches a caller, and all that is damaged is repaired from the network.

use std::{
    fs::{self, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use cpchain_storage::{
    client::{ClientConfig, StorageClient},
    network::{NetworkConfig, NodeHandle, StorageNode},
};

use crate::{
    course::{Objects, Random},
    net::{Net, client_config},
};

const NODES: u8 = 12;
/// No time-out ends here, however busy the machine is: what is missing has rotted, and is not only late.
const PATIENCE: Duration = Duration::from_secs(120);

fn packs(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "pack")).collect()
}

fn flip(path: &Path, random: &mut Random) {
    let mut file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let at = random.below(file.metadata().unwrap().len() as usize) as u64;
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    byte[0] ^= 1 << random.below(8);
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&byte).unwrap();
}

async fn client(net: &Net, config: &NetworkConfig, seed: u8) -> StorageClient<NodeHandle> {
    let node = StorageNode::light(config.clone(), &[seed; 32]).await.unwrap();
    node.join(std::slice::from_ref(net.nodes[0].address().unwrap())).await.unwrap();
    let patient =
        ClientConfig { shard_timeout: PATIENCE, put_timeout: PATIENCE, put_grace: PATIENCE, ..client_config() };
    StorageClient::over(node, patient)
}

async fn flips(rounds: usize, each: usize) {
    let patient = NetworkConfig {
        lookup_timeout: PATIENCE,
        lookup_step_timeout: PATIENCE,
        request_timeout: PATIENCE,
        ..NetworkConfig::default()
    };
    let net = Net::of(NODES, patient.clone()).await;
    let objects = Objects::put(&client(&net, &patient, 1).await, 1).await;
    let (reader, repairer) = (client(&net, &patient, 2).await, client(&net, &patient, 3).await);
    let files: Vec<PathBuf> = net.folders.iter().flat_map(|folder| packs(folder.path())).collect();
    assert!(files.len() >= usize::from(NODES), "{files:?}");
    let mut random = Random(1);
    let (mut rebuilt, mut least) = (0, 30);
    for _ in 0..rounds {
        for _ in 0..each {
            flip(&files[random.below(files.len())], &mut random);
        }
        objects.check(&reader).await;
        // Every shard of every chunk is proved again, in the end.
        let (fewest, repaired) = objects.repair(&repairer, Some(30)).await;
        rebuilt += repaired;
        least = least.min(fewest);
    }
    println!("{} bits flipped, {rebuilt} shards rebuilt, at worst {least} of 30 left", rounds * each);
    assert!(rebuilt > rounds * each / 10, "most flips hit nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flipped_bits_reach_nobody_and_are_repaired() {
    flips(2, 20).await;
}

#[ignore = "minutes"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_flipped_bits_reach_nobody_and_are_repaired() {
    flips(67, 15).await;
}

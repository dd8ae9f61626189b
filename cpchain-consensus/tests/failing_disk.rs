//! A node whose disk fails says nothing that relies on the log, ends, and says why.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cpchain_consensus::{
    Ancestors, Application, ChainId, FinalBlock, Height, InvalidPayload, Term,
    lbft::{Certificate, Committee, Evidence, FinalEntry, Record, Restored},
    network::{Libp2pConfig, Libp2pNetwork},
    node::{Node, NodeConfig, NodeError},
    storage::{MemoryStorage, Storage, StorageError},
};
use cpchain_crypto::{Digest, Signer, SigningKey};

/// A disk that is full after some batches; what came before stays readable.
struct FullDisk {
    disk: MemoryStorage,
    batches: u32,
}

impl Storage for FullDisk {
    fn append(&mut self, records: &[Record], sync: bool) -> Result<(), StorageError> {
        self.batches = self.batches.checked_sub(1).ok_or_else(|| StorageError::Io("no space left".into()))?;
        self.disk.append(records, sync)
    }
    fn restore(&self) -> Result<Restored, StorageError> {
        self.disk.restore()
    }
    fn final_entry(&self, height: Height) -> Result<Option<FinalEntry>, StorageError> {
        self.disk.final_entry(height)
    }
    fn committee(&self, term: Term) -> Result<Option<Committee>, StorageError> {
        self.disk.committee(term)
    }
    fn handover(&self, term: Term) -> Result<Option<Certificate>, StorageError> {
        self.disk.handover(term)
    }
    fn evidence(&self) -> Result<Vec<Evidence>, StorageError> {
        self.disk.evidence()
    }
    fn height_of(&self, digest: &Digest) -> Result<Option<Height>, StorageError> {
        self.disk.height_of(digest)
    }
}

#[derive(Default)]
struct Empty(Height);

impl Application for Empty {
    fn submit(&mut self, _: Bytes) -> Result<(), InvalidPayload> {
        Ok(())
    }
    fn propose(&mut self, _: Height, _: Ancestors<'_>, _: usize) -> Bytes {
        Bytes::new()
    }
    fn verify(&mut self, _: Height, _: Ancestors<'_>, _: &Bytes) -> Result<(), InvalidPayload> {
        Ok(())
    }
    fn finalised(&mut self, block: &FinalBlock) -> Digest {
        self.0 = block.height;
        block.digest
    }
    fn last_height(&self) -> Height {
        self.0
    }
}

#[tokio::test]
async fn a_full_disk_ends_the_node_and_it_says_so() {
    let key = SigningKey::from_seed(&[7; 32]);
    let me = vec![key.public_key()];
    let committee = Committee::new(ChainId::new("solo", b""), Term(0), me.clone(), me).unwrap();
    let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
    let config = Libp2pConfig::new(committee.chain(), listen);
    let network = Box::new(Libp2pNetwork::start(&key, config).await.unwrap());
    let mut config = NodeConfig::new(committee);
    (config.block_interval, config.idle_block_interval) = (Duration::from_millis(1), Duration::from_millis(2));
    let disk = Box::new(FullDisk { disk: MemoryStorage::new(), batches: 20 });
    let node = Node::start(config, Arc::new(key), Box::new(Empty::default()), disk, network).unwrap();
    let mut status = node.watch();
    let ended = tokio::time::timeout(Duration::from_secs(20), status.wait_for(|now| now.ended.is_some())).await;
    let last = ended.unwrap().unwrap().clone();
    assert_eq!(last.ended, Some(NodeError::Storage(StorageError::Io("no space left".into()))));
    assert!(last.final_height > Height::GENESIS, "it worked while the disk did");
    assert!(node.wait_final(last.final_height.next()).await.is_err());
}

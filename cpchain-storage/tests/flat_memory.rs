//! An object of any length passes through a client in flat memory: it is made as it is read, checked as it is written, and
//! repaired a few chunks at a time.
//!
//! 64 MiB in an ordinary run. The full length, 4 GiB over six stores on this disk (7 GiB of it), and just more than one
//! reference lists: `cargo test --release -p cpchain-storage --test flat_memory -- --ignored --nocapture --test-threads 1`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, unreachable_pub, dead_code)]
#![cfg(all(feature = "network", target_os = "linux"))]

#[path = "client/network.rs"]
mod network;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use cpchain_crypto::Signer;
use cpchain_storage::{
    CHUNK_LEN, ErasureParams, MAX_LISTED_CHUNKS, ObjectRef, client::ClientConfig, network::RefusalCode,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::network::{Fault, Network, config, lease, owner};

/// What the client may keep: four chunks with their shards on the way in, decoders and buffers on the way back.
const MOST: u64 = 96 << 20;

/// Bytes that look random, made as they are asked for; as a writer, it compares.
struct Pattern {
    bytes: blake3::OutputReader,
    left: u64,
}

impl Pattern {
    fn new(length: u64) -> Self {
        Self { bytes: blake3::Hasher::new().update(b"a long object").finalize_xof(), left: length }
    }
}

impl AsyncRead for Pattern {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let length = buffer.remaining().min(self.left as usize).min(1 << 16);
        self.bytes.fill(buffer.initialize_unfilled_to(length));
        buffer.advance(length);
        self.left -= length as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pattern {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut expected = vec![0; bytes.len()];
        self.bytes.fill(&mut expected);
        assert!(bytes == expected, "a wrong byte was written");
        self.left -= bytes.len() as u64;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The most memory that this process has had, bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

async fn through(length: u64) {
    let net = Network::new(6);
    let client = net.client(ClientConfig { put_timeout: std::time::Duration::from_secs(60), ..config() });
    let (owner, params) = (owner(), ErasureParams::new(4, 6).unwrap());
    let before = peak();
    let begin = Instant::now();
    let mut chunks = (0, 0);
    let count = |chunk: cpchain_storage::client::StoredChunk| match chunk.of_index {
        false => chunks.0 += 1,
        true => chunks.1 += 1,
    };
    let object = client.put_reader(&owner, Pattern::new(length), params, lease(), count).await.unwrap();
    let put = begin.elapsed();
    assert_eq!((object.length, chunks.0), (length, ObjectRef::chunk_count(length)));
    assert_eq!(object.index.is_some(), length > (MAX_LISTED_CHUNKS * CHUNK_LEN) as u64);
    assert_eq!(chunks.1 > 0, object.index.is_some());
    // All that a reader is given is the reference, as bytes.
    let object = ObjectRef::decode(&object.encode()).unwrap();
    assert!(object.encode().len() < 1 << 20);
    let begin = Instant::now();
    let mut pattern = Pattern::new(length);
    client.get_to(owner.public_key(), &object, &mut pattern).await.unwrap();
    assert_eq!(pattern.left, 0);
    let grown = peak() - before;
    println!("{} MiB: put in {put:?}, got in {:?}, memory grew by {} MiB", length >> 20, begin.elapsed(), grown >> 20);
    assert!(grown < MOST, "memory grew by {grown} bytes");

    // From the middle of it, by its index if it has one.
    let at = length / 2 + 12_345;
    let part = client.get_range(owner.public_key(), &object, at..at + 300_000).await.unwrap();
    let mut expected = vec![0; 300_000];
    let mut bytes = Pattern::new(length).bytes;
    bytes.set_position(at);
    bytes.fill(&mut expected);
    assert!(part == expected);

    // One of six stores fails: a sixth of all shards is rebuilt elsewhere, those of the index too.
    net.set(0..1, Some(Fault::Refuses(RefusalCode::Store)));
    let (begin, before) = (Instant::now(), peak());
    let repaired = client.repair_object(owner.public_key(), &object, lease(), &[1; 32]).await.unwrap();
    let rebuilt = repaired.iter().map(|group| group.receipts.len() as u64).sum::<u64>();
    assert_eq!(rebuilt, chunks.0 + chunks.1);
    assert!(repaired.iter().all(|group| (group.least_before, group.least_after) == (Some(5), Some(6))));
    let grown = peak() - before;
    println!("{rebuilt} shards rebuilt in {:?}, memory grew by {} MiB more", begin.elapsed(), grown >> 20);
    assert!(grown < MOST, "memory grew by {grown} bytes");
    // Two more fail: of the last full chunk three shards are left as they were, and the one that was rebuilt.
    let rebuilder = repaired[repaired.len() - 2].receipts.last().unwrap().holder();
    let others = (1..6).filter(|node| net.id(*node) != rebuilder).take(2);
    others.for_each(|node| net.set(node..node + 1, Some(Fault::Refuses(RefusalCode::Store))));
    let end = length / CHUNK_LEN as u64 * CHUNK_LEN as u64;
    let part = client.get_range(owner.public_key(), &object, end - CHUNK_LEN as u64..end).await.unwrap();
    let mut expected = vec![0; CHUNK_LEN];
    let mut bytes = Pattern::new(length).bytes;
    bytes.set_position(end - CHUNK_LEN as u64);
    bytes.fill(&mut expected);
    assert!(part == expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_mebibytes_in_flat_memory() {
    through((64 << 20) + 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs 2 GiB of disk and a release build"]
async fn more_than_a_reference_lists_in_flat_memory() {
    through((MAX_LISTED_CHUNKS * CHUNK_LEN) as u64 + 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs 7 GiB of disk and a release build"]
async fn four_gibibytes_in_flat_memory() {
    through((4 << 30) + 5).await;
}

//! One object from several proxies at once, over real sockets; the wire is watched.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::{
    io,
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{World, data, key, node};
use cpchain_crypto::{Digest, PublicKey};
use cpchain_otp::{
    Client, ClientConfig, FetchError, NodeConfig, NodeHandle, ProxyNode, Quota,
    backend::{Backend, BackendError, BackendWriter, MemoryBackend},
    bao::GROUP_LEN,
    records::GrantKind,
    stripes::StripesConfig,
    transfer::Fault,
    transport::{ByteStream, Channel, TcpConfig, TcpTransport, Transport, TransportError},
    wire::{Request, request},
};
use futures::{AsyncRead, AsyncWrite};
use prost::Message;

/// What a stream carried: whom it went to, what was asked for, how many bytes came.
#[derive(Debug, Clone)]
struct Carried {
    peer: PublicKey,
    asked: Vec<u8>,
    came: u64,
}

impl Carried {
    fn get(&self) -> Option<Range<u64>> {
        let request = Request::decode(self.asked.get(4..)?).ok()?;
        match request.body? {
            request::Body::Get(get) => Some(get.start..get.end.unwrap_or(u64::MAX)),
            _ => None,
        }
    }
}

/// A transport that notes what its streams carry.
struct Watched {
    inner: TcpTransport,
    streams: Arc<Mutex<Vec<Carried>>>,
}

struct WatchedStream {
    inner: Box<dyn ByteStream>,
    streams: Arc<Mutex<Vec<Carried>>>,
    at: usize,
}

impl AsyncRead for WatchedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let len = ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        self.streams.lock().unwrap()[self.at].came += len as u64;
        Poll::Ready(Ok(len))
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let len = ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        let at = self.at;
        let mut streams = self.streams.lock().unwrap();
        if streams[at].asked.is_empty() {
            streams[at].asked.extend(&buf[..len]);
        }
        drop(streams);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

#[async_trait]
impl Transport for Watched {
    fn local_key(&self) -> PublicKey {
        self.inner.local_key()
    }

    fn addresses(&self) -> Vec<String> {
        self.inner.addresses()
    }

    async fn open(&self, address: &str) -> Result<Channel, TransportError> {
        let channel = self.inner.open(address).await?;
        let mut streams = self.streams.lock().unwrap();
        streams.push(Carried { peer: channel.peer, asked: Vec::new(), came: 0 });
        let at = streams.len() - 1;
        drop(streams);
        let stream = WatchedStream { inner: channel.stream, streams: self.streams.clone(), at };
        Ok(Channel { peer: channel.peer, stream: Box::new(stream) })
    }

    async fn accept(&self) -> Option<Channel> {
        self.inner.accept().await
    }

    fn close(&self) {
        self.inner.close();
    }
}

/// A client that is watched.
async fn watched(nodes: &[&NodeHandle]) -> (Vec<Client>, Arc<Mutex<Vec<Carried>>>) {
    let streams: Arc<Mutex<Vec<Carried>>> = Arc::default();
    let inner = TcpTransport::start(&[3; 32], TcpConfig::default()).await.unwrap();
    let transport = Arc::new(Watched { inner, streams: streams.clone() });
    let mut clients = Vec::new();
    for node in nodes {
        let config = ClientConfig { stall_timeout: Duration::from_secs(5), ..ClientConfig::default() };
        clients.push(Client::over(transport.clone(), Arc::new(key(3)), &node.address(), config).await.unwrap());
    }
    (clients, streams)
}

fn small() -> StripesConfig {
    StripesConfig { longest: 512 << 10, ..StripesConfig::default() }
}

/// A storage that takes its time.
struct Slow(MemoryBackend, Duration);

#[async_trait]
impl Backend for Slow {
    async fn len(&self, key: &str) -> Result<Option<u64>, BackendError> {
        self.0.len(key).await
    }

    async fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, BackendError> {
        tokio::time::sleep(self.1).await;
        self.0.read(key, range).await
    }

    async fn write(&self, key: &str) -> Result<Box<dyn BackendWriter>, BackendError> {
        self.0.write(key).await
    }

    async fn delete(&self, key: &str) -> Result<(), BackendError> {
        self.0.delete(key).await
    }
}

fn slow(ms: u64) -> Arc<Slow> {
    Arc::new(Slow(MemoryBackend::new(), Duration::from_millis(ms)))
}

async fn holders(world: &World, data: &Bytes, pace_ms: &[u64]) -> (Vec<NodeHandle>, Digest) {
    let mut nodes = Vec::new();
    let mut root = Digest::ZERO;
    for (i, ms) in pace_ms.iter().enumerate() {
        let node = node(20 + i as u8, world.parts_over(slow(*ms))).await;
        root = node.objects().insert(data.clone()).await.unwrap();
        nodes.push(node);
    }
    world.label(root, true);
    (nodes, root)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sizes_and_ranges_from_three_at_once() {
    let world = World::new();
    for size in [0, 1, 16_384, 16_385, 3 << 20] {
        let data = data(size);
        let (nodes, root) = holders(&world, &data, &[0, 0, 0]).await;
        let (clients, _) = watched(&nodes.iter().collect::<Vec<_>>()).await;
        let fetch = || clients[0].fetch(root).or(&clients[1]).or(&clients[2]);
        for (start, end) in
            [(0, usize::MAX), (0, 1), (size / 2 + 3, size / 2 + 700_000), (size, size + 5), (size + 9, usize::MAX)]
        {
            let mut fetch = fetch().range(start as u64..end as u64).striped(small());
            assert_eq!(
                fetch.bytes(size).await.unwrap(),
                data.slice(start.min(size)..end.min(size)),
                "{start}..{end} of {size}"
            );
            assert_eq!(fetch.size(), Some(size as u64), "always proven");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_killed_in_the_middle_costs_no_proven_byte_twice() {
    let world = World::new();
    let size = 12 << 20;
    let data = data(size);
    let (mut nodes, root) = holders(&world, &data, &[4, 4, 4]).await;
    let (clients, streams) = watched(&nodes.iter().collect::<Vec<_>>()).await;
    let mut fetch = clients[0].fetch(root).or(&clients[1]).or(&clients[2]).striped(small());
    let mut got = Vec::new();
    let mut marked = None;
    while let Some(piece) = fetch.next().await.unwrap() {
        got.extend(piece);
        if got.len() > 4 << 20 && marked.is_none() {
            let killed = nodes.remove(0);
            let dead = killed.key();
            killed.stop().await;
            marked = Some(dead);
        }
    }
    assert_eq!(got, data);
    let dead = marked.unwrap();
    assert!(fetch.faults().iter().all(|(who, fault)| *who == dead && matches!(fault, Fault::Broken(_))));
    assert!(fetch.shares().iter().all(|(_, share)| *share > 1 << 20), "{:?}", fetch.shares());
    assert_eq!(fetch.shares().iter().map(|(_, share)| share).sum::<u64>(), size as u64, "each byte was proven once");

    // The wire: which groups were asked for, by whom, and how many bytes came of each stripe.
    let carried = streams.lock().unwrap().clone();
    let gets: Vec<_> = carried.iter().filter_map(|one| Some((one.peer, one.get()?, one.came))).collect();
    let mut asked = vec![0u32; size / GROUP_LEN as usize];
    let (mut data_bytes, mut proofs) = (0u64, 0u64);
    for (_, range, came) in &gets {
        let end = range.end.min(size as u64);
        for group in range.start.min(size as u64 - 1) / GROUP_LEN..end.div_ceil(GROUP_LEN).min(asked.len() as u64) {
            asked[group as usize] += 1;
        }
        data_bytes += came;
        // Opened, receipt, and a pair for each inner node over and under the range.
        let groups = end.saturating_sub(range.start).div_ceil(GROUP_LEN).max(1);
        proofs += 64 * (groups + 2 * 12) + 400;
    }
    let twice: u64 = asked.iter().map(|times| u64::from(times.saturating_sub(1))).sum();
    let broken: Vec<_> =
        gets.iter().filter(|(_, range, came)| range.start < size as u64 && *came < range.end - range.start).collect();
    // Only what stripes that were cut had not proven was asked for again: at most those stripes.
    let cut: u64 = broken.iter().map(|(_, range, _)| (range.end - range.start) / GROUP_LEN).sum();
    assert!(twice <= cut, "{twice} groups were asked for twice, {cut} were in stripes that were cut");
    // What came in vain is less than what the transport holds for one stream, for each stripe that was cut.
    let vain = data_bytes.saturating_sub(size as u64 + proofs);
    assert!(
        vain <= (broken.len() as u64 + 1) * (256 << 10),
        "{vain} bytes came in vain, {} stripes were cut",
        broken.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_proxy_gets_the_smaller_share() {
    let world = World::new();
    let data = data(8 << 20);
    let (nodes, root) = holders(&world, &data, &[2, 30]).await;
    let (clients, _) = watched(&nodes.iter().collect::<Vec<_>>()).await;
    let mut fetch = clients[0].fetch(root).or(&clients[1]).striped(small());
    assert_eq!(fetch.bytes(data.len()).await.unwrap(), data);
    let shares: Vec<u64> = fetch.shares().iter().map(|(_, share)| *share).collect();
    assert!(shares[0] > 2 * shares[1] && fetch.faults().is_empty(), "{shares:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn liars_and_refusers_are_named_and_the_rest_goes_on() {
    let world = World::new();
    let data = data(2 << 20);
    let (nodes, root) = holders(&world, &data, &[0]).await;
    // Rotten storage: the node finds it and breaks off. Quota: refuses after a part.
    let rotten = MemoryBackend::new();
    let bad = node(30, world.parts_over(Arc::new(rotten.clone()))).await;
    bad.objects().insert(data.clone()).await.unwrap();
    let mut wrong = data.to_vec();
    wrong.iter_mut().skip(16_384).for_each(|byte| *byte ^= 1);
    common::promises::put(&rotten, &format!("objects/{root}"), wrong.into()).await.unwrap();
    let config = NodeConfig { quota: Some(Quota { bytes: 300_000, window_ms: u64::MAX }), ..Default::default() };
    let miser = ProxyNode::start(config, &[31; 32], world.parts()).await.unwrap();
    miser.objects().insert(data.clone()).await.unwrap();
    let empty = node(32, world.parts()).await;
    let (clients, _) = watched(&[&empty, &bad, &miser, &nodes[0]]).await;
    let mut fetch = clients[0].fetch(root).or(&clients[1]).or(&clients[2]).or(&clients[3]).striped(small());
    assert_eq!(fetch.bytes(data.len()).await.unwrap(), data);
    let faults = fetch.faults();
    assert!(faults.iter().any(|(who, fault)| *who == empty.key() && matches!(fault, Fault::Refused(_))), "{faults:?}");
    assert!(faults.iter().all(|(who, _)| *who != nodes[0].key()));
    let mut none = clients[0].fetch(root).or(&clients[1]).striped(small());
    match none.bytes(data.len()).await.unwrap_err() {
        FetchError::NoSource { faults, .. } => assert_eq!(faults.len(), 2),
        error => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_transfer_is_resumed_by_another_process_at_its_offset() {
    let world = World::new();
    let data = data(3 << 20);
    let (nodes, root) = holders(&world, &data, &[0, 0]).await;
    let mut got = Vec::new();
    // Cut by dropping everything, again and again; each time a new client goes on.
    for _ in 0..20 {
        let (clients, _) = watched(&nodes.iter().collect::<Vec<_>>()).await;
        let grant = world.sign(world.grant(clients[0].key(), GrantKind::Read));
        let fetch = clients[0].fetch(root).or(&clients[1]).grant(grant).range(got.len() as u64..u64::MAX);
        let mut fetch = fetch.striped(small());
        for _ in 0..13 {
            match fetch.next().await.unwrap() {
                Some(piece) => got.extend(piece),
                None => break,
            }
        }
    }
    assert_eq!(got, data);
}

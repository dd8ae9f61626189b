//! Objects over real sockets: sizes, ranges, broken and lying proxies, bounded memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{Metered, World, client, data, key, node};
use cpchain_crypto::{Digest, Signer};
use cpchain_otp::{
    FetchError, Signed,
    backend::{BackendError, MemoryBackend, OpendalBackend},
    bao::{OutboardBuilder, PAIR_LEN, Part, Walk},
    host::{ByteSource, ObjectSource, ReceiptSink, byte_source},
    records::{ProxyDescriptor, Registration, WitnessedReceipt},
    transfer::Fault,
    transport::{TcpConfig, TcpTransport, Transport},
    uri::{OtpUri, Owner, Target},
    wire::{Found, Opened, Reply, Request, reply, request},
};
use futures::{AsyncReadExt, AsyncWriteExt};
use prost::Message;

#[derive(Default)]
struct Receipts(Mutex<Vec<WitnessedReceipt>>);

#[async_trait]
impl ReceiptSink for Receipts {
    async fn keep(&self, receipt: WitnessedReceipt) {
        self.0.lock().unwrap().push(receipt);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_many_sizes_and_ranges() {
    let world = World::new();
    let receipts = Arc::new(Receipts::default());
    let node = node(2, world.parts().receipts(receipts.clone())).await;
    let client = client(3, &node).await;
    assert_eq!(client.proxy().proxy_id(), node.id());
    for size in [0, 1, 16 * 1024, 16 * 1024 + 1, 5 << 20] {
        let data = data(size);
        let root = node.objects().insert(data.clone()).await.unwrap();
        world.label(root, true);
        let mut fetch = client.fetch(root);
        assert_eq!(fetch.bytes(size).await.unwrap(), data);
        assert_eq!(fetch.size(), Some(size as u64));
        let receipt = fetch.receipt().expect("a receipt").receipt();
        assert_eq!((receipt.root, receipt.range.clone()), (root, 0..size as u64));
        for (start, end) in [(0, 1), (size / 2, size / 2 + 70_000), (size, size + 5), (size / 3, usize::MAX)] {
            let got = client.fetch(root).range(start as u64..end as u64).bytes(size).await.unwrap();
            assert_eq!(got, data.slice(start.min(size)..end.min(size)), "{start}..{end} of {size}");
        }
    }
    // The node keeps the acknowledged receipts of all 25 transfers; the last one arrives after the client is done.
    for _ in 0..500 {
        if receipts.0.lock().unwrap().len() == 25 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let kept = receipts.0.lock().unwrap();
    assert_eq!(kept.len(), 25);
    assert!(kept.iter().all(|one| one.receipt().caller == client.key() && one.receipt().proxy == node.key()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_proxy_is_followed_by_another_at_the_verified_offset() {
    let world = World::new();
    let size = 8 << 20;
    let data = data(size);
    let backends = [Metered::new(MemoryBackend::new()), Metered::new(MemoryBackend::new())];
    let first = node(2, world.parts_over(backends[0].clone())).await;
    let second = node(4, world.parts_over(backends[1].clone())).await;
    let root = first.objects().insert(data.clone()).await.unwrap();
    second.objects().insert(data.clone()).await.unwrap();
    world.label(root, true);
    let client = client(3, &first).await;
    let mut fetch = client.fetch(root).or(&client.also(&second.address()).await.unwrap());
    let mut got = Vec::new();
    while got.len() < 1 << 20 {
        got.extend(fetch.next().await.unwrap().unwrap());
    }
    first.stop().await;
    while let Some(piece) = fetch.next().await.unwrap() {
        got.extend(piece);
    }
    assert_eq!(got, data);
    let receipt = fetch.receipt().unwrap().receipt();
    assert_eq!(receipt.proxy, second.key());
    assert!(receipt.range.start >= 1 << 20 && receipt.range.end == size as u64);
    // The second proxy read its part and no more: less than a page (128 KiB) around it, and the outboard.
    let outboard = (size as u64 / 16384) * 64;
    let part = size as u64 - receipt.range.start;
    assert!(backends[1].read_so_far() <= part + 131_072 + outboard);
}

/// A proxy that is not this crate's: it sends the right parts, with one bit wrong at `wrong` on the wire.
async fn liar(data: Bytes, wrong: usize) -> String {
    let transport =
        TcpTransport::start(&[9; 32], TcpConfig { listen: Some("/ip4/127.0.0.1/tcp/0".into()), ..Default::default() });
    let transport = transport.await.unwrap();
    let address = transport.addresses()[0].clone();
    tokio::spawn(async move {
        while let Some(mut channel) = transport.accept().await {
            let mut length = [0; 4];
            channel.stream.read_exact(&mut length).await.unwrap();
            let mut request = vec![0; u32::from_be_bytes(length) as usize];
            channel.stream.read_exact(&mut request).await.unwrap();
            let mut raw = Vec::new();
            let body = match Request::decode(request.as_slice()).unwrap().body.unwrap() {
                request::Body::Get(get) => {
                    raw = bao(&data, get.start, wrong);
                    reply::Body::Opened(Opened { size: data.len() as u64 })
                }
                _ => {
                    let key = key(9).public_key();
                    let descriptor = ProxyDescriptor { key, addresses: vec![], sequence: 0, expires_ms: 0 };
                    reply::Body::Found(Found { record: Signed::sign(descriptor, &common::key(9)).unwrap().to_bytes() })
                }
            };
            let reply = Reply { body: Some(body) }.encode_to_vec();
            channel.stream.write_all(&(reply.len() as u32).to_be_bytes()).await.unwrap();
            channel.stream.write_all(&reply).await.unwrap();
            let _ = channel.stream.write_all(&raw).await;
            let _ = channel.stream.close().await;
        }
    });
    address
}

fn bao(data: &[u8], start: u64, wrong: usize) -> Vec<u8> {
    let (mut builder, mut outboard, mut wire) = (OutboardBuilder::new(), Vec::new(), Vec::new());
    builder.push(data, &mut outboard);
    let (root, size) = builder.finish(&mut outboard);
    let mut walk = Walk::new(root, size, start..size).unwrap();
    while let Some(part) = walk.part() {
        let bytes = match part {
            Part::Pair { outboard_offset } => &outboard[outboard_offset as usize..][..PAIR_LEN],
            Part::Group { offset, len } => &data[offset as usize..][..len],
        };
        walk.accept(bytes).unwrap();
        wire.extend_from_slice(bytes);
    }
    wire[wrong] ^= 4;
    wire
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lying_proxy_is_caught_and_named_and_replaced() {
    let world = World::new();
    let data = data(200_000);
    let honest = node(2, world.parts()).await;
    let root = honest.objects().insert(data.clone()).await.unwrap();
    world.label(root, true);
    let honest = client(3, &honest).await;
    for wrong in [0, 100, 150_000] {
        let liar = honest.also(&liar(data.clone(), wrong).await).await.unwrap();
        let mut alone = liar.fetch(root);
        let mut before = Vec::new();
        let error = loop {
            match alone.next().await {
                Ok(piece) => before.extend(piece.expect("the lie comes before the end")),
                Err(error) => break error,
            }
        };
        assert_eq!(before, data[..before.len()], "what was handed over is true");
        let FetchError::NoSource { faults, .. } = error else { panic!("{error}") };
        assert!(matches!(faults.as_slice(), [(who, Fault::Lied { .. })] if *who == key(9).public_key()));
        let mut both = liar.fetch(root).or(&honest);
        assert_eq!(both.bytes(data.len()).await.unwrap(), data);
        assert_eq!(both.faults().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_is_chunked_for_any_size() {
    let folder = tempfile::tempdir().unwrap();
    let size = 64 << 20;
    std::fs::write(folder.path().join("archive.bin"), data(size)).unwrap();
    let backend = Metered::new(OpendalBackend::file_system(folder.path()).unwrap());
    let world = World::new();
    let node = node(2, world.parts_over(backend.clone())).await;
    let root = node.objects().adopt(0, "archive.bin").await.unwrap();
    assert!(!folder.path().join(format!("objects/{root}")).exists(), "an adopted file is not copied");
    world.label(root, true);
    let before = backend.read_so_far();
    let client = client(3, &node).await;
    let mut fetch = client.fetch(root);
    let (mut hasher, mut longest) = (blake3::Hasher::new(), 0);
    while let Some(piece) = fetch.next().await.unwrap() {
        hasher.update(&piece);
        longest = longest.max(piece.len());
    }
    assert_eq!(Digest(*hasher.finalize().as_bytes()), root);
    assert_eq!(fetch.size(), Some(size as u64));
    assert_eq!(longest, 16 * 1024);
    assert!(backend.longest.load(Ordering::SeqCst) <= 256 * 1024);
    // Each byte of data and outboard is read about once.
    assert!(backend.read_so_far() - before < size as u64 * 101 / 100);
}

struct Source(Bytes, bool);

#[async_trait]
impl ObjectSource for Source {
    async fn fetch(&self, _: &Digest) -> Result<Option<ByteSource>, BackendError> {
        Ok(self.1.then(|| byte_source(self.0.clone())))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_fetches_checks_and_keeps_what_it_does_not_hold() {
    let world = World::new();
    let data = data(100_000);
    let root = Digest::content(&data);
    world.label(root, true);
    let source = Arc::new(Source(data.clone(), true));
    let good = node(2, world.parts().source(source)).await;
    let client = client(3, &good).await;
    assert_eq!(client.fetch(root).bytes(data.len()).await.unwrap(), data);
    assert_eq!(good.objects().find(&root).await.unwrap().unwrap().size(), data.len() as u64);

    let wrong = Arc::new(Source(data.slice(1..), true));
    let bad = node(4, world.parts().source(wrong)).await;
    assert!(client.also(&bad.address()).await.unwrap().fetch(root).next().await.is_err());
    assert!(bad.objects().find(&root).await.unwrap().is_none());

    let none = node(5, world.parts().source(Arc::new(Source(data, false)))).await;
    let error = client.also(&none.address()).await.unwrap().fetch(root).next().await.unwrap_err();
    assert!(error.to_string().contains("NotFound"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotten_copy_is_replaced_from_the_source_while_the_client_goes_on() {
    let world = World::new();
    let data = data(200_000);
    let folder = tempfile::tempdir().unwrap();
    let backend = Arc::new(OpendalBackend::file_system(folder.path()).unwrap());
    let source = Arc::new(Source(data.clone(), true));
    let node = node(2, world.parts_over(backend).source(source)).await;
    let root = node.objects().insert(data.clone()).await.unwrap();
    world.label(root, true);
    let path = folder.path().join(format!("objects/{root}"));
    let mut rotten = data.to_vec();
    rotten[150_000] ^= 1;
    std::fs::write(&path, rotten).unwrap();
    let mut fetch = client(3, &node).await.fetch(root);
    assert_eq!(fetch.bytes(data.len()).await.unwrap(), data);
    assert!(fetch.faults().is_empty(), "an honest proxy is not blamed for its disk");
    assert_eq!(std::fs::read(&path).unwrap(), data);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_uri_leads_to_the_bytes() {
    let world = World::new();
    let node = node(2, world.parts()).await;
    let root = node.objects().insert(data(5000)).await.unwrap();
    world.label(root, true);
    let owner = world.owner.public_key();
    let record = Registration { owner, name: "weather".into(), root, sequence: 1 };
    world.registry.register(Signed::sign(record, &world.owner).unwrap()).unwrap();
    let uri = OtpUri {
        owner: Owner::Did(owner.into()),
        target: Target::Name("weather".into()),
        intervals: None,
        via: Some(node.id()),
        at: Some(node.address()),
    };

    let uri: OtpUri = uri.to_string().parse().unwrap();
    let client = cpchain_otp::Client::connect(uri.at.as_ref().unwrap(), &[3; 32]).await.unwrap();
    assert_eq!(Some(client.proxy().proxy_id()), uri.via);
    let (Owner::Did(did), Target::Name(name)) = (uri.owner, uri.target) else { panic!("an owner and a name") };
    let meant = client.registration(&did.public_key(), &name).await.unwrap();
    assert_eq!(client.label(&meant.root).await.unwrap().owner, owner);
    assert_eq!(client.fetch(meant.root).bytes(5000).await.unwrap(), data(5000));
    assert!(client.registration(&owner, "other").await.is_err());
}

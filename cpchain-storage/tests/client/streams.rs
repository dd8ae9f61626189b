//! Objects that pass through as streams: any length, flat memory, cancelled at any point.

use std::sync::{Arc, Mutex};

use cpchain_crypto::Signer;
use cpchain_storage::{
    CHUNK_LEN, ErasureParams,
    client::{ClientConfig, ClientError, Progress},
};

use crate::network::{Fault, Network, bytes, config, lease, owner};

#[tokio::test(start_paused = true)]
async fn a_stream_is_stored_like_an_object_in_memory() {
    let (net, owner) = (Network::new(12), owner());
    let seen = Arc::new(Mutex::new(Vec::<Progress>::new()));
    let listener = Arc::clone(&seen);
    let progress = Some(Arc::new(move |progress| listener.lock().unwrap().push(progress)) as Arc<_>);
    let (client, lease) = (net.client(ClientConfig { progress, ..config() }), lease());
    for length in [0, 1, 50_000, CHUNK_LEN, 3 * CHUNK_LEN + 7] {
        let object = bytes(1, length);
        let mut chunks = Vec::new();
        let put = client.put_reader(&owner, object.as_ref(), ErasureParams::default(), lease, |c| chunks.push(c));
        let streamed = put.await.unwrap();
        let count = length.div_ceil(CHUNK_LEN) as u64;
        assert!(chunks.iter().map(|chunk| (chunk.number, chunk.of_index)).eq((0..count).map(|n| (n, false))));
        assert!(chunks.iter().all(|chunk| chunk.receipts.len() == 30));
        assert!(chunks.iter().map(|chunk| &chunk.reference).eq(&streamed.chunks));
        let stored = client.put_object(&owner, object.clone(), ErasureParams::default(), lease).await.unwrap();
        assert_eq!(stored.object, streamed);
        assert!(stored.receipts.into_iter().eq(chunks.into_iter().flat_map(|chunk| chunk.receipts)));

        seen.lock().unwrap().clear();
        let mut back = Vec::new();
        client.get_to(owner.public_key(), &streamed, &mut back).await.unwrap();
        assert_eq!(back, object);
        assert_eq!(client.get_object(owner.public_key(), &streamed).await.unwrap(), object);
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len() as u64, 2 * count);
        if let Some(last) = seen.last() {
            assert_eq!((last.bytes_done, last.bytes, last.chunks_done), (length as u64, Some(length as u64), count));
            assert!((1..=12).contains(&last.hosts));
        }
    }
}

#[tokio::test]
async fn a_reader_or_writer_that_fails_is_named() {
    struct Broken;
    impl tokio::io::AsyncRead for Broken {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Err(std::io::Error::other("the cable is out")))
        }
    }
    let (net, owner) = (Network::new(12), owner());
    let client = net.client(config());
    let put = client.put_reader(&owner, Broken, ErasureParams::default(), lease(), |_| {}).await;
    assert!(matches!(put, Err(ClientError::Io(_))));
    let stored = client.put_object(&owner, bytes(1, 100), ErasureParams::default(), lease()).await.unwrap();
    let mut full = std::io::Cursor::new(vec![0u8; 10].into_boxed_slice());
    let got = client.get_to(owner.public_key(), &stored.object, &mut full).await;
    assert!(matches!(got, Err(ClientError::Io(_))));
}

#[tokio::test(start_paused = true)]
async fn cancelling_at_any_point_leaves_a_client_that_works() {
    let (net, owner) = (Network::new(12), owner());
    net.set(0..12, Some(Fault::Slow(std::time::Duration::from_millis(30))));
    let client = net.client(config());
    let object = bytes(3, 2 * CHUNK_LEN);
    for ms in [0, 1, 29, 31, 45, 61, 100] {
        let put = client.put_object(&owner, object.clone(), ErasureParams::default(), lease());
        let _ = tokio::time::timeout(std::time::Duration::from_millis(ms), put).await;
    }
    let stored = client.put_object(&owner, object.clone(), ErasureParams::default(), lease()).await.unwrap();
    for ms in [0, 1, 29, 31, 45] {
        let get = client.get_object(owner.public_key(), &stored.object);
        let _ = tokio::time::timeout(std::time::Duration::from_millis(ms), get).await;
    }
    assert_eq!(client.get_object(owner.public_key(), &stored.object).await.unwrap(), object);
    assert!(client.scores().iter().all(|(_, score)| score.failed == 0 && score.wrong == 0));
}

#[tokio::test(start_paused = true)]
async fn a_slow_source_does_not_hold_up_what_is_under_way() {
    let (net, owner) = (Network::new(12), owner());
    let client = net.client(config());
    let object = bytes(4, 3 * CHUNK_LEN);
    let (mut end, reader) = tokio::io::duplex(1 << 16);
    let source = object.clone();
    tokio::spawn(async move {
        for part in source.chunks(CHUNK_LEN) {
            tokio::io::AsyncWriteExt::write_all(&mut end, part).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_secs(100)).await;
        }
    });
    let begin = tokio::time::Instant::now();
    let mut times = Vec::new();
    let note = |_| times.push(begin.elapsed().as_secs());
    client.put_reader(&owner, reader, ErasureParams::default(), lease(), note).await.unwrap();
    assert_eq!(times, [0, 100, 200]);
}

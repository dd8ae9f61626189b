//! The chunk protocol against bytes that no honest client sends.

use bytes::Bytes;
use cpchain_storage::{
    ChunkId,
    network::{ChunkTransport, MAX_ITEMS, MAX_PUT_BYTES, TransportError},
};

use crate::{
    net::{Net, bytes, lease},
    peer::Peer,
};

/// Answer, field 4 (refusal), field 1 (code), 1 (malformed): the frame on the wire.
const MALFORMED: &[u8] = &[4, 0, 0, 0, 0x22, 2, 0x08, 1];

fn frame(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_le_bytes(), body].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_requests_get_an_error_and_the_node_goes_on() {
    let net = Net::start(1).await;
    let node = &net.nodes[0];
    let mut peer = Peer::new(node.address().unwrap());
    let empty_put = [0x0a, 0];
    let short_id = [0x12, 3, 0x0a, 1, 7];
    let nothing_asked = [0x1a, 0];
    let cut_off = [0x12, 30, 0x0a];
    for body in [&[][..], b"\xff\xff\xff\xff", &empty_put, &short_id, &nothing_asked, &cut_off, &[0; 1000]] {
        assert_eq!(peer.send(frame(body)).await.as_deref(), Some(MALFORMED), "{body:?}");
    }
    // A length beyond the limit ends the stream.
    assert_eq!(peer.send(u32::MAX.to_le_bytes().to_vec()).await, None);
    // The same peer, and others, are still served.
    assert_eq!(peer.send(frame(b"\xff")).await.as_deref(), Some(MALFORMED));
    let light = net.light(1).await;
    let shard = bytes(1, 100);
    let receipts = light.put(node.id(), std::slice::from_ref(&shard), lease()).await.unwrap();
    assert_eq!(light.get(node.id(), receipts[0].shard()).await.unwrap(), Some(shard));
    assert_eq!(light.get(node.id(), ChunkId::of(b"other")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_for_a_request_never_leaves() {
    let net = Net::start(1).await;
    let (light, node) = (net.light(1).await, net.nodes[0].id());
    let many = vec![Bytes::from_static(b"s"); MAX_ITEMS + 1];
    assert_eq!(light.put(node, &many, lease()).await, Err(TransportError::TooMuch));
    assert_eq!(light.put(node, &[bytes(1, MAX_PUT_BYTES), bytes(2, 1)], lease()).await, Err(TransportError::TooMuch));
    assert_eq!(light.has(node, &[]).await, Err(TransportError::TooMuch));
    let largest = bytes(1, MAX_PUT_BYTES);
    let receipts = light.put(node, std::slice::from_ref(&largest), lease()).await.unwrap();
    assert_eq!(light.get(node, receipts[0].shard()).await.unwrap(), Some(largest));
    // A light node stores nothing for others, and nobody can reach one that is not there.
    let stranger = crate::net::key(9);
    let absent = cpchain_crypto::Signer::public_key(&stranger);
    assert_eq!(light.has(absent, &[ChunkId::of(b"x")]).await, Err(TransportError::Unreachable));
}

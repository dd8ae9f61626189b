//! Signed records through real nodes: what is published is found, what must not be stored is refused.

use bytes::Bytes;
use cpchain_crypto::{Digest, Signer, key_tree::IntervalId};
use cpchain_storage::network::{
    Correspondence, Dht, DhtError, MAX_RECORD_BYTES, MAX_RECORD_LIFE_MS, RecordError, RecordKind, SignedRecord,
};

use crate::{
    net::{Net, key, lease, now_ms},
    peer::Peer,
};

fn record(seed: u8, sequence: u64, expires_ms: u64, body: &[u8]) -> SignedRecord {
    SignedRecord::sign(&key(seed), RecordKind::ProxyDescriptor, b"proxy", sequence, expires_ms, body.to_vec()).unwrap()
}

fn in_an_hour() -> u64 {
    now_ms() + 3_600_000
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_record_is_found_by_everybody() {
    let net = Net::start(12).await;
    let (owner, reader) = (net.light(1).await, net.light(2).await);
    let first = record(1, 1, in_an_hour(), b"first");
    assert_eq!(owner.put_record(&first).await.unwrap(), 5);
    let second = record(1, 2, in_an_hour(), b"second");
    owner.put_record(&second).await.unwrap();
    for node in [&reader, &owner, &net.nodes[0], &net.nodes[7]] {
        assert_eq!(node.get_record(first.key()).await.unwrap().as_ref(), Some(&second));
    }
    // Again is fine, back is not; nor from a node that keeps records itself.
    owner.put_record(&second).await.unwrap();
    let stale = Err(DhtError::Record(RecordError::Stale { known: 2 }));
    assert_eq!(owner.put_record(&first).await, stale);
    for node in &net.nodes {
        assert_eq!(node.put_record(&first).await, stale);
    }
    assert_eq!(reader.get_record(record(3, 1, 1, b"").key()).await.unwrap(), None);
    // Three of the twelve leave.
    for node in &net.nodes[..3] {
        node.stop().await;
    }
    assert_eq!(reader.get_record(first.key()).await.unwrap(), Some(second));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_not_be_stored_is_refused_before_it_leaves() {
    let net = Net::start(2).await;
    let owner = net.light(1).await;
    let expired = record(1, 1, now_ms() - 1, b"late");
    assert!(matches!(owner.put_record(&expired).await, Err(DhtError::Record(RecordError::Expired(_)))));
    let eternal = record(1, 1, now_ms() + MAX_RECORD_LIFE_MS + 60_000, b"");
    assert!(matches!(owner.put_record(&eternal).await, Err(DhtError::Record(RecordError::LivesTooLong(_)))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_refuses_what_a_hostile_peer_sends() {
    let net = Net::start(1).await;
    let node = &net.nodes[0];
    let mut peer = Peer::new(node.address().unwrap());
    let good = record(1, 5, in_an_hour(), b"good");
    let at = good.key().dht_key();
    assert!(peer.put(&at, good.to_bytes().to_vec()).await, "an honest record is taken from anybody");

    let stranger = record(2, 9, in_an_hour(), b"mine now");
    let stale = record(1, 4, in_an_hour(), b"old");
    let expired = record(1, 6, now_ms() - 1, b"late");
    let mut forged = record(1, 6, in_an_hour(), b"forged").to_bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let mut oversized = good.to_bytes().to_vec();
    oversized.resize(MAX_RECORD_BYTES + 1, 0);
    for (what, value) in [
        ("a stranger's", stranger.to_bytes().to_vec()),
        ("a stale", stale.to_bytes().to_vec()),
        ("an expired", expired.to_bytes().to_vec()),
        ("a forged", forged),
        ("an oversized", oversized),
        ("an unsigned", b"anything".to_vec()),
    ] {
        assert!(!peer.put(&at, value).await, "{what} record was taken");
        assert_eq!(node.get_record(good.key()).await.unwrap().as_ref(), Some(&good), "after {what} record");
    }
    assert!(!peer.put(b"short key", good.to_bytes().to_vec()).await);
    assert!(!peer.put(good.key().digest().as_bytes(), good.to_bytes().to_vec()).await, "nor outside the namespace");
    let other = [b"/cpchain/".as_slice(), &[7; 32]].concat();
    assert!(!peer.put(&other, good.to_bytes().to_vec()).await, "a record lies under its own key only");
    let newer = record(1, 6, in_an_hour(), b"newer");
    assert!(peer.put(&at, newer.to_bytes().to_vec()).await);
    assert_eq!(node.get_record(good.key()).await.unwrap(), Some(newer));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn correspondence_records_are_published_and_found() {
    let net = Net::start(4).await;
    let (seller, buyer) = (net.client(1).await, net.client(2).await);
    let owner = key(1);
    let stream = Digest([7; 32]);
    let published = Correspondence {
        stream,
        interval: IntervalId(3),
        first_block: 21,
        block_count: 7,
        capsule: Bytes::from_static(b"capsule"),
        key_commitment: Digest([8; 32]),
        manifest: Digest([9; 32]),
    };
    seller.publish_correspondence(&owner, &published, lease()).await.unwrap();
    let found = buyer.correspondence(owner.public_key(), &stream, IntervalId(3)).await.unwrap();
    assert_eq!(found, Some(published));
    assert_eq!(buyer.correspondence(owner.public_key(), &stream, IntervalId(4)).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_neighbours_says_so() {
    let net = Net::start(1).await;
    let alone = net.light(1).await;
    net.nodes[0].stop().await;
    assert!(alone.put_record(&record(1, 1, in_an_hour(), b"")).await.is_err());
    assert_eq!(alone.join(&[]).await, Err(DhtError::NoNodes));
    alone.stop().await;
    assert_eq!(alone.join(&[]).await, Err(DhtError::Stopped));
}

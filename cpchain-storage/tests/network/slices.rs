//! Ranges, challenged leaves and renewals of shards that real nodes hold.

use std::sync::Arc;

use cpchain_storage::{
    ChunkId, Lease,
    network::{Challenge, ChunkTransport, MAX_ITEMS, RefusalCode, TransportError},
    slice::{leaf_count, verify_leaf},
};

use crate::{
    hostile::{Bad, Vice},
    net::{Net, bytes, lease},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_leaves_and_renewals_come_from_a_node() {
    let net = Net::start(1).await;
    let (light, node) = (net.light(1).await, net.nodes[0].id());
    let shards = [bytes(1, 1 << 20), bytes(2, 104_896), bytes(3, 64)];
    for shard in &shards {
        let length = shard.len() as u64;
        let id = light.put(node, std::slice::from_ref(shard), lease()).await.unwrap()[0].shard();
        for range in [0..length, 0..1, length - 1..length, length / 3..length / 2] {
            let got = light.get_range(node, id, length, range.clone()).await.unwrap().unwrap();
            assert_eq!(got, shard[range.start as usize..range.end as usize]);
        }
        let beyond = length..length + 1;
        let told = light.get_range(node, id, length, beyond).await;
        assert!(matches!(told, Ok(None) | Err(TransportError::TooMuch)), "{told:?}");
        assert_eq!(light.get_range(node, id, length + 1, 0..10).await, Err(TransportError::BadAnswer));

        let last = leaf_count(length) as u32 - 1;
        let challenges = [0, last / 2, last, last + 1].map(|leaf| Challenge { shard: id, leaf });
        let slices = light.prove(node, &challenges).await.unwrap();
        for (challenge, slice) in challenges.iter().zip(&slices).take(3) {
            let leaf = verify_leaf(&id, length, u64::from(challenge.leaf), slice.as_ref().unwrap()).unwrap();
            let start = challenge.leaf as usize * 1024;
            assert_eq!(leaf, &shard[start..shard.len().min(start + 1024)]);
        }
        assert_eq!(slices[3], None);
    }
    let held: Vec<ChunkId> = shards.iter().map(|shard| ChunkId::of(shard)).collect();
    let absent = ChunkId::of(b"absent");
    assert_eq!(light.get_range(node, absent, 10, 0..1).await, Ok(None));
    assert_eq!(light.prove(node, &[Challenge { shard: absent, leaf: 0 }]).await, Ok(vec![None]));

    let longer = Lease::until(lease().0 + 1_000_000);
    let receipts = light.renew(node, &[held[0], absent, held[2]], longer).await.unwrap();
    let receipt = receipts[2].as_ref().unwrap();
    assert_eq!((receipt.length(), receipt.lease_until_ms(), &receipts[1]), (64, longer.0, &None));
    assert_eq!(light.renew(node, &held, Lease::until(1)).await, Err(TransportError::Refused(RefusalCode::Lease)));
    let many = vec![absent; MAX_ITEMS + 1];
    assert_eq!(light.renew(node, &many, longer).await, Err(TransportError::TooMuch));
    assert_eq!(light.prove(node, &[]).await, Err(TransportError::TooMuch));
    let none = std::ops::Range { start: 5, end: 5 };
    assert_eq!(light.get_slice(node, absent, none).await, Err(TransportError::TooMuch));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slice_of_wrong_bytes_is_no_answer() {
    let net = Net::with(1, |_, store| Arc::new(Bad(Vice::Lies, store))).await;
    let (light, node) = (net.light(1).await, net.nodes[0].id());
    let shard = bytes(1, 10_000);
    let id = light.put(node, std::slice::from_ref(&shard), lease()).await.unwrap()[0].shard();
    assert_eq!(light.get_range(node, id, 10_000, 5000..6000).await, Err(TransportError::BadAnswer));
    let slice = light.get_slice(node, id, 0..1).await.unwrap().unwrap();
    assert!(verify_leaf(&id, 10_000, 0, &slice).is_err());
}

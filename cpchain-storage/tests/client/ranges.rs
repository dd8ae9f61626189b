//! Parts of objects: the right bytes, and few of the others.

use cpchain_crypto::Signer;
use cpchain_storage::{
    CHUNK_LEN, ErasureParams,
    client::{ClientError, StorageClient},
};

use crate::network::{Fault, Network, bytes, config, lease, owner};

async fn stored(net: &Network, length: usize) -> (StorageClient<Network>, cpchain_storage::ObjectRef, bytes::Bytes) {
    let client = net.client(config());
    let object = bytes(1, length);
    let stored = client.put_object(&owner(), object.clone(), ErasureParams::default(), lease()).await.unwrap();
    (client, stored.object, object)
}

#[tokio::test(start_paused = true)]
async fn ranges_come_from_any_ten_shards() {
    let net = Network::new(30);
    let length = 3 * CHUNK_LEN + 100_001;
    let (client, object, bytes) = stored(&net, length).await;
    let edges =
        [0, 1, 104_857, 104_858, 104_859, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 2 * CHUNK_LEN, length - 1, length];
    for bad in [0, 20] {
        for fault in [Fault::Lies, Fault::Silent, Fault::Forgets] {
            net.set(0..bad, Some(fault));
            let client = net.client(config());
            for (start, end) in edges.iter().flat_map(|start| edges.iter().map(move |end| (*start, *end))) {
                let got = client.get_range(owner().public_key(), &object, start as u64..end as u64).await;
                if start <= end {
                    assert_eq!(got.unwrap(), bytes[start..end], "{start}..{end}");
                } else {
                    assert!(matches!(got, Err(ClientError::Range { .. })));
                }
            }
            net.set(0..bad, None);
        }
    }
    let beyond = client.get_range(owner().public_key(), &object, 0..length as u64 + 1).await;
    assert!(matches!(beyond, Err(ClientError::Range { length: l }) if l == length as u64));
}

#[tokio::test(start_paused = true)]
async fn a_small_range_costs_few_bytes() {
    let net = Network::new(30);
    let (client, object, bytes) = stored(&net, 4 * CHUNK_LEN).await;
    let before = net.served();
    let start = 2 * CHUNK_LEN + 300_000;
    let got = client.get_range(owner().public_key(), &object, start as u64..start as u64 + 5000).await.unwrap();
    assert_eq!(got, bytes[start..start + 5000]);
    let cost = net.served() - before;
    assert!(cost < 7500, "{cost} bytes were fetched for 5000");
}

#[tokio::test(start_paused = true)]
async fn pages_name_their_chunks_and_holders() {
    let net = Network::new(12);
    let (client, object, _) = stored(&net, 66 * CHUNK_LEN).await;
    let key = owner().public_key();
    let (first, second) = (client.page(key, &object, 0).await.unwrap(), client.page(key, &object, 1).await.unwrap());
    assert_eq!((first.chunks.as_slice(), second.chunks.as_slice()), (&object.chunks[..64], &object.chunks[64..]));
    assert_eq!(second.anchor(), object.chunks[64].root);
    assert_eq!(client.holders(key, &object).await.unwrap(), [first.holders.clone(), second.holders.clone()]);
    assert!(client.page(key, &object, 2).await.is_err());
    // Without the records, the placement rule finds the same nodes.
    net.record_keys().iter().for_each(|key| net.forget_record(key));
    assert_eq!(client.page(key, &object, 1).await.unwrap(), second);
}

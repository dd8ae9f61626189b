//! Repair between real nodes: by a stranger, without a key, and without a record of its own.

use cpchain_crypto::Signer;
use cpchain_storage::{
    ErasureParams,
    client::{ClientError, StorageClient},
    erasure::ErasureError,
    repair::RepairError,
};

use crate::net::{Net, bytes, client_config, key, lease};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_repairs_and_readers_find_it_though_the_record_is_old() {
    let net = Net::start(16).await;
    let owner = key(1);
    let seller = net.client(1).await;
    let small = ErasureParams::new(4, 12).unwrap();
    let object = bytes(1, 1_200_000);
    let stored = seller.put_object(&owner, object.clone(), small, lease()).await.unwrap();
    let empty = seller.put_object(&owner, bytes(2, 0), small, lease()).await.unwrap();
    let holders = |net: &Net| {
        let first = stored.holders[0].chunks[0].iter().flatten().copied().collect::<Vec<_>>();
        net.nodes.iter().filter(|node| first.contains(&node.id())).cloned().collect::<Vec<_>>()
    };
    let old = holders(&net);
    assert_eq!(old.len(), 12);
    let alive = net.nodes.iter().position(|node| node.id() == old[11].id()).unwrap();
    let light = |seed| net.light_through(seed, std::slice::from_ref(&alive));
    // Five of twelve leave; then, after the repair, five more of the first twelve: only two of those in the record are left.
    for (round, nodes) in [&old[..5], &old[5..10]].into_iter().enumerate() {
        for node in nodes {
            node.stop().await;
        }
        let repairer = StorageClient::over(light(10 + round as u8).await, client_config());
        let repaired = repairer.repair_object(owner.public_key(), &stored.object, lease(), &[round as u8; 32]).await;
        let repaired = &repaired.unwrap()[0];
        assert!(repaired.least_before.unwrap() < 10 && repaired.least_after == Some(12), "{repaired:?}");
        assert!(repaired.receipts.iter().all(|receipt| nodes.iter().all(|node| node.id() != receipt.holder())));
        let none = repairer.repair_object(owner.public_key(), &empty.object, lease(), &[1; 32]).await.unwrap();
        assert!(none.is_empty());
    }
    let reader = StorageClient::over(light(20).await, client_config());
    assert_eq!(reader.get_object(owner.public_key(), &stored.object).await.unwrap(), object);
    // The owner's renewal writes down who holds it now.
    let renewed = seller.renew_object(&owner, &stored.object, lease()).await.unwrap();
    assert_eq!(renewed.receipts.len(), 24);
    let published = reader.holders(owner.public_key(), &stored.object).await.unwrap();
    assert_eq!(published, renewed.holders);
    // A reference that its owner did not make from an object is not spread any further.
    let mut wrong = stored.object.clone();
    wrong.chunks[0].root = wrong.chunks[1].root;
    for node in net.nodes.iter().filter(|node| renewed.holders[0].chunks[0].contains(&Some(node.id()))).take(2) {
        node.stop().await;
    }
    let refused = reader.repairer(Some(12)).repair(&group_of(&reader, &owner, &wrong).await, lease(), &[9; 32]).await;
    assert!(matches!(refused, Err(RepairError::Chunk { chunk: 0, why: ErasureError::WrongChunk })), "{refused:?}");
}

async fn group_of(
    client: &StorageClient<cpchain_storage::network::NodeHandle>,
    owner: &dyn Signer,
    object: &cpchain_storage::ObjectRef,
) -> cpchain_storage::repair::Group {
    let groups: Result<_, ClientError> = client.groups(owner.public_key(), object).await;
    groups.unwrap().remove(0)
}

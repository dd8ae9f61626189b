//! Joining through nodes that are not up yet.

use std::time::Duration;

use cpchain_crypto::{Signer, SigningKey};
use cpchain_storage::network::{DhtError, Multiaddr, NetworkConfig, NodeAddr, StorageNode};

use crate::{hostile, net::config};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_joins_once_its_contact_is_up() {
    // Nobody listens at this port, and nobody else will be given it soon.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
    let contact = NodeAddr { id: SigningKey::from_seed(&[100; 32]).public_key(), address: address.clone() };
    let hasty = NetworkConfig { lookup_timeout: Duration::from_millis(500), ..config() };
    let hasty = StorageNode::light(hasty, &[1; 32]).await.unwrap();
    assert_eq!(hasty.join(std::slice::from_ref(&contact)).await, Err(DhtError::NoNodes));

    let patient = NetworkConfig { lookup_timeout: Duration::from_secs(300), ..config() };
    let patient = StorageNode::light(patient, &[2; 32]).await.unwrap();
    let joining = tokio::spawn(async move { patient.join(&[contact]).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!joining.is_finished(), "it gave up, or joined nobody");
    let folder = tempfile::tempdir().unwrap();
    let _node = StorageNode::start(config(), &[100; 32], hostile::store(folder.path()), address).await.unwrap();
    assert_eq!(joining.await.unwrap(), Ok(1));
    // Without anybody to ask there is nothing to wait for.
    let alone = StorageNode::light(config(), &[3; 32]).await.unwrap();
    assert_eq!(alone.join(&[]).await, Err(DhtError::NoNodes));
}

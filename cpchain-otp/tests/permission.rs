//! Who gets what: grants, revocations, key fragments, quotas, over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{World, client, data, key, node};
use cpchain_crypto::{
    Digest, Signer,
    key_tree::{IntervalId, TreeNode},
};
use cpchain_otp::{
    Client, ClientError, FetchError, NodeConfig, ProxyNode, Quota, RefusalCode, Signed,
    backend::MemoryBackend,
    host::{ReencryptError, Reencryptor},
    records::{Grant, GrantKind, ProxyId, Revocations},
    transfer::Fault,
};

/// Why a fetch of the object is refused; none if it is served.
async fn refused(client: &Client, root: Digest, grant: Option<Signed<Grant>>) -> Option<RefusalCode> {
    let fetch = client.fetch(root).range(0..10);
    let mut fetch = match grant {
        Some(grant) => fetch.grant(grant),
        None => fetch,
    };
    match fetch.bytes(10).await {
        Ok(bytes) => {
            assert_eq!(bytes, data(10));
            None
        }
        Err(FetchError::NoSource { faults, .. }) => match &faults[0].1 {
            Fault::Refused(refusal) => Some(refusal.code),
            fault => panic!("{fault}"),
        },
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_needs_a_grant_that_holds() {
    let world = World::new();
    let node = node(2, world.parts()).await;
    let root = node.objects().insert(data(1000)).await.unwrap();
    let (buyer, other) = (client(3, &node).await, client(4, &node).await);
    let grant = || world.grant(key(3).public_key(), GrantKind::Read);
    let good = world.sign(grant());
    assert_eq!(refused(&buyer, root, Some(good.clone())).await, Some(RefusalCode::NoGrant), "not labelled yet");
    world.label(root, false);
    assert_eq!(refused(&buyer, root, None).await, Some(RefusalCode::NoGrant));
    assert_eq!(refused(&buyer, root, Some(good.clone())).await, None);
    assert_eq!(refused(&other, root, Some(good.clone())).await, Some(RefusalCode::NoGrant), "wrong grantee");
    assert_eq!(refused(&client(1, &node).await, root, None).await, None, "the owner needs none");

    let elsewhere = Grant { proxies: [ProxyId::from(key(9).public_key())].into(), ..grant() };
    assert_eq!(refused(&buyer, root, Some(world.sign(elsewhere))).await, Some(RefusalCode::NoGrant));
    let part = Grant { intervals: 0..7, ..grant() };
    assert_eq!(refused(&buyer, root, Some(world.sign(part))).await, Some(RefusalCode::NoGrant));
    let foreign = Grant { owner: key(4).public_key(), ..grant() };
    assert_eq!(refused(&buyer, root, Some(Signed::sign(foreign, &key(4)).unwrap())).await, Some(RefusalCode::NoGrant));
    let late = Grant { expires_ms: Some(1), ..grant() };
    assert_eq!(refused(&buyer, root, Some(world.sign(late))).await, Some(RefusalCode::Expired));
    let high = world.sign(Grant { expires_height: Some(10), ..grant() });
    assert_eq!(refused(&buyer, root, Some(high.clone())).await, None);
    world.grants.set_height(10);
    assert_eq!(refused(&buyer, root, Some(high)).await, Some(RefusalCode::Expired));

    let list = Revocations { owner: world.owner.public_key(), sequence: 1, grants: [good.id()].into() };
    world.grants.revoke(Signed::sign(list, &world.owner).unwrap()).unwrap();
    assert_eq!(refused(&buyer, root, Some(good)).await, Some(RefusalCode::Revoked));
}

/// Joins capsule and fragment, so that a test sees which ones met. Empty capsules do not exist.
struct Joiner;

impl Reencryptor for Joiner {
    fn reencrypt(&self, capsule: &[u8], key_fragment: &[u8]) -> Result<Vec<u8>, ReencryptError> {
        if capsule.is_empty() { Err(ReencryptError("empty".into())) } else { Ok([capsule, key_fragment].concat()) }
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, ClientError>) -> RefusalCode {
    match result.unwrap_err() {
        ClientError::Refused(refusal) => refusal.code,
        error => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reencryption_needs_a_paid_grant_and_a_deposited_fragment() {
    let world = World::new();
    let node = node(2, world.parts().reencryptor(Arc::new(Joiner), Arc::new(MemoryBackend::new()))).await;
    let (owner, buyer, other) = (client(1, &node).await, client(3, &node).await, client(4, &node).await);
    let order = Digest([5; 32]);
    let grant = Grant { order: Some(order), ..world.grant(buyer.key(), GrantKind::Reencrypt) };
    let paid = world.sign(grant.clone());
    let (leaf, next) = (TreeNode::leaf(IntervalId(3)), TreeNode::leaf(IntervalId(4)));
    let (capsule, fragment) = (Bytes::from_static(b"capsule+"), Bytes::from_static(b"fragment"));

    assert_eq!(code(owner.deposit(&paid, leaf, fragment.clone()).await), RefusalCode::Unpaid);
    world.grants.pay(order);
    assert_eq!(code(buyer.reencrypt(&paid, leaf, capsule.clone()).await), RefusalCode::NotFound);
    assert_eq!(code(other.deposit(&paid, leaf, fragment.clone()).await), RefusalCode::NoGrant);
    let outside = TreeNode::leaf(IntervalId(8));
    assert_eq!(code(owner.deposit(&paid, outside, fragment.clone()).await), RefusalCode::NoGrant);
    assert_eq!(code(owner.deposit(&paid, leaf, Bytes::from(vec![0; 9000])).await), RefusalCode::TooLarge);
    let read_only = world.sign(Grant { kind: GrantKind::Read, ..grant.clone() });
    assert_eq!(code(owner.deposit(&read_only, leaf, fragment.clone()).await), RefusalCode::NoGrant);

    owner.deposit(&paid, leaf, fragment).await.unwrap();
    assert_eq!(buyer.reencrypt(&paid, leaf, capsule.clone()).await.unwrap(), "capsule+fragment");
    assert_eq!(code(buyer.reencrypt(&paid, next, capsule.clone()).await), RefusalCode::NotFound);
    assert_eq!(code(other.reencrypt(&paid, leaf, capsule.clone()).await), RefusalCode::NoGrant);
    assert_eq!(code(buyer.reencrypt(&paid, leaf, Bytes::new()).await), RefusalCode::Malformed);
    node.deposit(&paid, next, Bytes::from_static(b"from chain")).await.unwrap();
    assert_eq!(buyer.reencrypt(&paid, next, capsule.clone()).await.unwrap(), "capsule+from chain");
    let again = world.sign(Grant { nonce: 1, ..grant });
    assert_eq!(code(buyer.reencrypt(&again, leaf, capsule.clone()).await), RefusalCode::NotFound, "per grant");

    let list = Revocations { owner: world.owner.public_key(), sequence: 1, grants: [paid.id()].into() };
    world.grants.revoke(Signed::sign(list, &world.owner).unwrap()).unwrap();
    assert_eq!(code(buyer.reencrypt(&paid, leaf, capsule).await), RefusalCode::Revoked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_has_a_quota_and_others_have_theirs() {
    let world = World::new();
    let config = NodeConfig { quota: Some(Quota { bytes: 1500, window_ms: u64::MAX }), ..Default::default() };
    let node = ProxyNode::start(config, &[2; 32], world.parts()).await.unwrap();
    let root = node.objects().insert(data(1000)).await.unwrap();
    world.label(root, true);
    let first = client(3, &node).await;
    assert_eq!(first.fetch(root).bytes(1000).await.unwrap(), data(1000));
    let error = first.fetch(root).bytes(1000).await.unwrap_err();
    assert!(error.to_string().contains("Quota"), "{error}");
    assert_eq!(refused(&first, root, None).await, None);
    assert_eq!(client(4, &node).await.fetch(root).bytes(1000).await.unwrap(), data(1000));
}

//! Live streams over real sockets: announced, followed, cut, restarted, forked, revoked, paid for interval by interval.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::{ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use common::{STREAM, World, client, data, key, node};
use cpchain_crypto::{
    Digest, Signer,
    key_tree::{IntervalId, NodeSeed, StreamSecret, cover},
};
use cpchain_otp::{
    Arrival, Client, ClientError, Follow, FollowError, IntervalKeys, NodeConfig, NodeHandle, NodeParts, ProxyNode,
    RefusalCode, Signed, StreamsConfig, Withheld,
    backend::{Backend, MemoryBackend, OpendalBackend},
    records::{Grant, GrantKind, Label, Revocations, StreamHead},
    tail::Position,
};
use tokio::{sync::watch, time::timeout};

/// An owner who seals one object after the other.
struct Owner<'a> {
    world: &'a World,
    heads: Vec<Signed<StreamHead>>,
}

impl<'a> Owner<'a> {
    fn new(world: &'a World) -> Self {
        Self { world, heads: Vec::new() }
    }

    /// Object n of the stream holds interval n.
    fn seal(&mut self, bytes: &Bytes) -> Signed<StreamHead> {
        let (n, owner) = (self.heads.len() as u32, self.world.owner.public_key());
        let root = Digest::content(bytes);
        let label = Label { owner, root, stream: STREAM, intervals: n..n + 1, public: false };
        self.world.registry.label(Signed::sign(label, &self.world.owner).unwrap()).unwrap();
        let head = StreamHead::after(self.heads.last(), owner, STREAM, root, n..n + 1);
        let head = Signed::sign(head, &self.world.owner).unwrap();
        self.heads.push(head.clone());
        head
    }

    /// Seals and puts it on these nodes, and tells them.
    async fn publish(&mut self, nodes: &[&NodeHandle]) {
        let bytes = object(self.heads.len());
        self.seal(&bytes);
        for node in nodes {
            node.objects().insert(bytes.clone()).await.unwrap();
            self.announce(node).await;
        }
    }

    /// Tells a node all that it has not heard.
    async fn announce(&self, node: &NodeHandle) {
        let client = client(1, node).await;
        let known = match client.newest_head(&self.world.owner.public_key(), &STREAM).await {
            Ok(head) => head.sequence as usize + 1,
            Err(_) => 0,
        };
        for head in &self.heads[known..] {
            client.announce(head).await.unwrap();
        }
    }
}

fn object(n: usize) -> Bytes {
    data(20_000 + n * 1111)
}

fn live(world: &World, backend: Arc<dyn Backend>) -> NodeParts {
    let config = StreamsConfig { heartbeat: Duration::from_millis(200), ..StreamsConfig::default() };
    world.parts_over(backend.clone()).streams(backend, config)
}

async fn live_node(seed: u8, world: &World) -> NodeHandle {
    node(seed, live(world, Arc::new(MemoryBackend::new()))).await
}

fn follow(world: &World, client: &Client) -> Follow {
    let grant = Grant { intervals: 0..1000, ..world.grant(client.key(), GrantKind::Read) };
    client.follow(world.owner.public_key(), STREAM).grant(world.sign(grant))
}

async fn next(follow: &mut Follow) -> Arrival {
    timeout(Duration::from_secs(20), follow.next()).await.expect("it comes").unwrap()
}

fn code(error: ClientError) -> RefusalCode {
    match error {
        ClientError::Refused(refusal) => refusal.code,
        error => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_arrive_as_they_are_sealed_across_kills_and_restarts() {
    let world = World::new();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let backend = |i: usize| Arc::new(OpendalBackend::file_system(folders[i].path()).unwrap());
    let first = node(20, live(&world, backend(0))).await;
    let second = node(21, live(&world, backend(1))).await;
    let mut owner = Owner::new(&world);
    owner.publish(&[&first, &second]).await;
    let subscriber = client(3, &first).await;
    let other = subscriber.also(&second.address()).await.unwrap();
    let mut follow = follow(&world, &subscriber).or(&other);
    let mut got = 0;
    let mut check = |arrival: Arrival| {
        assert_eq!((arrival.head.sequence, &arrival.object), (got, &object(got as usize)), "in order, none twice");
        got += 1;
        arrival.position
    };
    check(next(&mut follow).await);
    // Waiting for what is not there yet, and giving up the wait, loses nothing.
    assert!(timeout(Duration::from_millis(50), follow.next()).await.is_err());
    owner.publish(&[&first, &second]).await;
    check(next(&mut follow).await);

    // The first proxy is killed; the stream goes on over the second.
    let address = first.address();
    first.stop().await;
    for _ in 0..3 {
        owner.publish(&[&second]).await;
        check(next(&mut follow).await);
    }
    // The first comes back with its disk, and hears what it missed; then the second is killed.
    let config = NodeConfig { listen: address.split("/p2p/").next().unwrap().to_owned(), ..NodeConfig::default() };
    let first = ProxyNode::start(config, &[20; 32], live(&world, backend(0))).await.unwrap();
    let own = client(1, &first).await;
    assert_eq!(own.newest_head(&world.owner.public_key(), &STREAM).await.unwrap().sequence, 1, "as it was before");
    owner.announce(&first).await;
    for n in 2..5 {
        first.objects().insert(object(n)).await.unwrap();
    }
    second.stop().await;
    let mut position = Position::default();
    for _ in 0..2 {
        owner.publish(&[&first]).await;
        position = check(next(&mut follow).await);
    }
    // A new process goes on at the position that was kept.
    drop(follow);
    let again = client(3, &first).await;
    let mut follow = self::follow(&world, &again).from(position);
    owner.publish(&[&first]).await;
    check(next(&mut follow).await);
    assert_eq!(got, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_proxy_takes_part_and_slow_proxies_do_not_repeat() {
    let world = World::new();
    let (fast, late) = (live_node(20, &world).await, live_node(21, &world).await);
    let mut owner = Owner::new(&world);
    for _ in 0..3 {
        owner.publish(&[&fast]).await;
    }
    let subscriber = client(3, &late).await;
    let mut follow = follow(&world, &subscriber).or(&subscriber.also(&fast.address()).await.unwrap());
    for n in 0..3 {
        assert_eq!(next(&mut follow).await.head.sequence, n);
    }
    // The late one is told all of it now: nothing of that arrives again.
    owner.announce(&late).await;
    assert!(timeout(Duration::from_millis(300), follow.next()).await.is_err());
    owner.publish(&[&late, &fast]).await;
    assert_eq!(next(&mut follow).await.head.sequence, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_was_exchanged_is_refused_by_proxies_and_found_by_followers() {
    let world = World::new();
    let (one, two) = (live_node(20, &world).await, live_node(21, &world).await);
    let mut owner = Owner::new(&world);
    owner.publish(&[&one, &two]).await;
    owner.publish(&[&one]).await;
    // The owner was restored from a backup and writes another second object, to the proxy that does not know the first one.
    let mut forked = Owner { world: &world, heads: owner.heads[..1].to_vec() };
    forked.seal(&data(77));
    let at_one = client(1, &one).await;
    assert_eq!(code(at_one.announce(&forked.heads[1]).await.unwrap_err()), RefusalCode::Conflict);
    client(1, &two).await.announce(&forked.heads[1]).await.unwrap();
    let subscriber = client(3, &one).await;
    let mut follow = follow(&world, &subscriber);
    let mut position = Position::default();
    for _ in 0..2 {
        position = next(&mut follow).await.position;
    }
    let mut both = self::follow(&world, &client(3, &two).await).from(position);
    for _ in 0..2 {
        let error = timeout(Duration::from_secs(10), both.next()).await.unwrap().unwrap_err();
        let FollowError::Fork(fork) = error else { panic!("{error}") };
        assert_eq!((fork.known, fork.other.id()), (owner.heads[1].id(), forked.heads[1].id()), "and it stays");
    }
    // A gap and a stranger's word are refused too; what is known may be said again.
    let (far, stranger) = (StreamHead { sequence: 9, ..owner.heads[1].clone().into_inner() }, client(9, &one).await);
    assert_eq!(
        code(at_one.announce(&Signed::sign(far, &world.owner).unwrap()).await.unwrap_err()),
        RefusalCode::Conflict
    );
    assert_eq!(code(stranger.announce(&owner.heads[1]).await.unwrap_err()), RefusalCode::NoGrant);
    at_one.announce(&owner.heads[0]).await.unwrap();
    assert!(stranger.newest_head(&world.owner.public_key(), &STREAM).await.is_err(), "not even that it is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_follow_hears_nothing_and_a_grant_can_be_taken_back_meanwhile() {
    let world = World::new();
    let node = live_node(20, &world).await;
    let mut owner = Owner::new(&world);
    owner.publish(&[&node]).await;
    let subscriber = client(3, &node).await;
    let refused = async |mut follow: Follow| match timeout(Duration::from_secs(10), follow.next()).await.unwrap() {
        Err(FollowError::Refused(why)) => why[0].1.code,
        other => panic!("{other:?}"),
    };
    let bare = || subscriber.follow(world.owner.public_key(), STREAM);
    assert_eq!(refused(bare()).await, RefusalCode::NoGrant);
    assert_eq!(refused(subscriber.follow(key(9).public_key(), STREAM)).await, RefusalCode::NotFound);
    let two = world.sign(Grant { intervals: 0..2, ..world.grant(subscriber.key(), GrantKind::Read) });
    let all = world.sign(Grant { nonce: 7, ..world.grant(subscriber.key(), GrantKind::Read) });
    let (mut short, mut long) = (bare().grant(two), bare().grant(all.clone()));
    owner.publish(&[&node]).await;
    for n in 0..2 {
        assert_eq!((next(&mut short).await.head.sequence, next(&mut long).await.head.sequence), (n, n));
    }
    owner.publish(&[&node]).await;
    assert_eq!(next(&mut long).await.head.sequence, 2);
    assert_eq!(refused(short).await, RefusalCode::NoGrant, "the grant ends before interval 2");
    let list = Revocations { owner: world.owner.public_key(), sequence: 1, grants: [all.id()].into() };
    world.grants.revoke(Signed::sign(list, &world.owner).unwrap()).unwrap();
    owner.publish(&[&node]).await;
    assert_eq!(refused(long).await, RefusalCode::Revoked);
}

/// Gives keys as far as was paid.
struct Paid(StreamSecret, watch::Receiver<u32>);

#[async_trait]
impl IntervalKeys for Paid {
    async fn keys(&self, _: &Digest, intervals: Range<u32>) -> Result<Vec<NodeSeed>, Withheld> {
        let mut paid = self.1.clone();
        paid.wait_for(|paid| *paid >= intervals.end).await.map_err(|_| Withheld("the order was closed".into()))?;
        Ok(cover(intervals).filter_map(|node| self.0.seed(node)).collect())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_as_they_are_paid_and_the_stream_waits_for_them() {
    let world = World::new();
    let node = live_node(20, &world).await;
    let mut owner = Owner::new(&world);
    for _ in 0..3 {
        owner.publish(&[&node]).await;
    }
    let secret = || StreamSecret::from_bytes([4; 32]);
    let (pay, paid) = watch::channel(1);
    let mut follow = follow(&world, &client(3, &node).await).keys(Arc::new(Paid(secret(), paid)));
    let arrival = next(&mut follow).await;
    assert_eq!(arrival.seeds[0].interval_key(IntervalId(0)), Some(secret().interval_key(IntervalId(0))));
    assert!(timeout(Duration::from_millis(200), follow.next()).await.is_err(), "interval 1 is not paid");
    pay.send(2).unwrap();
    let arrival = next(&mut follow).await;
    assert_eq!((arrival.head.sequence, arrival.seeds.len()), (1, 1));
    // The buyer stops paying: the position stays, for whoever pays again.
    drop(pay);
    let stopped = timeout(Duration::from_secs(10), follow.next()).await.unwrap();
    assert!(matches!(stopped, Err(FollowError::Withheld(_))), "{stopped:?}");
    assert_eq!(follow.position(), arrival.position);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_keeps_and_serves_is_bounded() {
    let world = World::new();
    let backend = Arc::new(MemoryBackend::new());
    let config =
        StreamsConfig { max_streams: 1, max_heads: 3, max_followers: 8, heartbeat: Duration::from_millis(100) };
    let node = node(20, world.parts().streams(backend.clone(), config)).await;
    let mut owner = Owner::new(&world);
    for _ in 0..5 {
        owner.publish(&[&node]).await;
    }
    let own = client(1, &node).await;
    let other = StreamHead::after(None, own.key(), Digest::ZERO, Digest::ZERO, 0..1);
    assert_eq!(code(own.announce(&Signed::sign(other, &world.owner).unwrap()).await.unwrap_err()), RefusalCode::Quota);
    let subscriber = client(3, &node).await;
    let mut early = follow(&world, &subscriber);
    assert!(matches!(early.next().await, Err(FollowError::Refused(why)) if why[0].1.code == RefusalCode::NotFound));
    drop(early);
    let position = Position { next: 3, last: Some(owner.heads[2].id()) };
    let mut first = follow(&world, &subscriber).from(position);
    assert_eq!(next(&mut first).await.head.sequence, 3);
    // A quarter of the followers for one key, and places are given back.
    let mut second = follow(&world, &subscriber).from(position);
    assert_eq!(next(&mut second).await.head.sequence, 3);
    let mut third = follow(&world, &subscriber).from(position);
    assert!(matches!(third.next().await, Err(FollowError::Refused(why)) if why[0].1.code == RefusalCode::Quota));
    let mut elsewhere = follow(&world, &client(4, &node).await).from(position);
    assert_eq!(next(&mut elsewhere).await.head.sequence, 3);
    drop((first, second));
    assert_eq!(next(&mut third).await.head.sequence, 3);
    let without = common::node(22, world.parts()).await;
    let mut follow = follow(&world, &subscriber.also(&without.address()).await.unwrap());
    assert!(matches!(follow.next().await, Err(FollowError::Refused(why)) if why[0].1.code == RefusalCode::Unsupported));
}

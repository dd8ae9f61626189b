//! Three of ten nodes of the DHT lie about records: older versions, twins with the same number, other owners' records,
//! rubbish. Readers get the newest record all the same.

use cpchain_storage::network::{Dht, NodeAddr, RecordKind, SignedRecord};
use futures::StreamExt;
use libp2p::{
    StreamProtocol, Swarm, SwarmBuilder, identify,
    kad::{
        self,
        store::{MemoryStore, RecordStore},
    },
    noise,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};

use crate::net::{Net, key, now_ms};

/// What a liar keeps in place of a record.
#[derive(Debug, Clone, Copy)]
enum Lie {
    /// The first version that it saw.
    Older,
    /// Another record with the same number, signed by an owner who signs twice.
    Twin,
    /// The record of another owner.
    Foreign,
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    kad: kad::Behaviour<MemoryStore>,
    identify: identify::Behaviour,
}

fn record(owner: u8, sequence: u64, body: &[u8], expires_ms: u64) -> SignedRecord {
    SignedRecord::sign(&key(owner), RecordKind::ProxyDescriptor, b"contested", sequence, expires_ms, body.to_vec())
        .unwrap()
}

fn swarm(through: &NodeAddr) -> Swarm<Behaviour> {
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|pair| {
            let me = pair.public().to_peer_id();
            let mut config = kad::Config::new(StreamProtocol::new("/cpchain/kad/1"));
            config.set_max_packet_size(1 << 20).set_record_filtering(kad::StoreInserts::FilterBoth);
            let mut kad = kad::Behaviour::with_config(me, MemoryStore::new(me), config);
            kad.set_mode(Some(kad::Mode::Server));
            let identify = identify::Config::new("/cpchain/id/1".to_owned(), pair.public());
            Behaviour { kad, identify: identify::Behaviour::new(identify) }
        })
        .unwrap()
        .build();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    let id = through.to_string().rsplit('/').next().unwrap().parse().unwrap();
    swarm.behaviour_mut().kad.add_address(&id, through.address.clone());
    swarm.behaviour_mut().kad.bootstrap().unwrap();
    swarm
}

/// Runs a liar until it is aborted.
async fn lie(mut swarm: Swarm<Behaviour>, lie: Lie, twin: SignedRecord, foreign: SignedRecord) {
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::InboundRequest {
                request: kad::InboundRequest::PutRecord { record: Some(mut record), .. },
            })) => {
                let store = swarm.behaviour_mut().kad.store_mut();
                match lie {
                    Lie::Older if store.get(&record.key).is_some() => continue,
                    Lie::Older => {}
                    Lie::Twin => record.value = twin.to_bytes().to_vec(),
                    Lie::Foreign => record.value = foreign.to_bytes().to_vec(),
                }
                store.put(record).unwrap();
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. })) => {
                for address in info.listen_addrs {
                    swarm.behaviour_mut().kad.add_address(&peer_id, address);
                }
            }
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_record_is_found_among_liars() {
    let net = Net::start(7).await;
    let expires = now_ms() + 3_600_000;
    let (first, second) = (record(1, 1, b"first", expires), record(1, 2, b"second", expires));
    // Of two with one number all honest readers take the same; let that be the honest one, whatever the hashes are.
    let twin = (0u8..).map(|n| record(1, 2, &[n], expires)).find(|twin| second.supersedes(twin)).unwrap();
    let foreign = record(2, 9, b"mine now", expires);
    let mut liars = Vec::new();
    for vice in [Lie::Older, Lie::Twin, Lie::Foreign] {
        let swarm = swarm(net.nodes[0].address().unwrap());
        liars.push(tokio::spawn(lie(swarm, vice, twin.clone(), foreign.clone())));
    }
    // Until the liars are part of the network.
    for _ in 0..100 {
        let light = net.light(3).await;
        let known = light.nodes(&first.key().digest()).await.unwrap().len();
        light.stop().await;
        if known >= 10 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let owner = net.light(1).await;
    assert!(owner.nodes(&first.key().digest()).await.unwrap().len() >= 10, "the liars did not get in");
    owner.put_record(&first).await.unwrap();
    owner.put_record(&second).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    for seed in 10..20 {
        let reader = net.light(seed).await;
        assert_eq!(reader.get_record(first.key()).await.unwrap().as_ref(), Some(&second), "reader {seed}");
        reader.stop().await;
    }
    // Nor does the lie spread: honest nodes take neither from anybody.
    for node in &net.nodes {
        assert_eq!(node.get_record(first.key()).await.unwrap().as_ref(), Some(&second));
    }
    liars.iter().for_each(tokio::task::JoinHandle::abort);
}

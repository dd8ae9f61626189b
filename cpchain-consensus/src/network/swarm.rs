//! The task that owns the libp2p swarm: dials peers, carries gossip.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, PoisonError, RwLock, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey, SigningKey};
use futures::StreamExt as _;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder, gossipsub, identity, noise,
    swarm::{
        NetworkBehaviour, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
    tcp, yamux,
};
use tokio::sync::mpsc;

use super::{
    Receipt, Received, Topic, Verdict,
    libp2p::{NetworkError, public_key},
    peer::Outgoing,
};
use crate::ids::ChainId;

/// Most bytes of a gossip message: a certificate of the largest committee, or a transaction.
const MAX_GOSSIP: usize = 128 << 10;
/// Peers that are away are dialled this often, and gossip that found nobody is tried again.
const REDIAL: Duration = Duration::from_millis(500);
const HEARTBEAT: Duration = Duration::from_millis(700);
/// Gossip that waits for the first neighbour.
const BACKLOG: usize = 256;
const IDLE: Duration = Duration::from_secs(3600);

#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) streams: libp2p_stream::Behaviour,
    gossip: gossipsub::Behaviour,
}

pub(super) enum Command {
    AddPeer { key: PublicKey, peer: PeerId, address: Option<Multiaddr> },
    Gossip { topic: Topic, message: Bytes },
    Judge { receipt: Receipt, verdict: Verdict },
}

type Peers = Arc<RwLock<HashMap<PublicKey, Outgoing>>>;

fn topic(chain: ChainId, topic: Topic) -> gossipsub::IdentTopic {
    let name = match topic {
        Topic::Validate => "validate",
        Topic::Transactions => "transactions",
    };
    gossipsub::IdentTopic::new(format!("/cpchain/{}/{name}/1", chain.0))
}

pub(super) fn build(key: &SigningKey, chain: ChainId) -> Result<Swarm<Behaviour>, NetworkError> {
    let setup = |e: &dyn ToString| NetworkError::Setup(e.to_string());
    let identity = identity::Keypair::ed25519_from_bytes(*key.to_seed()).map_err(|e| setup(&e))?;
    let config = gossipsub::ConfigBuilder::default()
        .heartbeat_interval(HEARTBEAT)
        .max_transmit_size(MAX_GOSSIP)
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .validate_messages()
        .flood_publish(false)
        // Messages prove themselves, so the same bytes are the same message whoever spreads them.
        .message_id_fn(|message| Digest::content(&message.data).0.to_vec().into())
        .build()
        .map_err(|e| setup(&e))?;
    let mut gossip =
        gossipsub::Behaviour::new(gossipsub::MessageAuthenticity::Anonymous, config).map_err(|e| setup(&e))?;
    for about in [Topic::Validate, Topic::Transactions] {
        gossip.subscribe(&topic(chain, about)).map_err(|e| setup(&e))?;
    }
    let behaviour = Behaviour { streams: libp2p_stream::Behaviour::new(), gossip };
    Ok(SwarmBuilder::with_existing_identity(identity)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|e| setup(&e))?
        .with_behaviour(|_| behaviour)
        .map_err(|e| setup(&e))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE))
        .build())
}

pub(super) async fn run(
    swarm: Swarm<Behaviour>,
    chain: ChainId,
    mut orders: mpsc::Receiver<Command>,
    outbox: mpsc::Sender<Received>,
    peers: Peers,
) {
    let mut task = Task { swarm, chain, outbox, peers, addresses: HashMap::new(), backlog: VecDeque::new() };
    let mut redial = tokio::time::interval(REDIAL);
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(command) => task.obey(command),
                None => return,
            },
            event = task.swarm.select_next_some() => task.notice(event),
            _ = redial.tick() => {
                task.dial_absent();
                for (topic, message) in std::mem::take(&mut task.backlog) {
                    task.publish(topic, message);
                }
            }
        }
    }
}

struct Task {
    swarm: Swarm<Behaviour>,
    chain: ChainId,
    outbox: mpsc::Sender<Received>,
    peers: Peers,
    addresses: HashMap<PeerId, Multiaddr>,
    backlog: VecDeque<(Topic, Bytes)>,
}

impl Task {
    fn obey(&mut self, command: Command) {
        match command {
            Command::AddPeer { key, peer, address } => {
                if let Some(address) = address {
                    tracing::debug!(%key, %address, "new peer");
                    self.addresses.insert(peer, address);
                }
                self.mark(&peer, self.swarm.is_connected(&peer));
                self.dial_absent();
            }
            Command::Gossip { topic, message } => self.publish(topic, message),
            Command::Judge { receipt, verdict } => {
                let Ok(source) = PeerId::from_bytes(&receipt.source) else { return };
                let acceptance = match verdict {
                    Verdict::Accept => gossipsub::MessageAcceptance::Accept,
                    Verdict::Ignore => gossipsub::MessageAcceptance::Ignore,
                    Verdict::Reject => gossipsub::MessageAcceptance::Reject,
                };
                let gossip = &mut self.swarm.behaviour_mut().gossip;
                gossip.report_message_validation_result(&receipt.id.into(), &source, acceptance);
            }
        }
    }

    fn publish(&mut self, about: Topic, message: Bytes) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        match gossip.publish(topic(self.chain, about), message.to_vec()) {
            Ok(_) | Err(gossipsub::PublishError::Duplicate) => {}
            Err(gossipsub::PublishError::NoPeersSubscribedToTopic) => {
                if self.backlog.len() >= BACKLOG {
                    self.backlog.pop_front();
                }
                self.backlog.push_back((about, message));
            }
            Err(error) => tracing::debug!(%error, "gossip was not spread"),
        }
    }

    fn dial_absent(&mut self) {
        for (peer, address) in &self.addresses {
            let dial = DialOpts::peer_id(*peer)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(vec![address.clone()])
                .build();
            // Refused when connected or dialling already.
            let _ = self.swarm.dial(dial);
        }
    }

    fn mark(&self, peer: &PeerId, connected: bool) {
        let peers = self.peers.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(out) = public_key(peer).and_then(|key| peers.get(&key)) {
            out.connected.store(connected, Ordering::Relaxed);
        }
    }

    fn notice(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, .. } => self.mark(&peer_id, true),
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => self.mark(&peer_id, false),
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            })) => {
                let Some(from) = public_key(&propagation_source) else { return };
                let validate = message.topic == topic(self.chain, Topic::Validate).hash();
                let received = Received::Gossip {
                    from,
                    topic: if validate { Topic::Validate } else { Topic::Transactions },
                    bytes: message.data.into(),
                    receipt: Receipt::new(message_id.0, propagation_source.to_bytes()),
                };
                if self.outbox.try_send(received).is_err() {
                    tracing::debug!("gossip was dropped: the node is behind");
                }
            }
            _ => {}
        }
    }
}

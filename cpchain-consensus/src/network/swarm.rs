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
    Multiaddr, PeerId, Swarm, SwarmBuilder, connection_limits, gossipsub, identity, noise, ping,
    swarm::{
        NetworkBehaviour, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
    tcp, yamux,
};
use tokio::{sync::mpsc, time::MissedTickBehavior};

use super::{
    Offence, Receipt, Received, Topic, Verdict,
    allowance::Channel,
    backoff::Backoff,
    gate::Gate,
    guard::Guard,
    inbox,
    libp2p::{NetworkError, public_key},
    peer::Outgoing,
};
use crate::ids::ChainId;

/// Most bytes of a gossip message: a certificate of the largest committee, or a transaction.
const MAX_GOSSIP: usize = 128 << 10;
/// How often it is looked who is to be dialled, and gossip that found nobody is tried again.
const REDIAL: Duration = Duration::from_millis(250);
/// How often the load is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Gossip is the same message for so long; what is spread again later travels again.
const SAME_GOSSIP: Duration = Duration::from_secs(4);
/// A link whose other end does not answer for so long is closed.
const SILENT: Duration = Duration::from_secs(10);
/// Connections from outside that are being set up, and connections with one peer.
const MAX_PENDING: u32 = 1024;
const MAX_PER_PEER: u32 = 8;
/// A connection that is not set up in so long is given up, so that silent ones hold no places.
const SET_UP: Duration = Duration::from_secs(3);
const HEARTBEAT: Duration = Duration::from_millis(700);
/// Gossip that waits for the first neighbour.
const BACKLOG: usize = 256;
const IDLE: Duration = Duration::from_secs(3600);

/// Only our own topics are kept: peers cannot make this node remember others.
type Gossip = gossipsub::Behaviour<gossipsub::IdentityTransform, gossipsub::WhitelistSubscriptionFilter>;

#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    gate: Gate,
    limits: connection_limits::Behaviour,
    pub(super) streams: libp2p_stream::Behaviour,
    gossip: Gossip,
    ping: ping::Behaviour,
}

pub(super) enum Command {
    AddPeer { key: PublicKey, peer: PeerId, address: Option<Multiaddr> },
    Gossip { topic: Topic, message: Bytes },
    Judge { receipt: Receipt, verdict: Verdict },
}

type Peers = Arc<RwLock<HashMap<PublicKey, Outgoing>>>;

/// The gossip topics of one chain in one version.
pub(super) struct Topics {
    validate: gossipsub::IdentTopic,
    transactions: gossipsub::IdentTopic,
}

impl Topics {
    pub(super) fn new(chain: ChainId, version: u32) -> Self {
        let topic = |name: &str| gossipsub::IdentTopic::new(format!("/cpchain/{}/{name}/{version}", chain.0));
        Self { validate: topic("validate"), transactions: topic("transactions") }
    }

    fn get(&self, topic: Topic) -> &gossipsub::IdentTopic {
        match topic {
            Topic::Validate => &self.validate,
            Topic::Transactions => &self.transactions,
        }
    }
}

pub(super) fn build(
    key: &SigningKey,
    chain: ChainId,
    version: u32,
    guard: Arc<Guard>,
) -> Result<Swarm<Behaviour>, NetworkError> {
    let setup = |e: &dyn ToString| NetworkError::Setup(e.to_string());
    let identity = identity::Keypair::ed25519_from_bytes(*key.to_seed()).map_err(|e| setup(&e))?;
    let config = gossipsub::ConfigBuilder::default()
        .heartbeat_interval(HEARTBEAT)
        .max_transmit_size(MAX_GOSSIP)
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .validate_messages()
        .duplicate_cache_time(SAME_GOSSIP)
        .flood_publish(false)
        // Messages prove themselves, so the same bytes are the same message whoever spreads them.
        .message_id_fn(|message| Digest::content(&message.data).0.to_vec().into())
        .build()
        .map_err(|e| setup(&e))?;
    let topics = Topics::new(chain, version);
    let about = [&topics.validate, &topics.transactions];
    let filter = gossipsub::WhitelistSubscriptionFilter(about.iter().map(|topic| topic.hash()).collect());
    let mut gossip = Gossip::new_with_subscription_filter(gossipsub::MessageAuthenticity::Anonymous, config, filter)
        .map_err(|e| setup(&e))?;
    for topic in about {
        gossip.subscribe(topic).map_err(|e| setup(&e))?;
    }
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(MAX_PENDING))
        .with_max_established_per_peer(Some(MAX_PER_PEER));
    let behaviour = Behaviour {
        gate: Gate::new(guard),
        limits: connection_limits::Behaviour::new(limits),
        streams: libp2p_stream::Behaviour::new(),
        gossip,
        ping: ping::Behaviour::new(ping::Config::new().with_interval(SILENT / 2).with_timeout(SILENT)),
    };
    Ok(SwarmBuilder::with_existing_identity(identity)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|e| setup(&e))?
        .with_behaviour(|_| behaviour)
        .map_err(|e| setup(&e))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE))
        .with_connection_timeout(SET_UP)
        .build())
}

pub(super) async fn run(
    swarm: Swarm<Behaviour>,
    topics: Topics,
    mut orders: mpsc::Receiver<Command>,
    peers: Peers,
    guard: Arc<Guard>,
) {
    let mut task =
        Task { swarm, topics, guard: guard.clone(), peers, addresses: HashMap::new(), backlog: VecDeque::new() };
    let mut redial = tokio::time::interval(REDIAL);
    let mut look = tokio::time::interval(LOOK);
    for ticks in [&mut redial, &mut look] {
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(command) => task.obey(command),
                None => return,
            },
            event = task.swarm.select_next_some() => task.notice(event),
            () = guard.changed.notified() => task.enforce(),
            _ = look.tick() => guard.look(LOOK),
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
    topics: Topics,
    guard: Arc<Guard>,
    peers: Peers,
    addresses: HashMap<PeerId, (Multiaddr, Backoff)>,
    backlog: VecDeque<(Topic, Bytes)>,
}

impl Task {
    fn obey(&mut self, command: Command) {
        match command {
            Command::AddPeer { key, peer, address } => {
                if let Some(address) = address {
                    tracing::debug!(%key, %address, "new peer");
                    self.addresses.insert(peer, (address, Backoff::default()));
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
        match gossip.publish(self.topics.get(about).hash(), message.to_vec()) {
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
        let now = self.guard.now();
        for (peer, (address, backoff)) in &self.addresses {
            if !backoff.is_due(now) || public_key(peer).is_none_or(|key| !self.guard.admits(&key)) {
                continue;
            }
            let dial = DialOpts::peer_id(*peer)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(vec![address.clone()])
                .build();
            // Refused when connected or dialling already.
            let _ = self.swarm.dial(dial);
        }
    }

    /// Closes the links of those who are not heard any more.
    fn enforce(&mut self) {
        let peers: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            if public_key(&peer).is_none_or(|key| !self.guard.admits(&key)) {
                tracing::debug!(%peer, "a link is closed: the peer is not heard now");
                let _ = self.swarm.disconnect_peer_id(peer);
            }
        }
    }

    fn failed(&mut self, peer: &PeerId) {
        let now = self.guard.now();
        if let Some((_, backoff)) = self.addresses.get_mut(peer) {
            backoff.failed(peer.to_bytes().last().copied().unwrap_or(0), now);
        }
    }

    fn linked(&mut self, peer: &PeerId) {
        self.mark(peer, true);
        if let Some((_, backoff)) = self.addresses.get_mut(peer) {
            backoff.linked();
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
            SwarmEvent::ConnectionEstablished { peer_id, .. } => self.linked(&peer_id),
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                self.mark(&peer_id, false);
                self.failed(&peer_id);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), .. } if !self.swarm.is_connected(&peer) => {
                self.failed(&peer);
            }
            // A peer without the protocol is not silent.
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { peer, connection, result: Err(error) }))
                if !matches!(error, ping::Failure::Unsupported) =>
            {
                tracing::debug!(%peer, %error, "a silent link is closed");
                self.swarm.close_connection(connection);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            })) => self.heard(propagation_source, message_id, message),
            _ => {}
        }
    }

    fn heard(&mut self, source: PeerId, id: gossipsub::MessageId, message: gossipsub::Message) {
        let Some(from) = public_key(&source) else { return };
        let size = message.data.len();
        self.guard.received(size);
        if !self.guard.wait(&from, Channel::Gossip, size).is_zero() {
            self.guard.report(from, Offence::Excess);
            self.guard.dropped();
            return;
        }
        let validate = message.topic == self.topics.validate.hash();
        let received = Received::Gossip {
            from,
            topic: if validate { Topic::Validate } else { Topic::Transactions },
            bytes: message.data.into(),
            receipt: Receipt::new(id.0, source.to_bytes()),
        };
        // A transaction is its author's, whoever passes it on.
        let lane = match (self.guard.is_member(&from), validate) {
            (true, true) => inbox::Lane::Members,
            (true, false) => inbox::Lane::Relayed,
            (false, _) => inbox::Lane::Others,
        };
        if !self.guard.inbox.offer(lane, received) {
            self.guard.dropped();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Limits, inbox::Inbox};

    #[tokio::test]
    async fn other_topics_are_not_remembered() {
        let swarm = |seed, chain| {
            let (put, _inbox) = Inbox::new();
            let guard = Arc::new(Guard::new(Limits::default(), [], put));
            build(&SigningKey::from_seed(&[seed; 32]), ChainId::new(chain, b""), 1, guard).unwrap()
        };
        let mut node = swarm(1, "ours");
        node.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = node.select_next_some().await {
                break address;
            }
        };
        let (mut same, mut other) = (swarm(2, "ours"), swarm(3, "theirs"));
        for peer in [&mut same, &mut other] {
            peer.dial(address.clone()).unwrap();
        }
        let run = async {
            loop {
                tokio::select! {
                    _ = node.select_next_some() => {}
                    _ = same.select_next_some() => {}
                    _ = other.select_next_some() => {}
                }
            }
        };
        // Subscriptions are the first that peers say.
        let _ = tokio::time::timeout(Duration::from_secs(3), run).await;
        let known: HashMap<_, _> =
            node.behaviour().gossip.all_peers().map(|(peer, topics)| (*peer, topics.len())).collect();
        assert_eq!(known.get(same.local_peer_id()), Some(&2));
        assert_eq!(known.get(other.local_peer_id()), Some(&0));
    }
}

//! The task of a node: takes commands from its handles and events from the swarm.

use std::{convert::Infallible, ops::Bound, time::Duration};

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey};
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, identify, kad,
    request_response::{Event as ChunkEvent, Message},
    swarm::SwarmEvent,
};
use tokio::sync::{mpsc, oneshot};

use super::{
    behaviour::{Behaviour, BehaviourEvent, KAD, Role},
    config::NetworkConfig,
    guard::{Fault, Guard, is_rubbish},
    keeper, meter,
    node::NodeStats,
    peer::Network,
    placement::NodeInfo,
    queries::{Queries, Reply},
    record::{RecordKey, SignedRecord},
    records::{OWN, Point, ValidatedStore},
    requests::{Outgoing, Requests},
    sweep::{Page, Settled},
};

/// The most addresses that are believed of one peer.
const MAX_ADDRESSES: usize = 8;

/// What a handle asks of its node.
pub(crate) enum Command {
    Join(Vec<(PeerId, Multiaddr)>, Reply<usize>),
    Put(SignedRecord, Reply<usize>),
    Get(RecordKey, Reply<Option<SignedRecord>>),
    Nodes(Digest, Reply<Vec<NodeInfo>>),
    Request(Outgoing),
    /// The next records in the order of the key space.
    Page(Bound<Point>, Reply<Page>),
    /// The nodes closest to a key.
    Closest(Digest, Reply<Vec<PublicKey>>),
    /// The encodings of those of these records that are here.
    Read(Vec<Point>, Reply<Vec<(Point, Bytes)>>),
    /// A region of a sweep is done.
    Settle(Settled, Reply<()>),
    /// A peer offers records; which are wanted?
    Offered(Vec<(Point, u64)>, Reply<Vec<bool>>),
    /// A peer gives records; which are kept?
    Given(PeerId, Option<Network>, Vec<Bytes>, Reply<Vec<bool>>),
    /// A node proved to be wrong.
    Blame(PeerId, Fault),
    Stats(Reply<NodeStats>),
    Stop(oneshot::Sender<()>),
}

/// A node's swarm and everything that is under way in it.
pub(crate) struct Driver {
    swarm: Swarm<Behaviour>,
    commands: mpsc::Receiver<Command>,
    role: Role,
    queries: Queries,
    requests: Requests,
    guard: Guard,
    /// Closed when the last stream of others has ended.
    streams: mpsc::Receiver<Infallible>,
}

/// How long a node that was told to stop waits for the streams of others.
const GRACE: Duration = Duration::from_secs(6);
/// How often records are cleaned up and made durable.
const TIDY: Duration = Duration::from_secs(1);

impl Driver {
    pub(crate) fn new(
        config: &NetworkConfig,
        role: Role,
        swarm: Swarm<Behaviour>,
        commands: mpsc::Receiver<Command>,
        guard: Guard,
        streams: mpsc::Receiver<Infallible>,
    ) -> Self {
        let queries = Queries::new(config.clone(), role, guard.clone());
        Self { swarm, commands, role, queries, requests: Requests::default(), guard, streams }
    }

    /// Runs until told to stop, or until the last handle is gone.
    pub(crate) async fn run(mut self) {
        let mut tidy = tokio::time::interval(TIDY);
        tidy.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let done = loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    None => break None,
                    Some(Command::Stop(done)) => break Some(done),
                    Some(command) => self.command(command),
                },
                event = self.swarm.select_next_some() => self.event(event),
                _ = tidy.tick() => self.tidy(),
            }
        };
        let Self { mut swarm, mut streams, .. } = self;
        keeper::sync(swarm.behaviour_mut().kad.store_mut()).await;
        drop(swarm);
        // Whoever waits may open the node's stores again.
        let _ = tokio::time::timeout(GRACE, streams.recv()).await;
        if let Some(done) = done {
            let _ = done.send(());
        }
    }

    fn records(&mut self) -> &mut ValidatedStore {
        self.swarm.behaviour_mut().kad.store_mut()
    }

    fn tidy(&mut self) {
        if self.role == Role::Storage {
            let (records, bytes, _) = self.records().size();
            meter::gauge("cpchain_storage_records", records);
            meter::gauge("cpchain_storage_record_bytes", bytes);
        }
        meter::gauge("cpchain_storage_peers", self.swarm.network_info().num_peers() as u64);
        if let Some(sync) = self.records().tidy() {
            tokio::spawn(keeper::run_sync(sync));
        }
    }

    fn command(&mut self, command: Command) {
        let swarm = &mut self.swarm;
        match command {
            Command::Join(peers, reply) => self.queries.join(swarm, peers, reply),
            Command::Put(record, reply) => self.queries.put(swarm, record, reply),
            Command::Get(key, reply) => self.queries.get(swarm, key, reply),
            Command::Nodes(near, reply) => self.queries.nodes(swarm, near, reply),
            Command::Request(request) => self.requests.send(swarm, request),
            Command::Page(from, reply) => drop(reply.send(Ok(keeper::page(self.records(), from)))),
            Command::Closest(key, reply) => self.queries.closest(swarm, key, reply),
            Command::Read(points, reply) => drop(reply.send(Ok(keeper::read(self.records(), &points)))),
            Command::Settle(settled, reply) => {
                keeper::settle(self.records(), &settled);
                let _ = reply.send(Ok(()));
            }
            Command::Offered(offer, reply) => drop(reply.send(Ok(keeper::wanted(self.records(), &offer)))),
            Command::Given(peer, network, records, reply) => {
                let origin = network.as_ref().map_or(OWN, Network::origin);
                let results = keeper::take(self.records(), records, origin);
                for _ in results.iter().filter(|result| result.as_ref().is_err_and(is_rubbish)) {
                    self.guard.fault(peer, network.as_ref(), Fault::InvalidRecord);
                }
                let _ = reply.send(Ok(results.iter().map(Result::is_ok).collect()));
            }
            Command::Blame(peer, fault) => self.guard.fault(peer, None, fault),
            Command::Stats(reply) => {
                let (records, record_bytes, record_disk_bytes) = self.records().size();
                let (bans, connections) = (self.guard.bans(), self.swarm.network_info().num_peers());
                let stats = NodeStats { records, record_bytes, record_disk_bytes, bans, peers: connections };
                let _ = reply.send(Ok(stats));
            }
            Command::Stop(_) => {}
        }
    }

    fn event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed {
                id,
                result,
                step,
                ..
            })) => {
                if let Some(request) = self.queries.progressed(&mut self.swarm, id, result, step.last) {
                    self.requests.send(&mut self.swarm, request);
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Chunk(event)) => self.chunk(event),
            // Light clients speak the protocol but do not offer it: they are nobody's neighbour.
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }))
                if info.protocols.contains(&KAD) =>
            {
                for address in info.listen_addrs.into_iter().take(MAX_ADDRESSES) {
                    self.swarm.behaviour_mut().kad.add_address(&peer_id, address);
                }
            }
            _ => {}
        }
    }

    fn chunk(&mut self, event: ChunkEvent<Bytes, Bytes>) {
        match event {
            ChunkEvent::Message { message: Message::Response { request_id, response }, .. } => {
                self.requests.answered(request_id, response);
            }
            ChunkEvent::OutboundFailure { request_id, error, .. } => {
                if let Some(request) = self.requests.failed(&mut self.swarm, request_id, &error) {
                    self.queries.find(&mut self.swarm, request);
                }
            }
            // Requests of others come in through the door.
            ChunkEvent::Message { .. } | ChunkEvent::InboundFailure { .. } | ChunkEvent::ResponseSent { .. } => {}
        }
    }
}

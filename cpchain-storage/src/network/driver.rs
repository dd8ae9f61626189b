//! The task of a node: takes commands from its handles and events from the swarm.

use std::sync::Arc;

use bytes::Bytes;
use cpchain_crypto::Digest;
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, identify, kad,
    request_response::{Event as ChunkEvent, Message, ResponseChannel},
    swarm::SwarmEvent,
};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{
    behaviour::{Behaviour, BehaviourEvent, KAD, Role},
    config::NetworkConfig,
    placement::NodeInfo,
    queries::{Queries, Reply},
    record::{RecordKey, SignedRecord},
    requests::{Outgoing, Requests},
    serve::Holder,
    wire::{ChunkResponse, RefusalCode},
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
    Stop(oneshot::Sender<()>),
}

/// A node's swarm and everything that is under way in it.
pub(crate) struct Driver {
    swarm: Swarm<Behaviour>,
    commands: mpsc::Receiver<Command>,
    queries: Queries,
    requests: Requests,
    holder: Option<Arc<Holder>>,
    working: Arc<Semaphore>,
    answers: (mpsc::Sender<Answered>, mpsc::Receiver<Answered>),
}

type Answered = (ResponseChannel<Bytes>, Bytes);

impl Driver {
    pub(crate) fn new(
        config: &NetworkConfig,
        swarm: Swarm<Behaviour>,
        commands: mpsc::Receiver<Command>,
        holder: Option<Holder>,
    ) -> Self {
        let role = if holder.is_some() { Role::Storage } else { Role::Light };
        let at_once = config.max_requests.clamp(1, 4096);
        Self {
            swarm,
            commands,
            queries: Queries::new(config.clone(), role),
            requests: Requests::default(),
            holder: holder.map(Arc::new),
            working: Arc::new(Semaphore::new(at_once)),
            answers: mpsc::channel(at_once),
        }
    }

    /// Runs until told to stop, or until the last handle is gone.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    None => return,
                    Some(Command::Stop(done)) => {
                        drop(self);
                        let _ = done.send(());
                        return;
                    }
                    Some(command) => self.command(command),
                },
                Some((channel, frame)) = self.answers.1.recv() => {
                    // Fails when the asker is gone: nothing is left to do for it.
                    let _ = self.swarm.behaviour_mut().chunk.send_response(channel, frame);
                }
                event = self.swarm.select_next_some() => self.event(event),
            }
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
            ChunkEvent::Message { message: Message::Request { request, channel, .. }, .. } => {
                self.serve(request, channel);
            }
            ChunkEvent::OutboundFailure { request_id, error, .. } => {
                if let Some(request) = self.requests.failed(&mut self.swarm, request_id, &error) {
                    self.queries.find(&mut self.swarm, request);
                }
            }
            ChunkEvent::InboundFailure { .. } | ChunkEvent::ResponseSent { .. } => {}
        }
    }

    fn serve(&mut self, frame: Bytes, channel: ResponseChannel<Bytes>) {
        let (Some(holder), Ok(permit)) = (&self.holder, Arc::clone(&self.working).try_acquire_owned()) else {
            let busy = ChunkResponse::refusal(RefusalCode::Busy);
            let _ = self.swarm.behaviour_mut().chunk.send_response(channel, busy);
            return;
        };
        let (holder, answers) = (Arc::clone(holder), self.answers.0.clone());
        tokio::spawn(async move {
            let answer = tokio::task::spawn_blocking(move || holder.answer(frame)).await;
            let answer = answer.unwrap_or_else(|error| {
                tracing::error!(%error, "the chunk store ended its task");
                ChunkResponse::refusal(RefusalCode::Store)
            });
            let _ = answers.send((channel, answer)).await;
            drop(permit);
        });
    }
}

//! A peer of its own making: libp2p without any of this crate's checks, to send what an honest client never would.

use std::{io, time::Duration};

use bytes::Bytes;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::{
    PeerId, StreamProtocol, Swarm, SwarmBuilder,
    kad::{self, store::MemoryStore},
    noise,
    request_response::{self as rr, Codec, Message, ProtocolSupport},
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};

use cpchain_storage::network::NodeAddr;

/// Writes its requests to the stream as they are.
#[derive(Clone, Default)]
pub struct Raw;

/// Begins a request that then goes on byte by byte, ten a second, as long as the other side has it.
pub const STALL: &[u8] = b"stall:";

impl Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Bytes;
    type Response = Bytes;

    async fn read_request<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Bytes> {
        self.read_response(&StreamProtocol::new("/any"), io).await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Bytes> {
        let mut bytes = Vec::new();
        io.take(1 << 22).read_to_end(&mut bytes).await?;
        Ok(bytes.into())
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Bytes,
    ) -> io::Result<()> {
        if let Some(begin) = bytes.strip_prefix(STALL) {
            io.write_all(begin).await?;
            io.flush().await?;
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                io.write_all(b".").await?;
                io.flush().await?;
            }
        }
        io.write_all(&bytes).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Bytes,
    ) -> io::Result<()> {
        io.write_all(&bytes).await
    }
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    kad: kad::Behaviour<MemoryStore>,
    chunk: rr::Behaviour<Raw>,
}

/// The peer, and the node that it bothers.
pub struct Peer {
    swarm: Swarm<Behaviour>,
    target: PeerId,
}

impl Peer {
    pub fn new(target: &NodeAddr) -> Self {
        let id: PeerId = target.to_string().rsplit('/').next().unwrap().parse().unwrap();
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|pair| {
                let me = pair.public().to_peer_id();
                let mut config = kad::Config::new(StreamProtocol::new("/cpchain/kad/1"));
                config.set_max_packet_size(1 << 20).set_substreams_timeout(Duration::from_millis(700));
                let protocol = (StreamProtocol::new("/cpchain/chunk/1"), ProtocolSupport::Outbound);
                Behaviour {
                    kad: kad::Behaviour::with_config(me, MemoryStore::new(me), config),
                    chunk: rr::Behaviour::new(
                        [protocol],
                        rr::Config::default().with_request_timeout(Duration::from_secs(6)),
                    ),
                }
            })
            .unwrap()
            .with_swarm_config(|settings| settings.with_idle_connection_timeout(Duration::from_secs(30)))
            .build();
        swarm.behaviour_mut().kad.add_address(&id, target.address.clone());
        Self { swarm, target: id }
    }

    /// Puts a record at the target through the DHT protocol; did the target say that it took it?
    pub async fn put(&mut self, key: &[u8], value: Vec<u8>) -> bool {
        let record = kad::Record::new(kad::RecordKey::new(&key), value);
        let target = [self.target];
        self.swarm.behaviour_mut().kad.put_record_to(record, target.into_iter(), kad::Quorum::One);
        loop {
            if let SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed {
                result: kad::QueryResult::PutRecord(result),
                ..
            })) = self.swarm.select_next_some().await
            {
                return result.is_ok();
            }
        }
    }

    /// Writes bytes to a stream of the chunk protocol; what came back, if anything did.
    pub async fn send(&mut self, bytes: impl Into<Bytes>) -> Option<Bytes> {
        let target = self.target;
        self.swarm.behaviour_mut().chunk.send_request(&target, bytes.into());
        loop {
            match self.swarm.select_next_some().await {
                SwarmEvent::Behaviour(BehaviourEvent::Chunk(rr::Event::Message {
                    message: Message::Response { response, .. },
                    ..
                })) => return Some(response).filter(|bytes| !bytes.is_empty()),
                SwarmEvent::Behaviour(BehaviourEvent::Chunk(rr::Event::OutboundFailure { .. })) => return None,
                _ => {}
            }
        }
    }
}

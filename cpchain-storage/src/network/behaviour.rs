//! The libp2p behaviours of a node, with every bound set.

use std::{num::NonZeroUsize, time::Duration};

use libp2p::{
    StreamProtocol, Swarm, SwarmBuilder,
    connection_limits::{self, ConnectionLimits},
    identify,
    identity::Keypair,
    kad, noise, ping,
    request_response::{self, ProtocolSupport},
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
    tcp, yamux,
};

use super::{
    NetworkError,
    config::NetworkConfig,
    frames::Frames,
    guard::{Door, Gate, Guard, Watched},
    record::MAX_RECORD_BYTES,
    records::ValidatedStore,
    wire,
};

/// The protocol of the DHT.
pub(crate) const KAD: StreamProtocol = StreamProtocol::new("/cpchain/kad/1");
const CHUNK: StreamProtocol = StreamProtocol::new(wire::PROTOCOL);
/// Connections that nobody uses are closed sooner; this one finds dead peers on those that are used.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const IDENTIFY: &str = "/cpchain/id/1";
/// Substreams of the chunk protocol on one connection.
const MAX_STREAMS: usize = 128;

/// What a node speaks.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) gate: Gate,
    pub(crate) limits: connection_limits::Behaviour,
    pub(crate) identify: identify::Behaviour,
    /// Other libraries ask a peer to answer a ping before they route through it.
    pub(crate) ping: ping::Behaviour,
    pub(crate) kad: Watched,
    pub(crate) chunk: request_response::Behaviour<Frames>,
    /// Where requests come in; a light node has none.
    pub(crate) door: Toggle<Door>,
}

/// Does a node store for others, or only ask?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Storage,
    Light,
}

impl Behaviour {
    fn new(config: &NetworkConfig, pair: &Keypair, records: ValidatedStore, guard: &Guard, door: Option<Door>) -> Self {
        let id = pair.public().to_peer_id();
        let mut settings = kad::Config::new(KAD);
        settings
            .set_replication_factor(NonZeroUsize::new(config.replication.clamp(1, 20)).unwrap_or(NonZeroUsize::MIN))
            .set_query_timeout(config.lookup_timeout)
            .set_substreams_timeout(config.lookup_step_timeout)
            // Both are checked by the store, which knows the signed expiry and refuses where a sender can see it.
            .set_record_filtering(kad::StoreInserts::Unfiltered)
            .set_record_ttl(None)
            // The node does it itself: see `sweep`.
            .set_replication_interval(None)
            .set_publication_interval(None)
            .set_provider_publication_interval(None)
            .set_caching(kad::Caching::Disabled)
            // A reply carries the record and the addresses of closer peers, and must fit one packet.
            .set_max_packet_size(MAX_RECORD_BYTES + 24 * 1024)
            .disjoint_query_paths(true);
        let mode = if door.is_some() { kad::Mode::Server } else { kad::Mode::Client };
        let mut kad = kad::Behaviour::with_config(id, records, settings);
        kad.set_mode(Some(mode));
        let limits = ConnectionLimits::default()
            .with_max_established_incoming(Some(config.max_connections))
            .with_max_pending_incoming(Some(64))
            .with_max_established_per_peer(Some(4));
        let requests = request_response::Config::default()
            .with_request_timeout(config.request_timeout)
            .with_max_concurrent_streams(MAX_STREAMS);
        Self {
            gate: Gate::new(guard.clone(), config.max_connections),
            limits: connection_limits::Behaviour::new(limits),
            identify: identify::Behaviour::new(identify::Config::new(IDENTIFY.to_owned(), pair.public())),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL)),
            kad: Watched::new(kad, guard.clone()),
            chunk: request_response::Behaviour::new([(CHUNK, ProtocolSupport::Outbound)], requests),
            door: door.into(),
        }
    }
}

/// A swarm over TCP, noise and yamux, for the node of `pair`.
pub(crate) fn swarm(
    config: &NetworkConfig,
    pair: Keypair,
    records: ValidatedStore,
    guard: &Guard,
    door: Option<Door>,
) -> Result<Swarm<Behaviour>, NetworkError> {
    let builder = SwarmBuilder::with_existing_identity(pair)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|error| NetworkError::Transport(error.to_string()))?
        .with_behaviour(|pair| Behaviour::new(config, pair, records, guard, door))
        .map_err(|error| NetworkError::Transport(error.to_string()))?;
    let idle = config.idle_timeout;
    Ok(builder.with_swarm_config(|settings| settings.with_idle_connection_timeout(idle)).build())
}

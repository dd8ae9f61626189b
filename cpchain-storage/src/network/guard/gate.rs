//! Connections: banned peers and networks have none, and one network has not all of them.

use std::{
    collections::HashMap,
    convert::Infallible,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        CloseConnection, ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm, behaviour::ConnectionEstablished, dummy,
    },
};

use super::ledger::Guard;
use crate::network::peer::Network;

/// Why a connection was not made.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum Denied {
    #[error("the peer is banned for a time")]
    Peer,
    #[error("the peer's network is banned for a time")]
    Network,
    #[error("the peer's network has its share of the connections")]
    Share,
}

/// Refuses connections, and closes those of peers that are banned.
pub(crate) struct Gate {
    guard: Guard,
    /// Incoming connections that one network may have.
    share: u32,
    connections: HashMap<ConnectionId, Network>,
    by_network: HashMap<Network, u32>,
}

impl Gate {
    pub(crate) fn new(guard: Guard, max_connections: u32) -> Self {
        let share = (max_connections / 4).max(1);
        Self { guard, share, connections: HashMap::new(), by_network: HashMap::new() }
    }

    fn check_network(&self, address: &Multiaddr) -> Result<(), ConnectionDenied> {
        let Some(network) = Network::of(address) else { return Ok(()) };
        if self.guard.ledger().is_network_banned(&network, self.guard.now_ms()) {
            return Err(ConnectionDenied::new(Denied::Network));
        }
        let taken = self.by_network.get(&network).copied().unwrap_or(0);
        if taken < self.share { Ok(()) } else { Err(ConnectionDenied::new(Denied::Share)) }
    }

    fn check_peer(&self, peer: &PeerId) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        if self.guard.is_banned(peer) { Err(ConnectionDenied::new(Denied::Peer)) } else { Ok(dummy::ConnectionHandler) }
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.check_network(remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check_network(remote)?;
        self.check_peer(&peer)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check_peer(&peer)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { connection_id, endpoint, .. }) => {
                if endpoint.is_listener()
                    && let Some(network) = Network::of(endpoint.get_remote_address())
                {
                    *self.by_network.entry(network.clone()).or_default() += 1;
                    self.connections.insert(connection_id, network);
                }
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                if let Some(network) = self.connections.remove(&connection_id)
                    && let Some(count) = self.by_network.get_mut(&network)
                {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        self.by_network.remove(&network);
                    }
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.guard.ledger().next_cut(cx.waker()) {
            Some(peer_id) => Poll::Ready(ToSwarm::CloseConnection { peer_id, connection: CloseConnection::All }),
            None => Poll::Pending,
        }
    }
}

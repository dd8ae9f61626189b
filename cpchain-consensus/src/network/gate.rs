//! Where connections are refused: bans, the white list, too many strangers, and too many half-open ones of one address.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm, dummy,
    },
};

use super::{guard::Guard, libp2p::public_key};

/// Why a link was not made.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the peer is not heard now")]
    NotHeard,
    #[error("too many connections of this address are being set up")]
    Crowded,
}

/// Whose connection it is before it has proved a key: an IPv4 address, or the IPv6 network that one subscriber holds.
fn origin(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(Ipv6Addr::from(u128::from(ip) & (u128::MAX << 64)).into()),
        _ => None,
    })
}

pub(super) struct Gate {
    guard: Arc<Guard>,
    connections: HashMap<PeerId, usize>,
    /// Connections from outside that are being set up.
    pending: HashMap<ConnectionId, IpAddr>,
    strangers: HashSet<PeerId>,
}

impl Gate {
    pub(super) fn new(guard: Arc<Guard>) -> Self {
        Self { guard, connections: HashMap::new(), pending: HashMap::new(), strangers: HashSet::new() }
    }

    fn check(&self, peer: &PeerId) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        let refuse = || {
            self.guard.refused();
            ConnectionDenied::new(Refusal::NotHeard)
        };
        let key = public_key(peer).ok_or_else(refuse)?;
        let place = self.guard.knows(&key) || {
            self.guard.stranger_connected();
            self.strangers.len() < self.guard.strangers()
        };
        if place && self.guard.admits(&key) { Ok(dummy::ConnectionHandler) } else { Err(refuse()) }
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let Some(from) = origin(remote) else { return Ok(()) };
        if self.pending.values().filter(|other| **other == from).count() >= self.guard.pending_per_address() {
            self.guard.refused();
            return Err(ConnectionDenied::new(Refusal::Crowded));
        }
        self.pending.insert(id, from);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending.remove(&id);
        self.check(&peer)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                let peer = established.peer_id;
                *self.connections.entry(peer).or_default() += 1;
                if public_key(&peer).is_none_or(|key| !self.guard.knows(&key)) {
                    self.strangers.insert(peer);
                }
            }
            FromSwarm::ConnectionClosed(closed) if closed.remaining_established == 0 => {
                self.connections.remove(&closed.peer_id);
                self.strangers.remove(&closed.peer_id);
            }
            FromSwarm::ListenFailure(failure) => {
                self.pending.remove(&failure.connection_id);
                return;
            }
            _ => return,
        }
        self.guard.connected(self.connections.len());
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

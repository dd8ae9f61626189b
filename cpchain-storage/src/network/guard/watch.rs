//! The DHT, told who is speaking: whose network a record comes from, and who sent one that is no record.

use std::{
    collections::HashMap,
    ops::{Deref, DerefMut},
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    kad,
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, behaviour::ConnectionEstablished,
    },
};

use super::ledger::{Fault, Guard};
use crate::network::{
    peer::Network,
    record::RecordError,
    records::{OWN, ValidatedStore},
};

/// A message that comes later than this had to wait is far beyond the rate.
const TOO_FAST_MS: u64 = 1000;

type Kad = kad::Behaviour<ValidatedStore>;

/// libp2p-kad, which does not tell its store who is sending.
pub(crate) struct Watched {
    kad: Kad,
    guard: Guard,
    networks: HashMap<ConnectionId, Network>,
}

impl Watched {
    pub(crate) fn new(kad: Kad, guard: Guard) -> Self {
        Self { kad, guard, networks: HashMap::new() }
    }
}

impl Deref for Watched {
    type Target = Kad;

    fn deref(&self) -> &Kad {
        &self.kad
    }
}

impl DerefMut for Watched {
    fn deref_mut(&mut self) -> &mut Kad {
        &mut self.kad
    }
}

/// Would no honest node send this? A stale or expired record, or one more than fits, is nobody's fault.
pub(crate) fn is_rubbish(why: &RecordError) -> bool {
    !matches!(
        why,
        RecordError::Stale { .. }
            | RecordError::Expired(_)
            | RecordError::LivesTooLong(_)
            | RecordError::NoRoom(_)
            | RecordError::UnknownKind(_)
    )
}

impl NetworkBehaviour for Watched {
    type ConnectionHandler = <Kad as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = kad::Event;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.kad.handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.kad.handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad.handle_established_outbound_connection(connection, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { connection_id, endpoint, .. }) => {
                if let Some(network) = Network::of(endpoint.get_remote_address()) {
                    self.networks.insert(*connection_id, network);
                }
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.networks.remove(connection_id);
            }
            _ => {}
        }
        self.kad.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        if self.guard.is_banned(&peer) {
            // Its connections are being closed.
            return;
        }
        let network = self.networks.get(&connection);
        if self.guard.request(peer, 1, 0).as_millis() > u128::from(TOO_FAST_MS) {
            self.guard.fault(peer, network, Fault::TooFast);
        }
        self.kad.store_mut().origin = network.map_or(OWN, Network::origin);
        self.kad.on_connection_handler_event(peer, connection, event);
        let store = self.kad.store_mut();
        store.origin = OWN;
        for _ in store.refused.drain(..).filter(is_rubbish) {
            self.guard.fault(peer, network, Fault::InvalidRecord);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.kad.poll(cx)
    }
}

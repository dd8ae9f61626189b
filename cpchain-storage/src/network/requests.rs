//! Chunk requests on their way to other nodes.

use std::collections::HashMap;

use bytes::Bytes;
use libp2p::{
    PeerId, Swarm,
    request_response::{OutboundFailure, OutboundRequestId},
};
use tokio::sync::oneshot;

use super::{behaviour::Behaviour, transport::TransportError};

/// A request frame for a node, and where its answer goes.
pub(crate) struct Outgoing {
    pub(crate) peer: PeerId,
    pub(crate) frame: Bytes,
    /// Was its address looked up already?
    pub(crate) looked_up: bool,
    pub(crate) reply: oneshot::Sender<Result<Bytes, TransportError>>,
}

/// All requests that wait for an answer.
#[derive(Default)]
pub(crate) struct Requests {
    open: HashMap<OutboundRequestId, Outgoing>,
}

impl Requests {
    /// Sends a request, unless its caller is gone.
    pub(crate) fn send(&mut self, swarm: &mut Swarm<Behaviour>, request: Outgoing) {
        if !request.reply.is_closed() {
            let id = swarm.behaviour_mut().chunk.send_request(&request.peer, request.frame.clone());
            self.open.insert(id, request);
        }
    }

    pub(crate) fn answered(&mut self, id: OutboundRequestId, frame: Bytes) {
        if let Some(request) = self.open.remove(&id) {
            let _ = request.reply.send(Ok(frame));
        }
    }

    /// Tells the caller, or returns the request when a lookup of the node's address may help.
    pub(crate) fn failed(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        id: OutboundRequestId,
        failure: &OutboundFailure,
    ) -> Option<Outgoing> {
        let request = self.open.remove(&id)?;
        if matches!(failure, OutboundFailure::DialFailure) && !request.looked_up && !known(swarm, &request.peer) {
            return Some(Outgoing { looked_up: true, ..request });
        }
        tracing::debug!(peer = %request.peer, %failure, "a chunk request failed");
        let _ = request.reply.send(Err(match failure {
            OutboundFailure::Timeout => TransportError::Timeout,
            OutboundFailure::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => TransportError::BadAnswer,
            _ => TransportError::Unreachable,
        }));
        None
    }
}

/// Has the routing table an address of this peer?
fn known(swarm: &mut Swarm<Behaviour>, peer: &PeerId) -> bool {
    let bucket = swarm.behaviour_mut().kad.kbucket(*peer);
    bucket.is_some_and(|bucket| bucket.iter().any(|entry| entry.node.key.preimage() == peer))
}

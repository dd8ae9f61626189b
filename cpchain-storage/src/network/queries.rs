//! DHT queries on their way, and what is done with their results.
//!
//! | rule | test |
//! | --- | --- |
//! | A read takes the newest of enough valid copies; what does not verify is passed over | `tests/network/records.rs` |
//! | A write counts only nodes that took the record | `tests/network/records.rs` |

use std::{collections::HashMap, num::NonZeroUsize};

use cpchain_crypto::{Digest, PublicKey};
use libp2p::{
    Multiaddr, PeerId, Swarm,
    kad::{
        self, GetClosestPeersError, GetClosestPeersOk, GetRecordOk, PeerInfo, PutRecordError, QueryId, QueryResult,
        Quorum, Record,
    },
};
use tokio::sync::oneshot;

use super::{
    behaviour::{Behaviour, Role},
    clock::now_ms,
    config::NetworkConfig,
    dht::DhtError,
    guard::{Fault, Guard, is_rubbish},
    peer::{operator, public_key},
    placement::NodeInfo,
    record::{RecordError, RecordKey, SignedRecord, dht_key},
    records::OWN,
    requests::Outgoing,
};

/// Where the result of a query goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, DhtError>>;

enum Query {
    /// Looks itself up, to know and be known.
    Join(Reply<usize>),
    /// Looks for the nodes that are to keep a record.
    PutLookup(SignedRecord, Reply<usize>),
    /// Hands the record to them.
    PutStore(usize, Reply<usize>),
    Get(Reading),
    Nodes(Digest, Reply<Vec<NodeInfo>>),
    /// Looks for the nodes closest to a point.
    Closest(Reply<Vec<PublicKey>>),
    /// Looks for the address of a node that a request is for.
    Find(Outgoing),
}

struct Reading {
    key: RecordKey,
    copies: usize,
    best: Option<SignedRecord>,
    reply: Option<Reply<Option<SignedRecord>>>,
}

/// All queries of a node.
pub(crate) struct Queries {
    config: NetworkConfig,
    role: Role,
    guard: Guard,
    open: HashMap<QueryId, Query>,
}

impl Queries {
    pub(crate) fn new(config: NetworkConfig, role: Role, guard: Guard) -> Self {
        Self { config, role, guard, open: HashMap::new() }
    }

    pub(crate) fn join(&mut self, swarm: &mut Swarm<Behaviour>, peers: Vec<(PeerId, Multiaddr)>, reply: Reply<usize>) {
        for (peer, address) in peers {
            swarm.behaviour_mut().kad.add_address(&peer, address);
        }
        let me = *swarm.local_peer_id();
        self.open.insert(swarm.behaviour_mut().kad.get_closest_peers(me), Query::Join(reply));
    }

    pub(crate) fn put(&mut self, swarm: &mut Swarm<Behaviour>, record: SignedRecord, reply: Reply<usize>) {
        let key = record.key().digest();
        if self.role == Role::Storage {
            let store = swarm.behaviour_mut().kad.store_mut();
            if let Err(why) = store.insert(key, record.to_bytes().to_vec(), OWN) {
                let _ = reply.send(Err(why.into()));
                return;
            }
        }
        let count = NonZeroUsize::new(self.config.replication).unwrap_or(NonZeroUsize::MIN);
        let query = swarm.behaviour_mut().kad.get_n_closest_peers(dht_key(&key).to_vec(), count);
        self.open.insert(query, Query::PutLookup(record, reply));
    }

    pub(crate) fn get(&mut self, swarm: &mut Swarm<Behaviour>, key: RecordKey, reply: Reply<Option<SignedRecord>>) {
        let query = swarm.behaviour_mut().kad.get_record(dht_key(&key.digest()));
        self.open.insert(query, Query::Get(Reading { key, copies: 0, best: None, reply: Some(reply) }));
    }

    pub(crate) fn nodes(&mut self, swarm: &mut Swarm<Behaviour>, near: Digest, reply: Reply<Vec<NodeInfo>>) {
        let query = swarm.behaviour_mut().kad.get_closest_peers(near.0.to_vec());
        self.open.insert(query, Query::Nodes(near, reply));
    }

    /// Looks for the nodes closest to a record, and nothing else.
    pub(crate) fn closest(&mut self, swarm: &mut Swarm<Behaviour>, key: Digest, reply: Reply<Vec<PublicKey>>) {
        let query = swarm.behaviour_mut().kad.get_closest_peers(dht_key(&key).to_vec());
        self.open.insert(query, Query::Closest(reply));
    }

    /// Looks for the node of a request that could not be dialled for want of an address.
    pub(crate) fn find(&mut self, swarm: &mut Swarm<Behaviour>, request: Outgoing) {
        let query = swarm.behaviour_mut().kad.get_closest_peers(request.peer);
        self.open.insert(query, Query::Find(request));
    }

    /// Takes a result. Returns a request whose node has been found, to be sent again.
    pub(crate) fn progressed(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        id: QueryId,
        result: QueryResult,
        last: bool,
    ) -> Option<Outgoing> {
        if let Some(Query::Get(reading)) = self.open.get_mut(&id) {
            if let QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(found))) = &result
                && let Err(why) = reading.consider(&found.record)
                && is_rubbish(&why)
                && let Some(peer) = found.peer
            {
                self.guard.fault(peer, None, Fault::WrongAnswer);
            }
            let enough = reading.copies >= self.config.read_quorum();
            if enough || last {
                reading.answer(&result);
            }
            if last {
                self.open.remove(&id);
            } else if enough && let Some(mut query) = swarm.behaviour_mut().kad.query_mut(&id) {
                query.finish();
            }
            return None;
        }
        if !last {
            return None;
        }
        let query = self.open.remove(&id)?;
        match (query, result) {
            (Query::Find(request), QueryResult::GetClosestPeers(result)) => {
                learn(swarm, result);
                return Some(request);
            }
            (Query::Join(reply), QueryResult::GetClosestPeers(result)) => {
                let known = learn(swarm, result).len();
                let _ = reply.send(if known == 0 { Err(DhtError::NoNodes) } else { Ok(known) });
            }
            (Query::Nodes(near, reply), QueryResult::GetClosestPeers(result)) => {
                let found = learn(swarm, result);
                let nodes = all_nodes(swarm, &found, &near);
                let _ = reply.send(if nodes.is_empty() { Err(DhtError::NoNodes) } else { Ok(nodes) });
            }
            (Query::Closest(reply), QueryResult::GetClosestPeers(result)) => {
                let found: Vec<_> = learn(swarm, result).iter().filter_map(|peer| public_key(&peer.peer_id)).collect();
                let _ = reply.send(if found.is_empty() { Err(DhtError::NoNodes) } else { Ok(found) });
            }
            (Query::PutLookup(record, reply), QueryResult::GetClosestPeers(result)) => {
                let peers = learn(swarm, result);
                self.store(swarm, record, &peers, reply);
            }
            (Query::PutStore(needed, reply), QueryResult::PutRecord(result)) => {
                let _ = reply.send(match result {
                    Ok(_) => Ok(needed),
                    Err(PutRecordError::QuorumFailed { success, .. } | PutRecordError::Timeout { success, .. }) => {
                        Err(DhtError::TooFewCopies { copies: success.len(), needed })
                    }
                });
            }
            // No other result belongs to these queries; dropping the reply tells the caller.
            _ => tracing::error!("the DHT answered a query with a result of another kind"),
        }
        None
    }

    fn store(&mut self, swarm: &mut Swarm<Behaviour>, record: SignedRecord, peers: &[PeerInfo], reply: Reply<usize>) {
        let peers: Vec<PeerId> = peers.iter().take(self.config.replication.max(1)).map(|peer| peer.peer_id).collect();
        let needed = self.config.write_quorum(peers.len());
        let (false, Some(quorum)) = (peers.is_empty(), NonZeroUsize::new(needed)) else {
            let _ = reply.send(Err(DhtError::NoNodes));
            return;
        };
        let key = dht_key(&record.key().digest());
        let record = Record::new(key, record.to_bytes().to_vec());
        let query = swarm.behaviour_mut().kad.put_record_to(record, peers.into_iter(), Quorum::N(quorum));
        self.open.insert(query, Query::PutStore(needed, reply));
    }
}

impl Reading {
    fn consider(&mut self, found: &Record) -> Result<(), RecordError> {
        let record = SignedRecord::decode_for(&self.key, found.value.clone(), now_ms())?;
        self.copies += 1;
        if self.best.as_ref().is_none_or(|best| record.supersedes(best)) {
            self.best = Some(record);
        }
        Ok(())
    }

    fn answer(&mut self, result: &QueryResult) {
        let Some(reply) = self.reply.take() else { return };
        let timed_out = matches!(result, QueryResult::GetRecord(Err(kad::GetRecordError::Timeout { .. })));
        let _ = reply.send(match self.best.take() {
            None if timed_out => Err(DhtError::Timeout),
            best => Ok(best),
        });
    }
}

/// The peers of a lookup, with their addresses passed on to the swarm.
fn learn(swarm: &mut Swarm<Behaviour>, result: Result<GetClosestPeersOk, GetClosestPeersError>) -> Vec<PeerInfo> {
    let peers = match result {
        Ok(GetClosestPeersOk { peers, .. }) | Err(GetClosestPeersError::Timeout { peers, .. }) => peers,
    };
    for peer in &peers {
        for address in &peer.addrs {
            swarm.add_peer_address(peer.peer_id, address.clone());
        }
    }
    peers
}

/// The peers found, and those of the routing table; the closest to `near` first.
fn all_nodes(swarm: &mut Swarm<Behaviour>, found: &[PeerInfo], near: &Digest) -> Vec<NodeInfo> {
    let point = kad::KBucketKey::new(near.0.to_vec());
    let far = |peer: &PeerId| point.distance(&kad::KBucketKey::from(*peer));
    let mut nodes: Vec<_> =
        found.iter().filter_map(|peer| Some((far(&peer.peer_id), node(&peer.peer_id, peer.addrs.first())?))).collect();
    for bucket in swarm.behaviour_mut().kad.kbuckets() {
        nodes.extend(bucket.iter().filter_map(|entry| {
            let peer = entry.node.key.preimage();
            Some((far(peer), node(peer, Some(entry.node.value.first()))?))
        }));
    }
    nodes.sort_by_key(|(distance, _)| *distance);
    nodes.dedup_by_key(|(_, node)| node.id);
    nodes.into_iter().map(|(_, node)| node).collect()
}

fn node(peer: &PeerId, address: Option<&Multiaddr>) -> Option<NodeInfo> {
    Some(NodeInfo { id: public_key(peer)?, operator: operator(address?) })
}

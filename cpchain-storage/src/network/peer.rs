//! Node keys, addresses, and libp2p's names for them.

use std::{fmt, str::FromStr};

use cpchain_crypto::{Digest, PublicKey};
use libp2p::{
    Multiaddr, PeerId,
    identity::{PublicKey as PeerKey, ed25519},
    multiaddr::Protocol,
};

use super::placement::OperatorId;

/// libp2p's code of the hash that is no hash: the key itself follows.
const IDENTITY: u64 = 0;

/// The peer id of a node key; `None` for bytes that are no key.
pub(crate) fn peer_id(key: &PublicKey) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(&key.0).ok()?;
    Some(PeerKey::from(key).to_peer_id())
}

/// The Ed25519 key that a peer id contains.
pub(crate) fn public_key(peer: &PeerId) -> Option<PublicKey> {
    let hash = peer.as_ref();
    if hash.code() != IDENTITY {
        return None;
    }
    let key = PeerKey::try_decode_protobuf(hash.digest()).ok()?.try_into_ed25519().ok()?;
    Some(PublicKey(key.to_bytes()))
}

/// Who runs the node at this address: see [`OperatorId`].
pub(crate) fn operator(address: &Multiaddr) -> OperatorId {
    let mut group = Vec::new();
    let mut loopback = false;
    for part in address {
        match part {
            Protocol::Ip4(ip) if ip.is_loopback() => loopback = true,
            Protocol::Ip6(ip) if ip.is_loopback() => loopback = true,
            Protocol::Ip4(ip) => group.extend_from_slice(ip.octets().first_chunk::<3>().unwrap_or(&[0; 3])),
            Protocol::Ip6(ip) => group.extend_from_slice(ip.octets().first_chunk::<6>().unwrap_or(&[0; 6])),
            Protocol::Tcp(port) | Protocol::Udp(port) if loopback => group.extend_from_slice(&port.to_be_bytes()),
            Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) => {
                group.extend_from_slice(name.as_bytes())
            }
            _ => {}
        }
    }
    OperatorId(group)
}

/// The network that an address lies in, as far as blame and shares go: a /24, a /64, and no network at all for loopback.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Network(Vec<u8>);

impl Network {
    pub(crate) fn of(address: &Multiaddr) -> Option<Self> {
        address.iter().find_map(|part| match part {
            Protocol::Ip4(ip) if !ip.is_loopback() => Some(Self(ip.octets().get(..3)?.to_vec())),
            Protocol::Ip6(ip) if !ip.is_loopback() => Some(Self(ip.octets().get(..8)?.to_vec())),
            _ => None,
        })
    }

    /// The number under which the records that it brought are counted, on disk as well.
    pub(crate) fn origin(&self) -> u32 {
        let hash = Digest::content(&self.0);
        // 0 is the node itself.
        hash.0.first_chunk().map_or(1, |four| u32::from_le_bytes(*four)).max(1)
    }
}

/// Where a node is: its key and an address. As text a multiaddr that ends in `/p2p/<peer id>`.
///
/// ```
/// use cpchain_storage::network::NodeAddr;
/// let text = "/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";
/// let addr: NodeAddr = text.parse()?;
/// assert_eq!(addr.to_string(), text);
/// # Ok::<(), cpchain_storage::network::NodeAddrError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAddr {
    /// The node's key.
    pub id: PublicKey,
    /// Where it listens.
    pub address: Multiaddr,
}

/// A text that is not the address of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the address of a node: write /ip4/<address>/tcp/<port>/p2p/<peer id of an Ed25519 key>")]
pub struct NodeAddrError;

impl NodeAddr {
    pub(crate) fn peer(&self) -> Option<PeerId> {
        peer_id(&self.id)
    }
}

impl fmt::Display for NodeAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/p2p/{}", self.address, self.peer().ok_or(fmt::Error)?)
    }
}

impl FromStr for NodeAddr {
    type Err = NodeAddrError;

    fn from_str(text: &str) -> Result<Self, NodeAddrError> {
        let mut address: Multiaddr = text.parse().map_err(|_| NodeAddrError)?;
        match address.pop() {
            Some(Protocol::P2p(peer)) if !address.is_empty() => {
                Ok(Self { id: public_key(&peer).ok_or(NodeAddrError)?, address })
            }
            _ => Err(NodeAddrError),
        }
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::{Signer, SigningKey};

    use super::*;

    #[test]
    fn node_keys_and_peer_ids_are_the_same_keys() {
        let key = SigningKey::from_seed(&[1; 32]).public_key();
        assert_eq!(public_key(&peer_id(&key).unwrap()), Some(key));
        let pair = libp2p::identity::Keypair::ed25519_from_bytes([1; 32]).unwrap();
        assert_eq!(peer_id(&key), Some(pair.public().to_peer_id()));
    }

    #[test]
    fn wrong_addresses_are_refused() {
        for text in ["", "host:80", "/ip4/127.0.0.1/tcp/1", "/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"]
        {
            assert_eq!(text.parse::<NodeAddr>(), Err(NodeAddrError), "{text}");
        }
    }

    #[test]
    fn operators_are_told_by_network_and_on_loopback_by_port() {
        let of = |text: &str| operator(&text.parse().unwrap());
        assert_eq!(of("/ip4/192.0.2.1/tcp/1"), of("/ip4/192.0.2.9/tcp/2"));
        assert_ne!(of("/ip4/192.0.2.1/tcp/1"), of("/ip4/192.0.3.1/tcp/1"));
        assert_eq!(of("/ip6/2001:db8::1/tcp/1"), of("/ip6/2001:db8::2/udp/1/quic-v1"));
        assert_ne!(of("/ip4/127.0.0.1/tcp/1"), of("/ip4/127.0.0.1/tcp/2"));
    }
}

//! Reading the bridge from other tasks.

use bytes::Bytes;
use cpchain_crypto::Digest;

use super::{
    super::{amount::Amount, view::LedgerView},
    module::Bridge,
    peer::{self, Peer, PeerStatus},
    transfer,
};
use crate::{ChainId, Height, lbft::Committee, proof::StateKey};

/// What a ledger knows of other chains.
#[derive(Debug, Clone)]
pub struct BridgeView(LedgerView);

impl BridgeView {
    /// Of a ledger that has the module [`Bridge`].
    pub const fn new(ledger: LedgerView) -> Self {
        Self(ledger)
    }

    fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.0.get(Bridge::KIND, key)
    }

    fn peer(&self, chain: &ChainId) -> Option<Peer> {
        self.get(&peer::tip_key(chain)).and_then(Peer::from_bytes)
    }

    /// Whether another chain is heard; `None` if it was never registered.
    pub fn status(&self, chain: &ChainId) -> Option<PeerStatus> {
        self.peer(chain).map(|peer| peer.status)
    }

    /// The last final height of another chain that is known here, and the digest of its record.
    pub fn tip(&self, chain: &ChainId) -> Option<(Height, Digest)> {
        self.peer(chain).map(|peer| peer.tip)
    }

    /// Its committee, as far as is known here.
    pub fn committee(&self, chain: &ChainId) -> Option<Committee> {
        self.get(&peer::committee_key(chain)).and_then(|bytes| Committee::from_bytes(&bytes))
    }

    /// The blocks of another chain whose roots serve, lowest first.
    pub fn anchors(&self, chain: &ChainId) -> Vec<(Height, Digest)> {
        let prefix = peer::roots(chain);
        let entries = self.0.scan(Bridge::KIND, &prefix, None, peer::KEPT_ROOTS);
        let anchor = |(key, root): (Vec<u8>, Bytes)| {
            let block = key.get(prefix.len()..)?.try_into().ok().map(u64::from_be_bytes)?;
            Some((Height(block), Digest::from_slice(&root)?))
        };
        entries.into_iter().filter_map(anchor).collect()
    }

    /// What was sent to another chain and has not come back; on a side chain, what is left of the reserve.
    pub fn held(&self, chain: &ChainId) -> Amount {
        self.0.held(Bridge::KIND, &transfer::vault(chain))
    }

    /// How many transfers were sent to another chain: the number of the next one.
    pub fn sent(&self, chain: &ChainId) -> u64 {
        transfer::count(self.get(&transfer::sent_key(chain)))
    }

    /// How many transfers from another chain have arrived: the number of the next one.
    pub fn arrived(&self, chain: &ChainId) -> u64 {
        transfer::count(self.get(&transfer::arrived_key(chain)))
    }

    /// Where a transfer to another chain stands in this chain's state: what its receiver proves.
    pub fn transfer_key(chain: &ChainId, sequence: u64) -> StateKey {
        StateKey::entry(Bridge::KIND, &transfer::transfer_key(chain, sequence))
    }

    /// The copy of an entry of another chain: the block that it was proved by, and the value or that there was none.
    pub fn copy(&self, chain: &ChainId, kind: &str, key: &[u8]) -> Option<(Height, Option<Bytes>)> {
        let bytes = self.get(&transfer::copy_key(chain, kind, key))?;
        let (block, rest) = bytes.split_first_chunk()?;
        let value = match rest.split_first()? {
            (1, value) => Some(Bytes::copy_from_slice(value)),
            _ => None,
        };
        Some((Height(u64::from_be_bytes(*block)), value))
    }
}

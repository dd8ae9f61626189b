//! The light client of another chain, in the state of this one.
//!
//! | key in the module's space | value |
//! | --- | --- |
//! | `t`, chain | status (1), who registered it (32), last final height (8), its digest (32) |
//! | `c`, chain | the committee in office |
//! | `k`, chain, block | the root of the state below that block |
//! | vault: `d`, chain | the deposit |

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey};

use super::{
    super::{
        module::{Context, ModuleError},
        transaction::AccountId,
    },
    codec::{Reader, Writer},
    module::refuse,
};
use crate::{
    ChainId, Height,
    lbft::{Certificate, Committee, Kind, LightClient, SignatureCache},
    proof::{CertifiedState, HeadProof, StateKey, StateProof},
};

/// How many roots of another chain serve.
pub const KEPT_ROOTS: usize = 32;

/// Whether another chain is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerStatus {
    /// It is.
    Open,
    /// Its committee signed two blocks of one height. What was locked for it stays locked.
    Ended,
    /// Its deposit was given back.
    Closed,
}

/// What is known of another chain, but for its committee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) status: PeerStatus,
    /// Zero for a chain that is known from genesis.
    pub(super) owner: AccountId,
    pub(super) tip: (Height, Digest),
}

pub(super) fn tip_key(chain: &ChainId) -> Vec<u8> {
    [b"t".as_slice(), &chain.0.0].concat()
}

pub(super) fn committee_key(chain: &ChainId) -> Vec<u8> {
    [b"c".as_slice(), &chain.0.0].concat()
}

pub(super) fn roots(chain: &ChainId) -> Vec<u8> {
    [b"k".as_slice(), &chain.0.0].concat()
}

pub(super) fn root_key(chain: &ChainId, block: Height) -> Vec<u8> {
    [roots(chain).as_slice(), &block.0.to_be_bytes()].concat()
}

/// The vault of the deposit.
pub(super) fn deposit(chain: &ChainId) -> Vec<u8> {
    [b"d".as_slice(), &chain.0.0].concat()
}

impl Peer {
    /// A chain at its beginning.
    pub(super) const fn new(owner: AccountId, tip: (Height, Digest)) -> Self {
        Self { status: PeerStatus::Open, owner, tip }
    }

    pub(super) fn to_bytes(self) -> Bytes {
        let status = match self.status {
            PeerStatus::Open => 0,
            PeerStatus::Ended => 1,
            PeerStatus::Closed => 2,
        };
        Writer::default().put([status]).put(self.owner.0).put(self.tip.0.0.to_be_bytes()).put(self.tip.1).bytes()
    }

    pub(super) fn from_bytes(bytes: Bytes) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let status = match reader.array()? {
            [0] => PeerStatus::Open,
            [1] => PeerStatus::Ended,
            [2] => PeerStatus::Closed,
            _ => return None,
        };
        let (owner, height) = (PublicKey(reader.array()?), reader.height()?);
        let peer = Self { status, owner, tip: (height, Digest(reader.array()?)) };
        reader.end().map(|()| peer)
    }

    /// A chain that was registered, whatever became of it.
    pub(super) fn find(context: &Context<'_>, chain: &ChainId) -> Result<Self, ModuleError> {
        let bytes = context.get(&tip_key(chain)).ok_or_else(|| refuse("no such chain is registered here"))?;
        Self::from_bytes(bytes).ok_or_else(|| refuse("the record of the chain is not readable"))
    }

    /// One that is heard.
    pub(super) fn open(context: &Context<'_>, chain: &ChainId) -> Result<Self, ModuleError> {
        let peer = Self::find(context, chain)?;
        if peer.status == PeerStatus::Open { Ok(peer) } else { Err(refuse("the chain is at an end here")) }
    }

    pub(super) fn keep(self, context: &mut Context<'_>, chain: &ChainId) -> Result<(), ModuleError> {
        context.put(&tip_key(chain), self.to_bytes())
    }
}

fn committee(context: &Context<'_>, chain: &ChainId) -> Result<Committee, ModuleError> {
    let bytes = context.get(&committee_key(chain));
    bytes.and_then(|bytes| Committee::from_bytes(&bytes)).ok_or_else(|| refuse("the committee is not readable"))
}

/// Takes in headers; keeps the root that one of them names.
pub(super) fn advance(
    context: &mut Context<'_>,
    chain: &ChainId,
    headers: &[Bytes],
    certificate: &Certificate,
    head: Option<&HeadProof>,
) -> Result<(), ModuleError> {
    let peer = Peer::open(context, chain)?;
    let mut client = LightClient::new(committee(context, chain)?, peer.tip);
    let proved = client.advance(headers, certificate).map_err(ModuleError::refused)?;
    Peer { tip: client.tip(), ..peer }.keep(context, chain)?;
    let Some(head) = head else { return Ok(()) };
    // Idle blocks have equal payloads: the last of them is the newest anchor.
    let payload = head.payload_digest();
    let named: Vec<_> = proved.into_iter().rfind(|(_, header)| header.payload == payload).into_iter().collect();
    let state = CertifiedState::of(&named, head).map_err(ModuleError::refused)?;
    context.put(&root_key(chain, state.block()), state.root())?;
    // One came, so at most one goes.
    let kept = context.scan(&roots(chain), None, KEPT_ROOTS + 1);
    if kept.len() > KEPT_ROOTS
        && let Some((oldest, _)) = kept.first()
    {
        context.remove(oldest);
    }
    Ok(())
}

/// Changes the committee at the end of a term.
pub(super) fn next_term(
    context: &mut Context<'_>,
    next: &Committee,
    handover: &Certificate,
) -> Result<(), ModuleError> {
    let chain = next.chain();
    let peer = Peer::open(context, &chain)?;
    let mut client = LightClient::new(committee(context, &chain)?, peer.tip);
    client.next_term(next.clone(), handover).map_err(ModuleError::refused)?;
    context.put(&committee_key(&chain), next.to_bytes())
}

/// Ends a chain whose committee certified two blocks of one height.
pub(super) fn report(
    context: &mut Context<'_>,
    chain: &ChainId,
    certificates: [&Certificate; 2],
) -> Result<Peer, ModuleError> {
    let peer = Peer::open(context, chain)?;
    let [first, second] = certificates;
    let both = (first.kind, first.height) == (second.kind, second.height) && first.digest != second.digest;
    // A hand-over to two committees is as bad as two final blocks.
    if !both || !matches!(first.kind, Kind::Commit | Kind::Handover) {
        return Err(refuse("not two certificates of one height for different blocks"));
    }
    let (committee, cache) = (committee(context, chain)?, SignatureCache::new(1));
    for certificate in certificates {
        certificate.verify(&committee, &cache).map_err(ModuleError::refused)?;
    }
    let ended = Peer { status: PeerStatus::Ended, ..peer };
    ended.keep(context, chain)?;
    Ok(ended)
}

/// Checks a value of the other chain's state below an anchor.
pub(super) fn proved(
    context: &Context<'_>,
    chain: &ChainId,
    block: Height,
    key: &StateKey,
    value: Option<&[u8]>,
    proof: &StateProof,
) -> Result<(), ModuleError> {
    let root = context.get(&root_key(chain, block)).and_then(|root| Digest::from_slice(&root));
    let root = root.ok_or_else(|| refuse("no root of that block is kept here: bring a newer one"))?;
    proof.verify(&root, key, value).map_err(ModuleError::refused)
}

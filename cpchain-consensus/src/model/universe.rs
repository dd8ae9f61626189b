//! Keys, blocks and certificates for the real core: everything that Byzantine signers could ever let exist.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use cpchain_crypto::{Digest, Domain, PublicKey, Signature, Signer, SigningKey};

use super::{tally::VoteRules, world::World};
use crate::{
    ids::{ChainId, Height, Term},
    lbft::{Block, Certificate, Committee, Config, Kind, Lbft, Output, Restored, Rule, SignatureCache, Vote},
};

/// Signs as the key does, and each statement once.
struct Remembering {
    key: SigningKey,
    signed: Mutex<HashMap<Vec<u8>, Signature>>,
}

impl Signer for Remembering {
    fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        *signed.entry(message.to_vec()).or_insert_with(|| self.key.sign(domain, message))
    }
}

/// A committee, the blocks of a [`World`] under real seals, and certificates for them.
pub(super) struct Universe {
    pub(super) world: World,
    pub(super) committee: Committee,
    signers: Vec<Arc<dyn Signer>>,
    cache: Arc<SignatureCache>,
    dropped: Vec<Rule>,
    /// By candidate; none for genesis.
    blocks: Vec<Option<Arc<Block>>>,
}

impl Universe {
    /// `heights` heights whose proposers are Byzantine; the proposer of the height after them is honest.
    pub(super) fn new(rules: &VoteRules, heights: u8, dropped: &[Rule]) -> Option<Self> {
        let n = rules.honest + rules.byzantine;
        let key = |place| -> Arc<dyn Signer> {
            Arc::new(Remembering { key: SigningKey::from_seed(&[place; 32]), signed: Mutex::default() })
        };
        let signers: Vec<_> = (1..=n + heights + 1).map(key).collect();
        let public: Vec<_> = signers.iter().map(|signer| signer.public_key()).collect();
        let (validators, proposers) = public.split_at_checked(usize::from(n))?;
        let chain = ChainId::new("model", b"");
        let committee = Committee::new(chain, Term(0), validators.to_vec(), proposers.to_vec()).ok()?;
        let (quorum, impeach) = (usize::from(rules.quorum), usize::from(rules.impeach_quorum));
        let committee = committee.with_quorums(quorum, impeach);
        let world = World::one_term(heights);
        let cache = Arc::new(SignatureCache::new(1 << 16));
        let mut universe = Self { world, committee, signers, cache, dropped: dropped.to_vec(), blocks: vec![None] };
        for block in 1..universe.world.blocks.len() {
            let sealed = universe.seal(block)?;
            universe.blocks.push(Some(Arc::new(sealed)));
        }
        Some(universe)
    }

    fn seal(&self, block: usize) -> Option<Block> {
        let candidate = self.world.block(block)?;
        let below = self.world.block(candidate.parent)?;
        let key = self.signers.get(self.committee.validators().len() + usize::from(candidate.height) - 1)?;
        let (height, parent_height) = (Height(candidate.height.into()), Height(below.height.into()));
        let parent = self.digest(candidate.parent);
        let payload = Bytes::from(self.world.name(block).to_string());
        Some(Block::seal(&self.committee, &**key, height, parent_height, parent, payload))
    }

    pub(super) fn block(&self, block: usize) -> Option<Arc<Block>> {
        self.blocks.get(block)?.clone()
    }

    pub(super) fn digest(&self, block: usize) -> Digest {
        self.block(block).map_or(Digest::ZERO, |block| block.digest())
    }

    /// Which candidate has this digest.
    pub(super) fn named(&self, digest: &Digest) -> Option<usize> {
        self.blocks.iter().position(|block| block.as_ref().is_some_and(|block| block.digest() == *digest))
    }

    /// A certificate for validator `to`, signed by these voters as far as they suffice; by `to` only if it is one of them, since
    /// a core that meets an own vote that it does not remember stops.
    pub(super) fn certificate(
        &self,
        to: usize,
        kind: Kind,
        height: Height,
        digest: Digest,
        voters: &[usize],
    ) -> Certificate {
        let own = voters.iter().copied().filter(|place| *place == to);
        let others = voters.iter().copied().filter(|place| *place != to);
        let rest = (0..self.committee.validators().len()).filter(|place| *place != to && !voters.contains(place));
        let votes: Vec<_> = others
            .chain(own)
            .chain(rest)
            .take(self.committee.votes_needed(kind))
            .filter_map(|place| {
                let signer = self.signers.get(place)?;
                Some(Vote::cast(&self.committee, u16::try_from(place).ok()?, &**signer, kind, height, digest))
            })
            .collect();
        Certificate::from_votes(&self.committee, kind, height, digest, &votes)
    }

    /// The core of the key at this place: validators first, then proposers.
    pub(super) fn core(&self, place: usize, restored: Restored) -> Option<(Lbft, Vec<Output>)> {
        let second = Duration::from_secs(1);
        let config = Config { committee: self.committee.clone(), timeout: second, timeout_cap: second };
        let signer = Arc::clone(self.signers.get(place)?);
        Some(Lbft::without(&self.dropped, config, signer, Arc::clone(&self.cache), restored))
    }

    pub(super) fn key(&self, place: usize) -> Option<PublicKey> {
        self.signers.get(place).map(|signer| signer.public_key())
    }
}

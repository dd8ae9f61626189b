//! Keys, blocks and certificates for the real core: everything that Byzantine signers could ever let exist.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use cpchain_crypto::{Digest, Domain, PublicKey, Signature, Signer, SigningKey};

use super::{tally::VoteRules, world::World};
use crate::{
    ids::{ChainId, Height, Term},
    lbft::{
        Block, Certificate, Committee, Config, Kind, Lbft, LightClient, LightError, Output, Restored, Rule,
        SignatureCache, Vote, impeach_digest,
    },
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

/// The term after the explored one. Of its validators one is new, and one of the old ones is gone; Byzantine ones stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextTerm {
    /// Closing heights of the old term that are explored.
    pub closing: u8,
    /// Heights of the next term that are explored.
    pub heights: u8,
    /// A mutant: who left the committee votes on, and its votes count.
    pub old_members_vote: bool,
    /// HANDOVERs that prove the next committee; another number than the quorum is a mutant.
    pub handover_quorum: u8,
}

/// Committees, the blocks of a [`World`] under real seals, and certificates for them.
///
/// Keys have places: the honest validators of the old term, the Byzantine ones, the one that comes, then proposers by turn.
pub(super) struct Universe {
    pub(super) world: World,
    /// The old one, then one for each base.
    committees: Vec<Committee>,
    /// What the next term can stand on. The application that the cores run names another committee on each.
    pub(super) bases: Vec<usize>,
    /// Places of the honest validators of all terms; those at the places `alike` of this list serve in the same terms.
    pub(super) honest: Vec<usize>,
    pub(super) alike: Range<usize>,
    pub(super) byzantine: Range<usize>,
    /// For each of the honest, whether it votes in each of the terms.
    serves: Vec<[bool; 2]>,
    /// The highest explored height, and the place of the honest proposer of the height after it.
    pub(super) top: u8,
    pub(super) proposer: usize,
    signers: Vec<Arc<dyn Signer>>,
    cache: Arc<SignatureCache>,
    dropped: Vec<Rule>,
    /// By candidate; none for genesis.
    blocks: Vec<Option<Arc<Block>>>,
}

impl Universe {
    /// `heights` heights whose proposers are Byzantine, and the next term if there is one; the proposer of the height after
    /// them is honest.
    pub(super) fn new(rules: &VoteRules, heights: u8, next: Option<&NextTerm>, dropped: &[Rule]) -> Option<Self> {
        let (n, honest) = (usize::from(rules.honest + rules.byzantine), usize::from(rules.honest));
        let world =
            next.map_or_else(|| World::one_term(heights), |next| World::two_terms(heights, next.closing, next.heights));
        let bases = if next.is_some() { world.bases() } else { Vec::new() };
        let top = next.map_or(heights, |next| heights + next.closing.max(next.heights));
        let first = n + usize::from(next.is_some());
        let proposer = first + usize::from(top);
        let key = |place| -> Arc<dyn Signer> {
            Arc::new(Remembering { key: SigningKey::from_seed(&[place; 32]), signed: Mutex::default() })
        };
        let signers: Vec<_> = (1..=u8::try_from(proposer + 1 + bases.len()).ok()?).map(key).collect();
        let public: Vec<_> = signers.iter().map(|signer| signer.public_key()).collect();
        let proposers = public.get(first..=proposer)?.to_vec();
        let (quorum, impeach) = (usize::from(rules.quorum), usize::from(rules.impeach_quorum));
        let old = Committee::new(ChainId::new("model", b""), Term(0), public.get(..n)?.to_vec(), proposers.clone());
        let mut committees = vec![old.ok()?.with_quorums(quorum, impeach)];
        if let Some(next) = next {
            let old = committees.pop()?.until(Height(heights.into())).ok()?;
            let old = old.with_votes_needed(Kind::Commit, rules.end_quorum.into());
            committees.push(old.with_votes_needed(Kind::Handover, next.handover_quorum.into()));
            let gone = public.first().filter(|_| next.old_members_vote);
            let validators: Vec<_> = public.get(1..=n)?.iter().chain(gone).copied().collect();
            for (_, last) in bases.iter().zip(public.get(proposer + 1..)?) {
                let proposers = proposers.iter().chain([last]).copied().collect();
                let committee = committees.first()?.next(validators.clone(), proposers, None).ok()?;
                let unsigned = dropped.contains(&Rule::TermIsSigned);
                let committee = if unsigned { committee.under_term(Term(0)) } else { committee };
                committees.push(committee.with_quorums(quorum, impeach));
            }
        }
        let mut universe = Self {
            world,
            committees,
            bases,
            honest: (0..honest).chain(next.map(|_| n)).collect(),
            alike: usize::from(next.is_some())..honest,
            byzantine: honest..n,
            serves: Vec::new(),
            top,
            proposer,
            signers,
            cache: Arc::new(SignatureCache::new(1 << 16)),
            dropped: dropped.to_vec(),
            blocks: vec![None],
        };
        let votes = |key: PublicKey, term| {
            let committee: Option<&Committee> = universe.committees.get(term);
            committee.is_some_and(|committee| committee.index_of(&key).is_some())
        };
        let serves = |place: &usize| universe.key(*place).map(|key| [votes(key, 0), votes(key, 1)]);
        universe.serves = universe.honest.iter().filter_map(serves).collect();
        for block in 1..universe.world.blocks.len() {
            let sealed = universe.seal(block)?;
            universe.blocks.push(Some(Arc::new(sealed)));
        }
        Some(universe)
    }

    fn seal(&self, block: usize) -> Option<Block> {
        let candidate = self.world.block(block)?;
        let below = self.world.block(candidate.parent)?;
        let committee = self.committee_of(block)?;
        let place = self.proposer - usize::from(self.top) + usize::from(candidate.height) - 1;
        let key = self.signers.get(place)?;
        let crosses = self.world.term_of(block) != self.world.term_of(candidate.parent);
        let (parent_height, parent) = if crosses && self.world.term_of(block) == 1 {
            (self.world.last, self.record(candidate.parent)?)
        } else {
            (below.height, self.digest(candidate.parent))
        };
        let closing = committee.is_closing(Height(candidate.height.into()));
        let payload = if closing { Bytes::new() } else { self.world.name(block).to_string().into() };
        let (height, parent_height) = (Height(candidate.height.into()), Height(parent_height.into()));
        Some(Block::seal(committee, &**key, height, parent_height, parent, payload))
    }

    /// The record of L if the old term ends on this block: the block, or the impeach block of L above it.
    fn record(&self, base: usize) -> Option<Digest> {
        let old = self.committees.first()?;
        let last = Height(self.world.last.into());
        if self.world.block(base)?.height == self.world.last {
            return Some(self.digest(base));
        }
        Some(impeach_digest(old.chain(), old.term(), &self.digest(base), last, &old.proposer(last)))
    }

    /// Who serves the term of a block.
    pub(super) fn committee_of(&self, block: usize) -> Option<&Committee> {
        if self.world.term_of(block) == 0 { self.committees.first() } else { self.next_on(self.world.base(block)) }
    }

    pub(super) fn old(&self) -> Option<&Committee> {
        self.committees.first()
    }

    /// The committee that follows if the old term ends on this base.
    pub(super) fn next_on(&self, base: usize) -> Option<&Committee> {
        let place = self.bases.iter().position(|known| *known == base)?;
        self.committees.get(place + 1)
    }

    /// The application's answer to the end of the old term, whose last record has this digest.
    pub(super) fn next_after(&self, record: Digest) -> Option<&Committee> {
        let base = self.bases.iter().find(|base| self.record(**base) == Some(record))?;
        self.next_on(*base)
    }

    /// On which base this committee follows; none for the old one.
    pub(super) fn base_of(&self, committee: &Committee) -> Option<usize> {
        let place = self.committees.iter().position(|known| known == committee)?;
        self.bases.get(place.checked_sub(1)?).copied()
    }

    pub(super) fn terms(&self) -> u8 {
        if self.bases.is_empty() { 1 } else { 2 }
    }

    /// Asks a light client that stands at the end of the old term whether this proof brings that committee into office.
    pub(super) fn light_client(&self, next: &Committee, proof: &Certificate) -> Result<(), LightError> {
        let old = self.old().cloned().ok_or(LightError::Term)?;
        let last = Height(self.world.last.into());
        LightClient::new(old, (last, Digest::ZERO)).next_term(next.clone(), proof)
    }

    /// Whether the honest validator at this place of the list votes in the term.
    pub(super) fn serves(&self, at: usize, term: u8) -> bool {
        self.serves.get(at).and_then(|serves| serves.get(usize::from(term))).is_some_and(|serves| *serves)
    }

    /// Whether a mutant counts votes of both terms in each.
    pub(super) fn mixes_terms(&self) -> bool {
        self.dropped.contains(&Rule::TermIsSigned)
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

    /// A certificate of this committee for the key at place `to`, signed by these voters as far as they suffice; by `to` only if
    /// it is one of them, since a core that meets an own vote that it does not remember stops.
    pub(super) fn certificate(
        &self,
        committee: &Committee,
        to: usize,
        (kind, height, digest): (Kind, Height, Digest),
        voters: &[usize],
    ) -> Certificate {
        let own = voters.iter().copied().filter(|place| *place == to);
        let others = voters.iter().copied().filter(|place| *place != to);
        let all = 0..=self.proposer;
        let rest = all.filter(|place| *place != to && !voters.contains(place));
        let votes: Vec<_> = others
            .chain(own)
            .chain(rest)
            .filter_map(|place| self.vote(committee, place, (kind, height, digest)))
            .take(committee.votes_needed(kind))
            .collect();
        Certificate::from_votes(committee, kind, height, digest, &votes)
    }

    /// The vote of the key at this place, if it is a validator of this committee.
    pub(super) fn vote(&self, committee: &Committee, place: usize, said: (Kind, Height, Digest)) -> Option<Vote> {
        let (kind, height, digest) = said;
        let index = committee.index_of(&self.key(place)?)?;
        Some(Vote::cast(committee, index, &**self.signers.get(place)?, kind, height, digest))
    }

    /// The core of the key at this place: validators first, then proposers.
    pub(super) fn core(&self, place: usize, restored: Restored) -> Option<(Lbft, Vec<Output>)> {
        let second = Duration::from_secs(1);
        let config = Config { committee: self.committees.first()?.clone(), timeout: second, timeout_cap: second };
        let signer = Arc::clone(self.signers.get(place)?);
        Some(Lbft::without(&self.dropped, config, signer, Arc::clone(&self.cache), restored))
    }

    pub(super) fn key(&self, place: usize) -> Option<PublicKey> {
        self.signers.get(place).map(|signer| signer.public_key())
    }
}

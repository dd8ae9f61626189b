//! What a node knows about one height that no final block covers.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use cpchain_crypto::{Digest, PublicKey, Signature};

use super::{
    certificate::{Certificate, Vote},
    committee::Committee,
    evidence::Evidence,
    statement::{Kind, Statement},
};
use crate::ids::Height;

/// The five states of a validator at one height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Has said nothing.
    #[default]
    Idle,
    /// Has sent PREPARE.
    Prepare,
    /// Has sent COMMIT, or a C-certificate covers the height.
    Commit,
    /// Has sent IMPEACH PREPARE; never COMMITs here.
    ImpeachPrepare,
    /// Left the height by an impeach certificate; never COMMITs here.
    ImpeachCommit,
}

impl State {
    /// IMPEACH PREPARE excludes COMMIT for ever; `lax` is the mutant that lets it.
    pub(crate) fn may_commit(self, lax: bool) -> bool {
        matches!(self, Self::Idle | Self::Prepare) || lax && self == Self::ImpeachPrepare
    }
}

const VOTES: [Kind; 4] = [Kind::Prepare, Kind::Commit, Kind::ImpeachPrepare, Kind::Handover];

#[derive(Debug, Clone, Default)]
pub(crate) struct Round {
    pub(crate) state: State,
    /// A P-certificate let the node leave this height: COMMIT is due once the block is here and checked.
    pub(crate) armed: bool,
    /// Own votes.
    pub(crate) own: Vec<Vote>,
    pub(crate) prepared: Option<Certificate>,
    pub(crate) committed: Option<Certificate>,
    pub(crate) impeached: Option<Certificate>,
    /// Distinct digests under the proposer's seal, at most two.
    pub(crate) seals: Vec<(Digest, Signature)>,
    /// The proposer sealed a block that is wrong in itself.
    pub(crate) illicit: bool,
    /// The own block, if this node is the proposer.
    pub(crate) own_seal: bool,
    tally: BTreeMap<(Kind, u16), Vote>,
    /// What counted PREPAREs name: one digest, unless somebody sealed or voted twice.
    named: Vec<Digest>,
    /// Votes that nobody verified yet, with who sent them.
    waiting: BTreeMap<(Kind, u16), (Vote, PublicKey)>,
    /// Pairs of kinds that were reported, by signer.
    reported: Vec<(u16, Kind, Kind)>,
}

impl Round {
    /// A certificate that lets the next block stand on the block of this height.
    pub(crate) fn certified(&self) -> Option<&Certificate> {
        self.committed.as_ref().or(self.prepared.as_ref())
    }

    pub(crate) fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        [&self.prepared, &self.committed, &self.impeached].into_iter().flatten()
    }

    pub(crate) fn own_vote(&self, kind: Kind) -> Option<&Vote> {
        self.own.iter().find(|vote| vote.kind == kind)
    }

    /// Whether this very statement of this signer was counted.
    pub(crate) fn has_vote(&self, vote: &Vote) -> bool {
        self.tally.get(&(vote.kind, vote.signer)).is_some_and(|known| known.digest == vote.digest)
    }

    /// Counts a verified vote; the first of a signer and kind stays. Gives proof if the signer contradicts itself, once for
    /// each pair of kinds.
    pub(crate) fn count(&mut self, vote: Vote, committee: &Committee) -> Vec<Evidence> {
        let proofs = self.contradictions(&vote, committee);
        let is_first = !self.tally.contains_key(&(vote.kind, vote.signer));
        if is_first {
            self.tally.insert((vote.kind, vote.signer), vote);
            if vote.kind == Kind::Prepare && !self.named.contains(&vote.digest) {
                self.named.push(vote.digest);
            }
        }
        proofs
    }

    /// Digests that validators sent PREPARE for, beside the one block that is known under the seal. Honest validators do so
    /// only for a block under the same seal, so whoever fetches it has proof against the proposer. At most one for each validator.
    pub(crate) fn others(&self) -> impl Iterator<Item = Digest> + '_ {
        self.named.iter().copied().filter(|digest| self.is_other(digest))
    }

    fn is_other(&self, digest: &Digest) -> bool {
        matches!(self.seals.as_slice(), [(known, _)] if known != digest)
    }

    /// Takes out waiting PREPAREs for another block than the one under the seal: true ones are worth a pull.
    pub(crate) fn take_others(&mut self) -> Vec<(Vote, PublicKey)> {
        let prepares = self.waiting.range((Kind::Prepare, 0)..=(Kind::Prepare, u16::MAX));
        let others = prepares.filter(|(_, (vote, _))| self.is_other(&vote.digest)).map(|(place, _)| *place);
        let places: Vec<_> = others.collect();
        places.iter().filter_map(|place| self.waiting.remove(place)).collect()
    }

    /// Proof that the signer of a verified vote said something else before.
    pub(crate) fn contradictions(&mut self, vote: &Vote, committee: &Committee) -> Vec<Evidence> {
        let Some(key) = committee.validator(vote.signer) else { return Vec::new() };
        let said = vote.statement(committee);
        let mut proofs = Vec::new();
        for kind in VOTES {
            let Some(known) = self.tally.get(&(kind, vote.signer)) else { continue };
            let before = known.statement(committee);
            let pair = (vote.signer, kind.min(vote.kind), kind.max(vote.kind));
            if Evidence::conflict(&before, &said) && !self.reported.contains(&pair) {
                self.reported.push(pair);
                proofs.push(Evidence { key, first: (before, known.signature), second: (said, vote.signature) });
            }
        }
        proofs
    }

    /// Takes in a vote that nobody has verified. Gives the votes to verify now: those that a quorum could form of, or this one
    /// and what it contradicts; mostly none.
    pub(crate) fn arrive(&mut self, vote: Vote, from: PublicKey, committee: &Committee) -> Vec<(Vote, PublicKey)> {
        if self.waiting.get(&(vote.kind, vote.signer)).is_some_and(|(known, _)| *known == vote) {
            return Vec::new();
        }
        let counted = VOTES.iter().filter_map(|kind| self.tally.get(&(*kind, vote.signer)));
        let counted = counted.filter(|known| clashes(known, &vote, committee)).count();
        let mut due = self.take_clashing(&vote, committee);
        let is_other = vote.kind == Kind::Prepare && self.is_other(&vote.digest);
        if counted > 0 || !due.is_empty() || is_other {
            due.push((vote, from));
            return due;
        }
        self.waiting.insert((vote.kind, vote.signer), (vote, from));
        self.due(vote.kind, vote.digest, committee)
    }

    /// Takes out waiting votes of the same signer that contradict this one, or claim to be it.
    pub(crate) fn take_clashing(&mut self, vote: &Vote, committee: &Committee) -> Vec<(Vote, PublicKey)> {
        let mut due = Vec::new();
        for kind in VOTES {
            let place = (kind, vote.signer);
            if self.waiting.get(&place).is_some_and(|(known, _)| clashes(known, vote, committee)) {
                due.extend(self.waiting.remove(&place));
            }
        }
        due
    }

    /// Takes out what waits and, with what is counted, could complete a certificate.
    pub(crate) fn due(&mut self, kind: Kind, digest: Digest, committee: &Committee) -> Vec<(Vote, PublicKey)> {
        let range = (kind, 0)..=(kind, u16::MAX);
        let counted = self.tally.range(range.clone()).filter(|(_, vote)| vote.digest == digest).count();
        let fitting = self.waiting.range(range).filter(|(_, (vote, _))| vote.digest == digest);
        let signers: Vec<_> = fitting.map(|(place, _)| *place).collect();
        if self.is_certified(kind) || counted + signers.len() < committee.votes_needed(kind) {
            return Vec::new();
        }
        signers.iter().filter_map(|place| self.waiting.remove(place)).collect()
    }

    /// Whether the certificate of this kind of votes is here.
    pub(crate) fn is_certified(&self, kind: Kind) -> bool {
        self.certificates().any(|certificate| certificate.kind == kind)
    }

    /// A certificate from the votes counted here, if they are a quorum.
    pub(crate) fn certificate(
        &self,
        kind: Kind,
        height: Height,
        digest: Digest,
        committee: &Committee,
    ) -> Option<Certificate> {
        let same = || self.tally.range((kind, 0)..=(kind, u16::MAX)).map(|(_, v)| v).filter(|v| v.digest == digest);
        (same().count() >= committee.votes_needed(kind))
            .then(|| Certificate::from_votes(committee, kind, height, digest, same()))
    }

    /// Notes a digest under the proposer's seal. Gives proof when it is the second.
    pub(crate) fn note_seal(&mut self, said: Statement, seal: Signature, committee: &Committee) -> Option<Evidence> {
        if self.seals.len() >= 2 || self.seals.iter().any(|(digest, _)| *digest == said.digest) {
            return None;
        }
        self.seals.push((said.digest, seal));
        match self.seals.as_slice() {
            [(digest, signature), _] => Some(Evidence {
                key: committee.proposer(said.height),
                first: (Statement { digest: *digest, ..said }, *signature),
                second: (said, seal),
            }),
            _ => None,
        }
    }
}

/// Whether both cannot be true votes of one honest signer: they exclude each other, or are one vote under two signatures.
fn clashes(known: &Vote, vote: &Vote, committee: &Committee) -> bool {
    known.kind == vote.kind || Evidence::conflict(&known.statement(committee), &vote.statement(committee))
}

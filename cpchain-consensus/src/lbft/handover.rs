//! The hand-over: validators of an ended term sign who serves the next one, and `Q` of them prove it to whoever has no state to
//! ask. Nodes derive the committee from their own application; to them the proof is a check of that.
//!
//! - HANDOVER(term, its last height, digest of the next committee) is said once per term, by the rules of votes: logged with
//!   the committee before it leaves (`terms_survive_crashes_and_loss`).
//! - Two of them by one key are evidence; a quorum for another committee than the own application names is a fault
//!   (`hand_overs_are_proven_or_punished`).
//! - It says nothing about blocks, and counts nowhere else (same test).
//! - Its proof travels as gossip, like a VALIDATE (`terms_are_handed_over`). Who hears it before the end of the term is final here
//!   keeps it until then, one of a term (`a_proof_before_the_end_of_the_term_is_kept`).

use super::{
    certificate::{Certificate, Vote},
    committee::Committee,
    engine::Lbft,
    io::{Fault, Output, Record},
    message::Message,
    round::Round,
    statement::Kind,
};
use crate::ids::Term;

/// What is known about who follows the last term that ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Handover {
    /// Votes, by place in the ended committee.
    round: Round,
    pub(crate) own: Option<Vote>,
    pub(crate) certificate: Option<Certificate>,
    /// The proof for the term that this node is still in: others are ahead of it.
    early: Option<Certificate>,
}

impl Handover {
    /// For the term that ends now, with the proof that came before its end, if one did.
    pub(crate) fn next(self) -> (Self, Option<Certificate>) {
        (Self::default(), self.early)
    }
}

impl Lbft {
    /// The committee of this term, if the term is the last one that ended.
    fn ended_in(&self, term: Term) -> Option<&Committee> {
        let ended = if self.over { Some(&self.committee) } else { self.ended.as_ref() };
        ended.filter(|ended| ended.term() == term)
    }

    /// Says who follows, as a validator of the ended term.
    pub(crate) fn sign_handover(&mut self) -> Option<Vote> {
        let ended = self.ended.as_ref().filter(|ended| self.fault.is_none() && self.committee.follows(ended))?;
        let (index, last) = (ended.index_of(&self.me)?, ended.last()?);
        let vote = Vote::cast(ended, index, &*self.signer, Kind::Handover, last, self.committee.digest());
        self.handover.own = Some(vote);
        self.count_handover(vote);
        Some(vote)
    }

    pub(crate) fn take_handover_vote(&mut self, vote: Vote) {
        let Some((ended, from)) = self.ended_in(vote.term).zip(self.neighbour) else { return };
        let (key, in_place) = (ended.validator(vote.signer), ended.last() == Some(vote.height));
        if in_place && self.handover.round.has_vote(&vote) {
            // Its signer repeats it because it lacks the proof.
            if let Some(proof) = self.handover.certificate.clone().filter(|_| key == Some(from)) {
                self.send(alloc::vec![from], Message::Certificate(proof));
            }
            return;
        }
        if !in_place || vote.verify(ended, &self.cache).is_none() {
            self.blame("a hand-over that is not of its validator");
            return;
        }
        if self.handover.own.is_some_and(|own| own.signer == vote.signer) {
            self.stop(Fault::LostLog(vote.height));
        }
        self.count_handover(vote);
    }

    fn count_handover(&mut self, vote: Vote) {
        let ended = if self.over { Some(&self.committee) } else { self.ended.as_ref() };
        let Some(ended) = ended else { return };
        let round = &mut self.handover.round;
        let evidence = round.count(vote, ended);
        let known = self.handover.certificate.as_ref().is_some_and(|proof| proof.digest == vote.digest);
        let proof = round.certificate(Kind::Handover, vote.height, vote.digest, ended).filter(|_| !known);
        self.accuse(evidence);
        if let Some(proof) = proof {
            self.accept_handover(proof);
        }
    }

    pub(crate) fn take_handover(&mut self, proof: Certificate) {
        let is_early = !self.over && proof.term == self.committee.term();
        if is_early && self.handover.early.is_some() {
            return;
        }
        let Some(ended) = self.ended_in(proof.term).or(Some(&self.committee).filter(|_| is_early)) else { return };
        if !is_early && self.handover.certificate.as_ref().is_some_and(|known| known.digest == proof.digest) {
            return;
        }
        if ended.last() != Some(proof.height) || proof.verify(ended, &self.cache).is_err() {
            self.blame("a hand-over that proves nothing");
            return;
        }
        if is_early {
            self.handover.early = Some(proof);
            return;
        }
        self.accept_handover(proof);
    }

    fn accept_handover(&mut self, proof: Certificate) {
        if self.handover.certificate.is_some() {
            self.stop(Fault::Contradiction(proof.height));
            return;
        }
        self.records.push(Record::Handover(proof.clone()));
        self.outputs.push(Output::Gossip(Message::Certificate(proof.clone())));
        self.handover.certificate = Some(proof.clone());
        for vote in proof.votes() {
            let Some(ended) = (if self.over { Some(&self.committee) } else { self.ended.as_ref() }) else { return };
            let evidence = self.handover.round.count(vote, ended);
            self.accuse(evidence);
        }
        self.check_handover();
    }

    /// Whether the own application names the committee that a quorum of the ended one names.
    pub(crate) fn check_handover(&mut self) {
        let Some(proof) = self.handover.certificate.as_ref().filter(|_| !self.over) else { return };
        if proof.digest != self.committee.digest() {
            self.stop(Fault::Committee(self.committee.term()));
        }
    }
}

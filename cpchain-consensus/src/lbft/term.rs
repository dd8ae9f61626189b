//! From one term to the next. The old committee's C-certificate at or above the last height ends the term: the records up
//! to there are final, closing heights are forgotten, and the next committee begins at the height after.

use alloc::{sync::Arc, vec::Vec};

use cpchain_crypto::PublicKey;

use super::{
    block::Block,
    certificate::Certificate,
    committee::{Committee, Role},
    engine::Lbft,
    io::{Closing, Fault, Output, Record},
    lanes::Lanes,
    message::Message,
};
use crate::ids::{Height, Term};

impl Lbft {
    /// Whether a message of this term can be judged. One of an ended term says nothing any more; one of a later term says
    /// that this node is behind. Neither is anybody's fault. Nobody here can check it, so its neighbour is taken to know more
    /// only as a member of this committee or the one before.
    pub(crate) fn is_current(&mut self, term: Term) -> bool {
        if term > self.committee.term() {
            self.later = true;
            let known = |key: &PublicKey| {
                [Some(&self.committee), self.ended.as_ref()]
                    .into_iter()
                    .flatten()
                    .any(|c| c.role(key) != Role::Follower)
            };
            if self.neighbour.as_ref().is_some_and(known) {
                self.hear();
            }
        }
        term == self.committee.term() && !self.over
    }

    /// The chain of a C-certificate, cut at the last height of the term: what is final, and what only closes the term.
    pub(crate) fn cut(&self, chain: Vec<Arc<Block>>, certificate: Certificate) -> (Vec<Arc<Block>>, Option<Closing>) {
        let closes = self.committee.last().is_some_and(|last| certificate.height >= last);
        let (closing, chain): (Vec<_>, Vec<_>) =
            chain.into_iter().partition(|block| self.committee.is_closing(block.height()));
        (chain, closes.then_some(Closing { blocks: closing, certificate }))
    }

    /// The last height of the term is final: nothing of the term matters any more, and no vote is cast until the
    /// application has said who is next.
    pub(crate) fn end_term(&mut self) {
        self.over = true;
        let (handover, early) = core::mem::take(&mut self.handover).next();
        self.handover = handover;
        self.rounds.clear();
        self.blocks.clear();
        self.asked.clear();
        self.lanes = Lanes::default();
        self.building = None;
        self.covered = self.tip.height;
        self.outputs.push(Output::TermEnded(self.committee.clone()));
        if let Some(proof) = early {
            self.take_handover(proof);
        }
    }

    /// The next term begins.
    pub(crate) fn begin_term(&mut self, next: Committee) {
        if !self.over {
            return;
        }
        if !self.may_follow(&next) {
            self.stop(Fault::Committee(next.term()));
            return;
        }
        self.records.push(Record::Committee(next.clone()));
        self.ended = Some(core::mem::replace(&mut self.committee, next));
        self.index = self.committee.index_of(&self.me);
        (self.over, self.later, self.offered) = (false, false, None);
        self.check_handover();
        let own = self.sign_handover();
        self.records.extend(own.map(Record::Vote));
        let first = self.committee.first();
        match self.tip.certificate.clone() {
            Some(certificate) => self.enter(first, certificate),
            None => self.height = first,
        }
        self.hand_over();
    }

    /// Sends what ended the last term, and the proof of who follows, to both committees until the new one has something final:
    /// its members may not have followed the old term, and the old members may not know that it ended. The own part of
    /// the proof is repeated until the proof is whole.
    pub(crate) fn hand_over(&mut self) {
        let Some(ended) = &self.ended else { return };
        let is_young = self.tip.height.next() == self.committee.first();
        let end = self.tip.certificate.clone().filter(|_| is_young);
        let proof = self.handover.certificate.clone().filter(|_| is_young);
        let own = self.handover.own.filter(|_| self.handover.certificate.is_none());
        if ended.index_of(&self.me).is_none() && self.index.is_none() {
            return;
        }
        let old = ended.validators().to_vec();
        let mut to = self.audience();
        to.extend(old.into_iter().filter(|key| *key != self.me && self.committee.index_of(key).is_none()));
        to.sort_unstable();
        to.dedup();
        let messages = end.into_iter().chain(proof).map(Message::Certificate).chain(own.map(Message::Vote));
        messages.for_each(|message| self.send(to.clone(), message));
    }

    /// Whether blocks at this height are the application's; those of closing heights are empty and nobody's.
    pub(crate) fn is_closing(&self, height: Height) -> bool {
        self.committee.is_closing(height)
    }
}

#[cfg(test)]
#[path = "term_net.rs"]
mod net;
#[cfg(test)]
#[path = "term_tests.rs"]
mod tests;

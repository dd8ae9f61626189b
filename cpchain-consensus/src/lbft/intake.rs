//! Taking in what others sent: nothing gets past here unverified or without a bound.

use alloc::sync::Arc;

use cpchain_crypto::Digest;

use super::{
    block::Block,
    certificate::Certificate,
    engine::{CATCH_UP, Check, FUTURE, Held, Lbft, Want},
    evidence::Evidence,
    io::{Fault, Output, Record},
    message::Proposal,
    statement::Kind,
};
use crate::ids::Height;

impl Lbft {
    pub(crate) fn take_proposal(&mut self, proposal: Proposal) {
        // The justification is not sealed: a bad one is dropped and its sender blamed, the block is judged alone.
        for certificate in [proposal.parent, proposal.impeachment].into_iter().flatten() {
            self.take_certificate(certificate);
        }
        self.take_block(proposal.block);
    }

    /// Certificates are exempt from the window: they prove themselves.
    pub(crate) fn take_certificate(&mut self, certificate: Certificate) {
        let Certificate { kind, height, digest, .. } = certificate;
        if kind == Kind::Handover {
            self.take_handover(certificate);
            return;
        }
        if !self.is_current(certificate.term) {
            return;
        }
        let known = if height <= self.tip.height {
            // Of a final height only a contradiction is news.
            kind != Kind::Commit || self.remembered.get(&height).is_none_or(|final_digest| *final_digest == digest)
        } else {
            let same = |c: &Certificate| c.kind == kind && c.digest == digest;
            self.rounds.get(&height).is_some_and(|round| round.certificates().any(same))
        };
        if known {
            return;
        }
        if certificate.verify(&self.committee, &self.cache).is_err() {
            self.blame("a certificate that proves nothing");
            return;
        }
        if height <= self.tip.height {
            self.stop(Fault::Contradiction(height));
            return;
        }
        self.know_own(&certificate);
        self.accept(certificate);
    }

    /// A certificate with a vote of this key that its log does not know.
    fn know_own(&mut self, certificate: &Certificate) {
        let Certificate { kind, height, digest, .. } = *certificate;
        if height > self.covered && self.index.is_some_and(|me| certificate.signers().any(|signer| signer == me)) {
            self.expect_own(height, kind, digest);
        }
    }

    pub(crate) fn expect_own(&mut self, height: Height, kind: Kind, digest: Digest) {
        let own = self.rounds.get(&height).and_then(|round| round.own_vote(kind));
        if own.is_none_or(|own| own.digest != digest) {
            self.stop(Fault::LostLog(height));
        }
    }

    /// A verified certificate of a height above the tip that is not held yet.
    pub(crate) fn accept(&mut self, certificate: Certificate) {
        let height = certificate.height;
        if self.below_window(height) {
            return;
        }
        if self.contradicts(&certificate) {
            self.stop(Fault::Contradiction(height));
            return;
        }
        self.hear();
        self.row_certificate(certificate.clone());
        self.count_all(&certificate);
    }

    /// Whether it cannot be true together with what is held of its height.
    pub(crate) fn contradicts(&self, certificate: &Certificate) -> bool {
        let Certificate { kind, height, digest, .. } = *certificate;
        self.rounds.get(&height).is_some_and(|round| match kind {
            Kind::ImpeachPrepare => round.committed.is_some(),
            Kind::Commit => round.impeached.is_some() || round.certified().is_some_and(|c| c.digest != digest),
            Kind::Prepare | Kind::Seal | Kind::Handover => round.certified().is_some_and(|c| c.digest != digest),
        })
    }

    /// Far below a C-certificate and far above the tip: it will be fetched when catching up gets there.
    pub(crate) fn below_window(&self, height: Height) -> bool {
        height < self.covered && height.0 > self.tip.height.0.saturating_add(CATCH_UP)
    }

    pub(crate) fn take_block(&mut self, block: Arc<Block>) {
        let (height, digest) = (block.height(), block.digest());
        if block.header().chain == self.committee.chain() && !self.is_current(block.header().term) {
            return;
        }
        if height <= self.tip.height || self.blocks.contains_key(&digest) {
            return;
        }
        let far = self.height.0.saturating_add(FUTURE).min(self.tip.height.0.saturating_add(CATCH_UP));
        let near = height.0 <= far || height.0.abs_diff(self.height.0) <= FUTURE;
        let wanted = self.wanted(height, &digest);
        if !near && !wanted {
            return;
        }
        if !block.verify_seal(&self.committee, &self.cache) {
            self.blame("a block that the proposer of its height did not seal");
            return;
        }
        let mine = self.committee.proposer(height) == self.me && height > self.covered;
        if mine && self.rounds.get(&height).is_none_or(|round| !round.own_seal) {
            self.stop(Fault::LostLog(height));
        }
        let bent = self.is_closing(height) && !block.payload().is_empty();
        let round = self.rounds.entry(height).or_default();
        let evidence = round.note_seal(block.statement(), *block.signature(), &self.committee);
        let others = round.take_others();
        let noted = round.seals.iter().any(|(known, _)| *known == digest);
        if bent || block.header().parent_height >= height {
            round.illicit = true;
        } else if noted || wanted {
            self.blocks.insert(digest, Held { block, check: Check::New, logged: false });
            self.shed();
        }
        self.accuse(evidence);
        self.verify_votes(others);
    }

    pub(crate) fn accuse(&mut self, evidence: impl IntoIterator<Item = Evidence>) {
        for proof in evidence {
            self.records.push(Record::Evidence(proof));
            self.outputs.push(Output::Evidence(proof));
        }
    }

    fn wanted(&self, height: Height, digest: &Digest) -> bool {
        let certified = self.rounds.get(&height).and_then(|round| round.certified());
        self.asked.contains(&Want::Block(*digest)) || certified.is_some_and(|c| c.digest == *digest)
    }
}

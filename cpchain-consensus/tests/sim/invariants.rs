//! What must hold in every run, judged from what leaves the nodes alone: no state of a core is looked at.

use std::collections::{BTreeMap, BTreeSet};

use cpchain_consensus::{
    FinalBlock, Height,
    lbft::{Certificate, Committee, Kind, Message, SignatureCache},
};
use cpchain_crypto::{Digest, PublicKey};

#[derive(Default)]
pub(crate) struct Judge {
    finals: BTreeMap<Height, FinalBlock>,
    /// (key, height, kind) of what honest keys signed, with the digest.
    said: BTreeMap<(PublicKey, Height, Kind), Digest>,
    pub(crate) honest: BTreeSet<PublicKey>,
    pub(crate) certified: BTreeMap<(Height, Kind), Digest>,
}

impl Judge {
    /// Every message that leaves a node, honest or not.
    pub(crate) fn sent(&mut self, message: &Message, committee: &Committee, cache: &SignatureCache) {
        match message {
            Message::Vote(vote) => {
                let key = committee.validator(vote.signer).unwrap();
                self.statement(key, vote.height, vote.kind, vote.digest);
            }
            Message::Propose(proposal) => {
                let block = &proposal.block;
                self.statement(committee.proposer(block.height()), block.height(), Kind::Seal, block.digest());
                for certificate in [&proposal.parent, &proposal.impeachment].into_iter().flatten() {
                    self.certificate(certificate, committee, cache);
                }
            }
            Message::Certificate(certificate) => self.certificate(certificate, committee, cache),
            Message::Block(_) | Message::Pull(_) => {}
        }
    }

    /// An honest key says one thing per height and kind, and never both COMMIT and IMPEACH PREPARE.
    fn statement(&mut self, key: PublicKey, height: Height, kind: Kind, digest: Digest) {
        if !self.honest.contains(&key) {
            return;
        }
        let first = *self.said.entry((key, height, kind)).or_insert(digest);
        assert_eq!(first, digest, "an honest key said {kind:?} twice at height {height}");
        let both = [Kind::Commit, Kind::ImpeachPrepare].iter().all(|k| self.said.contains_key(&(key, height, *k)));
        assert!(!both, "an honest key sent COMMIT and IMPEACH PREPARE at height {height}");
    }

    /// One certified digest per height, and no C-certificate beside an impeach certificate.
    fn certificate(&mut self, certificate: &Certificate, committee: &Committee, cache: &SignatureCache) {
        if certificate.verify(committee, cache).is_err() {
            return;
        }
        let (height, kind) = (certificate.height, certificate.kind);
        let first = *self.certified.entry((height, kind)).or_insert(certificate.digest);
        assert_eq!(first, certificate.digest, "two {kind:?} certificates at height {height}");
        let both = [Kind::Commit, Kind::ImpeachPrepare].iter().all(|k| self.certified.contains_key(&(height, *k)));
        assert!(!both, "a C-certificate and an impeach certificate at height {height}");
    }

    /// Agreement: a height is final with one block, on every honest node and across restarts.
    pub(crate) fn finalised(&mut self, node: usize, block: &FinalBlock) {
        let first = self.finals.entry(block.height).or_insert_with(|| block.clone());
        assert_eq!(first, block, "node {node} disagrees at height {}", block.height);
    }

    pub(crate) fn finals(&self) -> impl Iterator<Item = &FinalBlock> {
        self.finals.values()
    }
}

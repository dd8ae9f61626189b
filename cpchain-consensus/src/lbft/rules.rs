//! The table of one validator, row by row. Rows are conditions: [`Lbft::settle`] tests them again after every input,
//! certificates before timers, until none applies.

use super::{
    certificate::{Certificate, Vote},
    engine::{Check, Lbft, Lineage},
    io::{Fault, Output, Record},
    message::Message,
    mutant::Rule,
    round::{Round, State},
    statement::Kind,
};
use crate::ids::Height;
use alloc::vec::Vec;
use cpchain_crypto::Digest;

impl Lbft {
    pub(crate) fn settle(&mut self) {
        while self.row_final() || self.row_commit() || self.row_prepare() || self.row_impeach() || self.row_closing() {}
        self.ask_checks();
        self.offer();
        self.join_lanes();
        self.fetch();
        self.spread();
    }

    /// Rows of a certificate that is new, verified and contradicts nothing: log it; at or above H also forward it, set the
    /// state and enter the next height. Below H it is kept for justifications.
    pub(crate) fn row_certificate(&mut self, certificate: Certificate) {
        let height = certificate.height;
        self.records.push(Record::Certificate(certificate.clone()));
        let current = self.height;
        let (lax, stays) = (self.drops(Rule::ImpeachExcludesCommit), self.stays(&certificate));
        let round = self.rounds.entry(height).or_default();
        match certificate.kind {
            Kind::Prepare => {
                round.prepared = Some(certificate.clone());
                // idle or prepare, h >= H: COMMIT is due. impeach prepare: it leaves, and never COMMITs.
                round.armed |= height >= current && round.state.may_commit(lax);
            }
            Kind::ImpeachPrepare => {
                round.impeached = Some(certificate.clone());
                if height >= current && round.state != State::Commit {
                    (round.state, round.armed) = (State::ImpeachCommit, false);
                }
            }
            Kind::Commit => {
                round.committed = Some(certificate.clone());
                round.state = State::Commit;
                // VALIDATE, once, and only if it covers something new: catching up tells nobody anything.
                let is_news = height > self.covered && self.speaks(height);
                self.cover(height);
                if is_news {
                    self.outputs.push(Output::Gossip(Message::Certificate(certificate.clone())));
                }
            }
            Kind::Seal | Kind::Handover => return,
        }
        if height >= current && !stays {
            self.enter(height.next(), certificate);
        }
    }

    /// A C-certificate covers every height at or below it: votes and blocks there no longer matter beyond the window
    /// that catching up uses.
    fn cover(&mut self, height: Height) {
        self.covered = self.covered.max(height);
        let (low, high) = (Height(self.tip.height.0.saturating_add(super::engine::CATCH_UP)), self.covered);
        self.rounds.retain(|h, _| *h <= low || *h >= high);
        self.blocks.retain(|_, held| held.block.height() <= low || held.block.height() >= high);
    }

    pub(crate) fn enter(&mut self, height: Height, entry: Certificate) {
        self.height = height;
        self.timed_out = false;
        self.moved = true;
        self.outputs.push(Output::Entered { height });
        let after = self.pacemaker.entered(height, self.covered);
        if self.index.is_some() {
            self.outputs.push(Output::StartTimer { height, after });
        }
        // Civilians hear of certificates by VALIDATE and forward nothing else.
        let member = self.index.is_some() || self.committee.proposers().contains(&self.me);
        if member && entry.kind != Kind::Commit {
            let to = self.nearby();
            self.send(to, Message::Certificate(entry.clone()));
        }
        self.entry = Some(entry);
        self.walk();
    }

    /// any | a C-certificate not yet covered, its chain here | block and ancestors are final.
    fn row_final(&mut self) -> bool {
        let ends = |height, round: &Round| round.committed.clone().or_else(|| self.ends_early(height, round));
        let lowest = self.rounds.iter().find_map(|(height, round)| Some((*height, ends(*height, round)?)));
        let Some((height, certificate)) = lowest else { return false };
        match self.lineage(height, certificate.digest) {
            Lineage::Whole(chain) => {
                self.deliver(chain, certificate);
                true
            }
            Lineage::Dead => {
                self.stop(Fault::Contradiction(height));
                false
            }
            Lineage::Missing(_) => false,
        }
    }

    /// idle or prepare | a P-certificate let it leave h; the block is here and checked | log, send COMMIT | commit.
    fn row_commit(&mut self) -> bool {
        let Some(index) = self.votes() else { return false };
        let lax = self.drops(Rule::ImpeachExcludesCommit);
        let due = self.rounds.iter().find_map(|(height, round)| {
            let certificate = round.prepared.as_ref().filter(|_| round.armed && *height > self.covered)?;
            let open = round.state.may_commit(lax);
            let held = self.blocks.get(&certificate.digest).filter(|held| open && held.check == Check::Valid)?;
            Some((*height, held.block.digest()))
        });
        let Some((height, digest)) = due else { return false };
        self.log_block(digest);
        self.vote(index, Kind::Commit, height, digest);
        self.leaves(height);
        true
    }

    /// idle, h = H | a valid PROPOSE whose justification is complete | log block and vote, send PREPARE | prepare.
    fn row_prepare(&mut self) -> bool {
        let Some(index) = self.votes().filter(|_| self.goes_on()) else { return false };
        let valid = |digest: &Digest| self.blocks.get(digest).is_some_and(|held| held.check == Check::Valid);
        let Some(digest) =
            self.candidates().into_iter().find(|d| valid(d) && self.justified(d) && !self.is_too_heavy(d))
        else {
            return false;
        };
        self.log_block(digest);
        self.vote(index, Kind::Prepare, self.height, digest);
        true
    }

    /// What it may PREPARE at H: the block under the proposer's seal, if there is one alone and it has said nothing.
    pub(crate) fn candidates(&self) -> Vec<Digest> {
        let Some(round) = self.rounds.get(&self.height).filter(|round| !round.illicit) else { return Vec::new() };
        let seals = round.seals.iter().map(|(digest, _)| *digest);
        if self.drops(Rule::OnePrepare) && matches!(round.state, State::Idle | State::Prepare) {
            let prepared = |digest| round.own.iter().any(|vote| vote.kind == Kind::Prepare && vote.digest == digest);
            return seals.filter(|digest| !prepared(*digest)).collect();
        }
        if round.state == State::Idle && round.seals.len() == 1 { seals.collect() } else { Vec::new() }
    }

    /// idle or prepare, h = H | the timer; an illicit block under the seal; two digests under it | log, send IMPEACH
    /// PREPARE | impeach prepare.
    fn row_impeach(&mut self) -> bool {
        let Some(index) = self.votes().filter(|_| self.goes_on()) else { return false };
        if !matches!(self.state(self.height), State::Idle | State::Prepare) {
            return false;
        }
        let failed = self.rounds.get(&self.height).is_some_and(|round| {
            let refused = |digest| self.blocks.get(digest).is_some_and(|held| held.check == Check::Illicit);
            round.illicit
                || round.seals.len() > 1 && !self.drops(Rule::OnePrepare)
                || round.seals.iter().any(|(digest, _)| refused(digest))
        });
        if !failed && !self.timed_out {
            return false;
        }
        self.vote(index, Kind::ImpeachPrepare, self.height, Digest::ZERO);
        true
    }

    /// Logs, counts and sends an own vote. The log entry precedes the message because records precede sends.
    pub(crate) fn vote(&mut self, index: u16, kind: Kind, height: Height, digest: Digest) {
        let vote = Vote::cast(&self.committee, index, &*self.signer, kind, height, digest);
        self.records.push(Record::Vote(vote));
        let round = self.rounds.entry(height).or_default();
        round.own.push(vote);
        round.state = match kind {
            Kind::Prepare => State::Prepare,
            Kind::Commit => State::Commit,
            Kind::ImpeachPrepare | Kind::Seal | Kind::Handover => State::ImpeachPrepare,
        };
        self.send_vote(vote);
        self.tally(vote);
    }

    /// COMMITs go to validators; the others also to the next proposer, so that it need not wait for a certificate.
    pub(crate) fn send_vote(&mut self, vote: Vote) {
        let next = (vote.kind != Kind::Commit).then(|| self.committee.proposer(vote.height.next()));
        let to = self.receivers(next);
        self.send(to, Message::Vote(vote));
    }

    fn log_block(&mut self, digest: Digest) {
        if let Some(held) = self.blocks.get_mut(&digest).filter(|held| !held.logged) {
            held.logged = true;
            self.records.push(Record::Block(held.block.clone()));
        }
    }

    /// Whether a block's parent is certified and every height between is impeached.
    pub(crate) fn justified(&self, digest: &Digest) -> bool {
        let Some(held) = self.blocks.get(digest) else { return false };
        let header = held.block.header();
        let parent = (header.parent_height, header.parent);
        let certified = parent == (self.tip.height, self.tip.digest)
            || self.drops(Rule::ParentCertified)
            || self.rounds.get(&parent.0).and_then(|r| r.certified()).is_some_and(|c| c.digest == parent.1);
        let mut between = parent.0.next();
        while certified && between < header.height && !self.drops(Rule::SkippedImpeached) {
            if self.rounds.get(&between).is_none_or(|round| round.impeached.is_none()) {
                return false;
            }
            between = between.next();
        }
        certified
    }

    /// A closing block is empty, and no application judges it: it is checked once its ancestors are here.
    fn row_closing(&mut self) -> bool {
        if self.votes().is_none() || self.committee.last().is_none() {
            return false;
        }
        let checked = self.to_check().into_iter().find(|(height, digest)| {
            let is_new = self.blocks.get(digest).is_some_and(|held| held.check == Check::New);
            self.is_closing(*height) && is_new && matches!(self.lineage(*height, *digest), Lineage::Whole(_))
        });
        let held = checked.and_then(|(_, digest)| self.blocks.get_mut(&digest));
        held.map(|held| held.check = Check::Valid).is_some()
    }

    /// The block at H that may be PREPAREd and certified blocks that wait for a COMMIT.
    fn to_check(&self) -> Vec<(Height, Digest)> {
        let lax = self.drops(Rule::ImpeachExcludesCommit);
        let here = self.candidates().into_iter().filter(|d| self.justified(d)).map(|digest| (self.height, digest));
        let certified = self.rounds.iter().filter_map(|(height, round)| {
            let certificate = round.prepared.as_ref().filter(|_| *height > self.covered)?;
            (round.armed && round.state.may_commit(lax)).then_some((*height, certificate.digest))
        });
        here.chain(certified).collect()
    }

    /// Asks the application about the block at H and about certified blocks that wait for a COMMIT.
    fn ask_checks(&mut self) {
        if self.votes().is_none() {
            return;
        }
        let refused = self.rounds.iter().find(|(height, round)| {
            let certificate = round.prepared.as_ref().filter(|_| **height > self.covered);
            let held = certificate.and_then(|certificate| self.blocks.get(&certificate.digest));
            held.is_some_and(|held| held.check == Check::Illicit)
        });
        if let Some(height) = refused.map(|(height, _)| *height) {
            self.stop(Fault::OwnCheck(height));
            return;
        }
        for (height, digest) in self.to_check() {
            let Lineage::Whole(mut chain) = self.lineage(height, digest) else { continue };
            let Some(block) = chain.pop() else { continue };
            let ancestors = self.ancestors(&chain, height);
            let Some(held) = self.blocks.get_mut(&digest).filter(|held| held.check == Check::New) else { continue };
            held.check = Check::Asked;
            let payload = block.payload().clone();
            self.outputs.push(Output::Verify { height, digest, ancestors, payload });
        }
    }
}

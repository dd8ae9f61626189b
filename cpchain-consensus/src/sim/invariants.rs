//! What must hold in every run, judged from what leaves the members alone. Nothing here asks the code that it judges: quorums,
//! conflicts and certificates are counted again.
//!
//! | invariant | in words |
//! | --- | --- |
//! | no double vote | an honest key says one thing per term, height and kind, and never both COMMIT and IMPEACH PREPARE |
//! | certificates | one certified block per term and height; never a C-certificate beside an impeach certificate |
//! | agreement | a height is final with one block and one state on every honest node, before and after restarts; a term has one committee |
//! | descent | every height ends in turn: with a block sealed by its proposer, prepared by a quorum, on the last proposed block; or impeached by a quorum; all under a C-certificate |
//! | sound evidence | evidence proves itself and accuses no honest key; an honest neighbour is never blamed |
//! | no fault | with at most `f` Byzantine validators no honest node stops voting |
//! | progress | once the faults end every honest node finalises in time ([`Scenario::run`](super::Scenario::run)) |

use std::collections::BTreeMap;

use cpchain_crypto::{Digest, PublicKey, Signature};

use super::{keys::Keys, violation::Violation};
use crate::{
    ids::{Height, Term},
    lbft::{Certificate, Committee, Evidence, FinalEntry, Header, Kind, Message, Statement, impeach_digest},
};

/// What was said about one height.
#[derive(Default)]
struct Said {
    /// By place in the validator list: PREPARE, COMMIT, IMPEACH PREPARE, HANDOVER of the honest.
    votes: Vec<[Option<Digest>; 4]>,
    seal: Option<Digest>,
    certified: Vec<(Kind, Digest)>,
}

/// What a node has given out as final.
#[derive(Clone, Copy, Default)]
struct Followed {
    term: Term,
    last: Height,
    parent_height: Height,
    parent: Digest,
}

/// Watches a world.
pub struct Judge {
    keys: Keys,
    /// By member.
    honest: Vec<bool>,
    committees: BTreeMap<Term, Committee>,
    said: BTreeMap<(Term, Height), Said>,
    finals: BTreeMap<Height, (Digest, Digest)>,
    impeached: u64,
    /// By node.
    followed: Vec<Followed>,
    /// The highest height with a C-certificate, of each term.
    committed: BTreeMap<Term, Height>,
}

type Verdict = Result<(), Violation>;

impl Judge {
    /// Judges a world of these keys; `honest[member]` says who must follow the rules.
    pub fn new(keys: Keys, honest: Vec<bool>, committee: Committee) -> Self {
        Self {
            keys,
            honest,
            committees: BTreeMap::from([(committee.term(), committee)]),
            said: BTreeMap::new(),
            finals: BTreeMap::new(),
            impeached: 0,
            followed: Vec::new(),
            committed: BTreeMap::new(),
        }
    }

    /// A message leaves a member, honest or not.
    ///
    /// # Errors
    /// [`Violation`] if it breaks an invariant.
    pub fn sent(&mut self, message: &Message) -> Verdict {
        match message {
            Message::Vote(vote) => {
                let Some(committee) = self.committees.get(&vote.term) else { return Ok(()) };
                let Some(key) = committee.validator(vote.signer) else { return Ok(()) };
                let said = vote.statement(committee);
                let spoken = self.is_honest(&key) && self.keys.verify(&key, &said, &vote.signature);
                if spoken { self.statement(usize::from(vote.signer), &key, &said) } else { Ok(()) }
            }
            Message::Propose(proposal) => {
                self.sealed(&proposal.block)?;
                [&proposal.parent, &proposal.impeachment].into_iter().flatten().try_for_each(|c| self.certificate(c))
            }
            Message::Certificate(certificate) => self.certificate(certificate),
            Message::Block(block) => self.sealed(block),
            Message::Range(range) => {
                range.blocks.iter().try_for_each(|block| self.sealed(block))?;
                self.certificate(&range.certificate)
            }
            Message::Pull(_) => Ok(()),
        }
    }

    fn sealed(&mut self, block: &crate::lbft::Block) -> Verdict {
        let said = block.statement();
        let Some(committee) = self.committees.get(&said.term) else { return Ok(()) };
        let key = committee.proposer(said.height);
        if !self.is_honest(&key) || !self.keys.verify(&key, &said, block.signature()) {
            return Ok(());
        }
        let seal = self.said.entry((said.term, said.height)).or_default().seal.get_or_insert(said.digest);
        let (member, height, kind) = (Keys::member(&key), said.height, Kind::Seal);
        if *seal == said.digest { Ok(()) } else { Err(Violation::DoubleVote { member, height, kind }) }
    }

    /// An honest validator said this.
    fn statement(&mut self, place: usize, key: &PublicKey, said: &Statement) -> Verdict {
        let Statement { term, kind, height, digest, .. } = *said;
        let round = self.said.entry((term, height)).or_default();
        if round.votes.len() <= place {
            round.votes.resize(place + 1, [None; 4]);
        }
        let Some([prepare, commit, impeach, handover]) = round.votes.get_mut(place) else { return Ok(()) };
        let slot = match kind {
            Kind::Prepare => prepare,
            Kind::Commit => commit,
            Kind::ImpeachPrepare => impeach,
            Kind::Handover => handover,
            Kind::Seal => return Ok(()),
        };
        let member = Keys::member(key);
        if *slot.get_or_insert(digest) != digest {
            return Err(Violation::DoubleVote { member, height, kind });
        }
        if commit.is_some() && impeach.is_some() {
            return Err(Violation::CommitAndImpeach { member, height });
        }
        Ok(())
    }

    /// A certificate was seen; those that prove nothing say nothing.
    fn certificate(&mut self, certificate: &Certificate) -> Verdict {
        let Certificate { term, kind, height, digest, .. } = *certificate;
        let Some(committee) = self.committees.get(&term) else { return Ok(()) };
        if self.said.get(&(term, height)).is_some_and(|round| round.certified.contains(&(kind, digest))) {
            return Ok(());
        }
        let said = Statement { chain: committee.chain(), term, kind, height, digest };
        let (mut spoken, mut places) = (Vec::new(), certificate.signers());
        for signature in certificate.signatures.chunks_exact(64) {
            let key = places.next().and_then(|place| Some((place, committee.validator(place)?)));
            let (Some((place, key)), Some(signature)) = (key, Signature::from_slice(signature)) else { return Ok(()) };
            if !self.keys.verify(&key, &said, &signature) {
                return Ok(());
            }
            spoken.push((usize::from(place), key));
        }
        if places.next().is_some() || spoken.len() < quorum(committee.validators().len()) || kind == Kind::Seal {
            return Ok(());
        }
        drop(places);
        for (place, key) in spoken {
            if self.is_honest(&key) {
                self.statement(place, &key, &said)?;
            }
        }
        let round = self.said.entry((term, height)).or_default();
        let block = |kind: Kind| matches!(kind, Kind::Prepare | Kind::Commit);
        if round.certified.iter().any(|(k, d)| block(*k) && block(kind) && *d != digest) {
            return Err(Violation::TwoCertified { height, kind });
        }
        round.certified.push((kind, digest));
        let has = |wanted: Kind| round.certified.iter().any(|(kind, _)| *kind == wanted);
        if has(Kind::Commit) && has(Kind::ImpeachPrepare) {
            return Err(Violation::CommittedAndImpeached(height));
        }
        if kind == Kind::Commit {
            let highest = self.committed.entry(term).or_default();
            *highest = height.max(*highest);
        }
        Ok(())
    }

    /// An honest node gives out the next final height, with the state after it.
    ///
    /// # Errors
    /// [`Violation`] if it disagrees with another node, or does not stand on what it must stand on.
    pub fn finalised(&mut self, node: usize, entry: &FinalEntry, state: Digest) -> Verdict {
        let term = entry.term;
        let closing = entry.closing.iter().map(|closing| &closing.certificate);
        entry.certificate.iter().chain(closing).try_for_each(|certificate| self.certificate(certificate))?;
        let block = &entry.block;
        let height = block.height;
        let followed = self.followed(node);
        let fail = |why| Err(Violation::Descent { node, height, why });
        if height != followed.last.next() {
            return fail("the height below was not final here before");
        }
        if block.parent != followed.parent {
            return fail("it does not name the last proposed block below it");
        }
        let Some(committee) = self.committees.get(&term) else { return fail("its term has no committee") };
        if block.proposer != committee.proposer(height) {
            return fail("it names another proposer");
        }
        let (kind, digest) =
            if block.impeached { (Kind::ImpeachPrepare, Digest::ZERO) } else { (Kind::Prepare, block.digest) };
        if !self.by_quorum(committee, height, kind, digest) {
            return fail(if block.impeached { "no quorum impeached it" } else { "no quorum prepared it" });
        }
        let mut next = Followed { term, last: height, ..followed };
        if block.impeached {
            let (chain, term) = (committee.chain(), committee.term());
            if block.digest != impeach_digest(chain, term, &followed.parent, height, &block.proposer) {
                return fail("its impeach block is another one");
            }
            // The next term stands on the record of the last height, whatever it is.
            if entry.closing.is_some() {
                (next.parent_height, next.parent) = (height, block.digest);
            }
        } else {
            let Some(sealed) = &entry.sealed else { return fail("the block is not with it") };
            let Some(header) = Header::decode(sealed.encoded_header()) else { return fail("its header is broken") };
            if Header::digest_of(sealed.encoded_header()) != block.digest {
                return fail("its header is that of another block");
            }
            if Digest::content(&block.payload) != header.payload {
                return fail("its payload is another one");
            }
            if (header.parent_height, header.parent) != (followed.parent_height, followed.parent) {
                return fail("its header names another parent");
            }
            if !self.keys.verify(&block.proposer, &sealed.statement(), sealed.signature()) {
                return fail("its proposer did not seal it");
            }
            (next.parent_height, next.parent) = (height, block.digest);
        }
        let seen = (block.digest, state);
        let before = self.finals.len();
        let first = *self.finals.entry(height).or_insert(seen);
        self.impeached += u64::from(block.impeached && self.finals.len() > before);
        if first != seen {
            let what = if first.0 == block.digest { "the state" } else { "the block" };
            return Err(Violation::Disagreement { node, height, what });
        }
        if let Some(slot) = self.followed.get_mut(node) {
            *slot = next;
        }
        Ok(())
    }

    /// A node has given out all that one input made final.
    ///
    /// # Errors
    /// [`Violation::Descent`] if no C-certificate at or above its last final height was ever seen.
    pub fn covered(&mut self, node: usize) -> Verdict {
        let Followed { term, last: height, .. } = self.followed(node);
        let committed = self.committed.get(&term).copied().unwrap_or_default();
        let why = "no C-certificate at or above it was ever seen";
        if height > committed { Err(Violation::Descent { node, height, why }) } else { Ok(()) }
    }

    /// A certificate was seen, or enough honest votes that the Byzantine could complete one.
    fn by_quorum(&self, committee: &Committee, height: Height, kind: Kind, digest: Digest) -> bool {
        let Some(round) = self.said.get(&(committee.term(), height)) else { return false };
        let as_certified = |(k, d): &(Kind, Digest)| match kind {
            Kind::ImpeachPrepare => *k == kind,
            _ => *d == digest && *k != Kind::ImpeachPrepare,
        };
        if round.certified.iter().any(as_certified) {
            return true;
        }
        let spoke = |place: usize| {
            let votes = round.votes.get(place);
            votes.is_some_and(|[prepare, _, impeach, _]| match kind {
                Kind::ImpeachPrepare => impeach.is_some(),
                _ => *prepare == Some(digest),
            })
        };
        let validators = committee.validators();
        let count = validators.iter().enumerate().filter(|(place, key)| !self.is_honest(key) || spoke(*place)).count();
        count >= quorum(validators.len())
    }

    /// A node begins a term.
    ///
    /// # Errors
    /// [`Violation::Committees`] if another node began it with another committee.
    pub fn begins(&mut self, node: usize, committee: &Committee) -> Verdict {
        let term = committee.term();
        let first = self.committees.entry(term).or_insert_with(|| committee.clone());
        if first == committee { Ok(()) } else { Err(Violation::Committees { node, term }) }
    }

    /// A node starts with this much final; what it gives out next follows.
    pub fn restarted(&mut self, node: usize) {
        let _ = self.followed(node);
        if let Some(slot) = self.followed.get_mut(node) {
            *slot = Followed::default();
        }
    }

    fn followed(&mut self, node: usize) -> Followed {
        if self.followed.len() <= node {
            self.followed.resize(node + 1, Followed::default());
        }
        self.followed.get(node).copied().unwrap_or_default()
    }

    /// An honest node reports evidence.
    ///
    /// # Errors
    /// [`Violation`] if it accuses the innocent or proves nothing.
    pub fn evidence(&self, evidence: &Evidence) -> Verdict {
        let member = Keys::member(&evidence.key);
        let ((a, _), (b, _)) = (&evidence.first, &evidence.second);
        let place = (a.chain, a.term, a.height) == (b.chain, b.term, b.height);
        let crossed = [a.kind, b.kind].contains(&Kind::Commit) && [a.kind, b.kind].contains(&Kind::ImpeachPrepare);
        let fail = |why| Err(Violation::Evidence { member, why });
        if !place || !(crossed || a.kind == b.kind && a.digest != b.digest) {
            return fail("the two statements do not exclude each other");
        }
        if [&evidence.first, &evidence.second].iter().any(|(said, by)| !self.keys.verify(&evidence.key, said, by)) {
            return fail("a signature is wrong");
        }
        if self.is_honest(&evidence.key) { fail("the key is honest") } else { Ok(()) }
    }

    /// An honest node blames a neighbour.
    ///
    /// # Errors
    /// [`Violation`] if the neighbour is honest.
    pub fn blamed(&self, node: usize, peer: &PublicKey, reason: &'static str) -> Verdict {
        let member = Keys::member(peer);
        if self.is_honest(peer) { Err(Violation::Blame { node, member, reason }) } else { Ok(()) }
    }

    /// Whether a key belongs to an honest member.
    pub fn is_honest(&self, key: &PublicKey) -> bool {
        self.honest.get(Keys::member(key)).copied().unwrap_or(false)
    }

    /// The highest height that any honest node holds final.
    pub fn final_height(&self) -> Height {
        self.finals.last_key_value().map_or(Height::GENESIS, |(height, _)| *height)
    }

    /// How many final heights were impeached.
    pub const fn impeached(&self) -> u64 {
        self.impeached
    }

    /// Whether a certificate of these votes was seen at a height.
    pub fn certified(&self, term: Term, height: Height, kind: Kind) -> bool {
        self.said.get(&(term, height)).is_some_and(|round| round.certified.iter().any(|(k, _)| *k == kind))
    }
}

/// Counted again, not asked of [`Committee::quorum`].
const fn quorum(validators: usize) -> usize {
    let mut faults = 0;
    while 3 * (faults + 1) < validators {
        faults += 1;
    }
    validators - faults
}

#[cfg(test)]
#[path = "invariants_tests.rs"]
mod tests;

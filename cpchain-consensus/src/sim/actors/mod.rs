//! Byzantine members, as code that ships: each wraps an honest core and bends what it hears and says.
//!
//! An actor holds the key of its member and no other: it may sign anything in its own name, show it to whom it likes, keep
//! back, and repeat; it cannot sign for another.
//!
//! | actor | role | does |
//! | --- | --- | --- |
//! | [`Silent`] | any | nothing |
//! | [`EquivocatingValidator`] | validator | votes for everything it hears of, each vote to whom it likes |
//! | [`FalseImpeacher`] | validator | asks to impeach every height, also after its COMMIT |
//! | [`CertificateWithholder`] | validator | keeps certificates back, shows its PREPARE to one member alone |
//! | [`StaleSigner`] | validator | repeats old messages, votes in other terms and at final heights |
//! | [`LyingPeer`] | any | answers pulls with bent blocks and certificates |
//! | [`EquivocatingProposer`] | proposer | two blocks at a height, each to half of the others |
//! | [`IllicitProposer`] | proposer | payloads that the application refuses |
//! | [`OrphanProposer`] | proposer | blocks beside or on earlier ones, skipping heights that nobody impeached |
//! | [`BulkyProposer`] | proposer | two of the largest blocks for each of its next heights |
//! | [`LateProposer`] | proposer | its block comes about when the timers run out |
//!
//! Twins, two honest nodes with one key, are no actor: see [`Scenario::twin`](super::Scenario::twin).

mod bulky_proposer;
mod certificate_withholder;
mod equivocating_proposer;
mod equivocating_validator;
mod false_impeacher;
mod illicit_proposer;
mod late_proposer;
mod lying_peer;
mod orphan_proposer;
mod silent;
mod stale_signer;

pub use {
    bulky_proposer::BulkyProposer, certificate_withholder::CertificateWithholder,
    equivocating_proposer::EquivocatingProposer, equivocating_validator::EquivocatingValidator,
    false_impeacher::FalseImpeacher, illicit_proposer::IllicitProposer, late_proposer::LateProposer,
    lying_peer::LyingPeer, orphan_proposer::OrphanProposer, silent::Silent, stale_signer::StaleSigner,
};

use std::time::Duration;

use cpchain_crypto::{Digest, PublicKey, Signer};

use super::random::Random;
use crate::{
    ids::Height,
    lbft::{Committee, Kind, Message, Vote},
};

/// What bends one member.
pub trait Actor: Send {
    /// For traces.
    fn name(&self) -> &'static str;

    /// A message arrived. `false` hides it from the honest core below.
    fn hears(&mut self, stage: &mut Stage<'_>, message: &Message) -> bool {
        let _ = (stage, message);
        true
    }

    /// The honest core below wants to send this. What is not passed on to `stage` is not sent.
    fn says(&mut self, stage: &mut Stage<'_>, to: &[PublicKey], message: Message) {
        stage.send(to, message);
    }

    /// At every retry interval.
    fn ticks(&mut self, stage: &mut Stage<'_>) {
        let _ = stage;
    }
}

/// Makes an actor, at the start and at every restart of its member.
pub type MakeActor = fn() -> Box<dyn Actor>;

/// Those that a validator may be, for random scenarios.
pub const VALIDATORS: &[MakeActor] = &[
    || Box::new(Silent),
    || Box::<EquivocatingValidator>::default(),
    || Box::<EquivocatingValidator>::default(),
    || Box::<FalseImpeacher>::default(),
    || Box::new(CertificateWithholder),
    || Box::<StaleSigner>::default(),
    || Box::new(LyingPeer),
];

/// Those that a proposer may be, for random scenarios.
pub const PROPOSERS: &[MakeActor] = &[
    || Box::new(Silent),
    || Box::new(EquivocatingProposer),
    || Box::new(EquivocatingProposer),
    || Box::new(IllicitProposer),
    || Box::<OrphanProposer>::default(),
    || Box::<OrphanProposer>::default(),
    || Box::new(LateProposer(Duration::from_millis(600))),
];

/// What an actor sees of the world, and how it acts on it.
pub struct Stage<'a> {
    /// The committee of its term.
    pub committee: &'a Committee,
    /// Its member's key.
    pub signer: &'a dyn Signer,
    /// Every member but its own.
    pub others: &'a [PublicKey],
    /// The world's stream of random numbers.
    pub random: &'a mut Random,
    pub(crate) sends: Vec<(Duration, Vec<PublicKey>, Message)>,
}

impl Stage<'_> {
    /// Sends now.
    pub fn send(&mut self, to: &[PublicKey], message: Message) {
        self.send_after(Duration::ZERO, to, message);
    }

    /// Sends later.
    pub fn send_after(&mut self, delay: Duration, to: &[PublicKey], message: Message) {
        if !to.is_empty() {
            self.sends.push((delay, to.to_vec(), message));
        }
    }

    /// A random part of the other members.
    pub fn some(&mut self, in_ten_thousand: u32) -> Vec<PublicKey> {
        let random = &mut *self.random;
        self.others.iter().copied().filter(|_| random.chance(in_ten_thousand)).collect()
    }

    /// A vote in its own name; `None` if it is no validator. The digest of an IMPEACH PREPARE is zero whatever is given.
    pub fn vote(&self, kind: Kind, height: Height, digest: Digest) -> Option<Vote> {
        let place = self.committee.index_of(&self.signer.public_key())?;
        let digest = if kind == Kind::ImpeachPrepare { Digest::ZERO } else { digest };
        Some(Vote::cast(self.committee, place, self.signer, kind, height, digest))
    }

    /// Whether a block at this height would carry its own seal.
    pub fn is_my_turn(&self, height: Height) -> bool {
        self.committee.proposer(height) == self.signer.public_key()
    }
}

/// The height and digest that a message is about.
pub(crate) fn about(message: &Message) -> Option<(Height, Digest)> {
    match message {
        Message::Propose(proposal) => Some((proposal.block.height(), proposal.block.digest())),
        Message::Vote(vote) => Some((vote.height, vote.digest)),
        Message::Certificate(certificate) => Some((certificate.height, certificate.digest)),
        Message::Block(block) => Some((block.height(), block.digest())),
        Message::Pull(_) | Message::Range(_) => None,
    }
}

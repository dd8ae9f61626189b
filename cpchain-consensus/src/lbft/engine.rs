//! The core: its state, and how an input goes through it.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use core::time::Duration;

use cpchain_crypto::{Digest, PublicKey, Signer};

use super::{
    block::Block,
    cache::SignatureCache,
    certificate::Certificate,
    committee::{Committee, Role},
    handover::Handover,
    io::{Fault, Input, Output, Record, Restored},
    lanes::Lanes,
    message::Message,
    pacemaker::Pacemaker,
    round::{Round, State},
};
use crate::ids::Height;

/// How far above the current height votes and blocks are kept.
pub(crate) const FUTURE: u64 = 16;
/// How far above the last final height blocks are taken in while catching up.
pub(crate) const CATCH_UP: u64 = 64;
/// Proposers of that many next heights hear certificates and proposals.
pub(crate) const LOOK_AHEAD: u64 = 2;
/// Digests of final heights that are remembered to notice contradictions.
const REMEMBERED: usize = 256;

/// The parameters of the core; equal on all nodes is best, but safety does not need it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who votes and who proposes.
    pub committee: Committee,
    /// The timer of a height while blocks become final: over three message delays, plus the longest pause that proposers
    /// make between blocks, plus fetch and execution.
    pub timeout: Duration,
    /// The longest timer.
    pub timeout_cap: Duration,
}

/// What a block's payload is known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    New,
    Asked,
    Valid,
    Illicit,
}

#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) block: Arc<Block>,
    pub(crate) check: Check,
    pub(crate) logged: bool,
}

/// The last final block, which everything else stands on.
#[derive(Debug, Clone)]
pub(crate) struct Tip {
    pub(crate) height: Height,
    pub(crate) digest: Digest,
    pub(crate) certificate: Option<Certificate>,
}

/// Something that this node lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Want {
    Range(Height),
    Height(Height),
    Block(Digest),
}

/// One node's LBFT: [`step`](Self::step) takes what happened and says what to do. It has no clock, no disk, no network,
/// and two runs with the same inputs are equal.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use cpchain_consensus::{ChainId, Height, Term, lbft::*};
/// use cpchain_crypto::{Signer, SigningKey};
///
/// let key = SigningKey::from_seed(&[1; 32]);
/// let me = vec![key.public_key()];
/// let committee = Committee::new(ChainId::new("solo", b""), Term(0), me.clone(), me)?;
/// let config = Config { committee, timeout: Duration::from_secs(1), timeout_cap: Duration::from_secs(60) };
/// let (mut node, outputs) =
///     Lbft::new(config, Arc::new(key), Arc::new(SignatureCache::new(1000)), Restored::default());
/// assert!(outputs.iter().any(|o| matches!(o, Output::MayPropose { height: Height(1) })));
///
/// node.step(Input::Propose { height: Height(1) });
/// let outputs = node.step(Input::Payload { height: Height(1), payload: "hello".into() });
/// let Some(Output::Verify { digest, .. }) = outputs.last() else { unreachable!() };
/// // A committee of one has its own quorum: the block is final as soon as the application finds it good.
/// let outputs = node.step(Input::Verified { digest: *digest, verdict: Ok(()) });
/// assert!(outputs.iter().any(|o| matches!(o, Output::Finalised(f) if &f.block.payload[..] == b"hello")));
/// assert_eq!(node.final_height(), Height(1));
/// # Ok::<(), CommitteeError>(())
/// ```
#[cfg_attr(feature = "model", derive(Clone))]
pub struct Lbft {
    pub(crate) committee: Committee,
    pub(crate) cache: Arc<SignatureCache>,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) me: PublicKey,
    pub(crate) index: Option<u16>,
    /// The committee of the term before.
    pub(crate) ended: Option<Committee>,
    pub(crate) handover: Handover,
    /// The last height of the term is final and the next committee is not known yet.
    pub(crate) over: bool,
    /// Somebody spoke of a later term since the last retry.
    pub(crate) later: bool,
    /// H.
    pub(crate) height: Height,
    /// What let this node into H.
    pub(crate) entry: Option<Certificate>,
    pub(crate) timed_out: bool,
    pub(crate) pacemaker: Pacemaker,
    /// Heights above the tip.
    pub(crate) rounds: BTreeMap<Height, Round>,
    /// Blocks above the tip.
    pub(crate) blocks: BTreeMap<Digest, Held>,
    pub(crate) tip: Tip,
    /// The highest height with a C-certificate: at or above the tip.
    pub(crate) covered: Height,
    pub(crate) remembered: BTreeMap<Height, Digest>,
    pub(crate) fault: Option<Fault>,
    /// The height offered to the driver, and the parent chosen when it asked for ancestors.
    pub(crate) offered: Option<Height>,
    pub(crate) building: Option<(Height, Height, Digest)>,
    /// Asked for since the last retry.
    pub(crate) asked: BTreeSet<Want>,
    /// The last range that was asked for did not come.
    pub(crate) no_ranges: bool,
    /// A range came since the last retry, so that the next one may be on its way.
    pub(crate) ranged: bool,
    /// At the last retry it was waited for.
    pub(crate) waited: bool,
    /// Ranges that the next pull asks for: more with each whole answer, one after a lost one.
    pub(crate) pieces: u32,
    /// Parts of the final chain that others are asked for meanwhile.
    pub(crate) lanes: Lanes,
    /// Neighbours that handed over news of late, whether validators or not.
    pub(crate) heard: Vec<PublicKey>,
    pub(crate) cursor: usize,
    /// Who handed over the message that is being taken in.
    pub(crate) neighbour: Option<PublicKey>,
    /// H changed since the last retry.
    pub(crate) moved: bool,
    pub(crate) records: Vec<Record>,
    pub(crate) outputs: Vec<Output>,
    /// Rules that this core leaves out.
    #[cfg(feature = "model")]
    pub(crate) dropped: Vec<super::mutant::Rule>,
}

impl Lbft {
    /// Starts from what the log holds ([`Restored::default`] for a new node whose key never voted). The outputs are
    /// carried out like those of a step: they send again what was sent before the restart.
    pub fn new(
        config: Config,
        signer: Arc<dyn Signer>,
        cache: Arc<SignatureCache>,
        restored: Restored,
    ) -> (Self, Vec<Output>) {
        let mut node = Self::unstarted(config, signer, cache);
        let outputs = node.start(restored);
        (node, outputs)
    }

    /// A core that has read no log and offered nothing yet.
    pub(crate) fn unstarted(config: Config, signer: Arc<dyn Signer>, cache: Arc<SignatureCache>) -> Self {
        let me = signer.public_key();
        let index = config.committee.index_of(&me);
        let before = Height(config.committee.first().0.saturating_sub(1));
        Self {
            committee: config.committee,
            cache,
            signer,
            me,
            index,
            ended: None,
            handover: Handover::default(),
            over: false,
            later: false,
            height: before.next(),
            entry: None,
            timed_out: false,
            pacemaker: Pacemaker::new(config.timeout, config.timeout_cap),
            rounds: BTreeMap::new(),
            blocks: BTreeMap::new(),
            tip: Tip { height: before, digest: Digest::ZERO, certificate: None },
            covered: before,
            remembered: BTreeMap::new(),
            fault: None,
            offered: None,
            building: None,
            asked: BTreeSet::new(),
            no_ranges: false,
            ranged: false,
            waited: false,
            pieces: 1,
            lanes: Lanes::default(),
            heard: Vec::new(),
            cursor: 0,
            neighbour: None,
            moved: false,
            records: Vec::new(),
            outputs: Vec::new(),
            #[cfg(feature = "model")]
            dropped: Vec::new(),
        }
    }

    pub(crate) fn start(&mut self, restored: Restored) -> Vec<Output> {
        self.restore(restored);
        self.settle();
        self.drain()
    }

    /// Takes in what happened; says what to do, in order.
    pub fn step(&mut self, input: Input) -> Vec<Output> {
        match input {
            Input::Message { from, message } => {
                self.neighbour = Some(from);
                match message {
                    Message::Propose(proposal) => self.take_proposal(proposal),
                    Message::Vote(vote) => self.take_vote(vote),
                    Message::Certificate(certificate) => self.take_certificate(certificate),
                    Message::Block(block) => self.take_block(block),
                    Message::Pull(pull) => self.serve(from, &pull),
                    Message::Range(range) => self.take_range(range),
                }
            }
            Input::Timeout { height } => self.timeout(height),
            Input::Retry => self.repeat(),
            Input::Propose { height } => self.build(height),
            Input::Payload { height, payload } => self.seal(height, payload),
            Input::NextTerm(committee) => self.begin_term(committee),
            Input::Verified { digest, verdict } => {
                if let Some(held) = self.blocks.get_mut(&digest) {
                    held.check = if verdict.is_ok() { Check::Valid } else { Check::Illicit };
                }
            }
        }
        self.settle();
        self.neighbour = None;
        self.drain()
    }

    /// The current height H.
    pub const fn height(&self) -> Height {
        self.height
    }

    /// The last height that was given out as final.
    pub const fn final_height(&self) -> Height {
        self.tip.height
    }

    /// The highest height that a C-certificate is held for: what is final, and what will be once its blocks are here.
    pub const fn covered(&self) -> Height {
        self.covered
    }

    /// Whether it has heard, since the last retry interval, of final heights or of a later term that it does not have. What others hold
    /// back it cannot know.
    pub fn is_catching_up(&self) -> bool {
        self.is_behind() || self.later
    }

    /// This node's state at a height above [`final_height`](Self::final_height).
    pub fn state(&self, height: Height) -> State {
        if height <= self.covered {
            return State::Commit;
        }
        self.rounds.get(&height).map_or(State::Idle, |round| round.state)
    }

    /// Why this node stopped voting, if it did.
    pub const fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// The committee of the term that it is in.
    pub const fn committee(&self) -> &Committee {
        &self.committee
    }

    /// This node's key.
    pub const fn key(&self) -> &PublicKey {
        &self.me
    }

    /// What this node's key does in the committee.
    pub fn role(&self) -> Role {
        self.committee.role(&self.me)
    }

    /// Heights above the last final one that this node keeps something about, and blocks: a bound for tests and metrics.
    pub fn held(&self) -> (usize, usize) {
        (self.rounds.len(), self.blocks.len())
    }

    /// The neighbour brought news: it may be asked for more.
    pub(crate) fn hear(&mut self) {
        const MOST: usize = 8;
        if let Some(key) = self.neighbour.filter(|key| !self.heard.contains(key)) {
            self.heard.truncate(MOST - 1);
            self.heard.insert(0, key);
        }
    }

    /// Records first, in one batch; then the rest as it arose.
    fn drain(&mut self) -> Vec<Output> {
        let mut outputs = core::mem::take(&mut self.outputs);
        let records = core::mem::take(&mut self.records);
        if !records.is_empty() {
            let sync = records.iter().any(Record::is_promise);
            outputs.insert(0, Output::Persist { records, sync });
        }
        outputs
    }

    /// Whether this node may vote now.
    pub(crate) const fn votes(&self) -> Option<u16> {
        if self.fault.is_some() || self.over { None } else { self.index }
    }

    pub(crate) fn stop(&mut self, fault: Fault) {
        if self.fault.is_none() {
            self.fault = Some(fault);
            self.records.push(Record::Fault(fault));
            self.outputs.push(Output::Fault(fault));
        }
    }

    pub(crate) fn blame(&mut self, reason: &'static str) {
        if let Some(peer) = self.neighbour {
            self.blame_peer(peer, reason);
        }
    }

    pub(crate) fn blame_peer(&mut self, peer: PublicKey, reason: &'static str) {
        self.heard.retain(|key| *key != peer);
        self.neighbour = self.neighbour.filter(|key| *key != peer);
        self.outputs.push(Output::Blame { peer, reason });
    }

    /// Validators, and the proposers of the current and the next heights, without this node.
    pub(crate) fn audience(&self) -> Vec<PublicKey> {
        self.receivers(self.next_proposers())
    }

    /// Validators and these, without this node, each once.
    pub(crate) fn receivers(&self, more: impl IntoIterator<Item = PublicKey>) -> Vec<PublicKey> {
        self.without_me(self.committee.validators().iter().copied().chain(more))
    }

    /// These, without this node, each once.
    pub(crate) fn without_me(&self, keys: impl IntoIterator<Item = PublicKey>) -> Vec<PublicKey> {
        let mut list: Vec<PublicKey> = Vec::new();
        for key in keys {
            if key != self.me && !list.contains(&key) {
                list.push(key);
            }
        }
        list
    }

    pub(crate) fn send(&mut self, to: Vec<PublicKey>, message: Message) {
        if !to.is_empty() {
            self.outputs.push(Output::Send { to, message });
        }
    }

    pub(crate) fn remember(&mut self, height: Height, digest: Digest) {
        self.remembered.insert(height, digest);
        while self.remembered.len() > REMEMBERED {
            self.remembered.pop_first();
        }
    }

    /// The blocks from above the tip up to this one, lowest first.
    pub(crate) fn lineage(&self, height: Height, digest: Digest) -> Lineage {
        let (mut height, mut digest) = (height, digest);
        let mut chain = Vec::new();
        while height > self.tip.height {
            let Some(held) = self.blocks.get(&digest) else {
                return Lineage::Missing(digest);
            };
            if held.block.height() != height {
                return Lineage::Dead;
            }
            let header = held.block.header();
            // Blocks whose parent is not below them are never held, so this ends.
            (height, digest) = (header.parent_height, header.parent);
            chain.push(Arc::clone(&held.block));
        }
        if (height, digest) != (self.tip.height, self.tip.digest) {
            return Lineage::Dead;
        }
        chain.reverse();
        Lineage::Whole(chain)
    }
}

/// Where a block comes from.
pub(crate) enum Lineage {
    /// From the tip, through these.
    Whole(Vec<Arc<Block>>),
    /// This block is not here.
    Missing(Digest),
    /// Not from the tip.
    Dead,
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;

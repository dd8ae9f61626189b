//! The module: takes proposals, votes and evidence, and does what is due at the end of a block.
//!
//! | in the module's space | value |
//! | --- | --- |
//! | `settings` | what the chain agreed on at genesis |
//! | `n` | how many proposals there were (8) |
//! | `p`, proposal | the [`Proposal`] |
//! | `v`, proposal, account | its vote: 1 for yes or 0 for no, and the weight (16) |
//! | `l`, account | the last height at which its economy deposit stays (8) |
//! | `q`, height, 0, proposal | its vote ends with this height |
//! | `q`, height, 1 or 2, proposal | an update, soft or hard, counts from the next height on |
//! | `c`, parameter | its value as voted (16) |
//! | `u`, 1 or 2 | the version that claims, or blocks, need now (4), and since when (8) |
//! | `i`, account | the weight of an industry node (4) |
//! | `m`, term | its members |
//! | `x`, `y` | validators that leave and come at the end of the term |
//! | `o`, key, term, height | an offence that was told |
//! | `b`, account | the last term whose election it is barred from (8) |
//! | vault `p`, proposal | its deposit |
//! | vault `public` | what was forfeited |
//!
//! Numbers are 8 bytes, big-endian, where no length is given.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    super::{
        dpor::{Settings, elections},
        module::{Call, Context, MAX_SCAN, Module, ModuleError},
    },
    ballot,
    call::GovernanceCall,
    effect, penalty,
    proposal::ProposalId,
    settings::GovernanceSettings,
    validators,
};
use crate::ids::Height;

/// The vault of what was forfeited.
pub(super) const PUBLIC: &[u8] = b"public";
const QUEUE: u8 = b'q';
/// Votes that may end with one height.
const MAX_DUE: usize = 16;

/// What is due at the end of a height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Due {
    Vote = 0,
    SoftUpdate = 1,
    HardUpdate = 2,
}

/// The module.
#[derive(Debug, Clone)]
pub struct Governance {
    pub(super) own: Arc<GovernanceSettings>,
    pub(super) dpor: Arc<Settings>,
}

impl Governance {
    /// The kind of its transactions, and the name of its space.
    pub const KIND: &str = "governance";

    pub(in crate::ledger) fn new(own: GovernanceSettings, dpor: Arc<Settings>) -> Self {
        Self { own: Arc::new(own), dpor }
    }
}

pub(super) fn queue(height: Height) -> Vec<u8> {
    [[QUEUE].as_slice(), &height.0.to_be_bytes()].concat()
}

pub(super) fn due_key(height: Height, due: Due, proposal: ProposalId) -> Vec<u8> {
    [queue(height).as_slice(), &[due as u8], &proposal.0.to_be_bytes()].concat()
}

/// Is there room for one more thing that is due with this height?
pub(super) fn has_room(context: &Context<'_>, height: Height) -> bool {
    context.scan(&queue(height), None, MAX_DUE).len() < MAX_DUE
}

fn read(payload: &[u8]) -> Result<GovernanceCall, ModuleError> {
    GovernanceCall::decode(payload).ok_or_else(|| ModuleError::refused("neither a proposal nor a vote nor evidence"))
}

impl Module for Governance {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn check(&self, payload: &Bytes) -> Result<(), ModuleError> {
        read(payload).map(drop)
    }

    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        match read(call.payload())? {
            GovernanceCall::Propose { action, until } => ballot::open(self, context, call, action, until),
            GovernanceCall::Vote { proposal, approve } => ballot::vote(self, context, call, proposal, approve),
            GovernanceCall::Accuse(evidence) => penalty::accuse(self, context, call, &evidence),
        }
    }

    /// Looks at what is due with this height alone.
    fn end_of_block(&self, context: &mut Context<'_>) -> Result<(), ModuleError> {
        for (key, _) in context.scan(&queue(context.height()), None, MAX_SCAN) {
            let Some((due, proposal)) = key.get(9..).and_then(<[u8]>::split_first) else { continue };
            if let Some(proposal) = elections::number(proposal).map(ProposalId) {
                match due {
                    0 => ballot::end(self, context, proposal)?,
                    _ => effect::come_into_force(context, *due, proposal)?,
                }
            }
            context.remove(&key);
        }
        penalty::impeached(self, context)?;
        if self.dpor.is_last(context.height()) {
            let ended = self.dpor.term(context.height());
            validators::end_of_term(&self.dpor, self.own.archive, context, ended)?;
        }
        Ok(())
    }
}

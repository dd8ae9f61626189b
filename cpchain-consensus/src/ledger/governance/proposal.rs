//! Proposals as the ledger keeps them.

use std::fmt;

use cpchain_crypto::PublicKey;

use super::{
    super::{amount::Amount, transaction::AccountId},
    action::Action,
};
use crate::ids::Height;

const VERSION: u8 = 1;

/// Numbers a proposal: the first is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProposalId(pub u64);

impl fmt::Display for ProposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far a proposal has come. Only an open one changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Status {
    /// Votes are taken.
    Open = 0,
    /// Enough took part and approved: it has happened, or is scheduled.
    Passed = 1,
    /// Enough took part and did not approve.
    Rejected = 2,
    /// Too few took part: the deposit is forfeited.
    Lapsed = 3,
    /// It was approved when it could no longer happen: nothing did.
    Void = 4,
}

impl Status {
    const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Open),
            1 => Some(Self::Passed),
            2 => Some(Self::Rejected),
            3 => Some(Self::Lapsed),
            4 => Some(Self::Void),
            _ => None,
        }
    }
}

/// Something that is, or was, put to the vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proposal {
    /// Who proposed it, and has the deposit back.
    pub by: AccountId,
    /// The deposit that was paid.
    pub deposit: Amount,
    /// The last height at which a vote counts.
    pub until: Height,
    /// How far it has come.
    pub status: Status,
    /// In favour: deposits of economy nodes, or validators.
    pub yes: u128,
    /// Against.
    pub no: u128,
    /// What happens if it passes.
    pub action: Action,
}

impl Proposal {
    /// Version 1 (1), status (1), account (32), deposit (16), last height (8), yes (16), no (16), action.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        [
            [VERSION, self.status as u8].as_slice(),
            &self.by.0,
            &self.deposit.to_bytes(),
            &self.until.0.to_be_bytes(),
            &self.yes.to_be_bytes(),
            &self.no.to_be_bytes(),
            &self.action.encode(),
        ]
        .concat()
    }

    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let ([VERSION, status], rest) = bytes.split_first_chunk()? else { return None };
        let (by, rest) = rest.split_first_chunk()?;
        let (deposit, rest) = rest.split_first_chunk()?;
        let (until, rest) = rest.split_first_chunk()?;
        let (yes, rest) = rest.split_first_chunk()?;
        let (no, action) = rest.split_first_chunk()?;
        Some(Self {
            by: PublicKey(*by),
            deposit: Amount(u128::from_be_bytes(*deposit)),
            until: Height(u64::from_be_bytes(*until)),
            status: Status::from_number(*status)?,
            yes: u128::from_be_bytes(*yes),
            no: u128::from_be_bytes(*no),
            action: Action::decode(action)?,
        })
    }
}

/// A vote: 1 for yes or 0 for no, and its weight (16).
pub(super) fn vote_bytes(approve: bool, weight: u128) -> Vec<u8> {
    [[u8::from(approve)].as_slice(), &weight.to_be_bytes()].concat()
}

/// Reads [`vote_bytes`].
pub(super) fn read_vote(bytes: &[u8]) -> Option<(bool, u128)> {
    let (approve, weight) = bytes.split_first()?;
    Some((*approve == 1, u128::from_be_bytes(weight.try_into().ok()?)))
}

//! What all nodes of a chain agree on about votes and penalties.

use cpchain_crypto::PublicKey;

use super::{
    super::{amount::Amount, genesis::Genesis},
    Governance,
    validators::{self, Members},
};
use crate::{ids::Term, lbft::MAX_VALIDATORS};

/// Why settings are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GovernanceError {
    /// No validators, too many, or one listed twice.
    #[error("a chain begins with 1 to {MAX_VALIDATORS} validators, each listed once")]
    Validators,
    /// A share above a thousand thousandths, or a vote that nobody could take part in.
    #[error("shares are thousandths, at most 1000; a vote is open for 1 to 2^32 heights")]
    Range,
}

/// The settings of votes and penalties. Shares are thousandths, periods are in heights, and bars in terms.
///
/// | field | default | from |
/// | --- | --- | --- |
/// | deposit of a proposal | 100 CPC | the original's proposals |
/// | a vote is open for | at most 30 days | the original's proposals |
/// | quorum, of all deposits that earn | 200 ‰ | |
/// | approval, more than, of what was cast | 670 ‰ | the original's congress |
/// | notice of an update | 7 days | |
/// | fee of evidence that proves nothing | 10 CPC | |
/// | cut of the deposit of an RNode that contradicted itself | 100 ‰ | |
/// | bar from elections | 240 terms | |
/// | impeached heights in the window that bar as well | 9, at which reputation is at its floor | |
/// | terms whose members evidence is checked against | 256 | |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GovernanceSettings {
    /// The validators that the chain begins with: those of its first [`Committee`](crate::lbft::Committee).
    pub validators: Vec<PublicKey>,
    /// What a proposal costs until it is closed.
    pub deposit: Amount,
    /// The longest time that a vote may be open.
    pub longest: u64,
    /// The least part of all deposits that earn that must be cast.
    pub quorum: u32,
    /// The part of what was cast that must be exceeded by those in favour.
    pub approval: u32,
    /// Heights between the end of a vote on an update and the height from which it is needed; at least 2.
    pub notice: u64,
    /// What evidence that proves nothing costs its sender.
    pub fee: Amount,
    /// The part of its deposit that an RNode loses for a proven contradiction.
    pub cut: u32,
    /// Terms without a seat after an offence.
    pub bar: u64,
    /// Impeached heights in the window of reputation at which an account is barred; 0 for never.
    pub impeachments: u64,
    /// Terms whose members are kept.
    pub archive: u64,
}

impl GovernanceSettings {
    /// The defaults, for a chain that begins with these validators.
    ///
    /// # Errors
    /// [`GovernanceError::Validators`].
    pub fn new(validators: Vec<PublicKey>) -> Result<Self, GovernanceError> {
        check_validators(&validators)?;
        Ok(Self {
            validators,
            deposit: Amount::cpc(100),
            longest: 30 * 8_640,
            quorum: 200,
            approval: 670,
            notice: 7 * 8_640,
            fee: Amount::cpc(10),
            cut: 100,
            bar: 240,
            impeachments: 9,
            archive: 256,
        })
    }

    /// Are they settings that a chain can run with?
    ///
    /// # Errors
    /// [`GovernanceError`].
    pub fn check(&self) -> Result<(), GovernanceError> {
        check_validators(&self.validators)?;
        let shares = [self.quorum, self.approval, self.cut].iter().all(|share| *share <= 1_000);
        let periods = (1..=1 << 32).contains(&self.longest) && self.notice <= 1 << 32 && self.archive >= 1;
        if shares && periods { Ok(()) } else { Err(GovernanceError::Range) }
    }

    /// A genesis whose id commits to these settings, and whose first term has these members.
    pub(in crate::ledger) fn found(&self, genesis: Genesis, proposers: &[PublicKey]) -> Genesis {
        let members = Members { validators: self.validators.clone(), proposers: proposers.to_vec() };
        genesis.entry(Governance::KIND, b"settings", self.to_bytes()).entry(
            Governance::KIND,
            &validators::members_key(Term(0)),
            members.to_bytes(),
        )
    }

    /// All of it but the validators, which stand beside it.
    fn to_bytes(&self) -> Vec<u8> {
        let shares = [self.quorum, self.approval, self.cut].map(u64::from);
        let periods = [self.longest, self.notice, self.bar, self.impeachments, self.archive];
        let mut bytes: Vec<u8> = shares.into_iter().chain(periods).flat_map(u64::to_be_bytes).collect();
        bytes.extend_from_slice(&self.deposit.to_bytes());
        bytes.extend_from_slice(&self.fee.to_bytes());
        bytes
    }
}

fn check_validators(validators: &[PublicKey]) -> Result<(), GovernanceError> {
    let mut sorted = validators.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let is_right = (1..=MAX_VALIDATORS).contains(&sorted.len()) && sorted.len() == validators.len();
    if is_right { Ok(()) } else { Err(GovernanceError::Validators) }
}

//! What can be voted on.

use cpchain_crypto::PublicKey;

use super::super::{amount::Amount, transaction::AccountId};
use crate::ids::Height;

/// A number of the chain that a vote can set. Nobody can vote a reward for somebody, or a chain that none can join: each has bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Parameter {
    /// Zero bits of the CPU proof of a claim: 0 to 32.
    CpuBits = 1,
    /// Zero bits of the memory proof of a claim: 0 to 16.
    MemoryBits = 2,
    /// The least deposit of an RNode, in 10⁻¹⁸ CPC: 1 to 10,000,000 CPC. A claim needs it at the time of the claim.
    RNodeDeposit = 3,
}

impl Parameter {
    /// Whether a vote may set it so.
    pub fn allows(self, value: u128) -> bool {
        match self {
            Self::CpuBits => value <= 32,
            Self::MemoryBits => value <= 16,
            Self::RNodeDeposit => (Amount::cpc(1).0..=Amount::cpc(10_000_000).0).contains(&value),
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::CpuBits),
            2 => Some(Self::MemoryBits),
            3 => Some(Self::RNodeDeposit),
            _ => None,
        }
    }
}

/// Who votes on an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Electorate {
    /// The economy nodes: each vote weighs as much as its deposit.
    Economy,
    /// The validators in office: one vote each.
    Validators,
}

/// What happens if a proposal passes. Its bytes are a number and its fields, big-endian, as listed here.
///
/// ```
/// use cpchain_consensus::{Height, ledger::governance::Action};
/// let action = Action::SoftUpdate { version: 2, from: Height(100_000) };
/// assert_eq!(Action::decode(&action.encode()), Some(action));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// 1, parameter (1), value (16): a number of the chain changes with the end of the vote.
    Set(Parameter, u128),
    /// 2, version (4), height (8): from that height on a claim needs this software. Older nodes follow and validate on.
    SoftUpdate {
        /// The oldest software that may claim.
        version: u32,
        /// The first height at which it counts.
        from: Height,
    },
    /// 3, version (4), height (8): from that height on blocks need this software. Older nodes refuse to go on:
    /// [`Outdated`](crate::Outdated).
    HardUpdate {
        /// The oldest software that may execute blocks, and claim.
        version: u32,
        /// The first height at which it counts.
        from: Height,
    },
    /// 4, account (32), weight (4): an industry node, with the reputation that it has at least in elections.
    AdmitIndustry {
        /// Who it is.
        account: AccountId,
        /// Its least reputation, 1,000 to 10,000.
        weight: u32,
    },
    /// 5, account (32): it is none any more, and stands no more.
    RemoveIndustry(AccountId),
    /// 6, account (32), amount (16): money of the public vault.
    Spend {
        /// Who receives it.
        to: AccountId,
        /// How much.
        amount: Amount,
    },
    /// 7, key (32): a validator from the next term on.
    AddValidator(PublicKey),
    /// 8, key (32): no validator from the next term on.
    RemoveValidator(PublicKey),
}

impl Action {
    /// Who votes on it.
    pub const fn electorate(&self) -> Electorate {
        match self {
            Self::AddValidator(_) | Self::RemoveValidator(_) => Electorate::Validators,
            _ => Electorate::Economy,
        }
    }

    /// The bytes of it.
    pub fn encode(&self) -> Vec<u8> {
        let with = |number: u8, parts: &[&[u8]]| [&[number], parts.concat().as_slice()].concat();
        match self {
            Self::Set(parameter, value) => with(1, &[&[*parameter as u8], &value.to_be_bytes()]),
            Self::SoftUpdate { version, from } => with(2, &[&version.to_be_bytes(), &from.0.to_be_bytes()]),
            Self::HardUpdate { version, from } => with(3, &[&version.to_be_bytes(), &from.0.to_be_bytes()]),
            Self::AdmitIndustry { account, weight } => with(4, &[&account.0, &weight.to_be_bytes()]),
            Self::RemoveIndustry(account) => with(5, &[&account.0]),
            Self::Spend { to, amount } => with(6, &[&to.0, &amount.to_bytes()]),
            Self::AddValidator(key) => with(7, &[&key.0]),
            Self::RemoveValidator(key) => with(8, &[&key.0]),
        }
    }

    /// Reads the bytes; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first()?;
        let update = || {
            let (version, from) = rest.split_first_chunk()?;
            Some((u32::from_be_bytes(*version), Height(u64::from_be_bytes(from.try_into().ok()?))))
        };
        let key = || PublicKey::from_slice(rest);
        match number {
            1 => {
                let (&[parameter], value) = rest.split_first_chunk()?;
                let value = u128::from_be_bytes(value.try_into().ok()?);
                Some(Self::Set(Parameter::from_number(parameter)?, value))
            }
            2 => update().map(|(version, from)| Self::SoftUpdate { version, from }),
            3 => update().map(|(version, from)| Self::HardUpdate { version, from }),
            4 => {
                let (account, weight) = rest.split_first_chunk()?;
                let weight = u32::from_be_bytes(weight.try_into().ok()?);
                Some(Self::AdmitIndustry { account: PublicKey(*account), weight })
            }
            5 => key().map(Self::RemoveIndustry),
            6 => {
                let (to, amount) = rest.split_first_chunk()?;
                Some(Self::Spend { to: PublicKey(*to), amount: Amount::from_slice(amount)? })
            }
            7 => key().map(Self::AddValidator),
            8 => key().map(Self::RemoveValidator),
            _ => None,
        }
    }
}

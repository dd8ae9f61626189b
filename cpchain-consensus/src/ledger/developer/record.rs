//! Applications and leases as the ledger keeps them.

use std::fmt;

use cpchain_crypto::PublicKey;

use super::{
    super::{amount::Amount, transaction::AccountId},
    call::{read_kinds, write_kinds},
};
use crate::ids::Height;

/// Leases that an application has at one time.
pub const MAX_LEASES: usize = 64;

const VERSION: u8 = 1;

/// Numbers a lease: the first is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub u64);

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An application: what it pays for, and what it has for that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sponsor {
    /// What its developer holds.
    pub held: Amount,
    /// Transactions of one user a day.
    pub share: u32,
    /// Whether anybody may join.
    pub is_open: bool,
    /// The kinds of transactions that it pays for.
    pub kinds: Vec<String>,
    /// Accepted leases, by the last height at which they count.
    pub leases: Vec<(Height, Amount)>,
}

impl Sponsor {
    /// What counts at a height: held, and leased.
    pub fn stake(&self, height: Height) -> Amount {
        let leased = self.leases.iter().filter(|(until, _)| *until >= height).map(|(_, amount)| *amount);
        // All of it is money that exists.
        Amount::checked_sum(leased.chain([self.held])).unwrap_or(Amount::ZERO)
    }

    /// Transactions a day at a height.
    pub fn quota(&self, each: Amount, height: Height) -> u64 {
        u64::try_from(self.stake(height).0 / each.0.max(1)).unwrap_or(u64::MAX)
    }

    /// Version 1 (1), held (16), share (4), open (1), kinds, number of leases (1), then until (8) and amount (16) of each.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.held.to_bytes());
        bytes.extend_from_slice(&self.share.to_be_bytes());
        bytes.push(u8::from(self.is_open));
        write_kinds(&self.kinds, &mut bytes);
        bytes.push(u8::try_from(self.leases.len()).unwrap_or(u8::MAX));
        for (until, amount) in &self.leases {
            bytes.extend_from_slice(&until.0.to_be_bytes());
            bytes.extend_from_slice(&amount.to_bytes());
        }
        bytes
    }

    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let (&[VERSION], rest) = bytes.split_first_chunk()? else { return None };
        let (held, rest) = rest.split_first_chunk()?;
        let (share, rest) = rest.split_first_chunk()?;
        let (open, rest) = rest.split_first()?;
        let (kinds, rest) = read_kinds(rest)?;
        let (count, rest) = rest.split_first()?;
        let (rows, []) = rest.as_chunks::<24>() else { return None };
        let row = |row: &[u8; 24]| {
            let (until, amount) = row.split_first_chunk()?;
            Some((Height(u64::from_be_bytes(*until)), Amount::from_slice(amount)?))
        };
        if rows.len() != usize::from(*count) {
            return None;
        }
        Some(Self {
            held: Amount(u128::from_be_bytes(*held)),
            share: u32::from_be_bytes(*share),
            is_open: *open == 1,
            kinds,
            leases: rows.iter().map(row).collect::<Option<_>>()?,
        })
    }
}

/// Money that its owner locks for a developer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Whose money it is.
    pub owner: AccountId,
    /// Whose application it counts for.
    pub developer: AccountId,
    /// How much.
    pub amount: Amount,
    /// What the developer pays for it.
    pub price: Amount,
    /// The last height at which it counts: the last one of a day.
    pub until: Height,
    /// Whether the developer has accepted.
    pub is_accepted: bool,
}

impl Lease {
    /// Version 1 (1), owner (32), developer (32), amount (16), price (16), until (8), accepted (1).
    pub(super) fn to_bytes(self) -> Vec<u8> {
        [
            [VERSION].as_slice(),
            &self.owner.0,
            &self.developer.0,
            &self.amount.to_bytes(),
            &self.price.to_bytes(),
            &self.until.0.to_be_bytes(),
            &[u8::from(self.is_accepted)],
        ]
        .concat()
    }

    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let (&[VERSION], rest) = bytes.split_first_chunk()? else { return None };
        let (owner, rest) = rest.split_first_chunk()?;
        let (developer, rest) = rest.split_first_chunk()?;
        let (amount, rest) = rest.split_first_chunk()?;
        let (price, rest) = rest.split_first_chunk()?;
        let (until, rest) = rest.split_first_chunk()?;
        let [accepted] = rest else { return None };
        Some(Self {
            owner: PublicKey(*owner),
            developer: PublicKey(*developer),
            amount: Amount(u128::from_be_bytes(*amount)),
            price: Amount(u128::from_be_bytes(*price)),
            until: Height(u64::from_be_bytes(*until)),
            is_accepted: *accepted == 1,
        })
    }
}

//! The transactions of the kind [`Developers::KIND`](super::Developers::KIND).

use bytes::Bytes;
use cpchain_crypto::PublicKey;

use super::{
    super::{
        amount::Amount,
        transaction::{AccountId, is_kind},
    },
    record::LeaseId,
};
use crate::ids::Height;

/// Kinds that an application pays for, at most.
pub const MAX_KINDS: usize = 16;

const VERSION: u8 = 1;

/// Payload of a transaction: version 1, the number of the call, and its fields, big-endian, in the order given here.
///
/// ```
/// use cpchain_consensus::ledger::{Amount, developer::DeveloperCall};
/// let call = DeveloperCall::Register { share: 5, is_open: true, kinds: vec!["listing".into(), "grant".into()] };
/// assert_eq!(DeveloperCall::decode(&call.encode()), Some(call));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeveloperCall {
    /// 1: the sender's application, or what it is from now on. Share (4), 1 if open (1), the number of kinds (1), then the
    /// length of each (1) and its name.
    Register {
        /// Transactions of one user a day.
        share: u32,
        /// Whether anybody may join.
        is_open: bool,
        /// What it pays for, each once, at most [`MAX_KINDS`]; none to stop.
        kinds: Vec<String>,
    },
    /// 2: locks an amount (16) for the sender's application.
    Hold(Amount),
    /// 3: takes an amount (16) back.
    Withdraw(Amount),
    /// 4: locks money for a developer (32): amount (16), price (16), last height (8).
    Lease {
        /// For whom.
        developer: AccountId,
        /// How much.
        amount: Amount,
        /// What the developer pays the sender when it accepts.
        price: Amount,
        /// The last height at which it counts; a multiple of the heights of a day.
        until: Height,
    },
    /// 5: the developer takes a lease (8), and pays its price.
    Accept(LeaseId),
    /// 6: the owner has what it leased (8) back: before it is accepted, or after it ended.
    Reclaim(LeaseId),
    /// 7: the sender becomes a user of an open application (32), of no other.
    Join(AccountId),
    /// 8: the sender is a user of none.
    Leave,
    /// 9: the developer takes in a user (32) that has no application.
    Enrol(AccountId),
    /// 10: the developer does not pay for a user (32) any more.
    Expel(AccountId),
}

impl DeveloperCall {
    /// The payload of a transaction.
    pub fn encode(&self) -> Bytes {
        let with = |number: u8, parts: &[&[u8]]| [&[VERSION, number], parts.concat().as_slice()].concat().into();
        match self {
            Self::Register { share, is_open, kinds } => {
                let mut list = Vec::new();
                write_kinds(kinds, &mut list);
                with(1, &[&share.to_be_bytes(), &[u8::from(*is_open)], &list])
            }
            Self::Hold(amount) => with(2, &[&amount.to_bytes()]),
            Self::Withdraw(amount) => with(3, &[&amount.to_bytes()]),
            Self::Lease { developer, amount, price, until } => {
                with(4, &[&developer.0, &amount.to_bytes(), &price.to_bytes(), &until.0.to_be_bytes()])
            }
            Self::Accept(lease) => with(5, &[&lease.0.to_be_bytes()]),
            Self::Reclaim(lease) => with(6, &[&lease.0.to_be_bytes()]),
            Self::Join(developer) => with(7, &[&developer.0]),
            Self::Leave => with(8, &[]),
            Self::Enrol(user) => with(9, &[&user.0]),
            Self::Expel(user) => with(10, &[&user.0]),
        }
    }

    /// Reads a payload; `None` for anything else.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let ([VERSION, number], rest) = payload.split_first_chunk()? else { return None };
        let amount = || Amount::from_slice(rest);
        let account = || PublicKey::from_slice(rest);
        let lease = || rest.try_into().ok().map(u64::from_be_bytes).map(LeaseId);
        match number {
            1 => {
                let (share, rest) = rest.split_first_chunk()?;
                let (open, rest) = rest.split_first()?;
                let (kinds, []) = read_kinds(rest)? else { return None };
                let is_open = match open {
                    0 => false,
                    1 => true,
                    _ => return None,
                };
                Some(Self::Register { share: u32::from_be_bytes(*share), is_open, kinds })
            }
            2 => amount().map(Self::Hold),
            3 => amount().map(Self::Withdraw),
            4 => {
                let (developer, rest) = rest.split_first_chunk()?;
                let (amount, rest) = rest.split_first_chunk()?;
                let (price, until) = rest.split_first_chunk()?;
                Some(Self::Lease {
                    developer: PublicKey(*developer),
                    amount: Amount(u128::from_be_bytes(*amount)),
                    price: Amount(u128::from_be_bytes(*price)),
                    until: Height(u64::from_be_bytes(until.try_into().ok()?)),
                })
            }
            5 => lease().map(Self::Accept),
            6 => lease().map(Self::Reclaim),
            7 => account().map(Self::Join),
            8 => rest.is_empty().then_some(Self::Leave),
            9 => account().map(Self::Enrol),
            10 => account().map(Self::Expel),
            _ => None,
        }
    }
}

/// The number of kinds (1), then the length of each (1) and its name.
pub(super) fn write_kinds(kinds: &[String], bytes: &mut Vec<u8>) {
    let byte = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    bytes.push(byte(kinds.len()));
    for kind in kinds {
        bytes.push(byte(kind.len()));
        bytes.extend_from_slice(kind.as_bytes());
    }
}

/// Reads what [`write_kinds`] gave, and what follows it.
pub(super) fn read_kinds(bytes: &[u8]) -> Option<(Vec<String>, &[u8])> {
    let (count, mut rest) = bytes.split_first()?;
    let mut kinds: Vec<String> = Vec::new();
    for _ in 0..usize::from(*count).min(MAX_KINDS + 1) {
        let (length, after) = rest.split_first()?;
        let (kind, after) = after.split_at_checked(usize::from(*length))?;
        let kind = std::str::from_utf8(kind).ok().filter(|kind| is_kind(kind))?;
        if kinds.len() == MAX_KINDS || kinds.iter().any(|known| known == kind) {
            return None;
        }
        kinds.push(kind.to_owned());
        rest = after;
    }
    Some((kinds, rest))
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::Digest;
    use proptest::prelude::*;

    use super::{
        super::record::{Lease, MAX_LEASES, Sponsor},
        *,
    };

    #[test]
    fn golden_bytes() {
        let (key, amount, until) = (PublicKey([7; 32]), Amount::cpc(258), Height(300));
        let calls = [
            DeveloperCall::Register { share: 3, is_open: true, kinds: vec!["transfer".into(), "till".into()] },
            DeveloperCall::Hold(amount),
            DeveloperCall::Withdraw(amount),
            DeveloperCall::Lease { developer: key, amount, price: Amount(5), until },
            DeveloperCall::Accept(LeaseId(258)),
            DeveloperCall::Reclaim(LeaseId(259)),
            DeveloperCall::Join(key),
            DeveloperCall::Leave,
            DeveloperCall::Enrol(key),
            DeveloperCall::Expel(key),
        ];
        let mut all = Vec::new();
        for call in calls {
            assert_eq!(DeveloperCall::decode(&call.encode()).as_ref(), Some(&call));
            all.extend_from_slice(&call.encode());
        }
        let sponsor = Sponsor {
            held: amount,
            share: 3,
            is_open: true,
            kinds: vec!["till".into()],
            leases: vec![(until, amount); MAX_LEASES],
        };
        assert_eq!(Sponsor::from_slice(&sponsor.to_bytes()).as_ref(), Some(&sponsor));
        all.extend_from_slice(&sponsor.to_bytes());
        let lease = Lease { owner: key, developer: key, amount, price: Amount(5), until, is_accepted: true };
        assert_eq!(Lease::from_slice(&lease.to_bytes()), Some(lease));
        all.extend_from_slice(&lease.to_bytes());
        assert_eq!(Digest::content(&all).to_string(), include_str!("../../../testdata/developer.hex").trim());
    }

    #[test]
    fn kinds_are_few_and_each_is_there_once() {
        let call = |kinds: &[&str]| {
            let kinds = kinds.iter().map(ToString::to_string).collect();
            DeveloperCall::decode(&DeveloperCall::Register { share: 1, is_open: false, kinds }.encode())
        };
        assert!(call(&["a", "b"]).is_some() && call(&[]).is_some());
        assert!(call(&["a", "a"]).is_none() && call(&["A"]).is_none() && call(&[""]).is_none());
        let many: Vec<_> = (0..=MAX_KINDS).map(|i| format!("k{i}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert!(call(&many).is_none() && call(&many[1..]).is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(number in 0u8..12, bytes in prop::collection::vec(any::<u8>(), 0..90)) {
            let bytes = [vec![VERSION, number], bytes].concat();
            if let Some(call) = DeveloperCall::decode(&bytes) {
                prop_assert_eq!(&call.encode()[..], &bytes[..]);
            }
            let _ = (Sponsor::from_slice(&bytes), Lease::from_slice(&bytes));
        }
    }
}

//! The transactions of the kind [`Governance::KIND`](super::Governance::KIND).

use bytes::Bytes;

use super::{action::Action, proposal::ProposalId};
use crate::{ids::Height, lbft::Evidence};

const VERSION: u8 = 1;

/// Payload of a transaction: version 1, the number of the call, and its fields, big-endian.
///
/// ```
/// use cpchain_consensus::ledger::governance::{GovernanceCall, ProposalId};
/// let call = GovernanceCall::Vote { proposal: ProposalId(3), approve: true };
/// assert_eq!(GovernanceCall::decode(&call.encode()), Some(call));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GovernanceCall {
    /// 1, the last height of the vote (8), the action: puts something to the vote, and pays the deposit.
    Propose {
        /// What happens if it passes.
        action: Action,
        /// The last height at which a vote counts.
        until: Height,
    },
    /// 2, proposal (8), 1 for yes or 0 for no: casts a vote, or changes the one cast before.
    Vote {
        /// On which proposal.
        proposal: ProposalId,
        /// Yes or no.
        approve: bool,
    },
    /// 3, the proof: tells of a key that contradicted itself. Whoever finds the proof may send it.
    Accuse(Box<Evidence>),
}

impl GovernanceCall {
    /// The payload of a transaction.
    pub fn encode(&self) -> Bytes {
        let with = |number: u8, parts: &[&[u8]]| [&[VERSION, number], parts.concat().as_slice()].concat().into();
        match self {
            Self::Propose { action, until } => with(1, &[&until.0.to_be_bytes(), &action.encode()]),
            Self::Vote { proposal, approve } => with(2, &[&proposal.0.to_be_bytes(), &[u8::from(*approve)]]),
            Self::Accuse(evidence) => with(3, &[&evidence.to_bytes()]),
        }
    }

    /// Reads a payload; `None` for anything else.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let ([VERSION, number], rest) = payload.split_first_chunk()? else { return None };
        match number {
            1 => {
                let (until, action) = rest.split_first_chunk()?;
                Some(Self::Propose { action: Action::decode(action)?, until: Height(u64::from_be_bytes(*until)) })
            }
            2 => {
                let (proposal, approve) = rest.split_first_chunk()?;
                let approve = match approve {
                    [0] => false,
                    [1] => true,
                    _ => return None,
                };
                Some(Self::Vote { proposal: ProposalId(u64::from_be_bytes(*proposal)), approve })
            }
            3 => Evidence::from_bytes(rest).map(Box::new).map(Self::Accuse),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::{Digest, PublicKey};
    use proptest::prelude::*;

    use super::{
        super::{super::amount::Amount, action::Parameter},
        *,
    };

    fn actions() -> Vec<Action> {
        let (key, from) = (PublicKey([7; 32]), Height(258));
        vec![
            Action::Set(Parameter::CpuBits, 14),
            Action::Set(Parameter::MemoryBits, 7),
            Action::Set(Parameter::RNodeDeposit, Amount::cpc(100_000).0),
            Action::SoftUpdate { version: 2, from },
            Action::HardUpdate { version: 3, from },
            Action::AdmitIndustry { account: key, weight: 5_000 },
            Action::RemoveIndustry(key),
            Action::Spend { to: key, amount: Amount::cpc(9) },
            Action::AddValidator(key),
            Action::RemoveValidator(key),
        ]
    }

    #[test]
    fn golden_bytes() {
        let mut all = Vec::new();
        for action in actions() {
            let call = GovernanceCall::Propose { action, until: Height(300) };
            assert_eq!(GovernanceCall::decode(&call.encode()), Some(call.clone()));
            all.extend_from_slice(&call.encode());
        }
        for approve in [false, true] {
            let call = GovernanceCall::Vote { proposal: ProposalId(513), approve };
            assert_eq!(GovernanceCall::decode(&call.encode()), Some(call.clone()));
            all.extend_from_slice(&call.encode());
        }
        assert_eq!(Digest::content(&all).to_string(), include_str!("../../../testdata/governance.hex").trim());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            head in prop::option::of((0u8..4, 0u8..10)),
            bytes in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let head = head.map_or(Vec::new(), |(number, action)| {
                let until = if number == 1 { vec![0; 8] } else { Vec::new() };
                [vec![VERSION, number], until, vec![action]].concat()
            });
            let bytes = [head, bytes].concat();
            if let Some(call) = GovernanceCall::decode(&bytes) {
                prop_assert_eq!(call.encode(), bytes);
            }
        }
    }
}

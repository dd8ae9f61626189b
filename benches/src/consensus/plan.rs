//! What one run is: the committee, the load, the parts, the faults. A plan travels to other processes as JSON.

use std::{fmt, str::FromStr, time::Duration};

use clap::ValueEnum;
use cpchain_consensus::{
    ChainId, Term,
    lbft::{Committee, CommitteeError},
};
use cpchain_crypto::{PublicKey, Signer as _, SigningKey};
use serde::{Deserialize, Serialize};

use super::faults::Fault;

/// How the nodes reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Transport {
    /// Channels within the process.
    Memory,
    /// TCP, noise and yamux over loopback, all nodes in one process.
    Sockets,
    /// The same, each node a process of its own.
    Processes,
}

/// Where a node logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Disk {
    /// Nowhere: what it costs without a disk.
    Memory,
    /// One redb file for each node, synced before each vote leaves.
    Redb,
}

/// What is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Load {
    /// Bytes that nobody looks at.
    Opaque,
    /// Signed transfers between the accounts of a ledger, checked and executed by every node.
    Transfers,
}

/// Who checks the signatures of transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Verify {
    /// Every node for itself.
    Each,
    /// The first node of the process that meets one.
    Once,
}

/// How much is offered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Rate {
    /// So many transactions in a second, whatever becomes of them.
    Offered(f64),
    /// As much as is committed, with about two full blocks of each proposer under way.
    Saturation,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "saturation" {
            return Ok(Self::Saturation);
        }
        let rate = text.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate > 0.0);
        rate.map(Self::Offered).ok_or_else(|| format!("`{text}` is neither a number of transactions nor `saturation`"))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offered(rate) => write!(f, "{rate:.0}"),
            Self::Saturation => f.write_str("saturation"),
        }
    }
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Validators.
    pub validators: usize,
    /// Proposers.
    pub proposers: usize,
    /// Whether the proposers are the first of the validators, and not nodes of their own.
    pub joint: bool,
    /// Bytes of an opaque transaction.
    pub payload: usize,
    /// How much is offered.
    pub rate: Rate,
    /// What passes before anything counts.
    pub warm_up: Duration,
    /// What counts.
    pub duration: Duration,
    /// Shortest time between two blocks.
    pub block_interval: Duration,
    /// How long validators wait for a proposer.
    pub timeout: Duration,
    /// How the nodes reach each other.
    pub transport: Transport,
    /// Where they log.
    pub disk: Disk,
    /// What is ordered.
    pub load: Load,
    /// Who checks it.
    pub verify: Verify,
    /// What goes wrong in the middle third of the duration.
    pub faults: Vec<Fault>,
}

/// What one node of a plan does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Roles {
    pub(crate) validates: bool,
    pub(crate) proposes: bool,
}

impl Plan {
    /// How many nodes it has.
    pub fn members(&self) -> usize {
        if self.joint { self.validators.max(self.proposers) } else { self.validators + self.proposers }
    }

    pub(crate) fn roles(&self, member: usize) -> Roles {
        let proposes = if self.joint { member < self.proposers } else { member >= self.validators };
        Roles { validates: member < self.validators, proposes }
    }

    /// The members that propose, in the order of their numbers.
    pub(crate) fn proposing(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.members()).filter(|member| self.roles(*member).proposes)
    }

    /// The committee on a chain.
    pub(crate) fn committee(&self, chain: ChainId) -> Result<Committee, CommitteeError> {
        let keys = |wanted: fn(Roles) -> bool| -> Vec<PublicKey> {
            let members = (0..self.members()).filter(|member| wanted(self.roles(*member)));
            members.map(|member| key(member).public_key()).collect()
        };
        Committee::new(chain, Term(0), keys(|roles| roles.validates), keys(|roles| roles.proposes))
    }

    /// The part of the load that one of the proposers' clients makes, in transactions a second.
    pub(crate) fn rate_of_one(&self) -> Option<f64> {
        let clients = self.proposing().filter(|member| self.is_honest(*member)).count().max(1);
        match self.rate {
            Rate::Offered(rate) => Some(rate / clients as f64),
            Rate::Saturation => None,
        }
    }

    /// From the start to the end of what counts.
    pub(crate) fn whole(&self) -> Duration {
        self.warm_up + self.duration
    }

    /// The pause of a proposer that has nothing to order.
    pub(crate) fn idle_interval(&self) -> Duration {
        self.block_interval.max(Duration::from_millis(20))
    }

    /// The parameters of its figures.
    pub(crate) fn params(&self) -> String {
        let name = |value: &dyn fmt::Debug| format!("{value:?}").to_lowercase();
        let size = if self.load == Load::Opaque { format!(" payload={}", self.payload) } else { String::new() };
        let verify =
            if self.load == Load::Transfers { format!(" verify={}", name(&self.verify)) } else { String::new() };
        let faults: Vec<_> = self.faults.iter().map(ToString::to_string).collect();
        let faults = if faults.is_empty() { String::new() } else { format!(" faults={}", faults.join(",")) };
        format!(
            "n={}{}{} transport={} storage={} load={}{size}{verify} rate={}{faults}",
            self.validators,
            if self.joint { "/" } else { "+" },
            self.proposers,
            name(&self.transport),
            name(&self.disk),
            name(&self.load),
            self.rate
        )
    }
}

/// The key of a member.
pub(crate) fn key(member: usize) -> SigningKey {
    seeded(1, member)
}

/// Keys of a kind, by number: the same in every process.
pub(crate) fn seeded(kind: u8, number: usize) -> SigningKey {
    let mut seed = [kind; 32];
    for (slot, byte) in seed.iter_mut().zip((number as u64).to_le_bytes()) {
        *slot = byte;
    }
    SigningKey::from_seed(&seed)
}

#[cfg(test)]
pub(crate) fn small() -> Plan {
    Plan {
        validators: 4,
        proposers: 2,
        joint: false,
        payload: 64,
        rate: Rate::Offered(500.0),
        warm_up: Duration::from_millis(300),
        duration: Duration::from_millis(900),
        block_interval: Duration::from_millis(5),
        timeout: Duration::from_millis(500),
        transport: Transport::Memory,
        disk: Disk::Memory,
        load: Load::Opaque,
        verify: Verify::Each,
        faults: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_they_are_written() {
        for text in ["saturation", "2000"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        assert!("0".parse::<Rate>().is_err() && "much".parse::<Rate>().is_err() && "inf".parse::<Rate>().is_err());
    }

    #[test]
    fn members_have_the_roles_of_the_committee() {
        for joint in [false, true] {
            let plan = Plan { joint, ..small() };
            let committee = plan.committee(ChainId::new("roles", b"")).unwrap();
            assert_eq!((committee.validators().len(), committee.proposers().len()), (4, 2));
            assert_eq!(plan.members(), if joint { 4 } else { 6 });
            for member in plan.proposing() {
                assert!(committee.proposers().contains(&key(member).public_key()));
            }
        }
    }
}

//! Proposals and what came of them.

use cpchain_consensus::ledger::{
    Amount,
    governance::{Action, Electorate, GovernanceView, Parameter, Proposal, ProposalId, Status},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::methods::Rpc;

/// Most proposals of an answer.
const PAGE: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    after: Option<u64>,
}

impl Rpc {
    pub(super) fn proposals(&self, page: &After) -> Value {
        let votes = GovernanceView::new(self.view.clone());
        let (height, found) = self.steady(|| votes.proposals(page.after.map(ProposalId), PAGE));
        let list = found.iter().map(|(id, proposal)| describe(*id, proposal));
        json!({
            "height": height,
            "proposals": list.collect::<Vec<_>>(),
            "public_vault": votes.public_vault().to_string(),
        })
    }
}

fn describe(id: ProposalId, proposal: &Proposal) -> Value {
    // Economy nodes vote with money, validators with one vote each.
    let is_economy = proposal.action.electorate() == Electorate::Economy;
    let weight = |votes: u128| if is_economy { format!("{} CPC", Amount(votes)) } else { votes.to_string() };
    json!({
        "proposal": id.0,
        "action": action(&proposal.action),
        "voters": if is_economy { "economy" } else { "validators" },
        "status": match proposal.status {
            Status::Open => "open",
            Status::Passed => "passed",
            Status::Rejected => "rejected",
            Status::Lapsed => "lapsed",
            Status::Void => "void",
        },
        "until": proposal.until.0,
        "yes": weight(proposal.yes),
        "no": weight(proposal.no),
        "by": proposal.by.to_string(),
        "deposit": proposal.deposit.to_string(),
    })
}

fn action(action: &Action) -> String {
    match action {
        Action::Set(Parameter::CpuBits, value) => format!("cpu-bits {value}"),
        Action::Set(Parameter::MemoryBits, value) => format!("memory-bits {value}"),
        Action::Set(Parameter::RNodeDeposit, value) => format!("rnode-deposit {}", Amount(*value)),
        Action::SoftUpdate { version, from } => format!("soft-update {version} {from}"),
        Action::HardUpdate { version, from } => format!("hard-update {version} {from}"),
        Action::AdmitIndustry { account, weight } => format!("admit-industry {account} {weight}"),
        Action::RemoveIndustry(account) => format!("remove-industry {account}"),
        Action::Spend { to, amount } => format!("spend {to} {amount}"),
        Action::AddValidator(key) => format!("add-validator {key}"),
        Action::RemoveValidator(key) => format!("remove-validator {key}"),
    }
}

//! Proposals and votes.

use cpchain_consensus::{
    Height,
    ledger::governance::{Action, Governance, GovernanceCall, ProposalId},
};
use serde_json::{Value, json};

use super::{Wallet, WalletError, number};
use crate::client::{Client, ClientError};

impl Wallet {
    /// Puts an action to the vote for so many heights from now on; the answer names the proposal.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn propose(&self, action: Action, heights: u64) -> Result<Value, WalletError> {
        let until =
            Height(number(&self.client.call("status", json!({})).await?, "final_height")?.saturating_add(heights));
        self.execute(Governance::KIND, GovernanceCall::Propose { action, until }.encode()).await
    }

    /// Votes on a proposal, or changes the vote before.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn vote(&self, proposal: ProposalId, approve: bool) -> Result<Value, WalletError> {
        self.execute(Governance::KIND, GovernanceCall::Vote { proposal, approve }.encode()).await
    }
}

/// Whether validators vote on a proposal, and not economy nodes.
///
/// # Errors
/// [`WalletError::Usage`] if there is none of this number.
pub async fn is_for_validators(client: &Client, proposal: ProposalId) -> Result<bool, WalletError> {
    let before = proposal.0.checked_sub(1);
    let page = client.call("proposals", json!({ "after": before })).await?;
    let list = page.get("proposals").and_then(Value::as_array);
    let list = list.ok_or_else(|| ClientError::Answer("`proposals` is missing".into()))?;
    let found = list.iter().find(|found| found.get("proposal").and_then(Value::as_u64) == Some(proposal.0));
    let found = found.ok_or(WalletError::Usage("there is no such proposal: see `node proposals`"))?;
    Ok(found.get("voters").and_then(Value::as_str) == Some("validators"))
}

//! A candidate's own work: it renews its claim before the last one ends, as long as its account has a deposit.
//!
//! # Rules, and the tests that hold them (`tests/terms.rs`, `tests/candidates.rs`)
//! - The proofs are found on blocking threads: the engine's task never waits for them, and the node ends at once when it is told to
//!   (`claim.rs`).
//! - A claim is sent once and awaited. It expires ten heights after the block that its memory proof is over, so an old one never comes in
//!   late; then a new one is made (`a_claim_that_never_gets_in_is_made_again`).
//! - It never asks for a claim that the ledger would refuse: not without a deposit, and not before the last claim's last term
//!   (`candidates_are_elected_and_renew_their_claims`).

use std::sync::Arc;

use cpchain_consensus::{
    Height,
    ledger::{
        Outcome, TransactionDraft,
        dpor::{Campaigns, Claim, SOFTWARE, admission::Work},
    },
};
use cpchain_crypto::{Digest, Signer as _, SigningKey, vrf::VrfPublicKey};
use serde::Serialize;
use tokio::sync::watch;

use crate::{claim::prove, rpc::Rpc};

/// Heights that are left for a claim to get into a block once its proofs are found.
const LEFT: u64 = 3;

/// How a node's campaign stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Campaigning {
    /// `candidate.campaign` is off.
    Off,
    /// The account of `node.key` has no deposit.
    NoDeposit,
    /// It stands at the ends of the terms up to this one.
    Stands {
        /// The last of them.
        until: u64,
    },
    /// It looks for the proofs.
    Proving,
    /// A claim waits for a block.
    Sent {
        /// The transaction.
        id: String,
    },
    /// The last claim came to nothing; the next one follows.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Makes the claims of one node.
pub(crate) struct Claimant {
    pub(crate) rpc: Rpc,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) beacon: VrfPublicKey,
    pub(crate) terms: u8,
    pub(crate) state: watch::Sender<Campaigning>,
}

impl Claimant {
    /// Until the node ends or is told to.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.campaign() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn campaign(&self) {
        let account = self.key.public_key();
        loop {
            let height = self.rpc.view.height();
            let until = self.rpc.dpor.claimed_until(&account).filter(|last| *last > self.rpc.dpor.term());
            let state = match until {
                _ if self.rpc.dpor.rnode_since(&account).is_none() => Campaigning::NoDeposit,
                Some(until) => Campaigning::Stands { until: until.0 },
                None => match self.claim().await {
                    Ok(()) => continue,
                    Err(reason) => {
                        tracing::warn!(reason, "a claim came to nothing; the next one follows");
                        Campaigning::Failed { reason }
                    }
                },
            };
            self.state.send_replace(state);
            if self.rpc.node.wait_final(height.next()).await.is_err() {
                return;
            }
        }
    }

    /// Makes and sends a claim, and waits until it is executed.
    async fn claim(&self) -> Result<(), String> {
        self.state.send_replace(Campaigning::Proving);
        let (cpu_bits, memory_bits) = self.rpc.dpor.difficulty();
        let memory = self.proof(Work::Memory, memory_bits).await?;
        let cpu = self.proof(Work::Cpu, cpu_bits).await?;
        let claim = Claim { terms: self.terms, software: SOFTWARE, key: self.beacon, cpu, memory };
        let account = self.key.public_key();
        let draft = TransactionDraft {
            chain: self.rpc.view.chain_id(),
            nonce: self.rpc.view.next_nonce(&account),
            expires: Height(memory.1.0.saturating_add(Campaigns::RECENT)),
            kind: Campaigns::KIND.into(),
            payload: claim.encode(),
        };
        let transaction = draft.sign(&*self.key).map_err(|error| error.to_string())?;
        let (id, expires) = (transaction.id(), transaction.expires());
        self.rpc.accept(transaction).await.map_err(|error| error.message)?;
        self.state.send_replace(Campaigning::Sent { id: id.to_string() });
        loop {
            let height = self.rpc.view.height();
            if let Some(receipt) = self.rpc.view.receipt(&id) {
                return match receipt.outcome {
                    Outcome::Applied => Ok(()),
                    Outcome::Failed(error) => Err(error.to_string()),
                    Outcome::Refused(refusal) => Err(refusal.to_string()),
                };
            }
            if height >= expires {
                return Err("no block took the claim in time: are the proposers up?".to_owned());
            }
            self.rpc.node.wait_final(height.next()).await.map_err(|error| error.to_string())?;
        }
    }

    /// A proof over the newest block that there is one over.
    async fn proof(&self, work: Work, bits: u32) -> Result<(u64, Height), String> {
        let (height, block) = self.recent().ok_or("the last blocks were impeached: there is none to prove over")?;
        let view = self.rpc.view.clone();
        let stale = move || view.height().0 >= height.0.saturating_add(Campaigns::RECENT - LEFT);
        let nonce = prove(work, self.key.public_key(), block, bits, stale).await;
        let nonce = nonce.ok_or("the block was too old before the proof was found: this computer is slow, or busy")?;
        Ok((nonce, height))
    }

    fn recent(&self) -> Option<(Height, Digest)> {
        self.rpc.dpor.last_recent_block()
    }
}

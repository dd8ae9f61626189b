//! Standing for election by hand. A node whose `candidate.campaign` is on does the same by itself.

use std::time::{Duration, Instant};

use cpchain_consensus::{
    Height,
    ledger::dpor::{Campaigns, Claim, admission::Work},
};
use cpchain_crypto::{Digest, vrf::VrfPublicKey};
use serde_json::{Value, json};

use super::{Wallet, WalletError, number};
use crate::{claim::prove, client::ClientError, keys};

/// How often stale proofs are found anew.
const TRIES: u32 = 5;
/// How long a proof is looked for before a newer block is asked for.
const PROOF: Duration = Duration::from_secs(20);

impl Wallet {
    /// Stands for the elections at the ends of the next `terms` terms, 1 to 3, with beacons of this key: finds the proofs over recent
    /// blocks, and sends the claim. If no block takes it while they are fresh, all of it is done again, a few times.
    ///
    /// # Errors
    /// [`WalletError`]; before any work if the ledger would refuse the claim.
    pub async fn campaign(&self, beacon: VrfPublicKey, terms: u8) -> Result<Value, WalletError> {
        if !(1..=3).contains(&terms) {
            return Err(WalletError::Usage("a claim is for 1 to 3 terms"));
        }
        for _ in 0..TRIES {
            let Some((memory, expires)) = self.proof(Work::Memory, "memory_bits").await? else { continue };
            let Some((cpu, _)) = self.proof(Work::Cpu, "cpu_bits").await? else { continue };
            let asked = self.asked().await?;
            let software = u32::try_from(number(&asked, "software")?).unwrap_or(u32::MAX);
            let claim = Claim { terms, software, key: beacon, cpu, memory };
            let left = expires.saturating_sub(number(&asked, "height")?);
            if left == 0 {
                continue;
            }
            let transaction = self.client.sign(&self.key, Campaigns::KIND, claim.encode(), left).await?;
            match self.settle(&transaction).await {
                Err(WalletError::NotFinal { .. }) => {}
                answer => return answer,
            }
        }
        Err(WalletError::Stale(TRIES))
    }

    /// What the node says of this account's claims, if it may make one now.
    async fn asked(&self) -> Result<Value, WalletError> {
        let asked = self.client.call("campaign", json!({ "account": self.account().to_string() })).await?;
        if asked.get("rnode").and_then(Value::as_bool) != Some(true) {
            return Err(WalletError::Usage(
                "this account is no RNode: deposit first, with `node deposit --dir DIR rnode AMOUNT`",
            ));
        }
        let last = asked.get("claimed_until").and_then(Value::as_u64);
        if last.is_some_and(|last| number(&asked, "term").is_ok_and(|term| last > term)) {
            return Err(WalletError::Usage("the last claim of this account still runs: see `node balance`"));
        }
        Ok(asked)
    }

    /// A proof over the newest block, and the last height for a claim with it; nothing if the block grew old before it was found.
    async fn proof(&self, work: Work, bits: &str) -> Result<Option<((u64, Height), u64)>, WalletError> {
        let asked = self.asked().await?;
        let unclear = || ClientError::Answer("`block` is no digest".into());
        let Some(block) = asked.get("block").and_then(Value::as_str) else {
            tokio::time::sleep(Duration::from_millis(500)).await;
            return Ok(None);
        };
        let block = Digest(keys::public(block).ok_or_else(unclear)?.0);
        let bits = u32::try_from(number(&asked, bits)?).unwrap_or(u32::MAX);
        let begin = Instant::now();
        let nonce = prove(work, self.account(), block, bits, move || begin.elapsed() > PROOF).await;
        let height = Height(number(&asked, "block_height")?);
        Ok(nonce.map(|nonce| ((nonce, height), height.0.saturating_add(Campaigns::RECENT))))
    }
}

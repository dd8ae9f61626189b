//! Money: transfers, and the pools of deposits.

use cpchain_consensus::ledger::{
    Amount, Transfer,
    dpor::{
        PoolCall, RNodes,
        economy::{Economy, EconomyCall},
    },
};
use cpchain_crypto::PublicKey;
use serde_json::Value;

use super::{Wallet, WalletError};

/// A pool of deposits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Pool {
    /// RNodes: who has a deposit there may stand for election.
    Rnode,
    /// The economy pool: deposits earn, season by season, and vote.
    Economy,
}

impl Wallet {
    /// Sends money.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn send(&self, to: PublicKey, amount: Amount) -> Result<Value, WalletError> {
        self.execute(Transfer::KIND, Transfer { to, amount }.encode()).await
    }

    /// Sends money, and answers as soon as the node has accepted it.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn leave(&self, to: PublicKey, amount: Amount) -> Result<Value, WalletError> {
        let transaction = self.client.transfer(&self.key, to, amount).await?;
        Ok(self.client.submit(&transaction, false).await?)
    }

    /// Puts money into a pool.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn deposit(&self, pool: Pool, amount: Amount) -> Result<Value, WalletError> {
        match pool {
            Pool::Rnode => self.execute(RNodes::KIND, PoolCall::Join(amount).encode()).await,
            Pool::Economy => self.execute(Economy::KIND, EconomyCall::Deposit(amount).encode()).await,
        }
    }

    /// Takes money out of a pool: of an RNode all of it, so no amount is given.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn withdraw(&self, pool: Pool, amount: Option<Amount>) -> Result<Value, WalletError> {
        match (pool, amount) {
            (Pool::Rnode, None) => self.execute(RNodes::KIND, PoolCall::Leave.encode()).await,
            (Pool::Rnode, Some(_)) => {
                Err(WalletError::Usage("an RNode takes back all of its deposit: leave the amount out"))
            }
            (Pool::Economy, Some(amount)) => self.execute(Economy::KIND, EconomyCall::Withdraw(amount).encode()).await,
            (Pool::Economy, None) => Err(WalletError::Usage("say how much to withdraw from the economy pool")),
        }
    }

    /// Takes the interest of this season.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn take_interest(&self) -> Result<Value, WalletError> {
        self.execute(Economy::KIND, EconomyCall::Claim.encode()).await
    }
}

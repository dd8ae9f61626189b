//! The state before height 1.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;

use super::{
    amount::Amount,
    module::{MAX_KEY_BYTES, MAX_VALUE_BYTES},
    state::{Account, Overlay, State},
    transaction::{AccountId, Nonce, is_kind},
    wire,
};
use crate::ChainId;

const VERSION: u32 = 1;

/// Why a genesis, or a set of modules, is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// The balances add up to more than fits.
    #[error("the balances add up to more than 2^128 - 1 units")]
    TooMuch,
    /// Not a name of a kind.
    #[error("`{0}` is not the name of a kind: 1 to 32 of a-z, 0-9, '.', '-' and '_'")]
    BadKind(String),
    /// Two modules of one kind.
    #[error("there are two modules of the kind `{0}`")]
    DuplicateKind(String),
    /// A key, or the name of a vault, is longer than [`MAX_KEY_BYTES`].
    #[error("a key or the name of a vault has more than {MAX_KEY_BYTES} bytes")]
    LongKey,
    /// The [`Checkpoint`](super::Checkpoint) to go on from is of another chain.
    #[error("the checkpoint is of another chain than this genesis and name: remove the file that it is from")]
    OtherChain,
    /// A value is longer than [`MAX_VALUE_BYTES`].
    #[error("a value has more than {MAX_VALUE_BYTES} bytes")]
    LongValue,
}

/// Who has what before the first block. All the money there will ever be.
///
/// Rewards that are paid over years start in a vault of the module that pays them. The id of the chain commits to it.
///
/// ```
/// use cpchain_consensus::ledger::{Amount, Genesis};
/// use cpchain_crypto::PublicKey;
/// let genesis = Genesis::new().account(PublicKey([1; 32]), Amount::cpc(10)).vault("rewards", b"", Amount::cpc(90));
/// assert_ne!(genesis.chain_id("mainnet"), genesis.chain_id("testnet"));
/// assert_ne!(genesis.chain_id("mainnet"), Genesis::new().chain_id("mainnet"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Genesis {
    accounts: BTreeMap<AccountId, Amount>,
    vaults: BTreeMap<(String, Vec<u8>), Amount>,
    entries: BTreeMap<(String, Vec<u8>), Bytes>,
}

impl Genesis {
    /// Nobody has anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// An account with a balance, which may be zero; the last call for an account counts.
    #[must_use]
    pub fn account(mut self, account: AccountId, balance: Amount) -> Self {
        self.accounts.insert(account, balance);
        self
    }

    /// A vault of a module with a balance; the last call for a vault counts.
    #[must_use]
    pub fn vault(mut self, kind: &str, vault: &[u8], balance: Amount) -> Self {
        self.vaults.insert((kind.to_owned(), vault.to_vec()), balance);
        self
    }

    /// An entry in the key-value space of a module; the last call for a key counts.
    #[must_use]
    pub fn entry(mut self, kind: &str, key: &[u8], value: impl Into<Bytes>) -> Self {
        self.entries.insert((kind.to_owned(), key.to_vec()), value.into());
        self
    }

    /// The bytes to which the id of the chain commits.
    pub fn to_bytes(&self) -> Vec<u8> {
        let amount = |amount: &Amount| Bytes::copy_from_slice(&amount.to_bytes());
        let accounts = self.accounts.iter().map(|(key, balance)| wire::GenesisAccount {
            key: Bytes::copy_from_slice(&key.0),
            balance: amount(balance),
        });
        let vaults = self.vaults.iter().map(|((kind, name), balance)| wire::GenesisVault {
            kind: kind.clone(),
            name: Bytes::copy_from_slice(name),
            balance: amount(balance),
        });
        let entries = self.entries.iter().map(|((kind, key), value)| wire::GenesisEntry {
            kind: kind.clone(),
            key: Bytes::copy_from_slice(key),
            value: value.clone(),
        });
        wire::Genesis {
            version: VERSION,
            accounts: accounts.collect(),
            vaults: vaults.collect(),
            entries: entries.collect(),
        }
        .encode_to_vec()
    }

    /// The id of a chain with this name that starts here.
    pub fn chain_id(&self, name: &str) -> ChainId {
        ChainId::new(name, &self.to_bytes())
    }

    /// All the money there is.
    ///
    /// # Errors
    /// [`GenesisError::TooMuch`].
    pub fn supply(&self) -> Result<Amount, GenesisError> {
        Amount::checked_sum(self.accounts.values().chain(self.vaults.values()).copied()).ok_or(GenesisError::TooMuch)
    }

    pub(crate) fn state(&self) -> Result<State, GenesisError> {
        self.supply()?;
        let mut state = State::default();
        let mut overlay = Overlay::new(&state);
        for (account, balance) in &self.accounts {
            overlay.set_account(account, Account { balance: *balance, nonce: Nonce(0) });
        }
        for (kind, key) in self.vaults.keys().chain(self.entries.keys()) {
            if !is_kind(kind) {
                return Err(GenesisError::BadKind(kind.clone()));
            }
            if key.len() > MAX_KEY_BYTES {
                return Err(GenesisError::LongKey);
            }
        }
        for ((kind, vault), balance) in &self.vaults {
            overlay.set_vault(kind, vault, *balance);
        }
        for ((kind, key), value) in &self.entries {
            if value.len() > MAX_VALUE_BYTES {
                return Err(GenesisError::LongValue);
            }
            overlay.set(kind, key, Some(value.clone()));
        }
        let changes = overlay.into_changes();
        state.apply(changes);
        Ok(state)
    }
}

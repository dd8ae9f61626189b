//! Keys and values of the state that others than the ledger read.

use alloc::vec::Vec;

use cpchain_crypto::PublicKey;

const ACCOUNT: u8 = 0;
const VAULT: u8 = 1;
const ENTRY: u8 = 2;

/// Names one value of the ledger's state.
///
/// | key | value |
/// | --- | --- |
/// | `0`, account (32) | [`AccountState`]: balance (16, big-endian), nonce (8, big-endian) |
/// | `1`, length of kind (1), kind, vault | balance (16, big-endian), never zero |
/// | `2`, length of kind (1), kind, module's key | module's value |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateKey(Vec<u8>);

impl StateKey {
    /// An account.
    pub fn account(account: &PublicKey) -> Self {
        Self([&[ACCOUNT], account.0.as_slice()].concat())
    }

    /// A vault of a module.
    pub fn vault(kind: &str, name: &[u8]) -> Self {
        Self::of_kind(VAULT, kind, name)
    }

    /// A key of a module.
    pub fn entry(kind: &str, key: &[u8]) -> Self {
        Self::of_kind(ENTRY, kind, key)
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key's bytes, kept.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn of_kind(area: u8, kind: &str, key: &[u8]) -> Self {
        // A kind has at most 32 bytes; a longer name is nobody's, and 255 no length of one.
        Self([&[area, kind.len().min(255) as u8], kind.as_bytes(), key].concat())
    }
}

/// The value of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountState {
    /// What it can spend, in 10⁻¹⁸ CPC.
    pub balance: u128,
    /// How many of its transactions were executed.
    pub nonce: u64,
}

impl AccountState {
    /// Reads the value of an account; `None` for other bytes.
    pub fn from_value(value: &[u8]) -> Option<Self> {
        let (balance, nonce) = value.split_first_chunk()?;
        Some(Self { balance: u128::from_be_bytes(*balance), nonce: u64::from_be_bytes(nonce.try_into().ok()?) })
    }

    /// The bytes of the value.
    pub fn to_value(self) -> [u8; 24] {
        let mut value = [0; 24];
        let bytes = self.balance.to_be_bytes().into_iter().chain(self.nonce.to_be_bytes());
        value.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
        value
    }
}

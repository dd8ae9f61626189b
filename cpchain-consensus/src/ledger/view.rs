//! Reading the ledger from other tasks.

use std::fmt;

use bytes::Bytes;
use cpchain_crypto::Digest;

use super::{
    amount::Amount,
    application::SharedChain,
    history::{Cursor, EventPage, EventsPruned, Receipt},
    module::MAX_SCAN,
    state::Read,
    transaction::{AccountId, Nonce, TransactionId},
};
use crate::{
    ChainId, Height,
    proof::{HeadProof, StateKey, StateProof},
};

/// What [`LedgerView::prove`] says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvedValue {
    /// The block after which it holds.
    pub height: Height,
    /// The digest of the state after that block, which the proof belongs to.
    pub root: Digest,
    /// The value; `None` if the key has none.
    pub value: Option<Bytes>,
    /// The proof of either.
    pub proof: StateProof,
}

/// What [`LedgerView::prove_certified`] says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedValue {
    /// The final block whose payload names the state: the one after the height below it.
    pub block: Height,
    /// What shows that to whoever has the block's header.
    pub head: HeadProof,
    /// The value; `None` if the key has none.
    pub value: Option<Bytes>,
    /// The proof of either.
    pub proof: StateProof,
}

/// A handle for reading a [`Ledger`](super::Ledger): cheap to clone, usable from any task.
///
/// Each call sees the state after a whole block. Two calls may see two blocks.
#[derive(Clone)]
pub struct LedgerView {
    chain: SharedChain,
    id: ChainId,
}

impl LedgerView {
    pub(crate) fn new(chain: SharedChain, id: ChainId) -> Self {
        Self { chain, id }
    }

    /// The id of the chain, which every transaction names.
    pub fn chain_id(&self) -> ChainId {
        self.id
    }

    /// The last executed block and the digest of the state after it.
    pub fn height_and_root(&self) -> (Height, Digest) {
        let chain = self.chain.read();
        (chain.height, chain.root)
    }

    /// The last executed block.
    pub fn height(&self) -> Height {
        self.chain.read().height
    }

    /// What an account can spend.
    pub fn balance(&self, account: &AccountId) -> Amount {
        self.chain.read().state.account(account).map_or(Amount::ZERO, |account| account.balance)
    }

    /// What a vault of a module holds.
    pub fn held(&self, kind: &str, vault: &[u8]) -> Amount {
        self.chain.read().state.vault(kind, vault)
    }

    /// How many transactions of an account were executed; `None` if it never received anything.
    pub fn nonce(&self, account: &AccountId) -> Option<Nonce> {
        self.chain.read().state.account(account).map(|account| account.nonce)
    }

    /// The nonce for the account's next transaction: after the executed ones and those that wait in this node's pool.
    pub fn next_nonce(&self, account: &AccountId) -> Nonce {
        let chain = self.chain.read();
        chain.pool.next_nonce(account, chain.nonce(account))
    }

    /// What became of a transaction; `None` as long as no executed block has it.
    pub fn receipt(&self, id: &TransactionId) -> Option<Receipt> {
        self.chain.read().history.receipt(id).cloned()
    }

    /// The value of a key of a module.
    pub fn get(&self, kind: &str, key: &[u8]) -> Option<Bytes> {
        self.chain.read().state.get(kind, key)
    }

    /// Entries of a module, as [`Context::scan`](super::Context::scan).
    pub fn scan(&self, kind: &str, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<(Vec<u8>, Bytes)> {
        self.chain.read().state.scan(kind, prefix, after, limit.min(MAX_SCAN))
    }

    /// At most `limit` events from a cursor on, of one kind or of all. A reader keeps [`EventPage::next`], and reads each
    /// event exactly once, also across restarts of the node.
    ///
    /// # Errors
    /// [`EventsPruned`] if this node does not keep events that old.
    pub fn events(&self, kind: Option<&str>, from: Cursor, limit: usize) -> Result<EventPage, EventsPruned> {
        self.chain.read().history.events(kind, from, limit)
    }

    /// What a key has after the last executed block, with a proof for those who hold the root alone: see
    /// [`proof`](crate::proof).
    pub fn prove(&self, key: &StateKey) -> ProvedValue {
        let chain = self.chain.read();
        let (value, proof) = chain.state.prove(key);
        ProvedValue { height: chain.height, root: chain.root, value, proof }
    }

    /// What a key had below the last final block, with a proof for those who hold that block's header alone: see
    /// [`CertifiedState`](crate::proof::CertifiedState). `None` before the first block.
    pub fn prove_certified(&self, key: &StateKey) -> Option<CertifiedValue> {
        let chain = self.chain.read();
        let certified = chain.certified.as_ref()?;
        let (value, proof) = certified.prove(&chain.state, key);
        Some(CertifiedValue { block: certified.block, head: certified.head(), value, proof })
    }

    /// All money, in accounts and vaults: the same at every height. Walks over all of them.
    pub fn supply(&self) -> Amount {
        self.chain.read().state.supply().unwrap_or_default()
    }

    /// The transactions that wait in this node's pool, in the order in which they came.
    pub(crate) fn waiting_transactions(&self) -> Vec<Bytes> {
        self.chain.read().pool.transactions()
    }

    /// The last executed block, the root, and all entries of the state.
    pub(crate) fn whole_state(&self) -> (Height, Digest, Vec<(Vec<u8>, Bytes)>) {
        let chain = self.chain.read();
        (chain.height, chain.root, chain.state.entries())
    }

    /// How many transactions wait in this node's pool.
    pub fn waiting(&self) -> usize {
        self.chain.read().pool.len()
    }
}

impl fmt::Debug for LedgerView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerView").field("height", &self.height()).finish_non_exhaustive()
    }
}

//! How an integrator adds kinds of transactions: the trait [`Module`] and what it may touch, [`Context`].

use bytes::Bytes;
use cpchain_crypto::{Digest, Domain, vrf::VrfProof};

use super::{
    amount::Amount,
    state::{Account, Changes, Overlay, Read, State},
    transaction::{AccountId, Nonce, Transaction, TransactionId},
};
use crate::{ChainId, FinalBlock, Height};

/// The longest key of a module's space and the longest name of a vault, in bytes.
pub const MAX_KEY_BYTES: usize = 256;
/// The largest value of a module's space and the largest event, in bytes.
pub const MAX_VALUE_BYTES: usize = 256 * 1024;
/// The most entries that one scan returns.
pub const MAX_SCAN: usize = 1024;
/// The most events of one transaction, and of one module at the end of one block.
pub const MAX_EVENTS: usize = 1024;

const RANDOMNESS: Domain = Domain::new("cpchain/consensus/block-randomness/v1");

/// Why a module did not do what it was asked. It ends up in the receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// The module's own reason.
    #[error("{0}")]
    Refused(String),
    /// Less money than is to be moved.
    #[error("{needed} CPC are needed, {available} are there")]
    InsufficientFunds {
        /// What was to be moved.
        needed: Amount,
        /// What the account or vault has.
        available: Amount,
    },
    /// A key, value, event or count above its bound.
    #[error("{what} above its bound of {bound}")]
    Bound {
        /// What was too large.
        what: &'static str,
        /// The largest that is accepted.
        bound: usize,
    },
}

impl ModuleError {
    /// A reason of the module's own.
    pub fn refused(reason: impl ToString) -> Self {
        Self::Refused(reason.to_string())
    }
}

/// A kind of transaction.
///
/// # Rules
/// - It holds no state of its own. It is a function over its key-value space, the vaults that it owns and the
///   money of whoever signed the transaction; the ledger keeps, commits to and rolls back all of them.
/// - If [`Module::execute`] returns an error, nothing of it remains but the sender's nonce and a receipt
///   (`tests/ledger.rs`: `a_failing_module_leaves_no_trace`).
/// - It can spend for the sender only, and for its own vaults: the context has no way to reach other money.
/// - No way makes or burns money (`tests/ledger_properties.rs`).
/// - It must be deterministic: no clock, no entropy, no floats, no iteration over hash maps, nothing read outside the
///   context, and not through a [`LedgerView`](super::LedgerView), whose lock the running block holds. Nodes on which it
///   differs come to different roots.
///
/// ```
/// use cpchain_consensus::ledger::{Call, Context, Module, ModuleError};
///
/// /// Remembers who first sent some bytes.
/// struct Notary;
///
/// impl Module for Notary {
///     fn kind(&self) -> &'static str {
///         "notary"
///     }
///
///     fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
///         if context.get(call.payload()).is_some() {
///             return Err(ModuleError::refused("these bytes are taken"));
///         }
///         context.put(call.payload(), call.sender().0.as_slice())?;
///         context.emit(call.payload().clone())
///     }
/// }
/// ```
pub trait Module: Send + Sync {
    /// The name by which transactions ask for it: 1 to 32 of `a-z 0-9 . - _`. It also names the module's space, so it
    /// must never change on a running chain.
    fn kind(&self) -> &'static str;

    /// Looks at a payload alone, before the transaction is taken into the pool, so that a sender hears early of what
    /// cannot succeed. [`execute`](Self::execute) must not rely on it: blocks are filled by others.
    ///
    /// # Errors
    /// The reason for the sender.
    fn check(&self, payload: &Bytes) -> Result<(), ModuleError> {
        let _ = payload;
        Ok(())
    }

    /// Executes a transaction.
    ///
    /// # Errors
    /// The reason for the receipt; all changes and events are dropped then.
    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError>;

    /// Runs once after the transactions of every final block, also of impeached ones: for deadlines and rewards. The
    /// modules run in the order of their names. Keep deadlines under keys that start with the big-endian height and
    /// [`scan`](Context::scan) them; do not walk over everything.
    ///
    /// # Errors
    /// A defect of the module: its changes at this block's end are dropped and the error is logged.
    fn end_of_block(&self, context: &mut Context<'_>) -> Result<(), ModuleError> {
        let _ = context;
        Ok(())
    }
}

/// A transaction under execution: what was asked, and the right to spend the sender's money for it.
#[derive(Debug)]
pub struct Call<'a> {
    transaction: &'a Transaction,
}

impl<'a> Call<'a> {
    pub(crate) fn new(transaction: &'a Transaction) -> Self {
        Self { transaction }
    }

    /// Who signed it.
    pub fn sender(&self) -> AccountId {
        self.transaction.sender()
    }

    /// Its name.
    pub fn id(&self) -> TransactionId {
        self.transaction.id()
    }

    /// What the module is to read.
    pub fn payload(&self) -> &Bytes {
        self.transaction.payload()
    }
}

/// The block under execution, as modules see it.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) chain: ChainId,
    pub(crate) block: &'a FinalBlock,
    pub(crate) beacon: Option<VrfProof>,
    /// Of the transactions so far, with the one that runs.
    pub(crate) senders: &'a [AccountId],
}

/// What a module sees and changes while it runs.
pub struct Context<'a> {
    overlay: Overlay<'a>,
    kind: &'static str,
    scene: Scene<'a>,
    events: Vec<Bytes>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(state: &'a State, kind: &'static str, scene: Scene<'a>) -> Self {
        Self { overlay: Overlay::new(state), kind, scene, events: Vec::new() }
    }

    pub(crate) fn finish(self) -> (Changes, Vec<Bytes>) {
        (self.overlay.into_changes(), self.events)
    }

    /// The height of the block.
    pub fn height(&self) -> Height {
        self.scene.block.height
    }

    /// The id of the chain.
    pub fn chain_id(&self) -> ChainId {
        self.scene.chain
    }

    /// What the proposer added to the seed of the next elections, on a chain that elects its proposers.
    pub fn beacon(&self) -> Option<&VrfProof> {
        self.scene.beacon.as_ref()
    }

    /// Who sent the transactions that used up a nonce in this block so far, in their order, once for each; the last is the one that
    /// runs.
    pub fn senders(&self) -> &[AccountId] {
        self.scene.senders
    }

    /// Who proposed the block, or who was impeached.
    pub fn proposer(&self) -> AccountId {
        self.scene.block.proposer
    }

    /// `true` at the end of an impeached height.
    pub fn is_impeached(&self) -> bool {
        self.scene.block.impeached
    }

    /// A digest of the final block. Nobody knows it when the transaction is signed, but its proposer can try several
    /// blocks: draw with it only where that proposer gains less than the reward of a block.
    pub fn randomness(&self) -> Digest {
        Digest::of(RANDOMNESS, &[&self.scene.block.height.0.to_be_bytes(), self.scene.block.digest.as_ref()])
    }

    /// The value of a key of this module.
    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.overlay.get(self.kind, key)
    }

    /// The value of a key of another module.
    pub fn read(&self, kind: &str, key: &[u8]) -> Option<Bytes> {
        self.overlay.get(kind, key)
    }

    /// Entries of this module in the order of their keys: those whose key starts with `prefix` and is above `after`, at
    /// most `limit` and [`MAX_SCAN`] of them. The last key returned is the `after` of the next page.
    pub fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<(Vec<u8>, Bytes)> {
        self.overlay.scan(self.kind, prefix, after, limit.min(MAX_SCAN))
    }

    /// Sets a key of this module.
    ///
    /// # Errors
    /// [`ModuleError::Bound`] above [`MAX_KEY_BYTES`] or [`MAX_VALUE_BYTES`].
    pub fn put(&mut self, key: &[u8], value: impl AsRef<[u8]>) -> Result<(), ModuleError> {
        bound("a key", key.len(), MAX_KEY_BYTES)?;
        bound("a value", value.as_ref().len(), MAX_VALUE_BYTES)?;
        self.overlay.set(self.kind, key, Some(Bytes::copy_from_slice(value.as_ref())));
        Ok(())
    }

    /// Removes a key of this module, if it is there.
    pub fn remove(&mut self, key: &[u8]) {
        if self.get(key).is_some() {
            self.overlay.set(self.kind, key, None);
        }
    }

    /// What an account can spend.
    pub fn balance(&self, account: &AccountId) -> Amount {
        self.overlay.account(account).map_or(Amount::ZERO, |account| account.balance)
    }

    /// What a vault of this module holds. A vault exists as long as it holds something.
    pub fn held(&self, vault: &[u8]) -> Amount {
        self.overlay.vault(self.kind, vault)
    }

    /// Moves money of the sender to an account, which exists from then on.
    ///
    /// # Errors
    /// [`ModuleError::InsufficientFunds`].
    pub fn transfer(&mut self, call: &Call<'_>, to: &AccountId, amount: Amount) -> Result<(), ModuleError> {
        self.debit(&call.sender(), amount)?;
        self.credit(to, amount)
    }

    /// Moves money of the sender into a vault of this module.
    ///
    /// # Errors
    /// [`ModuleError::InsufficientFunds`], [`ModuleError::Bound`].
    pub fn hold(&mut self, call: &Call<'_>, vault: &[u8], amount: Amount) -> Result<(), ModuleError> {
        bound("the name of a vault", vault.len(), MAX_KEY_BYTES)?;
        let held = self.held(vault).checked_add(amount).ok_or(OVERFLOW)?;
        self.debit(&call.sender(), amount)?;
        self.overlay.set_vault(self.kind, vault, held);
        Ok(())
    }

    /// Moves money from a vault of this module to an account, which exists from then on.
    ///
    /// # Errors
    /// [`ModuleError::InsufficientFunds`].
    pub fn release(&mut self, vault: &[u8], to: &AccountId, amount: Amount) -> Result<(), ModuleError> {
        let rest = take(self.held(vault), amount)?;
        self.credit(to, amount)?;
        self.overlay.set_vault(self.kind, vault, rest);
        Ok(())
    }

    /// Moves money between two vaults of this module.
    ///
    /// # Errors
    /// [`ModuleError::InsufficientFunds`], [`ModuleError::Bound`].
    pub fn shift(&mut self, from: &[u8], to: &[u8], amount: Amount) -> Result<(), ModuleError> {
        bound("the name of a vault", to.len(), MAX_KEY_BYTES)?;
        let rest = take(self.held(from), amount)?;
        self.overlay.set_vault(self.kind, from, rest);
        // Read after the change: the two may be one.
        let held = self.held(to).checked_add(amount).ok_or(OVERFLOW)?;
        self.overlay.set_vault(self.kind, to, held);
        Ok(())
    }

    /// What a vault of another module holds.
    pub(crate) fn held_by(&self, kind: &str, vault: &[u8]) -> Amount {
        self.overlay.vault(kind, vault)
    }

    /// Moves money from a vault of another built-in module into a vault of this one: for penalties, out of reach of integrators.
    ///
    /// # Errors
    /// [`ModuleError::InsufficientFunds`], [`ModuleError::Bound`].
    pub(crate) fn seize(
        &mut self,
        kind: &'static str,
        from: &[u8],
        to: &[u8],
        amount: Amount,
    ) -> Result<(), ModuleError> {
        bound("the name of a vault", to.len(), MAX_KEY_BYTES)?;
        let rest = take(self.held_by(kind, from), amount)?;
        self.overlay.set_vault(kind, from, rest);
        let held = self.held(to).checked_add(amount).ok_or(OVERFLOW)?;
        self.overlay.set_vault(self.kind, to, held);
        Ok(())
    }

    /// Tells the world: the bytes become an event under this module's kind once the transaction has succeeded.
    ///
    /// # Errors
    /// [`ModuleError::Bound`] above [`MAX_VALUE_BYTES`] or [`MAX_EVENTS`].
    pub fn emit(&mut self, data: impl Into<Bytes>) -> Result<(), ModuleError> {
        let data = data.into();
        bound("an event", data.len(), MAX_VALUE_BYTES)?;
        bound("the number of events", self.events.len() + 1, MAX_EVENTS)?;
        self.events.push(data);
        Ok(())
    }

    fn debit(&mut self, account: &AccountId, amount: Amount) -> Result<(), ModuleError> {
        let found = self.overlay.account(account);
        let rest = take(found.map_or(Amount::ZERO, |found| found.balance), amount)?;
        if let Some(found) = found {
            self.overlay.set_account(account, Account { balance: rest, ..found });
        }
        Ok(())
    }

    fn credit(&mut self, account: &AccountId, amount: Amount) -> Result<(), ModuleError> {
        if amount == Amount::ZERO {
            return Ok(());
        }
        let found = self.overlay.account(account).unwrap_or(Account { balance: Amount::ZERO, nonce: Nonce(0) });
        let balance = found.balance.checked_add(amount).ok_or(OVERFLOW)?;
        self.overlay.set_account(account, Account { balance, ..found });
        Ok(())
    }
}

/// Out of reach as long as the supply fits, which genesis checks.
const OVERFLOW: ModuleError = ModuleError::Bound { what: "a balance", bound: usize::MAX };

fn take(available: Amount, needed: Amount) -> Result<Amount, ModuleError> {
    available.checked_sub(needed).ok_or(ModuleError::InsufficientFunds { needed, available })
}

fn bound(what: &'static str, size: usize, bound: usize) -> Result<(), ModuleError> {
    if size > bound { Err(ModuleError::Bound { what, bound }) } else { Ok(()) }
}

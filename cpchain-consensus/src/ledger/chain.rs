//! Execution of final blocks: what a node has in memory, and how a block changes it.

use std::collections::{BTreeMap, HashSet};

use cpchain_crypto::Digest;

use super::{
    amount::Amount,
    fees::Fees,
    history::{History, Outcome, Receipt, Refusal},
    module::{Call, Context, Module, ModuleError, Scene},
    payload,
    pool::{Pool, SubmitError},
    state::{Account, Overlay, Read, State},
    transaction::{AccountId, Nonce, Transaction},
};
use crate::{ChainId, FinalBlock, Height};

/// Everything behind the lock: changed by one block or one submission at a time, read by views.
pub(crate) struct Chain {
    pub(crate) id: ChainId,
    pub(crate) state: State,
    pub(crate) history: History,
    pub(crate) pool: Pool,
    pub(crate) height: Height,
    pub(crate) root: Digest,
    pub(crate) retain: Option<u64>,
    pub(crate) fees: Option<Fees>,
}

/// The modules by kind, hence always in the order of their names.
pub(crate) type Modules = BTreeMap<&'static str, Box<dyn Module>>;

impl Chain {
    /// The next nonce of an account, from its executed transactions alone.
    pub(crate) fn nonce(&self, account: &AccountId) -> Nonce {
        self.state.account(account).map_or(Nonce(0), |account| account.nonce)
    }

    /// Can the account pay for its next transaction, as far as this node has come?
    pub(crate) fn can_pay(&self, account: &AccountId, height: Height) -> bool {
        let balance = self.state.account(account).map_or(Amount::ZERO, |account| account.balance);
        self.fees.is_none_or(|fees| fees.due(&self.state, account, height) <= balance)
    }

    /// Takes a transaction into the pool.
    pub(crate) fn submit(&mut self, modules: &Modules, transaction: Transaction) -> Result<(), SubmitError> {
        // What costs least comes first; the signature last.
        transaction.check_binding(self.id, self.height.next())?;
        let account = self.state.account(&transaction.sender()).ok_or(SubmitError::UnknownAccount)?;
        if self.history.is_executed(&transaction.id()) {
            return Err(SubmitError::Known(transaction.id()));
        }
        let module = modules.get(transaction.kind());
        let module = module.ok_or_else(|| SubmitError::UnknownKind(transaction.kind().to_owned()))?;
        self.pool.admits(&transaction, account.nonce)?;
        module.check(transaction.payload())?;
        transaction.check_signature()?;
        self.pool.insert(transaction, self.height);
        Ok(())
    }

    /// Executes a final block. The signatures of transactions in `verified`, named by the digest of their bytes, and in
    /// the pool have been checked before.
    pub(crate) fn execute(&mut self, modules: &Modules, block: &FinalBlock, verified: &HashSet<Digest>) {
        // No quorum certifies a payload that `verify` refused; should it ever happen, it orders nothing anywhere.
        let (transactions, beacon) = payload::read(&block.payload).unwrap_or_else(|error| {
            tracing::error!(height = %block.height, %error, "a final payload is malformed");
            (Vec::new(), None)
        });
        let scene = Scene { chain: self.id, block, beacon, senders: &[] };
        let mut senders = Vec::new();
        for (index, transaction) in transactions.iter().enumerate() {
            if self.history.is_executed(&transaction.id()) {
                continue;
            }
            let outcome = match self.admit(modules, transaction, block.height, verified) {
                Err(refusal) => Outcome::Refused(refusal),
                Ok(module) => {
                    senders.push(transaction.sender());
                    match self.run(module, Scene { senders: &senders, ..scene }, transaction) {
                        Ok(()) => Outcome::Applied,
                        Err(error) => Outcome::Failed(error),
                    }
                }
            };
            if outcome != Outcome::Applied {
                tracing::debug!(id = %transaction.id(), ?outcome, "a transaction did not succeed");
            }
            self.history.record(Receipt {
                id: transaction.id(),
                height: block.height,
                index: index as u32,
                sender: transaction.sender(),
                outcome,
            });
        }
        let scene = Scene { senders: &senders, ..scene };
        for module in modules.values() {
            let mut context = Context::new(&self.state, module.kind(), scene);
            match unwound(|| module.end_of_block(&mut context)) {
                Err(error) => tracing::error!(kind = module.kind(), %error, "a module failed at the end of a block"),
                Ok(()) => {
                    let (changes, events) = context.finish();
                    self.state.apply(changes);
                    self.history.tell(block.height, module.kind(), None, events);
                }
            }
        }
        self.height = block.height;
        self.root = self.state.root();
        self.history.close(block.height, self.retain);
        let state = &self.state;
        self.pool.prune(block.height, |account| state.account(account).map_or(Nonce(0), |account| account.nonce));
    }

    /// May it be executed now? If so its nonce is used up, whatever comes of it.
    fn admit<'m>(
        &mut self,
        modules: &'m Modules,
        transaction: &Transaction,
        height: Height,
        verified: &HashSet<Digest>,
    ) -> Result<&'m dyn Module, Refusal> {
        transaction.check_binding(self.id, height)?;
        if !verified.contains(&Digest::content(transaction.bytes())) && !self.pool.has(transaction) {
            transaction.check_signature()?;
        }
        let account = self.state.account(&transaction.sender()).ok_or(Refusal::UnknownAccount)?;
        let wrong = Refusal::WrongNonce { expected: account.nonce, found: transaction.nonce() };
        if transaction.nonce() != account.nonce {
            return Err(wrong);
        }
        // The last nonce of all stays unused.
        let nonce = account.nonce.next().ok_or(wrong)?;
        let module = modules.get(transaction.kind());
        let module = module.ok_or_else(|| Refusal::UnknownKind(transaction.kind().to_owned()))?;
        let mut overlay = Overlay::new(&self.state);
        overlay.set_account(&transaction.sender(), Account { nonce, ..account });
        if let Some(fees) = &self.fees {
            let needed = fees.due(&self.state, &transaction.sender(), height);
            let refusal = Refusal::Fee { needed, available: account.balance };
            fees.charge(&mut overlay, &transaction.sender(), height).ok_or(refusal)?;
        }
        let changes = overlay.into_changes();
        self.state.apply(changes);
        Ok(module.as_ref())
    }

    fn run(&mut self, module: &dyn Module, scene: Scene<'_>, transaction: &Transaction) -> Result<(), ModuleError> {
        let mut context = Context::new(&self.state, module.kind(), scene);
        unwound(|| module.execute(&mut context, &Call::new(transaction)))?;
        let (changes, events) = context.finish();
        self.state.apply(changes);
        self.history.tell(scene.block.height, module.kind(), Some(transaction.id()), events);
        Ok(())
    }
}

/// A module that panics has failed, like one that refuses: its changes are dropped on every node alike, and the chain goes on.
fn unwound(run: impl FnOnce() -> Result<(), ModuleError>) -> Result<(), ModuleError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|_| {
        tracing::error!("a module panicked; its changes are dropped");
        Err(ModuleError::refused("the module failed"))
    })
}

//! What a block does to the state: a function of the state and the block alone, whether it is final already or not.

use std::{collections::HashSet, num::NonZero};

use bytes::Bytes;
use cpchain_crypto::Digest;

use super::{
    chain::Modules,
    developer::{Developers, Resources},
    fees::Fees,
    history::{History, Outcome, Receipt, Refusal},
    module::{Call, Context, Module, ModuleError, Scene},
    payload,
    pool::Pool,
    signatures,
    state::{Account, Overlay, Read, State, Step},
    transaction::{Transaction, TransactionId},
    verdicts::{self, Verdicts},
};
use crate::{ChainId, FinalBlock};

/// What execution reads beside the state, none of which changes its outcome: receipts and signatures that are known spare work.
#[derive(Clone, Copy)]
pub(crate) struct Execution<'a> {
    pub(crate) chain: ChainId,
    pub(crate) modules: &'a Modules,
    pub(crate) fees: Option<&'a Fees>,
    pub(crate) resources: Option<Resources>,
    pub(crate) history: &'a History,
    pub(crate) pool: &'a Pool,
    /// Transactions whose signatures were checked, by the digest of their bytes.
    pub(crate) verified: &'a HashSet<Digest>,
    pub(crate) verdicts: Option<&'a Verdicts>,
    /// Most threads that check signatures.
    pub(crate) threads: Option<NonZero<usize>>,
}

/// What came of a block.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) step: Step,
    pub(crate) root: Digest,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) told: Vec<Told>,
}

/// What a module told: its kind, the transaction, if it was one, and the events.
pub(crate) type Told = (&'static str, Option<TransactionId>, Vec<Bytes>);

impl Execution<'_> {
    /// Executes a block on the state, which keeps the changes.
    pub(crate) fn run(&self, state: &mut State, block: &FinalBlock) -> Executed {
        let ((receipts, told), step) = state.step(|state| self.block(state, block));
        Executed { step, root: state.root(), receipts, told }
    }

    fn block(&self, state: &mut State, block: &FinalBlock) -> (Vec<Receipt>, Vec<Told>) {
        // No quorum certifies a payload that `verify` refused; should it ever happen, it orders nothing anywhere.
        let read = (!block.payload.is_empty()).then(|| payload::read(&block.payload));
        let (beacon, transactions) = match read {
            None => (None, Vec::new()),
            Some(Ok((head, transactions))) => (head.beacon, transactions),
            Some(Err(error)) => {
                tracing::error!(height = %block.height, %error, "a payload to be executed is malformed");
                (None, Vec::new())
            }
        };
        let are_signed = self.check_together(&transactions);
        let scene = Scene { chain: self.chain, block, beacon, senders: &[] };
        let (mut senders, mut receipts, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for (index, transaction) in transactions.iter().enumerate() {
            if self.history.is_executed(&transaction.id()) {
                continue;
            }
            let outcome = match self.admit(state, transaction, are_signed, block) {
                Err(refusal) => Outcome::Refused(refusal),
                Ok(module) => {
                    senders.push(transaction.sender());
                    match execute(state, module, Scene { senders: &senders, ..scene }, transaction) {
                        Err(error) => Outcome::Failed(error),
                        Ok(events) => {
                            told.push((module.kind(), Some(transaction.id()), events));
                            Outcome::Applied
                        }
                    }
                }
            };
            if outcome != Outcome::Applied {
                tracing::debug!(id = %transaction.id(), ?outcome, "a transaction did not succeed");
            }
            receipts.push(Receipt {
                id: transaction.id(),
                height: block.height,
                index: index as u32,
                sender: transaction.sender(),
                outcome,
            });
        }
        told.extend(self.end(state, Scene { senders: &senders, ..scene }));
        (receipts, told)
    }

    fn end(&self, state: &mut State, scene: Scene<'_>) -> Vec<Told> {
        let mut told = Vec::new();
        for module in self.modules.values() {
            let mut context = Context::new(state, module.kind(), scene);
            match unwound(|| module.end_of_block(&mut context)) {
                Err(error) => tracing::error!(kind = module.kind(), %error, "a module failed at the end of a block"),
                Ok(()) => {
                    let (changes, events) = context.finish();
                    state.apply(changes);
                    told.push((module.kind(), None, events));
                }
            }
        }
        told
    }

    fn is_checked(&self, transaction: &Transaction) -> bool {
        // What costs least first: a name is a hash of all bytes.
        self.pool.has(transaction) || {
            let name = verdicts::name(transaction);
            self.verified.contains(&name) || self.verdicts.is_some_and(|verdicts| verdicts.has(&name))
        }
    }

    /// Are all signatures good that were not checked before? If not, each is looked at when its turn comes.
    fn check_together(&self, transactions: &[Transaction]) -> bool {
        let open: Vec<_> = transactions.iter().filter(|transaction| !self.is_checked(transaction)).collect();
        let good = signatures::hold(&open, self.threads);
        if let Some(verdicts) = self.verdicts.filter(|_| good) {
            verdicts.add(open.into_iter().map(verdicts::name));
        }
        good
    }

    /// May it be executed now? If so its nonce is used up, whatever comes of it.
    fn admit(
        &self,
        state: &mut State,
        transaction: &Transaction,
        are_signed: bool,
        block: &FinalBlock,
    ) -> Result<&dyn Module, Refusal> {
        transaction.check_binding(self.chain, block.height)?;
        if !are_signed && !self.is_checked(transaction) {
            transaction.check_signature()?;
        }
        let account = state.account(&transaction.sender()).ok_or(Refusal::UnknownAccount)?;
        let wrong = Refusal::WrongNonce { expected: account.nonce, found: transaction.nonce() };
        if transaction.nonce() != account.nonce {
            return Err(wrong);
        }
        // The last nonce of all stays unused.
        let nonce = account.nonce.next().ok_or(wrong)?;
        let module = self.modules.get(transaction.kind());
        let module = module.ok_or_else(|| Refusal::UnknownKind(transaction.kind().to_owned()))?;
        let mut overlay = Overlay::new(state);
        overlay.set_account(&transaction.sender(), Account { nonce, ..account });
        let by = (&transaction.sender(), transaction.kind());
        if let Some(fees) = self.fees
            && !self.resources.is_some_and(|each| Developers::charge(&mut overlay, each, fees.day, by, block.height))
        {
            let needed = fees.due(state, &transaction.sender(), block.height);
            let refusal = Refusal::Fee { needed, available: account.balance };
            fees.charge(&mut overlay, &transaction.sender(), block.height).ok_or(refusal)?;
        }
        let changes = overlay.into_changes();
        state.apply(changes);
        Ok(module.as_ref())
    }
}

fn execute(
    state: &mut State,
    module: &dyn Module,
    scene: Scene<'_>,
    transaction: &Transaction,
) -> Result<Vec<Bytes>, ModuleError> {
    let mut context = Context::new(state, module.kind(), scene);
    unwound(|| module.execute(&mut context, &Call::new(transaction)))?;
    let (changes, events) = context.finish();
    state.apply(changes);
    Ok(events)
}

/// A module that panics has failed, like one that refuses: its changes are dropped on every node alike, and the chain goes on.
fn unwound(run: impl FnOnce() -> Result<(), ModuleError>) -> Result<(), ModuleError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|_| {
        tracing::error!("a module panicked; its changes are dropped");
        Err(ModuleError::refused("the module failed"))
    })
}

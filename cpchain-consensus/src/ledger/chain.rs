//! What a node has in memory, and how final blocks change it.
//!
//! Blocks are executed when a validator judges a block that stands on them, final or not: the payload above them names the root that they
//! lead to. What came of it is kept until they are final, so each is executed once
//! (`what_ran_ahead_is_what_becomes_final`).

use std::{
    collections::{BTreeMap, HashSet},
    num::NonZero,
};

use cpchain_crypto::Digest;

use super::{
    amount::Amount,
    certified::Certified,
    developer::{Developers, Resources},
    execution::{Executed, Execution},
    fees::Fees,
    history::History,
    module::Module,
    pool::{Pool, SubmitError},
    state::{Read, State},
    transaction::{AccountId, Nonce, Transaction},
    verdicts::{self, Verdicts},
};
use crate::{Ancestors, ChainId, FinalBlock, Height};

/// Blocks above the last executed one whose outcome is kept. While no block becomes final they are small.
const MAX_AHEAD: usize = 64;

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
    pub(crate) resources: Option<Resources>,
    /// What came of blocks that are not final yet. A name, height and digest, stands for all below it.
    pub(crate) ahead: BTreeMap<(Height, Digest), Executed>,
    /// The state that the last final block with a payload speaks of.
    pub(crate) certified: Option<Certified>,
    /// Signatures that other ledgers of this process found good.
    pub(crate) verdicts: Option<Verdicts>,
    /// Most threads that check signatures.
    pub(crate) threads: Option<NonZero<usize>>,
}

/// The modules by kind, hence always in the order of their names.
pub(crate) type Modules = BTreeMap<&'static str, Box<dyn Module>>;

impl Chain {
    /// The next nonce of an account, from its executed transactions alone.
    pub(crate) fn nonce(&self, account: &AccountId) -> Nonce {
        self.state.account(account).map_or(Nonce(0), |account| account.nonce)
    }

    /// Can the account, or its application, pay for its transaction under this nonce, as far as this node has come?
    pub(crate) fn can_pay(&self, account: &AccountId, nonce: Nonce, height: Height) -> bool {
        let Some(fees) = self.fees else { return true };
        let balance = self.state.account(account).map_or(Amount::ZERO, |account| account.balance);
        let is_sponsored = || {
            let (resources, kind) = self.resources.zip(self.pool.kind(account, nonce))?;
            Some(Developers::pays(&self.state, resources, fees.day, (account, kind), height))
        };
        fees.due(&self.state, account, height) <= balance || is_sponsored() == Some(true)
    }

    /// May it come into the pool, if its signature is good? What costs least is asked first.
    pub(crate) fn admits(&self, modules: &Modules, transaction: &Transaction) -> Result<(), SubmitError> {
        transaction.check_binding(self.id, self.height.next())?;
        let account = self.state.account(&transaction.sender()).ok_or(SubmitError::UnknownAccount)?;
        if self.history.is_executed(&transaction.id()) {
            return Err(SubmitError::Known(transaction.id()));
        }
        let module = modules.get(transaction.kind());
        let module = module.ok_or_else(|| SubmitError::UnknownKind(transaction.kind().to_owned()))?;
        self.pool.admits(transaction, account.nonce)?;
        Ok(module.check(transaction.payload())?)
    }

    /// Takes a transaction into the pool, whose signature is good if `is_signed`.
    pub(crate) fn submit(
        &mut self,
        modules: &Modules,
        transaction: Transaction,
        is_signed: bool,
    ) -> Result<(), SubmitError> {
        self.admits(modules, &transaction)?;
        if !is_signed && !self.is_shared(&transaction) {
            transaction.check_signature()?;
            self.share([&transaction]);
        }
        self.pool.insert(transaction, self.height);
        Ok(())
    }

    /// Did another ledger of this process find its signature good?
    pub(crate) fn is_shared(&self, transaction: &Transaction) -> bool {
        self.verdicts.as_ref().is_some_and(|verdicts| verdicts.has(&verdicts::name(transaction)))
    }

    /// Tells the other ledgers of this process which signatures are good.
    pub(crate) fn share<'a>(&self, transactions: impl IntoIterator<Item = &'a Transaction>) {
        if let Some(verdicts) = &self.verdicts {
            verdicts.add(transactions.into_iter().map(verdicts::name));
        }
    }

    /// Executes a final block. The signatures of transactions in `verified`, named by the digest of their bytes, and in
    /// the pool have been checked before.
    pub(crate) fn execute(&mut self, modules: &Modules, block: &FinalBlock, verified: &HashSet<Digest>) {
        let Executed { step, root, receipts, told } = match self.ahead.remove(&(block.height, block.digest)) {
            Some(executed) => {
                self.state.redo(&executed.step);
                executed
            }
            None => self.run(modules, block, verified),
        };
        for receipt in receipts {
            // What an ancestor of the block executed was not known for that when it ran ahead.
            if !self.history.is_executed(&receipt.id) {
                self.history.record(receipt);
            }
        }
        told.into_iter().for_each(|(kind, of, events)| self.history.tell(block.height, kind, of, events));
        self.certified = Certified::after(self.certified.take(), block, step);
        self.height = block.height;
        self.root = root;
        self.history.close(block.height, self.retain);
        let state = &self.state;
        self.pool.prune(block.height, |account| state.account(account).map_or(Nonce(0), |account| account.nonce));
        self.ahead.retain(|(height, _), _| *height > block.height);
    }

    /// The root of the state after these blocks, which stand on the last executed one and may never become final. The state is
    /// afterwards what it was. `None` if they do not stand there.
    pub(crate) fn root_after(
        &mut self,
        modules: &Modules,
        blocks: Ancestors<'_>,
        verified: &HashSet<Digest>,
    ) -> Option<Digest> {
        let Some(last) = blocks.last() else { return Some(self.root) };
        let heights = (self.height.next().0..).map(Height);
        if !blocks.iter().zip(heights).all(|(block, height)| block.height == height) {
            return None;
        }
        if let Some(known) = self.ahead.get(&(last.height, last.digest)) {
            return Some(known.root);
        }
        let mut done = Vec::with_capacity(blocks.len());
        for block in blocks {
            let name = (block.height, block.digest);
            let executed = match self.ahead.remove(&name) {
                Some(executed) => {
                    self.state.redo(&executed.step);
                    executed
                }
                None => self.run(modules, block, verified),
            };
            done.push((name, executed));
        }
        let root = done.last().map(|(_, executed)| executed.root);
        for (name, executed) in done.into_iter().rev() {
            self.state.undo(&executed.step);
            // The lowest come last, and are the ones that are asked for again.
            if self.ahead.len() >= MAX_AHEAD {
                self.ahead.pop_last();
            }
            self.ahead.insert(name, executed);
        }
        root
    }

    fn run(&mut self, modules: &Modules, block: &FinalBlock, verified: &HashSet<Digest>) -> Executed {
        let Self { id, state, history, pool, fees, resources, verdicts, threads, .. } = self;
        let (chain, fees, resources, verdicts, threads) = (*id, fees.as_ref(), *resources, verdicts.as_ref(), *threads);
        Execution { chain, modules, fees, resources, history, pool, verified, verdicts, threads }.run(state, block)
    }
}

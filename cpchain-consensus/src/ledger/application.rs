//! The ledger as the engine sees it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    num::NonZero,
    sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use bytes::Bytes;
use cpchain_crypto::{Digest, vrf::VrfProof};

use super::{
    chain::{Chain, Modules},
    checkpoint::Checkpoint,
    developer::{Developers, Resources},
    fees::{FeePayer, Fees},
    genesis::{Genesis, GenesisError},
    history::History,
    module::Module,
    payload,
    pool::{Pool, PoolLimits, SubmitError},
    signatures,
    transaction::{AccountId, Nonce, Transaction, TransactionError, TransactionId, is_kind},
    transfer::Transfers,
    verdicts::{self, Verdicts},
    view::LedgerView,
};
use crate::{Ancestors, Application, ChainId, FinalBlock, Height, InvalidPayload, proof::PayloadHead};

/// Signatures that are remembered as good between [`Application::verify`] and [`Application::finalised`].
const MAX_VERIFIED: usize = 4 * payload::MAX_BLOCK_TRANSACTIONS;

/// The default application: accounts, transfers and the modules of the integrator.
///
/// Its state is in memory and a function of genesis and the final blocks; after a restart the engine replays them. All
/// nodes of a chain must have the same genesis and the same modules.
pub struct Ledger {
    chain: SharedChain,
    id: ChainId,
    modules: Modules,
    verified: HashSet<Digest>,
}

/// Puts a [`Ledger`] together.
pub struct LedgerBuilder {
    id: ChainId,
    genesis: Genesis,
    modules: Vec<Box<dyn Module>>,
    pool: PoolLimits,
    retain: Option<u64>,
    fees: Option<Fees>,
    resources: Option<Resources>,
    checkpoint: Option<Checkpoint>,
    verdicts: Option<Verdicts>,
    threads: Option<NonZero<usize>>,
}

impl LedgerBuilder {
    /// Adds a kind of transactions.
    #[must_use]
    pub fn module(mut self, module: impl Module + 'static) -> Self {
        self.modules.push(Box::new(module));
        self
    }

    /// Bounds of this node's pool.
    #[must_use]
    pub fn pool(mut self, limits: PoolLimits) -> Self {
        self.pool = limits;
        self
    }

    /// Keeps receipts and events of the last `blocks` only. Without it all are kept, and memory grows with the chain.
    /// The state does not depend on it.
    #[must_use]
    pub fn retain(mut self, blocks: u64) -> Self {
        self.retain = Some(blocks);
        self
    }

    /// Shares what is found about signatures with other ledgers of this process; see [`Verdicts`].
    #[must_use]
    pub fn verdicts(mut self, verdicts: Verdicts) -> Self {
        self.verdicts = Some(verdicts);
        self
    }

    /// Checks the signatures of a block on so many threads at most; without it, on as many as there are cores. A process
    /// with many nodes has one for each.
    #[must_use]
    pub fn threads(mut self, threads: NonZero<usize>) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Charges for transactions. Without it they are free. All nodes of a chain must charge the same: see [`Fees::found`].
    #[must_use]
    pub fn fees(mut self, fees: Fees) -> Self {
        self.fees = Some(fees);
        self
    }

    /// Lets developers pay for their users, on a chain with fees. All nodes of a chain must do the same: see [`Resources::found`].
    #[must_use]
    pub fn developers(mut self, resources: Resources) -> Self {
        self.resources = Some(resources);
        self
    }

    /// Goes on from this state instead of genesis: the engine then shows the blocks above [`Checkpoint::height`] alone.
    #[must_use]
    pub fn resume(mut self, checkpoint: Checkpoint) -> Self {
        self.checkpoint = Some(checkpoint);
        self
    }

    /// The ledger at genesis, or at the checkpoint.
    ///
    /// # Errors
    /// [`GenesisError`].
    pub fn build(self) -> Result<Ledger, GenesisError> {
        let mut modules = Modules::new();
        let builtin: Box<dyn Module> = Box::new(Transfers);
        let payer = self.fees.map(|_| -> Box<dyn Module> { Box::new(FeePayer) });
        let resources = self.resources.zip(self.fees);
        let developers = resources.map(|(each, fees)| -> Box<dyn Module> { Box::new(Developers::new(each, fees.day)) });
        for module in self.modules.into_iter().chain([builtin]).chain(payer).chain(developers) {
            let kind = module.kind();
            if !is_kind(kind) {
                return Err(GenesisError::BadKind(kind.to_owned()));
            }
            if modules.insert(kind, module).is_some() {
                return Err(GenesisError::DuplicateKind(kind.to_owned()));
            }
        }
        // The genesis is judged also if the chain goes on from a checkpoint.
        let mut state = self.genesis.state()?;
        let root = state.root();
        let genesis = || Checkpoint { chain: self.id, height: Height::GENESIS, root, state };
        let Checkpoint { chain, height, root, state } = self.checkpoint.unwrap_or_else(genesis);
        if chain != self.id {
            return Err(GenesisError::OtherChain);
        }
        let chain = Chain {
            id: self.id,
            root,
            state,
            history: History::after(height),
            pool: Pool::new(self.pool),
            height,
            retain: self.retain,
            fees: self.fees,
            resources: self.resources,
            ahead: BTreeMap::new(),
            certified: None,
            verdicts: self.verdicts,
            threads: self.threads,
        };
        let chain = SharedChain(Arc::new(RwLock::new(chain)));
        Ok(Ledger { chain, id: self.id, modules, verified: HashSet::new() })
    }
}

impl Ledger {
    /// Starts to put together a ledger for the chain `id` that begins with `genesis`; see [`Genesis::chain_id`].
    pub fn builder(id: ChainId, genesis: Genesis) -> LedgerBuilder {
        LedgerBuilder {
            id,
            genesis,
            modules: Vec::new(),
            pool: PoolLimits::default(),
            retain: None,
            fees: None,
            resources: None,
            checkpoint: None,
            verdicts: None,
            threads: None,
        }
    }

    /// A handle for reading, to be cloned and used from any task.
    pub fn view(&self) -> LedgerView {
        LedgerView::new(self.chain.clone(), self.id)
    }

    /// Takes a transaction into the pool: [`Application::submit`] with a typed reason.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub fn admit(&mut self, transaction: Bytes) -> Result<TransactionId, SubmitError> {
        let transaction = Transaction::decode(transaction)?;
        let id = transaction.id();
        self.chain.write().submit(&self.modules, transaction, false)?;
        Ok(id)
    }

    /// [`admit`](Self::admit) for many, with the same answers, in their order; the signatures are checked together.
    pub fn admit_all(&mut self, transactions: Vec<Bytes>) -> Vec<Result<TransactionId, SubmitError>> {
        let read: Vec<_> = transactions.into_iter().map(Transaction::decode).collect();
        let chain = self.chain.read();
        let fits = |transaction: &&Transaction| chain.admits(&self.modules, transaction).is_ok();
        let fitting: Vec<_> = read.iter().map(|read| read.as_ref().ok().filter(fits)).collect();
        let open = fitting.iter().copied().flatten().filter(|transaction| !chain.is_shared(transaction));
        let (open, threads): (Vec<_>, _) = (open.collect(), chain.threads);
        drop(chain);
        let are_good = signatures::hold(&open, threads);
        let mut chain = self.chain.write();
        if are_good {
            chain.share(open);
        }
        // If one is bad each is looked at when its turn comes.
        let are_signed: Vec<_> = fitting.iter().map(|fitting| are_good && fitting.is_some()).collect();
        let admit = |(read, is_signed): (Result<Transaction, _>, bool)| {
            let transaction = read?;
            let id = transaction.id();
            chain.submit(&self.modules, transaction, is_signed)?;
            Ok(id)
        };
        read.into_iter().zip(are_signed).map(admit).collect()
    }

    /// A payload with the root after the ancestors, this beacon, and transactions of the pool; empty if there is no room for the
    /// head.
    pub(crate) fn fill(
        &mut self,
        height: Height,
        ancestors: Ancestors<'_>,
        max_bytes: usize,
        beacon: Option<VrfProof>,
    ) -> Bytes {
        let room = max_bytes.checked_sub(PayloadHead::size(beacon.is_some()));
        let Some((room, root)) = room.zip(self.root_after(ancestors)) else { return Bytes::new() };
        let chain = self.chain.read();
        let mut next: HashMap<AccountId, Nonce> = HashMap::new();
        let payloads = ancestors.iter().map(|block| &block.payload);
        for transaction in payloads.filter_map(payload::block_transactions).flatten() {
            let nonce = next.entry(transaction.sender()).or_insert_with(|| chain.nonce(&transaction.sender()));
            if *nonce == transaction.nonce() {
                *nonce = nonce.next().unwrap_or(*nonce);
            }
        }
        let expected = |account: &AccountId| {
            let nonce = next.get(account).copied().unwrap_or_else(|| chain.nonce(account));
            chain.can_pay(account, nonce, height).then_some(nonce)
        };
        payload::encode(&PayloadHead { root, beacon }, &chain.pool.fill(height, room, expected))
    }

    /// Judges what was read of a payload, but not its beacon.
    pub(crate) fn judge(
        &mut self,
        height: Height,
        ancestors: Ancestors<'_>,
        head: &PayloadHead,
        transactions: &[Transaction],
    ) -> Result<(), InvalidPayload> {
        let refuse = |error: &dyn fmt::Display| InvalidPayload(error.to_string());
        let mut seen = HashSet::new();
        for transaction in transactions {
            if !seen.insert(transaction.id()) {
                return Err(refuse(&format_args!("the transaction {} is there twice", transaction.id())));
            }
        }
        match self.root_after(ancestors) {
            None => return Err(refuse(&"its ancestors do not stand on what was executed")),
            Some(root) if root != head.root => {
                return Err(refuse(&format_args!("it names the state {}, and below it is {root}", head.root)));
            }
            Some(_) => {}
        }
        self.check(transactions, height).map_err(|error| refuse(&error))
    }

    fn root_after(&mut self, ancestors: Ancestors<'_>) -> Option<Digest> {
        self.chain.write().root_after(&self.modules, ancestors, &self.verified)
    }

    /// Valid on this chain at this height, with each signature checked once only.
    fn check(&mut self, transactions: &[Transaction], height: Height) -> Result<(), TransactionError> {
        transactions.iter().try_for_each(|transaction| transaction.check_binding(self.id, height))?;
        let (mut names, mut open) = (Vec::new(), Vec::new());
        let chain = self.chain.read();
        for transaction in transactions {
            let name = verdicts::name(transaction);
            let is_shared = || chain.verdicts.as_ref().is_some_and(|verdicts| verdicts.has(&name));
            if !self.verified.contains(&name) && !chain.pool.has(transaction) && !is_shared() {
                names.push(name);
                open.push(transaction);
            }
        }
        let (verdicts, threads) = (chain.verdicts.clone(), chain.threads);
        drop(chain);
        if !signatures::hold(&open, threads) {
            return Err(TransactionError::BadSignature);
        }
        if let Some(verdicts) = verdicts {
            verdicts.add(names.iter().copied());
        }
        if self.verified.len() >= MAX_VERIFIED {
            self.verified.clear();
        }
        self.verified.extend(names);
        Ok(())
    }
}

pub(crate) fn read(payload: &Bytes) -> Result<(PayloadHead, Vec<Transaction>), InvalidPayload> {
    payload::read(payload).map_err(|error| InvalidPayload(error.to_string()))
}

impl Application for Ledger {
    fn submit(&mut self, transaction: Bytes) -> Result<(), InvalidPayload> {
        self.admit(transaction).map(drop).map_err(|error| InvalidPayload(error.to_string()))
    }

    fn submit_all(&mut self, transactions: Vec<Bytes>) -> Vec<Result<(), InvalidPayload>> {
        let plain =
            |answer: Result<_, SubmitError>| answer.map(drop).map_err(|error| InvalidPayload(error.to_string()));
        self.admit_all(transactions).into_iter().map(plain).collect()
    }

    fn propose(&mut self, height: Height, ancestors: Ancestors<'_>, max_bytes: usize) -> Bytes {
        self.fill(height, ancestors, max_bytes, None)
    }

    /// The payload must name the root of the state after the ancestors, and every transaction must be well formed, signed, of this
    /// chain, not expired, and once only in the block. Nonces, balances and repeats of earlier blocks are left to
    /// execution.
    fn verify(&mut self, height: Height, ancestors: Ancestors<'_>, payload: &Bytes) -> Result<(), InvalidPayload> {
        let (head, transactions) = read(payload)?;
        if head.beacon.is_some() {
            return Err(InvalidPayload("a beacon, and this chain has none".to_owned()));
        }
        self.judge(height, ancestors, &head, &transactions)
    }

    /// A head alone is no work.
    fn is_idle(&self, payload: &Bytes) -> bool {
        PayloadHead::read(payload).is_none_or(|head| payload.len() == PayloadHead::size(head.beacon.is_some()))
    }

    fn finalised(&mut self, block: &FinalBlock) -> Digest {
        let mut chain = self.chain.write();
        if block.height == chain.height.next() {
            chain.execute(&self.modules, block, &self.verified);
            self.verified.clear();
        } else {
            tracing::error!(block = %block.height, last = %chain.height, "a block out of order is not executed");
        }
        chain.root
    }

    fn last_height(&self) -> Height {
        self.chain.read().height
    }
}

/// The chain behind its lock. A panic in a module may leave a block half executed; the engine's task ends with it, and
/// readers still see whole transactions.
#[derive(Clone)]
pub(crate) struct SharedChain(Arc<RwLock<Chain>>);

impl SharedChain {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Chain> {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Chain> {
        self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = self.chain.read();
        f.debug_struct("Ledger").field("height", &chain.height).field("root", &chain.root).finish_non_exhaustive()
    }
}

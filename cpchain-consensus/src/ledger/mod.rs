//! The default application of the engine: accounts, transfers, and kinds of transactions that an integrator adds.
//!
//! | part | what it is |
//! | --- | --- |
//! | [`Ledger`] | implements [`Application`](crate::Application): pool, blocks, execution, state root |
//! | [`LedgerView`] | reads balances, receipts, module data and events from any task |
//! | [`Module`], [`Context`], [`Call`] | how to add a kind of transactions |
//! | [`Transaction`], [`TransactionDraft`] | signed transactions |
//! | [`Transfer`] | the built-in kind |
//! | [`Fees`] | free transactions a day, and what the others cost |
//! | [`developer`] | developers who pay for their users with what they hold or lease |
//! | [`dpor`] | deposits, campaigns, elections of proposers, rewards, the economy pool |
//! | [`governance`] | votes of economy nodes and validators, evidence and penalties |
//! | [`bridge`] | side chains: two ledgers that check each other, and what crosses between them |
//! | [`identity`] | keys, devices and gateways on the ledger, a module to switch on |
//! | [`PoolFile`], [`StateFile`] | the pool and the state across a restart |
//! | [`Genesis`] | who has what before the first block |
//!
//! # Rules, and the tests that hold them
//! - A valid block names the root of the state below it, which every validator computes from the block's ancestors
//!   (`verify_refuses_another_root`), and holds well-formed, signed, unexpired transactions of its chain, each once
//!   (`verify_refuses_what_is_illicit`).
//! - A transaction that fails is a receipt with an error, never an invalid block (`an_overspend_is_a_receipt`).
//! - A transaction is executed once, in the order of its sender's nonces (`replay_*`, `a_gap_in_the_nonces_waits`).
//! - What fails leaves the nonce and a receipt; what is refused leaves a receipt (`a_failing_module_leaves_no_trace`).
//! - The sum over all accounts and vaults never changes, and two ledgers that execute the same blocks have the same root
//!   (`money_is_conserved_and_roots_agree`).
//! - An account exists once it has received money; before that its transactions are refused, so that free keys cannot
//!   fill pools and blocks (`a_stranger_is_refused`).
//!
//! A transaction costs nothing unless the chain has [`Fees`]: then an account has free ones a day, and pays above them. What bounds them
//! besides is that an account must exist, the [`PoolLimits`] and the size of a block. A module charges for what it does by
//! [`Context::hold`].
//!
//! ```
//! use cpchain_consensus::{
//!     Application, FinalBlock, Height,
//!     ledger::{Amount, Genesis, Ledger, Transfer, TransactionDraft},
//! };
//! use cpchain_crypto::{Digest, PublicKey, Signer, SigningKey};
//!
//! let alice = SigningKey::from_seed(&[1; 32]);
//! let genesis = Genesis::new().account(alice.public_key(), Amount::cpc(10));
//! let mut ledger = Ledger::builder(genesis.chain_id("example"), genesis).build()?;
//! let view = ledger.view();
//!
//! let bob = PublicKey([7; 32]);
//! let transaction = TransactionDraft {
//!     chain: view.chain_id(),
//!     nonce: view.next_nonce(&alice.public_key()),
//!     expires: Height(100),
//!     kind: Transfer::KIND.into(),
//!     payload: Transfer { to: bob, amount: Amount::cpc(3) }.encode(),
//! }
//! .sign(&alice)?;
//! ledger.submit(transaction.bytes().clone())?;
//!
//! // What the engine does:
//! let payload = ledger.propose(Height(1), &[], 1 << 20);
//! ledger.verify(Height(1), &[], &payload)?;
//! ledger.finalised(&FinalBlock {
//!     height: Height(1),
//!     digest: Digest::content(&payload),
//!     parent: Digest::ZERO,
//!     proposer: bob,
//!     impeached: false,
//!     payload,
//! });
//! assert_eq!(view.balance(&bob), Amount::cpc(3));
//! assert!(view.receipt(&transaction.id()).is_some_and(|receipt| receipt.is_applied()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod amount;
mod application;
pub mod bridge;
mod certified;
mod chain;
mod checkpoint;
pub mod developer;
pub mod dpor;
mod execution;
mod fees;
mod file;
mod genesis;
pub mod governance;
mod history;
pub mod identity;
mod module;
mod payload;
mod pool;
mod pool_file;
mod signatures;
mod state;
mod transaction;
mod transfer;
mod tree;
mod verdicts;
mod view;
mod wire;

pub use view::{CertifiedValue, LedgerView, ProvedValue};
pub use {
    amount::{Amount, AmountError},
    application::{Ledger, LedgerBuilder},
    checkpoint::{Checkpoint, StateFile},
    fees::Fees,
    file::LedgerFileError,
    genesis::{Genesis, GenesisError},
    history::{Cursor, Event, EventPage, EventsPruned, Outcome, Receipt, Refusal},
    module::{Call, Context, MAX_EVENTS, MAX_KEY_BYTES, MAX_SCAN, MAX_VALUE_BYTES, Module, ModuleError},
    payload::{MAX_BLOCK_TRANSACTIONS, block_payload, block_transactions},
    pool::{PoolLimits, SubmitError},
    pool_file::{PoolFile, Reloaded},
    transaction::{
        AccountId, MAX_KIND_BYTES, MAX_TRANSACTION_BYTES, Nonce, Transaction, TransactionDraft, TransactionError,
        TransactionId,
    },
    transfer::Transfer,
    verdicts::Verdicts,
};

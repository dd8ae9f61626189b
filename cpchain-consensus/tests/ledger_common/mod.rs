//! A chain of one ledger, driven as the engine drives it, and modules to run on it.

// Each test program uses its part.
#![allow(dead_code)]

use bytes::Bytes;
use cpchain_consensus::{
    Application, ChainId, FinalBlock, Height,
    ledger::{
        AccountId, Amount, Call, Context, Genesis, Ledger, LedgerView, Module, ModuleError, Nonce, Transaction,
        TransactionDraft, Transfer,
    },
};
use cpchain_crypto::{Digest, PublicKey, Signer, SigningKey};

pub(crate) const ROOM: usize = 1 << 20;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub(crate) fn id(seed: u8) -> AccountId {
    key(seed).public_key()
}

/// Accounts 1 to 3 with 100 CPC each, and 50 in a vault of the module `till`.
pub(crate) fn genesis() -> Genesis {
    (1..=3).fold(Genesis::new(), |g, i| g.account(id(i), Amount::cpc(100))).vault("till", b"prize", Amount::cpc(50))
}

pub(crate) fn chain() -> ChainId {
    genesis().chain_id("test")
}

pub(crate) fn ledger() -> Ledger {
    Ledger::builder(chain(), genesis()).module(Till).build().unwrap()
}

pub(crate) fn draft(nonce: u64, kind: &str, payload: impl Into<Bytes>) -> TransactionDraft {
    TransactionDraft {
        chain: chain(),
        nonce: Nonce(nonce),
        expires: Height(1000),
        kind: kind.into(),
        payload: payload.into(),
    }
}

pub(crate) fn signed(seed: u8, nonce: u64, kind: &str, payload: impl Into<Bytes>) -> Transaction {
    draft(nonce, kind, payload).sign(&key(seed)).unwrap()
}

pub(crate) fn pay(from: u8, nonce: u64, to: u8, amount: Amount) -> Transaction {
    signed(from, nonce, Transfer::KIND, Transfer { to: id(to), amount }.encode())
}

/// A payload as `proto/ledger.proto` has it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Block {
    #[prost(message, optional, tag = "1")]
    pub(crate) head: Option<Head>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(crate) transactions: Vec<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Head {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) state_root: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) beacon: Bytes,
}

/// The bytes of a block that names this root.
pub(crate) fn payload_on(root: Digest, beacon: &[u8], transactions: &[Transaction]) -> Bytes {
    let copy = Bytes::copy_from_slice;
    let head = Head { version: 1, state_root: copy(&root.0), beacon: copy(beacon) };
    let transactions = transactions.iter().map(|transaction| transaction.bytes().clone()).collect();
    prost::Message::encode_to_vec(&Block { head: Some(head), transactions }).into()
}

/// The bytes of a block for those who do not ask for the root: execution does not.
pub(crate) fn payload(transactions: &[Transaction]) -> Bytes {
    payload_on(Digest::ZERO, b"", transactions)
}

pub(crate) fn block(height: u64, payload: Bytes) -> FinalBlock {
    FinalBlock {
        height: Height(height),
        digest: Digest::content(&payload),
        parent: Digest::ZERO,
        proposer: PublicKey([9; 32]),
        impeached: payload.is_empty(),
        payload,
    }
}

/// Verifies and executes the next block.
pub(crate) fn run(ledger: &mut Ledger, transactions: &[Transaction]) -> Digest {
    let (last, root) = ledger.view().height_and_root();
    let height = last.next();
    let payload = payload_on(root, b"", transactions);
    ledger.verify(height, &[], &payload).unwrap();
    ledger.finalised(&block(height.0, payload))
}

/// Everything in the order of the keys, to compare two views.
pub(crate) fn till_entries(view: &LedgerView) -> Vec<(Vec<u8>, Bytes)> {
    view.scan("till", b"", None, usize::MAX)
}

/// A module that does as it is told: each byte of the payload is a step.
pub(crate) struct Till;

pub(crate) const HOLD: u8 = 1;
pub(crate) const RELEASE: u8 = 2;
pub(crate) const WRITE: u8 = 3;
pub(crate) const REMOVE: u8 = 4;
pub(crate) const EMIT: u8 = 5;
pub(crate) const SEND: u8 = 6;
pub(crate) const FAIL: u8 = 7;
pub(crate) const SHIFT: u8 = 8;
/// How many kinds of steps there are; what a step is about is a multiple of it.
pub(crate) const STEPS: u8 = 10;

impl Module for Till {
    fn kind(&self) -> &'static str {
        "till"
    }

    fn check(&self, payload: &Bytes) -> Result<(), ModuleError> {
        if payload.is_empty() { Err(ModuleError::refused("no steps")) } else { Ok(()) }
    }

    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        for (at, step) in call.payload().iter().enumerate() {
            let (step, with) = (step % STEPS, step / STEPS);
            let amount = Amount::cpc(u64::from(with) + 1);
            let other = id(with % 6);
            match step {
                HOLD => context.hold(call, &[with % 3], amount)?,
                RELEASE => context.release(&[with % 3], &other, amount)?,
                WRITE => context.put(&[with], [at as u8])?,
                REMOVE => context.remove(&[with]),
                EMIT => context.emit(vec![with])?,
                SEND => context.transfer(call, &other, amount)?,
                FAIL => return Err(ModuleError::refused("told to fail")),
                SHIFT => context.shift(&[with % 3], &[with / 3 % 3], amount)?,
                _ => {
                    // All of the sender's money, which cannot be held twice.
                    let all = context.balance(&call.sender());
                    context.hold(call, b"all", all)?;
                    assert!(context.hold(call, b"all", Amount(1)).is_err());
                }
            }
        }
        Ok(())
    }

    /// Pays 1 CPC of the prize for each block that is not impeached, and fails once it is empty after it took a note.
    fn end_of_block(&self, context: &mut Context<'_>) -> Result<(), ModuleError> {
        if context.is_impeached() {
            return Ok(());
        }
        context.put(b"last", context.height().0.to_be_bytes())?;
        let proposer = context.proposer();
        context.release(b"prize", &proposer, Amount::cpc(1))?;
        context.emit(b"prize".as_slice())
    }
}

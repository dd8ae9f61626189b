//! Standing for election.
//!
//! | key in the module's space | value |
//! | --- | --- |
//! | `c`, term, account | the key for beacons: a candidate of the election at the end of that term |
//! | `l`, account | the last term of its last claim |
//! | `b`, height | what stands for the final block there, of the last [`RECENT`] heights |
//!
//! Terms and heights are 8 bytes, big-endian.

use std::sync::Arc;

use bytes::Bytes;
use cpchain_crypto::{Digest, vrf::VrfPublicKey};

use super::{
    super::{
        governance::{self, Parameter},
        module::{Call, Context, Module, ModuleError},
        transaction::AccountId,
    },
    activity,
    admission::{self, Work},
    elections::{self, number},
    rnode,
    settings::Settings,
};
use crate::ids::{Height, Term};

const VERSION: u8 = 1;
/// Most terms of a claim.
pub(super) const MAX_TERMS: u8 = 3;
/// How many heights a proof's block may be old.
pub(super) const RECENT: u64 = 10;

/// Payload of the kind [`Campaigns::KIND`]: an RNode stands for the elections at the ends of the next terms.
///
/// 70 bytes: version 1, terms (1), software (4), key (32), then 8 each: CPU nonce and height, memory nonce and height. Numbers are
/// big-endian.
///
/// ```
/// use cpchain_consensus::{Height, ledger::dpor::Claim};
/// use cpchain_crypto::vrf::VrfSecretKey;
/// let key = VrfSecretKey::from_seed(&[1; 32]).public_key();
/// let claim = Claim { terms: 3, software: 1, key, cpu: (7, Height(100)), memory: (8, Height(101)) };
/// assert_eq!(Claim::decode(&claim.encode()), Some(claim));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// For how many terms: 1 to 3.
    pub terms: u8,
    /// The version of the node's software.
    pub software: u32,
    /// With which it will make its beacons.
    pub key: VrfPublicKey,
    /// Nonce and block of the CPU proof: see [`admission`].
    pub cpu: (u64, Height),
    /// Nonce and block of the memory proof.
    pub memory: (u64, Height),
}

impl Claim {
    /// The payload of a transaction.
    pub fn encode(&self) -> Bytes {
        let numbers = [self.cpu.0, self.cpu.1.0, self.memory.0, self.memory.1.0];
        let mut bytes = vec![VERSION, self.terms];
        bytes.extend_from_slice(&self.software.to_be_bytes());
        bytes.extend_from_slice(&self.key.0);
        bytes.extend(numbers.into_iter().flat_map(u64::to_be_bytes));
        bytes.into()
    }

    /// Reads a payload; `None` for anything else.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let ([VERSION, terms], rest) = payload.split_first_chunk()? else { return None };
        let (software, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_first_chunk()?;
        let (&[cpu, cpu_height, memory, memory_height], []) = rest.as_chunks::<8>() else { return None };
        let number = u64::from_be_bytes;
        Some(Self {
            terms: *terms,
            software: u32::from_be_bytes(*software),
            key: VrfPublicKey(*key),
            cpu: (number(cpu), Height(number(cpu_height))),
            memory: (number(memory), Height(number(memory_height))),
        })
    }

    /// What can be judged without a state.
    fn check(payload: &[u8]) -> Result<Self, ModuleError> {
        let claim = Self::decode(payload).ok_or_else(|| ModuleError::refused("malformed claim"))?;
        if !(1..=MAX_TERMS).contains(&claim.terms) {
            return Err(ModuleError::refused(format!("a claim is for 1 to {MAX_TERMS} terms")));
        }
        if !claim.key.is_valid() {
            return Err(ModuleError::refused("no proof can satisfy the key for beacons"));
        }
        Ok(claim)
    }
}

/// The module: takes claims, counts what reputation is made of, and holds the elections.
#[derive(Debug, Clone)]
pub struct Campaigns(pub(super) Arc<Settings>);

impl Campaigns {
    /// The kind of its transactions, and the name of its space.
    pub const KIND: &str = "dpor";
    /// How many heights old the block of a proof may be.
    pub const RECENT: u64 = RECENT;

    pub(super) fn candidate(term: Term, account: &AccountId) -> Vec<u8> {
        [&candidates(term), account.0.as_slice()].concat()
    }

    pub(super) fn last_claim(account: &AccountId) -> Vec<u8> {
        [b"l".as_slice(), &account.0].concat()
    }
}

/// What the keys of a term's candidates begin with.
pub(super) fn candidates(term: Term) -> Vec<u8> {
    [b"c".as_slice(), &term.0.to_be_bytes()].concat()
}

/// The key of a recent block.
pub(super) fn recent(height: Height) -> Vec<u8> {
    [b"b".as_slice(), &height.0.to_be_bytes()].concat()
}

impl Module for Campaigns {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn check(&self, payload: &Bytes) -> Result<(), ModuleError> {
        Claim::check(payload).map(drop)
    }

    /// What costs least is asked first, the memory proof last. It takes milliseconds, so an RNode has one try a block.
    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        let claim = Claim::check(call.payload())?;
        let account = call.sender();
        let supported = governance::oldest(|kind, key| context.read(kind, key), self.0.version());
        if claim.software < supported {
            return Err(ModuleError::refused(format!("software {supported} is the oldest that may claim: update it")));
        }
        let term = self.0.term(context.height()).0;
        if let Some(last) = governance::barred(|kind, key| context.read(kind, key), &account)
            && last.0 > term
        {
            return Err(ModuleError::refused(format!("barred from elections up to term {last}, for what it did")));
        }
        let is_vetted = governance::industry(|kind, key| context.read(kind, key), &account).is_some();
        if !is_vetted {
            rnode::check_deposit(&self.0, context, &account)?;
        }
        if context.senders().iter().filter(|sender| **sender == account).count() > 1 {
            return Err(ModuleError::refused(
                "a claim is the first transaction of its sender in a block: send it again",
            ));
        }
        let last_claim = Self::last_claim(&account);
        if let Some(last) = context.get(&last_claim).as_deref().and_then(number)
            && last > term
        {
            return Err(ModuleError::refused(format!("the last claim runs up to term {last}")));
        }
        let (cpu_bits, memory_bits) = self.0.difficulty();
        let voted = |parameter, first: u32| {
            let bits = governance::parameter(|kind, key| context.read(kind, key), parameter, first.into());
            u32::try_from(bits).unwrap_or(first)
        };
        let proofs = [
            (Work::Cpu, claim.cpu, voted(Parameter::CpuBits, cpu_bits)),
            (Work::Memory, claim.memory, voted(Parameter::MemoryBits, memory_bits)),
        ];
        // The vote that admitted an industry node stands in place of proofs.
        for (work, (nonce, height), bits) in proofs.into_iter().filter(|_| !is_vetted) {
            let block = context.get(&recent(height)).as_deref().and_then(Digest::from_slice);
            let block = block.ok_or_else(|| {
                ModuleError::refused(format!(
                    "a proof is over a final block of the last {RECENT} heights, not impeached"
                ))
            })?;
            if !admission::holds(work, &account, &block, nonce, bits) {
                return Err(ModuleError::refused("a proof of admission does not hold"));
            }
        }
        let last = term.saturating_add(u64::from(claim.terms));
        for term in term.saturating_add(1)..=last {
            context.put(&Self::candidate(Term(term), &account), claim.key.0)?;
        }
        context.put(&last_claim, last.to_be_bytes())
    }

    fn end_of_block(&self, context: &mut Context<'_>) -> Result<(), ModuleError> {
        remember(context)?;
        activity::count(context)?;
        elections::end_of_block(&self.0, context)
    }
}

/// Keeps what proofs may be over. The digest of an impeached height is known before, so no proof is over it.
fn remember(context: &mut Context<'_>) -> Result<(), ModuleError> {
    let height = context.height();
    if let Some(old) = height.0.checked_sub(RECENT) {
        context.remove(&recent(Height(old)));
    }
    if context.is_impeached() {
        return Ok(());
    }
    let block = context.randomness();
    context.put(&recent(height), block)
}

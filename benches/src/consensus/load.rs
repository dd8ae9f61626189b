//! The transactions of one client: made, and if they are transfers signed, before the run begins or without cost in it.
//!
//! Each carries its number, so that whoever sees it in a block knows when it was meant to be sent.

use std::thread;

use bytes::Bytes;
use cpchain_consensus::{
    ChainId, Height,
    ledger::{Amount, Genesis, Nonce, TransactionDraft, TransactionError, Transfer, block_transactions},
};
use cpchain_crypto::Signer as _;

use super::plan::{Load, Plan, Rate, Verify, seeded};

/// Accounts that one client sends from.
pub(crate) const ACCOUNTS: usize = 512;
/// Transfers a second that no run on a machine of this class gets through, to be signed for a run at saturation.
const MOST_EACH: f64 = 16_000.0;
const MOST_ONCE: f64 = 70_000.0;

/// Where a client's transactions come from.
pub(crate) enum Source {
    /// Made when they are sent: a number and then bytes that are always the same.
    Opaque { template: Vec<u8> },
    /// Signed before.
    Transfers(Vec<Bytes>),
}

/// All money starts with the senders.
pub(crate) fn genesis(plan: &Plan) -> Genesis {
    let senders = plan.proposing().flat_map(|member| (0..ACCOUNTS).map(move |account| sender(member, account)));
    senders.fold(Genesis::new(), |genesis, key| genesis.account(key.public_key(), Amount::cpc(1_000_000)))
}

fn sender(member: usize, account: usize) -> cpchain_crypto::SigningKey {
    seeded(2, member * ACCOUNTS + account)
}

/// The chain of a plan.
pub(crate) fn chain(plan: &Plan) -> ChainId {
    genesis(plan).chain_id("lab")
}

impl Source {
    /// The transactions of the client of this proposer.
    ///
    /// # Errors
    /// None for accounts and amounts as here.
    pub(crate) fn prepare(plan: &Plan, member: usize) -> Result<Self, TransactionError> {
        match plan.load {
            Load::Opaque => Ok(Self::Opaque { template: vec![0x5a; plan.payload.max(8)] }),
            Load::Transfers => {
                let clients = plan.proposing().count().max(1) as f64;
                let most = match plan.verify {
                    Verify::Each => MOST_EACH,
                    Verify::Once => MOST_ONCE,
                };
                let rate = match plan.rate {
                    Rate::Offered(_) => plan.rate_of_one().unwrap_or(most),
                    Rate::Saturation => most / clients,
                };
                let count = (rate * plan.whole().as_secs_f64()).ceil() as usize + ACCOUNTS;
                sign(chain(plan), member, count.div_ceil(ACCOUNTS)).map(Self::Transfers)
            }
        }
    }

    /// The transaction of this number; `None` when there are no more.
    pub(crate) fn get(&self, number: u64) -> Option<Bytes> {
        match self {
            Self::Opaque { template } => {
                let mut bytes = template.clone();
                bytes.get_mut(..8)?.copy_from_slice(&number.to_le_bytes());
                Some(bytes.into())
            }
            Self::Transfers(list) => list.get(usize::try_from(number).ok()?).cloned(),
        }
    }

    /// The numbers in a payload that the client's own proposer made.
    pub(crate) fn numbers(&self, payload: &Bytes) -> Vec<u64> {
        match self {
            Self::Opaque { template } => {
                let heads = payload.chunks_exact(template.len()).filter_map(|chunk| chunk.first_chunk());
                heads.map(|head| u64::from_le_bytes(*head)).collect()
            }
            Self::Transfers(_) => {
                let transfers = block_transactions(payload).unwrap_or_default().into_iter();
                let amounts = transfers.filter_map(|transaction| Transfer::decode(transaction.payload()));
                // The amount is the number and one.
                amounts.filter_map(|transfer| u64::try_from(transfer.amount.0.checked_sub(1)?).ok()).collect()
            }
        }
    }

    /// Bytes of one transaction, about.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Opaque { template } => template.len(),
            Self::Transfers(list) => list.last().map_or(256, Bytes::len),
        }
    }
}

/// Rounds over all accounts of a client, each account's in the order of its nonces; on all cores.
fn sign(chain: ChainId, member: usize, rounds: usize) -> Result<Vec<Bytes>, TransactionError> {
    let cores = thread::available_parallelism().map_or(1, Into::into).min(ACCOUNTS);
    let part = ACCOUNTS.div_ceil(cores);
    let of_account = |account: usize| -> Result<Vec<Bytes>, TransactionError> {
        let key = sender(member, account);
        let to = sender(member, (account + 1) % ACCOUNTS).public_key();
        let numbers = (0..rounds).map(|round| (round, round * ACCOUNTS + account));
        let signed = numbers.map(|(nonce, number)| {
            let payload = Transfer { to, amount: Amount(number as u128 + 1) }.encode();
            let (nonce, kind) = (Nonce(nonce as u64), Transfer::KIND.into());
            let draft = TransactionDraft { chain, nonce, expires: Height(u64::MAX), kind, payload };
            draft.sign(&key).map(|transaction| transaction.bytes().clone())
        });
        signed.collect()
    };
    let of_part = |first: usize| (first..(first + part).min(ACCOUNTS)).map(of_account).collect::<Result<Vec<_>, _>>();
    let parts = thread::scope(|scope| {
        let parts: Vec<_> = (0..ACCOUNTS).step_by(part).map(|first| scope.spawn(move || of_part(first))).collect();
        let join = |part: thread::ScopedJoinHandle<'_, _>| {
            part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        parts.into_iter().map(join).collect::<Result<Vec<_>, _>>()
    })?;
    let columns: Vec<Vec<Bytes>> = parts.into_iter().flatten().collect();
    Ok((0..rounds).flat_map(|round| columns.iter().filter_map(move |column| column.get(round).cloned())).collect())
}

#[cfg(test)]
mod tests {
    use cpchain_consensus::{Application as _, ledger::Ledger};

    use super::*;
    use crate::consensus::plan::small;

    #[test]
    fn numbers_survive_a_block_of_either_kind() {
        let opaque = Source::prepare(&small(), 4).unwrap();
        let payload = [opaque.get(7).unwrap(), opaque.get(1 << 40).unwrap()].concat();
        assert_eq!(opaque.numbers(&payload.into()), [7, 1 << 40]);

        let plan = Plan { load: Load::Transfers, rate: Rate::Offered(10.0), ..small() };
        let source = Source::prepare(&plan, 4).unwrap();
        let mut ledger = Ledger::builder(chain(&plan), genesis(&plan)).build().unwrap();
        let wanted = [0, 1, ACCOUNTS as u64, ACCOUNTS as u64 + 1];
        let offered = wanted.iter().map(|number| source.get(*number).unwrap()).collect();
        assert!(ledger.submit_all(offered).iter().all(Result::is_ok));
        let payload = ledger.propose(Height(1), &[], 1 << 20);
        assert_eq!(source.numbers(&payload), wanted);
        assert!(source.get(1 << 40).is_none());
    }
}

//! Orders transactions of one size that nobody looks at: what agreement costs without an application.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use cpchain_consensus::{Ancestors, Application, FinalBlock, Height, InvalidPayload};
use cpchain_crypto::Digest;

/// Transactions that wait; more are refused.
const MOST: usize = 40_000;

/// A payload is transactions of one size, one behind the other.
pub(crate) struct Opaque {
    size: usize,
    waiting: VecDeque<Bytes>,
    /// What own blocks took, until their heights are final: an impeached one gives it back.
    taken: BTreeMap<Height, Vec<Bytes>>,
    last: Height,
}

impl Opaque {
    pub(crate) fn new(size: usize) -> Self {
        Self { size: size.max(1), waiting: VecDeque::new(), taken: BTreeMap::new(), last: Height::GENESIS }
    }

    fn give_back(&mut self, transactions: Vec<Bytes>) {
        for transaction in transactions.into_iter().rev() {
            self.waiting.push_front(transaction);
        }
    }
}

impl Application for Opaque {
    fn submit(&mut self, transaction: Bytes) -> Result<(), InvalidPayload> {
        if transaction.len() != self.size {
            return Err(InvalidPayload(format!("{} bytes and not {}", transaction.len(), self.size)));
        }
        if self.waiting.len() >= MOST {
            return Err(InvalidPayload("the pool is full: try again later".into()));
        }
        self.waiting.push_back(transaction);
        Ok(())
    }

    fn propose(&mut self, height: Height, _: Ancestors<'_>, max_bytes: usize) -> Bytes {
        if let Some(before) = self.taken.remove(&height) {
            self.give_back(before);
        }
        let count = self.waiting.len().min(max_bytes / self.size);
        let mut payload = Vec::with_capacity(count * self.size);
        let taken: Vec<_> = self.waiting.drain(..count).inspect(|bytes| payload.extend_from_slice(bytes)).collect();
        if !taken.is_empty() {
            self.taken.insert(height, taken);
        }
        payload.into()
    }

    fn verify(&mut self, _: Height, _: Ancestors<'_>, payload: &Bytes) -> Result<(), InvalidPayload> {
        let whole = payload.len().is_multiple_of(self.size);
        whole.then_some(()).ok_or_else(|| InvalidPayload("a part of a transaction".into()))
    }

    fn finalised(&mut self, block: &FinalBlock) -> Digest {
        self.last = block.height;
        if let Some(taken) = self.taken.remove(&block.height) {
            let ours = taken.first().is_some_and(|first| block.payload.starts_with(first));
            if !ours {
                self.give_back(taken);
            }
        }
        block.digest
    }

    fn last_height(&self) -> Height {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::PublicKey;

    use super::*;

    #[test]
    fn what_an_impeached_block_took_is_ordered_again() {
        let mut opaque = Opaque::new(2);
        for name in [b"aa", b"bb", b"cc"] {
            opaque.submit(Bytes::from_static(name)).unwrap();
        }
        assert!(opaque.submit(Bytes::from_static(b"odd")).is_err());
        assert_eq!(&opaque.propose(Height(1), &[], 5)[..], b"aabb");
        let block = |payload: &'static [u8], impeached| FinalBlock {
            height: Height(1),
            digest: Digest::ZERO,
            parent: Digest::ZERO,
            proposer: PublicKey([0; 32]),
            impeached,
            payload: payload.into(),
        };
        opaque.finalised(&block(b"", true));
        assert_eq!(&opaque.propose(Height(2), &[], 100)[..], b"aabbcc");
        opaque.finalised(&FinalBlock { height: Height(2), ..block(b"aabbcc", false) });
        assert!(opaque.propose(Height(3), &[], 100).is_empty());
    }
}

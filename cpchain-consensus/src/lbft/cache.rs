//! A memory of signatures that were found good.

use alloc::{collections::BTreeSet, vec::Vec};

use cpchain_crypto::{Digest, Domain, PublicKey, Signature, batch::Batch};

use super::statement::Statement;

const CHECKED: Domain = Domain::new("cpchain/consensus/checked-signature/v1");

/// Remembers signatures that were found good, so that a certificate made of votes that were already seen costs no curve
/// operation. Bounded: at most twice its capacity of 32-byte entries.
#[derive(Debug)]
pub struct SignatureCache {
    capacity: usize,
    generations: Shared<[BTreeSet<Digest>; 2]>,
    /// Answers in place of the curve and of the memory.
    #[cfg(feature = "sim")]
    simulated: Option<crate::sim::Keys>,
}

impl SignatureCache {
    /// A cache that remembers at least the last `capacity` good signatures.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            generations: Shared::default(),
            #[cfg(feature = "sim")]
            simulated: None,
        }
    }

    /// Takes the signatures of one simulated world, and no others: [`Keys::cache`](crate::sim::Keys::cache) alone makes it.
    #[cfg(feature = "sim")]
    pub(crate) fn simulated(keys: crate::sim::Keys) -> Self {
        Self { simulated: Some(keys), ..Self::new(1) }
    }

    /// Whether `key` made `signature` over `statement`; asks the curve only if it does not remember.
    pub fn verify(&self, key: &PublicKey, statement: &Statement, signature: &Signature) -> bool {
        self.invalid(&[(*key, *statement, *signature)]).is_empty()
    }

    /// The places of the signatures that are not good. Those that it does not remember are checked in one batch, which
    /// decides as single checks do; only if one is bad the others cost more.
    pub fn invalid(&self, signed: &[(PublicKey, Statement, Signature)]) -> Vec<usize> {
        #[cfg(feature = "sim")]
        if let Some(keys) = &self.simulated {
            let forged = signed.iter().enumerate().filter(|(_, (key, said, by))| !keys.verify(key, said, by));
            return forged.map(|(place, _)| place).collect();
        }
        let places = signed.iter().enumerate();
        let unknown: Vec<_> = places.filter(|(_, signed)| !self.remembers(signed)).map(|(place, _)| place).collect();
        let bad = check(unknown.iter().filter_map(|place| Some((*place, signed.get(*place)?))));
        for signed in unknown.into_iter().filter(|place| !bad.contains(place)).filter_map(|place| signed.get(place)) {
            self.remember(signed);
        }
        bad
    }

    fn remembers(&self, signed: &(PublicKey, Statement, Signature)) -> bool {
        let id = id(signed);
        self.generations.with(|sets| sets.iter().any(|set| set.contains(&id)))
    }

    fn remember(&self, signed: &(PublicKey, Statement, Signature)) {
        let id = id(signed);
        self.generations.with(|[young, old]| {
            young.insert(id);
            if young.len() >= self.capacity {
                *old = core::mem::take(young);
            }
        });
    }
}

fn id((key, statement, signature): &(PublicKey, Statement, Signature)) -> Digest {
    Digest::of(CHECKED, &[&key.0, &statement.to_bytes(), &signature.0])
}

/// Asks the curve; gives the places of what is bad.
fn check<'a>(signed: impl Iterator<Item = (usize, &'a (PublicKey, Statement, Signature))>) -> Vec<usize> {
    let signed: Vec<_> = signed.collect();
    if let [(place, (key, statement, signature))] = signed.as_slice() {
        return if statement.verify(key, signature) { Vec::new() } else { alloc::vec![*place] };
    }
    let mut batch = Batch::with_capacity(signed.len());
    for (_, (key, statement, signature)) in &signed {
        batch.push_digest(*key, statement.signing_digest(), *signature);
    }
    if batch.verify().is_ok() {
        return Vec::new();
    }
    batch.invalid().into_iter().filter_map(|bad| signed.get(bad).map(|(place, _)| *place)).collect()
}

/// A value behind a lock; without `std` it stays on one thread, and so does what holds it.
#[cfg(feature = "std")]
#[derive(Debug, Default)]
struct Shared<T>(std::sync::Mutex<T>);

#[cfg(feature = "std")]
impl<T> Shared<T> {
    fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

#[cfg(not(feature = "std"))]
#[derive(Debug, Default)]
struct Shared<T>(core::cell::RefCell<T>);

#[cfg(not(feature = "std"))]
impl<T> Shared<T> {
    fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        act(&mut self.0.borrow_mut())
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::{Signer, SigningKey};

    use super::*;
    use crate::{
        ids::{ChainId, Height, Term},
        lbft::Kind,
    };

    #[test]
    fn the_cache_is_bounded_and_answers_as_the_curve() {
        let key = SigningKey::from_seed(&[1; 32]);
        let cache = SignatureCache::new(2);
        let (chain, term, kind, digest) = (ChainId(Digest([7; 32])), Term(2), Kind::Prepare, Digest([9; 32]));
        for height in 0..20 {
            let said = Statement { chain, term, kind, height: Height(height), digest };
            let other = Statement { kind: Kind::Commit, ..said };
            let signature = said.sign(&key);
            for _ in 0..2 {
                assert!(cache.verify(&key.public_key(), &said, &signature));
                assert!(!cache.verify(&key.public_key(), &other, &signature));
            }
        }
        let held: usize = cache.generations.with(|sets| sets.iter().map(BTreeSet::len).sum());
        assert!(held <= 4, "{held}");
    }
}

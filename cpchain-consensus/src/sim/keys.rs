//! Signatures for virtual time: a keyed checksum in place of the curve, a thousand times cheaper.

use cpchain_crypto::{Domain, PublicKey, Signature, Signer};

use super::random::Random;
use crate::lbft::{LBFT, SignatureCache, Statement};

/// The keys of one simulated world.
///
/// A signature is a checksum over the world's secret, the signer's key, the domain and the message. The secret never
/// leaves this module, and a member is given the signer of its own key alone: so nobody in the world signs for another,
/// which is all that LBFT asks of a signature scheme (`nobody_signs_for_another`). It protects nothing outside of a simulation: a
/// core uses it only when it is given [`Keys::cache`].
#[derive(Debug, Clone)]
pub struct Keys {
    secret: [u64; 2],
}

impl Keys {
    /// The keys of the world with this seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x6b65_7973);
        Self { secret: [random.next(), random.next()] }
    }

    /// The public key of a member. It begins with the number of the member.
    pub fn public_key(&self, member: usize) -> PublicKey {
        let name = (member as u64).to_le_bytes();
        let mut sum = Checksum(self.secret);
        sum.absorb(b"key");
        sum.absorb(&name);
        let mut key = [0; 32];
        let parts = name.iter().copied().chain(sum.finish()).chain(sum.finish());
        for (slot, byte) in key.iter_mut().zip(parts) {
            *slot = byte;
        }
        PublicKey(key)
    }

    /// The member whose key begins like this one.
    pub(crate) fn member(key: &PublicKey) -> usize {
        let [a, b, c, d, ..] = key.0;
        u32::from_le_bytes([a, b, c, d]) as usize
    }

    /// Signs in the name of a member.
    pub fn signer(&self, member: usize) -> SimulatedSigner {
        SimulatedSigner { keys: self.clone(), key: self.public_key(member) }
    }

    /// What a core of this world verifies signatures with.
    pub fn cache(&self) -> SignatureCache {
        SignatureCache::simulated(self.clone())
    }

    /// Whether the member with this key signed exactly this.
    pub fn verify(&self, key: &PublicKey, statement: &Statement, signature: &Signature) -> bool {
        self.sign(key, LBFT, &statement.to_bytes()) == *signature
    }

    fn sign(&self, key: &PublicKey, domain: Domain, message: &[u8]) -> Signature {
        let mut sum = Checksum(self.secret);
        sum.absorb(&key.0);
        sum.absorb(domain.as_str().as_bytes());
        sum.absorb(message);
        let mut signature = [0; 64];
        for (slot, byte) in signature.iter_mut().zip(sum.finish()) {
            *slot = byte;
        }
        Signature(signature)
    }
}

/// Signs as one member of a simulated world.
pub struct SimulatedSigner {
    keys: Keys,
    key: PublicKey,
}

impl Signer for SimulatedSigner {
    fn public_key(&self) -> PublicKey {
        self.key
    }

    fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        self.keys.sign(&self.key, domain, message)
    }
}

/// 128 bits over bytes in two multiply-and-fold lanes. Not cryptographic: nobody in a simulation attacks it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checksum(pub(crate) [u64; 2]);

impl Checksum {
    pub(crate) const fn word(&mut self, word: u64) {
        const fn fold(a: u64, b: u64) -> u64 {
            let wide = (a as u128) * (b as u128);
            (wide as u64) ^ ((wide >> 64) as u64)
        }
        let [a, b] = self.0;
        self.0 = [
            fold(a ^ word, 0x9e37_79b9_7f4a_7c15 ^ b),
            fold(b ^ word.rotate_left(32), 0xc2b2_ae3d_27d4_eb4f ^ a).wrapping_add(1),
        ];
    }

    pub(crate) fn absorb(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let mut words = bytes.chunks_exact(8);
        for chunk in words.by_ref() {
            self.word(<[u8; 8]>::try_from(chunk).map_or(0, u64::from_le_bytes));
        }
        let mut last = [0; 8];
        for (slot, byte) in last.iter_mut().zip(words.remainder()) {
            *slot = *byte;
        }
        self.word(u64::from_le_bytes(last));
    }

    /// The sum so far, which goes on from another state.
    pub(crate) fn finish(&mut self) -> [u8; 16] {
        self.word(0);
        let [a, b] = self.0;
        (u128::from(a) << 64 | u128::from(b)).to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::Digest;

    use super::*;
    use crate::{
        ids::{ChainId, Height, Term},
        lbft::Kind,
    };

    #[test]
    fn nobody_signs_for_another() {
        let keys = Keys::new(1);
        let said = Statement {
            chain: ChainId(Digest([7; 32])),
            term: Term(2),
            kind: Kind::Prepare,
            height: Height(3),
            digest: Digest([9; 32]),
        };
        let signature = said.sign(&keys.signer(5));
        let cache = keys.cache();
        assert!(cache.verify(&keys.public_key(5), &said, &signature));
        assert!(!cache.verify(&keys.public_key(6), &said, &signature));
        assert!(!Keys::new(2).cache().verify(&keys.public_key(5), &said, &signature), "another world");
        let others = [
            Statement { chain: ChainId(Digest([8; 32])), ..said },
            Statement { term: Term(3), ..said },
            Statement { kind: Kind::Commit, ..said },
            Statement { height: Height(4), ..said },
            Statement { digest: Digest([8; 32]), ..said },
        ];
        for other in others {
            assert!(!cache.verify(&keys.public_key(5), &other, &signature), "{other:?}");
        }
        assert_eq!(Keys::member(&keys.public_key(5)), 5);
        // A core with a real cache takes no simulated signature, and a simulated cache no real one.
        assert!(!SignatureCache::new(10).verify(&keys.public_key(5), &said, &signature));
        let real = cpchain_crypto::SigningKey::from_seed(&[1; 32]);
        assert!(!cache.verify(&real.public_key(), &said, &said.sign(&real)));
    }
}

//! Umbral (Nuñez 2018) over secp256k1, computed by `umbral-pre`. No type of it leaves this module.
//!
//! Three things are done differently from its own wire form. A key fragment travels without the parameter point `u` (the
//! standard one is put back, so a seller cannot make a fragment under another `u` whose re-encryptions blame the
//! proxy), with one signature instead of two (what the proxy checks is what the chain will check), and always signed over both keys.
//! A secret key travels as the 32-byte seed that it is derived from.

#[cfg(test)]
mod collusion;
mod fields;
mod random;

use alloc::vec::Vec;

use umbral_pre::{
    KeyFrag, OpenReencryptedError, PublicKey, ReencryptionError, SecretKey, SecretKeyFactory, Signer, decrypt_original,
    decrypt_reencrypted, encrypt_with_rng, generate_kfrags_with_rng, reencrypt_with_rng,
};
use zeroize::Zeroizing;

use self::random::Random;
use super::{
    Capsule, CapsuleFragment, KeyFragment, Parties, PreError, PrePublicKey, PreSecretKey, ProxyReEncryption, Scheme,
    Threshold, Verified, capsule_label, capsule_plaintext,
};
use crate::{
    entropy::Entropy,
    hash::Digest,
    key_tree::{NodeSeed, TreeNode},
};

const REENCRYPTION: &str = "cpchain/crypto/pre/umbral-reencryption/v1";

const POINT: usize = 33;
const SCALAR: usize = 32;
const SIGNATURE: usize = 64;
const KEM: usize = POINT + POINT + SCALAR;
const KEM_WIDTHS: [usize; 3] = [POINT, POINT, SCALAR];
/// The point `u` of `Parameters`: "POINT_U" hashed to the curve under the tag "PARAMETERS" (RFC 9380). Hashing it anew costs more than
/// a signature, and every key fragment needs it.
const PARAMETER_POINT: [u8; POINT] = [
    0x03, 0x07, 0x93, 0x90, 0xd0, 0xfb, 0xe2, 0x20, 0xfc, 0x34, 0xaa, 0xb8, 0xec, 0xbf, 0x49, 0x09, 0x80, 0x98, 0x03,
    0x68, 0x20, 0xfa, 0xdb, 0x98, 0xc0, 0x31, 0x43, 0xe5, 0x5d, 0xb8, 0xec, 0x73, 0xcd,
];
/// Parameter point, id, share, precursor, commitment, signature for the proxy, signature for the receiver.
const KEY_FRAGMENT_WIDTHS: [usize; 7] = [POINT, SCALAR, SCALAR, POINT, POINT, SIGNATURE, SIGNATURE];
const CAPSULE_FRAGMENT_WIDTHS: [usize; 10] =
    [POINT, POINT, SCALAR, POINT, POINT, POINT, POINT, POINT, SCALAR, SIGNATURE];

/// The Umbral scheme, threshold proxy re-encryption with proofs. Holds no state.
///
/// Its licence is that of `umbral-pre`, GPL-3.0-only: so is a binary that contains it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Umbral;

impl Umbral {
    /// The label under which a secret key is made from its seed: `SecretKeyFactory::from_secure_randomness(seed)`, then
    /// `make_key(KEY_LABEL)`, which every implementation of Umbral names alike.
    pub const KEY_LABEL: &'static [u8] = b"cpchain/crypto/pre/umbral-key/v1";
}

impl ProxyReEncryption for Umbral {
    fn scheme(&self) -> Scheme {
        Scheme::Umbral
    }

    fn public_key(&self, secret: &PreSecretKey) -> Result<PrePublicKey, PreError> {
        public_of(secret, &read_secret(secret)?)
    }

    fn verify_public_key(&self, key: &PrePublicKey) -> Result<(), PreError> {
        read_public(key).map(drop)
    }

    fn verify_capsule(&self, capsule: &Capsule) -> Result<(), PreError> {
        Parts::of(capsule).map(drop)
    }

    fn encapsulate(
        &self,
        delegating: &PrePublicKey,
        stream: &Digest,
        seed: &NodeSeed,
        entropy: &mut dyn Entropy,
    ) -> Result<Capsule, PreError> {
        let node = seed.node();
        if node.depth() == 0 {
            return Err(PreError::Root);
        }
        let delegating = read_public(delegating)?;
        let plain = capsule_plaintext(stream, seed);
        let (kem, sealed) = encrypt_with_rng(&mut Random::from_entropy(entropy)?, delegating, plain.as_slice())
            .map_err(|_| PreError::Sealed)?;
        let bytes = [stream.0.as_slice(), &node.to_bytes(), &kem.to_bytes_simple(), &sealed];
        let capsule = Capsule::from_payload(Scheme::Umbral, &bytes)?;
        capsule.parsed.keep(kem);
        Ok(capsule)
    }

    fn open_original(&self, delegating: &PreSecretKey, capsule: &Capsule) -> Result<NodeSeed, PreError> {
        let parts = Parts::of(capsule)?;
        let plain = decrypt_original(&read_secret(delegating)?, parts.kem, parts.sealed);
        parts.seed(Zeroizing::new(plain.map_err(|_| PreError::Sealed)?.into_vec()))
    }

    fn grant(
        &self,
        delegating: &PreSecretKey,
        granting: &PreSecretKey,
        receiving: &PrePublicKey,
        threshold: Threshold,
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<KeyFragment>, PreError> {
        let (delegating, receiving) = (read_secret(delegating)?, read_public(receiving)?);
        let signer = Signer::new(read_secret(granting)?);
        let mut random = Random::from_entropy(entropy)?;
        let (needed, shares) = (usize::from(threshold.needed()), usize::from(threshold.shares()));
        let fragments =
            generate_kfrags_with_rng(&mut random, &delegating, receiving, &signer, needed, shares, true, true);
        fragments.into_vec().into_iter().map(|fragment| write_key_fragment(&fragment.unverify())).collect()
    }

    fn check_key_fragment(&self, fragment: &KeyFragment, parties: &Parties) -> Result<(), PreError> {
        let (delegating, receiving, verifying) = read_parties(parties)?;
        let inner = read_key_fragment(fragment)?;
        let checked = inner.verify(verifying, Some(delegating), Some(receiving));
        checked.map(drop).map_err(|_| PreError::KeyFragment)
    }

    fn reencrypt(
        &self,
        capsule: &Capsule,
        fragment: &Verified<Self, KeyFragment>,
    ) -> Result<CapsuleFragment, PreError> {
        let parts = Parts::of(capsule)?;
        // The proof's nonce depends on the secret share and the capsule, as in RFC 6979.
        let mut seed = blake3::Hasher::new_derive_key(REENCRYPTION);
        seed.update(fragment.get().expose());
        seed.update(capsule.as_bytes());
        let mut random = Random::from_seed(&Zeroizing::new(*seed.finalize().as_bytes()));
        // Its bytes are known to be the one form: it has passed the check.
        let (inner, _) = parse_key_fragment(fragment.get())?;
        let inner = inner.skip_verification();
        let made = reencrypt_with_rng(&mut random, parts.kem, inner).unverify();
        let fragment = CapsuleFragment::from_payload(Scheme::Umbral, &[&made.to_bytes_simple()])?;
        fragment.parsed.keep(made);
        Ok(fragment)
    }

    fn check_capsule_fragment(
        &self,
        fragment: &CapsuleFragment,
        capsule: &Capsule,
        parties: &Parties,
    ) -> Result<(), PreError> {
        let (delegating, receiving, verifying) = read_parties(parties)?;
        let parts = Parts::of(capsule)?;
        let inner = read_capsule_fragment(fragment)?.clone();
        let checked = inner.verify(parts.kem, verifying, delegating, receiving);
        checked.map(drop).map_err(|_| PreError::CapsuleFragment)
    }

    fn open(
        &self,
        receiving: &PreSecretKey,
        delegating: &PrePublicKey,
        capsule: &Capsule,
        fragments: &[Verified<Self, CapsuleFragment>],
    ) -> Result<NodeSeed, PreError> {
        if fragments.is_empty() || fragments.len() > usize::from(Threshold::MAX_SHARES) {
            return Err(PreError::Fragments);
        }
        let secret = read_secret(receiving)?;
        let receiving = public_of(receiving, &secret)?;
        if !fragments.iter().all(|fragment| fragment.is_for(capsule, delegating, &receiving)) {
            return Err(PreError::OtherCapsule);
        }
        let parts = Parts::of(capsule)?;
        let mut inner = Vec::with_capacity(fragments.len());
        for fragment in fragments {
            inner.push(read_capsule_fragment(fragment.get())?.clone().skip_verification());
        }
        let plain = decrypt_reencrypted(&secret, read_public(delegating)?, parts.kem, inner, parts.sealed);
        let plain = plain.map_err(|error| match error {
            ReencryptionError::OnOpen(OpenReencryptedError::RepeatingCapsuleFrags) => PreError::Fragments,
            _ => PreError::Sealed,
        })?;
        parts.seed(Zeroizing::new(plain.into_vec()))
    }
}

/// A capsule taken apart.
struct Parts<'a> {
    stream: Digest,
    node: TreeNode,
    kem: &'a umbral_pre::Capsule,
    sealed: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(capsule: &'a Capsule) -> Result<Self, PreError> {
        let (stream, node, rest) = capsule.label()?;
        let format = PreError::Format { what: Capsule::WHAT };
        let (kem, sealed) = rest.split_at_checked(KEM).ok_or(format)?;
        let kem = capsule.parsed.get(|| Self::read(kem))?;
        Ok(Self { stream, node, kem, sealed })
    }

    fn read(kem: &[u8]) -> Result<umbral_pre::Capsule, PreError> {
        let value = PreError::Value { what: Capsule::WHAT };
        let read: umbral_pre::Capsule = fields::read(kem, &KEM_WIDTHS).map_err(|_| value)?;
        // The points E and V; were they opposite, their sum would have no encoding and opening would panic inside `umbral-pre`.
        // Equal ones are refused with them: honest capsules have neither but by a chance of 2⁻²⁵⁶.
        let opposite = kem.get(1..POINT) == kem.get(POINT + 1..2 * POINT);
        if *read.to_bytes_simple() != *kem || opposite { Err(value) } else { Ok(read) }
    }

    fn seed(&self, plain: Zeroizing<Vec<u8>>) -> Result<NodeSeed, PreError> {
        let (seed, bound) = plain.split_first_chunk::<32>().ok_or(PreError::Label)?;
        if bound != capsule_label(&self.stream, self.node).0 {
            return Err(PreError::Label);
        }
        Ok(NodeSeed::from_bytes(self.node, *seed))
    }
}

fn read_secret(secret: &PreSecretKey) -> Result<SecretKey, PreError> {
    let factory = SecretKeyFactory::from_secure_randomness(secret.payload());
    Ok(factory.map_err(|_| PreError::Format { what: PreSecretKey::WHAT })?.make_key(Umbral::KEY_LABEL))
}

fn read_public(key: &PrePublicKey) -> Result<&PublicKey, PreError> {
    key.parsed.get(|| {
        let error = PreError::Value { what: PrePublicKey::WHAT };
        let read = PublicKey::try_from_compressed_bytes(key.payload()).map_err(|_| error)?;
        if *read.to_compressed_bytes() == *key.payload() { Ok(read) } else { Err(error) }
    })
}

fn write_public(key: &PublicKey) -> Result<PrePublicKey, PreError> {
    let written = PrePublicKey::from_payload(Scheme::Umbral, &[&key.to_compressed_bytes()])?;
    written.parsed.keep(*key);
    Ok(written)
}

/// The public key of a secret that was read, computed once for each secret.
fn public_of(secret: &PreSecretKey, read: &SecretKey) -> Result<PrePublicKey, PreError> {
    write_public(secret.public.get(|| Ok::<_, PreError>(read.public_key()))?)
}

fn read_parties(parties: &Parties) -> Result<(&PublicKey, &PublicKey, &PublicKey), PreError> {
    Ok((read_public(&parties.delegating)?, read_public(&parties.receiving)?, read_public(&parties.verifying)?))
}

fn write_key_fragment(fragment: &KeyFrag) -> Result<KeyFragment, PreError> {
    let error = PreError::Value { what: KeyFragment::WHAT };
    let all = fields::write(fragment).map_err(|_| error)?;
    // Without the parameter point and the signature for the proxy.
    let kept = all.get(POINT..).and_then(|rest| rest.split_at_checked(2 * SCALAR + 2 * POINT)).ok_or(error)?;
    let signature = kept.1.get(SIGNATURE..).ok_or(error)?;
    KeyFragment::from_payload(Scheme::Umbral, &[kept.0, signature])
}

fn read_key_fragment(fragment: &KeyFragment) -> Result<KeyFrag, PreError> {
    let error = PreError::Value { what: KeyFragment::WHAT };
    let (read, all) = parse_key_fragment(fragment)?;
    let again = fields::write(&read).map_err(|_| error)?;
    if *again == *all { Ok(read) } else { Err(error) }
}

/// The fragment, which may be a second form of the same value, and the bytes that it was read from.
fn parse_key_fragment(fragment: &KeyFragment) -> Result<(KeyFrag, Zeroizing<Vec<u8>>), PreError> {
    let error = PreError::Value { what: KeyFragment::WHAT };
    let payload = fragment.payload();
    let signature = payload.last_chunk::<SIGNATURE>().ok_or(error)?;
    // Of the whole length at once: a vector that grows leaves its secrets behind.
    let mut all = Zeroizing::new(Vec::with_capacity(POINT + payload.len() + SIGNATURE));
    all.extend_from_slice(&PARAMETER_POINT);
    all.extend_from_slice(payload);
    all.extend_from_slice(signature);
    let read = fields::read(&all, &KEY_FRAGMENT_WIDTHS).map_err(|_| error)?;
    Ok((read, all))
}

fn read_capsule_fragment(fragment: &CapsuleFragment) -> Result<&umbral_pre::CapsuleFrag, PreError> {
    fragment.parsed.get(|| {
        let error = PreError::Value { what: CapsuleFragment::WHAT };
        let read: umbral_pre::CapsuleFrag =
            fields::read(fragment.payload(), &CAPSULE_FRAGMENT_WIDTHS).map_err(|_| error)?;
        if *read.to_bytes_simple() == *fragment.payload() { Ok(read) } else { Err(error) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_point_is_the_standard_one() {
        assert_eq!(*fields::write(&umbral_pre::Parameters::new()).unwrap(), PARAMETER_POINT);
    }
}

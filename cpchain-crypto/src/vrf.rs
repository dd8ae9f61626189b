//! A verifiable random function: a number that one key alone can compute, that everyone can check, and that nobody could choose.
//!
//! It is ECVRF-EDWARDS25519-SHA512-TAI of RFC 9381 (suite 0x03). The output of a key and an input is unique: no second proof
//! with another output is accepted, also not of a key that was made to that end, because a key of small order is no key
//! (RFC 9381, 5.4.5).
//!
//! - Proofs and outputs are those of the RFC (`the_vectors_of_rfc_9381`).
//! - Another key, input or proof is refused, and no bit of a proof may change (`a_changed_proof_is_refused`).
//! - Encodings are canonical, points of small order are refused (`bad_encodings_are_refused`): so also in a proof, which is more
//!   than the RFC asks for, and no honest proof has one.
//! - Work with the secret key takes the same time for every key and input; how long it takes to find the point of the input tells
//!   of the input and the public key alone, which are public.
//!
//! Keep the key apart from the one that signs: what is one byte string to both is then never said twice.

use core::fmt;

use curve25519_dalek::{EdwardsPoint, Scalar, constants::ED25519_BASEPOINT_POINT, edwards::CompressedEdwardsY};
use sha2::{Digest as _, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    entropy::{Entropy, EntropyError},
    hash::hex,
    sign::decode_point,
};

/// The suite's number, and what its hashes are for (RFC 9381, 5.4 and 5.5).
const SUITE: u8 = 0x03;
const ENCODE: u8 = 0x01;
const CHALLENGE: u8 = 0x02;
const OUTPUT: u8 = 0x03;
const END: u8 = 0x00;

/// Bytes of a proof.
pub const PROOF_LEN: usize = 80;

/// The proof does not show an output of this key for this input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not match the key and the input")]
pub struct VrfError;

/// The secret key: wiped when dropped, never printed.
///
/// ```
/// use cpchain_crypto::vrf::VrfSecretKey;
/// let key = VrfSecretKey::from_seed(&[1; 32]);
/// let (output, proof) = key.prove(b"term 7");
/// assert_eq!(key.public_key().verify(b"term 7", &proof), Ok(output));
/// assert!(key.public_key().verify(b"term 8", &proof).is_err());
/// ```
pub struct VrfSecretKey {
    seed: Zeroizing<[u8; 32]>,
    /// The second half of the seed's hash, from which nonces are made.
    prefix: Zeroizing<[u8; 32]>,
    scalar: Zeroizing<Scalar>,
    public: VrfPublicKey,
}

/// The public key, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VrfPublicKey(pub [u8; 32]);

/// That an output is the one of a key and an input.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VrfProof(pub [u8; PROOF_LEN]);

/// What comes out: 64 bytes that nobody can tell from random ones before the proof is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VrfOutput(pub [u8; 64]);

impl VrfSecretKey {
    /// A new key.
    ///
    /// # Errors
    /// [`EntropyError`] when the source fails.
    pub fn generate(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        let mut seed = Zeroizing::new([0; 32]);
        entropy.fill(&mut *seed)?;
        Ok(Self::from_seed(&seed))
    }

    /// The key of a seed: SK of RFC 9381, made into a scalar as RFC 8032 does.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let mut hash: [u8; 64] = Sha512::digest(seed).into();
        let (mut low, mut prefix) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
        for (to, byte) in low.iter_mut().chain(prefix.iter_mut()).zip(hash) {
            *to = byte;
        }
        hash.zeroize();
        let clamped = Zeroizing::new(curve25519_dalek::scalar::clamp_integer(*low));
        // The point is the same modulo the group order, since the base point and the input's point are of that order.
        let scalar = Zeroizing::new(Scalar::from_bytes_mod_order(*clamped));
        let public = VrfPublicKey(EdwardsPoint::mul_base(&scalar).compress().to_bytes());
        Self { seed: Zeroizing::new(*seed), prefix, scalar, public }
    }

    /// The seed, for storing the key; wiped when dropped.
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        self.seed.clone()
    }

    /// The key that others check with.
    pub const fn public_key(&self) -> VrfPublicKey {
        self.public
    }

    /// The output for an input, and its proof.
    pub fn prove(&self, input: &[u8]) -> (VrfOutput, VrfProof) {
        let point = encode(&self.public, input);
        let point_bytes = point.compress();
        let gamma = point * *self.scalar;
        let mut hash: [u8; 64] =
            Sha512::new().chain_update(*self.prefix).chain_update(point_bytes.as_bytes()).finalize().into();
        let nonce = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&hash));
        hash.zeroize();
        let commitments = [EdwardsPoint::mul_base(&nonce), point * *nonce];
        let c = challenge(&self.public, &point_bytes, &gamma, &commitments);
        let s = *nonce + Scalar::from(u128::from_le_bytes(c)) * *self.scalar;

        let mut proof = [0; PROOF_LEN];
        let gamma_bytes = gamma.compress().to_bytes();
        for (to, byte) in proof.iter_mut().zip(gamma_bytes.iter().chain(&c).chain(s.as_bytes())) {
            *to = *byte;
        }
        (output(&gamma), VrfProof(proof))
    }
}

impl VrfPublicKey {
    /// The output that a proof shows for an input.
    ///
    /// # Errors
    /// [`VrfError`] if it shows none of this key, or the key is none.
    pub fn verify(&self, input: &[u8], proof: &VrfProof) -> Result<VrfOutput, VrfError> {
        let key = decode_point(&self.0).ok_or(VrfError)?;
        let (gamma_bytes, rest) = proof.0.split_first_chunk::<32>().ok_or(VrfError)?;
        let (c_bytes, rest) = rest.split_first_chunk::<16>().ok_or(VrfError)?;
        let gamma = decode_point(gamma_bytes).ok_or(VrfError)?;
        let s = rest.first_chunk().and_then(|bytes| Scalar::from_canonical_bytes(*bytes).into()).ok_or(VrfError)?;
        let c = Scalar::from(u128::from_le_bytes(*c_bytes));

        let point = encode(self, input);
        let u = EdwardsPoint::vartime_double_scalar_mul_basepoint(&-c, &key, &s);
        let v = point * s - gamma * c;
        let expected = challenge(self, &point.compress(), &gamma, &[u, v]);
        if bool::from(expected.ct_eq(c_bytes)) { Ok(output(&gamma)) } else { Err(VrfError) }
    }

    /// Can any proof satisfy this key? To be asked before a key is taken into a register.
    pub fn is_valid(&self) -> bool {
        decode_point(&self.0).is_some()
    }

    /// A key from exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl VrfProof {
    /// A proof from exactly [`PROOF_LEN`] bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// Try and increment (RFC 9381, 5.4.1.1), salted with the public key: the first counter whose hash is a point that is not of
/// small order. About half of all hashes are, so 256 tries fail with a chance of 2⁻²⁵⁶.
fn encode(key: &VrfPublicKey, input: &[u8]) -> EdwardsPoint {
    let start = Sha512::new().chain_update([SUITE, ENCODE]).chain_update(key.0).chain_update(input);
    (0..=u8::MAX)
        .find_map(|counter| {
            let hash = start.clone().chain_update([counter, END]).finalize();
            decode_point(hash.first_chunk()?)
        })
        .unwrap_or(ED25519_BASEPOINT_POINT)
        .mul_by_cofactor()
}

/// RFC 9381, 5.4.3.
fn challenge(
    key: &VrfPublicKey,
    point: &CompressedEdwardsY,
    gamma: &EdwardsPoint,
    [u, v]: &[EdwardsPoint; 2],
) -> [u8; 16] {
    let hash = Sha512::new()
        .chain_update([SUITE, CHALLENGE])
        .chain_update(key.0)
        .chain_update(point.as_bytes())
        .chain_update(gamma.compress().as_bytes())
        .chain_update(u.compress().as_bytes())
        .chain_update(v.compress().as_bytes())
        .chain_update([END])
        .finalize();
    let mut c = [0; 16];
    c.iter_mut().zip(hash).for_each(|(to, byte)| *to = byte);
    c
}

/// RFC 9381, 5.2.
fn output(gamma: &EdwardsPoint) -> VrfOutput {
    let point = gamma.mul_by_cofactor().compress();
    VrfOutput(
        Sha512::new()
            .chain_update([SUITE, OUTPUT])
            .chain_update(point.as_bytes())
            .chain_update([END])
            .finalize()
            .into(),
    )
}

impl fmt::Debug for VrfSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VrfSecretKey({:?})", self.public)
    }
}

impl fmt::Debug for VrfPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, self.0.first_chunk::<4>().map_or(&[], |head| head))?;
        f.write_str("…")
    }
}

impl fmt::Debug for VrfProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VrfProof(")?;
        hex(f, self.0.first_chunk::<4>().map_or(&[], |head| head))?;
        f.write_str("…)")
    }
}

impl fmt::Debug for VrfOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VrfOutput(")?;
        hex(f, self.0.first_chunk::<4>().map_or(&[], |head| head))?;
        f.write_str("…)")
    }
}

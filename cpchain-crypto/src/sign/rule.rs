//! The one rule by which this crate accepts an Ed25519 signature, for one and for many.
//!
//! A signature (R, s) by A over a message holds if
//! 1. A and R are canonical encodings (y below the field's prime) of points of the curve, and s is below the group order;
//! 2. neither A nor R is of small order;
//! 3. \[8\](sB − kA − R) = 0 with k = SHA-512(R ‖ A ‖ message): the *cofactored* equation of RFC 8032, 5.1.7.
//!
//! Why the factor 8: a batch is judged by one random sum of the equations. Without the factor, the points of order 8 that a
//! dishonest signer can mix into A or R cancel in the sum with a chance of 1/8 or more, so a batch would accept what a single
//! check refuses, and two honest nodes could disagree about one certificate. With it they drop out of both, and every
//! verifier says the same (`tests/batch.rs`: `a_batch_decides_as_single_checks_do`, `cofactorless_verifiers_disagree`).
//! The strict rule of `ed25519-dalek` is point 1 and 2 with the equation without the factor. What it accepts is accepted here
//! (`tests/signatures.rs`: `what_the_strict_rule_accepts_is_accepted`), with one exception that nobody can make: it takes
//! a non-canonical A that is not of small order, of which there are a few, and nobody knows a secret key of one.
//!
//! What rules 1 and 2 keep: nobody but the signer can turn a valid signature into another valid one, and no key accepts all
//! messages or another key's signature.

use curve25519_dalek::{EdwardsPoint, Scalar, edwards::CompressedEdwardsY};
use sha2::{Digest as _, Sha512};

/// What a signature says once it is decoded: the terms of the equation.
pub(crate) struct Terms {
    pub(crate) r: EdwardsPoint,
    pub(crate) s: Scalar,
    pub(crate) k: Scalar,
}

/// A point that rules 1 and 2 allow.
pub(crate) fn decode_point(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    if !is_below_prime(bytes) {
        return None;
    }
    // The other non-canonical encodings, −0 for x, are of points of small order.
    CompressedEdwardsY(*bytes).decompress().filter(|point| !point.is_small_order())
}

/// Is y, without the sign bit of x, below 2²⁵⁵ − 19?
fn is_below_prime(bytes: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = bytes;
    *first < 0xed || last & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

/// Decodes a signature by the key of encoding `key`.
pub(crate) fn decode_signature(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Option<Terms> {
    let (r_bytes, rest) = signature.split_first_chunk::<32>()?;
    let s_bytes = rest.first_chunk::<32>()?;
    let s = Option::from(Scalar::from_canonical_bytes(*s_bytes))?;
    let r = decode_point(r_bytes)?;
    let hash = Sha512::new().chain_update(r_bytes).chain_update(key).chain_update(message).finalize();
    Some(Terms { r, s, k: Scalar::from_bytes_mod_order_wide(&hash.into()) })
}

/// Rule 3, with `minus_a` = −A.
pub(crate) fn holds(minus_a: &EdwardsPoint, terms: &Terms) -> bool {
    let kept = EdwardsPoint::vartime_double_scalar_mul_basepoint(&terms.k, minus_a, &terms.s);
    (kept - terms.r).is_small_order()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_encodings_below_the_prime_are_canonical() {
        let mut prime = [0xff; 32];
        (prime[0], prime[31]) = (0xed, 0x7f);
        for low in 0..=0xff {
            prime[0] = low;
            for sign in [0x7f, 0xff] {
                prime[31] = sign;
                assert_eq!(is_below_prime(&prime), low < 0xed, "{low:x}");
            }
        }
        prime[31] = 0x7e;
        assert!(is_below_prime(&prime));
        (prime[31], prime[7]) = (0x7f, 0xfe);
        assert!(is_below_prime(&prime));
    }

    /// Points of large order under an encoding that `ed25519-dalek` would take.
    #[test]
    #[cfg_attr(miri, ignore = "long loops over safe code")]
    fn points_that_are_not_canonical_are_no_points() {
        let mut refused = 0;
        for low in 0xef..=0xff {
            for high in [0x7f, 0xff] {
                let mut bytes = [0xff; 32];
                (bytes[0], bytes[31]) = (low, high);
                let point = CompressedEdwardsY(bytes).decompress();
                refused += u32::from(point.is_some_and(|point| !point.is_small_order()));
                assert!(decode_point(&bytes).is_none());
                if let Some(point) = point.filter(|point| !point.is_small_order()) {
                    assert_eq!(decode_point(point.compress().as_bytes()), Some(point));
                }
            }
        }
        assert!(refused > 0);
    }

    #[test]
    #[cfg_attr(miri, ignore = "long loops over safe code")]
    fn points_of_small_order_are_no_points() {
        for point in curve25519_dalek::constants::EIGHT_TORSION {
            let mut bytes = point.compress().to_bytes();
            assert!(decode_point(&bytes).is_none());
            bytes[31] ^= 0x80;
            assert!(decode_point(&bytes).is_none());
        }
        let base = curve25519_dalek::constants::ED25519_BASEPOINT_COMPRESSED;
        assert!(decode_point(base.as_bytes()).is_some());
    }
}

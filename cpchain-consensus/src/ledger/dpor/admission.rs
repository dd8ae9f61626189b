//! Admission: what it costs to stand for election beside a deposit, so that no farm of names is free (white paper 2.3).
//!
//! Both proofs are over account (32 bytes) ‖ what stands for a recent final block (32) ‖ nonce (8, little-endian):
//! - CPU: its SHA-256 is at most 2^(256 − bits);
//! - memory: its scrypt (N = 4096, r = 8, p = 1, salt: its first 8 bytes) of 32 bytes is, which takes 4 MiB.
//!
//! The account keeps others from using a proof, the block keeps its maker from working ahead.
//! `proofs_are_found_and_checked` and `a_proof_is_of_one_account_and_block` hold it.

use cpchain_crypto::{Digest, PublicKey};
use sha2::{Digest as _, Sha256};

/// log₂ N, r, p.
const SCRYPT: (u8, u32, u32) = (12, 8, 1);

/// What a proof works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// SHA-256.
    Cpu,
    /// scrypt.
    Memory,
}

/// Does this nonce prove the work?
///
/// ```
/// use cpchain_consensus::ledger::dpor::admission::{Work, find, holds};
/// use cpchain_crypto::{Digest, PublicKey};
/// let (account, block) = (PublicKey([1; 32]), Digest::content(b"a recent block"));
/// let nonce = find(Work::Cpu, &account, &block, 12, 0..u64::MAX).unwrap();
/// assert!(holds(Work::Cpu, &account, &block, nonce, 12));
/// ```
pub fn holds(work: Work, account: &PublicKey, block: &Digest, nonce: u64, bits: u32) -> bool {
    // Every hash begins with no zero bits.
    if bits == 0 {
        return true;
    }
    let mut input = [0; 72];
    let bytes = account.0.iter().chain(&block.0).copied().chain(nonce.to_le_bytes());
    input.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
    let mut hash = [0; 32];
    match work {
        Work::Cpu => hash = Sha256::digest(input).into(),
        Work::Memory => {
            let (log_n, r, p) = SCRYPT;
            let Some(salt) = input.first_chunk::<8>() else { return false };
            let done = scrypt::Params::new(log_n, r, p)
                .is_ok_and(|params| scrypt::scrypt(&input, salt, &params, &mut hash).is_ok());
            if !done {
                return false;
            }
        }
    }
    is_at_most(&hash, bits)
}

/// The first nonce of a range that proves the work. It takes about 2^bits tries.
pub fn find(work: Work, account: &PublicKey, block: &Digest, bits: u32, nonces: core::ops::Range<u64>) -> Option<u64> {
    nonces.into_iter().find(|nonce| holds(work, account, block, *nonce, bits))
}

/// At most 2^(256 − bits), as a big-endian number: `bits` zero bits, or the bound itself.
fn is_at_most(hash: &[u8; 32], bits: u32) -> bool {
    let zeros = leading_zeros(hash);
    let ones: u32 = hash.iter().map(|byte| byte.count_ones()).sum();
    zeros >= bits || (zeros + 1 == bits && ones == 1)
}

fn leading_zeros(hash: &[u8; 32]) -> u32 {
    let mut zeros = 0;
    for byte in hash {
        zeros += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    zeros
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_belongs_to_the_proof() {
        // 2^(256 − 12) is bit 244: the 4th of the second byte.
        let with = |head: [u8; 3], last| {
            let mut hash = [0; 32];
            hash[..3].copy_from_slice(&head);
            hash[31] = last;
            is_at_most(&hash, 12)
        };
        assert!(with([0, 0x0f, 0xff], 0xff) && with([0, 0x10, 0], 0));
        assert!(!with([0, 0x10, 0], 1) && !with([0, 0x11, 0], 0) && !with([0, 0x20, 0], 0));
        assert!(is_at_most(&[0; 32], 256) && is_at_most(&[0xff; 32], 0));
    }

    #[test]
    fn proofs_are_found_and_checked() {
        let (account, block) = (PublicKey([1; 32]), Digest([2; 32]));
        for (work, bits) in [(Work::Cpu, 8), (Work::Memory, 2)] {
            let nonce = find(work, &account, &block, bits, 0..10_000).unwrap();
            assert!(holds(work, &account, &block, nonce, bits));
            assert!((0..nonce).all(|nonce| !holds(work, &account, &block, nonce, bits)));
        }
        assert_eq!(find(Work::Cpu, &account, &block, 256, 0..10), None);
        assert_eq!(find(Work::Memory, &account, &block, 0, 7..9), Some(7), "no work is asked for");
    }

    #[test]
    fn a_proof_is_of_one_account_and_block() {
        let (account, block) = (PublicKey([1; 32]), Digest([2; 32]));
        let nonce = find(Work::Cpu, &account, &block, 14, 0..u64::MAX).unwrap();
        assert!(!holds(Work::Cpu, &PublicKey([3; 32]), &block, nonce, 14));
        assert!(!holds(Work::Cpu, &account, &Digest([3; 32]), nonce, 14));
        assert!(!holds(Work::Memory, &account, &block, nonce, 14));
    }
}

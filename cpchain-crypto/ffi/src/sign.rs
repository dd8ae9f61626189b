//! Ed25519 signatures under a domain.

use core::ffi::c_char;

use cpchain_crypto::{PublicKey, Signature, Signer as _, SigningKey};
use zeroize::Zeroizing;

use crate::{CPC_DIGEST_LEN, CPC_KEY_LEN, CPC_SIGNATURE_LEN, Status, hash::domain, memory};

/// Writes the public key of a 32-byte Ed25519 seed.
///
/// Answers `NULL`.
///
/// # Safety
/// `seed` (32 bytes) can be read, `public_key` (32 bytes) written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_public_key(seed: *const u8, public_key: *mut u8) -> Status {
    let work = || {
        // SAFETY: readable by promise.
        let seed = Zeroizing::new(unsafe { memory::array::<CPC_KEY_LEN>(seed) }?);
        let key = SigningKey::from_seed(&seed).public_key();
        // SAFETY: writable by promise.
        unsafe { memory::put(public_key.cast::<[u8; CPC_DIGEST_LEN]>(), key.0) }
    };
    work().into()
}

/// Signs a message under a domain with Ed25519. Needs no randomness. Sign roots of many blocks rather than single ones.
///
/// Answers `NULL`, `LENGTH`, `DOMAIN`.
///
/// # Safety
/// `seed` (32 bytes) and `message` can be read, `signature` (64 bytes) written; `domain` is a string literal (or lives as long as the program).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_sign(
    seed: *const u8,
    domain_name: *const c_char,
    message: *const u8,
    message_len: usize,
    signature: *mut u8,
) -> Status {
    let work = || {
        // SAFETY: a string of static storage duration by promise.
        let domain = unsafe { domain(domain_name) }?;
        // SAFETY: readable by promise.
        let seed = Zeroizing::new(unsafe { memory::array::<CPC_KEY_LEN>(seed) }?);
        // SAFETY: readable by promise; nothing is written while it is borrowed.
        let message = unsafe { memory::input(message, message_len) }?;
        let signature = signature.cast::<[u8; CPC_SIGNATURE_LEN]>();
        memory::check_put(signature)?;
        let signed = SigningKey::from_seed(&seed).sign(domain, message);
        // SAFETY: writable by promise; the message is not used any more.
        unsafe { memory::put(signature, signed.0) }
    };
    work().into()
}

/// Does the signature belong to this key, domain and message?
///
/// Answers `NULL`, `LENGTH`, `DOMAIN`, `KEY`, `SIGNATURE`.
///
/// # Safety
/// `public_key` (32 bytes), `message` and `signature` (64 bytes) can be read; `domain` is a string literal (or lives as long as the program).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_verify(
    public_key: *const u8,
    domain_name: *const c_char,
    message: *const u8,
    message_len: usize,
    signature: *const u8,
) -> Status {
    let work = || {
        // SAFETY: a string of static storage duration by promise.
        let domain = unsafe { domain(domain_name) }?;
        // SAFETY: readable by promise.
        let key = PublicKey(unsafe { memory::array::<CPC_KEY_LEN>(public_key) }?);
        // SAFETY: readable by promise.
        let signature = Signature(unsafe { memory::array::<CPC_SIGNATURE_LEN>(signature) }?);
        // SAFETY: readable by promise; nothing is written.
        let message = unsafe { memory::input(message, message_len) }?;
        Ok(key.verify(domain, message, &signature)?)
    };
    work().into()
}

//! The C interface of `cpchain-crypto`, for devices: no heap, no libc, all memory is the caller's.
//!
//! From C, include `cpchain_crypto.h` and link the static library; `README.md` leads to a first sealed reading. From
//! Rust take `cpchain-crypto` itself: this crate has nothing but the border.
//!
//! ```
//! use cpchain_crypto_ffi::{Status, cpc_open, cpc_seal};
//! let (key, nonce) = ([7; 32], [0; 12]);
//! let (mut reading, mut tag) = (*b"21.5 C", [0; 16]);
//! let (none, buffer) = (std::ptr::null(), reading.as_mut_ptr());
//! // SAFETY: every pointer goes to as many bytes as are said, none of them shared.
//! let sealed = unsafe { cpc_seal(key.as_ptr(), nonce.as_ptr(), none, 0, buffer, 6, tag.as_mut_ptr()) };
//! assert_eq!(sealed, Status::Ok);
//! // SAFETY: as above.
//! let opened = unsafe { cpc_open(key.as_ptr(), nonce.as_ptr(), none, 0, buffer, 6, tag.as_ptr()) };
//! assert_eq!((opened, &reading), (Status::Ok, b"21.5 C"));
//! ```
//!
//! # Rules and what holds them
//! - A function answers a [`Status`]; when it is not [`Status::Ok`] nothing was done, but for what the function names
//!   (`tests/c/test.c`, every status).
//! - Pointers are checked for NULL, lengths for overflow, what is written for overlap with the rest (`tests/abi.rs`,
//!   `tests/c/test.c`; also under AddressSanitizer, UBSan and Miri).
//! - Memory is only borrowed for the call; secrets that are copied are wiped when dropped.
//! - **No key seals a block number twice**: the numbers of an interval are reserved by the caller's `store` before its
//!   first block is sealed, and a restart begins with an unused interval (`tests/counter.rs`); the rules are those of
//!   `cpchain_crypto::counter`. A copied or moved context is refused, since it would seal the same number again
//!   (`a_copied_context_is_refused`).
//! - No function of ours calls anything that panics: `examples/firmware/run.sh` looks into the machine code. Some of
//!   BLAKE3's and ChaCha20's assertions about their own state are left in it; one that failed would end in
//!   `cpc_panicked`, or abort the process where there is an operating system.
//! - The header is what `cbindgen` makes of this crate (`header.sh --check`).

#![cfg_attr(not(test), no_std)]
#![allow(unsafe_code)]
#![deny(clippy::undocumented_unsafe_blocks, clippy::multiple_unsafe_ops_per_block)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

// Where there is an operating system its panic runtime is linked; a panic that leaves an `extern "C"` function aborts.
#[cfg(not(target_os = "none"))]
extern crate std;

mod aead;
mod block;
mod context;
mod counter;
mod hash;
mod keys;
mod memory;
#[cfg(all(target_os = "none", feature = "panic-handler"))]
mod panic_handler;
mod sign;
mod status;

use core::ffi::c_char;

pub use {
    aead::{cpc_open, cpc_seal},
    block::{
        Block, Readings, UPLOAD, cpc_finish_upload, cpc_leaf_count, cpc_next_block, cpc_open_block, cpc_sealed_len,
    },
    context::{Config, Context, Position, cpc_close, cpc_get_position, cpc_init, cpc_position_after},
    counter::{LoadFn, StoreFn},
    hash::{Hasher, cpc_hash, cpc_hasher_finish, cpc_hasher_init, cpc_hasher_part},
    keys::{
        EntropyFn, cpc_generate_secret, cpc_interval_key, cpc_interval_key_from_seed, cpc_key_commitment,
        cpc_node_seed, cpc_zeroize,
    },
    sign::{cpc_public_key, cpc_sign, cpc_verify},
    status::{Status, cpc_error_text},
};

/// Version of this interface: a change that breaks compiled callers raises it.
pub const CPC_ABI_VERSION: u32 = 1;
/// Bytes of a symmetric key, a seed, a secret, a public key.
pub const CPC_KEY_LEN: usize = 32;
/// Bytes of a nonce.
pub const CPC_NONCE_LEN: usize = 12;
/// Bytes of an authentication tag.
pub const CPC_TAG_LEN: usize = 16;
/// Bytes of a digest, a root, a key commitment.
pub const CPC_DIGEST_LEN: usize = 32;
/// Bytes of a signature.
pub const CPC_SIGNATURE_LEN: usize = 64;
/// Bytes of the header of a sealed block.
pub const CPC_HEADER_LEN: usize = 104;
/// Body bytes that one leaf takes.
pub const CPC_LEAF_LEN: usize = 4096;
/// Bytes of the commitment of a leaf.
pub const CPC_COMMITMENT_LEN: usize = 64;
/// Longest body of a block, bytes.
pub const CPC_MAX_BODY_LEN: usize = 67108864;
/// Bytes of the durable counter's record.
pub const CPC_COUNTER_LEN: usize = 32;
/// What `load` answers when nothing was ever stored.
pub const CPC_COUNTER_NONE: i32 = 1;
/// 64-bit words of a context.
pub const CPC_CTX_WORDS: usize = 336;
/// 64-bit words of a hasher.
pub const CPC_HASHER_WORDS: usize = 241;

// The header states numbers; these are the same.
const _: () = {
    assert!(CPC_TAG_LEN == cpchain_crypto::TAG_LEN);
    assert!(CPC_HEADER_LEN == cpchain_crypto::block::HEADER_LEN);
    assert!(CPC_LEAF_LEN == cpchain_crypto::block::LEAF_LEN);
    assert!(CPC_MAX_BODY_LEN == cpchain_crypto::block::MAX_BODY_LEN as usize);
};

/// The interface version of the library that is linked: compare it with `CPC_ABI_VERSION` of the header.
#[unsafe(no_mangle)]
pub extern "C" fn cpc_abi_version() -> u32 {
    CPC_ABI_VERSION
}

/// The release of the library, for example "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn cpc_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

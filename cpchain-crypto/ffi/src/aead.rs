//! ChaCha20-Poly1305 in place, with a detached tag.

use cpchain_crypto::{Aead as _, ChaCha20Poly1305, Key, Nonce, Tag};

use crate::{
    CPC_KEY_LEN, CPC_NONCE_LEN, CPC_TAG_LEN, Status,
    memory::{self, Area},
};

/// Encrypts `buffer` in place with ChaCha20-Poly1305 (RFC 8439) and writes the tag.
///
/// The same nonce must never seal two messages under one key: for readings take `cpc_next_block`, which sees to it.
/// `associated` is bound to the message and not encrypted; NULL with length 0 for none.
///
/// Answers `NULL`, `LENGTH`, `OVERLAP`.
///
/// # Safety
/// `key` (32 bytes), `nonce` (12) and `associated` can be read, `buffer` and `tag` (16) read and written, and no other thread touches them meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_seal(
    key: *const u8,
    nonce: *const u8,
    associated: *const u8,
    associated_len: usize,
    buffer: *mut u8,
    buffer_len: usize,
    tag: *mut u8,
) -> Status {
    let work = || {
        let written = [Area::bytes(buffer, buffer_len), Area::bytes(tag, CPC_TAG_LEN)];
        memory::apart(&written, &[Area::bytes(associated, associated_len)])?;
        // SAFETY: the caller promises that 32 bytes can be read.
        let key = Key::from_bytes(unsafe { memory::array::<CPC_KEY_LEN>(key) }?);
        // SAFETY: the caller promises that 12 bytes can be read.
        let nonce = Nonce(unsafe { memory::array::<CPC_NONCE_LEN>(nonce) }?);
        // SAFETY: readable by promise, and apart from what is written.
        let associated = unsafe { memory::input(associated, associated_len) }?;
        // SAFETY: writable by promise, and apart from every other argument that is used after this.
        let buffer = unsafe { memory::output(buffer, buffer_len) }?;
        let tag = tag.cast::<[u8; CPC_TAG_LEN]>();
        memory::check_put(tag)?;
        let sealed = ChaCha20Poly1305::new(&key).seal(&nonce, associated, buffer).map_err(|_| Status::Length)?;
        // SAFETY: writable by promise, and apart from the buffer.
        unsafe { memory::put(tag, sealed.0) }
    };
    work().into()
}

/// Checks the tag and decrypts `buffer` in place. If anything was changed, `buffer` is wiped.
///
/// Answers `NULL`, `LENGTH`, `OVERLAP`, `OPEN`.
///
/// # Safety
/// `key` (32 bytes), `nonce` (12), `associated` and `tag` (16) can be read, `buffer` read and written, and no other thread touches them meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_open(
    key: *const u8,
    nonce: *const u8,
    associated: *const u8,
    associated_len: usize,
    buffer: *mut u8,
    buffer_len: usize,
    tag: *const u8,
) -> Status {
    let work = || {
        let read = [Area::bytes(associated, associated_len), Area::bytes(tag, CPC_TAG_LEN)];
        memory::apart(&[Area::bytes(buffer, buffer_len)], &read)?;
        // SAFETY: the caller promises that 32 bytes can be read.
        let key = Key::from_bytes(unsafe { memory::array::<CPC_KEY_LEN>(key) }?);
        // SAFETY: the caller promises that 12 bytes can be read.
        let nonce = Nonce(unsafe { memory::array::<CPC_NONCE_LEN>(nonce) }?);
        // SAFETY: the caller promises that 16 bytes can be read.
        let tag = Tag(unsafe { memory::array::<CPC_TAG_LEN>(tag) }?);
        // SAFETY: readable by promise, and apart from what is written.
        let associated = unsafe { memory::input(associated, associated_len) }?;
        // SAFETY: writable by promise, and apart from every other argument that is used after this.
        let buffer = unsafe { memory::output(buffer, buffer_len) }?;
        ChaCha20Poly1305::new(&key).open(&nonce, associated, buffer, &tag).map_err(|_| Status::Open)
    };
    work().into()
}

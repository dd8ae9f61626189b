//! BLAKE3 under a domain, at once or part by part.

use core::{
    ffi::c_char,
    mem::{MaybeUninit, align_of, size_of},
};

use cpchain_crypto::{Digest, Domain};

use crate::{
    CPC_DIGEST_LEN, CPC_HASHER_WORDS, Status,
    memory::{self, Area},
};

/// Reads a domain: a string that lives as long as the program.
///
/// # Safety
/// `name` is NULL or a NUL-terminated string of static storage duration.
pub(crate) unsafe fn domain(name: *const c_char) -> Result<Domain, Status> {
    if name.is_null() {
        return Err(Status::Null);
    }
    let name = name.cast::<u8>();
    let mut len = 0;
    // SAFETY: `len` bytes before this one were not NUL, so this one belongs to the string; it is read at most 256 times.
    while len < 256 && unsafe { name.wrapping_add(len).read() } != 0 {
        len += 1;
    }
    // SAFETY: these bytes were just read, none of them the NUL, and the string lives as long as the program by contract.
    let bytes: &'static [u8] = unsafe { core::slice::from_raw_parts(name, len) };
    core::str::from_utf8(bytes).ok().and_then(Domain::try_new).ok_or(Status::Domain)
}

/// Hashes one message under a domain with BLAKE3, the same digest as `Digest::of(domain, &[message])` in Rust.
///
/// `domain` names what the bytes are for, for example "my-company/thermometer/v1": a hash under one domain is worth nothing under another.
///
/// Answers `NULL`, `LENGTH`, `DOMAIN`.
///
/// # Safety
/// `domain` is a string literal (or lives as long as the program); `message` can be read, `digest` (32 bytes) written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_hash(
    domain_name: *const c_char,
    message: *const u8,
    message_len: usize,
    digest: *mut u8,
) -> Status {
    let work = || {
        // SAFETY: a string of static storage duration by promise.
        let domain = unsafe { domain(domain_name) }?;
        // SAFETY: readable by promise; nothing is written while it is borrowed.
        let hash = Digest::of(domain, &[unsafe { memory::input(message, message_len) }?]);
        // SAFETY: writable by promise.
        unsafe { memory::put(digest.cast::<[u8; CPC_DIGEST_LEN]>(), hash.0) }
    };
    work().into()
}

/// A hash over several parts, in the caller's memory. Treat it as opaque; never copy or move it between the calls.
#[repr(C)]
#[derive(Debug)]
pub struct Hasher {
    opaque: [MaybeUninit<u64>; CPC_HASHER_WORDS],
}

impl Hasher {
    /// Memory for a hasher, not yet begun.
    pub const fn new() -> Self {
        Self { opaque: [MaybeUninit::zeroed(); CPC_HASHER_WORDS] }
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

#[repr(C)]
struct Slot {
    guard: u64,
    hasher: MaybeUninit<blake3::Hasher>,
}

const READY: u64 = u64::from_le_bytes(*b"cpc hash");

const _: () = assert!(size_of::<Slot>() <= size_of::<Hasher>() && align_of::<Slot>() <= align_of::<Hasher>());

/// The mark of a hasher that was begun at this place.
fn mark(hasher: *mut Hasher) -> u64 {
    READY ^ hasher.addr() as u64
}

/// Finds the hasher that was begun here.
///
/// # Safety
/// `hasher` is NULL or memory of a `Hasher` that nothing else accesses during `'a`.
unsafe fn begun<'a>(hasher: *mut Hasher) -> Result<&'a mut Slot, Status> {
    memory::check_put(hasher)?;
    if !hasher.is_aligned() {
        return Err(Status::Context);
    }
    // SAFETY: not NULL, aligned, ours alone by contract; a slot fits (asserted), and is valid for any bytes.
    let slot = unsafe { &mut *hasher.cast::<Slot>() };
    if slot.guard == mark(hasher) { Ok(slot) } else { Err(Status::Context) }
}

/// Begins a hash over parts under a domain.
///
/// Answers `NULL`, `DOMAIN`, `CONTEXT` (misaligned).
///
/// # Safety
/// `hasher` is memory for a `cpc_hasher`; `domain` is a string literal (or lives as long as the program).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_hasher_init(hasher: *mut Hasher, domain_name: *const c_char) -> Status {
    let work = || {
        memory::check_put(hasher)?;
        if !hasher.is_aligned() {
            return Err(Status::Context);
        }
        // SAFETY: a string of static storage duration by promise.
        let domain = unsafe { domain(domain_name) }?;
        let begun = blake3::Hasher::new_derive_key(domain.as_str());
        let slot = Slot { guard: mark(hasher), hasher: MaybeUninit::new(begun) };
        // SAFETY: not NULL, aligned, writable by promise; a slot fits (asserted).
        unsafe { hasher.cast::<Slot>().write(slot) };
        Ok(())
    };
    work().into()
}

/// Adds the next part. Its length is hashed before it, so that ("ab", "c") and ("a", "bc") differ.
///
/// Answers `NULL`, `LENGTH`, `OVERLAP`, `CONTEXT`.
///
/// # Safety
/// `hasher` was begun by `cpc_hasher_init` and is not used elsewhere meanwhile; `part` can be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_hasher_part(hasher: *mut Hasher, part: *const u8, part_len: usize) -> Status {
    let work = || {
        memory::apart(&[Area::of(hasher)], &[Area::bytes(part, part_len)])?;
        // SAFETY: memory of a hasher by promise, apart from the part.
        let slot = unsafe { begun(hasher) }?;
        // SAFETY: readable by promise, and apart from the hasher.
        let part = unsafe { memory::input(part, part_len) }?;
        // SAFETY: the mark says that the hasher was written here.
        let hash = unsafe { slot.hasher.assume_init_mut() };
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
        Ok(())
    };
    work().into()
}

/// Writes the digest and ends the hasher, which is wiped: begin it anew for another hash.
///
/// The digest is that of `Digest::of(domain, &[parts...])` in Rust.
///
/// Answers `NULL`, `OVERLAP`, `CONTEXT`.
///
/// # Safety
/// As for `cpc_hasher_part`; `digest` (32 bytes) can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_hasher_finish(hasher: *mut Hasher, digest: *mut u8) -> Status {
    let work = || {
        memory::apart(&[Area::of(hasher), Area::bytes(digest, CPC_DIGEST_LEN)], &[])?;
        let digest = digest.cast::<[u8; CPC_DIGEST_LEN]>();
        memory::check_put(digest)?;
        // SAFETY: memory of a hasher by promise, apart from the digest.
        let slot = unsafe { begun(hasher) }?;
        // SAFETY: the mark says that the hasher was written here.
        let hash = *unsafe { slot.hasher.assume_init_ref() }.finalize().as_bytes();
        // SAFETY: the memory is the caller's; all of it is initialised by this write, and zero is no hasher.
        unsafe { hasher.write(Hasher::new()) };
        // SAFETY: writable by promise, and apart from the hasher.
        unsafe { memory::put(digest, hash) }
    };
    work().into()
}

//! Secrets: made from the device's entropy, derived through the key tree, wiped.

use core::ffi::{c_int, c_void};

use cpchain_crypto::{
    Entropy, EntropyError,
    key_tree::{IntervalId, IntervalKey, NodeSeed, StreamSecret, TreeNode},
};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{CPC_DIGEST_LEN, CPC_KEY_LEN, Status, memory};

/// Fills all of `out` with unpredictable bytes (a hardware generator, after its health test) and answers 0; anything else is a failure.
pub type EntropyFn = Option<unsafe extern "C" fn(user: *mut c_void, out: *mut u8, len: usize) -> c_int>;

struct Callback {
    fill: unsafe extern "C" fn(*mut c_void, *mut u8, usize) -> c_int,
    user: *mut c_void,
}

impl Entropy for Callback {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        out.fill(0);
        // SAFETY: the caller of `cpc_generate_secret` promises that the callback may be called with its `user`; the buffer is ours and as long as said.
        if unsafe { (self.fill)(self.user, out.as_mut_ptr(), out.len()) } != 0 {
            return Err(EntropyError);
        }
        // A generator that is stuck, or a callback that forgot to write.
        let is_stuck = out.first().is_some_and(|first| out.iter().all(|byte| byte == first));
        if is_stuck { Err(EntropyError) } else { Ok(()) }
    }
}

/// Makes 32 secret bytes: the seed of a signing key, or the secret of a stream. Once in a device's life; keep them where only the device reads.
///
/// Answers `NULL`, `ENTROPY` (nothing is written then).
///
/// # Safety
/// `entropy` may be called with `user`; `secret` (32 bytes) can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_generate_secret(entropy: EntropyFn, user: *mut c_void, secret: *mut u8) -> Status {
    let work = || {
        let fill = entropy.ok_or(Status::Null)?;
        let secret = secret.cast::<[u8; CPC_KEY_LEN]>();
        memory::check_put(secret)?;
        let mut bytes = Zeroizing::new([0; CPC_KEY_LEN]);
        Callback { fill, user }.fill(&mut *bytes)?;
        // SAFETY: writable by promise.
        unsafe { memory::put(secret, *bytes) }
    };
    work().into()
}

/// Writes the key of an encryption interval: what opens its blocks. Give it to nobody but a buyer of that interval.
///
/// Answers `NULL`.
///
/// # Safety
/// `stream_secret` (32 bytes) can be read, `key` (32 bytes) written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_interval_key(stream_secret: *const u8, interval: u32, key: *mut u8) -> Status {
    let work = || {
        // SAFETY: readable by promise.
        let secret = StreamSecret::from_bytes(unsafe { memory::array::<CPC_KEY_LEN>(stream_secret) }?);
        let interval_key = secret.interval_key(IntervalId(interval));
        // SAFETY: writable by promise.
        unsafe { memory::put(key.cast::<[u8; CPC_KEY_LEN]>(), *interval_key.expose()) }
    };
    work().into()
}

/// Writes the public commitment to an interval key, which is published before any sale.
///
/// Answers `NULL`.
///
/// # Safety
/// `key` (32 bytes) can be read, `commitment` (32 bytes) written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_key_commitment(key: *const u8, commitment: *mut u8) -> Status {
    let work = || {
        // SAFETY: readable by promise.
        let key = IntervalKey::from_bytes(unsafe { memory::array::<CPC_KEY_LEN>(key) }?);
        // SAFETY: writable by promise.
        unsafe { memory::put(commitment.cast::<[u8; CPC_DIGEST_LEN]>(), key.commitment().0) }
    };
    work().into()
}

/// Writes the seed of a key tree node: it opens the intervals below the node and nothing else.
///
/// `depth` 32 is one interval, each level up doubles the number; `index` counts the nodes of a depth from 0. The root (depth 0) is never given.
///
/// Answers `NULL`, `NODE`.
///
/// # Safety
/// `stream_secret` (32 bytes) can be read, `seed` (32 bytes) written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_node_seed(stream_secret: *const u8, depth: u8, index: u32, seed: *mut u8) -> Status {
    let work = || {
        // SAFETY: readable by promise.
        let secret = StreamSecret::from_bytes(unsafe { memory::array::<CPC_KEY_LEN>(stream_secret) }?);
        let found = TreeNode::new(depth, index).and_then(|node| secret.seed(node)).ok_or(Status::Node)?;
        // SAFETY: writable by promise.
        unsafe { memory::put(seed.cast::<[u8; CPC_KEY_LEN]>(), *found.expose()) }
    };
    work().into()
}

/// Writes the key of an interval from the seed of a node above it.
///
/// Answers `NULL`, `NODE`.
///
/// # Safety
/// `seed` (32 bytes) can be read, `key` (32 bytes) written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_interval_key_from_seed(
    depth: u8,
    index: u32,
    seed: *const u8,
    interval: u32,
    key: *mut u8,
) -> Status {
    let work = || {
        let node = TreeNode::new(depth, index).ok_or(Status::Node)?;
        // SAFETY: readable by promise.
        let seed = NodeSeed::from_bytes(node, unsafe { memory::array::<CPC_KEY_LEN>(seed) }?);
        let interval_key = seed.interval_key(IntervalId(interval)).ok_or(Status::Node)?;
        // SAFETY: writable by promise.
        unsafe { memory::put(key.cast::<[u8; CPC_KEY_LEN]>(), *interval_key.expose()) }
    };
    work().into()
}

/// Wipes bytes in a way that no compiler removes.
///
/// Answers `NULL`, `LENGTH`.
///
/// # Safety
/// `bytes` can be written, and nothing else uses them meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_zeroize(bytes: *mut u8, len: usize) -> Status {
    // SAFETY: writable by promise.
    unsafe { memory::output(bytes, len) }.map(|bytes| bytes.zeroize()).into()
}

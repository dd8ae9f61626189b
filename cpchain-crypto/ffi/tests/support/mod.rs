//! A device in a test: its context, its counter's memory, and what it may do wrong.

// Every test file uses a part of it.
#![allow(dead_code)]

use std::{
    ffi::{c_int, c_void},
    ptr::null,
};

use cpchain_crypto_ffi::*;

pub(crate) const STREAM: [u8; 32] = [3; 32];
pub(crate) const SECRET: [u8; 32] = [4; 32];
pub(crate) const SEED: [u8; 32] = [5; 32];

/// Memory of the durable counter.
#[derive(Default, Clone)]
pub(crate) struct Page {
    pub(crate) record: Option<Vec<u8>>,
    pub(crate) writes: u32,
    /// The next write fails; `Some(true)`: but only after the record got there.
    pub(crate) fails: Option<bool>,
    pub(crate) is_unreadable: bool,
    /// Called back into while it is in use, and what that answered.
    pub(crate) reenters: Option<*mut Context>,
    pub(crate) reentered: Option<Status>,
}

pub(crate) unsafe extern "C" fn load(user: *mut c_void, record: *mut u8, len: usize) -> c_int {
    // SAFETY: the tests hand a Page that nothing else borrows during the call.
    let page = unsafe { &mut *user.cast::<Page>() };
    match &page.record {
        _ if page.is_unreadable => -1,
        None => CPC_COUNTER_NONE,
        Some(stored) => {
            assert_eq!(stored.len(), len);
            // SAFETY: the library hands `len` bytes.
            unsafe { record.copy_from_nonoverlapping(stored.as_ptr(), len) };
            0
        }
    }
}

pub(crate) unsafe extern "C" fn store(user: *mut c_void, record: *const u8, len: usize) -> c_int {
    // SAFETY: the tests hand a Page that nothing else borrows during the call.
    let page = unsafe { &mut *user.cast::<Page>() };
    page.writes += 1;
    if let Some(context) = page.reenters {
        let mut position = Position { next_block: 0, previous: [0; 32] };
        // SAFETY: the context is in use, which is what is tested.
        page.reentered = Some(unsafe { cpc_get_position(context, &mut position) });
    }
    let fails = page.fails.take();
    if fails != Some(false) {
        // SAFETY: the library hands `len` bytes.
        page.record = Some(unsafe { std::slice::from_raw_parts(record, len) }.to_vec());
    }
    c_int::from(fails.is_some())
}

pub(crate) fn config(page: *mut Page, blocks_per_interval: u32) -> Config {
    Config {
        abi: CPC_ABI_VERSION,
        blocks_per_interval,
        first_interval: 0,
        stream: STREAM.as_ptr(),
        stream_secret: SECRET.as_ptr(),
        signing_seed: SEED.as_ptr(),
        position: null(),
        load: Some(load),
        store: Some(store),
        user: page.cast(),
    }
}

/// A sealed block and its commitments.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) commitments: Vec<u8>,
}

pub(crate) fn next_block(context: *mut Context, body: &[u8]) -> Result<Sealed, Status> {
    let readings = Readings { start_ms: 7, count: 1, codec: 2, body: body.as_ptr(), body_len: body.len() };
    let mut bytes = vec![0xee; cpc_sealed_len(body.len())];
    let mut commitments = vec![0xee; cpc_leaf_count(body.len()) * CPC_COMMITMENT_LEN];
    let mut block = Block {
        sealed: bytes.as_mut_ptr(),
        sealed_cap: bytes.len(),
        sealed_len: 0,
        commitments: commitments.as_mut_ptr(),
        commitments_cap: commitments.len(),
        commitments_len: 0,
    };
    // SAFETY: all of it is memory of this function, apart from each other; the context is the test's.
    match unsafe { cpc_next_block(context, &readings, &mut block) } {
        Status::Ok => {
            assert_eq!((block.sealed_len, block.commitments_len), (bytes.len(), commitments.len()));
            Ok(Sealed { bytes, commitments })
        }
        refused => {
            assert!(bytes.iter().chain(&commitments).all(|byte| *byte == 0xee), "a refused call wrote");
            Err(refused)
        }
    }
}

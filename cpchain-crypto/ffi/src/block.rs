//! Readings in, chained sealed blocks and one signature per upload out.

use cpchain_crypto::{
    Digest, Domain, Signer as _,
    block::{self, BlockHeader, LEAF_LEN, LeafCommitment, MAX_BODY_LEN, SealedBlock},
    key_tree::IntervalKey,
    merkle::RootBuilder,
};

use crate::{
    CPC_COMMITMENT_LEN, CPC_DIGEST_LEN, CPC_KEY_LEN, CPC_SIGNATURE_LEN, Status,
    context::{Context, Interval, State, with},
    memory::{self, Area},
};

/// The domain under which `cpc_finish_upload` signs the root: also `CPC_UPLOAD_DOMAIN` in the header.
pub const UPLOAD: Domain = Domain::new("cpchain/crypto-ffi/upload/v1");

/// The readings of one period.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Readings {
    /// Start of the period, milliseconds since 1970-01-01 UTC.
    pub start_ms: u64,
    /// How many readings there are.
    pub count: u32,
    /// How the body is encoded, by the numbers that the stream's owner uses.
    pub codec: u16,
    /// The readings, encoded; at most 64 MiB.
    pub body: *const u8,
    /// Bytes of the body.
    pub body_len: usize,
}

/// Where a sealed block goes: the caller's memory, and how much of it was used.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// Memory for the sealed block: `cpc_sealed_len` bytes.
    pub sealed: *mut u8,
    /// Bytes of that memory.
    pub sealed_cap: usize,
    /// Bytes of the sealed block: written on success, and with `BUFFER`.
    pub sealed_len: usize,
    /// Memory for the commitments of the leaves: `cpc_leaf_count` times `CPC_COMMITMENT_LEN` bytes.
    pub commitments: *mut u8,
    /// Bytes of that memory.
    pub commitments_cap: usize,
    /// Bytes of the commitments: written on success, and with `BUFFER`.
    pub commitments_len: usize,
}

/// Leaves of a block whose body has `body_len` bytes: 1 for up to 4096 bytes. 0 if a body cannot be so long.
#[unsafe(no_mangle)]
pub extern "C" fn cpc_leaf_count(body_len: usize) -> usize {
    if body_len > MAX_BODY_LEN as usize { 0 } else { body_len.div_ceil(LEAF_LEN).max(1) }
}

/// Bytes of a sealed block whose body has `body_len` bytes. 0 if a body cannot be so long.
#[unsafe(no_mangle)]
pub extern "C" fn cpc_sealed_len(body_len: usize) -> usize {
    match cpc_leaf_count(body_len) {
        0 => 0,
        leaves => block::HEADER_LEN + body_len + leaves * crate::CPC_TAG_LEN,
    }
}

/// Seals the readings as the next block of the stream.
///
/// When the block begins an encryption interval, the counter is stored first: if `store` fails, nothing is sealed and the call may be
/// repeated. The sealed block is what hosts may hold; the commitments are published by the owner and may be public.
///
/// Answers `NULL`, `LENGTH`, `BUFFER`, `OVERLAP`, `CONTEXT`, `BUSY`, `STORE`, `EXHAUSTED`. Any of them changes no output but the two lengths.
///
/// # Safety
/// `context` is memory of a `cpc_ctx` that no other thread uses; `readings` and its body can be read; `block` and its two memories
/// can be read and written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_next_block(context: *mut Context, readings: *const Readings, block: *mut Block) -> Status {
    // Before the state is borrowed: neither may lie in it.
    if let Err(overlap) = memory::apart(&[Area::of(context), Area::of(block)], &[Area::of(readings)]) {
        return overlap;
    }
    let seal = |state: &mut State| {
        // SAFETY: readable by promise; any bits are valid.
        let readings = unsafe { memory::get(readings) }?;
        // SAFETY: readable by promise; any bits are valid.
        let out = unsafe { memory::get(block) }?;
        let written = [
            Area::of(context),
            Area::of(block),
            Area::bytes(out.sealed, out.sealed_cap),
            Area::bytes(out.commitments, out.commitments_cap),
        ];
        memory::apart(&written, &[Area::bytes(readings.body, readings.body_len)])?;
        let sealed_len = cpc_sealed_len(readings.body_len);
        let commitments_len = cpc_leaf_count(readings.body_len) * CPC_COMMITMENT_LEN;
        if sealed_len == 0 {
            return Err(Status::Length);
        }
        // SAFETY: readable by promise, and apart from what is written.
        let body = unsafe { memory::input(readings.body, readings.body_len) }?;
        // SAFETY: writable by promise, and apart from the context and its memories.
        unsafe { memory::put(block, Block { sealed_len, commitments_len, ..out }) }?;
        if out.sealed_cap < sealed_len || out.commitments_cap < commitments_len {
            return Err(Status::Buffer);
        }
        // SAFETY: writable by promise, as many bytes as its capacity at most, and apart from all else.
        let sealed = unsafe { memory::output(out.sealed, sealed_len) }?;
        // SAFETY: as above.
        let commitments = unsafe { memory::output(out.commitments, commitments_len) }?;
        next_block(state, &readings, body, sealed, commitments)
    };
    // SAFETY: memory of a context by promise.
    unsafe { with(context, seal) }
}

fn next_block(
    state: &mut State,
    readings: &Readings,
    body: &[u8],
    sealed: &mut [u8],
    commitments: &mut [u8],
) -> Result<(), Status> {
    let after = state.next_block.checked_add(1).ok_or(Status::Exhausted)?;
    let current = state.interval.take().filter(|interval| interval.left > 0);
    let slot = match current {
        Some(_) => state.counter.claim(state.next_block),
        None => state.counter.claim_in_new_interval(state.next_block),
    }?;
    let id = slot.interval();
    let mut interval = match current {
        Some(interval) if interval.id == id => interval,
        _ => Interval { id, key: state.secret.interval_key(id), left: state.blocks_per_interval.get() },
    };
    let header = BlockHeader {
        stream: state.stream,
        index: slot.index(),
        interval: id,
        start_ms: readings.start_ms,
        count: readings.count,
        codec: readings.codec,
        body_len: body.len() as u32,
        previous: state.previous,
    };
    let mut slots = commitments.chunks_exact_mut(CPC_COMMITMENT_LEN);
    // Should this fail, the interval is gone: what was sealed under it is never sealed again.
    block::seal_into(&header, &interval.key, body, sealed, |commitment| {
        if let Some(slot) = slots.next() {
            slot.copy_from_slice(&commitment.to_bytes());
        }
    })?;
    let block = SealedBlock::parse(sealed)?;
    let mut leaves = state.leaves.clone();
    for ((leaf, bytes), commitment) in (0..).zip(block.leaves()).zip(commitments.chunks_exact(CPC_COMMITMENT_LEN)) {
        let commitment = LeafCommitment::from_bytes(commitment).ok_or(Status::Format)?;
        leaves.push(commitment.merkle_leaf(&header, leaf, bytes));
    }
    interval.left -= 1;
    state.interval = Some(interval);
    state.leaves = leaves;
    state.previous = block.hash();
    state.next_block = after;
    state.upload_blocks += 1;
    Ok(())
}

/// Ends the upload: writes the Merkle root over the leaves of its blocks and commitments, and the device's signature over the root under
/// `CPC_UPLOAD_DOMAIN`. The next block begins a new upload and a new interval.
///
/// In Rust: `RootBuilder` over `LeafCommitment::merkle_leaf` of every leaf, and `PublicKey::verify`.
///
/// Answers `NULL`, `OVERLAP`, `CONTEXT`, `BUSY`, `EMPTY`.
///
/// # Safety
/// `context` is memory of a `cpc_ctx` that no other thread uses; `root` (32 bytes) and `signature` (64 bytes) can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_finish_upload(context: *mut Context, root: *mut u8, signature: *mut u8) -> Status {
    let written = [Area::of(context), Area::bytes(root, CPC_DIGEST_LEN), Area::bytes(signature, CPC_SIGNATURE_LEN)];
    if let Err(overlap) = memory::apart(&written, &[]) {
        return overlap;
    }
    let finish = |state: &mut State| {
        let root = root.cast::<[u8; CPC_DIGEST_LEN]>();
        let signature = signature.cast::<[u8; CPC_SIGNATURE_LEN]>();
        memory::check_put(root)?;
        memory::check_put(signature)?;
        if state.upload_blocks == 0 {
            return Err(Status::Empty);
        }
        let digest: Digest = state.leaves.root();
        let signed = state.signer.sign(UPLOAD, &digest.0);
        state.leaves = RootBuilder::default();
        state.upload_blocks = 0;
        state.interval = None;
        // SAFETY: writable by promise, and apart from the context.
        unsafe { memory::put(root, digest.0) }?;
        // SAFETY: writable by promise, and apart from the context and the root.
        unsafe { memory::put(signature, signed.0) }
    };
    // SAFETY: memory of a context by promise.
    unsafe { with(context, finish) }
}

/// Opens a sealed block with the key of its interval. `body_len` says how long the body is, also with `BUFFER`.
///
/// That a block opens says that it is what the holder of the key sealed; that it is the right block say its place in the chain and the signature.
///
/// Answers `NULL`, `LENGTH`, `BUFFER`, `OVERLAP`, `FORMAT`, `OPEN` (the body is wiped then).
///
/// # Safety
/// `key` (32 bytes) and `sealed` can be read, `body` (`body_cap` bytes) and `body_len` read and written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_open_block(
    key: *const u8,
    sealed: *const u8,
    sealed_len: usize,
    body: *mut u8,
    body_cap: usize,
    body_len: *mut usize,
) -> Status {
    let work = || {
        let written = [Area::bytes(body, body_cap), Area::bytes(body_len.cast(), size_of::<usize>())];
        memory::apart(&written, &[Area::bytes(sealed, sealed_len)])?;
        // SAFETY: readable by promise.
        let key = IntervalKey::from_bytes(unsafe { memory::array::<CPC_KEY_LEN>(key) }?);
        // SAFETY: readable by promise, and apart from what is written.
        let block = SealedBlock::parse(unsafe { memory::input(sealed, sealed_len) }?)?;
        let len = block.header().body_len as usize;
        // SAFETY: writable by promise, and apart from the rest.
        unsafe { memory::put(body_len, len) }?;
        if body_cap < len {
            return Err(Status::Buffer);
        }
        // SAFETY: writable by promise, not longer than its capacity, and apart from the rest.
        Ok(block.open_into(&key, unsafe { memory::output(body, len) }?)?)
    };
    work().into()
}

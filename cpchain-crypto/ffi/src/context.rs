//! The context of a stream in the caller's memory.
//!
//! A context is marked with its own address, so that one that was never initialised, or was moved, copied or closed,
//! is refused: a copy would seal the same block number again under the same key.

use core::{
    ffi::c_void,
    mem::{MaybeUninit, align_of, size_of},
    num::NonZeroU32,
};

use cpchain_crypto::{
    Digest, SigningKey,
    block::SealedBlock,
    counter::SealCounter,
    key_tree::{IntervalId, IntervalKey, StreamSecret},
    merkle::RootBuilder,
};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    CPC_ABI_VERSION, CPC_CTX_WORDS, CPC_DIGEST_LEN, CPC_KEY_LEN, Status,
    counter::{LoadFn, Store, StoreFn},
    memory::{self, Area},
};

/// A stream that is being sealed, in the caller's memory. Treat it as opaque; never copy or move it. One thread at a time.
#[repr(C)]
#[derive(Debug)]
pub struct Context {
    opaque: [MaybeUninit<u64>; CPC_CTX_WORDS],
}

impl Context {
    /// Memory for a context, not yet initialised.
    pub const fn new() -> Self {
        Self { opaque: [MaybeUninit::zeroed(); CPC_CTX_WORDS] }
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the chain of a stream stands: what the next block carries.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Number of the next block.
    pub next_block: u64,
    /// Hash of the block before it; zero for the first.
    pub previous: [u8; CPC_DIGEST_LEN],
}

/// What `cpc_init` needs to know. Begin with `cpc_config config = {0}`, so that fields you do not set are 0.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// `CPC_ABI_VERSION` of the header that you compiled with.
    pub abi: u32,
    /// Blocks that share a key (the white paper's encryption interval e): 1 or more.
    pub blocks_per_interval: u32,
    /// No interval below this one is used, whatever the counter says. 0, unless the counter was lost: then above all intervals that were
    /// ever used, and 0 again once a block is sealed, since a counter that is lost again would begin at the same interval.
    pub first_interval: u32,
    /// Name of the stream: 32 bytes, the stream's digest as its owner registered it.
    pub stream: *const u8,
    /// Secret of the stream, 32 bytes, copied.
    pub stream_secret: *const u8,
    /// Seed of the device's signing key, 32 bytes, copied.
    pub signing_seed: *const u8,
    /// Where the chain stands; NULL at the beginning of a stream.
    pub position: *const Position,
    /// Reads the durable counter.
    pub load: LoadFn,
    /// Stores the durable counter.
    pub store: StoreFn,
    /// Handed to `load` and `store`.
    pub user: *mut c_void,
}

/// The interval whose key seals now.
pub(crate) struct Interval {
    pub(crate) id: IntervalId,
    pub(crate) key: IntervalKey,
    /// Blocks that it may still seal.
    pub(crate) left: u32,
}

/// What stands in a context.
pub(crate) struct State {
    pub(crate) stream: Digest,
    pub(crate) secret: StreamSecret,
    pub(crate) signer: SigningKey,
    pub(crate) counter: SealCounter<Store>,
    pub(crate) blocks_per_interval: NonZeroU32,
    pub(crate) interval: Option<Interval>,
    pub(crate) next_block: u64,
    pub(crate) previous: Digest,
    /// Over the leaves of the upload that is being filled.
    pub(crate) leaves: RootBuilder,
    pub(crate) upload_blocks: u64,
}

#[repr(C)]
struct Slot {
    guard: u64,
    state: MaybeUninit<State>,
}

const READY: u64 = u64::from_le_bytes(*b"cpc ctx\x01");
const IN_USE: u64 = u64::from_le_bytes(*b"cpc ctx\x02");

const _: () = assert!(size_of::<Slot>() <= size_of::<Context>() && align_of::<Slot>() <= align_of::<Context>());

fn slot(context: *mut Context) -> Result<*mut Slot, Status> {
    memory::check_put(context)?;
    if context.is_aligned() { Ok(context.cast()) } else { Err(Status::Context) }
}

/// Runs `work` on the state of a context; meanwhile the context refuses any other use.
///
/// # Safety
/// `context` is NULL or memory of a `Context` that no other thread uses.
pub(crate) unsafe fn with(context: *mut Context, work: impl FnOnce(&mut State) -> Result<(), Status>) -> Status {
    let run = || {
        let slot = slot(context)?;
        let place = context.addr() as u64;
        // SAFETY: not NULL, aligned and ours by contract; the guard is a number, valid whatever the memory holds.
        let guard = unsafe { &raw mut (*slot).guard };
        // SAFETY: as above. It is never borrowed, so a callback that comes back here reads it without breaking a borrow.
        match unsafe { guard.read() } ^ place {
            READY => {}
            IN_USE => return Err(Status::Busy),
            _ => return Err(Status::Context),
        }
        // SAFETY: as above.
        unsafe { guard.write(IN_USE ^ place) };
        // SAFETY: as above; the guard said that nobody else borrows the state.
        let state = unsafe { &mut (*slot).state };
        // SAFETY: the guard said that a state was written here.
        let state = unsafe { state.assume_init_mut() };
        let done = work(state);
        // SAFETY: as above; the borrow of the state has ended.
        unsafe { guard.write(READY ^ place) };
        done
    };
    run().into()
}

/// Begins or resumes a stream in `context`. What `config` points to is copied and may be wiped afterwards.
///
/// The first block after this begins an encryption interval that was never used, also after a crash. Initialising a context that is
/// in use abandons it; its secrets stay in memory until they are overwritten: call `cpc_close` before.
///
/// Answers `NULL`, `OVERLAP`, `CONTEXT` (misaligned), `CONFIG`, `STORE`, `COUNTER`, `POSITION`.
///
/// # Safety
/// `context` is memory for a `cpc_ctx` that no call is using, no callback of its own either; `config` and what it points to can be read;
/// `load` and `store` may be called with `user`, from here until `cpc_close`. No other context seals the same stream meanwhile: the one
/// that comes second is answered `COUNTER`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_init(context: *mut Context, config: *const Config) -> Status {
    let work = || {
        let slot = slot(context)?;
        memory::apart(&[Area::of(context)], &[Area::of(config)])?;
        // SAFETY: readable by promise; any bits are a valid Config, whose pointers may be NULL.
        let config = unsafe { memory::get(config) }?;
        // SAFETY: what the configuration points to is readable by promise.
        let state = unsafe { start(&config) }?;
        // SAFETY: not NULL, aligned, writable by promise; a slot fits (asserted).
        unsafe { slot.write(Slot { guard: READY ^ context.addr() as u64, state: MaybeUninit::new(state) }) };
        Ok(())
    };
    work().into()
}

/// # Safety
/// What `config` points to can be read, and its callbacks called.
unsafe fn start(config: &Config) -> Result<State, Status> {
    if config.abi != CPC_ABI_VERSION {
        return Err(Status::Config);
    }
    let blocks_per_interval = NonZeroU32::new(config.blocks_per_interval).ok_or(Status::Config)?;
    // SAFETY: readable by contract.
    let stream = Digest(unsafe { memory::array(config.stream) }?);
    // SAFETY: readable by contract.
    let secret = StreamSecret::from_bytes(unsafe { memory::array(config.stream_secret) }?);
    // SAFETY: readable by contract.
    let seed = Zeroizing::new(unsafe { memory::array::<CPC_KEY_LEN>(config.signing_seed) }?);
    let (Some(load), Some(store)) = (config.load, config.store) else { return Err(Status::Null) };
    let position = if config.position.is_null() {
        Position { next_block: 0, previous: Digest::ZERO.0 }
    } else {
        // SAFETY: readable by contract.
        unsafe { memory::get(config.position) }?
    };
    let store = Store {
        load,
        store,
        user: config.user,
        stream,
        blocks_per_interval,
        first_interval: IntervalId(config.first_interval),
        blocks: position.next_block,
        attempted: None,
    };
    Ok(State {
        stream,
        secret,
        signer: SigningKey::from_seed(&seed),
        counter: store.open()?,
        blocks_per_interval,
        interval: None,
        next_block: position.next_block,
        previous: Digest(position.previous),
        leaves: RootBuilder::default(),
        upload_blocks: 0,
    })
}

/// Writes where the chain stands. Keep it with the last block: `cpc_init` needs it after a restart.
///
/// Answers `NULL`, `OVERLAP`, `CONTEXT`, `BUSY`.
///
/// # Safety
/// `context` is memory of a `cpc_ctx` that no other thread uses; `position` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_get_position(context: *mut Context, position: *mut Position) -> Status {
    if let Err(overlap) = memory::apart(&[Area::of(context), Area::of(position)], &[]) {
        return overlap;
    }
    let read = |state: &mut State| {
        let now = Position { next_block: state.next_block, previous: state.previous.0 };
        // SAFETY: writable by promise, and apart from the context.
        unsafe { memory::put(position, now) }
    };
    // SAFETY: memory of a context by promise.
    unsafe { with(context, read) }
}

/// Writes the position after a sealed block that was kept, for `cpc_init` after a restart. The block is not opened: it must be your own.
///
/// Answers `NULL`, `LENGTH`, `FORMAT`, `EXHAUSTED`.
///
/// # Safety
/// `sealed` can be read, `position` written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_position_after(sealed: *const u8, sealed_len: usize, position: *mut Position) -> Status {
    let work = || {
        // SAFETY: readable by promise; nothing is written while it is borrowed.
        let block = SealedBlock::parse(unsafe { memory::input(sealed, sealed_len) }?)?;
        let next_block = block.header().index.checked_add(1).ok_or(Status::Exhausted)?;
        let after = Position { next_block, previous: block.hash().0 };
        // SAFETY: writable by promise; the block is not used any more.
        unsafe { memory::put(position, after) }
    };
    work().into()
}

/// Ends a context and wipes its secrets. It may be initialised again.
///
/// Answers `NULL`, `CONTEXT`, `BUSY`.
///
/// # Safety
/// `context` is memory of a `cpc_ctx` that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cpc_close(context: *mut Context) -> Status {
    let end = |state: &mut State| {
        // SAFETY: a live state, which is never used again because the mark is wiped below.
        unsafe { core::ptr::drop_in_place(state) };
        Ok(())
    };
    // SAFETY: memory of a context by promise.
    let status = unsafe { with(context, end) };
    if status == Status::Ok {
        // SAFETY: `with` found a context here, so it is not NULL, aligned, and ours; numbers need no initialisation.
        let words = unsafe { core::slice::from_raw_parts_mut(context.cast::<MaybeUninit<u64>>(), CPC_CTX_WORDS) };
        words.zeroize();
    }
    status
}

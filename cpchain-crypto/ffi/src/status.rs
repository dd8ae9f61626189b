//! What a function answers, and in words.

use core::ffi::{CStr, c_char};

use cpchain_crypto::{BlockError, EntropyError, SignatureError};

/// What a function answers: 0, or why nothing was done. The numbers never change; new ones may be added.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is done.
    Ok = 0,
    /// A pointer is NULL that must not be.
    Null = 1,
    /// A length that no object in memory has, or a body above 64 MiB.
    Length = 2,
    /// The output does not fit; the length that it needs is reported where the function says so.
    Buffer = 3,
    /// Two memory areas overlap that must not.
    Overlap = 4,
    /// Not an initialised context: never initialised, closed, moved, copied, or misaligned.
    Context = 5,
    /// The context is in use: a callback called back into it.
    Busy = 6,
    /// The configuration is of another interface version, or says zero blocks per interval.
    Config = 7,
    /// A domain has 1 to 255 bytes of UTF-8 before its NUL.
    Domain = 8,
    /// The public key is one that no signature can satisfy.
    Key = 9,
    /// The signature does not match key, domain and message.
    Signature = 10,
    /// Not opened: wrong key, or the bytes are not what was sealed. The output is wiped.
    Open = 11,
    /// Not a sealed block of a version that this library reads.
    Format = 12,
    /// The entropy callback failed, or gave nothing but equal bytes.
    Entropy = 13,
    /// The counter callback failed. Nothing was sealed; the call may be repeated.
    Store = 14,
    /// The durable counter is damaged or gone, so nobody can tell which keys were used.
    Counter = 15,
    /// The position is older than what this stream has sealed.
    Position = 16,
    /// The stream has used all its intervals or block numbers.
    Exhausted = 17,
    /// There is no block in this upload.
    Empty = 18,
    /// No such node in the key tree, or the interval is not below it.
    Node = 19,
}

impl Status {
    const ALL: [Self; 20] = [
        Self::Ok,
        Self::Null,
        Self::Length,
        Self::Buffer,
        Self::Overlap,
        Self::Context,
        Self::Busy,
        Self::Config,
        Self::Domain,
        Self::Key,
        Self::Signature,
        Self::Open,
        Self::Format,
        Self::Entropy,
        Self::Store,
        Self::Counter,
        Self::Position,
        Self::Exhausted,
        Self::Empty,
        Self::Node,
    ];

    const fn text(self) -> &'static CStr {
        match self {
            Self::Ok => c"done",
            Self::Null => c"a pointer is NULL that must not be",
            Self::Length => c"no object in memory has this length, or the body is above 64 MiB: use a shorter period",
            Self::Buffer => c"the output buffer is too small: ask cpc_sealed_len and cpc_leaf_count",
            Self::Overlap => c"memory areas overlap: give every input and output memory of its own",
            Self::Context => c"not an initialised context: call cpc_init, and never copy or move a context",
            Self::Busy => c"the context is in use: a callback must not call back into it",
            Self::Config => c"set abi to CPC_ABI_VERSION and blocks_per_interval to 1 or more",
            Self::Domain => c"a domain is a string literal of 1 to 255 bytes",
            Self::Key => c"not a usable Ed25519 public key",
            Self::Signature => c"the signature does not match key, domain and message",
            Self::Open => c"not opened: wrong key, or the bytes are not what was sealed",
            Self::Format => c"not a sealed block of a version that this library reads",
            Self::Entropy => c"the entropy source failed: check the device, then try again",
            Self::Store => c"the counter was not read or stored: nothing was sealed, try again",
            Self::Counter => c"the counter is damaged or lost: set first_interval above all that were ever used",
            Self::Position => c"the position is older than what was sealed: give the last block's",
            Self::Exhausted => c"the stream has used all its intervals or blocks: begin a new one",
            Self::Empty => c"the upload has no block yet",
            Self::Node => c"no such node of the key tree, or the interval is not below it",
        }
    }
}

impl From<Result<(), Self>> for Status {
    fn from(result: Result<(), Self>) -> Self {
        result.err().unwrap_or(Self::Ok)
    }
}

impl From<EntropyError> for Status {
    fn from(_: EntropyError) -> Self {
        Self::Entropy
    }
}

impl From<SignatureError> for Status {
    fn from(error: SignatureError) -> Self {
        match error {
            SignatureError::BadKey => Self::Key,
            SignatureError::Mismatch => Self::Signature,
        }
    }
}

impl From<BlockError> for Status {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Sealed { .. } => Self::Open,
            BlockError::TooLong => Self::Length,
            BlockError::Length { .. } | BlockError::Format | BlockError::NoSuchLeaf { .. } => Self::Format,
        }
    }
}

/// Says in English what a status means and what to do. Any number may be asked; the text lives as long as the program.
#[unsafe(no_mangle)]
pub extern "C" fn cpc_error_text(status: i32) -> *const c_char {
    let known = Status::ALL.into_iter().find(|known| *known as i32 == status);
    known.map_or(c"unknown status: library and header differ", Status::text).as_ptr()
}

//! Why a gateway stops, and what to do then.

use crate::{
    codec::CodecError, erasure::ErasureError, manifest::ManifestError, stream::StreamNameError, table::TableError,
    voucher::VoucherError,
};

/// Why a gateway stopped. Apart from `Order` and `Table`, which refuse one reading, open it anew.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Parameters that make no stream.
    #[error("these parameters make no stream: {0}")]
    Config(&'static str),
    /// A name that no stream has.
    #[error(transparent)]
    Name(#[from] StreamNameError),
    /// The state folder belongs to another stream or owner.
    #[error("the folder holds the state of another stream: one folder per stream")]
    OtherStream,
    /// Another gateway has the state folder open.
    #[error("the folder is in use by another gateway")]
    InUse,
    /// The durable counter is damaged or gone, so nobody can tell which keys were used.
    #[error("the counter is damaged or lost: recover it from the last manifest of the stream")]
    CounterLost,
    /// An upload in the outbox is not what was written.
    #[error("upload {upload} in the outbox is damaged: its readings must be sealed again from the source")]
    OutboxDamaged {
        /// Its number.
        upload: u64,
    },
    /// Readings of other columns, period or codec wait to be sealed.
    #[error("readings of other columns, period T or codec wait: open with the old parameters and finish first")]
    ShapeChanged,
    /// What waits to be sealed was changed on the disk.
    #[error(
        "open.blocks or open.readings is damaged: remove both and read the source again from the last sealed reading"
    )]
    OpenDamaged,
    /// A stream has 2³² intervals.
    #[error("the stream has used all its intervals: begin a new one")]
    Exhausted,
    /// A reading of a closed block, or of a time that another one has; the gateway goes on without it.
    #[error("the reading at {at_ms} ms is of a closed block, or there is one of this time")]
    Order {
        /// Its time.
        at_ms: u64,
    },
    /// A reading of another width, or columns of the same name.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The codec refused.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A block that is too long to be sealed.
    #[error(transparent)]
    Block(#[from] cpchain_crypto::BlockError),
    /// The object was not coded.
    #[error(transparent)]
    Erasure(#[from] ErasureError),
    /// The manifest was refused.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The voucher was refused.
    #[error(transparent)]
    Voucher(#[from] VoucherError),
    /// The disk refused.
    #[error("{doing} failed: {source}")]
    Io {
        /// What was about to be done.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

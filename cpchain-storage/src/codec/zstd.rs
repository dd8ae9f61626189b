//! Everything through `zstd`: for opaque payloads that repeat (frames of a bus, logs, raw images).
//!
//! Layout: bytes before compression as LEB128, then one zstd frame of what [`Plain`] writes. What a stranger's frame unpacks to
//! is bounded: by the claim, the claim by [`MAX_UNPACKED`], the window that its header asks for by 8 MiB.

use std::io::Read as _;

use super::{Codec, CodecError, Plain, varint};
use crate::table::Table;

/// Bytes that a block may unpack to: 64 MiB.
pub const MAX_UNPACKED: usize = 64 << 20;
const LEVEL: i32 = 9;
const MAX_WINDOW_LOG: u32 = 23;
/// Memory grows with what comes out, not with what is claimed.
const FIRST_CAPACITY: usize = 1 << 16;

/// Codec 2: `zstd`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Zstd;

impl Codec for Zstd {
    fn id(&self) -> u16 {
        2
    }

    fn encode(&self, table: &Table) -> Result<Vec<u8>, CodecError> {
        let plain = Plain.encode(table)?;
        if plain.len() > MAX_UNPACKED {
            return Err(CodecError::TooLarge);
        }
        let mut out = Vec::new();
        varint::put(&mut out, plain.len() as u64);
        out.extend(zstd::bulk::compress(&plain, LEVEL).map_err(CodecError::corrupt)?);
        Ok(out)
    }

    fn decode(&self, body: &[u8], rows: u32) -> Result<Table, CodecError> {
        let mut rest = body;
        let claim = usize::try_from(varint::take(&mut rest)?).map_err(CodecError::corrupt)?;
        if claim > MAX_UNPACKED {
            return Err(CodecError::TooLarge);
        }
        let mut decoder = zstd::Decoder::with_buffer(rest).map_err(CodecError::corrupt)?.single_frame();
        decoder.window_log_max(MAX_WINDOW_LOG).map_err(CodecError::corrupt)?;
        let mut plain = Vec::with_capacity(claim.min(FIRST_CAPACITY));
        decoder.by_ref().take(claim as u64 + 1).read_to_end(&mut plain).map_err(CodecError::corrupt)?;
        if plain.len() != claim || !decoder.finish().is_empty() {
            return Err(CodecError::corrupt("it unpacks to another length than it says"));
        }
        Plain.decode(&plain, rows)
    }
}

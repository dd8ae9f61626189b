//! What a stream is: its columns, where its blocks, intervals and uploads are cut, how they are coded.

use cpchain_crypto::{Digest, Domain};

use super::{DAY_MS, GatewayError};
use crate::{
    codec::{CodecError, CodecRegistry, MAX_COLUMN_NAME, MAX_COLUMNS},
    erasure::ErasureParams,
    manifest::MAX_BLOCKS,
    voucher::AccessRights,
};

const SHAPE: Domain = Domain::new("cpchain/storage/gateway-shape/v1");

/// How a stream is cut, coded and offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamConfig {
    /// Name of the stream, unique for its owner.
    pub name: String,
    /// Names of the columns, in the order of the readings' values.
    pub columns: Vec<String>,
    /// Does each reading carry opaque bytes?
    pub payloads: bool,
    /// The period T of a block, milliseconds.
    ///
    /// A longer one compresses better and opens coarser: a block has a header, tags and commitments of its own, and a column
    /// needs some hundred values before a codec can do much. The default of a day suits a reading a minute; hourly readings
    /// in daily blocks take more room than their CSV file under `zstd -19`. As stored, of `lab compress --quick`:
    ///
    /// | readings | CSV, `zstd -19` | T | bytes | smaller than that by |
    /// | --- | --- | --- | --- | --- |
    /// | weather, hourly, a year | 24,237 | 1 day | 131,530 | 0.18 |
    /// | | | 7 days | 26,673 | 0.91 |
    /// | | | 28 days | 10,358 | 2.34 |
    /// | | | 91 days | 6,768 | 3.58 |
    /// | vibration, 1 kHz, 20 s | 164,694 | 1 s | 97,049 | 1.70 |
    /// | | | 10 s | 75,697 | 2.18 |
    ///
    /// Manifests are not in these figures: some 200 bytes a block.
    pub period_ms: u64,
    /// The encryption interval e, in blocks.
    pub blocks_per_interval: u32,
    /// The upload interval u, in encryption intervals.
    pub intervals_per_upload: u32,
    /// Number of the codec.
    pub codec: u16,
    /// How objects are coded.
    pub erasure: ErasureParams,
    /// How long after the last reading of an upload its leases end, milliseconds.
    pub keep_ms: u64,
    /// Who may fetch the ciphertext.
    pub access: AccessRights,
}

impl StreamConfig {
    /// A stream of daily blocks, weekly keys and uploads of four weeks; 10 of 30 shards, kept for ten years, ciphertext for anyone.
    pub fn new<N: Into<String>>(name: impl Into<String>, columns: impl IntoIterator<Item = N>) -> Self {
        Self {
            name: name.into(),
            columns: columns.into_iter().map(Into::into).collect(),
            payloads: false,
            period_ms: DAY_MS,
            blocks_per_interval: 7,
            intervals_per_upload: 4,
            codec: if cfg!(feature = "pco") { 1 } else { 0 },
            erasure: ErasureParams::default(),
            keep_ms: 3653 * DAY_MS,
            access: AccessRights::PublicCiphertext,
        }
    }

    pub(super) fn check(&self, codecs: &CodecRegistry) -> Result<(), GatewayError> {
        let blocks = u64::from(self.blocks_per_interval) * u64::from(self.intervals_per_upload);
        if self.period_ms == 0 || blocks == 0 || blocks > MAX_BLOCKS as u64 {
            return Err(GatewayError::Config("T, e and u must not be zero, and an upload has at most 16384 blocks"));
        }
        if self.columns.len() > MAX_COLUMNS || self.columns.iter().any(|name| name.len() > MAX_COLUMN_NAME) {
            return Err(GatewayError::Config("a stream has at most 1024 columns, with names of at most 256 bytes"));
        }
        if !codecs.contains(self.codec) {
            return Err(CodecError::Unknown(self.codec).into());
        }
        Ok(())
    }

    /// Of what blocks look like and where they are cut: open blocks go on only under the same.
    pub(super) fn shape(&self) -> Digest {
        let mut bytes = self.period_ms.to_le_bytes().to_vec();
        bytes.extend(self.codec.to_le_bytes());
        bytes.push(u8::from(self.payloads));
        for name in &self.columns {
            bytes.extend((name.len() as u32).to_le_bytes());
            bytes.extend(name.as_bytes());
        }
        Digest::of(SHAPE, &[&bytes])
    }
}

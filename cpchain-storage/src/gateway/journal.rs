//! What a gateway must know after a restart, in one fsynced file.
//!
//! Before intervals are used, the end of the used range is written here and synced: `burnt`. A gateway that finds
//! `burnt` ahead of what was delivered cannot know whether those keys sealed anything, so it starts behind them. A
//! file that is damaged is an error, never a fresh start.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
};

use cpchain_crypto::Digest;

use super::GatewayError;
use crate::durable::sync_dir;

const MAGIC: [u8; 8] = *b"CPGATE\x00\x01";
const LEN: usize = 8 + 32 + 8 * 3 + 4 * 2 + 32 * 3 + 32;
const NEVER: u64 = u64::MAX;

/// The end of what is sealed and in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) stream: Digest,
    pub(super) next_block: u64,
    pub(super) next_upload: u64,
    /// Time of the last reading that is sealed.
    pub(super) last_ms: Option<u64>,
    /// The first interval that may be used.
    pub(super) next_interval: u32,
    /// Intervals below this one may have been used.
    pub(super) burnt: u32,
    pub(super) block: Digest,
    pub(super) manifest: Digest,
    pub(super) voucher: Digest,
}

impl Position {
    pub(super) const fn start(stream: Digest) -> Self {
        let none = Digest::ZERO;
        Self {
            stream,
            next_block: 0,
            next_upload: 0,
            last_ms: None,
            next_interval: 0,
            burnt: 0,
            block: none,
            manifest: none,
            voucher: none,
        }
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(self.stream.0);
        for word in [self.next_block, self.next_upload, self.last_ms.unwrap_or(NEVER)] {
            out.extend(word.to_le_bytes());
        }
        out.extend(self.next_interval.to_le_bytes());
        out.extend(self.burnt.to_le_bytes());
        for digest in [self.block, self.manifest, self.voucher] {
            out.extend(digest.0);
        }
        out.extend(Digest::content(&out).0);
        out
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LEN] = bytes.try_into().ok()?;
        let (front, sum) = bytes.split_last_chunk::<32>()?;
        let (magic, mut rest) = front.split_first_chunk::<8>()?;
        if *magic != MAGIC || Digest::content(front).0 != *sum {
            return None;
        }
        let stream = Digest(take(&mut rest)?);
        let next_block = u64::from_le_bytes(take(&mut rest)?);
        let next_upload = u64::from_le_bytes(take(&mut rest)?);
        let last_ms = Some(u64::from_le_bytes(take(&mut rest)?)).filter(|ms| *ms != NEVER);
        let next_interval = u32::from_le_bytes(take(&mut rest)?);
        let burnt = u32::from_le_bytes(take(&mut rest)?);
        let block = Digest(take(&mut rest)?);
        let manifest = Digest(take(&mut rest)?);
        let voucher = Digest(take(&mut rest)?);
        Some(Self { stream, next_block, next_upload, last_ms, next_interval, burnt, block, manifest, voucher })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

/// Reads the position; `None` if there is no file.
pub(super) fn load(dir: &Path) -> Result<Option<Position>, GatewayError> {
    match std::fs::read(path(dir)) {
        Ok(bytes) => Position::from_bytes(&bytes).map(Some).ok_or(GatewayError::CounterLost),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(GatewayError::Io { doing: "reading the counter", source }),
    }
}

/// Replaces the position; durable when this returns.
pub(super) fn save(dir: &Path, position: &Position) -> Result<(), GatewayError> {
    replace(dir, &path(dir), &position.to_bytes())
}

/// Replaces the file `target` in `dir` by `bytes`, all or nothing, durable when this returns.
pub(super) fn replace(dir: &Path, target: &Path, bytes: &[u8]) -> Result<(), GatewayError> {
    let failed = |doing| move |source| GatewayError::Io { doing, source };
    let temporary = target.with_extension("new");
    let mut file = File::create(&temporary).map_err(failed("making a file of the gateway"))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("writing a file of the gateway"))?;
    std::fs::rename(&temporary, target).map_err(failed("replacing a file of the gateway"))?;
    sync_dir(dir).map_err(failed("syncing the folder"))
}

fn path(dir: &Path) -> PathBuf {
    dir.join("counter")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn positions_round_trip_and_damage_is_seen(words: [u64; 2], last in prop::option::of(0..NEVER), intervals: [u32; 2], digest: [u8; 32], bit in 0..LEN * 8) {
            let position = Position {
                stream: Digest(digest), next_block: words[0], next_upload: words[1], last_ms: last,
                next_interval: intervals[0], burnt: intervals[1],
                block: Digest(digest), manifest: Digest::ZERO, voucher: Digest(digest),
            };
            let mut bytes = position.to_bytes();
            prop_assert_eq!(Position::from_bytes(&bytes), Some(position));
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Position::from_bytes(&bytes), None);
        }
    }
}

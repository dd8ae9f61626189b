//! The durable list of operations that are not known to be in the log yet: an append-only file.
//!
//! Frame: magic (4 bytes), kind (1), length (4, little endian), body, and the first 8 bytes of BLAKE3 over kind, length
//! and body. A record counts once [`sync_data`](File::sync_data) has returned. A torn last frame is cut off on opening; damage
//! in the middle is an error, because cutting there would lose operations that were acknowledged.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use cpchain_crypto::{Digest, Domain};

use crate::listing::{MAX_OPERATION_LEN, RevisionId, SignedOperation};

const MAGIC: [u8; 4] = *b"CPO1";
const HEAD: usize = 9;
const CHECK: usize = 8;
const QUEUED: u8 = 1;
const DONE: u8 = 2;
const CHECKSUM: Domain = Domain::new("cpchain/market/outbox-frame/v1");
/// Above this size a file that is mostly done is written anew.
const COMPACT_ABOVE: u64 = 1 << 20;

/// Why the outbox cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The file system failed. Nothing that was acknowledged is lost; open the outbox again.
    #[error("the outbox file: {0}")]
    Io(#[from] io::Error),
    /// Another process has it open.
    #[error("another process has the outbox open")]
    Locked,
    /// Damaged before its end.
    #[error("the outbox is damaged at byte {offset}: restore it from a copy, or move it away and publish again")]
    Damaged {
        /// Where.
        offset: u64,
    },
    /// An earlier write failed and could not be undone.
    #[error("an earlier write failed half-way: open the outbox again")]
    Poisoned,
}

pub(super) struct Outbox {
    path: PathBuf,
    file: File,
    length: u64,
    poisoned: bool,
    pending: Vec<SignedOperation>,
}

impl Outbox {
    pub(super) fn open(path: &Path) -> Result<Self, OutboxError> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OutboxError::Locked),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        sync_directory(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (pending, length) = replay(&bytes)?;
        if length < bytes.len() as u64 {
            tracing::warn!(path = %path.display(), at = length, "cutting a torn record off the outbox");
            file.set_len(length)?;
            file.sync_data()?;
        }
        Ok(Self { path: path.to_owned(), file, length, poisoned: false, pending })
    }

    /// Operations that are not done, oldest first.
    pub(super) fn pending(&self) -> &[SignedOperation] {
        &self.pending
    }

    /// Durable once it returns.
    pub(super) fn queue(&mut self, operation: &SignedOperation) -> Result<(), OutboxError> {
        self.write(QUEUED, operation.as_bytes())?;
        self.pending.push(operation.clone());
        Ok(())
    }

    pub(super) fn done(&mut self, id: RevisionId) -> Result<(), OutboxError> {
        self.write(DONE, &id.0.0)?;
        self.pending.retain(|operation| operation.id() != id);
        let useful: u64 = self.pending.iter().map(|op| (op.as_bytes().len() + HEAD + CHECK) as u64).sum();
        if self.length > COMPACT_ABOVE && useful < self.length / 2 { self.compact() } else { Ok(()) }
    }

    fn write(&mut self, kind: u8, body: &[u8]) -> Result<(), OutboxError> {
        if self.poisoned {
            return Err(OutboxError::Poisoned);
        }
        let frame = frame(kind, body);
        let written = self
            .file
            .seek(SeekFrom::Start(self.length))
            .and_then(|_| self.file.write_all(&frame))
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.poisoned = self.file.set_len(self.length).and_then(|()| self.file.sync_data()).is_err();
            return Err(error.into());
        }
        self.length += frame.len() as u64;
        Ok(())
    }

    /// Writes what is pending to a new file and puts it in the place of the old one.
    fn compact(&mut self) -> Result<(), OutboxError> {
        let beside = self.path.with_extension("new");
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&beside)?;
        file.lock()?;
        let mut length = 0;
        for operation in &self.pending {
            let frame = frame(QUEUED, operation.as_bytes());
            file.write_all(&frame)?;
            length += frame.len() as u64;
        }
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)?;
        sync_directory(&self.path)?;
        self.file = file;
        self.length = length;
        Ok(())
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Directories cannot be opened for this on every system; where they can, a failure counts.
    if cfg!(unix) { File::open(parent)?.sync_all() } else { Ok(()) }
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD + body.len() + CHECK);
    frame.extend_from_slice(&MAGIC);
    frame.push(kind);
    frame.extend_from_slice(&(body.len() as u32).to_le_bytes());
    frame.extend_from_slice(body);
    let check = checksum(kind, body);
    frame.extend_from_slice(&check);
    frame
}

fn checksum(kind: u8, body: &[u8]) -> [u8; CHECK] {
    let Digest([a, b, c, d, e, f, g, h, ..]) = Digest::of(CHECKSUM, &[&[kind], body]);
    [a, b, c, d, e, f, g, h]
}

/// The frame at the start of `bytes`: kind, body, whole length.
fn read_frame(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let (&kind, rest) = rest.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    if *magic != MAGIC || length > MAX_OPERATION_LEN {
        return None;
    }
    let (body, rest) = rest.split_at_checked(length)?;
    let check = rest.first_chunk::<CHECK>()?;
    (*check == checksum(kind, body)).then_some((kind, body, HEAD + length + CHECK))
}

/// What is pending, and how many bytes of the file are good.
fn replay(bytes: &[u8]) -> Result<(Vec<SignedOperation>, u64), OutboxError> {
    let mut pending: Vec<SignedOperation> = Vec::new();
    let mut known = BTreeSet::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let damaged = OutboxError::Damaged { offset: at as u64 };
        let Some((kind, body, length)) = read_frame(rest) else {
            let later = (1..rest.len()).any(|skip| rest.get(skip..).and_then(read_frame).is_some());
            return if later { Err(damaged) } else { Ok((pending, at as u64)) };
        };
        match kind {
            QUEUED => {
                let operation = SignedOperation::from_bytes(body).map_err(|_| damaged)?;
                if known.insert(operation.id()) {
                    pending.push(operation);
                }
            }
            DONE => {
                let id = RevisionId(Digest::from_slice(body).ok_or(damaged)?);
                known.remove(&id);
                pending.retain(|operation| operation.id() != id);
            }
            _ => return Err(damaged),
        }
        at += length;
    }
    Ok((pending, at as u64))
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::{Signer, SigningKey};
    use proptest::prelude::*;

    use super::*;
    use crate::listing::{Action, ListingId, Operation};

    fn operation(sequence: u64) -> SignedOperation {
        let key = SigningKey::from_seed(&[1; 32]);
        let action = Action::Withdraw { listing: ListingId(Digest([sequence as u8; 32])) };
        Operation { seller: key.public_key(), sequence, action }.sign(&key).unwrap()
    }

    fn sequences(outbox: &Outbox) -> Vec<u64> {
        outbox.pending().iter().map(|op| op.operation().sequence).collect()
    }

    #[test]
    fn pending_operations_survive_reopening_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outbox");
        let mut outbox = Outbox::open(&path).unwrap();
        (1..=5).for_each(|i| outbox.queue(&operation(i)).unwrap());
        outbox.done(operation(2).id()).unwrap();
        drop(outbox);
        assert_eq!(sequences(&Outbox::open(&path).unwrap()), [1, 3, 4, 5]);
    }

    #[test]
    fn one_process_has_it_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outbox");
        let first = Outbox::open(&path).unwrap();
        assert!(matches!(Outbox::open(&path), Err(OutboxError::Locked)));
        drop(first);
        Outbox::open(&path).unwrap();
    }

    #[test]
    fn compaction_keeps_what_is_pending_and_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outbox");
        let mut outbox = Outbox::open(&path).unwrap();
        (1..=5).for_each(|i| outbox.queue(&operation(i)).unwrap());
        outbox.done(operation(1).id()).unwrap();
        let before = outbox.length;
        outbox.compact().unwrap();
        assert!(outbox.length < before);
        outbox.queue(&operation(6)).unwrap();
        assert!(matches!(Outbox::open(&path), Err(OutboxError::Locked)));
        drop(outbox);
        assert_eq!(sequences(&Outbox::open(&path).unwrap()), [2, 3, 4, 5, 6]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_file_cut_anywhere_keeps_every_whole_record(cut: prop::sample::Index) {
            let frames: Vec<_> = (1..=4).map(|i| frame(QUEUED, operation(i).as_bytes())).collect();
            let whole = frames.concat();
            let cut = cut.index(whole.len() + 1);
            let (pending, good) = replay(&whole[..cut]).unwrap();
            let expected = frames.iter().scan(0, |end, f| { *end += f.len(); Some(*end) }).filter(|end| *end <= cut);
            prop_assert_eq!(pending.len(), expected.count());
            prop_assert!(good <= cut as u64);
        }

        #[test]
        fn a_flipped_bit_loses_no_other_record_silently(at: prop::sample::Index, bit in 0u8..8) {
            let frames: Vec<_> = (1..=4).map(|i| frame(QUEUED, operation(i).as_bytes())).collect();
            let mut whole = frames.concat();
            let at = at.index(whole.len());
            whole[at] ^= 1 << bit;
            let last = whole.len() - frames[3].len();
            match replay(&whole) {
                Err(OutboxError::Damaged { .. }) => prop_assert!(at < last),
                Ok((pending, good)) => {
                    prop_assert!(at >= last);
                    prop_assert_eq!((pending.len(), good), (3, last as u64));
                }
                Err(other) => prop_assert!(false, "{}", other),
            }
        }

        #[test]
        fn any_file_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = replay(&[MAGIC.as_slice(), &bytes].concat());
            let _ = replay(&bytes);
        }
    }
}

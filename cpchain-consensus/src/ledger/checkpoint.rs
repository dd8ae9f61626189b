//! The state on the disk, so that a restart executes few blocks again.

use std::path::PathBuf;

use bytes::{Buf, Bytes};
use cpchain_crypto::Digest;

use super::{
    file::{self, LedgerFileError},
    state::{Changes, State},
    view::LedgerView,
};
use crate::{ChainId, Height};

const NAME: [u8; 8] = *b"cp-state";
const VERSION: u8 = 1;

/// The state after one block, read from a [`StateFile`]: give it to [`LedgerBuilder::resume`](super::LedgerBuilder::resume).
///
/// Its root was computed from what was read, and is the one that was written.
#[derive(Debug)]
pub struct Checkpoint {
    pub(crate) chain: ChainId,
    pub(crate) height: Height,
    pub(crate) root: Digest,
    pub(crate) state: State,
}

impl Checkpoint {
    /// The block after which it holds.
    pub const fn height(&self) -> Height {
        self.height
    }

    /// The digest of the state.
    pub const fn root(&self) -> Digest {
        self.root
    }
}

/// A file that keeps the state of a node's ledger. Without it a restart executes all blocks again, with it those above the
/// file's height. Receipts and events are not in it: they begin with the block after it.
///
/// - A ledger that goes on from it comes to the roots of one that executed everything (`tests/ledger_files.rs`:
///   `a_resumed_ledger_comes_to_the_same_roots`).
/// - A killed process leaves a whole file (`a_killed_writer_leaves_a_whole_file`).
/// - A file that was damaged is an error (`a_damaged_file_is_refused`), one of another chain as well.
///
/// Who can change the file can change its digest too: it belongs into the node's own folder, as the log does. A state that differs from
/// the chain's shows at the next root that is compared.
///
/// ```
/// use cpchain_consensus::ledger::{Amount, Genesis, Ledger, StateFile};
/// use cpchain_crypto::PublicKey;
/// let folder = tempfile::tempdir()?;
/// let genesis = Genesis::new().account(PublicKey([1; 32]), Amount::cpc(10));
/// let chain = genesis.chain_id("example");
/// let file = StateFile::new(folder.path().join("state"), 1 << 30);
/// file.save(&Ledger::builder(chain, genesis.clone()).build()?.view())?;
///
/// let mut builder = Ledger::builder(chain, genesis);
/// if let Some(checkpoint) = file.load()? {
///     builder = builder.resume(checkpoint);
/// }
/// assert_eq!(builder.build()?.view().balance(&PublicKey([1; 32])), Amount::cpc(10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct StateFile {
    path: PathBuf,
    most: u64,
}

impl StateFile {
    /// A file at this path, of at most so many bytes.
    pub fn new(path: impl Into<PathBuf>, most: u64) -> Self {
        Self { path: path.into(), most }
    }

    /// Writes the state as it is now, and tells after which block that is. It copies the state while the ledger waits, and writes
    /// while it does not.
    ///
    /// # Errors
    /// [`LedgerFileError::Io`] or [`LedgerFileError::TooLarge`]; the file before it stays then.
    pub fn save(&self, view: &LedgerView) -> Result<Height, LedgerFileError> {
        let (height, root, entries) = view.whole_state();
        let mut body = vec![VERSION];
        body.extend_from_slice(&view.chain_id().0.0);
        body.extend_from_slice(&height.0.to_be_bytes());
        body.extend_from_slice(&root.0);
        for (key, value) in entries {
            // Keys and values have bounds far below these.
            body.extend_from_slice(&u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes());
            body.extend_from_slice(&key);
            body.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
            body.extend_from_slice(&value);
        }
        if body.len() as u64 > self.most {
            return Err(LedgerFileError::TooLarge(self.most));
        }
        file::write(&self.path, NAME, &body).map(|()| height)
    }

    /// What was written last; `None` if nothing was.
    ///
    /// # Errors
    /// [`LedgerFileError`].
    pub fn load(&self) -> Result<Option<Checkpoint>, LedgerFileError> {
        let Some(body) = file::read(&self.path, NAME, self.most)? else { return Ok(None) };
        read(Bytes::from(body)).ok_or(LedgerFileError::Damaged).map(Some)
    }
}

fn read(mut rest: Bytes) -> Option<Checkpoint> {
    let cut = |rest: &mut Bytes, length: usize| (length <= rest.len()).then(|| rest.split_to(length));
    if rest.try_get_u8().ok()? != VERSION {
        return None;
    }
    let chain = ChainId(Digest::from_slice(&cut(&mut rest, 32)?)?);
    let height = Height(rest.try_get_u64().ok()?);
    let root = Digest::from_slice(&cut(&mut rest, 32)?)?;
    let mut entries = Changes::new();
    while rest.has_remaining() {
        let length = rest.try_get_u16().ok()?;
        let key = cut(&mut rest, length.into())?;
        let length = rest.try_get_u32().ok()?;
        // A copy, so that no entry keeps the whole file in memory.
        let value = Bytes::copy_from_slice(&cut(&mut rest, usize::try_from(length).ok()?)?);
        entries.insert(key.to_vec(), Some(value));
    }
    let mut state = State::default();
    state.apply(entries);
    (state.root() == root).then_some(Checkpoint { chain, height, root, state })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(read(Bytes::from(bytes.clone())).is_none(), "no root by chance");
            let bytes = [&[VERSION], bytes.as_slice()].concat();
            prop_assert!(read(Bytes::from(bytes)).is_none());
        }
    }
}

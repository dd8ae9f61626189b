//! The pool across a restart of its node.

use std::path::PathBuf;

use bytes::{Buf, Bytes};

use super::{
    file::{self, LedgerFileError},
    transaction::MAX_TRANSACTION_BYTES,
    view::LedgerView,
};
use crate::{Application, ChainId, InvalidPayload};

const NAME: [u8; 8] = *b"cp-pool\x01";

/// A file that keeps the transactions which wait in a node's pool: write it now and then, and when the node stops; read it before the node
/// starts.
///
/// What it holds is judged as if a client had sent it, signature and all, so a file that somebody changed brings nothing in. A file that
/// cannot be read is an error, and an empty pool (`tests/ledger_files.rs`: `a_pool_survives_a_restart`,
/// `a_damaged_file_is_refused`).
///
/// ```
/// use cpchain_consensus::ledger::{Amount, Genesis, Ledger, PoolFile};
/// let folder = tempfile::tempdir()?;
/// let genesis = Genesis::new();
/// let chain = genesis.chain_id("example");
/// let mut ledger = Ledger::builder(chain, genesis).build()?;
/// let file = PoolFile::new(folder.path().join("pool"), 64 << 20);
/// assert_eq!(file.save(&ledger.view())?, 0);
/// assert_eq!(file.load(&mut ledger, chain)?.taken, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct PoolFile {
    path: PathBuf,
    most: u64,
}

/// What became of the transactions of a [`PoolFile`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reloaded {
    /// How many wait again.
    pub taken: usize,
    /// Why others do not: most were executed meanwhile, or have expired.
    pub refused: Vec<InvalidPayload>,
}

impl PoolFile {
    /// A file at this path, of at most so many bytes: those that do not fit are left out, the last first.
    pub fn new(path: impl Into<PathBuf>, most: u64) -> Self {
        Self { path: path.into(), most }
    }

    /// Writes what waits now, and tells how many those are. Call it where waiting for the disk does no harm.
    ///
    /// # Errors
    /// [`LedgerFileError::Io`]; the file before it stays then.
    pub fn save(&self, view: &LedgerView) -> Result<usize, LedgerFileError> {
        let mut body = view.chain_id().0.0.to_vec();
        let mut count = 0;
        for transaction in view.waiting_transactions() {
            let length = u32::try_from(transaction.len()).unwrap_or(u32::MAX);
            if (body.len() + 4 + transaction.len()) as u64 > self.most {
                break;
            }
            body.extend_from_slice(&length.to_be_bytes());
            body.extend_from_slice(&transaction);
            count += 1;
        }
        file::write(&self.path, NAME, &body).map(|()| count)
    }

    /// Gives an application what waited, in the order in which it came. No file is an empty one.
    ///
    /// # Errors
    /// [`LedgerFileError`]; the application is as before then.
    pub fn load(&self, application: &mut dyn Application, chain: ChainId) -> Result<Reloaded, LedgerFileError> {
        let Some(body) = file::read(&self.path, NAME, self.most)? else { return Ok(Reloaded::default()) };
        let mut rest = Bytes::from(body);
        if rest.len() < 32 || rest.split_to(32)[..] != chain.0.0 {
            return Err(LedgerFileError::OtherChain);
        }
        let mut transactions = Vec::new();
        while rest.has_remaining() {
            let length = rest.try_get_u32().map_err(|_| LedgerFileError::Damaged)? as usize;
            if length > MAX_TRANSACTION_BYTES || length > rest.len() {
                return Err(LedgerFileError::Damaged);
            }
            transactions.push(rest.split_to(length));
        }
        let mut reloaded = Reloaded::default();
        for transaction in transactions {
            match application.submit(transaction) {
                Ok(()) => reloaded.taken += 1,
                Err(reason) => reloaded.refused.push(reason),
            }
        }
        Ok(reloaded)
    }
}

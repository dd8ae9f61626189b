//! Files of this node: a whole one or none, also when the process is killed while it writes.
//!
//! A file is a name of eight bytes, the body, and a digest of both. It is written beside the old one, synced and put in its place, so a reader
//! finds the old or the new one (`tests/ledger_files.rs`: `a_killed_writer_leaves_a_whole_file`); a changed byte is noticed
//! (`a_damaged_file_is_refused`).

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
};

use cpchain_crypto::{Digest, Domain};

const SEAL: Domain = Domain::new("cpchain/consensus/ledger-file/v1");
const NAME: usize = 8;
const DIGEST: usize = 32;

/// Why a file of the ledger was not written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerFileError {
    /// The disk, or the rights to it.
    #[error("{0}; is there room, and may this user write there?")]
    Io(String),
    /// It is not what was written, or of another kind or version.
    #[error("the file is damaged, or of another kind: remove it, and the node starts without it")]
    Damaged,
    /// More bytes than this node takes.
    #[error("the file has more than {0} bytes: remove it, or allow more")]
    TooLarge(u64),
    /// It belongs to another chain.
    #[error("the file is of another chain: remove it, or give this node a folder of its own")]
    OtherChain,
}

impl From<io::Error> for LedgerFileError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

/// Puts a file in place of the one at this path, if there is one.
pub(crate) fn write(path: &Path, name: [u8; NAME], body: &[u8]) -> Result<(), LedgerFileError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = fs::File::create(&beside)?;
    file.write_all(&name)?;
    file.write_all(body)?;
    file.write_all(&Digest::of(SEAL, &[&name, body]).0)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&beside, path)?;
    // The new name is durable with its folder; systems that cannot sync one keep names in order.
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
        && let Ok(folder) = fs::File::open(folder)
    {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// The body of a file, at most so many bytes; `None` if there is no file.
pub(crate) fn read(path: &Path, name: [u8; NAME], most: u64) -> Result<Option<Vec<u8>>, LedgerFileError> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let most_in_all = most.saturating_add((NAME + DIGEST) as u64);
    let mut bytes = Vec::new();
    file.take(most_in_all.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most_in_all {
        return Err(LedgerFileError::TooLarge(most));
    }
    let body = bytes.strip_prefix(&name).and_then(<[u8]>::split_last_chunk::<DIGEST>);
    let (body, digest) = body.ok_or(LedgerFileError::Damaged)?;
    if Digest::of(SEAL, &[&name, body]).0 != *digest {
        return Err(LedgerFileError::Damaged);
    }
    Ok(Some(body.to_vec()))
}

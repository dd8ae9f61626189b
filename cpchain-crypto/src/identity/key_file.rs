//! A device secret in a file, for devices without hardware that keeps one.
//!
//! 64 bytes: `CPK1`, four zero bytes, the secret, a 24-byte check of both. Rules and the tests that hold them
//! (`tests/identity_device.rs`): the file appears whole or not at all, durable before its name
//! (`a_created_key_file_gives_its_secret_again`); an existing file is never overwritten (`a_key_file_is_never_overwritten`);
//! short, long and changed files are refused (`damaged_key_files_are_refused`); so is one that others than its owner may
//! touch, on Unix (`an_open_key_file_is_refused`).

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{
    entropy::Entropy,
    hash::{Digest, Domain},
};

use super::device::{KeySource, KeySourceError};

const MAGIC: [u8; 8] = *b"CPK1\0\0\0\0";
const FILE_LEN: usize = 64;
const CHECK: Domain = Domain::new("cpchain/crypto/key-file/check/v1");

/// Why a key file was not made or not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// There is one already; it was not touched.
    #[error("a key file exists there: open it, or choose another path")]
    Exists,
    /// Short, long, torn, or of another version.
    #[error("not a whole key file of a version that this build reads: restore it from your backup")]
    Damaged,
    /// Group or others may read or write it, or it is no regular file.
    #[error("the key file must be a regular file of mode 0600: restrict it, and rotate the key if it was open")]
    Exposed,
    /// The source of randomness failed; nothing was written.
    #[error(transparent)]
    Entropy(#[from] crate::EntropyError),
    /// The file system said no.
    #[error("the key file could not be read or written")]
    Io(#[from] io::Error),
}

/// A [`KeySource`] over a file; it holds the path, and reads the secret when asked.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// use cpchain_crypto::{SystemEntropy, identity::{DeviceIdentity, KeyFile}};
/// let path = folder.path().join("device.key");
/// let mut file = KeyFile::create(&path, &mut SystemEntropy)?;
/// let did = DeviceIdentity::from_source(&mut file)?.did();
/// // After a restart:
/// assert_eq!(DeviceIdentity::from_source(&mut KeyFile::open(&path)?)?.did(), did);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// Makes a new secret and writes it: a new file of mode 0600, synced, then linked to its name, and the folder synced.
    ///
    /// Needs a file system with hard links, since only they give a name to a whole file without ever replacing one.
    /// A crash between may leave a file `*.new-*` beside it, whose secret was never used: delete it.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`], [`KeyFileError::Entropy`], [`KeyFileError::Io`].
    pub fn create(path: impl Into<PathBuf>, entropy: &mut dyn Entropy) -> Result<Self, KeyFileError> {
        let path = path.into();
        let mut secret = Zeroizing::new([0; 32]);
        entropy.fill(&mut *secret)?;
        let mut unique = [0; 8];
        entropy.fill(&mut unique)?;
        let mut new = path.clone().into_os_string();
        new.push(format!(".new-{:016x}", u64::from_le_bytes(unique)));
        let new = PathBuf::from(new);
        let written = write_new(&new, encode(&secret).as_slice()).and_then(|()| fs::hard_link(&new, &path));
        // The name under which it was written goes in any case; a failure of that must not hide the outcome.
        let removed = fs::remove_file(&new);
        match written {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(KeyFileError::Exists),
            Err(error) => return Err(error.into()),
            Ok(()) => removed?,
        }
        sync_folder(&path)?;
        Ok(Self { path })
    }

    /// Takes an existing file, and checks that it is whole and closed to others.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, KeyFileError> {
        let path = path.into();
        read(&path)?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl KeySource for KeyFile {
    fn secret(&mut self) -> Result<Zeroizing<[u8; 32]>, KeySourceError> {
        read(&self.path).map_err(|error| match error {
            KeyFileError::Exposed => KeySourceError::Exposed,
            KeyFileError::Damaged => KeySourceError::NotReproduced,
            KeyFileError::Io(error) if error.kind() == io::ErrorKind::NotFound => KeySourceError::NotEnrolled,
            _ => KeySourceError::Unavailable,
        })
    }
}

fn encode(secret: &[u8; 32]) -> Zeroizing<[u8; FILE_LEN]> {
    let mut bytes = Zeroizing::new([0; FILE_LEN]);
    let check = Digest::of(CHECK, &[&MAGIC, secret]).0;
    let fields = MAGIC.iter().chain(secret).chain(&check);
    bytes.iter_mut().zip(fields).for_each(|(place, byte)| *place = *byte);
    bytes
}

fn read(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    // Before opening, since a pipe would wait there for its writer for ever.
    if !fs::metadata(path)?.is_file() {
        return Err(KeyFileError::Exposed);
    }
    let mut file = File::open(path)?;
    // Judged on the open file, so that it cannot be exchanged between.
    if !is_private(&file.metadata()?) {
        return Err(KeyFileError::Exposed);
    }
    let mut bytes = Zeroizing::new([0; FILE_LEN + 1]);
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let whole = bytes.get(..length).filter(|whole| whole.len() == FILE_LEN).ok_or(KeyFileError::Damaged)?;
    let secret = whole.get(8..40).and_then(|secret| secret.first_chunk::<32>()).ok_or(KeyFileError::Damaged)?;
    let secret = Zeroizing::new(*secret);
    if !bool::from(subtle::ConstantTimeEq::ct_eq(whole, encode(&secret).as_slice())) {
        return Err(KeyFileError::Damaged);
    }
    Ok(secret)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(unix)]
fn is_private(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.is_file() && metadata.permissions().mode() & 0o077 == 0
}

#[cfg(not(unix))]
fn is_private(metadata: &fs::Metadata) -> bool {
    metadata.is_file()
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

//! Key files: 64 hexadecimal digits of the seed of a key, readable by their owner alone. Signing keys and beacon keys look the same.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use cpchain_crypto::{Did, Entropy as _, PublicKey, SigningKey, SystemEntropy, vrf::VrfSecretKey};
use zeroize::Zeroizing;

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read or written.
    #[error("cannot read or write the key file {0}: {1}")]
    Io(PathBuf, #[source] io::Error),
    /// Others may read it.
    #[error("others may read the key file {0}: run `chmod 600` on it, and use a new key if it may have leaked")]
    Open(PathBuf),
    /// It is no key.
    #[error("the key file {0} does not hold 64 hexadecimal digits")]
    Malformed(PathBuf),
    /// The system gives no randomness.
    #[error("the operating system gives no randomness for a new key")]
    Entropy,
}

/// Makes a new signing key and writes it to a new file, mode 0600; an existing file is never overwritten.
///
/// # Errors
/// [`KeyError`].
pub fn create(path: &Path) -> Result<SigningKey, KeyError> {
    Ok(SigningKey::from_seed(&*create_seed(path)?))
}

/// Makes a new beacon key, as [`create`] does.
///
/// # Errors
/// [`KeyError`].
pub fn create_beacon(path: &Path) -> Result<VrfSecretKey, KeyError> {
    Ok(VrfSecretKey::from_seed(&*create_seed(path)?))
}

fn create_seed(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let failed = |error| KeyError::Io(path.to_owned(), error);
    let mut seed = Zeroizing::new([0; 32]);
    SystemEntropy.fill(&mut *seed).map_err(|_| KeyError::Entropy)?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    let text = Zeroizing::new(hex::encode(seed.as_slice()));
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(seed)
}

/// Reads a signing key, and refuses a file that others may read.
///
/// # Errors
/// [`KeyError`].
pub fn read(path: &Path) -> Result<SigningKey, KeyError> {
    Ok(SigningKey::from_seed(&*read_seed(path)?))
}

/// Reads a beacon key, as [`read`] does; `None` if there is no such file.
///
/// # Errors
/// [`KeyError`].
pub fn read_beacon(path: &Path) -> Result<Option<VrfSecretKey>, KeyError> {
    match read_seed(path) {
        Ok(seed) => Ok(Some(VrfSecretKey::from_seed(&seed))),
        Err(KeyError::Io(_, error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_seed(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let failed = |error| KeyError::Io(path.to_owned(), error);
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).map_err(failed)?.permissions());
        if mode & 0o077 != 0 {
            return Err(KeyError::Open(path.to_owned()));
        }
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(failed)?);
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), &mut *seed).map_err(|_| KeyError::Malformed(path.to_owned()))?;
    Ok(seed)
}

/// An account from what people write: 64 hexadecimal digits, or the `did:key` of its key.
///
/// ```
/// use cpchain_node::keys::account;
/// let did = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
/// assert_eq!(account(did), account("3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"));
/// assert_eq!(account("somebody"), None);
/// ```
pub fn account(text: &str) -> Option<PublicKey> {
    if text.starts_with("did:") { text.parse::<Did>().ok().map(|did| did.public_key()) } else { public(text) }
}

/// A public key from its 64 hexadecimal digits.
pub fn public(text: &str) -> Option<PublicKey> {
    let mut key = [0; 32];
    hex::decode_to_slice(text, &mut key).ok()?;
    Some(PublicKey(key))
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::Signer as _;

    use super::*;

    #[test]
    fn keys_are_read_back_and_guarded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = create(&path).unwrap();
        assert_eq!(read(&path).unwrap().public_key(), key.public_key());
        assert!(matches!(create(&path), Err(KeyError::Io(..))), "never overwritten");
        let beacon = folder.path().join("beacon");
        assert!(read_beacon(&beacon).unwrap().is_none());
        let key_of_beacons = create_beacon(&beacon).unwrap().public_key();
        assert_eq!(read_beacon(&beacon).unwrap().unwrap().public_key(), key_of_beacons);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            assert!(matches!(read(&path), Err(KeyError::Open(_))));
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        fs::write(&path, "short").unwrap();
        assert!(matches!(read(&path), Err(KeyError::Malformed(_))));
        assert_eq!(public(&key.public_key().to_string()), Some(key.public_key()));
        assert_eq!(public("zz"), None);
    }
}

//! Key files: 64 hexadecimal digits of an Ed25519 seed, readable by their owner alone.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use cpchain_crypto::{PublicKey, SigningKey, SystemEntropy};
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

/// Makes a new key and writes it to a new file, mode 0600; an existing file is never overwritten.
///
/// # Errors
/// [`KeyError`].
pub fn create(path: &Path) -> Result<SigningKey, KeyError> {
    let failed = |error| KeyError::Io(path.to_owned(), error);
    let key = SigningKey::generate(&mut SystemEntropy).map_err(|_| KeyError::Entropy)?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    let text = Zeroizing::new(hex::encode(key.to_seed().as_slice()));
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(key)
}

/// Reads a key file, and refuses one that others may read.
///
/// # Errors
/// [`KeyError`].
pub fn read(path: &Path) -> Result<SigningKey, KeyError> {
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
    Ok(SigningKey::from_seed(&seed))
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

//! Device identities and key files from the outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_crypto::{
    Domain, Signer,
    identity::{DeviceIdentity, KeySource, KeySourceError},
};
use zeroize::Zeroizing;

struct Fixed(Result<[u8; 32], KeySourceError>);

impl KeySource for Fixed {
    fn secret(&mut self) -> Result<Zeroizing<[u8; 32]>, KeySourceError> {
        self.0.map(Zeroizing::new)
    }
}

fn device(seed: u8) -> DeviceIdentity {
    DeviceIdentity::from_source(&mut Fixed(Ok([seed; 32]))).unwrap()
}

#[test]
fn golden_device_keys() {
    // A change here makes every device another device.
    let device = device(1);
    let lines = [
        device.did().to_string(),
        device.signing_key(1).public_key().to_string(),
        device.stream_secret(b"temperature").interval_key(Default::default()).commitment().to_string(),
        cpchain_crypto::Digest::content(device.key(Domain::new("test/purpose/v1")).expose()).to_string(),
    ];
    assert_eq!(lines.join("\n"), include_str!("../testdata/identity_device.txt").trim_end());
}

#[test]
fn every_purpose_has_a_key_of_its_own() {
    let mut seen = std::collections::HashSet::new();
    for seed in [1, 2] {
        let device = device(seed);
        for generation in [0, 1, 2, u32::MAX] {
            assert!(seen.insert(*device.signing_key(generation).to_seed()));
        }
        for name in [&b""[..], b"a", b"b", &0u32.to_le_bytes(), b"test/purpose/v1"] {
            assert!(seen.insert(*device.stream_secret(name).expose()));
        }
        for purpose in [Domain::new("test/purpose/v1"), Domain::new("a")] {
            assert!(seen.insert(*device.key(purpose).expose()));
        }
    }
    assert!(!seen.contains(&[1; 32]) && !seen.contains(&[2; 32]), "nor is any the secret itself");
}

#[test]
fn a_device_signs_as_its_did() {
    const READING: Domain = Domain::new("test/reading/v1");
    let device = device(1);
    let signature = device.sign(READING, b"21.5");
    assert!(device.did().public_key().verify(READING, b"21.5", &signature).is_ok());
    assert_eq!(device.public_key(), device.signing_key(0).public_key());
    assert_eq!(format!("{device:?}"), format!("DeviceIdentity({})", device.did()));
}

#[test]
fn a_failing_source_gives_no_identity() {
    for error in [KeySourceError::NotEnrolled, KeySourceError::NotReproduced, KeySourceError::Unavailable] {
        assert_eq!(DeviceIdentity::from_source(&mut Fixed(Err(error))).unwrap_err(), error);
    }
}

#[cfg(feature = "std")]
mod key_file {
    use std::{fs, path::PathBuf};

    use cpchain_crypto::{
        Entropy, EntropyError, SeededEntropy,
        identity::{KeyFile, KeyFileError},
    };

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("device.key")
        }

        fn create(&self, seed: u8) -> Result<KeyFile, KeyFileError> {
            KeyFile::create(self.path(), &mut SeededEntropy::new(&[seed; 32]))
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.0.path()).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }

        /// Puts other bytes into the key file, closed to others as before.
        fn put(&self, bytes: &[u8]) -> Result<KeyFile, KeyFileError> {
            fs::write(self.path(), bytes).unwrap();
            KeyFile::open(self.path())
        }
    }

    #[test]
    fn a_created_key_file_gives_its_secret_again() {
        let folder = Folder::new();
        let mut created = folder.create(1).unwrap();
        let mut opened = KeyFile::open(folder.path()).unwrap();
        assert_eq!(created.secret().unwrap(), opened.secret().unwrap());
        let mut expected = [0; 32];
        SeededEntropy::new(&[1; 32]).fill(&mut expected).unwrap();
        assert_eq!(*opened.secret().unwrap(), expected);
        assert_eq!(folder.names(), ["device.key"], "nothing is left beside it");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(opened.path()).unwrap().permissions().mode() & 0o777, 0o600);
        }
        // The bytes are fixed: a file that an older version wrote is read by a newer one.
        let golden = cpchain_crypto::Digest::content(&fs::read(folder.path()).unwrap());
        assert_eq!(golden.to_string(), include_str!("../testdata/identity_key_file.hex").trim());
    }

    #[test]
    fn a_key_file_is_never_overwritten() {
        let folder = Folder::new();
        folder.create(1).unwrap();
        let before = fs::read(folder.path()).unwrap();
        assert!(matches!(folder.create(2), Err(KeyFileError::Exists)));
        assert_eq!(fs::read(folder.path()).unwrap(), before);
        assert_eq!(folder.names(), ["device.key"]);
        // Not even a damaged one: that is for its owner to judge.
        fs::write(folder.path(), b"").unwrap();
        assert!(matches!(folder.create(2), Err(KeyFileError::Exists)));
        assert_eq!(fs::read(folder.path()).unwrap(), b"");
    }

    #[test]
    fn of_many_that_create_at_once_one_wins() {
        let folder = Folder::new();
        let winners: usize = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|seed| {
                    scope.spawn({
                        let folder = &folder;
                        move || usize::from(folder.create(seed).is_ok())
                    })
                })
                .collect();
            tries.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(winners, 1);
        assert_eq!(folder.names(), ["device.key"]);
        assert!(KeyFile::open(folder.path()).is_ok());
    }

    #[test]
    fn damaged_key_files_are_refused() {
        let folder = Folder::new();
        let mut file = folder.create(1).unwrap();
        let good = fs::read(folder.path()).unwrap();
        for length in 0..good.len() {
            assert!(matches!(folder.put(&good[..length]), Err(KeyFileError::Damaged)), "{length} bytes");
        }
        assert!(matches!(folder.put(&[&good[..], &[0]].concat()), Err(KeyFileError::Damaged)));
        for at in 0..good.len() * 8 {
            let mut changed = good.clone();
            changed[at / 8] ^= 1 << (at % 8);
            assert!(matches!(folder.put(&changed), Err(KeyFileError::Damaged)), "bit {at}");
        }
        assert_eq!(file.secret().unwrap_err(), KeySourceError::NotReproduced);
        assert!(folder.put(&good).is_ok());
        fs::remove_file(folder.path()).unwrap();
        assert_eq!(file.secret().unwrap_err(), KeySourceError::NotEnrolled);
        assert!(matches!(KeyFile::open(folder.path()), Err(KeyFileError::Io(_))));
    }

    #[test]
    #[cfg(unix)]
    fn an_open_key_file_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new();
        let mut file = folder.create(1).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o601, 0o777] {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(KeyFile::open(folder.path()), Err(KeyFileError::Exposed)), "mode {mode:o}");
            assert_eq!(file.secret().unwrap_err(), KeySourceError::Exposed);
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o400)).unwrap();
        assert!(KeyFile::open(folder.path()).is_ok());
        assert!(matches!(KeyFile::open(folder.0.path()), Err(KeyFileError::Exposed)), "a folder is no key file");
    }

    #[test]
    fn without_entropy_no_file_is_made() {
        struct Empty;
        impl Entropy for Empty {
            fn fill(&mut self, _out: &mut [u8]) -> Result<(), EntropyError> {
                Err(EntropyError)
            }
        }
        let folder = Folder::new();
        assert!(matches!(KeyFile::create(folder.path(), &mut Empty), Err(KeyFileError::Entropy(_))));
        assert!(folder.names().is_empty());
    }
}

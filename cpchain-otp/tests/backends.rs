//! Every backend keeps the same promises, and objects over them notice when one breaks them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::sync::Arc;

use common::{data, promises::keeps_its_promises};
use cpchain_crypto::Digest;
use cpchain_otp::{
    ObjectError, Objects, ObjectsConfig,
    backend::{Backend, BackendError, MemoryBackend, OpendalBackend},
    host::byte_source,
};

#[tokio::test(flavor = "multi_thread")]
async fn conformance() {
    let folder = tempfile::tempdir().unwrap();
    keeps_its_promises(Arc::new(MemoryBackend::new())).await;
    keeps_its_promises(Arc::new(OpendalBackend::memory().unwrap())).await;
    keeps_its_promises(Arc::new(OpendalBackend::file_system(folder.path()).unwrap())).await;
}

async fn read_all(objects: &Objects, root: &Digest) -> Result<Vec<u8>, ObjectError> {
    let object = objects.find(root).await?.expect("the object is there");
    let mut reader = object.read(0..u64::MAX).unwrap();
    let mut got = Vec::new();
    while let Some((part, bytes)) = reader.next().await? {
        if let cpchain_otp::bao::Part::Group { .. } = part {
            got.extend(bytes);
        }
    }
    Ok(got)
}

#[tokio::test]
async fn objects_come_back_from_every_backend_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for size in [0, 1, 16_384, 16_385, 300_000] {
        let open = || Arc::new(OpendalBackend::file_system(folder.path()).unwrap()) as Arc<dyn Backend>;
        let data = data(size);
        let root = Objects::new(vec![open()], None, ObjectsConfig::default()).insert(data.clone()).await.unwrap();
        let first = Arc::new(MemoryBackend::new()) as Arc<dyn Backend>;
        let objects = Objects::new(vec![first, open()], None, ObjectsConfig::default());
        assert_eq!(read_all(&objects, &root).await.unwrap(), data);
        objects.remove(&root).await.unwrap();
        assert!(objects.find(&root).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn rot_and_lies_are_found_before_they_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let backend = Arc::new(OpendalBackend::file_system(folder.path()).unwrap());
    let objects = Objects::new(vec![backend], None, ObjectsConfig { max_object: 200_000 });
    let data = data(100_000);
    let root = objects.insert(data.clone()).await.unwrap();
    for (suffix, at) in [("", 50_000), (".bao", 200)] {
        let path = folder.path().join(format!("objects/{root}{suffix}"));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(read_all(&objects, &root).await, Err(ObjectError::Corrupt { .. })));
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read_all(&objects, &root).await.unwrap(), data);
    }
    let other = Digest::content(b"other");
    assert!(matches!(objects.store(&other, byte_source(data)).await, Err(ObjectError::Corrupt { .. })));
    assert!(objects.find(&other).await.unwrap().is_none());
    assert!(matches!(objects.insert(common::data(200_001)).await, Err(ObjectError::TooLarge { .. })));
    assert!(matches!(objects.adopt(0, "nowhere").await, Err(ObjectError::Backend(BackendError::Missing(_)))));
    assert!(matches!(objects.adopt(9, "nowhere").await, Err(ObjectError::NoBackend(9))));
}

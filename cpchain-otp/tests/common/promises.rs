//! What every backend promises, as checks that any of them can be put through.

use std::sync::Arc;

use bytes::Bytes;
use cpchain_otp::backend::{Backend, BackendError};

use super::data;

pub async fn put(backend: &dyn Backend, key: &str, value: Bytes) -> Result<(), BackendError> {
    let mut writer = backend.write(key).await?;
    for at in (0..value.len()).step_by(1 << 20) {
        writer.append(value.slice(at..value.len().min(at + (1 << 20)))).await?;
    }
    if value.is_empty() {
        writer.append(value).await?;
    }
    writer.finish().await
}

/// Reading: the values under `keys` are `data(size)`; exact ranges, missing ones, and many readers at once.
pub async fn reads_exactly(backend: Arc<dyn Backend>, values: &[(String, usize)]) {
    for (key, size) in values {
        let (size, data) = (*size, data(*size));
        assert_eq!(backend.len(key).await.unwrap(), Some(size as u64), "{key}");
        for (from, to) in
            [(0, 1), (0, size), (size / 2, size / 2 + 70_000), (size.saturating_sub(1), size), (size, size)]
        {
            let read = backend.read(key, from as u64..to as u64).await;
            if to <= size {
                assert_eq!(read.unwrap(), data.slice(from..to), "{key} {from}..{to}");
            } else {
                assert!(matches!(read, Err(BackendError::Missing(_))), "{key} {from}..{to}: {read:?}");
            }
        }
        let read = backend.read(key, size as u64 + 5..size as u64 + 9).await;
        assert!(matches!(read, Err(BackendError::Missing(_))), "behind the end: {read:?}");
        let readers = (0..16usize.min(size)).map(|n| {
            let (backend, key, data) = (backend.clone(), key.clone(), data.clone());
            tokio::spawn(async move {
                for round in 0..4 {
                    let from = (n * 7919 + round * 104_729) % data.len();
                    let to = data.len().min(from + 30_000);
                    assert_eq!(backend.read(&key, from as u64..to as u64).await.unwrap(), data.slice(from..to));
                }
            })
        });
        for reader in readers.collect::<Vec<_>>() {
            reader.await.unwrap();
        }
    }
    assert_eq!(backend.len("no/such").await.unwrap(), None);
    assert!(matches!(backend.read("no/such", 0..1).await, Err(BackendError::Missing(_))));
}

/// Writing: a value appears whole or not at all, and replaces the old one at once.
pub async fn writes_whole(backend: Arc<dyn Backend>) {
    let backend = backend.as_ref();
    assert_eq!(backend.len("a/b").await.unwrap(), None);
    backend.delete("a/b").await.unwrap();
    let mut writer = backend.write("a/b").await.unwrap();
    writer.append(Bytes::from_static(b"hello ")).await.unwrap();
    assert_eq!(backend.len("a/b").await.unwrap(), None, "not visible before it is finished");
    writer.append(Bytes::from_static(b"world")).await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(backend.len("a/b").await.unwrap(), Some(11));
    assert_eq!(backend.read("a/b", 4..8).await.unwrap(), "o wo");

    let mut dropped = backend.write("a/b").await.unwrap();
    dropped.append(data(9 << 20)).await.unwrap();
    drop(dropped);
    assert_eq!(backend.read("a/b", 0..5).await.unwrap(), "hello", "the old value stays until the new one is finished");
    put(backend, "a/b", Bytes::from_static(b"again")).await.unwrap();
    assert_eq!(backend.len("a/b").await.unwrap(), Some(5));
    backend.delete("a/b").await.unwrap();
    assert_eq!(backend.len("a/b").await.unwrap(), None);
}

/// Both, with values from nothing to more than one part of a service that takes parts.
pub async fn keeps_its_promises(backend: Arc<dyn Backend>) {
    writes_whole(backend.clone()).await;
    let values = [0, 1, 16_384, 300_000, 9 << 20].map(|size| (format!("values/{size}"), size));
    for (key, size) in &values {
        put(backend.as_ref(), key, data(*size)).await.unwrap();
    }
    reads_exactly(backend, &values).await;
}

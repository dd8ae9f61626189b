use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use super::{Backend, BackendError, BackendWriter};

/// Values in memory: for caches, devices without a disk, and tests. Clones share their values.
#[derive(Debug, Clone, Default)]
pub struct MemoryBackend(Arc<Mutex<HashMap<String, Bytes>>>);

impl MemoryBackend {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    fn values(&self) -> MutexGuard<'_, HashMap<String, Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    async fn len(&self, key: &str) -> Result<Option<u64>, BackendError> {
        Ok(self.values().get(key).map(|value| value.len() as u64))
    }

    async fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, BackendError> {
        let missing = || BackendError::Missing(key.to_owned());
        let value = self.values().get(key).cloned().ok_or_else(missing)?;
        let (start, end) = (usize::try_from(range.start).ok(), usize::try_from(range.end).ok());
        match (start, end) {
            (Some(start), Some(end)) if start <= end && end <= value.len() => Ok(value.slice(start..end)),
            _ => Err(missing()),
        }
    }

    async fn write(&self, key: &str) -> Result<Box<dyn BackendWriter>, BackendError> {
        Ok(Box::new(Writer { backend: self.clone(), key: key.to_owned(), value: BytesMut::new() }))
    }

    async fn delete(&self, key: &str) -> Result<(), BackendError> {
        self.values().remove(key);
        Ok(())
    }
}

struct Writer {
    backend: MemoryBackend,
    key: String,
    value: BytesMut,
}

#[async_trait]
impl BackendWriter for Writer {
    async fn append(&mut self, bytes: Bytes) -> Result<(), BackendError> {
        self.value.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), BackendError> {
        self.backend.values().insert(self.key, self.value.freeze());
        Ok(())
    }
}

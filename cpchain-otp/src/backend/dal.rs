use std::{ops::Range, path::Path};

use async_trait::async_trait;
use bytes::Bytes;
use opendal::{ErrorKind, Operator, services};

use super::{Backend, BackendError, BackendWriter};

/// Any service of OpenDAL that reads ranges: file system, memory, and whatever the application builds into its `opendal`.
///
/// ```
/// use cpchain_otp::backend::OpendalBackend;
/// let folder = std::env::temp_dir().join("otp-doc");
/// let backend = OpendalBackend::file_system(&folder)?;
/// # let _ = backend;
/// # Ok::<(), cpchain_otp::backend::BackendError>(())
/// ```
#[derive(Debug, Clone)]
pub struct OpendalBackend(Operator);

impl OpendalBackend {
    /// A folder of the file system. Values appear under their names only when complete.
    ///
    /// # Errors
    /// [`BackendError::Permanent`] if the path is not text.
    pub fn file_system(folder: &Path) -> Result<Self, BackendError> {
        let text = |path: &Path| path.to_str().map(str::to_owned);
        let paths = text(folder).zip(text(&folder.join(".partial")));
        let (root, partial) = paths.ok_or_else(|| BackendError::Permanent("the path is not UTF-8".into()))?;
        let service = services::Fs::default().root(&root).atomic_write_dir(&partial);
        Operator::new(service).map(Self).map_err(|error| convert(&root, &error))
    }

    /// OpenDAL's memory service.
    ///
    /// # Errors
    /// [`BackendError::Permanent`] if OpenDAL refuses.
    pub fn memory() -> Result<Self, BackendError> {
        Operator::new(services::Memory::default()).map(Self).map_err(|error| convert("memory", &error))
    }
}

impl From<Operator> for OpendalBackend {
    fn from(operator: Operator) -> Self {
        Self(operator)
    }
}

fn convert(key: &str, error: &opendal::Error) -> BackendError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::RangeNotSatisfied => BackendError::Missing(key.to_owned()),
        _ if error.is_temporary() => BackendError::Transient(error.to_string()),
        _ => BackendError::Permanent(error.to_string()),
    }
}

#[async_trait]
impl Backend for OpendalBackend {
    async fn len(&self, key: &str) -> Result<Option<u64>, BackendError> {
        match self.0.stat(key).await {
            Ok(meta) => Ok(Some(meta.content_length())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(convert(key, &error)),
        }
    }

    async fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, BackendError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let buffer = self.0.read_with(key).range(range.clone()).await.map_err(|error| convert(key, &error))?;
        if buffer.len() as u64 == range.end - range.start {
            Ok(buffer.to_bytes())
        } else {
            Err(BackendError::Missing(key.to_owned()))
        }
    }

    async fn write(&self, key: &str) -> Result<Box<dyn BackendWriter>, BackendError> {
        let writer = self.0.writer(key).await.map_err(|error| convert(key, &error))?;
        Ok(Box::new(Writer { writer, key: key.to_owned() }))
    }

    async fn delete(&self, key: &str) -> Result<(), BackendError> {
        self.0.delete(key).await.map_err(|error| convert(key, &error))
    }
}

struct Writer {
    writer: opendal::Writer,
    key: String,
}

#[async_trait]
impl BackendWriter for Writer {
    async fn append(&mut self, bytes: Bytes) -> Result<(), BackendError> {
        self.writer.write(bytes).await.map_err(|error| convert(&self.key, &error))
    }

    async fn finish(mut self: Box<Self>) -> Result<(), BackendError> {
        self.writer.close().await.map(drop).map_err(|error| convert(&self.key, &error))
    }
}

use std::{ops::Range, path::Path, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use opendal::{ErrorKind, Operator, services};

use super::{Backend, BackendError, BackendWriter};

/// Bytes that a service which takes values in parts gets at a time.
const PART: usize = 8 << 20;

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
pub struct OpendalBackend {
    pub(super) operator: Operator,
    /// How long one call may take; none for storage that does not hang.
    pub(super) limit: Option<Duration>,
}

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
        Operator::new(service).map(Self::from).map_err(|error| convert(&root, &error))
    }

    /// OpenDAL's memory service.
    ///
    /// # Errors
    /// [`BackendError::Permanent`] if OpenDAL refuses.
    pub fn memory() -> Result<Self, BackendError> {
        Operator::new(services::Memory::default()).map(Self::from).map_err(|error| convert("memory", &error))
    }
}

impl From<Operator> for OpendalBackend {
    fn from(operator: Operator) -> Self {
        Self { operator, limit: None }
    }
}

pub(super) fn convert(key: &str, error: &opendal::Error) -> BackendError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::RangeNotSatisfied => BackendError::Missing(key.to_owned()),
        _ if error.is_temporary() => BackendError::Transient(error.to_string()),
        _ => BackendError::Permanent(error.to_string()),
    }
}

/// Waits for a call of OpenDAL, at most `limit`.
async fn in_time<T>(
    limit: Option<Duration>,
    key: &str,
    call: impl Future<Output = opendal::Result<T>>,
) -> Result<T, BackendError> {
    let result = match limit {
        Some(limit) => tokio::time::timeout(limit, call)
            .await
            .map_err(|_| BackendError::Transient(format!("no answer about `{key}` in {limit:?}")))?,
        None => call.await,
    };
    result.map_err(|error| convert(key, &error))
}

#[async_trait]
impl Backend for OpendalBackend {
    async fn len(&self, key: &str) -> Result<Option<u64>, BackendError> {
        match in_time(self.limit, key, self.operator.stat(key)).await {
            Ok(meta) => Ok(Some(meta.content_length())),
            Err(BackendError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, BackendError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let read = async { self.operator.read_with(key).range(range.clone()).await };
        let error = match in_time(self.limit, key, read).await {
            Ok(buffer) if buffer.len() as u64 == range.end - range.start => return Ok(buffer.to_bytes()),
            Ok(_) => BackendError::Permanent("the storage answered with another range".into()),
            Err(error @ BackendError::Permanent(_)) => error,
            Err(error) => return Err(error),
        };
        // Too little: because there is no more, or because the answer was cut?
        match self.len(key).await? {
            Some(len) if len >= range.end => Err(error),
            _ => Err(BackendError::Missing(key.to_owned())),
        }
    }

    async fn write(&self, key: &str) -> Result<Box<dyn BackendWriter>, BackendError> {
        let open = async {
            let writer = self.operator.writer_with(key);
            // Services that take parts refuse small ones.
            if self.operator.info().capability().write_multi_min_size.is_some() {
                writer.chunk(PART).await
            } else {
                writer.await
            }
        };
        let writer = in_time(self.limit, key, open).await?;
        Ok(Box::new(Writer { writer: Some(writer), key: key.to_owned(), limit: self.limit }))
    }

    async fn delete(&self, key: &str) -> Result<(), BackendError> {
        in_time(self.limit, key, self.operator.delete(key)).await
    }
}

struct Writer {
    /// None once it is finished.
    writer: Option<opendal::Writer>,
    key: String,
    limit: Option<Duration>,
}

impl Writer {
    fn open(&mut self) -> Result<&mut opendal::Writer, BackendError> {
        self.writer.as_mut().ok_or_else(|| BackendError::Permanent("the value is finished".into()))
    }
}

#[async_trait]
impl BackendWriter for Writer {
    async fn append(&mut self, bytes: Bytes) -> Result<(), BackendError> {
        let (limit, key) = (self.limit, self.key.clone());
        in_time(limit, &key, self.open()?.write(bytes)).await
    }

    async fn finish(mut self: Box<Self>) -> Result<(), BackendError> {
        let (limit, key) = (self.limit, self.key.clone());
        in_time(limit, &key, self.open()?.close()).await?;
        self.writer = None;
        Ok(())
    }
}

impl Drop for Writer {
    /// What was sent of an unfinished value is taken back, so that it does not fill the storage.
    fn drop(&mut self) {
        if let (Some(mut writer), Ok(runtime)) = (self.writer.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { writer.abort().await });
        }
    }
}

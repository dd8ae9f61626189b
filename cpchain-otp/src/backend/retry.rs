use std::{ops::Range, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;

use super::{Backend, BackendError, BackendWriter};

/// Tries transient failures of another backend again, with a pause that doubles.
///
/// Reads, lengths and deletions are repeated; a write that fails half way is not, its caller starts over.
#[derive(Debug, Clone)]
pub struct Retry<B> {
    inner: B,
    attempts: u32,
    pause: Duration,
}

impl<B: Backend> Retry<B> {
    /// At most `attempts` tries, the first pause being `pause` and none longer than ten seconds.
    pub const fn new(inner: B, attempts: u32, pause: Duration) -> Self {
        Self { inner, attempts, pause }
    }

    async fn run<'a, T>(
        &self,
        mut call: impl FnMut() -> BoxFuture<'a, Result<T, BackendError>> + Send,
    ) -> Result<T, BackendError> {
        let mut pause = self.pause;
        let mut left = self.attempts;
        loop {
            left = left.saturating_sub(1);
            match call().await {
                Err(BackendError::Transient(reason)) if left > 0 => {
                    tracing::debug!(%reason, ?pause, "trying the storage again");
                    tokio::time::sleep(pause).await;
                    pause = pause.saturating_mul(2).min(Duration::from_secs(10));
                }
                result => return result,
            }
        }
    }
}

#[async_trait]
impl<B: Backend> Backend for Retry<B> {
    async fn len(&self, key: &str) -> Result<Option<u64>, BackendError> {
        self.run(|| self.inner.len(key)).await
    }

    async fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, BackendError> {
        self.run(|| self.inner.read(key, range.clone())).await
    }

    async fn write(&self, key: &str) -> Result<Box<dyn BackendWriter>, BackendError> {
        self.run(|| self.inner.write(key)).await
    }

    async fn delete(&self, key: &str) -> Result<(), BackendError> {
        self.run(|| self.inner.delete(key)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::backend::MemoryBackend;

    /// A storage whose first calls fail.
    struct Shaky {
        inner: MemoryBackend,
        failures: AtomicU32,
    }

    #[async_trait]
    impl Backend for Shaky {
        async fn len(&self, key: &str) -> Result<Option<u64>, BackendError> {
            let failing = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if failing.is_ok() { Err(BackendError::Transient("busy".into())) } else { self.inner.len(key).await }
        }

        async fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, BackendError> {
            self.inner.read(key, range).await
        }

        async fn write(&self, key: &str) -> Result<Box<dyn BackendWriter>, BackendError> {
            self.inner.write(key).await
        }

        async fn delete(&self, _: &str) -> Result<(), BackendError> {
            self.failures.fetch_sub(1, Ordering::SeqCst);
            Err(BackendError::Permanent("read only".into()))
        }
    }

    #[tokio::test]
    async fn transient_failures_are_tried_again_and_others_are_not() {
        let shaky = |failures: u32| Shaky { inner: MemoryBackend::new(), failures: failures.into() };
        let pause = Duration::from_millis(1);
        assert_eq!(Retry::new(shaky(2), 3, pause).len("a").await.unwrap(), None);
        assert!(matches!(Retry::new(shaky(3), 3, pause).len("a").await, Err(BackendError::Transient(_))));
        let retry = Retry::new(shaky(9), 3, pause);
        assert!(matches!(retry.delete("a").await, Err(BackendError::Permanent(_))));
        assert_eq!(retry.inner.failures.load(Ordering::SeqCst), 8);
    }
}

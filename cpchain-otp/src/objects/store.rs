//! Where the objects of a node are.

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use cpchain_crypto::Digest;
use futures::StreamExt as _;
use tokio::sync::Mutex;

use super::{ObjectError, ObjectReader};
use crate::{
    backend::{Backend, BackendError, put},
    bao::{GROUP_LEN, MAX_OBJECT, OutboardBuilder, outboard_len},
    host::{ByteSource, ObjectSource, byte_source},
};

/// Objects are read in steps of this many bytes when they are adopted.
const STEP: u64 = 256 * 1024;
/// Longest key of an adopted value, in bytes.
const MAX_KEY: u64 = 1024;

/// Bounds of [`Objects`].
#[derive(Debug, Clone)]
pub struct ObjectsConfig {
    /// The largest object that is taken in, in bytes.
    pub max_object: u64,
}

impl Default for ObjectsConfig {
    fn default() -> Self {
        Self { max_object: MAX_OBJECT }
    }
}

/// The objects of a node: looked for in each backend in turn, then in the source; new ones go to the first backend.
pub struct Objects {
    backends: Vec<Arc<dyn Backend>>,
    source: Option<Arc<dyn ObjectSource>>,
    config: ObjectsConfig,
    /// One fetch at a time for roots that share the low bits of their first byte.
    fetching: [Mutex<()>; 16],
}

/// An object that was found.
#[derive(Clone)]
pub struct Object {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) root: Digest,
    pub(super) size: u64,
    pub(super) data_key: String,
}

impl Object {
    /// Its root.
    pub fn root(&self) -> Digest {
        self.root
    }

    /// Its size in bytes, as the backend says: proven by reading to the end.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads a range, which may reach behind the end; `None` if it runs backwards.
    pub fn read(&self, range: Range<u64>) -> Option<ObjectReader> {
        ObjectReader::new(self.clone(), range)
    }

    pub(super) fn outboard_key(&self) -> String {
        format!("objects/{}.bao", self.root)
    }
}

impl Objects {
    /// Objects over these backends and an optional source.
    pub fn new(backends: Vec<Arc<dyn Backend>>, source: Option<Arc<dyn ObjectSource>>, config: ObjectsConfig) -> Self {
        Self { backends, source, config, fetching: Default::default() }
    }

    /// Finds an object in the backends.
    ///
    /// # Errors
    /// [`ObjectError::Backend`].
    pub async fn find(&self, root: &Digest) -> Result<Option<Object>, ObjectError> {
        for backend in &self.backends {
            if let Some(object) = locate(backend, root).await? {
                return Ok(Some(object));
            }
        }
        Ok(None)
    }

    /// Finds an object, or fetches and keeps it.
    ///
    /// # Errors
    /// [`ObjectError`]; the source is asked once, even if many callers want the object at the same time.
    pub async fn find_or_fetch(&self, root: &Digest) -> Result<Option<Object>, ObjectError> {
        if let Some(object) = self.find(root).await? {
            return Ok(Some(object));
        }
        let Some(source) = &self.source else { return Ok(None) };
        let slot = usize::from(root.0.first().copied().unwrap_or(0) % 16);
        let _alone = match self.fetching.get(slot) {
            Some(lock) => Some(lock.lock().await),
            None => None,
        };
        if let Some(object) = self.find(root).await? {
            return Ok(Some(object));
        }
        let Some(bytes) = source.fetch(root).await? else { return Ok(None) };
        self.store(root, bytes).await.map(Some)
    }

    /// Keeps bytes as an object.
    ///
    /// # Errors
    /// [`ObjectError::TooLarge`], [`ObjectError::Backend`].
    pub async fn insert(&self, bytes: Bytes) -> Result<Digest, ObjectError> {
        let root = Digest::content(&bytes);
        self.store(&root, byte_source(bytes)).await?;
        Ok(root)
    }

    /// Keeps the bytes of a stream if they are those of `root`.
    ///
    /// # Errors
    /// [`ObjectError::Corrupt`] if they are not: nothing is kept then.
    pub async fn store(&self, root: &Digest, mut bytes: ByteSource) -> Result<Object, ObjectError> {
        let backend = self.backends.first().ok_or(ObjectError::NoBackend(0))?;
        let data_key = format!("objects/{root}");
        let object = Object { backend: backend.clone(), root: *root, size: 0, data_key };
        let mut data = backend.write(&object.data_key).await?;
        let mut outboard = backend.write(&object.outboard_key()).await?;
        let (mut builder, mut pairs, mut size) = (OutboardBuilder::new(), Vec::new(), 0u64);
        while let Some(piece) = bytes.next().await {
            let piece = piece?;
            size = size.saturating_add(piece.len() as u64);
            if size > self.config.max_object {
                return Err(ObjectError::TooLarge { limit: self.config.max_object });
            }
            builder.push(&piece, &mut pairs);
            data.append(piece).await?;
            if pairs.len() as u64 >= GROUP_LEN {
                outboard.append(std::mem::take(&mut pairs).into()).await?;
            }
        }
        let (found, size) = builder.finish(&mut pairs);
        if found != *root {
            return Err(ObjectError::Corrupt { root: *root });
        }
        if size == 0 {
            data.append(Bytes::new()).await?;
        }
        data.finish().await?;
        if outboard_len(size) > 0 {
            outboard.append(pairs.into()).await?;
            outboard.finish().await?;
        }
        Ok(Object { size, ..object })
    }

    /// Serves a value of a backend where it lies, without a copy: reads it through (twice), writes its outboard next to
    /// the objects of the same backend. The value must not change; if it does, readers see [`ObjectError::Corrupt`].
    ///
    /// # Errors
    /// [`ObjectError::Backend`] if the key is not there.
    pub async fn adopt(&self, backend: usize, key: &str) -> Result<Digest, ObjectError> {
        let backend = self.backends.get(backend).ok_or(ObjectError::NoBackend(backend))?;
        let missing = || BackendError::Missing(key.to_owned());
        let size = backend.len(key).await?.ok_or_else(missing)?;
        if size > self.config.max_object || key.len() as u64 > MAX_KEY {
            return Err(ObjectError::TooLarge { limit: self.config.max_object });
        }
        let (root, _) = pass(backend.as_ref(), key, size, None).await?;
        let object = Object { backend: backend.clone(), root, size, data_key: key.to_owned() };
        if outboard_len(size) > 0 {
            let (again, _) = pass(backend.as_ref(), key, size, Some(&object.outboard_key())).await?;
            if again != root {
                return Err(ObjectError::Corrupt { root });
            }
        }
        put(backend.as_ref(), &format!("objects/{root}.at"), Bytes::copy_from_slice(key.as_bytes())).await?;
        Ok(root)
    }

    /// Removes an object from every backend; a value that was adopted stays where it lies.
    ///
    /// # Errors
    /// [`ObjectError::Backend`].
    pub async fn remove(&self, root: &Digest) -> Result<(), ObjectError> {
        for backend in &self.backends {
            for suffix in ["", ".bao", ".at"] {
                backend.delete(&format!("objects/{root}{suffix}")).await?;
            }
        }
        Ok(())
    }
}

async fn locate(backend: &Arc<dyn Backend>, root: &Digest) -> Result<Option<Object>, ObjectError> {
    let own = format!("objects/{root}");
    let (data_key, size) = match backend.len(&own).await? {
        Some(size) => (own, size),
        None => {
            let link = format!("objects/{root}.at");
            let Some(len) = backend.len(&link).await?.filter(|len| *len <= MAX_KEY) else { return Ok(None) };
            let key = String::from_utf8_lossy(&backend.read(&link, 0..len).await?).into_owned();
            let Some(size) = backend.len(&key).await? else { return Ok(None) };
            (key, size)
        }
    };
    let object = Object { backend: backend.clone(), root: *root, size, data_key };
    let complete = outboard_len(size) == 0 || backend.len(&object.outboard_key()).await? == Some(outboard_len(size));
    Ok(complete.then_some(object))
}

/// Reads a value through; its root, and its outboard if there is a key for it.
async fn pass(
    backend: &dyn Backend,
    key: &str,
    size: u64,
    outboard_key: Option<&str>,
) -> Result<(Digest, u64), ObjectError> {
    let mut outboard = match outboard_key {
        Some(key) => Some(backend.write(key).await?),
        None => None,
    };
    let (mut builder, mut pairs, mut at) = (OutboardBuilder::new(), Vec::new(), 0);
    while at < size {
        let end = size.min(at + STEP);
        builder.push(&backend.read(key, at..end).await?, &mut pairs);
        let step = std::mem::take(&mut pairs);
        if let Some(outboard) = outboard.as_mut().filter(|_| !step.is_empty()) {
            outboard.append(step.into()).await?;
        }
        at = end;
    }
    let result = builder.finish(&mut pairs);
    if let Some(mut outboard) = outboard {
        outboard.append(pairs.into()).await?;
        outboard.finish().await?;
    }
    Ok(result)
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects")
            .field("backends", &self.backends.len())
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("root", &self.root).field("size", &self.size).finish_non_exhaustive()
    }
}

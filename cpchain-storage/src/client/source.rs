//! Where the chunks of an object that is put come from: bytes in memory, or a reader of any length.

use bytes::{Bytes, BytesMut};
use cpchain_crypto::Digest;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::ClientError;
use crate::{
    erasure::{ErasureError, ErasureParams},
    object::{CHUNK_LEN, ObjectRef},
};

/// Bytes to be cut into chunks.
pub(super) enum Input<R> {
    Memory(Bytes),
    Reader { reader: R, buffer: BytesMut },
}

/// Cuts an object into chunks, and hashes it on the way.
pub(super) struct Source<R> {
    input: Input<R>,
    hasher: blake3::Hasher,
    length: u64,
    longest: u64,
}

impl Source<tokio::io::Empty> {
    pub(super) fn memory(bytes: Bytes, params: ErasureParams) -> Self {
        Self::new(Input::Memory(bytes), params)
    }
}

impl<R: AsyncRead + Unpin> Source<R> {
    pub(super) fn reader(reader: R, params: ErasureParams) -> Self {
        Self::new(Input::Reader { reader, buffer: BytesMut::new() }, params)
    }

    fn new(input: Input<R>, params: ErasureParams) -> Self {
        Self { input, hasher: blake3::Hasher::new(), length: 0, longest: ObjectRef::longest(params) }
    }

    /// The next chunk: full, or the last one; `None` at the end. Dropped before it completes, it loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        let chunk = match &mut self.input {
            Input::Memory(bytes) => bytes.split_to(bytes.len().min(CHUNK_LEN)),
            Input::Reader { reader, buffer } => {
                while buffer.len() < CHUNK_LEN {
                    buffer.reserve(CHUNK_LEN - buffer.len());
                    let left = (CHUNK_LEN - buffer.len()) as u64;
                    if (&mut *reader).take(left).read_buf(buffer).await.map_err(ClientError::Io)? == 0 {
                        break;
                    }
                }
                buffer.split().freeze()
            }
        };
        if chunk.is_empty() {
            return Ok(None);
        }
        self.length = self.length.saturating_add(chunk.len() as u64);
        if self.length > self.longest {
            return Err(ErasureError::TooLong.into());
        }
        self.hasher.update(&chunk);
        Ok(Some(chunk))
    }

    /// Root and length of what was read.
    pub(super) fn finish(self) -> (Digest, u64) {
        (Digest(*self.hasher.finalize().as_bytes()), self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All chunks of a reader that returns a few bytes at a time.
    #[tokio::test]
    async fn a_reader_is_cut_like_memory() {
        let params = ErasureParams::default();
        for length in [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 2 * CHUNK_LEN + 77] {
            let bytes: Bytes = (0..length).map(|i| (i % 251) as u8).collect::<Vec<_>>().into();
            let slow = trickle(bytes.clone());
            let (mut memory, mut reader) = (Source::memory(bytes.clone(), params), Source::reader(slow, params));
            loop {
                let (a, b) = (memory.next().await.unwrap(), reader.next().await.unwrap());
                assert_eq!(a, b);
                if a.is_none() {
                    break;
                }
            }
            let root = (Digest::content(&bytes), length as u64);
            assert_eq!((memory.finish(), reader.finish()), (root, root));
        }
    }

    fn trickle(bytes: Bytes) -> impl AsyncRead + Unpin {
        let (mut end, reader) = tokio::io::duplex(1000);
        tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut end, &bytes).await });
        reader
    }
}

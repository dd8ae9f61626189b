//! Length-prefixed messages and raw bodies on a byte stream, with bounds.

use std::io;

use bytes::{Bytes, BytesMut};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use prost::Message;

/// The longest message, in bytes. Object data and service bodies are not messages.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Raw bodies grow by this much at a time, so that a claimed length alone costs no memory.
const STEP: usize = 64 * 1024;

/// Why a message could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream broke or ended early: try again or elsewhere.
    #[error("the stream broke: {0}")]
    Io(#[from] io::Error),
    /// The length prefix is above the bound.
    #[error("a message of {0} bytes is above the bound of {MAX_MESSAGE}")]
    TooLarge(usize),
    /// The bytes are not the expected message.
    #[error("the message cannot be read: {0}")]
    Decode(#[from] prost::DecodeError),
}

pub(crate) async fn write_message(
    io: &mut (impl AsyncWrite + Unpin + ?Sized),
    message: &impl Message,
) -> Result<(), FrameError> {
    let length = message.encoded_len();
    let prefix = u32::try_from(length).ok().filter(|_| length <= MAX_MESSAGE).ok_or(FrameError::TooLarge(length))?;
    let mut buffer = BytesMut::with_capacity(4 + length);
    buffer.extend_from_slice(&prefix.to_be_bytes());
    buffer.extend_from_slice(&message.encode_to_vec());
    io.write_all(&buffer).await?;
    io.flush().await?;
    Ok(())
}

pub(crate) async fn read_message<M: Message + Default>(
    io: &mut (impl AsyncRead + Unpin + ?Sized),
) -> Result<M, FrameError> {
    let mut prefix = [0; 4];
    io.read_exact(&mut prefix).await?;
    let length = u32::from_be_bytes(prefix) as usize;
    if length > MAX_MESSAGE {
        return Err(FrameError::TooLarge(length));
    }
    Ok(M::decode(read_exactly(io, length).await?)?)
}

/// As [`read_message`], and `None` if the stream ends before the first byte.
pub(crate) async fn read_message_or_end<M: Message + Default>(
    io: &mut (impl AsyncRead + Unpin + ?Sized),
) -> Result<Option<M>, FrameError> {
    match read_message(io).await {
        Ok(message) => Ok(Some(message)),
        Err(FrameError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads exactly `length` bytes; memory grows with what arrives, not with `length`.
pub(crate) async fn read_exactly(io: &mut (impl AsyncRead + Unpin + ?Sized), length: usize) -> io::Result<Bytes> {
    let mut buffer = BytesMut::new();
    while buffer.len() < length {
        let start = buffer.len();
        buffer.resize(length.min(start.saturating_add(STEP)), 0);
        let Some(free) = buffer.get_mut(start..) else { return Err(io::ErrorKind::InvalidInput.into()) };
        io.read_exact(free).await?;
    }
    Ok(buffer.freeze())
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{Request, request};

    #[test]
    fn oversized_length_is_refused_before_allocation() {
        let bytes = u32::MAX.to_be_bytes();
        let error = block_on(read_message::<Request>(&mut bytes.as_slice())).unwrap_err();
        assert!(matches!(error, FrameError::TooLarge(_)));
        assert!(block_on(read_exactly(&mut [1u8, 2].as_slice(), usize::MAX)).is_err());
    }

    #[test]
    fn messages_round_trip() {
        let call = crate::wire::Call { service: "index".into(), len: 7 };
        let request = Request { version: 1, body: Some(request::Body::Call(call)) };
        let mut bytes = Vec::new();
        block_on(write_message(&mut bytes, &request)).unwrap();
        let mut rest = bytes.as_slice();
        assert_eq!(block_on(read_message::<Request>(&mut rest)).unwrap(), request);
        assert!(block_on(read_message_or_end::<Request>(&mut rest)).unwrap().is_none());
    }

    proptest! {
        #[test]
        fn reading_any_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = block_on(read_message::<Request>(&mut bytes.as_slice()));
            let mut framed = (bytes.len() as u32).to_be_bytes().to_vec();
            framed.extend(&bytes);
            let _ = block_on(read_message::<Request>(&mut framed.as_slice()));
            let _ = block_on(read_message::<crate::wire::Reply>(&mut framed.as_slice()));
        }
    }
}

//! Reads and writes the frames of the chunk protocol on libp2p substreams.

use std::io;

use bytes::Bytes;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response::Codec};

use super::wire::MAX_FRAME_BYTES;

/// Length-prefixed frames. Their content is decoded by those who handle them, so that bad content gets an answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Frames;

async fn read<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Bytes> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame of the chunk protocol is too long"));
    }
    // The buffer grows with what arrives, not with what was announced.
    let mut frame = Vec::new();
    io.take(length as u64).read_to_end(&mut frame).await?;
    if frame.len() == length { Ok(frame.into()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

pub(crate) async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    io.write_all(&length.to_le_bytes()).await?;
    io.write_all(frame).await?;
    io.flush().await
}

impl Codec for Frames {
    type Protocol = StreamProtocol;
    type Request = Bytes;
    type Response = Bytes;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
    ) -> io::Result<Self::Request> {
        read(io).await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
    ) -> io::Result<Self::Response> {
        read(io).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
        request: Self::Request,
    ) -> io::Result<()> {
        write(io, &request).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
        response: Self::Response,
    ) -> io::Result<()> {
        write(io, &response).await
    }
}

#[cfg(test)]
mod tests {
    use futures::io::Cursor;

    use super::*;

    #[tokio::test]
    async fn a_frame_comes_back_and_a_long_or_short_one_does_not() {
        let mut buffer = Cursor::new(Vec::new());
        write(&mut buffer, b"frame").await.unwrap();
        let bytes = buffer.into_inner();
        assert_eq!(read(&mut Cursor::new(&bytes)).await.unwrap(), b"frame".as_slice());
        assert!(read(&mut Cursor::new(&bytes[..8])).await.is_err());
        let long = (MAX_FRAME_BYTES as u32 + 1).to_le_bytes();
        assert_eq!(read(&mut Cursor::new(&long)).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}

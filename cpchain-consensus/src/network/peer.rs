//! Direct streams: one outgoing queue per peer, one incoming stream per peer, frames with a length in front.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, io::BufReader, io::BufWriter};
use libp2p::{PeerId, Stream, StreamProtocol};
use libp2p_stream::Control;
use tokio::sync::mpsc;

use super::Received;
use crate::lbft::MAX_MESSAGE;
use cpchain_crypto::PublicKey;

pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/cpchain/lbft/2");

/// Messages, and bytes, that wait for one peer.
const QUEUE: usize = 512;
const QUEUE_BYTES: usize = 8 << 20;
/// A peer that takes nothing for so long loses its stream.
const STALLED: Duration = Duration::from_secs(10);
const BEFORE_RETRY: Duration = Duration::from_millis(100);

/// The way to one peer.
#[derive(Clone)]
pub(super) struct Outgoing {
    queue: mpsc::Sender<Bytes>,
    waiting: Arc<AtomicUsize>,
    pub(super) connected: Arc<AtomicBool>,
}

impl Outgoing {
    /// The queue and the task that empties it.
    pub(super) fn new(peer: PeerId, control: Control) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, messages) = mpsc::channel(QUEUE);
        let out = Self { queue, waiting: Arc::default(), connected: Arc::default() };
        let task = drain(peer, control, messages, out.waiting.clone(), out.connected.clone());
        (out, task)
    }

    /// Takes a message, or drops it when the peer is away or the queue is full.
    pub(super) fn push(&self, message: Bytes) {
        let size = message.len();
        let full = self.waiting.load(Ordering::Relaxed).saturating_add(size) > QUEUE_BYTES;
        if full || !self.connected.load(Ordering::Relaxed) {
            return;
        }
        self.waiting.fetch_add(size, Ordering::Relaxed);
        if self.queue.try_send(message).is_err() {
            self.waiting.fetch_sub(size, Ordering::Relaxed);
        }
    }
}

async fn drain(
    peer: PeerId,
    mut control: Control,
    mut messages: mpsc::Receiver<Bytes>,
    waiting: Arc<AtomicUsize>,
    connected: Arc<AtomicBool>,
) {
    let mut stream: Option<BufWriter<Stream>> = None;
    while let Some(message) = messages.recv().await {
        waiting.fetch_sub(message.len(), Ordering::Relaxed);
        if stream.is_none() && connected.load(Ordering::Relaxed) {
            stream = match control.open_stream(peer, PROTOCOL).await {
                Ok(open) => Some(BufWriter::new(open)),
                Err(error) => {
                    tracing::debug!(%peer, %error, "no stream");
                    tokio::time::sleep(BEFORE_RETRY).await;
                    None
                }
            };
        }
        let Some(open) = &mut stream else { continue };
        let last = messages.is_empty();
        let written = tokio::time::timeout(STALLED, write(open, &message, last)).await;
        if !matches!(written, Ok(Ok(()))) {
            stream = None;
        }
    }
}

async fn write(stream: &mut BufWriter<Stream>, message: &[u8], flush: bool) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(message).await?;
    if flush { stream.flush().await } else { Ok(()) }
}

/// Hands over what a peer sends until it closes, breaks the framing, or nobody listens any more.
pub(super) async fn read(from: PublicKey, stream: Stream, inbox: mpsc::Sender<Received>) {
    let mut stream = BufReader::new(stream);
    while let Ok(bytes) = frame(&mut stream).await {
        if inbox.send(Received::Direct { from, bytes }).await.is_err() {
            return;
        }
    }
}

async fn frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Bytes> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_MESSAGE {
        return Err(io::Error::other("a frame over the limit"));
    }
    // Grows with what arrives: a length alone reserves nothing.
    let mut bytes = Vec::with_capacity(length.min(16 << 10));
    let read = stream.take(length as u64).read_to_end(&mut bytes).await?;
    if read == length { Ok(bytes.into()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use futures::io::Cursor;

    use super::*;

    #[tokio::test]
    async fn frames_are_bounded_and_whole() {
        let read = |bytes: Vec<u8>| async move { frame(&mut Cursor::new(bytes)).await };
        assert_eq!(read(vec![0, 0, 0, 2, 7, 8]).await.unwrap(), Bytes::from_static(&[7, 8]));
        assert_eq!(read(vec![0, 0, 0, 0]).await.unwrap(), Bytes::new());
        assert!(read(vec![0, 0, 0, 3, 7, 8]).await.is_err());
        assert!(read(vec![0, 0]).await.is_err());
        let over = u32::try_from(MAX_MESSAGE + 1).unwrap().to_be_bytes();
        assert!(read(over.to_vec()).await.is_err());
    }
}

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
use libp2p_stream::{Control, OpenStreamError};
use tokio::sync::mpsc;

use super::{Received, allowance::Channel, guard::Guard, inbox::Lane, score::Offence};
use crate::{ids::ChainId, lbft::MAX_MESSAGE};
use cpchain_crypto::PublicKey;

/// The name of the streams of one chain in one version.
pub(super) fn protocol(chain: ChainId, version: u32) -> Option<StreamProtocol> {
    StreamProtocol::try_from_owned(format!("/cpchain/{}/lbft/{version}", chain.0)).ok()
}

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
    pub(super) fn new(
        key: PublicKey,
        peer: PeerId,
        protocol: StreamProtocol,
        control: Control,
        guard: Arc<Guard>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, messages) = mpsc::channel(QUEUE);
        let out = Self { queue, waiting: Arc::default(), connected: Arc::default() };
        let way = Way { key, peer, protocol, control, guard };
        let task = drain(way, messages, out.waiting.clone(), out.connected.clone());
        (out, task)
    }

    /// Whether the peer is connected.
    pub(super) fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Takes a message, or drops it when the peer is away or the queue is full.
    pub(super) fn push(&self, message: Bytes) {
        let size = message.len();
        let full = self.waiting.load(Ordering::Relaxed).saturating_add(size) > QUEUE_BYTES;
        if full || !self.is_connected() {
            return;
        }
        self.waiting.fetch_add(size, Ordering::Relaxed);
        if self.queue.try_send(message).is_err() {
            self.waiting.fetch_sub(size, Ordering::Relaxed);
        }
    }
}

/// What opens a stream to a peer.
struct Way {
    key: PublicKey,
    peer: PeerId,
    protocol: StreamProtocol,
    control: Control,
    guard: Arc<Guard>,
}

impl Way {
    async fn open(&mut self) -> Option<BufWriter<Stream>> {
        match self.control.open_stream(self.peer, self.protocol.clone()).await {
            Ok(open) => {
                self.guard.compatible(&self.key);
                return Some(BufWriter::new(open));
            }
            Err(OpenStreamError::UnsupportedProtocol(_)) => self.guard.incompatible(self.key),
            Err(error) => tracing::debug!(peer = %self.key, %error, "no stream"),
        }
        tokio::time::sleep(BEFORE_RETRY).await;
        None
    }
}

async fn drain(
    mut way: Way,
    mut messages: mpsc::Receiver<Bytes>,
    waiting: Arc<AtomicUsize>,
    connected: Arc<AtomicBool>,
) {
    let mut stream: Option<BufWriter<Stream>> = None;
    while let Some(message) = messages.recv().await {
        waiting.fetch_sub(message.len(), Ordering::Relaxed);
        if stream.is_none() && connected.load(Ordering::Relaxed) {
            stream = way.open().await;
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

/// Hands over what a peer sends, at its rate, until it closes, breaks the framing, or nobody listens any more.
pub(super) async fn read(from: PublicKey, stream: Stream, guard: Arc<Guard>) {
    let mut stream = BufReader::new(stream);
    loop {
        let bytes = match frame(&mut stream).await {
            Ok(bytes) => bytes,
            Err(Broken::Oversize) => return guard.report(from, Offence::Oversize),
            Err(Broken::Io(_)) => return,
        };
        guard.received(bytes.len());
        loop {
            let wait = guard.wait(&from, Channel::Stream, bytes.len());
            if wait.is_zero() {
                break;
            }
            // Not read on meanwhile: the peer's own queue fills.
            tokio::time::sleep(wait).await;
        }
        let lane = if guard.is_member(&from) { Lane::Members } else { Lane::Others };
        if guard.inbox.put(lane, Received::Direct { from, bytes }).await.is_err() {
            return;
        }
    }
}

/// Why there is no next frame.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("a frame over the limit")]
    Oversize,
    #[error(transparent)]
    Io(#[from] io::Error),
}

async fn frame(stream: &mut (impl AsyncRead + Unpin)) -> Result<Bytes, Broken> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_MESSAGE {
        return Err(Broken::Oversize);
    }
    // Grows with what arrives: a length alone reserves nothing.
    let mut bytes = Vec::with_capacity(length.min(16 << 10));
    let read = stream.take(length as u64).read_to_end(&mut bytes).await?;
    if read == length { Ok(bytes.into()) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) }
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
        assert!(matches!(read(over.to_vec()).await, Err(Broken::Oversize)));
    }
}

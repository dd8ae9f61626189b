//! Answers the requests of one stream after the other: reads a frame, answers it, and only then reads the next.
//!
//! A client may send further requests on a stream before the first is answered; they wait in the windows of the transport,
//! so that a stream takes no more of the node's memory than one request and its answer.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite};
use libp2p::PeerId;
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};
use tracing::Instrument;

use super::ledger::{Fault, Guard};
use crate::network::{
    config::NetworkConfig,
    driver::Command,
    frames, meter,
    peer::Network,
    queries::Reply,
    serve::Holder,
    wire::{Answer, Ask, ChunkRequest, ChunkResponse, GiveReply, MAX_FRAME_BYTES, OfferReply, RefusalCode},
};

/// Bytes that are read at once, and counted before.
const STEP: usize = 64 << 10;
/// A frame has this time and a second more for each [`STEP`].
const PATIENCE: Duration = Duration::from_secs(2);
/// A request waits so long for its turn before the node says that it is busy.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Answers streams of the chunk protocol.
pub(crate) struct Server {
    holder: Arc<Holder>,
    /// Where the records are.
    node: mpsc::WeakSender<Command>,
    /// Closed with the last stream.
    _streams: mpsc::Sender<Infallible>,
    guard: Guard,
    working: Semaphore,
    timeout: Duration,
}

/// A stream's entry in its peer's account.
struct Entry {
    guard: Guard,
    peer: PeerId,
    buffered: u64,
}

impl Entry {
    fn buffer(&mut self, bytes: u64) -> bool {
        let fits = self.guard.ledger().buffer(self.peer, bytes, self.guard.now_ms());
        self.buffered += if fits { bytes } else { 0 };
        fits
    }

    /// Waits for room, but not long.
    async fn room(&mut self, bytes: u64) -> bool {
        let end = tokio::time::Instant::now() + MAX_WAIT;
        while !self.buffer(bytes) {
            if tokio::time::Instant::now() >= end {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
    }

    fn unbuffer(&mut self) {
        self.guard.ledger().unbuffer(self.peer, self.buffered);
        self.buffered = 0;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.unbuffer();
        self.guard.ledger().close_stream(self.peer);
    }
}

/// Why a stream ends.
enum End {
    Done,
    Fault(Fault),
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Done
    }
}

impl Server {
    pub(crate) fn new(
        config: &NetworkConfig,
        holder: Holder,
        guard: Guard,
        node: mpsc::WeakSender<Command>,
        streams: mpsc::Sender<Infallible>,
    ) -> Self {
        let working = Semaphore::new(config.max_requests.clamp(1, 4096));
        let (holder, timeout) = (Arc::new(holder), config.request_timeout);
        Self { holder, node, _streams: streams, guard, working, timeout }
    }

    /// Serves a stream until it ends, unless its peer has too many.
    pub(super) fn accept<S>(self: Arc<Self>, peer: PeerId, network: Option<Network>, mut stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if !self.guard.ledger().open_stream(peer, self.guard.now_ms()) {
            meter::count("cpchain_storage_streams_refused_total", 1);
            return;
        }
        let mut entry = Entry { guard: self.guard.clone(), peer, buffered: 0 };
        let serve = async move {
            let end = loop {
                if let Err(end) = self.exchange(peer, network.as_ref(), &mut stream, &mut entry).await {
                    break end;
                }
                entry.unbuffer();
            };
            if let End::Fault(fault) = end {
                tracing::debug!(%peer, ?fault, "a stream was cut");
                self.guard.fault(peer, network.as_ref(), fault);
            }
        };
        tokio::spawn(serve.instrument(tracing::debug_span!("chunk_stream", %peer)));
    }

    async fn exchange<S>(
        &self,
        peer: PeerId,
        network: Option<&Network>,
        stream: &mut S,
        entry: &mut Entry,
    ) -> Result<(), End>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let frame = self.read(stream, entry).await?;
        let asked = frame.len();
        let answer = match ChunkRequest::parse(frame) {
            Some(ask) => {
                let wait = self.guard.request(peer, worth(&ask), asked);
                if wait > MAX_WAIT {
                    ChunkResponse::refusal(RefusalCode::Busy)
                } else {
                    tokio::time::sleep(wait).await;
                    self.answer(peer, network, ask).await
                }
            }
            None => {
                self.guard.fault(peer, network, Fault::Malformed);
                ChunkResponse::refusal(RefusalCode::Malformed)
            }
        };
        // An answer that is not read waits in memory like a request that does not end.
        entry.unbuffer();
        let answer =
            if entry.room(answer.len() as u64).await { answer } else { ChunkResponse::refusal(RefusalCode::Busy) };
        if answer == ChunkResponse::refusal(RefusalCode::Busy) {
            meter::count("cpchain_storage_busy_total", 1);
        }
        meter::count("cpchain_storage_requests_total", 1);
        meter::count("cpchain_storage_received_bytes_total", asked as u64);
        meter::count("cpchain_storage_sent_bytes_total", answer.len() as u64);
        // The next request waits for these bytes as well.
        self.guard.request(peer, 0, answer.len());
        let patience = patience(answer.len());
        timeout(patience, frames::write(stream, &answer)).await.map_err(|_| End::Fault(Fault::Slow))??;
        Ok(())
    }

    async fn read<S: AsyncRead + Unpin>(&self, stream: &mut S, entry: &mut Entry) -> Result<Bytes, End> {
        let mut head = [0; 4];
        // An idle stream costs an entry; it is given up without blame.
        timeout(self.timeout, stream.read_exact(&mut head)).await.map_err(|_| End::Done)??;
        let length = u32::from_le_bytes(head) as usize;
        if length > MAX_FRAME_BYTES {
            return Err(End::Fault(Fault::Malformed));
        }
        let body = async {
            let mut frame = Vec::new();
            while frame.len() < length {
                // Memory grows with what arrives, not with what was announced.
                let at = frame.len();
                let step = STEP.min(length - at);
                if !entry.buffer(step as u64) {
                    return Err(End::Done);
                }
                frame.resize(at + step, 0);
                stream.read_exact(frame.get_mut(at..).unwrap_or_default()).await?;
            }
            Ok(frame.into())
        };
        timeout(patience(length), body).await.map_err(|_| End::Fault(Fault::Slow))?
    }

    async fn answer(&self, peer: PeerId, network: Option<&Network>, ask: Ask) -> Bytes {
        let busy = || ChunkResponse::refusal(RefusalCode::Busy);
        if self.guard.is_banned(&peer) {
            return busy();
        }
        let Ok(Ok(_working)) = timeout(MAX_WAIT, self.working.acquire()).await else { return busy() };
        match ask {
            Ask::Offer(offer) => {
                let offer = offer.read().collect();
                let wanted = self.ask_node(|reply| Command::Offered(offer, reply)).await;
                return wanted.map_or_else(busy, |wanted| ChunkResponse::frame(Answer::Offer(OfferReply { wanted })));
            }
            Ask::Give(give) => {
                let taken = self.ask_node(|reply| Command::Given(peer, network.cloned(), give.records, reply)).await;
                return taken.map_or_else(busy, |taken| ChunkResponse::frame(Answer::Give(GiveReply { taken })));
            }
            _ => {}
        }
        let holder = Arc::clone(&self.holder);
        let answer = tokio::task::spawn_blocking(move || holder.answer(ask)).await;
        answer.unwrap_or_else(|error| {
            tracing::error!(%error, "the chunk store ended its task");
            ChunkResponse::refusal(RefusalCode::Store)
        })
    }

    /// Asks the node's task about its records.
    async fn ask_node<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Option<T> {
        let (reply, result) = oneshot::channel();
        self.node.upgrade()?.send(command(reply)).await.ok()?;
        result.await.ok()?.ok()
    }
}

/// How many requests a request counts for: a signature is verified for each record that is given, and a shard is read for
/// each that is to be proved.
fn worth(ask: &Ask) -> u64 {
    match ask {
        Ask::Offer(offer) => 1 + offer.items.len() as u64 / 1024,
        Ask::Give(give) => 1 + give.records.len() as u64,
        Ask::Audit(audit) => 1 + audit.ids.len() as u64,
        _ => 1,
    }
}

/// The time that a frame of so many bytes may take.
fn patience(length: usize) -> Duration {
    PATIENCE + Duration::from_millis((length * 1000 / STEP) as u64)
}

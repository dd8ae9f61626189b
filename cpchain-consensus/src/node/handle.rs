//! What other tasks hold of a running node.

use std::{any::Any, collections::VecDeque, sync::Arc};

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::{
    config::{NodeError, SubmitError},
    counters::{Counters, Counting},
};
use crate::{
    application::Application,
    ids::{Height, Term},
    lbft::{Certificate, Committee, Evidence, Fault, FinalEntry, Role},
};

/// Where a node stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What its key does.
    pub role: Role,
    /// The term that it is in.
    pub term: Term,
    /// The height that it is at.
    pub height: Height,
    /// The last height that its application executed.
    pub final_height: Height,
    /// Whether it knows of final heights that it lacks, see [`Lbft::is_catching_up`](crate::lbft::Lbft::is_catching_up).
    pub catching_up: bool,
    /// The application's digest after that height; zero until the first one in this run.
    pub state: Digest,
    /// Heights that became final as impeached since the node started.
    pub impeached: u64,
    /// The last proof of misbehaviour that it saw.
    pub evidence: Option<Evidence>,
    /// Why it no longer votes, if so.
    pub fault: Option<Fault>,
    /// Why it ended, if it did: [`NodeError::Stopped`] after [`NodeHandle::stop`].
    pub ended: Option<NodeError>,
}

pub(super) type OnApplication = Box<dyn FnOnce(&mut dyn Application) + Send>;

pub(super) enum Request {
    Submit { transaction: Bytes, answer: oneshot::Sender<Result<(), SubmitError>> },
    Serve { transactions: Vec<Bytes>, answer: oneshot::Sender<Vec<Result<(), SubmitError>>> },
    Spread { transaction: Bytes },
    Entry { height: Height, answer: oneshot::Sender<Result<Option<FinalEntry>, NodeError>> },
    Application(OnApplication),
    Stop { answer: oneshot::Sender<()> },
}

/// A running node. Clones are the same node; dropping them all does not stop it.
#[derive(Clone)]
pub struct NodeHandle {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) status: watch::Receiver<Status>,
    pub(super) finals: broadcast::Sender<Arc<FinalEntry>>,
    pub(super) counting: Arc<Counting>,
    pub(super) committee: watch::Receiver<Arc<Committee>>,
    pub(super) key: PublicKey,
}

impl NodeHandle {
    /// The node's public key.
    pub const fn key(&self) -> PublicKey {
        self.key
    }

    /// The committee of the term that the node is in.
    pub fn committee(&self) -> Arc<Committee> {
        self.committee.borrow().clone()
    }

    /// What the node counted since it started.
    pub fn counters(&self) -> Counters {
        self.counting.read()
    }

    /// Spreads a transaction to the proposers that the application holds already: again, since messages may be lost.
    /// Within a few seconds the same bytes travel once only.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn spread(&self, transaction: Bytes) -> Result<(), NodeError> {
        self.requests.send(Request::Spread { transaction }).await.map_err(|_| NodeError::Stopped)
    }

    /// Gives a transaction to the node's own application and, if that takes it, spreads it to the proposers.
    ///
    /// # Errors
    /// [`SubmitError`] if it is refused; it is not spread then.
    pub async fn submit(&self, transaction: Bytes) -> Result<(), SubmitError> {
        let (answer, reply) = oneshot::channel();
        let request = Request::Submit { transaction, answer };
        self.requests.send(request).await.map_err(|_| SubmitError::Stopped)?;
        reply.await.map_err(|_| SubmitError::Stopped)?
    }

    /// Gives transactions to the node's own application, together, and to nobody else: for a proposer whose clients come to it
    /// directly, which needs no gossip. The answers are in the order of the transactions.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn submit_here(&self, transactions: Vec<Bytes>) -> Result<Vec<Result<(), SubmitError>>, NodeError> {
        let (answer, reply) = oneshot::channel();
        let request = Request::Serve { transactions, answer };
        self.requests.send(request).await.map_err(|_| NodeError::Stopped)?;
        reply.await.map_err(|_| NodeError::Stopped)
    }

    /// Where the node stands now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// The status to wait on: every change wakes the receiver.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Waits until a height is final and executed here.
    ///
    /// # Errors
    /// The reason if the node ends before.
    pub async fn wait_final(&self, height: Height) -> Result<Status, NodeError> {
        let mut status = self.status.clone();
        let reached = status.wait_for(|now| now.final_height >= height || now.ended.is_some()).await;
        let now = reached.map_err(|_| NodeError::Stopped)?.clone();
        if now.final_height >= height { Ok(now) } else { Err(now.ended.unwrap_or(NodeError::Stopped)) }
    }

    /// Final heights from the next one on, each once and in order, with what proves them.
    pub fn subscribe(&self) -> Subscription {
        let live = self.finals.subscribe();
        let next = self.status.borrow().final_height.next();
        Subscription { node: self.clone(), live, next, ready: VecDeque::new() }
    }

    /// The final block at a height; `None` if none is final there yet.
    ///
    /// # Errors
    /// [`NodeError`] if the node has stopped or its log fails.
    pub async fn block(&self, height: Height) -> Result<Option<FinalEntry>, NodeError> {
        let (answer, reply) = oneshot::channel();
        self.requests.send(Request::Entry { height, answer }).await.map_err(|_| NodeError::Stopped)?;
        reply.await.map_err(|_| NodeError::Stopped)?
    }

    /// The best certificate that the node holds for a final height, see [`FinalEntry::certificate`].
    ///
    /// # Errors
    /// As [`block`](Self::block).
    pub async fn certificate(&self, height: Height) -> Result<Option<Certificate>, NodeError> {
        Ok(self.block(height).await?.and_then(|entry| entry.certificate))
    }

    /// Runs `question` on the application between two blocks and gives its answer. Keep it short: the node waits.
    ///
    /// # Errors
    /// [`NodeError::OtherApplication`] if the node runs another type than `A`; [`NodeError::Stopped`].
    pub async fn with_application<A: Application, R: Send + 'static>(
        &self,
        question: impl FnOnce(&mut A) -> R + Send + 'static,
    ) -> Result<R, NodeError> {
        let (answer, reply) = oneshot::channel();
        let ask: OnApplication = Box::new(move |application| {
            let any: &mut dyn Any = application;
            // A receiver that went away no longer wants the answer.
            let _ = answer.send(any.downcast_mut::<A>().map(question));
        });
        self.requests.send(Request::Application(ask)).await.map_err(|_| NodeError::Stopped)?;
        reply.await.map_err(|_| NodeError::Stopped)?.ok_or(NodeError::OtherApplication)
    }

    /// Ends the node: returns when its network is closed and its storage and application are dropped, so that the same
    /// files may be opened again. Stopping a stopped node does nothing.
    pub async fn stop(&self) {
        let (answer, reply) = oneshot::channel();
        if self.requests.send(Request::Stop { answer }).await.is_ok() {
            let _ = reply.await;
        }
        let mut status = self.status.clone();
        let _ = status.wait_for(|now| now.ended.is_some()).await;
    }
}

/// Final heights in order, without a gap: what a slow reader missed is read from the log.
pub struct Subscription {
    node: NodeHandle,
    live: broadcast::Receiver<Arc<FinalEntry>>,
    next: Height,
    ready: VecDeque<Arc<FinalEntry>>,
}

impl Subscription {
    /// The next final height; `None` when the node has stopped.
    pub async fn next(&mut self) -> Option<Arc<FinalEntry>> {
        loop {
            while let Some(entry) = self.ready.pop_front() {
                let height = entry.block.height;
                if height == self.next {
                    self.next = height.next();
                    return Some(entry);
                }
                if height > self.next {
                    // The reader was behind: this one waits for those before it.
                    self.ready.push_front(entry);
                    let missed = self.node.block(self.next).await.ok()??;
                    self.ready.push_front(Arc::new(missed));
                }
            }
            let mut status = self.node.status.clone();
            let ended = async {
                let _ = status.wait_for(|now| now.ended.is_some()).await;
            };
            tokio::select! {
                biased;
                received = self.live.recv() => match received {
                    Ok(entry) => self.ready.push_back(entry),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
                () = ended => return None,
            }
        }
    }
}

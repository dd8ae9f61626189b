//! One market at one node of the chain.

use std::sync::{Arc, PoisonError, RwLock};

use cpchain_consensus::{
    ledger::{LedgerView, dpor::DporView},
    node::NodeHandle,
};
use cpchain_examples::{adapters::Market, share::Appraiser};
use tokio::{sync::Semaphore, task::JoinHandle};

use crate::{Index, limits::Limits};

/// Subscriptions at once.
const STREAMS: usize = 64;
/// Events that are read at once.
const PAGE: usize = 1000;

/// What a market is made of.
pub struct Parts {
    /// The node that follows the chain.
    pub node: NodeHandle,
    /// Its ledger.
    pub view: LedgerView,
    /// Its elections.
    pub dpor: DporView,
    /// Catalogue and outbox.
    pub market: Market,
    /// The storage network, if this market is a client of it.
    pub appraiser: Option<Appraiser>,
}

/// A market, ready to answer until [`stop`](Self::stop), or the end of its node.
pub struct App {
    pub(crate) node: NodeHandle,
    pub(crate) view: LedgerView,
    pub(crate) dpor: DporView,
    pub(crate) market: Market,
    pub(crate) appraiser: Option<Appraiser>,
    pub(crate) limits: Limits,
    pub(crate) streams: Arc<Semaphore>,
    index: Arc<RwLock<Index>>,
    follower: JoinHandle<()>,
}

impl App {
    /// Starts to follow the node's final blocks on the current tokio runtime.
    pub fn start(parts: Parts) -> Arc<Self> {
        let Parts { node, view, dpor, market, appraiser } = parts;
        let index = Arc::new(RwLock::new(Index::default()));
        let follower = tokio::spawn(follow(node.clone(), view.clone(), index.clone()));
        let (limits, streams) = (Limits::default(), Arc::new(Semaphore::new(STREAMS)));
        Arc::new(Self { node, view, dpor, market, appraiser, limits, streams, index, follower })
    }

    /// Asks the index. Keep it short: the index waits.
    pub fn index<T>(&self, question: impl FnOnce(&Index) -> T) -> T {
        question(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends index and market; the node goes on.
    pub async fn stop(self: Arc<Self>) {
        self.follower.abort();
        if let Some(Self { market, .. }) = Arc::into_inner(self) {
            market.stop().await;
        }
    }
}

/// Reads every final block and every event once.
async fn follow(node: NodeHandle, view: LedgerView, index: Arc<RwLock<Index>>) {
    let write = || index.write().unwrap_or_else(PoisonError::into_inner);
    let mut status = node.watch();
    loop {
        let (mut height, mut cursor) = write().place();
        let tip = view.height();
        while height < tip {
            match node.block(height.next()).await {
                Ok(Some(entry)) => write().block(&entry, &view),
                Ok(None) => break,
                Err(_) => return,
            }
            height = height.next();
        }
        loop {
            let page = match view.events(None, cursor, PAGE) {
                Ok(page) if page.next == cursor => break,
                Ok(page) => page,
                Err(error) => {
                    tracing::error!(%error, "the index has a gap");
                    return;
                }
            };
            cursor = page.next;
            write().events(&page);
        }
        if status.changed().await.is_err() {
            return;
        }
    }
}

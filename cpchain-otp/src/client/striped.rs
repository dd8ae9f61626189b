//! Fetching from several proxies at once: drives [`Stripes`].

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use cpchain_crypto::{Digest, PublicKey};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

use super::{Client, ClientError, FetchError};
use crate::{
    bao::{MAX_OBJECT, Part, Walk},
    records::Grant,
    signed::Signed,
    stripes::{Order, Stripes, StripesConfig},
    transfer::Fault,
};

/// Groups of all sources that wait to be taken over by [`StripedFetch::next`].
const QUEUE: usize = 32;

/// A range of an object on its way from several proxies at once. Made by [`Fetch::striped`](super::Fetch::striped).
///
/// Bytes come in order. No byte that was proven is asked for again, whatever breaks: what a proxy had under way when it broke is
/// lost, at most one stripe ([`StripesConfig::longest`]) for each break, in fact what the transport holds of it.
pub struct StripedFetch {
    plan: Arc<Plan>,
    stripes: Stripes,
    /// For each source the number of its job, and how to end it.
    jobs: Vec<(u64, Option<AbortHandle>)>,
    running: JoinSet<()>,
    news: mpsc::Receiver<News>,
    sender: mpsc::Sender<News>,
    /// Proven bytes that are ahead of what was delivered.
    ahead: BTreeMap<u64, Bytes>,
    next: u64,
    /// Time spent in `next`, in ms: a caller that takes its time is not a source that is silent.
    clock: Duration,
}

/// What every job needs.
struct Plan {
    root: Digest,
    grant: Bytes,
    clients: Vec<Client>,
}

struct News {
    source: usize,
    job: u64,
    what: What,
}

enum What {
    Group { offset: u64, bytes: Bytes },
    Ended,
    Failed(ClientError),
    Lied { offset: u64 },
}

impl StripedFetch {
    pub(super) fn new(
        root: Digest,
        range: Range<u64>,
        grant: Option<&Signed<Grant>>,
        clients: Vec<Client>,
        config: StripesConfig,
    ) -> Self {
        let grant = grant.map(Signed::to_bytes).unwrap_or_default();
        let (sender, news) = mpsc::channel(QUEUE);
        let range = range.start..range.end.max(range.start);
        Self {
            stripes: Stripes::new(range.clone(), clients.len(), config),
            jobs: clients.iter().map(|_| (0, None)).collect(),
            plan: Arc::new(Plan { root, grant, clients }),
            running: JoinSet::new(),
            news,
            sender,
            ahead: BTreeMap::new(),
            next: range.start,
            clock: Duration::ZERO,
        }
    }

    /// The size of the object: proven before the first byte is delivered.
    pub fn size(&self) -> Option<u64> {
        self.stripes.size()
    }

    /// The next byte that will be delivered.
    pub fn offset(&self) -> u64 {
        self.next
    }

    /// Proxies that could not serve, and why: [`Fault::Lied`] is worth remembering.
    pub fn faults(&self) -> Vec<(PublicKey, Fault)> {
        let key = |i: usize| self.plan.clients.get(i).map(|client| client.proxy().key);
        self.stripes.faults().filter_map(|(i, fault)| Some((key(i)?, fault.clone()))).collect()
    }

    /// How many bytes each proxy proved, in the order in which they were named.
    pub fn shares(&self) -> Vec<(PublicKey, u64)> {
        self.plan.clients.iter().map(|client| client.proxy().key).zip(self.stripes.shares()).collect()
    }

    /// The next verified bytes, at most 16 KiB; `None` at the end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`FetchError::NoSource`]. What was delivered before holds.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        let entered = Instant::now();
        let before = self.clock;
        let result = self.advance(entered, before).await;
        self.clock = before + entered.elapsed();
        result
    }

    async fn advance(&mut self, entered: Instant, before: Duration) -> Result<Option<Bytes>, FetchError> {
        loop {
            let now = (before + entered.elapsed()).as_millis() as u64;
            while let Ok(news) = self.news.try_recv() {
                self.hear(news, now);
            }
            if let Some(bytes) = self.ahead.remove(&self.next) {
                self.next = self.next.saturating_add(bytes.len() as u64);
                self.stripes.took(self.next);
                return Ok(Some(bytes));
            }
            for order in self.stripes.orders(now) {
                self.obey(order);
            }
            if self.stripes.is_complete() {
                return Ok(None);
            }
            if self.stripes.is_failed() {
                return Err(FetchError::NoSource { offset: self.next, faults: self.faults() });
            }
            let wake = self.stripes.wake_at().map_or(1000, |at| at.saturating_sub(now).clamp(20, 1000));
            if let Ok(Some(news)) = tokio::time::timeout(Duration::from_millis(wake), self.news.recv()).await {
                self.hear(news, (before + entered.elapsed()).as_millis() as u64);
            }
        }
    }

    fn hear(&mut self, News { source, job, what }: News, now: u64) {
        if self.jobs.get(source).is_none_or(|(current, _)| *current != job) {
            return;
        }
        match what {
            What::Group { offset, bytes } => {
                let group = offset..offset.saturating_add(bytes.len() as u64);
                let part = match self.stripes.size() {
                    None => self.stripes.sized(source, group.end, group, now),
                    Some(_) => self.stripes.proven(source, group, now),
                };
                if let Some(part) = part {
                    let bytes = bytes.slice((part.start - offset) as usize..(part.end - offset) as usize);
                    self.ahead.insert(part.start, bytes);
                }
            }
            What::Ended => self.stripes.ended(source, now),
            What::Lied { offset } => self.stripes.end_source(source, Fault::Lied { offset }, now),
            What::Failed(ClientError::Refused(refusal)) => {
                self.stripes.end_source(source, Fault::Refused(refusal), now);
            }
            What::Failed(error) => self.stripes.broke(source, error.to_string(), now),
        }
    }

    fn obey(&mut self, order: Order) {
        let (source, range) = match order {
            Order::Probe { source } => (source, MAX_OBJECT - 1..MAX_OBJECT),
            Order::Take { source, range } => (source, range),
            Order::Drop { source } => {
                if let Some((job, handle)) = self.jobs.get_mut(source) {
                    *job += 1;
                    handle.take().inspect(AbortHandle::abort);
                }
                return;
            }
        };
        let Some((job, handle)) = self.jobs.get_mut(source) else { return };
        *job += 1;
        let (plan, news, size, job) = (self.plan.clone(), self.sender.clone(), self.stripes.size(), *job);
        *handle = Some(self.running.spawn(async move {
            let what = match plan.work(source, range, size, job, &news).await {
                Ok(()) => What::Ended,
                Err(Broke::Client(error)) => What::Failed(error),
                Err(Broke::Lied(offset)) => What::Lied { offset },
            };
            let _ = news.send(News { source, job, what }).await;
        }));
        while self.running.try_join_next().is_some() {}
    }

    /// The whole range in memory.
    ///
    /// # Errors
    /// [`FetchError::TooLarge`] above `limit`, and as for [`next`](Self::next).
    pub async fn bytes(&mut self, limit: usize) -> Result<Bytes, FetchError> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.next().await? {
            if piece.len() > limit.saturating_sub(whole.len()) {
                return Err(FetchError::TooLarge(limit));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

enum Broke {
    Client(ClientError),
    Lied(u64),
}

impl From<ClientError> for Broke {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl Plan {
    /// One stripe from one proxy: asks, proves, tells; then acknowledges the receipt.
    async fn work(
        &self,
        source: usize,
        range: Range<u64>,
        size: Option<u64>,
        job: u64,
        news: &mpsc::Sender<News>,
    ) -> Result<(), Broke> {
        let client = self.clients.get(source).ok_or(ClientError::Unexpected)?;
        let mut link = client.link().await?;
        let claimed = link.get(self.root, range.start, Some(range.end), self.grant.clone()).await?;
        let lied = |offset| Err(Broke::Lied(offset));
        if size.is_some_and(|size| size != claimed) {
            return lied(range.start);
        }
        let Some(mut walk) = Walk::new(self.root, claimed, range.clone()) else { return lied(range.start) };
        while let Some(part) = walk.part() {
            let mut buffer = BytesMut::zeroed(part.len());
            link.read(&mut buffer).await?;
            if let Err(corrupt) = walk.accept(&buffer) {
                return lied(corrupt.offset);
            }
            if let Part::Group { offset, .. } = part {
                let what = What::Group { offset, bytes: buffer.freeze() };
                let _ = news.send(News { source, job, what }).await;
            }
        }
        let served = range.start.min(claimed)..range.end.min(claimed);
        link.take_receipt(client.signer.as_ref(), self.root, served).await;
        Ok(())
    }
}

impl fmt::Debug for StripedFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripedFetch")
            .field("root", &self.plan.root)
            .field("offset", &self.next)
            .finish_non_exhaustive()
    }
}

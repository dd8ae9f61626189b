//! Letters that come in, over one or several proxies: each given to the application once.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use cpchain_crypto::{Digest, PublicKey, Signer, SigningKey};

use super::{Client, ClientError};
use crate::{
    access::{Clock, SystemClock},
    backend::{Backend, BackendError, get, put},
    letters::{MAX_AGE_MS, SealedLetter},
    records::{Custody, Delivery, Letter},
    signed::{RecordError, Signed},
    wire::{Collect, Confirm, OpenInbox, Post, lookup, reply, request},
};

const DAY_MS: u64 = 24 * 3_600_000;
/// Letters of one day that are remembered; more of that day are left with the proxies.
const MAX_SEEN_A_DAY: usize = 65_536;
/// Letters that are taken from a proxy in one go.
const ROUND: usize = 64;

impl Client {
    /// Opens an inbox for this client's key at the proxy. Letters can be posted to it from then on.
    ///
    /// # Errors
    /// [`ClientError::Refused`]: `Unsupported`, or `Quota` if the proxy opens no more.
    pub async fn open_inbox(&self) -> Result<(), ClientError> {
        match self.link().await?.ask(request::Body::OpenInbox(OpenInbox {})).await? {
            reply::Body::Held(_) => Ok(()),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Posts a sealed letter. When this returns, the letter lies durably at the proxy, which has signed for it. Posting it again,
    /// here or elsewhere, does not deliver it twice.
    ///
    /// # Errors
    /// [`ClientError::Refused`]: `NotFound` without such an inbox, `Quota` if it is full or this client posts too much.
    pub async fn post(&self, letter: &SealedLetter) -> Result<Signed<Custody>, ClientError> {
        let recipient = Bytes::copy_from_slice(&letter.recipient().0);
        let post = Post { recipient, sealed: letter.to_bytes().clone() };
        let reply::Body::Posted(posted) = self.link().await?.ask(request::Body::Post(post)).await? else {
            return Err(ClientError::Unexpected);
        };
        let custody = Signed::<Custody>::from_bytes(&posted.custody)?;
        let fits = custody.proxy == self.proxy().key
            && custody.recipient == letter.recipient()
            && custody.letter == letter.digest();
        if fits { Ok(custody) } else { Err(ClientError::Unexpected) }
    }

    /// The recipient's word that a letter arrived, as far as this proxy knows.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `NotFound` as long as it did not, or after the proxy forgot it.
    pub async fn delivery(&self, letter: &SealedLetter) -> Result<Signed<Delivery>, ClientError> {
        let (recipient, digest) = (letter.recipient(), letter.digest());
        let key = [recipient.0, digest.0].concat();
        let record: Signed<Delivery> = Signed::from_bytes(&self.look_up(lookup::What::Delivery(key.into())).await?)?;
        let fits = record.recipient == recipient && record.letter == digest;
        if fits { Ok(record) } else { Err(ClientError::Unexpected) }
    }
}

/// Why letters cannot be fetched or confirmed.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// No proxy answered; the last one said this.
    #[error("no proxy answered: {0}")]
    Proxies(#[source] ClientError),
    /// What was delivered cannot be read or kept.
    #[error("what was delivered cannot be kept: {0}")]
    Memory(#[from] BackendError),
    /// The clients have another key than the inbox.
    #[error(transparent)]
    Key(#[from] RecordError),
}

/// A letter for the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What the sender signed.
    pub letter: Signed<Letter>,
    /// The hash that its proxies know it by.
    pub sealed: Digest,
}

impl Received {
    /// The id under which it is delivered once.
    pub fn id(&self) -> Digest {
        self.letter.id()
    }
}

/// The letters of one key, from all proxies where it has an inbox.
///
/// [`next`](Self::next) gives a letter, [`confirm`](Self::confirm) says that it is processed: its id is written down first,
/// then the proxies are told to forget it. A letter that was confirmed is never given again, over whatever proxy it comes and
/// whenever this is restarted. One that was given and not confirmed before a crash is given again, with the same
/// [`Received::id`]: write the id down together with what the letter changes, and it takes effect exactly once.
///
/// ```
/// use std::sync::Arc;
/// use cpchain_crypto::{Signer, SigningKey, SystemEntropy};
/// use cpchain_otp::{
///     Client, Inbox, InboxConfig, NodeConfig, NodeParts, ProxyNode, access::{Clock, MemoryGrants, MemoryRegistry, SystemClock},
///     backend::MemoryBackend, letters::SealedLetter,
/// };
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let disk = Arc::new(MemoryBackend::new());
/// let parts = NodeParts::new(disk.clone(), Arc::new(MemoryRegistry::new()), Arc::new(MemoryGrants::new()));
/// let node = ProxyNode::start(NodeConfig::default(), &[1; 32], parts.inboxes(disk, InboxConfig::default())).await?;
/// let (alice, bob) = (SigningKey::from_seed(&[2; 32]), SigningKey::from_seed(&[3; 32]));
/// let at_bob = Client::connect(&node.address(), &[3; 32]).await?;
/// at_bob.open_inbox().await?;
///
/// // Alice posts under a key of the moment: the proxy does not learn who wrote.
/// let letter =
///     SealedLetter::seal(&alice, bob.public_key(), "come at noon".into(), SystemClock.now_ms(), &mut SystemEntropy)?;
/// Client::connect(&node.address(), &[77; 32]).await?.post(&letter).await?;
///
/// let mut inbox = Inbox::new(Arc::new(bob), vec![at_bob], Arc::new(MemoryBackend::new()))?;
/// let received = inbox.next().await?.unwrap();
/// assert_eq!((received.letter.sender, received.letter.body.as_ref()), (alice.public_key(), b"come at noon".as_slice()));
/// inbox.confirm(&received).await?;
/// assert!(inbox.next().await?.is_none());
/// # Ok(())
/// # }
/// ```
pub struct Inbox {
    key: Arc<SigningKey>,
    clients: Vec<Client>,
    memory: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    /// Ids of confirmed letters by the day they were sent; read when first needed.
    seen: BTreeMap<u64, BTreeSet<Digest>>,
    waiting: VecDeque<Received>,
    /// What waits or was given, by id: the sealed forms that proxies hold.
    open: BTreeMap<Digest, BTreeSet<Digest>>,
}

impl Inbox {
    /// Letters to `key`, which the clients must connect with. What was delivered is kept in `memory`, which must
    /// survive restarts.
    ///
    /// # Errors
    /// [`InboxError::Key`] if a client has another key.
    pub fn new(key: Arc<SigningKey>, clients: Vec<Client>, memory: Arc<dyn Backend>) -> Result<Self, InboxError> {
        if clients.iter().any(|client| client.key() != key.public_key()) {
            return Err(RecordError::WrongSigner.into());
        }
        let clock = Arc::new(SystemClock);
        let (seen, waiting, open) = Default::default();
        Ok(Self { key, clients, memory, clock, seen, waiting, open })
    }

    /// Takes the time from here instead of the operating system.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The next letter that waits at any proxy; none if there is none now. The same until it is confirmed or
    /// [`skip`](Self::skip)ped.
    ///
    /// # Errors
    /// [`InboxError::Proxies`] if none of them answers, [`InboxError::Memory`].
    pub async fn next(&mut self) -> Result<Option<Received>, InboxError> {
        if self.waiting.is_empty() {
            let (mut answered, mut failed) = (false, None);
            for client in self.clients.clone() {
                match self.gather(&client).await {
                    Ok(()) => answered = true,
                    Err(InboxError::Proxies(error)) => failed = Some(error),
                    Err(error) => return Err(error),
                }
            }
            if let (false, Some(error)) = (answered, failed) {
                return Err(InboxError::Proxies(error));
            }
        }
        Ok(self.waiting.front().cloned())
    }

    /// Puts a letter behind the others.
    pub fn skip(&mut self) {
        if let Some(first) = self.waiting.pop_front() {
            self.waiting.push_back(first);
        }
    }

    /// The letter is processed: it is never given again, and its proxies may forget it.
    ///
    /// # Errors
    /// [`InboxError::Memory`] if that cannot be written down: the letter still waits. Proxies that cannot be told are told when
    /// they offer the letter again.
    pub async fn confirm(&mut self, received: &Received) -> Result<(), InboxError> {
        let (id, day) = (received.id(), received.letter.sent_ms / DAY_MS);
        let known = self.seen(day).await?;
        if !known.contains(&id) {
            let mut bytes = BytesMut::with_capacity((known.len() + 1) * 32);
            known.iter().chain([&id]).for_each(|id| bytes.extend_from_slice(&id.0));
            put(self.memory.as_ref(), &self.day_key(day), bytes.freeze()).await?;
            self.seen.entry(day).or_default().insert(id);
        }
        self.forget_old_days().await?;
        self.waiting.retain(|one| one.id() != id);
        let mut forms = self.open.remove(&id).unwrap_or_default();
        forms.insert(received.sealed);
        for client in self.clients.clone() {
            for sealed in &forms {
                if let Err(error) = self.tell(&client, *sealed, true).await {
                    tracing::debug!(%error, "a proxy was not told of a delivery");
                }
            }
        }
        Ok(())
    }

    /// Takes what waits at one proxy.
    async fn gather(&mut self, client: &Client) -> Result<(), InboxError> {
        let mut from = 0;
        for _ in 0..ROUND {
            let collect = request::Body::Collect(Collect { from });
            let ask = async { client.link().await?.ask(collect).await };
            let reply::Body::Collected(found) = ask.await.map_err(InboxError::Proxies)? else {
                return Err(InboxError::Proxies(ClientError::Unexpected));
            };
            if found.sealed.is_empty() || found.number < from {
                return Ok(());
            }
            from = found.number.saturating_add(1);
            let now = self.clock.now_ms();
            let digest = Digest::content(&found.sealed);
            let opened = SealedLetter::from_bytes(self.key.public_key(), found.sealed)
                .and_then(|sealed| sealed.open(&self.key, now));
            let Ok(letter) = opened else {
                let _ = self.tell(client, digest, false).await;
                continue;
            };
            let (id, day) = (letter.id(), letter.sent_ms / DAY_MS);
            let seen = self.seen(day).await?;
            let (again, full) = (seen.contains(&id), seen.len() >= MAX_SEEN_A_DAY);
            if again {
                let _ = self.tell(client, digest, true).await;
            } else if !full {
                let forms = self.open.entry(id).or_default();
                forms.insert(digest);
                if forms.len() == 1 && !self.waiting.iter().any(|one| one.id() == id) {
                    self.waiting.push_back(Received { letter, sealed: digest });
                }
            }
        }
        Ok(())
    }

    async fn tell(&self, client: &Client, letter: Digest, opened: bool) -> Result<(), ClientError> {
        let recipient: PublicKey = self.key.public_key();
        let delivery = Delivery { recipient, letter, opened, at_ms: self.clock.now_ms() };
        let delivery = Signed::sign(delivery, self.key.as_ref())?.to_bytes();
        match client.link().await?.ask(request::Body::Confirm(Confirm { delivery })).await? {
            reply::Body::Held(_) => Ok(()),
            _ => Err(ClientError::Unexpected),
        }
    }

    fn day_key(&self, day: u64) -> String {
        format!("seen/{}/{day}", Digest(self.key.public_key().0))
    }

    /// Ids of the letters of a day that were confirmed.
    async fn seen(&mut self, day: u64) -> Result<&BTreeSet<Digest>, InboxError> {
        if !self.seen.contains_key(&day) {
            let most = (MAX_SEEN_A_DAY as u64 + 1) * 32;
            let bytes = get(self.memory.as_ref(), &self.day_key(day), most).await?.unwrap_or_default();
            self.seen.insert(day, bytes.as_chunks::<32>().0.iter().map(|id| Digest(*id)).collect());
        }
        Ok(self.seen.entry(day).or_default())
    }

    /// Letters of these days are refused by their date.
    async fn forget_old_days(&mut self) -> Result<(), InboxError> {
        let oldest = (self.clock.now_ms().saturating_sub(MAX_AGE_MS) / DAY_MS).saturating_sub(1);
        while let Some((day, _)) = self.seen.first_key_value().filter(|(day, _)| **day < oldest) {
            let day = *day;
            self.memory.delete(&self.day_key(day)).await?;
            self.seen.remove(&day);
        }
        Ok(())
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("key", &self.key.public_key())
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

//! Inboxes: sealed letters that wait for their recipients.
//!
//! Keys in the backend, under `inbox/<recipient>/`: `<number>` for each letter, `done/<letter>` for each delivery record, and
//! `index`, which lists both and is written last. `inbox/index` lists the recipients. A letter is durable before its sender
//! is told so; what a crash leaves without an entry in the index is written over by the next letter.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey};
use prost::Message as _;
use tokio::sync::Mutex;

use super::{Quota, fragments::internal, quota::Quotas};
use crate::{
    backend::{Backend, get, put},
    letters::MAX_SEALED,
    records::Delivery,
    signed::Signed,
    wire::{InboxEntry, InboxIndex, Refusal, RefusalCode},
};

/// Bounds of the inboxes of a node.
#[derive(Debug, Clone)]
pub struct InboxConfig {
    /// Recipients that may have an inbox here.
    pub max_inboxes: usize,
    /// Letters that wait in one inbox.
    pub max_letters: usize,
    /// Bytes that wait in one inbox.
    pub max_bytes: u64,
    /// A letter waits so long, in ms; its delivery record is kept so long too.
    pub max_age_ms: u64,
    /// Letters that one sender may post, over all inboxes, in a window.
    pub letters_per_sender: u64,
    /// That window, in ms.
    pub window_ms: u64,
}

impl Default for InboxConfig {
    /// 4096 inboxes of 256 letters or 4 MiB, for 30 days; 60 letters a minute of one sender.
    fn default() -> Self {
        Self {
            max_inboxes: 4096,
            max_letters: 256,
            max_bytes: 4 << 20,
            max_age_ms: 30 * 24 * 3_600_000,
            letters_per_sender: 60,
            window_ms: 60_000,
        }
    }
}

pub(super) struct Inboxes {
    pub(super) config: InboxConfig,
    backend: Arc<dyn Backend>,
    senders: Quotas,
    /// Recipients; none until they were read.
    open: Mutex<Option<BTreeMap<PublicKey, ()>>>,
    /// One change at a time of inboxes that share the low bits of their first byte.
    changing: [Mutex<()>; 16],
}

impl Inboxes {
    pub(super) fn new(backend: Arc<dyn Backend>, config: InboxConfig) -> Self {
        let senders =
            Quotas::new(Some(Quota { bytes: config.letters_per_sender, window_ms: config.window_ms }), "letters");
        Self { config, backend, senders, open: Mutex::default(), changing: Default::default() }
    }

    async fn alone(&self, recipient: &PublicKey) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let slot = usize::from(recipient.0.first().copied().unwrap_or(0) % 16);
        match self.changing.get(slot) {
            Some(lock) => Some(lock.lock().await),
            None => None,
        }
    }

    /// Opens an inbox for a recipient who has shown its key; again changes nothing.
    pub(super) async fn open(&self, recipient: PublicKey) -> Result<(), Refusal> {
        let mut open = self.open.lock().await;
        let known = self.recipients(&mut open).await?;
        if known.contains_key(&recipient) {
            return Ok(());
        }
        if known.len() >= self.config.max_inboxes {
            return Err(Refusal::new(RefusalCode::Quota, "this node opens no more inboxes"));
        }
        let mut list: Vec<u8> = known.keys().flat_map(|key| key.0).collect();
        list.extend(recipient.0);
        put(self.backend.as_ref(), "inbox/index", list.into()).await.map_err(internal)?;
        known.insert(recipient, ());
        Ok(())
    }

    async fn recipients<'a>(
        &self,
        open: &'a mut Option<BTreeMap<PublicKey, ()>>,
    ) -> Result<&'a mut BTreeMap<PublicKey, ()>, Refusal> {
        if open.is_none() {
            let most = self.config.max_inboxes.saturating_mul(32) as u64;
            let list = get(self.backend.as_ref(), "inbox/index", most).await.map_err(internal)?.unwrap_or_default();
            *open = Some(list.as_chunks::<32>().0.iter().map(|key| (PublicKey(*key), ())).collect());
        }
        Ok(open.get_or_insert_default())
    }

    async fn index(&self, recipient: &PublicKey) -> Result<InboxIndex, Refusal> {
        let key = format!("{}/index", folder(recipient));
        let bytes = get(self.backend.as_ref(), &key, 1 << 20).await.map_err(internal)?;
        bytes.map_or(Ok(InboxIndex::default()), |bytes| InboxIndex::decode(bytes).map_err(internal))
    }

    /// Writes the index without what is too old, then removes that.
    async fn keep(&self, recipient: &PublicKey, mut index: InboxIndex, now_ms: u64) -> Result<(), Refusal> {
        let fresh = |entry: &InboxEntry| entry.at_ms.saturating_add(self.config.max_age_ms) > now_ms;
        let (waiting, late): (Vec<_>, Vec<_>) = index.waiting.into_iter().partition(fresh);
        let (mut delivered, mut past): (Vec<_>, Vec<_>) = index.delivered.into_iter().partition(fresh);
        let surplus = delivered.len().saturating_sub(self.config.max_letters);
        past.extend(delivered.drain(..surplus));
        index.waiting = waiting;
        index.delivered = delivered;
        let folder = folder(recipient);
        let bytes = Bytes::from(index.encode_to_vec());
        put(self.backend.as_ref(), &format!("{folder}/index"), bytes).await.map_err(internal)?;
        let late = late.iter().map(|entry| format!("{folder}/{}", entry.number));
        let past = past.iter().filter_map(|entry| Some(done(&folder, &Digest::from_slice(&entry.letter)?)));
        for key in late.chain(past) {
            self.backend.delete(&key).await.map_err(internal)?;
        }
        Ok(())
    }

    /// Keeps a letter. The same letter again is kept once.
    pub(super) async fn post(
        &self,
        sender: PublicKey,
        recipient: PublicKey,
        sealed: Bytes,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        if sealed.len() > MAX_SEALED || sealed.is_empty() {
            return Err(Refusal::new(RefusalCode::TooLarge, format!("a sealed letter has at most {MAX_SEALED} bytes")));
        }
        self.senders.charge(sender, 1, now_ms)?;
        if !self.recipients(&mut *self.open.lock().await).await?.contains_key(&recipient) {
            return Err(Refusal::new(RefusalCode::NotFound, "no such inbox here"));
        }
        let _alone = self.alone(&recipient).await;
        let mut index = self.index(&recipient).await?;
        let letter = Digest::content(&sealed);
        let is_it = |entry: &InboxEntry| entry.letter.as_ref() == letter.0;
        if index.waiting.iter().any(is_it) || index.delivered.iter().any(is_it) {
            return Ok(());
        }
        let old = |entry: &&InboxEntry| entry.at_ms.saturating_add(self.config.max_age_ms) > now_ms;
        let (count, bytes) = index.waiting.iter().filter(old).fold((0, 0), |(n, sum), one| (n + 1, sum + one.len));
        if count >= self.config.max_letters || bytes + sealed.len() as u64 > self.config.max_bytes {
            return Err(Refusal::new(RefusalCode::Quota, "the inbox is full"));
        }
        let entry = InboxEntry {
            number: index.next,
            letter: Bytes::copy_from_slice(&letter.0),
            len: sealed.len() as u64,
            at_ms: now_ms,
        };
        put(self.backend.as_ref(), &format!("{}/{}", folder(&recipient), index.next), sealed)
            .await
            .map_err(internal)?;
        index.next = index.next.saturating_add(1);
        index.waiting.push(entry);
        self.keep(&recipient, index, now_ms).await
    }

    /// The first letter that waits, with a number from `from` on.
    pub(super) async fn collect(
        &self,
        recipient: PublicKey,
        from: u64,
        now_ms: u64,
    ) -> Result<Option<(u64, Bytes)>, Refusal> {
        let _alone = self.alone(&recipient).await;
        let index = self.index(&recipient).await?;
        for entry in index.waiting {
            if entry.number < from || entry.at_ms.saturating_add(self.config.max_age_ms) <= now_ms {
                continue;
            }
            let key = format!("{}/{}", folder(&recipient), entry.number);
            if let Some(sealed) = get(self.backend.as_ref(), &key, MAX_SEALED as u64).await.map_err(internal)? {
                return Ok(Some((entry.number, sealed)));
            }
        }
        Ok(None)
    }

    /// Forgets a letter that arrived, and keeps the recipient's word for its sender.
    pub(super) async fn confirm(&self, delivery: &Signed<Delivery>, now_ms: u64) -> Result<(), Refusal> {
        let recipient = delivery.recipient;
        let _alone = self.alone(&recipient).await;
        let mut index = self.index(&recipient).await?;
        let Some(at) = index.waiting.iter().position(|entry| entry.letter.as_ref() == delivery.letter.0) else {
            return Ok(());
        };
        let folder = folder(&recipient);
        put(self.backend.as_ref(), &done(&folder, &delivery.letter), delivery.to_bytes()).await.map_err(internal)?;
        let entry = index.waiting.remove(at);
        let number = entry.number;
        index.delivered.push(InboxEntry { at_ms: now_ms, ..entry });
        self.keep(&recipient, index, now_ms).await?;
        self.backend.delete(&format!("{folder}/{number}")).await.map_err(internal)
    }

    /// The recipient's word that a letter arrived.
    pub(super) async fn delivery(
        &self,
        recipient: PublicKey,
        letter: Digest,
    ) -> Result<Option<Signed<Delivery>>, Refusal> {
        let key = done(&folder(&recipient), &letter);
        let bytes = get(self.backend.as_ref(), &key, 1024).await.map_err(internal)?;
        bytes.map(|bytes| Signed::from_bytes(&bytes).map_err(internal)).transpose()
    }
}

fn folder(recipient: &PublicKey) -> String {
    format!("inbox/{}", Digest(recipient.0))
}

fn done(folder: &str, letter: &Digest) -> String {
    format!("{folder}/done/{letter}")
}

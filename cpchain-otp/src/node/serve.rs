//! One stream: one request, one reply.

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use cpchain_crypto::{Digest, PublicKey, Signature, Signer, key_tree::TreeNode};
use futures::{AsyncWriteExt as _, io};

use super::{
    NodeConfig, NodeParts,
    fragments::internal,
    inbox::Inboxes,
    quota::Quotas,
    streams::{Ended, Streams, head_key, names},
};
use crate::{
    access::{Scene, may_follow, may_read},
    objects::{Object, ObjectError, Objects},
    records::{Custody, Delivery, Grant, ProxyDescriptor, ProxyId, Receipt, StreamHead, WitnessedReceipt},
    signed::{Record, Signed},
    transport::{ByteStream, Channel},
    uri::is_name,
    wire::{
        self, Acknowledge, Answer, Collected, Found, FrameError, Get, Held, Lookup, Opened, Posted, Ready, Refusal,
        RefusalCode, Reply, Request, SignedRecord, VERSION, lookup, read_exactly, read_message, read_message_or_end,
        reply, request, write_message,
    },
};

/// Parts are gathered up to this many bytes before they are written.
const BATCH: usize = 64 * 1024;

/// What every stream of a node shares.
pub(super) struct Inner {
    pub(super) config: NodeConfig,
    pub(super) parts: NodeParts,
    pub(super) objects: Objects,
    pub(super) signer: Arc<dyn Signer>,
    pub(super) addresses: Vec<String>,
    pub(super) quotas: Quotas,
    pub(super) streams: Option<Streams>,
    pub(super) inboxes: Option<Inboxes>,
}

impl Inner {
    pub(super) fn key(&self) -> PublicKey {
        self.signer.public_key()
    }

    pub(super) async fn scene(&self, caller: PublicKey) -> Scene {
        let height = self.parts.grants.height().await;
        Scene { caller, proxy: ProxyId::from(self.key()), now_ms: self.parts.clock.now_ms(), height }
    }

    pub(super) fn descriptor(&self) -> Result<Signed<ProxyDescriptor>, crate::RecordError> {
        let now = self.parts.clock.now_ms();
        let descriptor = ProxyDescriptor {
            key: self.key(),
            addresses: self.addresses.clone(),
            sequence: now,
            expires_ms: now.saturating_add(self.config.descriptor_ms),
        };
        Signed::sign(descriptor, self.signer.as_ref())
    }

    /// Serves one stream to its end.
    pub(super) async fn serve(&self, channel: Channel) {
        let Channel { peer, mut stream } = channel;
        let stream = stream.as_mut();
        let result = match self.in_time(self.config.request_timeout, read_message::<Request>(stream)).await {
            Ok(request) => match self.answer(peer, request, stream).await {
                Ok(()) => Ok(()),
                Err(Failure::Refused(refusal)) => self.refuse(stream, refusal).await,
                Err(Failure::Stream(error)) => Err(error),
            },
            Err(FrameError::Io(error)) => Err(FrameError::Io(error)),
            Err(FrameError::TooLarge(length)) => {
                self.refuse(stream, Refusal::new(RefusalCode::TooLarge, format!("a request of {length} bytes"))).await
            }
            Err(error) => self.refuse(stream, Refusal::malformed(error)).await,
        };
        if let Err(error) = result {
            tracing::debug!(?peer, %error, "a stream broke");
        }
        let _ = self.in_time(self.config.stall_timeout, async { Ok(stream.close().await?) }).await;
    }

    async fn refuse(&self, stream: &mut dyn ByteStream, refusal: Refusal) -> Result<(), FrameError> {
        tracing::debug!(%refusal, "refused");
        self.in_time(self.config.stall_timeout, write_message(stream, &refusal.into_reply())).await
    }

    pub(super) async fn in_time<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, FrameError>>,
    ) -> Result<T, FrameError> {
        let late = |_| FrameError::Io(io::ErrorKind::TimedOut.into());
        tokio::time::timeout(limit, work).await.map_err(late)?
    }

    async fn answer(&self, caller: PublicKey, request: Request, stream: &mut dyn ByteStream) -> Result<(), Failure> {
        if request.version != VERSION {
            return Err(Refusal::new(RefusalCode::Unsupported, format!("version {VERSION} is spoken here")).into());
        }
        let body = match request.body.ok_or_else(|| Refusal::malformed("an empty request"))? {
            request::Body::Get(get) => return self.get(caller, get, stream).await,
            request::Body::Call(call) => return self.call(caller, call, stream).await,
            request::Body::Lookup(lookup) => reply::Body::Found(Found { record: self.lookup(caller, lookup).await? }),
            request::Body::Deposit(deposit) => {
                let (grant, node) = grant_and_node(&deposit.grant, &deposit.node)?;
                if caller != grant.owner {
                    return Err(Refusal::new(RefusalCode::NoGrant, "only the owner deposits key fragments").into());
                }
                self.deposit(&grant, node, deposit.fragment).await?;
                reply::Body::Held(Held {})
            }
            request::Body::Reencrypt(asked) => {
                let (grant, node) = grant_and_node(&asked.grant, &asked.node)?;
                let capsule_fragment = self.reencrypt(caller, &grant, node, asked.capsule).await?;
                reply::Body::Fragment(wire::Fragment { capsule_fragment })
            }
            request::Body::Announce(announce) => {
                let head = Signed::<StreamHead>::from_bytes(&announce.head).map_err(Refusal::malformed)?;
                if caller != head.owner {
                    return Err(Refusal::new(RefusalCode::NoGrant, "only the owner announces").into());
                }
                self.streams()?.announce(head).await?;
                reply::Body::Held(Held {})
            }
            request::Body::Follow(follow) => {
                let (owner, of) = names(&follow.owner, &follow.stream)?;
                let grant = if follow.grant.is_empty() { None } else { Some(read_grant(&follow.grant)?) };
                return Ok(self.follow(caller, owner, of, follow.next, grant, stream).await?);
            }
            request::Body::OpenInbox(_) => {
                self.inboxes()?.open(caller).await?;
                reply::Body::Held(Held {})
            }
            request::Body::Post(post) => reply::Body::Posted(self.post(caller, post).await?),
            request::Body::Collect(collect) => {
                let found = self.inboxes()?.collect(caller, collect.from, self.parts.clock.now_ms()).await?;
                let (number, sealed) = found.unwrap_or_default();
                reply::Body::Collected(Collected { number, sealed })
            }
            request::Body::Confirm(confirm) => {
                let delivery = Signed::<Delivery>::from_bytes(&confirm.delivery).map_err(Refusal::malformed)?;
                if caller != delivery.recipient {
                    return Err(Refusal::new(RefusalCode::NoGrant, "only the recipient confirms").into());
                }
                self.inboxes()?.confirm(&delivery, self.parts.clock.now_ms()).await?;
                reply::Body::Held(Held {})
            }
        };
        let reply = Reply { body: Some(body) };
        Ok(self.in_time(self.config.stall_timeout, write_message(stream, &reply)).await?)
    }

    fn inboxes(&self) -> Result<&Inboxes, Refusal> {
        self.inboxes.as_ref().ok_or_else(|| Refusal::new(RefusalCode::Unsupported, "this node keeps no inboxes"))
    }

    /// Keeps a letter, then signs for it.
    async fn post(&self, caller: PublicKey, post: wire::Post) -> Result<Posted, Refusal> {
        let inboxes = self.inboxes()?;
        let recipient = PublicKey::from_slice(&post.recipient).ok_or_else(|| Refusal::malformed("recipient"))?;
        let (letter, at_ms) = (Digest::content(&post.sealed), self.parts.clock.now_ms());
        inboxes.post(caller, recipient, post.sealed, at_ms).await?;
        let until_ms = at_ms.saturating_add(inboxes.config.max_age_ms);
        let custody = Custody { proxy: self.key(), recipient, letter, at_ms, until_ms };
        Ok(Posted { custody: Signed::sign(custody, self.signer.as_ref()).map_err(internal)?.to_bytes() })
    }

    async fn lookup(&self, caller: PublicKey, lookup: Lookup) -> Result<Bytes, Refusal> {
        match lookup.what.ok_or_else(|| Refusal::malformed("an empty lookup"))? {
            lookup::What::Descriptor(_) => self.descriptor().map(|record| record.to_bytes()).map_err(internal),
            lookup::What::Registration(key) => {
                let (owner, name) = key.split_at_checked(32).ok_or_else(|| Refusal::malformed("owner and name"))?;
                let owner = PublicKey::from_slice(owner).ok_or_else(|| Refusal::malformed("owner"))?;
                let name = std::str::from_utf8(name).ok().filter(|name| is_name(name));
                let name = name.ok_or_else(|| Refusal::malformed("not a name"))?;
                found(self.parts.registry.registration(&owner, name).await)
            }
            lookup::What::Head(key) => {
                let (owner, stream) = head_key(&key)?;
                let head = self.streams()?.newest(owner, stream).await?;
                let scene = self.scene(caller).await;
                found(head.filter(|head| may_follow(&scene, head, None, None).is_ok()))
            }
            lookup::What::Delivery(key) => {
                let (recipient, letter) = head_key(&key)?;
                found(self.inboxes()?.delivery(recipient, letter).await?)
            }
            lookup::What::Label(root) => found(self.parts.registry.label(&digest(&root)?).await),
        }
    }

    async fn get(&self, caller: PublicKey, get: Get, stream: &mut dyn ByteStream) -> Result<(), Failure> {
        let root = digest(&get.root)?;
        let asked = get.start..get.end.unwrap_or(u64::MAX);
        if asked.start > asked.end {
            return Err(Refusal::malformed("the range runs backwards").into());
        }
        let grant = if get.grant.is_empty() { None } else { Some(read_grant(&get.grant)?) };
        let label = self.parts.registry.label(&root).await;
        let revocations = match &label {
            Some(label) => self.parts.grants.revocations(&label.owner).await,
            None => None,
        };
        may_read(&self.scene(caller).await, label.as_ref(), grant.as_ref(), revocations.as_ref())?;
        let object = self.objects.find_or_fetch(&root).await.map_err(refuse_object)?;
        let object = object.ok_or_else(|| Refusal::new(RefusalCode::NotFound, "the object is not here"))?;
        let range = asked.start.min(object.size())..asked.end.min(object.size());
        self.quotas.charge(caller, range.end - range.start, self.parts.clock.now_ms())?;
        self.send(&object, asked, stream).await?;
        let grant = grant.map(|grant| grant.id());
        let receipt = Receipt { proxy: self.key(), caller, root, range, grant, at_ms: self.parts.clock.now_ms() };
        self.witness(receipt, stream).await
    }

    async fn send(&self, object: &Object, range: Range<u64>, stream: &mut dyn ByteStream) -> Result<(), Failure> {
        let mut reader = object.read(range).ok_or_else(|| Refusal::malformed("the range"))?;
        let opened = Reply { body: Some(reply::Body::Opened(Opened { size: object.size() })) };
        self.in_time(self.config.stall_timeout, write_message(stream, &opened)).await?;
        let mut batch = BytesMut::with_capacity(BATCH);
        loop {
            let part = match reader.next().await {
                Ok(part) => part,
                Err(error) => {
                    tracing::warn!(%error, root = %object.root(), "cannot go on serving");
                    if matches!(error, ObjectError::Corrupt { .. }) && self.parts.source.is_some() {
                        // The next request gets a sound copy from the source.
                        if let Err(error) = self.objects.remove(&object.root()).await {
                            tracing::warn!(%error, "cannot remove the rotten copy");
                        }
                    }
                    return Err(Failure::Stream(FrameError::Io(io::ErrorKind::InvalidData.into())));
                }
            };
            if let Some((_, bytes)) = &part {
                batch.extend_from_slice(bytes);
            }
            if part.is_none() || batch.len() >= BATCH {
                let write = async { Ok(stream.write_all(&batch).await?) };
                self.in_time(self.config.stall_timeout, write).await?;
                batch.clear();
            }
            if part.is_none() {
                return Ok(());
            }
        }
    }

    /// Sends the receipt and takes the caller's acknowledgement, if it gives one.
    async fn witness(&self, receipt: Receipt, stream: &mut dyn ByteStream) -> Result<(), Failure> {
        let receipt = Signed::sign(receipt, self.signer.as_ref()).map_err(internal)?;
        let message =
            SignedRecord { body: receipt.body().clone(), signature: Bytes::copy_from_slice(&receipt.signature().0) };
        let exchange = async {
            write_message(stream, &message).await?;
            read_message_or_end::<Acknowledge>(stream).await
        };
        let Some(answer) = self.in_time(self.config.stall_timeout, exchange).await? else { return Ok(()) };
        let signature = Signature::from_slice(&answer.signature);
        match signature.and_then(|signature| WitnessedReceipt::verify(receipt, signature).ok()) {
            Some(witnessed) => {
                if let Some(sink) = &self.parts.receipts {
                    sink.keep(witnessed).await;
                }
            }
            None => tracing::debug!("an acknowledgement does not hold"),
        }
        Ok(())
    }

    async fn call(&self, caller: PublicKey, call: wire::Call, stream: &mut dyn ByteStream) -> Result<(), Failure> {
        let service = self.parts.services.iter().find(|service| service.name() == call.service);
        let service = service.ok_or_else(|| Refusal::new(RefusalCode::Unsupported, "no such service"))?;
        let limit = self.config.max_call;
        let too_large = |_| Refusal::new(RefusalCode::TooLarge, format!("calls have at most {limit} bytes"));
        let len = usize::try_from(call.len).ok().filter(|len| *len <= limit).ok_or(()).map_err(too_large)?;
        let ready = Reply { body: Some(reply::Body::Ready(Ready {})) };
        self.in_time(self.config.stall_timeout, write_message(stream, &ready)).await?;
        let read = async { Ok(read_exactly(stream, len).await?) };
        let request = self.in_time(self.config.request_timeout, read).await?;
        let answer = tokio::time::timeout(self.config.call_timeout, service.call(caller, request)).await;
        let answer = answer.map_err(|_| Refusal::new(RefusalCode::Internal, "the service took too long"))??;
        if answer.len() > limit {
            return Err(Refusal::new(RefusalCode::TooLarge, "the answer is too long").into());
        }
        let head = Reply { body: Some(reply::Body::Answer(Answer { len: answer.len() as u64 })) };
        let write = async {
            write_message(stream, &head).await?;
            for piece in answer.chunks(BATCH) {
                self.in_time(self.config.stall_timeout, async { Ok(stream.write_all(piece).await?) }).await?;
            }
            Ok(stream.flush().await?)
        };
        Ok(write.await.map_err(|error: FrameError| error)?)
    }
}

/// Why a stream ends early.
enum Failure {
    Refused(Refusal),
    Stream(FrameError),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Ended> for Failure {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Refused(refusal) => Self::Refused(refusal),
            Ended::Stream(error) => Self::Stream(error),
        }
    }
}

impl From<FrameError> for Failure {
    fn from(error: FrameError) -> Self {
        Self::Stream(error)
    }
}

fn digest(bytes: &[u8]) -> Result<Digest, Refusal> {
    Digest::from_slice(bytes).ok_or_else(|| Refusal::malformed("a root has 32 bytes"))
}

fn read_grant(bytes: &[u8]) -> Result<Signed<Grant>, Refusal> {
    Signed::from_bytes(bytes).map_err(Refusal::malformed)
}

fn grant_and_node(grant: &[u8], node: &[u8]) -> Result<(Signed<Grant>, TreeNode), Refusal> {
    let node = TreeNode::from_bytes(node).ok_or_else(|| Refusal::malformed("not a key tree node"))?;
    Ok((read_grant(grant)?, node))
}

fn found<T: Record>(record: Option<Signed<T>>) -> Result<Bytes, Refusal> {
    record.map(|record| record.to_bytes()).ok_or_else(|| Refusal::new(RefusalCode::NotFound, "no such record"))
}

fn refuse_object(error: ObjectError) -> Refusal {
    match error {
        ObjectError::TooLarge { .. } => Refusal::new(RefusalCode::TooLarge, error.to_string()),
        error => internal(error),
    }
}

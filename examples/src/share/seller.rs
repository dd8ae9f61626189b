//! The seller: seals the readings, spreads them, vouches for them, lists them, and grants what is paid for.

use std::{collections::HashMap, path::Path, sync::Arc};

use cpchain_consensus::ledger::{Amount, Cursor};
use cpchain_crypto::{
    Digest, Entropy, SigningKey,
    key_tree::{NodeSeed, StreamSecret, TreeNode},
    pre::{KeyFragment, PreError, PrePublicKey, ProxyReEncryption, Threshold, Umbral},
};
use cpchain_market::{
    escrow::{Command, Event, FragmentId, FragmentKeys, GrantedNode, Order, OrderId, ProxyGrant},
    listing::{Action, Listing, Operation, SignedOperation, Unit},
};
use cpchain_otp::{
    Signed,
    records::{Label, ProxyId, Registration},
    uri::{OtpUri, Owner, Target},
};
use cpchain_storage::{
    CodecRegistry, Gateway, Lease, StreamConfig, StreamId, Upload, VoucherSink,
    client::StorageClient,
    gateway::{CsvSource, DAY_MS, GatewayError},
    network::{Correspondence, NodeHandle},
};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::task::JoinHandle;

use super::{
    actors::Actors,
    error::{During, ShareError},
    options::Options,
    page::Placement,
    progress::Progress,
    source::{BLOCKS_PER_INTERVAL, INTERVALS_PER_UPLOAD, Source},
    trade::{FEE, combined_root, now_ms, price_per_interval},
};
use crate::adapters::{
    ChainClient, UmbralJudge,
    chain::{EscrowModule, EscrowNotice, LabelModule, RegistrationModule, read_order},
    fragment_bundle, seal_bundle,
};

/// Name of the stream of the share.
pub(crate) const STREAM: &str = "readings";
/// How long hosts keep the shards.
const KEEP_MS: u64 = 30 * DAY_MS;
/// Uploads that are under way at once.
const PARALLEL: usize = 4;

/// What a granted node takes in a transaction, and each proxy's key fragment for it.
const GRANT_NODE_BYTES: usize = 300;
const GRANT_FRAGMENT_BYTES: usize = 240;
const MAX_GRANT_BYTES: usize = 60_000;

type EscrowKind = EscrowModule<UmbralJudge>;

impl From<GatewayError> for ShareError {
    fn from(error: GatewayError) -> Self {
        Self::while_doing("sealing")(error)
    }
}

/// The seller with all its secrets.
pub(crate) struct Seller {
    /// Its account.
    pub(crate) client: ChainClient,
    /// Its stream.
    pub(crate) stream: StreamId,
    secret: StreamSecret,
    secret_bytes: [u8; 32],
    storage: StorageClient<NodeHandle>,
    actors: Actors,
}

/// What an upload became.
pub(crate) struct Uploaded {
    /// Bytes of all sealed objects.
    pub(crate) sealed_bytes: u64,
    /// Bytes of all shards that hosts signed for.
    pub(crate) stored_bytes: u64,
    /// Receipts of hosts.
    pub(crate) receipts: usize,
    /// Where the shards lie.
    pub(crate) placements: Vec<Placement>,
    /// Leaf digests by manifest hash: what the seller stands by in an order.
    leaves: HashMap<Digest, Vec<Digest>>,
}

impl Seller {
    /// The seller with an account and a storage client.
    pub(crate) fn new(
        client: ChainClient,
        stream: StreamId,
        storage: StorageClient<NodeHandle>,
        actors: &Actors,
    ) -> Self {
        let secret_bytes = actors.secret("stream", 0);
        let secret = StreamSecret::from_bytes(secret_bytes);
        Self { client, stream, secret, secret_bytes, storage, actors: actors.clone() }
    }

    /// The secret from which the search index is keyed.
    pub(crate) fn secret(&self) -> &StreamSecret {
        &self.secret
    }

    /// Step 1, gateway: readings to blocks of T, intervals of e blocks with a key each, uploads of u intervals.
    pub(crate) async fn seal(&self, source: &Source, options: &Options, dir: &Path) -> Result<Vec<Upload>, ShareError> {
        let (path, csv) = (options.input.clone(), source.csv.clone());
        let last_ms = source.table.timestamps_ms().last().copied().unwrap_or_default();
        let config = StreamConfig {
            period_ms: source.period_ms,
            blocks_per_interval: BLOCKS_PER_INTERVAL,
            intervals_per_upload: INTERVALS_PER_UPLOAD,
            keep_ms: now_ms().saturating_sub(last_ms) + KEEP_MS,
            ..StreamConfig::new(self.stream.name(), source.columns())
        };
        let (key, secret) = (self.client.key().clone(), StreamSecret::from_bytes(self.secret_bytes));
        let dir = dir.join("gateway");
        let work = tokio::task::spawn_blocking(move || {
            let mut gateway = Gateway::open(config, secret, key, CodecRegistry::default(), dir)?;
            let readings = CsvSource::open(path, &csv).during("reading the source again")?;
            let readings = readings.map(|reading| reading.during("reading the source again"));
            gateway.uploads::<ShareError>(readings).collect::<Result<Vec<_>, _>>()
        });
        work.await.during("sealing")?
    }

    /// Step 2: shards to the hosts, manifests and correspondence to the DHT, vouchers and labels to the chain.
    pub(crate) async fn upload(
        &self,
        uploads: &[Upload],
        hosts: &[NodeHandle],
        progress: &Progress,
    ) -> Result<Uploaded, ShareError> {
        let mut done =
            Uploaded { sealed_bytes: 0, stored_bytes: 0, receipts: 0, placements: Vec::new(), leaves: HashMap::new() };
        let key = self.client.key();
        let stored = stream::iter(uploads)
            .map(|upload| async move {
                let body = upload.manifest.body();
                let lease = Lease::until(now_ms() + KEEP_MS);
                let stored = self.storage.put_object(key, upload.object.clone(), body.object.params, lease).await;
                let stored = stored.during("storing an upload")?;
                self.storage.publish_manifest(key, &upload.manifest, lease).await.during("publishing a manifest")?;
                self.publish_keys(upload, lease).await?;
                progress.part();
                Ok::<_, ShareError>((upload, stored))
            })
            .buffered(PARALLEL)
            .try_collect::<Vec<_>>()
            .await?;
        for (upload, stored) in &stored {
            let mut shards = vec![0; hosts.len()];
            for receipt in &stored.receipts {
                done.stored_bytes += u64::from(receipt.length());
                if let Some(count) =
                    hosts.iter().position(|h| h.id() == receipt.holder()).and_then(|h| shards.get_mut(h))
                {
                    *count += 1;
                }
            }
            done.receipts += stored.receipts.len();
            done.sealed_bytes += upload.object.len() as u64;
            done.placements.push(Placement { object: format!("upload {}", upload.number()), shards });
            let verified = upload.manifest.verify(&upload.object).during("checking an upload")?;
            done.leaves.insert(upload.manifest.hash(), super::trade::leaves(&verified));
        }
        self.announce(uploads).await?;
        Ok(done)
    }

    /// The correspondence record of each interval: blocks, capsule, key commitment. Never the key.
    async fn publish_keys(&self, upload: &Upload, lease: Lease) -> Result<(), ShareError> {
        let body = upload.manifest.body();
        let mut entropy = self.actors.entropy(&format!("capsules of upload {}", body.upload));
        for interval in &body.intervals {
            let blocks: Vec<_> = body.blocks.iter().filter(|block| block.interval == interval.interval).collect();
            let node = TreeNode::leaf(interval.interval);
            let (_, capsule) = self.capsule(node, &mut entropy).during("making a capsule")?;
            let record = Correspondence {
                stream: body.stream.digest(),
                interval: interval.interval,
                first_block: blocks.first().map_or(0, |block| block.index),
                block_count: blocks.len() as u32,
                capsule: capsule.into(),
                key_commitment: interval.key_commitment,
                manifest: upload.manifest.hash(),
            };
            let published = self.storage.publish_correspondence(self.client.key(), &record, lease).await;
            published.during("publishing a correspondence record")?;
        }
        Ok(())
    }

    async fn announce(&self, uploads: &[Upload]) -> Result<(), ShareError> {
        let owner = self.client.public_key();
        let name = Registration { owner, name: self.stream.name().to_owned(), root: self.stream.digest(), sequence: 1 };
        let name = Signed::sign(name, self.client.key()).during("registering the stream's name")?;
        // All at once: the account's nonces keep them in order, so that each voucher finds the one before it.
        futures::future::try_join_all(uploads.iter().map(|upload| VoucherSink::submit(&self.client, &upload.voucher)))
            .await
            .during("ordering the vouchers")?;
        let mut sent = vec![self.client.submit(RegistrationModule::KIND, name.to_bytes()).await];
        for upload in uploads {
            let body = upload.manifest.body();
            let first = body.intervals.first().map_or(0, |entry| entry.interval.0);
            let end = body.intervals.last().map_or(0, |entry| entry.interval.0 + 1);
            let label = Label {
                owner,
                root: body.object.root,
                stream: body.stream.digest(),
                intervals: first..end,
                public: true,
            };
            let label = Signed::sign(label, self.client.key()).during("labelling an upload")?;
            sent.push(self.client.submit(LabelModule::KIND, label.to_bytes()).await);
        }
        for sent in sent {
            let id = sent.during("sending a label")?;
            self.client.settled(id).await.during("ordering a label")?;
        }
        Ok(())
    }

    /// Step 3: the signed listing.
    pub(crate) fn listing(
        &self,
        source: &Source,
        proxies: &[(ProxyId, cpchain_crypto::PublicKey, String)],
    ) -> Result<SignedOperation, ShareError> {
        let columns = source.columns().join(", ");
        let times = source.table.timestamps_ms();
        let hint = proxies.first();
        let uri = OtpUri {
            owner: Owner::Did(self.client.public_key().into()),
            target: Target::Name(self.stream.name().to_owned()),
            intervals: None,
            via: hint.map(|(id, ..)| *id),
            at: hint.map(|(.., address)| address.clone()),
        };
        let content = Listing {
            title: format!("{} readings: {}", capitalised(source.cadence()), source.subject()),
            description: format!(
                "Columns: {columns}. {} rows, sealed in intervals of {} blocks.",
                times.len(),
                BLOCKS_PER_INTERVAL
            ),
            tags: source.columns().into_iter().take(8).collect(),
            category: "sensor data".to_owned(),
            price: price_per_interval(),
            unit: Unit::Interval,
            period_ms: source.period_ms,
            from_ms: times.first().copied().unwrap_or_default(),
            to_ms: times.last().map_or(0, |last| last + 1),
            samples: Vec::new(),
            uri: uri.to_string(),
            proxies: proxies.iter().map(|(_, key, _)| *key).collect(),
            stream: self.stream.digest(),
            manifest: None,
            created_ms: now_ms(),
        };
        sign_listing(content, self.client.key())
    }

    /// Step 5, the seller's side: accepts and grants every order on this stream, as the chain shows them.
    pub(crate) fn serve_orders(self: Arc<Self>, uploaded: Arc<Uploaded>) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut cursor = Cursor::default();
            loop {
                let page = self.client.until(|view| {
                    let page = view.events(Some(EscrowKind::KIND), cursor, 100).ok()?;
                    (page.next != cursor).then_some(page)
                });
                let Some(page) = page.await else { continue };
                cursor = page.next;
                for notice in page.events.iter().filter_map(|event| EscrowNotice::from_bytes(&event.data)) {
                    let order = read_order(self.client.view(), &notice.order);
                    let Some(order) = order.filter(|order| order.seller() == self.client.public_key()) else {
                        continue;
                    };
                    let event = match notice.command {
                        Some(Command::Offer(_)) => self.accept(&order, &uploaded),
                        Some(Command::Event { event: Event::Accept { .. }, .. }) => self.grant(&order),
                        _ => continue,
                    };
                    match event {
                        Ok(event) => self.send(&order.id(), event).await,
                        Err(error) => tracing::warn!(%error, "the seller lets an order pass"),
                    }
                }
            }
        })
    }

    async fn send(&self, order: &OrderId, event: Event) {
        let command = Command::Event { order: *order, event };
        if let Err(error) = self.client.execute(EscrowKind::KIND, EscrowKind::payload(&command)).await {
            tracing::warn!(%error, "an event of the seller was refused");
        }
    }

    /// The seller stands by the leaf root of an offer only if it is its own.
    ///
    /// Whatever would keep it from granting in time is refused here, before there is a bond to lose: another stream, a
    /// buyer's key that is none, a grant that no transaction holds.
    pub(crate) fn accept(&self, order: &Order, uploaded: &Uploaded) -> Result<Event, ShareError> {
        let terms = order.terms();
        let refuse = |why: &str| Err(ShareError::while_doing("reading an offer")(why));
        if order.stream() != self.stream.digest() {
            return refuse("it is for another stream");
        }
        let key = PrePublicKey::from_bytes(&terms.buyer_key).and_then(|key| Umbral.verify_public_key(&key));
        key.during("reading the buyer's key")?;
        if terms.nodes().count() * (GRANT_NODE_BYTES + GRANT_FRAGMENT_BYTES * usize::from(terms.proxies))
            > MAX_GRANT_BYTES
        {
            return refuse("its grant would not fit a transaction: ask for fewer proxies or a shorter range");
        }
        let known = combined_root(self.client.view(), &self.stream, &terms.intervals, &uploaded.leaves)?;
        if known != (terms.manifest, terms.leaf_root, terms.leaf_count) {
            return refuse("it names other leaves than the seller's");
        }
        let bond = cpchain_market::Amount(FEE.0 * u128::from(terms.proxies));
        Ok(Event::Accept { bond })
    }

    /// Key fragments for each node of the bought range, sealed to the drawn proxies.
    fn grant(&self, order: &Order) -> Result<Event, ShareError> {
        let mut entropy = self.actors.entropy(&format!("grant of order {}", order.id()));
        self.try_grant(order, &mut entropy).during("granting an order")
    }

    fn try_grant(&self, order: &Order, entropy: &mut dyn Entropy) -> Result<Event, Box<dyn std::error::Error>> {
        let receiving = PrePublicKey::from_bytes(&order.terms().buyer_key)?;
        let threshold = Threshold::new(order.terms().threshold, order.terms().proxies)?;
        let granting = Umbral.granting_key(&self.secret)?;
        let mut nodes = Vec::new();
        let mut bundles: Vec<Vec<KeyFragment>> = order.slots().iter().map(|_| Vec::new()).collect();
        for node in order.terms().nodes() {
            let (delegating_key, capsule) = self.capsule(node, entropy)?;
            let secret = Umbral.delegating_key(&self.secret, node)?;
            let fragments = Umbral.grant(&secret, &granting, &receiving, threshold, entropy)?;
            bundles.iter_mut().zip(fragments).for_each(|(bundle, fragment)| bundle.push(fragment));
            nodes.push(GrantedNode { node, delegating_key, capsule });
        }
        let verifying_key = Umbral.public_key(&granting)?.as_bytes().to_vec();
        let mut proxies = Vec::new();
        for (slot, fragments) in order.slots().iter().zip(&bundles) {
            let fragment_ids: Vec<_> = fragments.iter().map(|fragment| FragmentId(fragment.id())).collect();
            let bundle = zeroize::Zeroizing::new(fragment_bundle(fragments));
            let keys = nodes.iter().map(|node: &GrantedNode| FragmentKeys {
                delegating: &node.delegating_key,
                receiving: &order.terms().buyer_key,
                verifying: &verifying_key,
            });
            let granted: Vec<_> = keys.zip(fragment_ids.iter().copied()).collect();
            let sealed = seal_bundle(&slot.proxy(), &granted, &bundle, entropy)?;
            proxies.push(ProxyGrant { fragment_ids, sealed });
        }
        Ok(Event::Grant { verifying_key, nodes, proxies })
    }

    /// Delegating public key and capsule of a node.
    fn capsule(&self, node: TreeNode, entropy: &mut dyn Entropy) -> Result<(Vec<u8>, Vec<u8>), PreError> {
        let delegating = Umbral.public_key(&Umbral.delegating_key(&self.secret, node)?)?;
        let seed: NodeSeed = self.secret.seed(node).ok_or(PreError::Root)?;
        let capsule = Umbral.encapsulate(&delegating, &self.stream.digest(), &seed, entropy)?;
        Ok((delegating.as_bytes().to_vec(), capsule.as_bytes().to_vec()))
    }
}

/// Signs a new listing.
pub(crate) fn sign_listing(content: Listing, key: &SigningKey) -> Result<SignedOperation, ShareError> {
    use cpchain_crypto::Signer;
    let operation = Operation { seller: key.public_key(), sequence: 0, action: Action::Publish(content) };
    operation.sign(key).during("signing a listing")
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What one interval costs, in the ledger's units.
pub(crate) fn price() -> Amount {
    Amount(price_per_interval().0)
}

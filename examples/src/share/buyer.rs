//! The buyer: finds, fetches, checks, pays, opens, and compares.

use std::{collections::HashMap, ops::Range};

use cpchain_consensus::ledger::Cursor;
use cpchain_crypto::{
    Digest, SeededEntropy, SigningKey,
    key_tree::{IntervalId, NodeSeed},
    pre::{Capsule, CapsuleFragment, Parties, PrePublicKey, PreSecretKey, ProxyReEncryption, Umbral, Verified},
};
use cpchain_market::{
    Amount,
    escrow::{Command, Event, Order, OrderId, ProxyGrant, State, Terms},
    listing::SignedOperation,
};
use cpchain_otp::{
    Client, Signed,
    records::ProxyDescriptor,
    uri::{OtpUri, Owner, Target},
};
use cpchain_storage::{
    CodecRegistry, Manifest, StreamId, Table, Voucher,
    client::StorageClient,
    network::{Dht, NodeHandle, RecordKey, RecordKind},
    read_object,
};

use super::{
    collusion,
    error::{During, ShareError},
    trade::{FEE, THRESHOLD, combined_root, leaves, now_ms},
};
use crate::adapters::{
    ChainClient, UmbralJudge,
    chain::{EscrowModule, EscrowNotice, ListingModule, VoucherModule, read_order},
};

type EscrowKind = EscrowModule<UmbralJudge>;

/// Largest sealed object that the buyer takes.
const MAX_OBJECT: usize = 256 << 20;

/// The buyer with its account, a light storage node and the key of this order.
pub(crate) struct Buyer {
    client: ChainClient,
    storage: StorageClient<NodeHandle>,
    receiving: PreSecretKey,
    seed: [u8; 32],
}

/// The listing that the buyer settled on, and the uploads behind it.
pub(crate) struct Find {
    /// The listing as the market gave it and the chain has it.
    pub(crate) listing: SignedOperation,
    /// The stream.
    pub(crate) stream: StreamId,
    /// All its manifests, each checked against its voucher.
    pub(crate) manifests: Vec<Manifest>,
}

/// Sealed objects of the uploads that the bought range touches, verified.
pub(crate) struct Fetched {
    /// The bought intervals.
    pub(crate) intervals: Range<u32>,
    /// The interval that will be shown to stay closed; `None` if all are bought.
    pub(crate) unbought: Option<u32>,
    /// Bytes over OTP.
    pub(crate) bytes: u64,
    objects: HashMap<Digest, bytes::Bytes>,
    leaves: HashMap<Digest, Vec<Digest>>,
}

/// What the order gave.
pub(crate) struct Bought {
    /// The settled order.
    pub(crate) order: OrderId,
    /// The seeds of the granted nodes.
    pub(crate) seeds: Vec<NodeSeed>,
    /// What the chain says about the order.
    pub(crate) events: OrderEvents,
}

/// What the chain says about an order.
#[derive(Default)]
pub(crate) struct OrderEvents {
    /// What each drawn proxy was granted.
    grants: Vec<ProxyGrant>,
    /// Bundles of capsule fragments, as the proxies posted them.
    posted: Vec<Vec<Vec<u8>>>,
    /// Bytes of all events.
    pub(crate) bytes: u64,
    /// What happened, and at which height.
    pub(crate) history: Vec<(String, u64)>,
}

impl Buyer {
    /// The buyer, with a fresh key for this order.
    pub(crate) fn new(
        client: ChainClient,
        storage: StorageClient<NodeHandle>,
        seed: [u8; 32],
        entropy: &mut SeededEntropy,
    ) -> Result<Self, ShareError> {
        let receiving = Umbral.generate_key(entropy).during("making the order's key")?;
        Ok(Self { client, storage, receiving, seed })
    }

    /// Checks a listing against the chain, and reads the manifests of its stream with their vouchers.
    pub(crate) async fn inspect(&self, listing: SignedOperation) -> Result<Find, ShareError> {
        let on_chain = self.client.view().get(ListingModule::KIND, &ListingModule::key(&listing.listing_id()));
        if on_chain.as_deref() != Some(listing.as_bytes()) {
            return Err(failed("checking a listing", "the chain does not have it"));
        }
        let content = listing.content().during("reading a listing")?;
        let uri: OtpUri = content.uri.parse().during("reading the listing's URI")?;
        let (Owner::Did(owner), Target::Name(name)) = (&uri.owner, &uri.target) else {
            return Err(failed("reading the listing's URI", "it does not name a stream of its owner"));
        };
        let stream = StreamId::new(*owner, name.clone()).during("naming the stream")?;
        if stream.digest() != content.stream {
            return Err(failed("reading the listing's URI", "it names another stream than the listing"));
        }
        let mut manifests: Vec<Manifest> = Vec::new();
        let key = |upload| VoucherModule::key(&stream.digest(), upload);
        while let Some(voucher) = self.client.view().get(VoucherModule::KIND, &key(manifests.len() as u64)) {
            let voucher = Voucher::decode(voucher).during("reading a voucher")?;
            let manifest =
                self.storage.manifest(&stream, manifests.len() as u64).await.during("looking for a manifest")?;
            let manifest = manifest.during("looking for a manifest")?;
            voucher.matches(&manifest).during("checking a manifest against its voucher")?;
            manifest.follows(manifests.last()).during("checking the chain of manifests")?;
            manifests.push(manifest);
        }
        Ok(Find { listing, stream, manifests })
    }

    /// Fetches over OTP, from all proxies of the listing, the uploads that overlap the wanted time, and verifies them.
    pub(crate) async fn fetch(&self, find: &Find, wanted: &Range<u64>) -> Result<Fetched, ShareError> {
        let blocks = find.manifests.iter().flat_map(|manifest| {
            manifest
                .body()
                .blocks
                .iter()
                .map(|block| (block.interval.0, block.start_ms, block.start_ms + manifest.body().period_ms))
        });
        let all: Vec<_> = blocks.collect();
        let bought = all
            .iter()
            .filter(|(_, start, end)| *start < wanted.end && *end > wanted.start)
            .map(|(interval, ..)| *interval);
        let (first, last) = bought.fold((u32::MAX, 0), |(low, high), interval| (low.min(interval), high.max(interval)));
        if first > last {
            return Err(ShareError::Input("the range holds no block of the stream".to_owned()));
        }
        let intervals = first..last + 1;
        let outside = |interval: &&(u32, u64, u64)| !intervals.contains(&interval.0);
        let near = all
            .iter()
            .filter(outside)
            .min_by_key(|(interval, ..)| interval.abs_diff(first).min(interval.abs_diff(last)));
        let unbought = near.map(|(interval, ..)| *interval);

        let clients = self.connect(find).await?;
        let (main, others) = clients.split_first().during("reaching a proxy")?;
        let mut fetched = Fetched { intervals, unbought, bytes: 0, objects: HashMap::new(), leaves: HashMap::new() };
        for manifest in &find.manifests {
            let needed = |interval: u32| fetched.intervals.contains(&interval) || Some(interval) == unbought;
            if !manifest.body().intervals.iter().any(|entry| needed(entry.interval.0)) {
                continue;
            }
            let fetch = others.iter().fold(main.fetch(manifest.body().object.root), |fetch, other| fetch.or(other));
            let mut fetch = fetch;
            let object = fetch.bytes(MAX_OBJECT).await.during("fetching an upload over OTP")?;
            let verified = manifest.verify(&object).during("verifying an upload")?;
            fetched.leaves.insert(manifest.hash(), leaves(&verified));
            fetched.bytes += object.len() as u64;
            fetched.objects.insert(manifest.hash(), object);
        }
        Ok(fetched)
    }

    /// Connections to the proxies that the listing names, found by their descriptors in the DHT.
    async fn connect(&self, find: &Find) -> Result<Vec<Client>, ShareError> {
        let mut clients: Vec<Client> = Vec::new();
        for proxy in &find.listing.content().during("reading a listing")?.proxies {
            let key = RecordKey::new(RecordKind::ProxyDescriptor, *proxy, Vec::new());
            let record = self.storage.dht().get_record(&key).await.during("looking for a proxy")?;
            let record = record.during("looking for a proxy")?;
            let descriptor: Signed<ProxyDescriptor> =
                Signed::from_bytes(record.body()).during("reading a descriptor")?;
            let address = descriptor.addresses.first().during("reading a descriptor")?;
            let client = match clients.first() {
                None => Client::connect(address, &self.seed).await,
                Some(client) => client.also(address).await,
            };
            let client = client.during("reaching a proxy")?;
            if client.proxy().key != *proxy {
                return Err(failed("reaching a proxy", "another node answers at its address"));
            }
            clients.push(client);
        }
        Ok(clients)
    }

    /// Offers into escrow; the money is locked when it returns.
    pub(crate) async fn offer(&self, find: &Find, fetched: &Fetched) -> Result<OrderId, ShareError> {
        let content = find.listing.content().during("reading a listing")?;
        let count = fetched.intervals.end - fetched.intervals.start;
        let price = content.quote(count).during("quoting a price")?;
        let (manifest, leaf_root, leaf_count) =
            combined_root(self.client.view(), &find.stream, &fetched.intervals, &fetched.leaves)?;
        let receiving = Umbral.public_key(&self.receiving).during("making the order's key")?;
        let terms = Terms {
            listing: find.listing.listing_id(),
            revision: find.listing.id(),
            intervals: fetched.intervals.clone(),
            manifest,
            leaf_root,
            leaf_count,
            price,
            fee: FEE,
            bond: price,
            buyer_key: receiving.as_bytes().to_vec(),
            threshold: THRESHOLD.0,
            proxies: THRESHOLD.1,
            nonce: now_ms(),
        };
        let payload = EscrowKind::payload(&Command::Offer(terms));
        let offered = self.client.execute(EscrowKind::KIND, payload).await.during("offering into escrow")?;
        self.order_of(&offered.id).await.during("looking for the order")
    }

    /// Offers, waits for t verified bundles on the chain, and opens what they hand over.
    pub(crate) async fn buy(&self, find: &Find, fetched: &Fetched) -> Result<Bought, ShareError> {
        let id = self.offer(find, fetched).await?;
        let delivered = self.client.until(|view| {
            let order = read_order(view, &id)?;
            (order.state() == State::Delivered || order.state().is_final()).then_some(order)
        });
        let order = delivered.await.during("waiting for the proxies' fragments")?;
        if order.state() != State::Delivered {
            return Err(failed(
                "waiting for the proxies' fragments",
                &format!("the order ended as {:?}", order.state()),
            ));
        }
        let events = self.events_of(&id)?;
        let fragments = verify_fragments(&order, &events.posted)?;
        let mut seeds = Vec::new();
        for (capsule, parties, fragments) in &fragments {
            let seed =
                Umbral.open(&self.receiving, &parties.delegating, capsule, fragments).during("opening a capsule")?;
            seeds.push(seed);
        }
        Ok(Bought { order: id, seeds, events })
    }

    /// Confirms the delivery: the escrow pays the seller.
    pub(crate) async fn confirm(&self, bought: &mut Bought) -> Result<(), ShareError> {
        let command = Command::Event { order: bought.order, event: Event::Confirm };
        self.client.execute(EscrowKind::KIND, EscrowKind::payload(&command)).await.during("confirming the delivery")?;
        let state = read_order(self.client.view(), &bought.order).map(|order| order.state());
        if state != Some(State::Settled) {
            return Err(failed("confirming the delivery", &format!("the order is {state:?}")));
        }
        bought.events = self.events_of(&bought.order)?;
        Ok(())
    }

    async fn order_of(&self, transaction: &cpchain_consensus::ledger::TransactionId) -> Option<OrderId> {
        self.client
            .until(|view| {
                let page = view.events(Some(EscrowKind::KIND), Cursor::default(), usize::MAX).ok()?;
                let event = page.events.iter().find(|event| event.transaction == Some(*transaction))?;
                EscrowNotice::from_bytes(&event.data).map(|notice| notice.order)
            })
            .await
    }

    fn events_of(&self, id: &OrderId) -> Result<OrderEvents, ShareError> {
        let page = self.client.view().events(Some(EscrowKind::KIND), Cursor::default(), usize::MAX);
        let mut out = OrderEvents::default();
        for event in page.during("reading the order's events")?.events {
            let notice = EscrowNotice::from_bytes(&event.data).filter(|notice| notice.order == *id);
            let Some(notice) = notice else { continue };
            out.bytes += event.data.len() as u64;
            out.history.push((in_words(notice.command.as_ref()), event.height.0));
            match notice.command {
                Some(Command::Event { event: Event::Fragments(bundle), .. }) => out.posted.push(bundle),
                Some(Command::Event { event: Event::Grant { proxies, .. }, .. }) => out.grants = proxies,
                _ => {}
            }
        }
        Ok(out)
    }

    /// Decrypts the bought intervals of each upload into one table.
    pub(crate) fn open(&self, find: &Find, fetched: &Fetched, bought: &Bought) -> Result<Table, ShareError> {
        let codecs = CodecRegistry::default();
        let mut all: Option<Table> = None;
        for manifest in &find.manifests {
            if !manifest.body().intervals.iter().any(|entry| fetched.intervals.contains(&entry.interval.0)) {
                continue;
            }
            let object = fetched.objects.get(&manifest.hash()).during("looking for a fetched upload")?;
            let rows = read_object(manifest, fetched.intervals.clone(), object, &bought.seeds, &codecs);
            let rows = rows.during("decrypting what was bought")?;
            match &mut all {
                None => all = Some(rows),
                Some(all) => all.append(&rows).during("joining what was bought")?,
            }
        }
        all.during("decrypting what was bought")
    }

    /// Does an interval that was not bought stay closed, also when all proxies collude with the buyer? Its sealed blocks are tried
    /// with each bought key, and its published capsule with every key fragment of the order. The same attempt on what was
    /// bought must succeed, else it would show nothing.
    pub(crate) async fn unbought_stays_closed(
        &self,
        find: &Find,
        fetched: &Fetched,
        bought: &Bought,
        colluders: &[SigningKey],
    ) -> Result<bool, ShareError> {
        let interval = fetched.unbought.during("looking for an interval that was not bought")?;
        let holds = |manifest: &&Manifest| manifest.body().intervals.iter().any(|entry| entry.interval.0 == interval);
        let manifest = find.manifests.iter().find(holds).during("looking for an interval that was not bought")?;
        let object = fetched.objects.get(&manifest.hash()).during("looking for a fetched upload")?;
        let read = read_object(manifest, interval..interval + 1, object, &bought.seeds, &CodecRegistry::default());

        let verified = manifest.verify(object).during("verifying an upload")?;
        let bought_key = |id: u32| bought.seeds.iter().find_map(|seed| seed.interval_key(IntervalId(id)));
        let keys: Vec<_> = fetched.intervals.clone().filter_map(bought_key).collect();
        let mut blocks = verified.blocks().iter().filter(|block| block.header().interval.0 == interval);
        let opened = blocks.any(|block| keys.iter().any(|key| block.open(key).is_ok()));

        let (owner, id) = (find.stream.owner().public_key(), IntervalId(interval));
        let record = self.storage.correspondence(owner, &find.stream.digest(), id).await;
        let record = record.during("looking for a capsule")?.during("looking for a capsule")?;
        let published = Capsule::from_bytes(&record.capsule).during("reading a capsule")?;
        let order = read_order(self.client.view(), &bought.order).during("reading the order")?;
        let node = order.nodes().first().during("reading the order")?;
        let sold = Capsule::from_bytes(&node.capsule).during("reading a capsule")?;
        let collude = |capsule| collusion::opens(&order, &bought.events.grants, colluders, &self.receiving, capsule);
        let recovered = [&published, &sold].map(collude);
        Ok(read.is_err() && !opened && recovered == [false, true] && !keys.is_empty())
    }

    /// What the buyer has left.
    pub(crate) fn balance(&self) -> Amount {
        Amount(self.client.view().balance(&self.client.public_key()).0)
    }
}

/// The verified fragments of each granted node.
#[allow(clippy::type_complexity)]
fn verify_fragments(
    order: &Order,
    posted: &[Vec<Vec<u8>>],
) -> Result<Vec<(Capsule, Parties, Vec<Verified<Umbral, CapsuleFragment>>)>, ShareError> {
    let mut out = Vec::new();
    for (place, node) in order.nodes().iter().enumerate() {
        let keys = order.keys_of(node);
        let public = |bytes| PrePublicKey::from_bytes(bytes).during("reading a key of the order");
        let parties = Parties {
            delegating: public(keys.delegating)?,
            receiving: public(keys.receiving)?,
            verifying: public(keys.verifying)?,
        };
        let capsule = Capsule::from_bytes(&node.capsule).during("reading a capsule")?;
        let mut verified = Vec::new();
        for bundle in posted {
            let fragment = bundle.get(place).during("reading a fragment")?;
            let fragment = CapsuleFragment::from_bytes(fragment).during("reading a fragment")?;
            let fragment =
                Umbral.verify_capsule_fragment(fragment, &capsule, &parties).during("verifying a fragment")?;
            verified.push(fragment);
        }
        out.push((capsule, parties, verified));
    }
    Ok(out)
}

fn in_words(command: Option<&Command>) -> String {
    let words = match command {
        None => "a deadline passed",
        Some(Command::Offer(_)) => "the buyer offers; price, fees and bond are locked",
        Some(Command::Event { event, .. }) => match event {
            Event::Cancel => "the buyer takes the offer back",
            Event::Accept { .. } => "the seller accepts; the chain draws the proxies",
            Event::Grant { .. } => "the seller grants: capsules and sealed key fragments",
            Event::Fragments(_) => "a proxy posts verified capsule fragments",
            Event::BadGrant { .. } => "a proxy proves a bad grant",
            Event::Confirm => "the buyer confirms; the seller is paid",
            Event::Complain(_) => "the buyer complains",
        },
        Some(Command::OfferStream(_) | Command::Stream { .. }) => "an interval of a stream order",
    };
    words.to_owned()
}

fn failed(doing: &'static str, why: &str) -> ShareError {
    ShareError::Failed { doing, why: why.to_owned() }
}

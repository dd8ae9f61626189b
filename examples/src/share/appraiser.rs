//! What a buyer's side can say about a stream from public sources alone: vouchers of the chain, manifests and sealed objects of the DHT.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cpchain_consensus::ledger::LedgerView;
use cpchain_crypto::{Digest, PublicKey};
use cpchain_market::listing::Listing;
use cpchain_otp::uri::{OtpUri, Owner, Target};
use cpchain_storage::{Manifest, StreamId, Voucher, client::StorageClient, network::NodeHandle};

use super::{
    error::{During, ShareError},
    source::INTERVALS_PER_UPLOAD,
    trade::{combined_root, leaves},
};
use crate::adapters::chain::VoucherModule;

/// Most intervals that are appraised at once: a grant for more nodes than their cover has would not fit a transaction.
pub const MAX_INTERVALS: u32 = 512;
/// How long the storage network may take for one question.
const PATIENCE: Duration = Duration::from_secs(20);
/// Uploads whose leaves are kept.
const KEPT: usize = 256;

/// Reads streams for those who think of buying. Trusts nothing but the chain that it was given.
pub struct Appraiser {
    storage: StorageClient<NodeHandle>,
    chain: LedgerView,
    leaves: Mutex<HashMap<Digest, Arc<Vec<Digest>>>>,
}

/// What an order over some intervals names, see [`Terms`](cpchain_market::escrow::Terms).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goods {
    /// Of the uploads that hold the intervals.
    pub manifest: Digest,
    /// Over all their leaves, in order.
    pub leaf_root: Digest,
    /// Leaves under that root.
    pub leaf_count: u64,
}

/// Who holds how many shards of an upload's object.
pub type Holders = BTreeMap<[u8; 32], u32>;

impl Appraiser {
    /// Reads the storage network through `storage` and vouchers from `chain`.
    pub fn new(storage: StorageClient<NodeHandle>, chain: LedgerView) -> Self {
        Self { storage, chain, leaves: Mutex::default() }
    }

    /// The stream that a listing sells, if its URI names the one of its digest.
    pub fn stream_of(listing: &Listing) -> Option<StreamId> {
        let uri: OtpUri = listing.uri.parse().ok()?;
        let (Owner::Did(owner), Target::Name(name)) = (&uri.owner, &uri.target) else { return None };
        let stream = StreamId::new(*owner, name.clone()).ok()?;
        (stream.digest() == listing.stream).then_some(stream)
    }

    /// The voucher of an upload, as the chain has it.
    pub fn voucher(chain: &LedgerView, stream: &Digest, upload: u64) -> Option<Voucher> {
        Voucher::decode(chain.get(VoucherModule::KIND, &VoucherModule::key(stream, upload))?).ok()
    }

    /// The manifest of an upload, checked against its voucher; `None` if the storage network does not have it.
    ///
    /// # Errors
    /// [`ShareError::Failed`], also for a manifest that is not the one vouched for.
    pub async fn manifest(&self, stream: &StreamId, voucher: &Voucher) -> Result<Option<Manifest>, ShareError> {
        let asked = self.storage.manifest(stream, voucher.body().upload);
        let asked = tokio::time::timeout(PATIENCE, asked).await.during("looking for a manifest")?;
        let Some(manifest) = asked.during("looking for a manifest")? else { return Ok(None) };
        voucher.matches(&manifest).during("checking a manifest against its voucher")?;
        Ok(Some(manifest))
    }

    /// Who holds the shards of an upload, as its owner published it.
    ///
    /// # Errors
    /// [`ShareError::Failed`].
    pub async fn holders(&self, manifest: &Manifest) -> Result<Holders, ShareError> {
        let owner = manifest.body().stream.owner().public_key();
        let asked = self.storage.holders(owner, &manifest.body().object);
        let pages = tokio::time::timeout(PATIENCE, asked).await.during("looking for holders")?;
        let mut out = Holders::new();
        let pages = pages.during("looking for holders")?;
        for PublicKey(key) in pages.iter().flat_map(|page| page.chunks.iter().flatten().flatten()) {
            *out.entry(*key).or_default() += 1;
        }
        Ok(out)
    }

    /// Fetches and verifies the sealed objects of some intervals, and says what an order over them names.
    ///
    /// # Errors
    /// [`ShareError::Input`] for a range that is empty or over [`MAX_INTERVALS`]; [`ShareError::Failed`].
    pub async fn appraise(&self, stream: &StreamId, intervals: &Range<u32>) -> Result<Goods, ShareError> {
        if intervals.is_empty() || intervals.end - intervals.start > MAX_INTERVALS {
            return Err(ShareError::Input(format!("ask for 1 to {MAX_INTERVALS} intervals")));
        }
        let mut known = HashMap::new();
        for upload in intervals.start / INTERVALS_PER_UPLOAD..=(intervals.end - 1) / INTERVALS_PER_UPLOAD {
            let voucher = Self::voucher(&self.chain, &stream.digest(), upload.into());
            let voucher = voucher
                .ok_or_else(|| ShareError::Input("the stream has not so many intervals that are vouched for".into()))?;
            let hash = voucher.body().manifest;
            let leaves = match self.kept(&hash) {
                Some(leaves) => leaves,
                None => self.read(stream, &voucher).await?,
            };
            known.insert(hash, leaves.as_ref().clone());
        }
        let (manifest, leaf_root, leaf_count) = combined_root(&self.chain, stream, intervals, &known)?;
        Ok(Goods { manifest, leaf_root, leaf_count })
    }

    fn kept(&self, manifest: &Digest) -> Option<Arc<Vec<Digest>>> {
        self.leaves.lock().unwrap_or_else(PoisonError::into_inner).get(manifest).cloned()
    }

    async fn read(&self, stream: &StreamId, voucher: &Voucher) -> Result<Arc<Vec<Digest>>, ShareError> {
        let manifest = self.manifest(stream, voucher).await?.during("looking for a manifest")?;
        let object = self.storage.get_object(stream.owner().public_key(), &manifest.body().object);
        let object = tokio::time::timeout(PATIENCE, object).await.during("fetching an upload")?;
        let object = object.during("fetching an upload")?;
        let work = tokio::task::spawn_blocking(move || {
            let verified = manifest.verify(&object).during("verifying an upload")?;
            Ok::<_, ShareError>((manifest.hash(), Arc::new(leaves(&verified))))
        });
        let (hash, leaves) = work.await.during("verifying an upload")??;
        let mut kept = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(hash, leaves.clone());
        Ok(leaves)
    }
}

//! A proxy's source of objects: the DHT, by labels, names and vouchers on the chain.

use std::collections::HashMap;

use async_trait::async_trait;
use cpchain_consensus::ledger::LedgerView;
use cpchain_crypto::{Digest, PublicKey};
use cpchain_otp::{
    Signed,
    backend::BackendError,
    host::{ByteSource, ObjectSource, byte_source},
    records::{Label, Registration},
};
use cpchain_storage::{
    ObjectRef, StreamId, Voucher,
    client::StorageClient,
    network::{ChunkTransport, Dht},
};
use tokio::sync::Mutex;

use super::chain::{LabelModule, RegistrationModule, VoucherModule};

/// Names of an owner that are looked at.
const NAMES: usize = 1000;

/// Gets objects out of the DHT that their owner has labelled on the chain. A manifest counts only with its voucher there.
pub struct DhtObjects<N> {
    storage: StorageClient<N>,
    chain: LedgerView,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    objects: HashMap<Digest, (PublicKey, ObjectRef)>,
    uploads: HashMap<Digest, u64>,
}

impl<N: Dht + ChunkTransport + Clone> DhtObjects<N> {
    /// Serves what the chain names.
    pub fn new(storage: StorageClient<N>, chain: LedgerView) -> Self {
        Self { storage, chain, known: Mutex::default() }
    }

    /// The stream that an object is labelled as a part of, if its owner registered the stream's name.
    fn stream_of(&self, root: &Digest) -> Option<StreamId> {
        let label = Signed::<Label>::from_bytes(&self.chain.get(LabelModule::KIND, &LabelModule::key(root))?).ok()?;
        let names = self.chain.scan(RegistrationModule::KIND, &label.owner.0, None, NAMES);
        let streams = names.iter().filter_map(|(_, record)| {
            let record = Signed::<Registration>::from_bytes(record).ok()?;
            StreamId::new(record.owner.into(), record.name.clone()).ok()
        });
        streams.into_iter().find(|stream| stream.digest() == label.stream)
    }

    async fn locate(&self, root: &Digest) -> Result<Option<(PublicKey, ObjectRef)>, BackendError> {
        let mut known = self.known.lock().await;
        if let Some(found) = known.objects.get(root) {
            return Ok(Some(found.clone()));
        }
        let Some(stream) = self.stream_of(root) else { return Ok(None) };
        let mut upload = known.uploads.get(&stream.digest()).copied().unwrap_or_default();
        while let Some(voucher) = self.chain.get(VoucherModule::KIND, &VoucherModule::key(&stream.digest(), upload)) {
            let voucher = Voucher::decode(voucher).map_err(|error| transient(&error))?;
            let manifest = self.storage.manifest(&stream, upload).await.map_err(|error| transient(&error))?;
            let Some(manifest) = manifest else { break };
            voucher.matches(&manifest).map_err(|error| transient(&error))?;
            let object = manifest.body().object.clone();
            known.objects.insert(object.root, (stream.owner().public_key(), object));
            upload += 1;
        }
        known.uploads.insert(stream.digest(), upload);
        Ok(known.objects.get(root).cloned())
    }
}

#[async_trait]
impl<N: Dht + ChunkTransport + Clone + Send + Sync + 'static> ObjectSource for DhtObjects<N> {
    async fn fetch(&self, root: &Digest) -> Result<Option<ByteSource>, BackendError> {
        let Some((owner, object)) = self.locate(root).await? else { return Ok(None) };
        let bytes = self.storage.get_object(owner, &object).await.map_err(|error| transient(&error))?;
        Ok(Some(byte_source(bytes)))
    }
}

fn transient(error: &dyn std::fmt::Display) -> BackendError {
    BackendError::Transient(error.to_string())
}

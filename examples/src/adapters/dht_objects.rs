//! A proxy's source of objects: the DHT, by the manifests of the streams that the proxy serves.

use std::collections::HashMap;

use async_trait::async_trait;
use cpchain_consensus::ledger::LedgerView;
use cpchain_crypto::{Digest, PublicKey};
use cpchain_otp::{
    backend::BackendError,
    host::{ByteSource, ObjectSource, byte_source},
};
use cpchain_storage::{
    ObjectRef, StreamId, Voucher,
    client::StorageClient,
    network::{ChunkTransport, Dht},
};
use tokio::sync::Mutex;

use super::chain::VoucherModule;

/// Gets objects of some streams out of the DHT. A manifest counts only with its voucher on the chain.
pub struct DhtObjects<N> {
    storage: StorageClient<N>,
    chain: LedgerView,
    streams: Vec<StreamId>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    objects: HashMap<Digest, (PublicKey, ObjectRef)>,
    uploads: HashMap<Digest, u64>,
}

impl<N: Dht + ChunkTransport + Clone> DhtObjects<N> {
    /// Serves these streams.
    pub fn new(storage: StorageClient<N>, chain: LedgerView, streams: Vec<StreamId>) -> Self {
        Self { storage, chain, streams, known: Mutex::default() }
    }

    async fn locate(&self, root: &Digest) -> Result<Option<(PublicKey, ObjectRef)>, BackendError> {
        let mut known = self.known.lock().await;
        for stream in &self.streams {
            if known.objects.contains_key(root) {
                break;
            }
            let mut upload = known.uploads.get(&stream.digest()).copied().unwrap_or_default();
            while let Some(voucher) = self.chain.get(VoucherModule::KIND, &VoucherModule::key(&stream.digest(), upload))
            {
                let voucher = Voucher::decode(voucher).map_err(|error| transient(&error))?;
                let manifest = self.storage.manifest(stream, upload).await.map_err(|error| transient(&error))?;
                let Some(manifest) = manifest else { break };
                voucher.matches(&manifest).map_err(|error| transient(&error))?;
                let object = manifest.body().object.clone();
                known.objects.insert(object.root, (stream.owner().public_key(), object));
                upload += 1;
            }
            known.uploads.insert(stream.digest(), upload);
        }
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

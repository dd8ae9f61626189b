//! Publishing and finding what belongs to an upload: its manifest and the correspondence of its intervals.

use cpchain_crypto::{Digest, Domain, PublicKey, Signer, key_tree::IntervalId};

use super::{ClientError, StorageClient};
use crate::{
    chunk::Lease,
    manifest::{Manifest, ManifestHead},
    network::{ChunkTransport, Correspondence, Dht, MAX_RECORD_LIFE_MS, RecordKey, RecordKind, SignedRecord, now_ms},
    stream::StreamId,
};

const HEAD_NAME: Domain = Domain::new("cpchain/storage/manifest-name/v1");

/// Where the head of an upload's manifest lies.
fn head_key(owner: PublicKey, stream: &Digest, upload: u64) -> RecordKey {
    let name = Digest::of(HEAD_NAME, &[stream.as_bytes(), &upload.to_le_bytes()]);
    RecordKey::new(RecordKind::ManifestHead, owner, name.as_bytes())
}

/// The end of a lease, or of the longest record life if that comes first.
fn record_expiry(lease: Lease) -> u64 {
    lease.0.min(now_ms().saturating_add(MAX_RECORD_LIFE_MS))
}

impl<D: Dht, T: ChunkTransport> StorageClient<D, T> {
    /// Publishes the manifest of an upload under its stream and number: in a record, or as an object if it is too long for one.
    ///
    /// Publishing again renews it.
    ///
    /// # Errors
    /// [`ClientError::Dht`]; for a long manifest as [`put_object`](Self::put_object).
    pub async fn publish_manifest(
        &self,
        owner: &dyn Signer,
        manifest: &Manifest,
        lease: Lease,
    ) -> Result<(), ClientError> {
        let (head, _) = ManifestHead::of(manifest)?;
        if let ManifestHead::Stored { object, .. } = &head {
            self.put_object(owner, manifest.bytes().clone(), object.params, lease).await?;
        }
        let stream = &manifest.body().stream;
        let key = head_key(stream.owner().public_key(), &stream.digest(), manifest.body().upload);
        let record = SignedRecord::sign(owner, key.kind, &key.name, now_ms(), record_expiry(lease), head.encode())?;
        self.put_record(&record).await?;
        Ok(())
    }

    /// The verified manifest of an upload; `None` if nobody knows one.
    ///
    /// # Errors
    /// [`ClientError::Manifest`] if the owner published something else under this name; for a long manifest as
    /// [`get_object`](Self::get_object).
    pub async fn manifest(&self, stream: &StreamId, upload: u64) -> Result<Option<Manifest>, ClientError> {
        self.manifest_at(stream.owner().public_key(), &stream.digest(), upload).await
    }

    /// [`manifest`](Self::manifest) for those who know the digest of a stream, not its name.
    pub(super) async fn manifest_at(
        &self,
        owner: PublicKey,
        stream: &Digest,
        upload: u64,
    ) -> Result<Option<Manifest>, ClientError> {
        let Some(record) = self.get_record(&head_key(owner, stream, upload)).await? else { return Ok(None) };
        let head = ManifestHead::decode(record.body())?;
        let stored = match &head {
            ManifestHead::Inline(_) => bytes::Bytes::new(),
            ManifestHead::Stored { object, .. } => self.get_object(owner, object).await?,
        };
        let manifest = head.resolve(stored)?;
        if manifest.body().stream.digest() != *stream || manifest.body().upload != upload {
            return Err(crate::manifest::ManifestError::Inconsistent("it is of another upload than its name").into());
        }
        Ok(Some(manifest))
    }

    /// Publishes which blocks an interval holds and what opens it. Publishing again renews it.
    ///
    /// # Errors
    /// [`ClientError::Dht`].
    pub async fn publish_correspondence(
        &self,
        owner: &dyn Signer,
        correspondence: &Correspondence,
        lease: Lease,
    ) -> Result<(), ClientError> {
        let record = correspondence.sign(owner, now_ms(), record_expiry(lease))?;
        self.put_record(&record).await?;
        Ok(())
    }

    /// The verified correspondence of an interval; `None` if nobody knows one.
    ///
    /// # Errors
    /// [`ClientError::Dht`].
    pub async fn correspondence(
        &self,
        owner: PublicKey,
        stream: &Digest,
        interval: IntervalId,
    ) -> Result<Option<Correspondence>, ClientError> {
        let record = self.get_record(&Correspondence::key(owner, stream, interval)).await?;
        Ok(record.map(|record| Correspondence::from_record(&record)).transpose()?)
    }
}

//! Vouchers: what goes on the chain for an upload (white paper 2.2.1: the hash is the proof of integrity and the id).
//!
//! A voucher is signed by the stream's owner and names the one before, so the vouchers of a stream form a chain. It carries the
//! leaf root too: the chain judges a bad leaf from the voucher alone, without the manifest.
//!
//! Rules and the tests that hold them (`tests/voucher.rs`): a [`Voucher`] exists only with a good signature
//! (`no_change_of_a_voucher_decodes`); a missing, swapped or repeated one is found (`vouchers_form_a_chain`).

use bytes::Bytes;
use cpchain_crypto::{Did, Digest, Domain, PublicKey, Signature, SignatureError, Signer, signing_digest};
use prost::Message as _;

use crate::{manifest::Manifest, wire};

const VOUCHER: Domain = Domain::new("cpchain/storage/voucher/v1");
const VERSION: u32 = 1;
/// Bytes of the longest signed voucher.
pub const MAX_VOUCHER_LEN: usize = 512;

/// Who may fetch the **ciphertext** of an upload. Nobody reads it without a grant of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccessRights {
    /// Anyone: a buyer checks the ciphertext before it offers.
    PublicCiphertext,
    /// Those whom the owner granted it.
    GrantOnly,
}

/// Why a voucher is not one, or does not fit where it was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VoucherError {
    /// Not a message of this kind, or too long.
    #[error("not a voucher: the bytes do not decode")]
    Encoding,
    /// A version or an access right that this build does not know.
    #[error("the voucher is of a version that this build does not know")]
    Version,
    /// The owner did not sign it.
    #[error("the voucher is not signed by the owner that it names: {0}")]
    Signature(#[from] SignatureError),
    /// The signer does not own the stream.
    #[error("only the owner of the stream signs its vouchers")]
    NotOwner,
    /// Not the voucher of this manifest.
    #[error("the voucher is not of this manifest: {0}")]
    Manifest(&'static str),
    /// Not the successor of the voucher that it was compared with.
    #[error("the voucher does not follow the one before: {0}")]
    Chain(&'static str),
}

/// The contents of a voucher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoucherBody {
    /// Owner of the stream.
    pub owner: Did,
    /// [`StreamId::digest`](crate::StreamId::digest) of the stream.
    pub stream: Digest,
    /// Number of the upload.
    pub upload: u64,
    /// Hash of the manifest.
    pub manifest: Digest,
    /// Merkle root over the hashes of the sealed blocks.
    pub block_root: Digest,
    /// Merkle root over the leaves: disputes are judged by it.
    pub leaf_root: Digest,
    /// Leaves under that root.
    pub leaf_count: u32,
    /// Hash of the previous voucher, [`Digest::ZERO`] for upload 0.
    pub previous: Digest,
    /// Who may fetch the ciphertext.
    pub access: AccessRights,
}

/// A voucher whose signature has been checked. Keeps its bytes as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voucher {
    body: VoucherBody,
    bytes: Bytes,
    hash: Digest,
}

impl Voucher {
    /// Signs the voucher of `manifest`; `previous` is the hash of the voucher before, [`Digest::ZERO`] for upload 0.
    ///
    /// # Errors
    /// [`VoucherError::NotOwner`], [`VoucherError::Chain`].
    pub fn sign(
        manifest: &Manifest,
        previous: Digest,
        access: AccessRights,
        signer: &dyn Signer,
    ) -> Result<Self, VoucherError> {
        let of = manifest.body();
        let body = VoucherBody {
            owner: of.stream.owner(),
            stream: of.stream.digest(),
            upload: of.upload,
            manifest: manifest.hash(),
            block_root: manifest.block_root(),
            leaf_root: of.leaf_root,
            leaf_count: of.leaf_count,
            previous,
            access,
        };
        if Did::from(signer.public_key()) != body.owner {
            return Err(VoucherError::NotOwner);
        }
        body.check()?;
        let encoded = wire::VoucherBody::from(&body).encode_to_vec();
        let signature = signer.sign(VOUCHER, &encoded).0.to_vec();
        let hash = signing_digest(VOUCHER, &encoded);
        Ok(Self { body, bytes: wire::Signed { body: encoded, signature }.encode_to_vec().into(), hash })
    }

    /// Reads a voucher and checks its signature.
    ///
    /// # Errors
    /// [`VoucherError`] for anything that its owner did not sign.
    pub fn decode(bytes: impl Into<Bytes>) -> Result<Self, VoucherError> {
        let bytes = bytes.into();
        if bytes.len() > MAX_VOUCHER_LEN {
            return Err(VoucherError::Encoding);
        }
        let signed = wire::Signed::decode(bytes.clone()).map_err(|_| VoucherError::Encoding)?;
        let signature = Signature::from_slice(&signed.signature).ok_or(VoucherError::Encoding)?;
        let wire = wire::VoucherBody::decode(signed.body.as_slice()).map_err(|_| VoucherError::Encoding)?;
        let owner = PublicKey::from_slice(&wire.owner).ok_or(VoucherError::Encoding)?;
        owner.verify(VOUCHER, &signed.body, &signature)?;
        let body = VoucherBody::try_from(wire)?;
        body.check()?;
        Ok(Self { body, hash: signing_digest(VOUCHER, &signed.body), bytes })
    }

    /// The signed bytes, at most [`MAX_VOUCHER_LEN`].
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The hash that the next voucher names: of the signed body.
    pub const fn hash(&self) -> Digest {
        self.hash
    }

    /// The contents.
    pub const fn body(&self) -> &VoucherBody {
        &self.body
    }

    /// Is this the voucher of `manifest`?
    ///
    /// # Errors
    /// [`VoucherError::Manifest`] says what differs.
    pub fn matches(&self, manifest: &Manifest) -> Result<(), VoucherError> {
        let (this, of) = (&self.body, manifest.body());
        let wrong = if this.owner != of.stream.owner() || this.stream != of.stream.digest() {
            "another stream"
        } else if this.upload != of.upload {
            "another upload"
        } else if this.manifest != manifest.hash() {
            "another manifest hash"
        } else if this.block_root != manifest.block_root() {
            "another root over its blocks"
        } else if (this.leaf_root, this.leaf_count) != (of.leaf_root, of.leaf_count) {
            "another root over its leaves"
        } else {
            return Ok(());
        };
        Err(VoucherError::Manifest(wrong))
    }

    /// Is this the voucher right after `previous` (`None`: the first of its stream)?
    ///
    /// # Errors
    /// [`VoucherError::Chain`] says what does not fit.
    pub fn follows(&self, previous: Option<&Self>) -> Result<(), VoucherError> {
        let this = &self.body;
        let wrong = match previous {
            None if this.upload == 0 => return Ok(()),
            None => "it is not the first of its stream",
            Some(before) if this.owner != before.body.owner || this.stream != before.body.stream => "another stream",
            Some(before) if Some(this.upload) != before.body.upload.checked_add(1) => {
                "an upload is missing, swapped or repeated"
            }
            Some(before) if this.previous != before.hash => "it names another predecessor",
            Some(_) => return Ok(()),
        };
        Err(VoucherError::Chain(wrong))
    }
}

/// Checks that `vouchers` are a stream's from upload 0 on, each following the one before.
///
/// # Errors
/// [`VoucherError::Chain`] of the first that does not fit.
pub fn verify_chain<'a>(vouchers: impl IntoIterator<Item = &'a Voucher>) -> Result<(), VoucherError> {
    let mut last = None;
    for voucher in vouchers {
        voucher.follows(last)?;
        last = Some(voucher);
    }
    Ok(())
}

/// Brings vouchers to the chain. Implement it over a chain client.
pub trait VoucherSink: Send + Sync {
    /// What the chain client reports.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Submits a voucher and completes once it is final. Submitting the same voucher again (after a restart) succeeds
    /// without a second effect. Dropped before it completes, it may or may not have been submitted.
    fn submit(&self, voucher: &Voucher) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// The last final voucher of a stream, `None` before its first.
    fn latest(&self, stream: Digest) -> impl Future<Output = Result<Option<Voucher>, Self::Error>> + Send;
}

impl VoucherBody {
    fn check(&self) -> Result<(), VoucherError> {
        if (self.upload == 0) != (self.previous == Digest::ZERO) {
            return Err(VoucherError::Chain("upload 0 and only upload 0 has no predecessor"));
        }
        Ok(())
    }
}

impl AccessRights {
    const fn number(self) -> u32 {
        match self {
            Self::PublicCiphertext => 1,
            Self::GrantOnly => 2,
        }
    }
}

impl From<&VoucherBody> for wire::VoucherBody {
    fn from(body: &VoucherBody) -> Self {
        Self {
            version: VERSION,
            owner: body.owner.public_key().0.to_vec(),
            stream: body.stream.0.to_vec(),
            upload: body.upload,
            manifest: body.manifest.0.to_vec(),
            block_root: body.block_root.0.to_vec(),
            leaf_root: body.leaf_root.0.to_vec(),
            leaf_count: body.leaf_count,
            previous: body.previous.0.to_vec(),
            access: body.access.number(),
        }
    }
}

impl TryFrom<wire::VoucherBody> for VoucherBody {
    type Error = VoucherError;

    fn try_from(wire: wire::VoucherBody) -> Result<Self, VoucherError> {
        if wire.version != VERSION {
            return Err(VoucherError::Version);
        }
        let digest = |bytes: &[u8]| Digest::from_slice(bytes).ok_or(VoucherError::Encoding);
        let access = match wire.access {
            1 => AccessRights::PublicCiphertext,
            2 => AccessRights::GrantOnly,
            _ => return Err(VoucherError::Version),
        };
        Ok(Self {
            owner: PublicKey::from_slice(&wire.owner).ok_or(VoucherError::Encoding)?.into(),
            stream: digest(&wire.stream)?,
            upload: wire.upload,
            manifest: digest(&wire.manifest)?,
            block_root: digest(&wire.block_root)?,
            leaf_root: digest(&wire.leaf_root)?,
            leaf_count: wire.leaf_count,
            previous: digest(&wire.previous)?,
            access,
        })
    }
}

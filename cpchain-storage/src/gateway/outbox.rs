//! Uploads that are made and not yet delivered, one fsynced file each.
//!
//! A file is: length of manifest and of voucher as `u32`, the manifest, the voucher, the object. What is in it is
//! signed and hashed, so it is checked like anything that comes from outside.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bytes::{Buf as _, Bytes};

use super::{GatewayError, journal};
use crate::{durable::sync_dir, manifest::Manifest, voucher::Voucher};

/// One upload, ready for the network and the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The signed manifest.
    pub manifest: Manifest,
    /// The signed voucher.
    pub voucher: Voucher,
    /// The bytes that the manifest describes: code them with its parameters and store them.
    pub object: Bytes,
}

impl Upload {
    /// Its number in the stream.
    pub const fn number(&self) -> u64 {
        self.manifest.body().upload
    }

    fn to_bytes(&self) -> Vec<u8> {
        let (manifest, voucher) = (self.manifest.bytes(), self.voucher.bytes());
        let mut out = Vec::with_capacity(8 + manifest.len() + voucher.len() + self.object.len());
        out.extend((manifest.len() as u32).to_le_bytes());
        out.extend((voucher.len() as u32).to_le_bytes());
        [manifest, voucher, &self.object].into_iter().for_each(|part| out.extend_from_slice(part));
        out
    }

    fn from_bytes(mut bytes: Bytes) -> Option<Self> {
        let manifest = bytes.try_get_u32_le().ok()? as usize;
        let voucher = bytes.try_get_u32_le().ok()? as usize;
        if bytes.len() < manifest.checked_add(voucher)? {
            return None;
        }
        let manifest = Manifest::decode(bytes.split_to(manifest)).ok()?;
        let voucher = Voucher::decode(bytes.split_to(voucher)).ok()?;
        voucher.matches(&manifest).ok()?;
        manifest.verify(&bytes).ok()?;
        Some(Self { manifest, voucher, object: bytes })
    }
}

fn folder(dir: &Path) -> PathBuf {
    dir.join("outbox")
}

fn path(dir: &Path, upload: u64) -> PathBuf {
    folder(dir).join(format!("{upload:020}.upload"))
}

fn failed(doing: &'static str) -> impl FnOnce(std::io::Error) -> GatewayError {
    move |source| GatewayError::Io { doing, source }
}

pub(super) fn make(dir: &Path) -> Result<(), GatewayError> {
    fs::create_dir_all(folder(dir)).map_err(failed("making the outbox"))?;
    sync_dir(dir).map_err(failed("making the outbox"))
}

/// Puts an upload in; durable when this returns.
pub(super) fn put(dir: &Path, upload: &Upload) -> Result<(), GatewayError> {
    journal::replace(&folder(dir), &path(dir, upload.number()), &upload.to_bytes())
}

/// Takes an upload out again.
pub(super) fn remove(dir: &Path, upload: u64) -> Result<(), GatewayError> {
    match fs::remove_file(path(dir, upload)) {
        Ok(()) => sync_dir(&folder(dir)).map_err(failed("emptying the outbox")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(failed("emptying the outbox")(source)),
    }
}

/// Numbers of the uploads in it, ascending.
pub(super) fn list(dir: &Path) -> Result<Vec<u64>, GatewayError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder(dir)).map_err(failed("reading the outbox"))? {
        let name = entry.map_err(failed("reading the outbox"))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".upload")).and_then(|n| n.parse::<u64>().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

pub(super) fn get(dir: &Path, upload: u64) -> Result<Upload, GatewayError> {
    let bytes = fs::read(path(dir, upload)).map_err(failed("reading the outbox"))?;
    Upload::from_bytes(bytes.into()).ok_or(GatewayError::OutboxDamaged { upload })
}

//! Somebody with a key who joined a network: a node of its own that follows the chain, and a light node of the storage network.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use cpchain_crypto::{PublicKey, Signer, SigningKey};
use cpchain_otp::{
    Signed,
    records::{ProxyDescriptor, ProxyId},
};
use cpchain_storage::{
    client::StorageClient,
    network::{Dht, NodeHandle, RecordKey, RecordKind},
};
use zeroize::Zeroizing;

use super::network::NetworkFile;
use crate::{
    adapters::ChainClient,
    share::{ShareError, actors::Actors, chain::ChainNode, error::During, hosts},
};

/// Where a party keeps its node's log: a folder that stays, or one that is removed with it.
enum Folder {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

/// A key at work.
pub(super) struct Party {
    pub(super) client: ChainClient,
    pub(super) storage: StorageClient<NodeHandle>,
    /// Further secrets, all from the key.
    pub(super) actors: Actors,
    node: ChainNode,
    folder: Folder,
}

impl Party {
    /// Joins a network. `state` keeps what must outlive the program; without it nothing is kept.
    pub(super) async fn join(network: &NetworkFile, key: &Path, state: Option<&Path>) -> Result<Self, ShareError> {
        let seed = read_key(key)?;
        let key = SigningKey::from_seed(&seed);
        let actors = Actors::of(&seed);
        let folder = match state {
            Some(dir) => {
                std::fs::create_dir_all(dir).during("making the folder of --state")?;
                Folder::Kept(dir.to_owned())
            }
            None => Folder::Temporary(tempfile::tempdir().during("making a temporary folder")?),
        };
        let link = node_key(&seed);
        let founding = network.founding()?;
        let node = ChainNode::follow(&founding, &link, &network.nodes()?, folder.path()).await?;
        let storage = hosts::client(&network.hosts()?, &actors.secret("storage", 0)).await?;
        let client = ChainClient::new(key, node.node.clone(), node.view.clone());
        Ok(Self { client, storage, actors, node, folder })
    }

    pub(super) fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// The proxies that the DHT knows of those: id, key, address.
    pub(super) async fn proxies(&self, keys: &[PublicKey]) -> Result<Vec<(ProxyId, PublicKey, String)>, ShareError> {
        let mut found = Vec::new();
        for key in keys {
            let record = RecordKey::new(RecordKind::ProxyDescriptor, *key, Vec::new());
            let record = self.storage.dht().get_record(&record).await.during("looking for a proxy")?;
            let Some(record) = record else { continue };
            let descriptor = Signed::<ProxyDescriptor>::from_bytes(record.body()).during("reading a descriptor")?;
            let address = descriptor.addresses.first().during("reading a descriptor")?;
            found.push((ProxyId::from(*key), *key, address.clone()));
        }
        Ok(found)
    }

    /// Leaves the network.
    pub(super) async fn leave(self) {
        self.node.node.stop().await;
    }
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Kept(dir) => dir,
            Self::Temporary(dir) => dir.path(),
        }
    }
}

/// The key of the node that whoever has this key runs: the chain's nodes answer those that they expect.
pub(crate) fn node_key(seed: &[u8; 32]) -> SigningKey {
    Actors::of(seed).key("node", 0)
}

/// A key file: 64 hexadecimal digits, as `node keys new` writes it.
fn read_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, ShareError> {
    let wrong = |why: &dyn std::fmt::Display| ShareError::Input(format!("{}: {why}", path.display()));
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| wrong(&error))?);
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), seed.as_mut()).map_err(|error| wrong(&error))?;
    Ok(seed)
}

/// Writes a key file, for its owner alone.
///
/// # Errors
/// [`ShareError::Failed`], also if the file is there.
pub fn write_key(path: &Path, key: &SigningKey) -> Result<(), ShareError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let text = Zeroizing::new(hex::encode(key.to_seed()));
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).during("writing a key file")
}

/// What an account is called on a screen.
pub(super) fn short(key: &PublicKey) -> String {
    key.to_string().chars().take(8).collect()
}

impl Party {
    pub(super) fn account(&self) -> PublicKey {
        self.client.key().public_key()
    }
}

//! `network.json`: what somebody needs to know to follow a chain and reach its storage. It holds no secret, and nobody has to be believed:
//! who has another file is on another chain.

use std::{path::Path, time::Duration};

use cpchain_crypto::{PublicKey, vrf::VrfPublicKey};
use cpchain_market::escrow::Rules;
use cpchain_storage::network::NodeAddr;
use serde::{Deserialize, Serialize};

use crate::share::{
    ShareError,
    chain::{Chain, Tempo},
    error::During,
    founding::Founding,
    hosts::Hosts,
};

/// The file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkFile {
    /// Who votes: key and beacon key.
    validators: Vec<(String, String)>,
    candidates: Vec<String>,
    accounts: Vec<String>,
    /// Milliseconds: busy, idle, timeout.
    tempo_ms: [u64; 3],
    /// Blocks: to accept, to grant, for fragments, to dispute.
    escrow: [u64; 4],
    /// Nodes of the chain: key and address.
    nodes: Vec<(String, String)>,
    /// Hosts of the storage network.
    hosts: Vec<String>,
    /// Who serves ciphertext and re-encrypts.
    proxies: Vec<String>,
}

fn key(text: &str) -> Result<PublicKey, ShareError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).during("reading a key of network.json")?;
    Ok(PublicKey(bytes))
}

fn keys(texts: &[String]) -> Result<Vec<PublicKey>, ShareError> {
    texts.iter().map(|text| key(text)).collect()
}

impl NetworkFile {
    /// Of a running network.
    pub(crate) fn of(chain: &Chain, hosts: &Hosts, proxies: &[PublicKey]) -> Self {
        let texts = |keys: &[PublicKey]| keys.iter().map(ToString::to_string).collect();
        let Founding { validators, candidates, funded, tempo } = &chain.founding;
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let Rules { accept_blocks, grant_blocks, fragment_blocks, dispute_blocks } = tempo.rules;
        Self {
            validators: validators.iter().map(|(key, beacon)| (key.to_string(), hex::encode(beacon.0))).collect(),
            candidates: texts(candidates),
            accounts: texts(funded),
            tempo_ms: [tempo.busy, tempo.idle, tempo.timeout].map(ms),
            escrow: [accept_blocks, grant_blocks, fragment_blocks, dispute_blocks],
            nodes: chain.peers.iter().map(|(key, address)| (key.to_string(), address.clone())).collect(),
            hosts: hosts.addresses().iter().map(ToString::to_string).collect(),
            proxies: texts(proxies),
        }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`ShareError::Input`] if it is none.
    pub fn read(path: &Path) -> Result<Self, ShareError> {
        let wrong = |why: &dyn std::fmt::Display| ShareError::Input(format!("{}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        serde_json::from_str(&text).map_err(|error| wrong(&error))
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`ShareError::Failed`].
    pub fn write(&self, path: &Path) -> Result<(), ShareError> {
        let text = serde_json::to_string_pretty(self).during("writing network.json")?;
        std::fs::write(path, text + "\n").during("writing network.json")
    }

    pub(super) fn founding(&self) -> Result<Founding, ShareError> {
        let beacon = |(voter, beacon): &(String, String)| Ok((key(voter)?, VrfPublicKey(key(beacon)?.0)));
        let [busy, idle, timeout] = self.tempo_ms.map(Duration::from_millis);
        let [accept_blocks, grant_blocks, fragment_blocks, dispute_blocks] = self.escrow;
        let rules = Rules { accept_blocks, grant_blocks, fragment_blocks, dispute_blocks };
        Ok(Founding {
            validators: self.validators.iter().map(beacon).collect::<Result<_, ShareError>>()?,
            candidates: keys(&self.candidates)?,
            funded: keys(&self.accounts)?,
            tempo: Tempo { busy, idle, timeout, rules },
        })
    }

    pub(super) fn nodes(&self) -> Result<Vec<(PublicKey, String)>, ShareError> {
        self.nodes.iter().map(|(text, address)| Ok((key(text)?, address.clone()))).collect()
    }

    pub(super) fn hosts(&self) -> Result<Vec<NodeAddr>, ShareError> {
        self.hosts.iter().map(|text| text.parse().during("reading the address of a host")).collect()
    }

    pub(super) fn proxies(&self) -> Result<Vec<PublicKey>, ShareError> {
        keys(&self.proxies)
    }
}

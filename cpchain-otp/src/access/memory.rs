//! Registry and grants in memory: filled by an application that follows a chain, or by hand.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use cpchain_crypto::{Digest, PublicKey};

use super::{GrantSource, Registry};
use crate::{
    records::{Grant, Label, Registration, Revocations},
    signed::Signed,
};

/// Why a record was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The sequence number is not above the one that is known.
    #[error("a record with sequence {known} is known: use a higher one")]
    Stale {
        /// The number that is known.
        known: u64,
    },
    /// Somebody else labelled this object first.
    #[error("the object is labelled by another owner")]
    Taken,
}

/// Names and labels in memory.
#[derive(Debug, Default)]
pub struct MemoryRegistry(Mutex<Records>);

#[derive(Debug, Default)]
struct Records {
    names: HashMap<(PublicKey, String), Signed<Registration>>,
    labels: HashMap<Digest, Signed<Label>>,
}

impl MemoryRegistry {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a registration.
    ///
    /// # Errors
    /// [`RegistryError::Stale`] unless its sequence is higher than the known one's.
    pub fn register(&self, record: Signed<Registration>) -> Result<(), RegistryError> {
        let mut records = self.records();
        let key = (record.owner, record.name.clone());
        if let Some(known) = records.names.get(&key).map(|known| known.sequence)
            && record.sequence <= known
        {
            return Err(RegistryError::Stale { known });
        }
        records.names.insert(key, record);
        Ok(())
    }

    /// Takes a label, or a newer label of the same owner.
    ///
    /// # Errors
    /// [`RegistryError::Taken`] if another owner labelled the object before.
    pub fn label(&self, record: Signed<Label>) -> Result<(), RegistryError> {
        let mut records = self.records();
        if records.labels.get(&record.root).is_some_and(|known| known.owner != record.owner) {
            return Err(RegistryError::Taken);
        }
        records.labels.insert(record.root, record);
        Ok(())
    }
}

#[async_trait]
impl Registry for MemoryRegistry {
    async fn registration(&self, owner: &PublicKey, name: &str) -> Option<Signed<Registration>> {
        self.records().names.get(&(*owner, name.to_owned())).cloned()
    }

    async fn label(&self, root: &Digest) -> Option<Signed<Label>> {
        self.records().labels.get(root).cloned()
    }
}

/// Revocations, paid orders and the height in memory.
#[derive(Debug, Default)]
pub struct MemoryGrants(Mutex<Facts>);

#[derive(Debug, Default)]
struct Facts {
    revocations: HashMap<PublicKey, Signed<Revocations>>,
    paid: BTreeSet<Digest>,
    height: u64,
}

impl MemoryGrants {
    /// Nothing revoked, nothing paid, height 0.
    pub fn new() -> Self {
        Self::default()
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a revocation list.
    ///
    /// # Errors
    /// [`RegistryError::Stale`] unless its sequence is higher than the known one's.
    pub fn revoke(&self, list: Signed<Revocations>) -> Result<(), RegistryError> {
        let mut facts = self.facts();
        if let Some(known) = facts.revocations.get(&list.owner).map(|known| known.sequence)
            && list.sequence <= known
        {
            return Err(RegistryError::Stale { known });
        }
        facts.revocations.insert(list.owner, list);
        Ok(())
    }

    /// Notes that an order is paid.
    pub fn pay(&self, order: Digest) {
        self.facts().paid.insert(order);
    }

    /// Notes the height.
    pub fn set_height(&self, height: u64) {
        self.facts().height = height;
    }
}

#[async_trait]
impl GrantSource for MemoryGrants {
    async fn revocations(&self, owner: &PublicKey) -> Option<Signed<Revocations>> {
        self.facts().revocations.get(owner).cloned()
    }

    async fn is_paid(&self, grant: &Signed<Grant>) -> bool {
        grant.order.is_some_and(|order| self.facts().paid.contains(&order))
    }

    async fn height(&self) -> u64 {
        self.facts().height
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::{Signer as _, SigningKey};

    use super::*;

    #[test]
    fn stale_registrations_and_foreign_labels_are_refused() {
        let registry = MemoryRegistry::new();
        let keys = [1, 2].map(|seed| SigningKey::from_seed(&[seed; 32]));
        let registration = |sequence| {
            let record = Registration { owner: keys[0].public_key(), name: "a".into(), root: Digest::ZERO, sequence };
            Signed::sign(record, &keys[0]).unwrap()
        };
        registry.register(registration(2)).unwrap();
        assert_eq!(registry.register(registration(2)), Err(RegistryError::Stale { known: 2 }));
        registry.register(registration(3)).unwrap();
        let label = |key: &SigningKey, public| {
            let label =
                Label { owner: key.public_key(), root: Digest::ZERO, stream: Digest::ZERO, intervals: 0..1, public };
            Signed::sign(label, key).unwrap()
        };
        registry.label(label(&keys[0], false)).unwrap();
        assert_eq!(registry.label(label(&keys[1], true)), Err(RegistryError::Taken));
        registry.label(label(&keys[0], true)).unwrap();
    }
}

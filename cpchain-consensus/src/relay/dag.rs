//! Receipts in any order.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use cpchain_crypto::{Digest, PublicKey};

use super::{Carriage, Envelope, MAX_HOPS, MAX_KNOWN, Receipt, RelayError};
use crate::ids::ChainId;

/// Most receipts, and most envelopes, of one graph.
pub const MAX_RECEIPTS: usize = 65_536;

/// A graph of receipts of one chain. What it says is a function of the set of what it was given.
#[derive(Debug, Clone)]
pub struct Dag {
    chain: ChainId,
    envelopes: BTreeMap<Digest, Envelope>,
    receipts: BTreeMap<Digest, Receipt>,
    /// By envelope and giver.
    given: BTreeMap<(Digest, PublicKey), BTreeSet<Digest>>,
    /// How many receipts name each.
    named: BTreeMap<Digest, usize>,
}

impl Dag {
    /// Nothing yet.
    pub fn new(chain: ChainId) -> Self {
        let (envelopes, receipts) = (BTreeMap::new(), BTreeMap::new());
        Self { chain, envelopes, receipts, given: BTreeMap::new(), named: BTreeMap::new() }
    }

    /// Takes in an envelope that was [opened](Envelope::open). Gives `false` if it was there.
    ///
    /// # Errors
    /// [`RelayError::WrongChain`], [`RelayError::Full`].
    pub fn witness(&mut self, envelope: Envelope) -> Result<bool, RelayError> {
        if envelope.chain != self.chain {
            return Err(RelayError::WrongChain);
        }
        let id = envelope.id();
        if self.envelopes.contains_key(&id) {
            return Ok(false);
        }
        if self.envelopes.len() >= MAX_RECEIPTS {
            return Err(RelayError::Full);
        }
        self.envelopes.insert(id, envelope);
        Ok(true)
    }

    /// Takes in a receipt that was [opened](Receipt::open), whether what it names is here or not. Gives `false` if it was there.
    ///
    /// # Errors
    /// [`RelayError::Full`].
    pub fn insert(&mut self, receipt: Receipt) -> Result<bool, RelayError> {
        let id = receipt.id();
        if self.receipts.contains_key(&id) {
            return Ok(false);
        }
        if self.receipts.len() >= MAX_RECEIPTS {
            return Err(RelayError::Full);
        }
        for name in receipt.names() {
            *self.named.entry(name).or_default() += 1;
        }
        self.given.entry((receipt.envelope(), receipt.giver())).or_default().insert(id);
        self.receipts.insert(id, receipt);
        Ok(true)
    }

    /// How many receipts it holds.
    pub fn len(&self) -> usize {
        self.receipts.len()
    }

    /// Whether it holds no receipt.
    pub fn is_empty(&self) -> bool {
        self.receipts.is_empty()
    }

    /// Receipts that others name and that are not here: to be asked for.
    pub fn missing(&self) -> impl Iterator<Item = Digest> + '_ {
        self.named.keys().copied().filter(|id| !self.receipts.contains_key(id))
    }

    /// Receipts that no other names, at most [`MAX_KNOWN`]: what the next receipt should name, so that all hang together.
    pub fn heads(&self) -> Vec<Digest> {
        self.receipts.keys().copied().filter(|id| !self.named.contains_key(id)).take(MAX_KNOWN).collect()
    }

    /// Gateways that signed two receipts for one envelope, and that envelope.
    pub fn equivocations(&self) -> impl Iterator<Item = (PublicKey, Digest)> + '_ {
        self.given.iter().filter(|(_, ids)| ids.len() > 1).map(|((envelope, giver), _)| (*giver, *envelope))
    }

    /// The way that this envelope took, if it is whole and nobody on it signed twice.
    pub fn carriage(&self, envelope: &Digest) -> Option<Carriage> {
        let cover = self.envelopes.get(envelope)?;
        let only = |giver: PublicKey| {
            let ids = self.given.get(&(*envelope, giver)).filter(|ids| ids.len() == 1)?;
            self.receipts.get(ids.first()?)
        };
        let mut receipts = Vec::new();
        let mut next = only(cover.destination);
        while let Some(receipt) = next.filter(|_| receipts.len() <= MAX_HOPS) {
            receipts.push(receipt.clone());
            next = receipt.previous().and_then(|id| only(receipt.relay()).filter(|before| before.id() == id));
        }
        Carriage::new(cover.clone(), receipts).ok()
    }

    /// What each relay has earned by all ways that are whole.
    pub fn credits(&self) -> BTreeMap<PublicKey, u128> {
        let mut credits: BTreeMap<PublicKey, u128> = BTreeMap::new();
        for (relay, share) in self.envelopes.keys().filter_map(|id| self.carriage(id)).flat_map(|way| way.shares()) {
            let credit = credits.entry(relay).or_default();
            *credit = credit.saturating_add(share);
        }
        credits
    }

    /// Forgets an envelope that was settled, and its receipts.
    pub fn forget(&mut self, envelope: &Digest) {
        self.envelopes.remove(envelope);
        let gone: Vec<_> = self.given.keys().filter(|(of, _)| of == envelope).copied().collect();
        for id in gone.iter().filter_map(|key| self.given.remove(key)).flatten() {
            let Some(receipt) = self.receipts.remove(&id) else { continue };
            for name in receipt.names() {
                if let Some(count) = self.named.get_mut(&name) {
                    *count -= 1;
                    if *count == 0 {
                        self.named.remove(&name);
                    }
                }
            }
        }
    }
}

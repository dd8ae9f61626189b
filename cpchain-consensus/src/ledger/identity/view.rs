//! What a node can tell about identities.

use bytes::Bytes;
use cpchain_crypto::{
    Did, PublicKey,
    identity::{
        KeyRecord,
        delegation::{Act, Delegation, DelegationError, DeviceId, Parties, SignedWithdrawal},
    },
};

use super::{
    super::view::LedgerView,
    KeyStanding,
    module::{Identities, device_prefix, numbered, record_key},
};

/// A gateway that was granted a device: by whom, and under which number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    /// Whose device it is taken to be: whoever signed. Trust it only if you know the controller.
    pub controller: Did,
    /// Who may speak for it.
    pub gateway: Did,
    /// The number of the delegation.
    pub number: u64,
}

/// Reads identities from a ledger that has the module [`Identities`].
#[derive(Debug, Clone)]
pub struct IdentityView(LedgerView);

impl IdentityView {
    /// Over a ledger's view.
    pub const fn new(view: LedgerView) -> Self {
        Self(view)
    }

    /// Which key speaks for an identity after the last executed block.
    pub fn standing(&self, identity: Did) -> KeyStanding {
        let value = self.0.get(Identities::KIND, &KeyStanding::state_key(&identity));
        // The module alone writes there.
        KeyStanding::read(identity, value.as_deref()).unwrap_or(KeyStanding::first(identity))
    }

    /// A key record of an identity, from sequence 1 on: what [`KeyHistory`](cpchain_crypto::identity::KeyHistory) takes.
    pub fn record(&self, identity: &Did, sequence: u64) -> Option<KeyRecord> {
        KeyRecord::from_bytes(&self.0.get(Identities::KIND, &record_key(identity, sequence))?).ok()
    }

    /// Who was bound to a device, ended or not: at most `limit`, after a binding or from the first.
    pub fn bindings(&self, device: &DeviceId, after: Option<&Binding>, limit: usize) -> Vec<Binding> {
        let prefix = device_prefix(device);
        let after = after.map(|b| {
            let names = numbered(b'd', &b.controller, &b.gateway, b.number);
            [prefix.as_slice(), names.get(1..).unwrap_or_default()].concat()
        });
        let found = self.0.scan(Identities::KIND, &prefix, after.as_deref(), limit);
        found.iter().filter_map(|(key, _)| binding(key.get(prefix.len()..)?)).collect()
    }

    /// The bytes of a delegation: for [`Delegation::parse`].
    pub fn delegation(&self, binding: &Binding) -> Option<Bytes> {
        self.0.get(Identities::KIND, &numbered(b'g', &binding.controller, &binding.gateway, binding.number))
    }

    /// May the gateway do this at `at_ms`, as the ledger stands now?
    ///
    /// # Errors
    /// [`DelegationError`]; [`DelegationError::WrongParty`] also where there is no such delegation, or one of the two was revoked.
    pub fn authorises(&self, binding: &Binding, act: &Act, at_ms: u64) -> Result<(), DelegationError> {
        let bytes = self.delegation(binding).ok_or(DelegationError::WrongParty)?;
        let delegation = Delegation::parse(&bytes).map_err(|_| DelegationError::WrongParty)?;
        let speaker = |identity| self.standing(identity).speaker().map_err(|_| DelegationError::WrongParty);
        let (controller, gateway) = (speaker(binding.controller)?, speaker(binding.gateway)?);
        // All that name this number or a higher one end it, each from its own time on.
        let from = numbered(b'w', &binding.controller, &binding.gateway, binding.number);
        let prefix = from.get(..65).unwrap_or_default();
        let mut withdrawals: Vec<SignedWithdrawal> = Vec::new();
        let mut bytes: Vec<Bytes> = self.0.get(Identities::KIND, &from).into_iter().collect();
        let mut after = from.clone();
        loop {
            let page = self.0.scan(Identities::KIND, prefix, Some(&after), usize::MAX);
            let Some((last, _)) = page.last() else { break };
            after.clone_from(last);
            bytes.extend(page.into_iter().map(|(_, value)| value));
        }
        withdrawals.extend(bytes.iter().filter_map(|bytes| SignedWithdrawal::open(bytes, &controller).ok()));
        delegation.authorises(&Parties { controller, gateway, withdrawals: &withdrawals }, act, at_ms)
    }
}

fn binding(rest: &[u8]) -> Option<Binding> {
    let (controller, rest) = rest.split_at_checked(32)?;
    let (gateway, number) = rest.split_at_checked(32)?;
    let did = |bytes| PublicKey::from_slice(bytes).map(Did::from);
    Some(Binding {
        controller: did(controller)?,
        gateway: did(gateway)?,
        number: u64::from_be_bytes(number.try_into().ok()?),
    })
}

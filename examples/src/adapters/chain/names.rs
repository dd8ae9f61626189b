//! Names, labels and revocations of OTP on the chain.

use cpchain_consensus::ledger::{Call, Context, Module, ModuleError};
use cpchain_crypto::{Digest, PublicKey};
use cpchain_otp::{
    Record, Signed,
    records::{Label, Registration, Revocations},
};

use super::refuse;

/// Binds names of an owner to roots; the highest sequence number counts.
pub struct RegistrationModule;

/// Labels objects; the first owner to label a root keeps it, and may label it anew.
pub struct LabelModule;

/// Takes an owner's revocation lists; the highest sequence number counts.
pub struct RevocationModule;

impl RegistrationModule {
    /// The kind of its transactions.
    pub const KIND: &'static str = "otp.registration";

    /// The state key of a name.
    pub fn key(owner: &PublicKey, name: &str) -> Vec<u8> {
        [owner.0.as_slice(), name.as_bytes()].concat()
    }
}

impl LabelModule {
    /// The kind of its transactions.
    pub const KIND: &'static str = "otp.label";

    /// The state key of an object.
    pub fn key(root: &Digest) -> [u8; 32] {
        root.0
    }
}

impl RevocationModule {
    /// The kind of its transactions.
    pub const KIND: &'static str = "otp.revocation";

    /// The state key of an owner.
    pub fn key(owner: &PublicKey) -> [u8; 32] {
        owner.0
    }
}

/// Stores a signed record under `key` unless `keep` says that the present one stays.
fn replace<T: Record>(
    context: &mut Context<'_>,
    call: &Call<'_>,
    key: impl Fn(&T) -> Vec<u8>,
    keep: impl Fn(&T, &T) -> Option<&'static str>,
) -> Result<(), ModuleError> {
    let record = Signed::<T>::from_bytes(call.payload()).map_err(refuse)?;
    let key = key(&record);
    if let Some(present) = context.get(&key) {
        let present = Signed::<T>::from_bytes(&present).map_err(refuse)?;
        if let Some(reason) = keep(&present, &record) {
            return Err(ModuleError::refused(reason));
        }
    }
    context.put(&key, call.payload())
}

impl Module for RegistrationModule {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        let key = |record: &Registration| Self::key(&record.owner, &record.name);
        replace(context, call, key, |present, new| {
            (new.sequence <= present.sequence).then_some("the name has this sequence number or a higher one already")
        })
    }
}

impl Module for LabelModule {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        let key = |record: &Label| Self::key(&record.root).to_vec();
        replace(context, call, key, |present, new| {
            (new.owner != present.owner).then_some("the object is labelled by another owner")
        })
    }
}

impl Module for RevocationModule {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn execute(&self, context: &mut Context<'_>, call: &Call<'_>) -> Result<(), ModuleError> {
        let key = |record: &Revocations| Self::key(&record.owner).to_vec();
        replace(context, call, key, |present, new| {
            (new.sequence <= present.sequence).then_some("a list with this sequence number or a higher one is there")
        })
    }
}

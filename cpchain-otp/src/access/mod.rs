//! What a proxy believes, and how it decides who gets what.
//!
//! | question | answered by |
//! | --- | --- |
//! | what does this name mean, whose is this object, is it public | [`Registry`] |
//! | which grants are revoked, which are paid, how high is the chain | [`GrantSource`] |
//!
//! Rules, in this order; each has a test in `decide.rs`:
//! 1. An object without a label is served to nobody.
//! 2. A public object is served to everybody, any object to its owner.
//! 3. Everybody else shows a grant that [covers](crate::Signed::covers) the object for this caller at this proxy now.
//! 4. The head of a live stream is told to everybody if it says so, to its owner, and to whom a grant covers its intervals.
//! 5. A key fragment is held and used only under a re-encryption grant that names an order which is paid.

mod decide;
mod memory;

use async_trait::async_trait;
use cpchain_crypto::{Digest, PublicKey};

pub(crate) use decide::{Scene, may_follow, may_read, may_reencrypt};
pub use memory::{MemoryGrants, MemoryRegistry, RegistryError};

use crate::{
    records::{Grant, Label, Registration, Revocations},
    signed::Signed,
};

/// What the chain (or whoever the node trusts) says about names and objects.
#[async_trait]
pub trait Registry: Send + Sync {
    /// The newest registration of a name of this owner.
    async fn registration(&self, owner: &PublicKey, name: &str) -> Option<Signed<Registration>>;

    /// The label of an object. The first owner to label a root keeps it: whoever copies an object cannot take it over.
    async fn label(&self, root: &Digest) -> Option<Signed<Label>>;
}

/// What the chain says about grants.
#[async_trait]
pub trait GrantSource: Send + Sync {
    /// The newest revocation list of this owner.
    async fn revocations(&self, owner: &PublicKey) -> Option<Signed<Revocations>>;

    /// Is the order that this grant names paid, or locked to be paid?
    async fn is_paid(&self, grant: &Signed<Grant>) -> bool;

    /// The chain's height, as far as known.
    async fn height(&self) -> u64;
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970 UTC.
    fn now_ms(&self) -> u64;
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

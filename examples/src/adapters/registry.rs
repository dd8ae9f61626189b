//! What the chain says, as an OTP node asks for it.

use async_trait::async_trait;
use cpchain_consensus::ledger::LedgerView;
use cpchain_crypto::{Digest, PublicKey};
use cpchain_market::escrow::{OrderId, State};
use cpchain_otp::{
    Record, Signed,
    access::{GrantSource, Registry},
    records::{Grant, Label, Registration, Revocations},
};

use super::chain::{LabelModule, RegistrationModule, RevocationModule, read_order};

/// Names, labels, revocations and orders, read from a node's ledger.
#[derive(Debug, Clone)]
pub struct ChainRegistry(pub LedgerView);

impl ChainRegistry {
    fn read<T: Record>(&self, kind: &str, key: &[u8]) -> Option<Signed<T>> {
        Signed::from_bytes(&self.0.get(kind, key)?).ok()
    }
}

#[async_trait]
impl Registry for ChainRegistry {
    async fn registration(&self, owner: &PublicKey, name: &str) -> Option<Signed<Registration>> {
        self.read(RegistrationModule::KIND, &RegistrationModule::key(owner, name))
    }

    async fn label(&self, root: &Digest) -> Option<Signed<Label>> {
        self.read(LabelModule::KIND, &LabelModule::key(root))
    }
}

#[async_trait]
impl GrantSource for ChainRegistry {
    async fn revocations(&self, owner: &PublicKey) -> Option<Signed<Revocations>> {
        self.read(RevocationModule::KIND, &RevocationModule::key(owner))
    }

    async fn is_paid(&self, grant: &Signed<Grant>) -> bool {
        let order = grant.order.and_then(|order| read_order(&self.0, &OrderId(order)));
        order.is_some_and(|order| {
            let paid = matches!(order.state(), State::Granted | State::Delivered | State::Settled);
            paid && order.seller() == grant.owner && order.stream() == grant.stream
        })
    }

    async fn height(&self) -> u64 {
        self.0.height().0
    }
}

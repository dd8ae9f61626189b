//! Key fragments: held under a paid grant, used only for the grantee.

use bytes::Bytes;
use cpchain_crypto::{PublicKey, key_tree::TreeNode};

use super::{config::Reencryption, serve::Inner};
use crate::{
    access::{Scene, may_reencrypt},
    backend::put,
    records::Grant,
    signed::Signed,
    wire::{Refusal, RefusalCode},
};

/// Longest key fragment or capsule, in bytes.
const MAX_OPAQUE: usize = 8 * 1024;

impl Inner {
    /// Keeps a fragment for a node of the key tree.
    pub(super) async fn deposit(&self, grant: &Signed<Grant>, node: TreeNode, fragment: Bytes) -> Result<(), Refusal> {
        let fragments = self.reencryption()?.fragments.as_ref();
        bounded(&fragment)?;
        self.check(grant.grantee, grant, node).await?;
        put(fragments, &key(grant, node), fragment).await.map_err(internal)
    }

    /// Re-encrypts a capsule for the grantee.
    pub(super) async fn reencrypt(
        &self,
        caller: PublicKey,
        grant: &Signed<Grant>,
        node: TreeNode,
        capsule: Bytes,
    ) -> Result<Bytes, Refusal> {
        let Reencryption { reencryptor, fragments } = self.reencryption()?;
        bounded(&capsule)?;
        if caller != grant.grantee {
            return Err(Refusal::new(RefusalCode::NoGrant, "the grant is for another key"));
        }
        self.check(caller, grant, node).await?;
        let key = key(grant, node);
        let held = fragments.len(&key).await.map_err(internal)?.filter(|len| *len <= MAX_OPAQUE as u64);
        let none = || Refusal::new(RefusalCode::NotFound, "no key fragment is deposited for this node");
        let fragment = fragments.read(&key, 0..held.ok_or_else(none)?).await.map_err(internal)?;
        let reencryptor = reencryptor.clone();
        let work = tokio::task::spawn_blocking(move || reencryptor.reencrypt(&capsule, &fragment));
        let result = work.await.map_err(internal)?;
        result.map(Bytes::from).map_err(Refusal::malformed)
    }

    fn reencryption(&self) -> Result<&Reencryption, Refusal> {
        let none = || Refusal::new(RefusalCode::Unsupported, "this node does not re-encrypt");
        self.parts.reencryption.as_ref().ok_or_else(none)
    }

    async fn check(&self, caller: PublicKey, grant: &Signed<Grant>, node: TreeNode) -> Result<(), Refusal> {
        let scene: Scene = self.scene(caller).await;
        let revocations = self.parts.grants.revocations(&grant.owner).await;
        let paid = self.parts.grants.is_paid(grant).await;
        may_reencrypt(&scene, grant, node, revocations.as_ref(), paid)
    }
}

fn key(grant: &Signed<Grant>, node: TreeNode) -> String {
    format!("fragments/{}/{}-{}", grant.id(), node.depth(), node.index())
}

fn bounded(bytes: &Bytes) -> Result<(), Refusal> {
    if bytes.len() > MAX_OPAQUE {
        return Err(Refusal::new(RefusalCode::TooLarge, format!("at most {MAX_OPAQUE} bytes")));
    }
    Ok(())
}

pub(super) fn internal(error: impl std::fmt::Display) -> Refusal {
    tracing::warn!(%error, "a request failed");
    Refusal::new(RefusalCode::Internal, "the node failed: see its log")
}

//! Umbral as the market's judge and the proxies see it, and the bundles of key fragments that travel over the chain.

use cpchain_crypto::{
    Digest, Domain, Entropy, PublicKey, SigningKey,
    key_tree::TreeNode,
    pre::{
        Capsule, CapsuleFragment, KeyFragment, Parties, PreError, PrePublicKey, PreSecretKey, ProxyReEncryption, Umbral,
    },
    sealed_box::{self, Opening, SealedBoxError},
};
use cpchain_market::escrow::{
    FragmentError, FragmentId, FragmentKeys, FragmentVerifier, GrantedNode, Order, ProxyGrant, Recovered,
};

const BUNDLE: Domain = Domain::new("cpchain/examples/key-fragments/v2");
const BINDING: Domain = Domain::new("cpchain/examples/key-fragment-binding/v1");

/// The keys of one granted node, and the id of a proxy's fragment for it.
pub type GrantedFragment<'a> = (FragmentKeys<'a>, FragmentId);

/// Judges fragments and grants by Umbral.
#[derive(Debug, Clone, Copy, Default)]
pub struct UmbralJudge;

/// The bytes of a proxy's key fragments, one after another: what is sealed to it.
pub fn fragment_bundle<'a>(fragments: impl IntoIterator<Item = &'a KeyFragment>) -> Vec<u8> {
    fragments.into_iter().flat_map(|fragment| fragment.expose().iter().copied()).collect()
}

/// What a proxy's bundle of this order must hold: one fragment a node.
pub fn granted_fragments<'a>(order: &'a Order, grant: &ProxyGrant) -> Vec<GrantedFragment<'a>> {
    order.nodes().iter().map(|node| order.keys_of(node)).zip(grant.fragment_ids.iter().copied()).collect()
}

/// Seals a bundle to a proxy, bound to the keys and the public ids of its fragments: copied into another order it is no box, so
/// that its opening cannot be had by a complaint there.
///
/// # Errors
/// [`SealedBoxError`].
pub fn seal_bundle(
    proxy: &PublicKey,
    granted: &[GrantedFragment<'_>],
    bundle: &[u8],
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, SealedBoxError> {
    sealed_box::seal(proxy, BUNDLE, &binding(granted), bundle, entropy)
}

/// Opens a bundle as the proxy that it is for.
///
/// # Errors
/// [`SealedBoxError`]: the seller's grant is bad, and [`prove_bundle`] shows it.
pub fn open_bundle(
    proxy: &SigningKey,
    granted: &[GrantedFragment<'_>],
    sealed: &[u8],
) -> Result<Vec<KeyFragment>, SealedBoxError> {
    let bundle = sealed_box::open(proxy, BUNDLE, &binding(granted), sealed)?;
    split(&bundle, granted.len()).ok_or(SealedBoxError::Format)
}

/// Shows the judge what was sealed to a proxy.
///
/// # Errors
/// [`SealedBoxError::Format`]: it is no box for these fragments, and needs no opening to be proven bad.
pub fn prove_bundle(
    proxy: &SigningKey,
    granted: &[GrantedFragment<'_>],
    sealed: &[u8],
) -> Result<Opening, SealedBoxError> {
    sealed_box::prove(proxy, BUNDLE, &binding(granted), sealed)
}

fn binding(granted: &[GrantedFragment<'_>]) -> Vec<u8> {
    let bound = |(keys, id): &GrantedFragment<'_>| {
        Digest::of(BINDING, &[keys.delegating, keys.receiving, keys.verifying, &id.0.0]).0
    };
    granted.iter().flat_map(bound).collect()
}

/// Exactly `count` fragments, or nothing.
fn split(bundle: &[u8], count: usize) -> Option<Vec<KeyFragment>> {
    if count == 0 || bundle.is_empty() || !bundle.len().is_multiple_of(count) {
        return None;
    }
    bundle.chunks_exact(bundle.len() / count).map(|bytes| KeyFragment::from_bytes(bytes).ok()).collect()
}

fn parties(keys: &FragmentKeys<'_>) -> Result<Parties, PreError> {
    Ok(Parties {
        delegating: PrePublicKey::from_bytes(keys.delegating)?,
        receiving: PrePublicKey::from_bytes(keys.receiving)?,
        verifying: PrePublicKey::from_bytes(keys.verifying)?,
    })
}

impl FragmentVerifier for UmbralJudge {
    fn accepts(&self, stream: &Digest, granted: &GrantedNode, keys: &FragmentKeys<'_>) -> bool {
        let check = || -> Result<bool, PreError> {
            let parties = parties(keys)?;
            [&parties.delegating, &parties.receiving, &parties.verifying]
                .into_iter()
                .try_for_each(|key| Umbral.verify_public_key(key))?;
            let capsule = Capsule::from_bytes(&granted.capsule)?;
            Umbral.verify_capsule(&capsule)?;
            Ok(capsule.stream() == *stream && capsule.node() == Some(granted.node))
        };
        check().unwrap_or(false)
    }

    fn verify(&self, capsule: &[u8], fragment: &[u8], keys: &FragmentKeys<'_>) -> Result<FragmentId, FragmentError> {
        let format = |_| FragmentError::Format;
        let capsule = Capsule::from_bytes(capsule).map_err(format)?;
        let fragment = CapsuleFragment::from_bytes(fragment).map_err(format)?;
        let verified = Umbral
            .verify_capsule_fragment(fragment, &capsule, &parties(keys).map_err(format)?)
            .map_err(|_| FragmentError::Invalid)?;
        Ok(FragmentId(verified.get().key_fragment_id()))
    }

    fn proves_bad_grant(
        &self,
        proxy: &PublicKey,
        sealed: &[u8],
        proof: &[u8],
        nodes: &[(FragmentKeys<'_>, FragmentId)],
    ) -> bool {
        let binding = binding(nodes);
        if !sealed_box::is_well_formed(proxy, BUNDLE, &binding, sealed) {
            return true;
        }
        let Some(opening) = Opening::from_bytes(proof) else { return false };
        let bundle = match sealed_box::judge(proxy, BUNDLE, &binding, sealed, &opening) {
            Ok(Some(bundle)) => bundle,
            Ok(None) => return true,
            Err(_) => return false,
        };
        let Some(fragments) = split(&bundle, nodes.len()) else { return true };
        !fragments.into_iter().zip(nodes).all(|(fragment, (keys, id))| {
            fragment.id() == id.0
                && parties(keys).is_ok_and(|parties| Umbral.verify_key_fragment(fragment, &parties).is_ok())
        })
    }

    fn recover(
        &self,
        secret: &[u8],
        node: TreeNode,
        capsule: &[u8],
        fragments: &[&[u8]],
        keys: &FragmentKeys<'_>,
    ) -> Recovered {
        let Ok(secret) = PreSecretKey::from_bytes(secret) else { return Recovered::WrongSecret };
        let receiving = Umbral.public_key(&secret).ok();
        if receiving.is_none_or(|key| key.as_bytes() != keys.receiving) {
            return Recovered::WrongSecret;
        }
        let open = || -> Result<[u8; 32], PreError> {
            let capsule = Capsule::from_bytes(capsule)?;
            let parties = parties(keys)?;
            let verify =
                |bytes: &&[u8]| Umbral.verify_capsule_fragment(CapsuleFragment::from_bytes(bytes)?, &capsule, &parties);
            let verified = fragments.iter().map(verify).collect::<Result<Vec<_>, _>>()?;
            let seed = Umbral.open(&secret, &parties.delegating, &capsule, &verified)?;
            if seed.node() == node { Ok(*seed.expose()) } else { Err(PreError::Label) }
        };
        open().map_or(Recovered::DoesNotOpen, Recovered::Seed)
    }
}

//! What all proxies of an order could do together with its buyer, were they to collude.

use cpchain_crypto::{
    Signer, SigningKey,
    pre::{Capsule, Parties, PrePublicKey, PreSecretKey, ProxyReEncryption, Umbral},
};
use cpchain_market::escrow::{Order, ProxyGrant};

use crate::adapters::{granted_fragments, open_bundle};

/// Can the drawn proxies and the buyer, with every key fragment of the order, open `capsule`? They re-encrypt it with the
/// fragments of each granted node in turn, under the keys of that node: so their fragments verify, whatever the capsule.
pub(crate) fn opens(
    order: &Order,
    grants: &[ProxyGrant],
    proxies: &[SigningKey],
    receiving: &PreSecretKey,
    capsule: &Capsule,
) -> bool {
    order.nodes().iter().enumerate().any(|(place, node)| {
        let keys = order.keys_of(node);
        let public = |bytes| PrePublicKey::from_bytes(bytes).ok();
        let parties = (|| {
            let (delegating, receiving) = (public(keys.delegating)?, public(keys.receiving)?);
            Some(Parties { delegating, receiving, verifying: public(keys.verifying)? })
        })();
        let Some(parties) = parties else { return false };
        let fragments: Vec<_> = order
            .slots()
            .iter()
            .zip(grants)
            .filter_map(|(slot, grant)| {
                let proxy = proxies.iter().find(|proxy| proxy.public_key() == slot.proxy())?;
                let bundle = open_bundle(proxy, &granted_fragments(order, grant), &grant.sealed).ok()?;
                let fragment = Umbral.verify_key_fragment(bundle.into_iter().nth(place)?, &parties).ok()?;
                let made = Umbral.reencrypt(capsule, &fragment).ok()?;
                Umbral.verify_capsule_fragment(made, capsule, &parties).ok()
            })
            .collect();
        Umbral.open(receiving, &parties.delegating, capsule, &fragments).is_ok()
    })
}

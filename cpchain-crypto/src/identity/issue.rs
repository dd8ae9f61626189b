//! The issuer's side of a credential.

use alloc::{collections::BTreeSet, vec::Vec};

use crate::{entropy::Entropy, merkle, sign::Signer};

use super::{
    credential::{
        Attribute, Credential, CredentialError, HeldCredential, MAX_ATTRIBUTES, SALT_LEN, Terms, is_within_bounds,
    },
    held::hashes,
};

impl Terms {
    /// Attests `attributes` (names and values) under these terms; the result goes to the subject, secretly.
    ///
    /// ```
    /// use cpchain_crypto::{Did, SeededEntropy, Signer, SigningKey, identity::credential::Terms};
    /// let (issuer, driver) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
    /// let (issuer_did, subject) = (Did::from(issuer.public_key()), Did::from(driver.public_key()));
    /// let terms = Terms { issuer: issuer_did, subject, from_ms: 0, until_ms: 1_000 };
    /// let mut entropy = SeededEntropy::new(&[3; 32]);
    /// let held = terms.issue(&issuer, &[("plate", b"B-CP 42"), ("class", b"electric")], &mut entropy)?;
    /// // The driver checks what came before relying on it.
    /// held.check(&issuer_did.into(), 500)?;
    /// # Ok::<(), cpchain_crypto::identity::credential::CredentialError>(())
    /// ```
    ///
    /// # Errors
    /// [`CredentialError::Terms`], [`CredentialError::Entropy`].
    pub fn issue(
        self,
        issuer: &dyn Signer,
        attributes: &[(&str, &[u8])],
        entropy: &mut dyn Entropy,
    ) -> Result<HeldCredential, CredentialError> {
        let count = u8::try_from(attributes.len()).map_err(|_| CredentialError::Terms)?;
        let names: BTreeSet<&str> = attributes.iter().map(|(name, _)| *name).collect();
        let in_bounds = (1..=MAX_ATTRIBUTES).contains(&attributes.len())
            && names.len() == attributes.len()
            && attributes.iter().all(|(name, value)| is_within_bounds(name, value))
            && self.from_ms < self.until_ms;
        if !in_bounds {
            return Err(CredentialError::Terms);
        }
        let mut salted = Vec::with_capacity(attributes.len());
        for (name, value) in attributes {
            let mut salt = [0; SALT_LEN];
            entropy.fill(&mut salt)?;
            salted.push(Attribute::new(name, value, salt));
        }
        let root = merkle::root(&hashes(&salted));
        Ok(HeldCredential::new(Credential::sign(self, count, root, issuer), salted))
    }
}

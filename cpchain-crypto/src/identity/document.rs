//! The DID document of a `did:key`: what a resolver of the method answers, made from the identifier alone.
//!
//! Source: W3C DID core 1.0 and the did:key method 0.9. One Ed25519 verification method stands in the relations
//! `authentication`, `assertionMethod`, `capabilityDelegation` and `capabilityInvocation`; `keyAgreement` embeds the X25519
//! key that is the same point in Montgomery form (RFC 7748, 4.1).
//!
//! Rules and the tests that hold them: the document of a published vector is as expected in
//! both forms (`the_document_of_a_published_vector`); an identifier whose key is no point of the curve has none
//! (`a_key_off_the_curve_has_no_document`); what `parse` takes is exactly a resolution of its id
//! (`only_exact_resolutions_are_accepted`, feature `did-document`); an independent implementation agrees on random keys
//! (`examples/interop/did-key/run.sh`).

use core::fmt;

use crate::sign::decode_point;

use super::did::{Did, DidError, MultibaseKey};

/// How the two keys of a document are typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DocumentForm {
    /// `Multikey` (W3C Controlled Identifiers 1.0): what new software writes.
    Multikey,
    /// `Ed25519VerificationKey2020` and `X25519KeyAgreementKey2020`: what most deployed software writes.
    Suites2020,
}

/// The DID document of one `did:key`. [`Display`](fmt::Display) writes it as compact JSON, without a heap.
///
/// ```
/// use cpchain_crypto::{Did, identity::DocumentForm};
/// let did: Did = "did:key:z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd".parse()?;
/// let document = did.document(DocumentForm::Multikey)?;
/// let x25519 = "did:key:z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd#z6LSgTMiVvjkfQd8CF1kWasYZKBqtAYf6h8TC3yDfjPgDbWQ";
/// assert!(document.to_string().contains(x25519));
/// # Ok::<(), cpchain_crypto::DidError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DidDocument {
    did: Did,
    agreement: [u8; 32],
    form: DocumentForm,
}

impl Did {
    /// Resolves the identifier.
    ///
    /// # Errors
    /// [`DidError::NotOnCurve`]: no X25519 key belongs to it, and no signature can satisfy it.
    pub fn document(&self, form: DocumentForm) -> Result<DidDocument, DidError> {
        // The rule of signatures: one point has one encoding, and points of small order are no keys.
        let point = decode_point(&self.public_key().0).ok_or(DidError::NotOnCurve)?;
        Ok(DidDocument { did: *self, agreement: point.to_montgomery().0, form })
    }
}

impl DidDocument {
    /// Who it describes.
    pub const fn did(&self) -> Did {
        self.did
    }

    /// How its keys are typed.
    pub const fn form(&self) -> DocumentForm {
        self.form
    }

    /// The X25519 public key of `keyAgreement`.
    pub const fn agreement_key(&self) -> [u8; 32] {
        self.agreement
    }

    /// The `@context` values, in order.
    pub(super) const fn contexts(&self) -> &'static [&'static str] {
        match self.form {
            DocumentForm::Multikey => &["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
            DocumentForm::Suites2020 => &[
                "https://www.w3.org/ns/did/v1",
                "https://w3id.org/security/suites/ed25519-2020/v1",
                "https://w3id.org/security/suites/x25519-2020/v1",
            ],
        }
    }

    /// The `type` of the signing key and of the agreement key.
    pub(super) const fn types(&self) -> (&'static str, &'static str) {
        match self.form {
            DocumentForm::Multikey => ("Multikey", "Multikey"),
            DocumentForm::Suites2020 => ("Ed25519VerificationKey2020", "X25519KeyAgreementKey2020"),
        }
    }

    /// The multibase texts of the signing key and of the agreement key.
    pub(super) fn multibase(&self) -> (MultibaseKey, MultibaseKey) {
        (MultibaseKey::ed25519(&self.did.public_key().0), MultibaseKey::x25519(&self.agreement))
    }
}

/// The relations that name the signing key.
pub(super) const RELATIONS: [&str; 4] =
    ["authentication", "assertionMethod", "capabilityDelegation", "capabilityInvocation"];

impl fmt::Display for DidDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let did = self.did;
        let (signing, agreement) = self.multibase();
        let (signing_type, agreement_type) = self.types();
        // Every text written here is base58, a fixed word or a fixed address: nothing needs escaping.
        let method = |f: &mut fmt::Formatter<'_>, key: &MultibaseKey, kind: &str| {
            write!(f, r#"[{{"id":"{did}#{key}","type":"{kind}","controller":"{did}","publicKeyMultibase":"{key}"}}]"#)
        };
        f.write_str(r#"{"@context":["#)?;
        for (i, context) in self.contexts().iter().enumerate() {
            write!(f, r#"{}"{context}""#, if i == 0 { "" } else { "," })?;
        }
        write!(f, r#"],"id":"{did}","verificationMethod":"#)?;
        method(f, &signing, signing_type)?;
        for relation in RELATIONS {
            write!(f, r#","{relation}":["{did}#{signing}"]"#)?;
        }
        f.write_str(r#","keyAgreement":"#)?;
        method(f, &agreement, agreement_type)?;
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_of_a_published_vector() {
        // The first Ed25519 vector of the did:key method; the first file was written by @digitalbazaar/did-method-key 5.3.0.
        let did: Did = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp".parse().unwrap();
        let document = did.document(DocumentForm::Suites2020).unwrap();
        let (signing, agreement) = document.multibase();
        assert_eq!(signing.to_string(), "z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp");
        assert_eq!(agreement.to_string(), "z6LShs9GGnqk85isEBzzshkuVWrVKsRp24GnDuHk8QWkARMW");
        assert_eq!(document.to_string(), include_str!("../../testdata/did_document_2020.json").trim());
        let modern = did.document(DocumentForm::Multikey).unwrap();
        assert_eq!(modern.to_string(), include_str!("../../testdata/did_document_multikey.json").trim());
    }

    #[test]
    fn a_key_off_the_curve_has_no_document() {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        for bytes in [[2; 32], identity_point] {
            let did = Did::from(crate::PublicKey(bytes));
            assert_eq!(did.document(DocumentForm::Multikey), Err(DidError::NotOnCurve));
        }
    }
}

//! Reading a DID document back.

use alloc::{string::String, vec::Vec};

use serde::Deserialize;

use super::{
    did::{Did, DidError},
    document::{DidDocument, DocumentForm, RELATIONS},
};

/// Longest document that is read; a real one has about 1,400 bytes.
pub const MAX_DOCUMENT_LEN: usize = 4096;

/// Why a text is not the DID document of a `did:key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Longer than [`MAX_DOCUMENT_LEN`].
    #[error("the DID document has more than 4096 bytes")]
    TooLong,
    /// Not JSON with the members of such a document, or with a member twice, or with others.
    #[error("not a JSON DID document with exactly the members of a did:key document")]
    Format,
    /// Its `id` is not the `did:key` of an Ed25519 key.
    #[error(transparent)]
    Did(#[from] DidError),
    /// It says something that does not follow from its `id`.
    #[error("the document is not the resolution of its id: do not use its keys")]
    NotTheResolution,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Raw {
    #[serde(rename = "@context")]
    context: Vec<String>,
    id: String,
    verification_method: Vec<Method>,
    authentication: Vec<String>,
    assertion_method: Vec<String>,
    capability_delegation: Vec<String>,
    capability_invocation: Vec<String>,
    key_agreement: Vec<Method>,
}

#[derive(Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Method {
    id: String,
    r#type: String,
    controller: String,
    public_key_multibase: String,
}

impl DidDocument {
    /// Reads a JSON document, in any order of members, and accepts it only if it is exactly the resolution of its `id`.
    ///
    /// A document that arrives from elsewhere thus tells nothing that the identifier did not: it is safe to use.
    ///
    /// ```
    /// use cpchain_crypto::{Did, identity::{DidDocument, DocumentForm}};
    /// let did: Did = "did:key:z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd".parse()?;
    /// let document = did.document(DocumentForm::Suites2020)?;
    /// assert_eq!(DidDocument::parse(document.to_string().as_bytes())?, document);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn parse(json: &[u8]) -> Result<Self, DocumentError> {
        if json.len() > MAX_DOCUMENT_LEN {
            return Err(DocumentError::TooLong);
        }
        let raw: Raw = serde_json::from_slice(json).map_err(|_| DocumentError::Format)?;
        let did: Did = raw.id.parse()?;
        for form in [DocumentForm::Multikey, DocumentForm::Suites2020] {
            let document = did.document(form)?;
            if document.says(&raw) {
                return Ok(document);
            }
        }
        Err(DocumentError::NotTheResolution)
    }

    fn says(&self, raw: &Raw) -> bool {
        use alloc::{format, string::ToString};
        let (signing, agreement) = self.multibase();
        let (signing_type, agreement_type) = self.types();
        let did = self.did().to_string();
        let is_method = |methods: &[Method], key: String, kind: &str| {
            methods
                == [Method {
                    id: format!("{did}#{key}"),
                    r#type: kind.to_string(),
                    controller: did.clone(),
                    public_key_multibase: key,
                }]
        };
        let named = format!("{did}#{signing}");
        let relations: [&[String]; RELATIONS.len()] =
            [&raw.authentication, &raw.assertion_method, &raw.capability_delegation, &raw.capability_invocation];
        raw.id == did
            && raw.context == self.contexts()
            && is_method(&raw.verification_method, signing.to_string(), signing_type)
            && relations.into_iter().all(|relation| relation == [named.as_str()])
            && is_method(&raw.key_agreement, agreement.to_string(), agreement_type)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use proptest::prelude::*;

    use super::*;
    use crate::{PublicKey, Signer, SigningKey};

    fn document(form: DocumentForm) -> DidDocument {
        Did::from(SigningKey::from_seed(&[1; 32]).public_key()).document(form).unwrap()
    }

    #[test]
    fn only_exact_resolutions_are_accepted() {
        for form in [DocumentForm::Multikey, DocumentForm::Suites2020] {
            let text = document(form).to_string();
            assert_eq!(DidDocument::parse(text.as_bytes()), Ok(document(form)));
            // Another order of the members and other white space say the same.
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            assert_eq!(DidDocument::parse(pretty.as_bytes()), Ok(document(form)));

            let stranger = Did::from(SigningKey::from_seed(&[2; 32]).public_key());
            let (own, foreign) = (document(form), stranger.document(form).unwrap());
            let swap = |from: &str, to: &str| DidDocument::parse(text.replacen(from, to, 1).as_bytes());
            let agreement = |d: &DidDocument| d.multibase().1.to_string();
            let refused = Err(DocumentError::NotTheResolution);
            assert_eq!(swap(&agreement(&own), &agreement(&foreign)), refused);
            assert_eq!(swap(&own.did().to_string(), &stranger.to_string()), refused);
            assert_eq!(swap(r#""authentication":["#, r#""authentication":["did:key:x","#), refused);
            assert_eq!(swap(r#"did/v1""#, r#"did/v2""#), refused);
            assert_eq!(swap(r#"{"@context""#, r#"{"service":[],"@context""#), Err(DocumentError::Format));
            let id = format!(r#""id":"{}","#, own.did());
            assert_eq!(swap(&id, &id.repeat(2)), Err(DocumentError::Format));
            assert_eq!(swap(&id, ""), Err(DocumentError::Format));
            assert_eq!(swap(&id, r#""id":"did:web:example.org","#), Err(DocumentError::Did(DidError::NotDidKey)));
            let padded = text.clone() + &" ".repeat(MAX_DOCUMENT_LEN);
            assert_eq!(DidDocument::parse(padded.as_bytes()), Err(DocumentError::TooLong));
        }
    }

    proptest! {
        #[test]
        fn parsing_any_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(DidDocument::parse(&bytes).is_err());
        }

        #[test]
        fn a_changed_byte_is_never_another_document(at: prop::sample::Index, to in 32u8..127) {
            let mut text = document(DocumentForm::Multikey).to_string().into_bytes();
            let at = at.index(text.len());
            text[at] = to;
            if let Ok(read) = DidDocument::parse(&text) {
                prop_assert_eq!(read, document(DocumentForm::Multikey));
            }
        }

        #[test]
        fn any_did_text_round_trips(key: [u8; 32]) {
            let did = Did::from(PublicKey(key));
            prop_assert_eq!(did.to_string().parse::<Did>(), Ok(did));
        }
    }
}

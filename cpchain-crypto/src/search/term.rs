//! What a keyword index knows a keyword by.

use crate::hash::{Digest, Domain};

const TERM: Domain = Domain::new("cpchain/crypto/search/term/v1");

/// One searchable fact about a record: "field `place` is `roof`", "the text has the word `door`". A hash, so of one size.
///
/// Terms are not secret by themselves: an index hides them under its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(Digest);

impl Term {
    /// A term of a kind: values of two fields, or words and values, never meet. Bytes are taken as they are.
    ///
    /// ```
    /// use cpchain_crypto::search::Term;
    /// assert_ne!(Term::new("city", b"Bonn"), Term::new("name", b"Bonn"));
    /// ```
    pub fn new(kind: &str, value: &[u8]) -> Self {
        Self(Digest::of(TERM, &[kind.as_bytes(), value]))
    }

    #[cfg(feature = "search")]
    pub(super) const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

//! Hashes: BLAKE3, always under a [`Domain`], over parts that cannot be shifted into each other.

use core::fmt;

/// What bytes are for. A hash or a signature made under one domain is worth nothing under another.
///
/// By convention `cpchain/<crate>/<purpose>/v<n>`, at most 255 bytes; changing the meaning of the bytes means a new number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Domain(&'static str);

impl Domain {
    /// Names a domain. Fails to compile in a `const` when the name is empty or longer than 255 bytes.
    ///
    /// # Panics
    /// On an empty or overlong name; use it in a `const` and the compiler finds it.
    #[allow(clippy::panic)]
    pub const fn new(name: &'static str) -> Self {
        match Self::try_new(name) {
            Some(domain) => domain,
            None => panic!("a domain has 1 to 255 bytes"),
        }
    }

    /// Names a domain that comes from outside; `None` when the name is empty or longer than 255 bytes.
    pub const fn try_new(name: &'static str) -> Option<Self> {
        if name.is_empty() || name.len() > 255 { None } else { Some(Self(name)) }
    }

    /// The name.
    pub const fn as_str(&self) -> &'static str {
        self.0
    }
}

/// A 32-byte BLAKE3 hash. Prints as hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The zero digest: "no block", "no predecessor".
    pub const ZERO: Self = Self([0; 32]);

    /// Hashes the parts under a domain. Each part is preceded by its length, so `["ab", "c"]` and `["a", "bc"]` differ.
    ///
    /// ```
    /// use cpchain_crypto::{Digest, Domain};
    /// const D: Domain = Domain::new("example/readings/v1");
    /// assert_ne!(Digest::of(D, &[b"ab", b"c"]), Digest::of(D, &[b"a", b"bc"]));
    /// ```
    pub fn of(domain: Domain, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(domain.0);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// Plain BLAKE3 of some bytes: the content id of a chunk, as every BLAKE3 and bao tool computes it.
    pub fn content(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A digest from exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, self.0.first_chunk::<4>().map_or(&[], |head| head))?;
        f.write_str("…")
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

pub(crate) fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_and_part_borders_separate() {
        const A: Domain = Domain::new("a");
        const B: Domain = Domain::new("b");
        assert_ne!(Digest::of(A, &[b"x"]), Digest::of(B, &[b"x"]));
        assert_ne!(Digest::of(A, &[b"x", b""]), Digest::of(A, &[b"x"]));
        assert_ne!(Digest::of(A, &[b"", b"x"]), Digest::of(A, &[b"x", b""]));
    }

    #[test]
    fn content_is_plain_blake3() {
        // First row of the official BLAKE3 test vectors (input length 0).
        assert_eq!(
            format!("{}", Digest::content(b"")),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
        );
    }
}

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
        #[cfg(feature = "std")]
        if hash_gathered(&mut hasher, parts) {
            return Self(*hasher.finalize().as_bytes());
        }
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

/// Hashes messages of a few KiB, the leaves of blocks above all, in one piece: lengths and short parts in front shift a
/// long part off BLAKE3's borders of 1 KiB, and it then hashes chunk by chunk and not side by side, in twice the time. The
/// copy is on the stack, which devices without `std` have little of. Says whether it did.
#[cfg(feature = "std")]
fn hash_gathered(hasher: &mut blake3::Hasher, parts: &[&[u8]]) -> bool {
    const SIDE_BY_SIDE: usize = 2048;
    const MAX: usize = 4352;
    let total = parts.iter().fold(0, |sum: usize, part| sum.saturating_add(8).saturating_add(part.len()));
    if !(SIDE_BY_SIDE..=MAX).contains(&total) {
        return false;
    }
    let mut buffer = [0; MAX];
    let mut rest = buffer.as_mut_slice();
    for part in parts {
        let length = (part.len() as u64).to_le_bytes();
        for bytes in [length.as_slice(), part] {
            let Some((to, after)) = core::mem::take(&mut rest).split_at_mut_checked(bytes.len()) else { return false };
            to.copy_from_slice(bytes);
            rest = after;
        }
    }
    let Some(message) = buffer.get_mut(..total) else { return false };
    hasher.update(message);
    // Salts and keys stand in front of what is long.
    let before = total - parts.last().map_or(0, |part| part.len());
    message.iter_mut().take(before).for_each(zeroize::Zeroize::zeroize);
    true
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

    /// Whether the parts are gathered first or not, the bytes are the same.
    #[test]
    #[cfg_attr(miri, ignore = "long loops over safe code")]
    fn every_length_is_hashed_alike() {
        const D: Domain = Domain::new("cpchain/test/hash/v1");
        let bytes: Vec<u8> = (0..5000).map(|i| i as u8).collect();
        for length in (0..5000).step_by(7).chain(4290..4360) {
            for head in [0, 1, 32] {
                let parts = [&bytes[..head], &bytes[..length]];
                let framed = parts.map(|part| [(part.len() as u64).to_le_bytes().as_slice(), part].concat()).concat();
                assert_eq!(Digest::of(D, &parts).0, blake3::derive_key(D.as_str(), &framed), "{head} {length}");
            }
        }
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

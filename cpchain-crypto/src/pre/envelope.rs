//! The byte types: version, scheme, payload of a length that the scheme fixes.

use alloc::vec::Vec;
use core::{
    fmt,
    hash::{Hash, Hasher},
};

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{PreError, parsed::Parsed};
use crate::{
    hash::{Digest, hex},
    key_tree::TreeNode,
};

/// Format version of every envelope of this module.
const VERSION: u8 = 1;
/// Version and scheme.
const HEAD: usize = 2;
/// Stream digest and tree node, in front of a capsule's sealed part.
const LABEL: usize = 32 + 5;

/// The schemes that envelopes may name. The number is part of the bytes and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// Umbral over secp256k1, as `umbral-pre` 0.11 computes it.
    Umbral = 1,
}

/// Payload bytes of each type under one scheme.
struct Lengths {
    secret: usize,
    public: usize,
    sealed: usize,
    key_fragment: usize,
    capsule_fragment: usize,
}

impl Scheme {
    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Umbral),
            _ => None,
        }
    }

    const fn lengths(self) -> Lengths {
        match self {
            // KEM capsule 98 and sealed (seed, label digest) 24 + 64 + 16; id, share, precursor, commitment, signature;
            // five points and id, precursor, response, signature.
            Self::Umbral => Lengths {
                secret: 32,
                public: 33,
                sealed: 98 + 104,
                key_fragment: 32 + 32 + 33 + 33 + 64,
                capsule_fragment: 7 * 33 + 32 + 32 + 64,
            },
        }
    }
}

/// Reads an envelope's scheme and checks the length; the bytes are kept as they are.
fn check(bytes: &[u8], what: &'static str, length: impl Fn(Lengths) -> usize) -> Result<Scheme, PreError> {
    let error = PreError::Format { what };
    let &[VERSION, scheme, ..] = bytes else { return Err(error) };
    let scheme = Scheme::from_byte(scheme).ok_or(error)?;
    if bytes.len() != HEAD + length(scheme.lengths()) { Err(error) } else { Ok(scheme) }
}

macro_rules! envelope {
    ($name:ident, $what:literal, $length:expr) => {
        // Schemes use what is not public here; without a scheme the types still decode.
        #[cfg_attr(not(feature = "umbral"), allow(dead_code))]
        impl $name {
            pub(crate) const WHAT: &'static str = $what;

            /// Reads the bytes of an envelope. The content is checked where it is used.
            ///
            /// # Errors
            /// [`PreError::Format`] for another version or scheme, missing or trailing bytes.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, PreError> {
                let scheme = check(bytes, $what, $length)?;
                Self::new(scheme, bytes.to_vec()).validated()
            }

            /// The scheme that made it.
            pub const fn scheme(&self) -> Scheme {
                self.scheme
            }

            pub(crate) fn payload(&self) -> &[u8] {
                self.bytes.get(HEAD..).unwrap_or(&[])
            }

            /// Puts the bytes of the scheme itself, laid out as the [module](super) says, into an envelope.
            ///
            /// # Errors
            /// [`PreError::Format`] for another length than the scheme's.
            pub fn from_scheme_bytes(scheme: Scheme, bytes: &[u8]) -> Result<Self, PreError> {
                Self::from_payload(scheme, &[bytes])?.validated()
            }

            pub(crate) fn from_payload(scheme: Scheme, parts: &[&[u8]]) -> Result<Self, PreError> {
                let mut bytes = Vec::with_capacity(HEAD + parts.iter().map(|part| part.len()).sum::<usize>());
                bytes.extend([VERSION, scheme as u8]);
                parts.iter().for_each(|part| bytes.extend_from_slice(part));
                check(&bytes, $what, $length)?;
                Ok(Self::new(scheme, bytes))
            }
        }
    };
}

macro_rules! public_bytes {
    ($name:ident) => {
        impl $name {
            fn new(scheme: Scheme, bytes: Vec<u8>) -> Self {
                Self { scheme, bytes, parsed: Parsed::default() }
            }

            /// The bytes of the scheme itself, without the envelope; the [module](super) says how they are laid out.
            pub fn scheme_bytes(&self) -> &[u8] {
                self.payload()
            }

            /// The bytes, for storing and sending.
            pub fn as_bytes(&self) -> &[u8] {
                &self.bytes
            }

            fn validated(self) -> Result<Self, PreError> {
                self.check_label().map(|()| self)
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.bytes == other.bytes
            }
        }

        impl Eq for $name {}

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.bytes.hash(state);
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?}, {:?})", stringify!($name), self.scheme, Digest::content(&self.bytes))
            }
        }
    };
}

macro_rules! secret_bytes {
    ($name:ident) => {
        impl $name {
            /// The bytes of the scheme itself, without the envelope; the [module](super) says how they are laid out.
            pub fn expose_scheme_bytes(&self) -> &[u8] {
                self.payload()
            }

            /// The bytes, for storing and for sending to the one whose secret it is; wipe what you copy.
            pub fn expose(&self) -> &[u8] {
                &self.bytes
            }

            fn validated(self) -> Result<Self, PreError> {
                Ok(self)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}(..)", stringify!($name))
            }
        }
    };
}

/// A public key: delegating, receiving or verifying. 35 bytes for Umbral. Prints as hex.
#[derive(Clone)]
pub struct PrePublicKey {
    scheme: Scheme,
    bytes: Vec<u8>,
    #[cfg_attr(not(feature = "umbral"), allow(dead_code))]
    pub(super) parsed: Parsed<super::parsed::PublicKey>,
}

/// A secret key: delegating, receiving or granting. 34 bytes for Umbral; wiped when dropped, never printed.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct PreSecretKey {
    #[zeroize(skip)]
    scheme: Scheme,
    bytes: Vec<u8>,
    #[zeroize(skip)]
    #[cfg_attr(not(feature = "umbral"), allow(dead_code))]
    pub(super) public: Parsed<super::parsed::PublicKey>,
}

/// A sealed node seed with the stream and node that it is for. Public. 241 bytes for Umbral.
#[derive(Clone)]
pub struct Capsule {
    scheme: Scheme,
    bytes: Vec<u8>,
    #[cfg_attr(not(feature = "umbral"), allow(dead_code))]
    pub(super) parsed: Parsed<super::parsed::Kem>,
}

/// One proxy's share of a grant: a secret between owner and proxy. 196 bytes for Umbral; wiped when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct KeyFragment {
    #[zeroize(skip)]
    scheme: Scheme,
    bytes: Vec<u8>,
}

/// One proxy's re-encryption of a capsule, with its proof. Public. 361 bytes for Umbral.
#[derive(Clone)]
pub struct CapsuleFragment {
    scheme: Scheme,
    bytes: Vec<u8>,
    #[cfg_attr(not(feature = "umbral"), allow(dead_code))]
    pub(super) parsed: Parsed<super::parsed::Fragment>,
}

envelope!(PrePublicKey, "public key", |lengths| lengths.public);
envelope!(PreSecretKey, "secret key", |lengths| lengths.secret);
envelope!(Capsule, "capsule", |lengths| LABEL + lengths.sealed);
envelope!(KeyFragment, "key fragment", |lengths| lengths.key_fragment);
envelope!(CapsuleFragment, "capsule fragment", |lengths| lengths.capsule_fragment);
public_bytes!(PrePublicKey);
public_bytes!(Capsule);
public_bytes!(CapsuleFragment);
secret_bytes!(PreSecretKey);
secret_bytes!(KeyFragment);

impl PrePublicKey {
    fn check_label(&self) -> Result<(), PreError> {
        Ok(())
    }
}

impl CapsuleFragment {
    fn check_label(&self) -> Result<(), PreError> {
        Ok(())
    }
}

impl Capsule {
    fn check_label(&self) -> Result<(), PreError> {
        self.label().map(drop)
    }

    pub(crate) fn label(&self) -> Result<(Digest, TreeNode, &[u8]), PreError> {
        let parts = self.payload().split_first_chunk::<32>().and_then(|(stream, rest)| {
            let (node, sealed) = rest.split_first_chunk::<5>()?;
            let node = TreeNode::from_bytes(node).filter(|node| node.depth() > 0)?;
            Some((Digest(*stream), node, sealed))
        });
        parts.ok_or(PreError::Format { what: Self::WHAT })
    }

    /// A capsule of what was sealed elsewhere: `sealed` as [`sealed`](Self::sealed) gives it, sealing [`capsule_plaintext`](super::capsule_plaintext).
    ///
    /// # Errors
    /// [`PreError::Format`] for the root, or another length than the scheme's.
    pub fn from_parts(scheme: Scheme, stream: &Digest, node: TreeNode, sealed: &[u8]) -> Result<Self, PreError> {
        Self::from_payload(scheme, &[&stream.0, &node.to_bytes(), sealed])?.validated()
    }

    /// What the scheme itself made: for Umbral the 98 bytes of its capsule, then the 104 of its ciphertext.
    pub fn sealed(&self) -> &[u8] {
        self.label().map_or(&[], |(.., sealed)| sealed)
    }

    /// The stream that it says it is of; proven once it opens.
    pub fn stream(&self) -> Digest {
        self.label().map_or(Digest::ZERO, |(stream, ..)| stream)
    }

    /// The key tree node that it says it is of; proven once it opens.
    pub fn node(&self) -> Option<TreeNode> {
        self.label().ok().map(|(_, node, _)| node)
    }
}

impl KeyFragment {
    const fn new(scheme: Scheme, bytes: Vec<u8>) -> Self {
        Self { scheme, bytes }
    }

    /// Names the fragment; every capsule fragment that is made with it says so. Not secret.
    pub fn id(&self) -> Digest {
        self.payload().first_chunk().map_or(Digest::ZERO, |id| Digest(*id))
    }
}

impl CapsuleFragment {
    /// The [`KeyFragment::id`] of the fragment that made this one; proven once it is verified.
    pub fn key_fragment_id(&self) -> Digest {
        let id = match self.scheme {
            // Behind the two points of the re-encrypted capsule.
            Scheme::Umbral => self.payload().get(66..98),
        };
        id.and_then(Digest::from_slice).unwrap_or(Digest::ZERO)
    }
}

impl PreSecretKey {
    fn new(scheme: Scheme, bytes: Vec<u8>) -> Self {
        Self { scheme, bytes, public: Parsed::default() }
    }

    /// The key of a seed: 32 bytes of full entropy, any value will do.
    pub fn from_seed(scheme: Scheme, seed: &[u8; 32]) -> Self {
        let mut bytes = Vec::with_capacity(HEAD + seed.len());
        bytes.extend([VERSION, scheme as u8]);
        bytes.extend_from_slice(seed);
        Self::new(scheme, bytes)
    }
}

impl fmt::Display for PrePublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.bytes)
    }
}

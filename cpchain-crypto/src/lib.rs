//! Seal, sign, hand over and search data: the ground floor of the CPChain SDK, usable on its own.
//!
//! | you want to | take |
//! | --- | --- |
//! | encrypt a buffer in place | [`Aead`], [`ChaCha20Poly1305`] |
//! | encrypt a body that is longer than memory | [`stream`] |
//! | sign and verify | [`Signer`], [`SigningKey`], [`PublicKey::verify`] |
//! | verify many signatures at once | [`batch`] (feature `alloc`) |
//! | encrypt to the holder of a key, provably | [`sealed_box`] (feature `alloc`) |
//! | name an owner or a device | [`Did`] |
//! | change a key and keep the name; end a key | [`identity::KeyHistory`] |
//! | give a device keys that it does not store | [`identity::DeviceIdentity`] |
//! | attest attributes, and show some of them | [`identity::credential`], [`identity::presentation`] |
//! | let a gateway act for small devices | [`identity::delegation`] |
//! | draw a number that nobody could choose, and prove it | [`vrf`] |
//! | seal readings in chained blocks | [`block`] |
//! | never use a nonce twice, whatever fails | [`counter`] |
//! | give away a range of them with a few seeds | [`key_tree`] |
//! | let proxies hand a key to a buyer without seeing it | [`pre`] (feature `umbral` for the implementation) |
//! | ask a host about records that it cannot read | [`search`] (feature `search`) |
//!
//! # What you may implement
//! | trait | promise | ours |
//! | --- | --- | --- |
//! | [`Entropy`] | fills all of a buffer with unpredictable bytes, or fails | `SystemEntropy` (feature `std`), [`SeededEntropy`] |
//! | [`identity::KeySource`] | gives a device its one secret, the same each time | `identity::KeyFile` (feature `std`), [`identity::puf`] |
//! | [`Signer`] | signs the [`signing_digest`] with one key: a TPM, a remote signer | [`SigningKey`] |
//! | [`Aead`] | nothing that was changed opens | [`ChaCha20Poly1305`] |
//! | [`counter::CounterStore`] | what it stored is there after a power cut | `counter::FileCounter` (feature `std`) |
//! | `pre::ProxyReEncryption` (feature `alloc`) | only verified fragments are combined | `pre::Umbral` (feature `umbral`) |
//! | `search::SearchClient`, `search::SearchServer` (feature `alloc`) | the server needs no key | `search::keyword`, `search::scan` (feature `search`) |
//!
//! # Features
//! The core needs neither the standard library, nor a heap, nor a C compiler.
//!
//! | feature | adds | licence of what it brings |
//! | --- | --- | --- |
//! | `pure` (default) | BLAKE3 in Rust alone. Without it (`default-features = false`) a C compiler is asked for, and BLAKE3 has its assembly | – |
//! | `alloc` | vectors of sealed blocks, Merkle paths, sealed boxes, issuing credentials, the traits of [`pre`] and [`search`] | – |
//! | `std` | `alloc`; `SystemEntropy`, `identity::KeyFile`, `counter::FileCounter`, faster signatures | – |
//! | `did-document` | `alloc`; reading DID documents back, over `serde_json` | – |
//! | `umbral` | `alloc`; proxy re-encryption over `umbral-pre` | **GPL-3.0-only**: so is a binary that contains it |
//! | `search` | `std`; private search by keyword, words of texts, typed fields, ranges; counts and sums; a public catalogue. Its kernels are the crate's one `unsafe` code | permissive; Unicode-3.0, BSD-3-Clause |

#![cfg_attr(not(any(feature = "std", test)), no_std)]
#![cfg_attr(not(feature = "search"), forbid(unsafe_code))]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
struct Readme;

mod aead;
#[cfg(feature = "alloc")]
pub mod batch;
pub mod block;
pub mod counter;
mod entropy;
mod hash;
pub mod identity;
pub mod key_tree;
pub mod merkle;
#[cfg(feature = "alloc")]
pub mod pre;
#[cfg(feature = "alloc")]
pub mod sealed_box;
#[cfg(feature = "alloc")]
pub mod search;
mod sign;
pub mod stream;
pub mod vrf;

#[cfg(feature = "std")]
pub use entropy::SystemEntropy;
pub use {
    aead::{Aead, AeadError, ChaCha20Poly1305, Key, Nonce, TAG_LEN, Tag},
    block::BlockError,
    entropy::{Entropy, EntropyError, SeededEntropy},
    hash::{Digest, Domain},
    identity::{Did, DidError},
    sign::{PublicKey, Signature, SignatureError, Signer, SigningKey, VerifyingKey, signing_digest},
};

//! `lab crypto`: what the ground floor costs, beside the bare dependency where there is one.

use chacha20poly1305::{AeadInOut, KeyInit};
use cpchain_crypto::{
    Aead, ChaCha20Poly1305, Digest, Domain, Key, Nonce, Signer, SigningKey, block,
    key_tree::{IntervalId, StreamSecret, cover},
};
use ed25519_dalek::Signer as _;

use crate::{
    measure::{Effort, compare, measure},
    report::Figure,
};

const DOMAIN: Domain = Domain::new("cpchain/benches/lab/v1");

/// Runs all benches of `cpchain-crypto`; `progress` is told the name of each before it runs.
pub fn crypto(effort: Effort, mut progress: impl FnMut(&str)) -> Vec<Figure> {
    let mut figures = Vec::new();
    for bytes in [64, 1024, 65_536] {
        progress("crypto::seal");
        figures.push(seal(effort, bytes));
    }
    progress("crypto::sign");
    figures.extend(signatures(effort));
    progress("crypto::block");
    figures.push(sealed_block(effort));
    progress("crypto::key_tree");
    figures.extend(key_tree(effort));
    figures
}

fn seal(effort: Effort, bytes: usize) -> Figure {
    let key = [7; 32];
    let (ours, bare) =
        (ChaCha20Poly1305::new(&Key::from_bytes(key)), chacha20poly1305::ChaCha20Poly1305::new(&key.into()));
    let (mut a, mut b) = (vec![1; bytes], vec![1; bytes]);
    let nonce = Nonce::counter(1, 0);
    let (sample, _, ratio) = compare(
        effort,
        || ours.seal(&nonce, b"header", &mut a),
        || bare.encrypt_inout_detached(&nonce.0.into(), b"header", b.as_mut_slice().into()),
    );
    Figure::nanoseconds("crypto::seal", format!("bytes={bytes}"), &sample).against("chacha20poly1305", ratio)
}

fn signatures(effort: Effort) -> [Figure; 2] {
    let seed = [3; 32];
    let (ours, bare) = (SigningKey::from_seed(&seed), ed25519_dalek::SigningKey::from_bytes(&seed));
    let message = [9; 32];
    let (sign, _, sign_ratio) =
        compare(effort, || ours.sign(DOMAIN, &message), || ed25519_dalek::Signer::sign(&bare, &message));
    let signature = ours.sign(DOMAIN, &message);
    let bare_signature = bare.sign(&message);
    let (public, bare_public) = (ours.public_key(), bare.verifying_key().to_bytes());
    let (verify, _, verify_ratio) = compare(
        effort,
        || public.verify(DOMAIN, &message, &signature),
        // As ours, from the 32 bytes of the key.
        || {
            ed25519_dalek::VerifyingKey::from_bytes(&bare_public)
                .and_then(|key| key.verify_strict(&message, &bare_signature))
        },
    );
    [
        Figure::nanoseconds("crypto::sign", "bytes=32", &sign).against("ed25519-dalek", sign_ratio),
        Figure::nanoseconds("crypto::verify", "bytes=32", &verify).against("ed25519-dalek", verify_ratio),
    ]
}

fn sealed_block(effort: Effort) -> Figure {
    let key = StreamSecret::from_bytes([1; 32]).interval_key(IntervalId(0));
    let body = vec![5; 65_536];
    let header = block::BlockHeader {
        stream: Digest::ZERO,
        index: 0,
        interval: IntervalId(0),
        start_ms: 0,
        count: 1,
        codec: 0,
        body_len: body.len() as u32,
        previous: Digest::ZERO,
    };
    let bare = chacha20poly1305::ChaCha20Poly1305::new(&[7; 32].into());
    let mut buffer = body.clone();
    let (sample, _, ratio) = compare(
        effort,
        || block::seal(&header, &key, &body),
        || bare.encrypt_inout_detached(&[0; 12].into(), b"", buffer.as_mut_slice().into()),
    );
    Figure::nanoseconds("crypto::block_seal", "bytes=65536", &sample).against("chacha20poly1305, one piece", ratio)
}

fn key_tree(effort: Effort) -> [Figure; 2] {
    let secret = StreamSecret::from_bytes([1; 32]);
    let one = measure(effort, || secret.interval_key(IntervalId(123_456)));
    let year = cover(5..8765);
    let seeds = Figure::count("crypto::cover", "intervals=8760", "seeds", year.count() as f64);
    [Figure::nanoseconds("crypto::interval_key", "depth=32", &one), seeds]
}

//! `lab crypto`: what the ground floor costs, beside the bare dependency where there is one.

use chacha20poly1305::{AeadInOut, KeyInit};
use cpchain_crypto::{
    Aead, ChaCha20Poly1305, Digest, Domain, Key, Nonce, PublicKey, Signature, Signer, SigningKey, VerifyingKey,
    batch::Batch,
    block,
    key_tree::{IntervalId, StreamSecret, cover},
    pre::PreError,
    signing_digest,
    stream::{StreamPrefix, StreamSealer},
};
use ed25519_dalek::Signer as _;

use crate::{
    measure::{Effort, compare, measure},
    report::Figure,
};

const DOMAIN: Domain = Domain::new("cpchain/benches/lab/v1");
const BARE_AEAD: &str = "chacha20poly1305";
const MIB: usize = 1 << 20;

/// Runs all benches of `cpchain-crypto`; `progress` is told the name of each before it runs.
///
/// # Errors
/// [`PreError`] if a step of proxy re-encryption, on our side or the bare one, refuses what the step before it made.
pub fn crypto(effort: Effort, mut progress: impl FnMut(&str)) -> Result<Vec<Figure>, PreError> {
    let mut figures = Vec::new();
    for bytes in [64, 1024, 65_536, MIB] {
        progress("crypto::seal");
        figures.push(aead_goal(seal(effort, bytes), bytes));
        progress("crypto::open");
        figures.push(aead_goal(open(effort, bytes), bytes));
    }
    progress("crypto::stream");
    figures.push(stream(effort));
    progress("crypto::sign");
    figures.push(sign(effort));
    progress("crypto::verify");
    figures.extend(verify(effort));
    progress("crypto::verify_batch");
    figures.extend(verify_batch(effort));
    progress("crypto::block");
    figures.push(sealed_block(effort));
    progress("crypto::key_tree");
    figures.extend(key_tree(effort));
    progress("crypto::pre");
    figures.extend(crate::pre::pre(effort)?);
    Ok(figures)
}

/// Short messages: the time. Long ones: nothing is lost to the dependency.
fn aead_goal(figure: Figure, bytes: usize) -> Figure {
    match bytes {
        64 => figure.at_most(450.0),
        65_536 => figure.at_least(0.95),
        _ => figure,
    }
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
    Figure::nanoseconds("crypto::seal", format!("bytes={bytes}"), &sample).against(BARE_AEAD, ratio)
}

/// Both sides copy the sealed bytes first, since opening is in place.
fn open(effort: Effort, bytes: usize) -> Figure {
    let key = [7; 32];
    let (ours, bare) =
        (ChaCha20Poly1305::new(&Key::from_bytes(key)), chacha20poly1305::ChaCha20Poly1305::new(&key.into()));
    let nonce = Nonce::counter(1, 0);
    let mut sealed = vec![1; bytes];
    let Ok(tag) = bare.encrypt_inout_detached(&nonce.0.into(), b"header", sealed.as_mut_slice().into()) else {
        unreachable!("a message of this length can be sealed")
    };
    let ours_tag = cpchain_crypto::Tag(tag.into());
    let (mut a, mut b) = (sealed.clone(), sealed.clone());
    let (sample, _, ratio) = compare(
        effort,
        || {
            a.copy_from_slice(&sealed);
            ours.open(&nonce, b"header", &mut a, &ours_tag).is_ok()
        },
        || {
            b.copy_from_slice(&sealed);
            bare.decrypt_inout_detached(&nonce.0.into(), b"header", b.as_mut_slice().into(), &tag).is_ok()
        },
    );
    Figure::nanoseconds("crypto::open", format!("bytes={bytes}"), &sample).against(BARE_AEAD, ratio)
}

fn stream(effort: Effort) -> Figure {
    let key = [7; 32];
    let (ours, bare) =
        (ChaCha20Poly1305::new(&Key::from_bytes(key)), chacha20poly1305::ChaCha20Poly1305::new(&key.into()));
    let (mut a, mut b) = (vec![1; MIB], vec![1; MIB]);
    let (sample, _, ratio) = compare(
        effort,
        || {
            let mut sealer = StreamSealer::new(&ours, StreamPrefix([1; 7]));
            let (front, last) = a.split_at_mut(MIB - 65_536);
            let tags = front.chunks_mut(65_536).filter_map(|piece| sealer.seal_next(b"", piece).ok()).count();
            (tags, sealer.seal_last(b"", last))
        },
        || bare.encrypt_inout_detached(&[0; 12].into(), b"", b.as_mut_slice().into()),
    );
    let params = format!("bytes={MIB} piece=65536");
    Figure::nanoseconds("crypto::stream_seal", params, &sample).against("chacha20poly1305, one piece", ratio)
}

fn sign(effort: Effort) -> Figure {
    let seed = [3; 32];
    let (ours, bare) = (SigningKey::from_seed(&seed), ed25519_dalek::SigningKey::from_bytes(&seed));
    let message = [9; 32];
    let (sample, _, ratio) = compare(effort, || ours.sign(DOMAIN, &message), || bare.sign(&message));
    Figure::nanoseconds("crypto::sign", "bytes=32", &sample).against("ed25519-dalek", ratio)
}

/// From the 32 bytes of the key, and with a key that was decoded before; so is the baseline.
fn verify(effort: Effort) -> [Figure; 2] {
    let key = SigningKey::from_seed(&[3; 32]);
    let bare = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
    let message = [9; 32];
    let (signature, bare_signature) = (key.sign(DOMAIN, &message), bare.sign(&message));
    let (public, bare_public) = (key.public_key(), bare.verifying_key());
    let bare_bytes = bare_public.to_bytes();
    let (from_bytes, _, from_bytes_ratio) = compare(
        effort,
        || public.verify(DOMAIN, &message, &signature),
        || {
            ed25519_dalek::VerifyingKey::from_bytes(&bare_bytes)
                .and_then(|key| key.verify_strict(&message, &bare_signature))
        },
    );
    let Ok(prepared) = VerifyingKey::new(public) else { unreachable!("an honest key is usable") };
    let (decoded, _, decoded_ratio) = compare(
        effort,
        || prepared.verify(DOMAIN, &message, &signature),
        || bare_public.verify_strict(&message, &bare_signature),
    );
    let baseline = "ed25519-dalek, verify_strict";
    [
        Figure::nanoseconds("crypto::verify", "bytes=32", &from_bytes).against(baseline, from_bytes_ratio),
        Figure::nanoseconds("crypto::verify_prepared", "bytes=32", &decoded).against(baseline, decoded_ratio),
    ]
}

/// A certificate: 64 votes over one digest, beside 64 single checks.
fn verify_batch(effort: Effort) -> [Figure; 2] {
    let digest = signing_digest(DOMAIN, b"a block");
    let votes: Vec<(PublicKey, Signature)> = (0..64)
        .map(|seed| SigningKey::from_seed(&[seed; 32]))
        .map(|key| (key.public_key(), key.sign(DOMAIN, b"a block")))
        .collect();
    let prepared: Vec<_> = votes.iter().filter_map(|(key, _)| VerifyingKey::new(*key).ok()).collect();
    let singly = || votes.iter().all(|(key, signature)| key.verify_digest(&digest, signature).is_ok());
    let (from_bytes, _, from_bytes_ratio) = compare(
        effort,
        || {
            let mut batch = Batch::with_capacity(votes.len());
            votes.iter().for_each(|(key, signature)| batch.push_digest(*key, digest, *signature));
            batch.verify()
        },
        singly,
    );
    let (decoded, _, decoded_ratio) = compare(
        effort,
        || {
            let mut batch = Batch::with_capacity(votes.len());
            prepared.iter().zip(&votes).for_each(|(key, (_, signature))| batch.push_prepared(key, digest, *signature));
            batch.verify()
        },
        singly,
    );
    let (params, baseline) = ("signatures=64", "one by one");
    [
        Figure::nanoseconds("crypto::verify_batch", params, &from_bytes)
            .against(baseline, from_bytes_ratio)
            .at_least(1.5),
        Figure::nanoseconds("crypto::verify_batch_prepared", params, &decoded).against(baseline, decoded_ratio),
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

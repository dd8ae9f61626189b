//! Criterion benches of `cpchain-crypto`, each beside the bare dependency.
#![allow(missing_docs)]

use chacha20poly1305::{AeadInOut, KeyInit};
use cpchain_crypto::{
    Aead, ChaCha20Poly1305, Digest, Domain, Key, Nonce, SeededEntropy, Signer, SigningKey, VerifyingKey,
    batch::Batch,
    block,
    key_tree::{IntervalId, StreamSecret, TreeNode},
    pre::{Parties, PreError, ProxyReEncryption, Threshold, Umbral},
    signing_digest,
    stream::{StreamPrefix, StreamSealer},
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const DOMAIN: Domain = Domain::new("cpchain/benches/criterion/v1");

fn aead(c: &mut Criterion) {
    let ours = ChaCha20Poly1305::new(&Key::from_bytes([7; 32]));
    let bare = chacha20poly1305::ChaCha20Poly1305::new(&[7; 32].into());
    let nonce = Nonce::counter(1, 0);
    for bytes in [64usize, 1024, 65_536, 1 << 20] {
        let mut group = c.benchmark_group("crypto");
        group.throughput(Throughput::Bytes(bytes as u64));
        let mut buffer = vec![1; bytes];
        group.bench_function(format!("seal/bytes={bytes}"), |b| b.iter(|| ours.seal(&nonce, b"header", &mut buffer)));
        group.bench_function(format!("seal/bytes={bytes} bare"), |b| {
            b.iter(|| bare.encrypt_inout_detached(&nonce.0.into(), b"header", buffer.as_mut_slice().into()))
        });
        let mut sealed = vec![1; bytes];
        let Ok(tag) = ours.seal(&nonce, b"header", &mut sealed) else { continue };
        group.bench_function(format!("open/bytes={bytes}"), |b| {
            let open = |buffer: &mut Vec<u8>| ours.open(&nonce, b"header", buffer, &tag);
            b.iter_batched_ref(|| sealed.clone(), open, BatchSize::SmallInput)
        });
    }
}

fn stream(c: &mut Criterion) {
    let cipher = ChaCha20Poly1305::new(&Key::from_bytes([7; 32]));
    let mut body = vec![1; 1 << 20];
    c.bench_function("crypto::stream_seal/bytes=1048576", |b| {
        b.iter(|| {
            let mut sealer = StreamSealer::new(&cipher, StreamPrefix([1; 7]));
            let (front, last) = body.split_at_mut((1 << 20) - 65_536);
            let tags = front.chunks_mut(65_536).filter_map(|piece| sealer.seal_next(b"", piece).ok()).count();
            (tags, sealer.seal_last(b"", last))
        })
    });
}

fn signatures(c: &mut Criterion) {
    let key = SigningKey::from_seed(&[3; 32]);
    let signature = key.sign(DOMAIN, b"reading");
    let public = key.public_key();
    c.bench_function("crypto::sign/bytes=7", |b| b.iter(|| key.sign(DOMAIN, b"reading")));
    c.bench_function("crypto::verify/bytes=7", |b| b.iter(|| public.verify(DOMAIN, b"reading", &signature)));
    let mut batch = Batch::new();
    let mut prepared = Batch::new();
    for seed in 0..64 {
        let key = SigningKey::from_seed(&[seed; 32]);
        let signature = key.sign(DOMAIN, b"vote");
        batch.push(key.public_key(), DOMAIN, b"vote", signature);
        if let Ok(key) = VerifyingKey::new(key.public_key()) {
            prepared.push_prepared(&key, signing_digest(DOMAIN, b"vote"), signature);
        }
    }
    c.bench_function("crypto::verify_batch/signatures=64", |b| b.iter(|| batch.verify()));
    c.bench_function("crypto::verify_batch_prepared/signatures=64", |b| b.iter(|| prepared.verify()));
}

fn sealed_block(c: &mut Criterion) {
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
    c.bench_function("crypto::block_seal/bytes=65536", |b| b.iter(|| block::seal(&header, &key, &body)));
}

fn key_tree(c: &mut Criterion) {
    let secret = StreamSecret::from_bytes([1; 32]);
    c.bench_function("crypto::interval_key/depth=32", |b| b.iter(|| secret.interval_key(IntervalId(123_456))));
}

/// Each step of a sale, and the grant of a year of hourly intervals.
fn pre(c: &mut Criterion) -> Result<(), PreError> {
    let (secret, stream) = (StreamSecret::from_bytes([7; 32]), Digest([2; 32]));
    let node = TreeNode::new(30, 2).ok_or(PreError::Root)?;
    let seed = secret.seed(node).ok_or(PreError::Root)?;
    let mut entropy = SeededEntropy::new(&[3; 32]);
    let two_of_three = Threshold::new(2, 3)?;
    let (delegating, granting) = (Umbral.delegating_key(&secret, node)?, Umbral.granting_key(&secret)?);
    let receiving = Umbral.generate_key(&mut entropy)?;
    let parties = Parties {
        delegating: Umbral.public_key(&delegating)?,
        receiving: Umbral.public_key(&receiving)?,
        verifying: Umbral.public_key(&granting)?,
    };
    let capsule = Umbral.encapsulate(&parties.delegating, &stream, &seed, &mut entropy)?;
    let keys = Umbral.grant(&delegating, &granting, &parties.receiving, two_of_three, &mut entropy)?;
    let proxy = |key: &_| Umbral.reencrypt(&capsule, &Umbral.verify_key_fragment(Clone::clone(key), &parties)?);
    let posted = keys.iter().map(proxy).collect::<Result<Vec<_>, _>>()?;
    let check = |fragment: &_| Umbral.verify_capsule_fragment(Clone::clone(fragment), &capsule, &parties);
    let verified = posted.iter().take(2).map(check).collect::<Result<Vec<_>, _>>()?;
    Umbral.open(&receiving, &parties.delegating, &capsule, &verified)?;

    let mut group = c.benchmark_group("crypto::pre");
    group.bench_function("encapsulate", |b| {
        b.iter(|| Umbral.encapsulate(&parties.delegating, &stream, &seed, &mut entropy))
    });
    group.bench_function("grant/threshold=2/3", |b| {
        b.iter(|| Umbral.grant(&delegating, &granting, &parties.receiving, two_of_three, &mut entropy))
    });
    group.bench_function("verify_and_reencrypt", |b| b.iter(|| keys.first().map(proxy)));
    group.bench_function("verify", |b| b.iter(|| posted.first().map(check)));
    group.bench_function("open/threshold=2/3", |b| {
        b.iter(|| Umbral.open(&receiving, &parties.delegating, &capsule, &verified))
    });
    group.sample_size(10).bench_function("grant/intervals=8760", |b| {
        b.iter(|| Umbral.grant_range(&secret, &stream, 5..8765, &parties.receiving, two_of_three, &mut entropy))
    });
    Ok(())
}

fn proxy_re_encryption(c: &mut Criterion) {
    if let Err(error) = pre(c) {
        unreachable!("an honest sale is refused: {error}")
    }
}

criterion_group!(benches, aead, stream, signatures, sealed_block, key_tree, proxy_re_encryption);
criterion_main!(benches);

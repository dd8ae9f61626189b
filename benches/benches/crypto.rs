//! Criterion benches of `cpchain-crypto`, each beside the bare dependency.
#![allow(missing_docs)]

use chacha20poly1305::{AeadInOut, KeyInit};
use cpchain_crypto::{
    Aead, ChaCha20Poly1305, Domain, Key, Nonce, Signer, SigningKey,
    key_tree::{IntervalId, StreamSecret},
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const DOMAIN: Domain = Domain::new("cpchain/benches/criterion/v1");

fn seal(c: &mut Criterion) {
    let mut group = c.benchmark_group("crypto::seal");
    let ours = ChaCha20Poly1305::new(&Key::from_bytes([7; 32]));
    let bare = chacha20poly1305::ChaCha20Poly1305::new(&[7; 32].into());
    let nonce = Nonce::counter(1, 0);
    for bytes in [64usize, 1024, 65_536] {
        group.throughput(Throughput::Bytes(bytes as u64));
        let mut buffer = vec![1; bytes];
        group.bench_function(BenchmarkId::new("cpchain", bytes), |b| {
            b.iter(|| ours.seal(&nonce, b"header", &mut buffer))
        });
        group.bench_function(BenchmarkId::new("bare", bytes), |b| {
            b.iter(|| bare.encrypt_inout_detached(&nonce.0.into(), b"header", buffer.as_mut_slice().into()))
        });
    }
}

fn signatures(c: &mut Criterion) {
    let key = SigningKey::from_seed(&[3; 32]);
    let signature = key.sign(DOMAIN, b"reading");
    let public = key.public_key();
    c.bench_function("crypto::sign/bytes=7", |b| b.iter(|| key.sign(DOMAIN, b"reading")));
    c.bench_function("crypto::verify/bytes=7", |b| b.iter(|| public.verify(DOMAIN, b"reading", &signature)));
}

fn key_tree(c: &mut Criterion) {
    let secret = StreamSecret::from_bytes([1; 32]);
    c.bench_function("crypto::interval_key/depth=32", |b| b.iter(|| secret.interval_key(IntervalId(123_456))));
}

criterion_group!(benches, seal, signatures, key_tree);
criterion_main!(benches);

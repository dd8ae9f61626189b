//! Learning with errors: public matrices, small secrets, and what a client can compute before it knows its question.

use alloc::{vec, vec::Vec};

use chacha20::{
    ChaCha12, ChaCha20,
    cipher::{KeyIvInit, StreamCipher},
};
use zeroize::Zeroizing;

use super::{
    kernel::Matrix,
    parameters::{ERROR_BITS, SCALE},
    wire::{Head, KeywordTable},
};
use crate::{
    hash::{Digest, Domain},
    search::Kernel,
};

const MATRIX: Domain = Domain::new("cpchain/crypto/search/keyword-matrix/v1");
/// Columns of the public matrix that are multiplied at a time.
const BATCH: usize = 8;

/// Numbers modulo 2³² that are wiped when dropped.
pub(super) type Secret = Zeroizing<Vec<u32>>;

/// The public random matrix of a segment: a row for each bucket, a column for each element of the secret. No two segments share
/// one, so one secret serves all segments of a query.
pub(super) struct PublicMatrix {
    seed: [u8; 32],
    buckets: usize,
}

impl PublicMatrix {
    pub(super) fn new(table: &KeywordTable, head: Head) -> Self {
        let seed = Digest::of(MATRIX, &[&table.to_bytes(), &head.to_bytes()]).0;
        Self { seed, buckets: head.buckets as usize }
    }

    /// A column: the keystream of ChaCha12 with its number as nonce.
    pub(super) fn column(&self, number: usize, out: &mut Vec<u32>) {
        let mut nonce = [0; 12];
        let (counter, _) = nonce.split_at_mut(8);
        counter.copy_from_slice(&(number as u64).to_le_bytes());
        let mut cipher = ChaCha12::new(&self.seed.into(), &nonce.into());
        out.clear();
        // Through a small buffer, so that the words are read from the first cache.
        let mut left = self.buckets;
        while left > 0 {
            let mut buffer = [[0; 4]; 1024];
            let (words, _) = buffer.split_at_mut(left.min(1024));
            cipher.apply_keystream(words.as_flattened_mut());
            out.extend(words.iter().map(|word| u32::from_le_bytes(*word)));
            left = left.saturating_sub(words.len());
        }
    }

    /// Table times public matrix: for each element of the secret, one number for each byte of a bucket.
    pub(super) fn hint(&self, kernel: Kernel, table: &Matrix, dimension: usize) -> Vec<u32> {
        let mut hint = Vec::with_capacity(dimension * table.rows());
        for first in (0..dimension).step_by(BATCH) {
            let count = BATCH.min(dimension - first);
            let mut columns = vec![Vec::new(); count];
            (first..).zip(&mut columns).for_each(|(number, column)| self.column(number, column));
            let columns: Vec<&[u32]> = columns.iter().map(Vec::as_slice).collect();
            let mut products = vec![vec![0; table.rows()]; count];
            kernel.multiply_matrix(table, &columns, &mut products);
            products.iter().for_each(|product| hint.extend_from_slice(product));
        }
        hint
    }

    /// Encryptions of all zeros, one for each secret: public matrix times secret, plus `errors`.
    pub(super) fn encrypt_zeros(&self, kernel: Kernel, secrets: &[Secret], errors: Vec<Secret>) -> Vec<Secret> {
        let mut samples = errors;
        let (mut column, dimension) = (Vec::new(), secrets.first().map_or(0, |secret| secret.len()));
        for number in 0..dimension {
            self.column(number, &mut column);
            for (sample, secret) in samples.iter_mut().zip(secrets) {
                kernel.add_scaled(sample, &column, secret.get(number).copied().unwrap_or(0));
            }
        }
        samples
    }
}

/// A stream of small numbers for secrets and errors, from a seed that is used once.
pub(super) struct Small(ChaCha20);

impl Small {
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        Self(ChaCha20::new(seed.into(), &[0; 12].into()))
    }

    /// So many numbers of TUniform: one byte each, without a branch.
    pub(super) fn take(&mut self, count: usize) -> Secret {
        let mut bytes = Zeroizing::new(vec![0; count]);
        self.0.apply_keystream(&mut bytes);
        Zeroizing::new(bytes.iter().map(|byte| tuniform(*byte)).collect())
    }

    /// A number below `bound`, near enough to uniform.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.apply_keystream(&mut bytes);
        ((u128::from(u64::from_le_bytes(bytes)) * bound as u128) >> 64) as usize
    }
}

/// From six bits 0 to 63: (bits + 1) / 2 is 0 and 32 once and each number between twice.
const fn tuniform(byte: u8) -> u32 {
    let bits = byte as u32 % (1 << (ERROR_BITS + 2));
    bits.div_ceil(2).wrapping_sub(1 << ERROR_BITS)
}

/// The bytes of a bucket: the answer without what the secret made of the hint, rounded.
pub(super) fn read(kernel: Kernel, answer: &[u32], hint: &[u32], secret: &[u32]) -> Vec<u8> {
    phase(kernel, answer, hint, secret).iter().map(|phase| (phase.wrapping_add(SCALE / 2) / SCALE) as u8).collect()
}

/// Byte times scale, plus noise.
pub(super) fn phase(kernel: Kernel, answer: &[u32], hint: &[u32], secret: &[u32]) -> Secret {
    let mut phase = Zeroizing::new(answer.to_vec());
    for (of_element, element) in hint.chunks_exact(answer.len().max(1)).zip(secret) {
        kernel.add_scaled(&mut phase, of_element, element.wrapping_neg());
    }
    phase
}

#[cfg(test)]
mod tests;

//! All kernels against the reference, and the reference against the definition.

use proptest::prelude::*;

use super::*;

/// The definition, from columns and vector as they are given.
fn product(rows: usize, columns: &[u8], vector: &[u32]) -> Vec<u32> {
    let mut sums = vec![0u32; rows];
    for (column, number) in columns.chunks_exact(rows).zip(vector) {
        for (sum, byte) in sums.iter_mut().zip(column) {
            *sum = sum.wrapping_add(number.wrapping_mul(i32::from(*byte as i8) as u32));
        }
    }
    sums
}

fn all_agree(rows: usize, columns: &[u8], vectors: &[Vec<u32>]) {
    let matrix = Matrix::from_columns(rows, columns);
    assert_eq!(matrix.to_columns(), columns);
    let borrowed: Vec<&[u32]> = vectors.iter().map(Vec::as_slice).collect();
    let wanted: Vec<_> = vectors.iter().map(|vector| product(rows, columns, vector)).collect();
    for kernel in Kernel::available() {
        let mut sums = vec![vec![0; rows]; vectors.len()];
        kernel.multiply_matrix(&matrix, &borrowed, &mut sums);
        assert!(sums == wanted, "{} with {rows} rows of {} columns", kernel.name(), columns.len() / rows);
    }
}

/// Bytes that look random, from a seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    crate::Entropy::fill(&mut crate::SeededEntropy::new(&key), &mut bytes).unwrap();
    bytes
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

/// All extreme bytes with all extreme numbers, in lengths around the borders of chunks and tiles.
#[test]
fn extremes() {
    let numbers = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_7fff, 0xffff_8000];
    for columns in [1, 63, 64, 65, 64 * TILE - 1, 64 * TILE, 64 * TILE + 1, 64 * TILE * 2 + 65] {
        for byte in [0u8, 1, 0x7f, 0x80, 0x81, 0xff] {
            let vectors: Vec<_> =
                numbers.iter().flat_map(|n: &u32| [*n, n.wrapping_neg()]).map(|n| vec![n; columns]).collect();
            all_agree(4, &vec![byte; 4 * columns], &vectors);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_kernel_agrees_with_the_scalar_one(
        panels in 1usize..20, columns in 1usize..5000, count in 1usize..10, seed: u64,
    ) {
        let rows = 4 * panels;
        let vectors: Vec<_> = (1..=count as u64).map(|i| words(&noise(seed ^ i << 56, 4 * columns))).collect();
        all_agree(rows, &noise(seed, rows * columns), &vectors);
    }

    #[test]
    fn scaled_sums_agree(length in 0usize..300, factor: u32, seed: u64) {
        let (to, of) = (words(&noise(seed, 4 * length)), words(&noise(!seed, 4 * length)));
        let wanted: Vec<_> = to.iter().zip(&of).map(|(to, of)| to.wrapping_add(of.wrapping_mul(factor))).collect();
        for kernel in Kernel::available() {
            let mut sums = to.clone();
            kernel.add_scaled(&mut sums, &of, factor);
            prop_assert_eq!(&sums, &wanted);
        }
    }
}

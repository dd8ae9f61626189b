//! The reference: what the product is.

use super::{ROWS, layout::Chunk};
use crate::search::simd::Scalar;

pub(super) fn dot(_: Scalar, rows: &[Chunk], vector: &[Chunk]) -> [u32; ROWS] {
    let mut sums = [0u32; ROWS];
    for (rows, vector) in rows.iter().zip(vector) {
        let words = vector.iter().flat_map(|line| line.0.as_chunks::<4>().0);
        for (column, word) in words.enumerate() {
            let number = u32::from_le_bytes(*word);
            for (sum, row) in sums.iter_mut().zip(rows) {
                let byte = row.0.get(column).map_or(0, |byte| i32::from(*byte as i8));
                *sum = sum.wrapping_add(number.wrapping_mul(byte as u32));
            }
        }
    }
    sums
}

#[inline(always)]
pub(super) fn add_scaled(_: Scalar, to: &mut [u32], of: &[u32], factor: u32) {
    for (to, of) in to.iter_mut().zip(of) {
        *to = to.wrapping_add(of.wrapping_mul(factor));
    }
}

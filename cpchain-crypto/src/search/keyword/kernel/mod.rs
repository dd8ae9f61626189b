//! The one expensive loop of the engine: a matrix of bytes times vectors of 32-bit numbers, modulo 2³².
//!
//! Every kernel computes the same numbers as `scalar`, bit for bit (`every_kernel_agrees_with_the_scalar_one`). They differ
//! in how a vector is laid out, because no processor multiplies 8 by 32 bits: AVX-512 multiplies by its four bytes, AVX2 and NEON by
//! its two halves, taken as signed. Sums may wrap on the way, since 2³² is what they are wanted modulo.
//!
//! The matrix is read once from front to back, in panels of four rows by [`TILE`] chunks of 64 columns. A panel stays in the first
//! cache while all vectors of a batch are multiplied with it; the piece of a vector that belongs to a tile stays there, too.
//!
//! This module and those below it are the only ones of the crate that contain `unsafe`: calls of functions that need a
//! processor feature, and loads.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod layout;
mod matrix;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;

use alloc::vec::Vec;

use layout::{Chunk, Vector};
pub(super) use matrix::Matrix;

use crate::search::simd::{Kernel, Kind, call};

/// Chunks of a tile: 2,048 columns, so that a panel and the piece of a vector take 8 KiB each.
const TILE: usize = 32;
/// Rows of a panel.
const ROWS: usize = 4;

impl Kernel {
    /// `matrix` times each of `vectors`, added to what `sums` holds: one vector of sums, as long as the matrix is high, for each vector.
    ///
    /// Vectors shorter than the matrix is wide end in zeros; what is longer is left out.
    pub(super) fn multiply_matrix(self, matrix: &Matrix, vectors: &[&[u32]], sums: &mut [Vec<u32>]) {
        let vectors: Vec<Vector> = vectors.iter().map(|vector| self.lay_out(vector)).collect();
        let panels = matrix.rows() / ROWS;
        for (tile, panels) in matrix.tiles().map(|tile| tile.chunks_exact((tile.len() / panels).max(1))).enumerate() {
            let pieces: Vec<&[Chunk]> = vectors.iter().map(|vector| vector.tile(tile)).collect();
            for (at, panel) in panels.enumerate() {
                for (piece, sums) in pieces.iter().zip(sums.iter_mut()) {
                    let products = self.dot(panel, piece);
                    let sums = sums.iter_mut().skip(at * ROWS);
                    sums.zip(products).for_each(|(sum, product)| *sum = sum.wrapping_add(product));
                }
            }
        }
    }

    /// `to[i] += factor * of[i]` modulo 2³², in time that depends on the length alone.
    pub(super) fn add_scaled(self, to: &mut [u32], of: &[u32], factor: u32) {
        call!(self, add_scaled(to, of, factor));
    }

    fn lay_out(self, vector: &[u32]) -> Vector {
        match self.kind() {
            Kind::Scalar(_) => Vector::words(vector),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => Vector::bytes(vector),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => Vector::halves(vector),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => Vector::halves(vector),
        }
    }

    /// Four rows times one vector, chunk by chunk; the shorter of the two ends it.
    fn dot(self, rows: &[Chunk], vector: &[Chunk]) -> [u32; ROWS] {
        call!(self, dot(rows, vector))
    }
}

#[cfg(test)]
mod tests;

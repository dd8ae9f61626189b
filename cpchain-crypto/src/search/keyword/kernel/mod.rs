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

use alloc::{vec, vec::Vec};

use layout::{Chunk, Vector};
pub(super) use matrix::Matrix;

/// Chunks of a tile: 2,048 columns, so that a panel and the piece of a vector take 8 KiB each.
const TILE: usize = 32;
/// Rows of a panel.
const ROWS: usize = 4;

/// Code for one kind of processor. Which ones there are is asked of the processor; all compute the same.
///
/// ```
/// use cpchain_crypto::search::keyword::Kernel;
/// println!("answers are computed by {}", Kernel::best().name());
/// assert!(Kernel::available().contains(&Kernel::best()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Kind);

/// A kind other than `Scalar` is made by [`Kernel::available`] alone, after the processor said that it has what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Kernel {
    /// What this processor can run, the slowest first.
    pub fn available() -> Vec<Self> {
        let mut kernels = vec![Self(Kind::Scalar)];
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx2") {
                kernels.push(Self(Kind::Avx2));
            }
            let vnni = std::arch::is_x86_feature_detected!("avx512vnni");
            if vnni && std::arch::is_x86_feature_detected!("avx512f") {
                kernels.push(Self(Kind::Avx512));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            kernels.push(Self(Kind::Neon));
        }
        kernels
    }

    /// The fastest of them.
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Self(Kind::Scalar))
    }

    /// Its name: `scalar`, `avx2`, `avx512-vnni` or `neon`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512-vnni",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => "neon",
        }
    }

    /// `matrix` times each of `vectors`, added to what `sums` holds: one vector of sums, as long as the matrix is high, for each vector.
    ///
    /// Vectors shorter than the matrix is wide end in zeros; what is longer is left out.
    pub(super) fn multiply(self, matrix: &Matrix, vectors: &[&[u32]], sums: &mut [Vec<u32>]) {
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
        match self.0 {
            Kind::Scalar => scalar::add_scaled(to, of, factor),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a kernel of this kind exists only where AVX2 was detected.
            Kind::Avx2 => unsafe { avx2::add_scaled(to, of, factor) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a kernel of this kind exists only where AVX-512F was detected.
            Kind::Avx512 => unsafe { avx512::add_scaled(to, of, factor) },
            #[cfg(target_arch = "aarch64")]
            // NEON is part of the target: the compiler uses it here unasked.
            Kind::Neon => scalar::add_scaled(to, of, factor),
        }
    }

    fn lay_out(self, vector: &[u32]) -> Vector {
        match self.0 {
            Kind::Scalar => Vector::words(vector),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => Vector::halves(vector),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => Vector::bytes(vector),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => Vector::halves(vector),
        }
    }

    /// Four rows times one vector, chunk by chunk; the shorter of the two ends it.
    fn dot(self, rows: &[Chunk], vector: &[Chunk]) -> [u32; ROWS] {
        match self.0 {
            Kind::Scalar => scalar::dot(rows, vector),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a kernel of this kind exists only where AVX2 was detected.
            Kind::Avx2 => unsafe { avx2::dot(rows, vector) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a kernel of this kind exists only where AVX-512F and AVX-512 VNNI were detected.
            Kind::Avx512 => unsafe { avx512::dot(rows, vector) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: a kernel of this kind exists only where NEON was detected.
            Kind::Neon => unsafe { neon::dot(rows, vector) },
        }
    }
}

#[cfg(test)]
mod tests;

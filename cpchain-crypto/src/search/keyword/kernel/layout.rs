//! How numbers lie in memory: lines of 64 bytes, four lines to a chunk.

use alloc::{vec, vec::Vec};

use super::TILE;

/// Columns of a chunk.
pub(super) const COLUMNS: usize = 64;

/// A line of the cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u8; COLUMNS]);

/// Of a matrix: four rows of 64 columns. Of a vector: 64 numbers of 32 bits, cut as the kernel wants them.
pub(super) type Chunk = [Line; 4];

/// A chunk of zeros, in every layout.
pub(super) const ZERO: Chunk = [Line([0; COLUMNS]); 4];

/// A vector laid out for one kernel. Wiped when dropped: the client multiplies with secrets, too.
pub(super) struct Vector(Vec<Chunk>);

impl Vector {
    /// Number after number.
    pub(super) fn words(numbers: &[u32]) -> Self {
        Self::lay_out(numbers, |at, number, chunk| put(chunk, 4 * at, number.to_le_bytes()))
    }

    /// Line `k` has byte `k` of each number.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn bytes(numbers: &[u32]) -> Self {
        Self::lay_out(numbers, |at, number, chunk| {
            for (line, byte) in chunk.iter_mut().zip(number.to_le_bytes()) {
                put(core::slice::from_mut(line), at, [byte]);
            }
        })
    }

    /// Two lines with the lower halves of the numbers, two with the upper ones, both as signed 16-bit numbers: a lower half from
    /// 2¹⁵ on counts as negative, and the upper half is one more.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    pub(super) fn halves(numbers: &[u32]) -> Self {
        Self::lay_out(numbers, |at, number, chunk| {
            let upper = number.wrapping_add(1 << 15) >> 16;
            put(chunk, 2 * at, (number as u16).to_le_bytes());
            put(chunk, 2 * (COLUMNS + at), (upper as u16).to_le_bytes());
        })
    }

    fn lay_out(numbers: &[u32], cut: impl Fn(usize, u32, &mut Chunk)) -> Self {
        let mut chunks = vec![ZERO; numbers.len().div_ceil(COLUMNS)];
        for (chunk, numbers) in chunks.iter_mut().zip(numbers.chunks(COLUMNS)) {
            for (at, number) in numbers.iter().enumerate() {
                cut(at, *number, chunk);
            }
        }
        Self(chunks)
    }

    /// The piece that belongs to a tile of the matrix.
    pub(super) fn tile(&self, tile: usize) -> &[Chunk] {
        self.0.chunks(TILE).nth(tile).unwrap_or(&[])
    }
}

impl Drop for Vector {
    fn drop(&mut self) {
        self.0.iter_mut().flatten().for_each(|line| zeroize::Zeroize::zeroize(&mut line.0));
    }
}

/// Writes bytes into lines as if they were one array.
fn put<const N: usize>(lines: &mut [Line], at: usize, bytes: [u8; N]) {
    let line = lines.get_mut(at / COLUMNS).and_then(|line| line.0.get_mut(at % COLUMNS..));
    if let Some(to) = line.and_then(|line| line.first_chunk_mut::<N>()) {
        *to = bytes;
    }
}

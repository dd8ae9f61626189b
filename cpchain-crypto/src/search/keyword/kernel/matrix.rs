//! A matrix of signed bytes, in the order in which the kernels read it.

use alloc::vec::Vec;

use super::{
    ROWS, TILE,
    layout::{COLUMNS, Chunk, ZERO},
};
use crate::search::pages;

/// Bytes by row and column. A byte from 128 on counts as negative.
#[derive(Clone)]
pub(in crate::search::keyword) struct Matrix {
    rows: usize,
    columns: usize,
    /// Tile by tile, in it panel by panel, in it chunk by chunk.
    chunks: Vec<Chunk>,
}

impl Matrix {
    /// From its columns, each of `rows` bytes (a multiple of 4, at least 4), one behind the other. Bytes of an incomplete column are left
    /// out; the number of columns is filled up to a multiple of 64 with zeros.
    pub(in crate::search::keyword) fn from_columns(rows: usize, columns: &[u8]) -> Self {
        let rows = rows.max(ROWS).next_multiple_of(ROWS);
        let count = columns.len() / rows;
        let width = count.div_ceil(COLUMNS);
        let mut chunks = pages::with_capacity(width * (rows / ROWS));
        chunks.resize(width * (rows / ROWS), ZERO);
        let mut matrix = Self { rows, columns: count, chunks };
        let tiles = matrix.chunks.chunks_mut(TILE * (rows / ROWS));
        for (tile, bytes) in tiles.zip(columns.chunks(TILE * COLUMNS * rows)) {
            let wide = tile.len() / (rows / ROWS);
            for (chunk, bytes) in bytes.chunks(COLUMNS * rows).enumerate() {
                for (at, column) in bytes.chunks_exact(rows).enumerate() {
                    let (rows, _) = column.as_chunks::<ROWS>();
                    for (cell, bytes) in tile.iter_mut().skip(chunk).step_by(wide).zip(rows) {
                        for (line, byte) in cell.iter_mut().zip(bytes) {
                            if let Some(to) = line.0.get_mut(at) {
                                *to = *byte;
                            }
                        }
                    }
                }
            }
        }
        matrix
    }

    /// Rows.
    pub(in crate::search::keyword) const fn rows(&self) -> usize {
        self.rows
    }

    /// Columns, without those that were filled up.
    pub(in crate::search::keyword) const fn columns(&self) -> usize {
        self.columns
    }

    /// The columns as they were given.
    pub(in crate::search::keyword) fn to_columns(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.rows * self.columns);
        let panels = self.rows / ROWS;
        for column in 0..self.columns {
            let (tile, chunk) = (column / COLUMNS / TILE, column / COLUMNS % TILE);
            let tile = self.tiles().nth(tile).unwrap_or(&[]);
            let cells = tile.iter().skip(chunk).step_by((tile.len() / panels).max(1));
            out.extend(cells.flat_map(|cell| cell.iter().filter_map(|line| line.0.get(column % COLUMNS))));
        }
        out
    }

    pub(super) fn tiles(&self) -> impl Iterator<Item = &[Chunk]> {
        self.chunks.chunks(TILE * (self.rows / ROWS))
    }
}

//! Eight numbers at a time: what a processor must offer so that the loops of this folder run on it.

use crate::search::simd::Scalar;

/// Complex numbers that one step works on.
pub(super) const LANES: usize = 8;

/// Eight complex numbers, real parts first: two lines of the cache.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub(in crate::search) struct Cell {
    pub(in crate::search) re: [f64; LANES],
    pub(in crate::search) im: [f64; LANES],
}

impl Cell {
    pub(in crate::search) const ZERO: Self = Self { re: [0.0; LANES], im: [0.0; LANES] };
}

/// A processor's way to compute with eight numbers at once. A value of the type is the proof that this processor has it.
pub(super) trait Lanes: Copy {
    /// Eight numbers.
    type V: Copy;
    /// Tables and columns that are summed at a time, at most four and three: as many as sums fit into the registers.
    const TABLES: usize;
    const COLUMNS: usize;

    fn load(self, from: &[f64; LANES]) -> Self::V;
    fn store(self, from: Self::V, to: &mut [f64; LANES]);
    fn splat(self, value: f64) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a · b + c`
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c − a · b`
    fn mul_sub_from(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Lane `i` of vector `j` becomes lane `j` of vector `i`.
    fn transpose(self, rows: [Self::V; LANES]) -> [Self::V; LANES];
}

/// Plain numbers, each operation rounded.
impl Lanes for Scalar {
    type V = [f64; LANES];
    const TABLES: usize = 1;
    const COLUMNS: usize = 2;

    #[inline(always)]
    fn load(self, from: &[f64; LANES]) -> Self::V {
        *from
    }

    #[inline(always)]
    fn store(self, from: Self::V, to: &mut [f64; LANES]) {
        *to = from;
    }

    #[inline(always)]
    fn splat(self, value: f64) -> Self::V {
        [value; LANES]
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        each(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        each(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        each(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        self.add(self.mul(a, b), c)
    }

    #[inline(always)]
    fn mul_sub_from(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        self.sub(c, self.mul(a, b))
    }

    #[inline(always)]
    fn transpose(self, rows: [Self::V; LANES]) -> [Self::V; LANES] {
        let mut columns = [[0.0; LANES]; LANES];
        for (row, values) in rows.iter().enumerate() {
            for (column, value) in columns.iter_mut().zip(values) {
                if let Some(cell) = column.get_mut(row) {
                    *cell = *value;
                }
            }
        }
        columns
    }
}

#[inline(always)]
fn each(mut a: [f64; LANES], b: [f64; LANES], of: impl Fn(f64, f64) -> f64) -> [f64; LANES] {
    a.iter_mut().zip(b).for_each(|(a, b)| *a = of(*a, b));
    a
}

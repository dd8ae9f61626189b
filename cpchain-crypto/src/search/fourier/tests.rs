//! The reference against whole numbers, all kernels against the reference.

use proptest::prelude::*;

use super::*;

/// Numbers that look random, from a seed.
fn noise(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// A row of 16-bit numbers and a selector of 44-bit fractions.
type Pair = (Vec<i16>, Vec<i64>);

const FRACTION: f64 = (1u64 << 44) as f64;

fn random(seed: u64, count: usize) -> Vec<Pair> {
    let mut next = noise(seed);
    let mut pair = || {
        let row = (0..COEFFICIENTS).map(|_| next() as i16).collect();
        (row, (0..COEFFICIENTS).map(|_| next() as i64 >> 20).collect())
    };
    (0..count).map(|_| pair()).collect()
}

/// Σ row · selector modulo X²⁰⁴⁸ + 1 and modulo 1, in units of 2⁻³², rounded down.
fn exact(pairs: &[Pair], at: usize) -> u32 {
    let mut sum = 0i128;
    for (row, selector) in pairs {
        for (i, row) in row.iter().enumerate() {
            let other = (at + COEFFICIENTS - i) % COEFFICIENTS;
            let product = i128::from(*row) * i128::from(selector[other]);
            sum += if i <= at { product } else { -product };
        }
    }
    (sum >> 12) as u32
}

fn transformed(kernel: Kernel, numbers: impl Iterator<Item = f64>) -> Spectrum {
    let (mut coefficients, mut spectrum) = ([0.0; COEFFICIENTS], Spectrum::zero());
    coefficients.iter_mut().zip(numbers).for_each(|(to, from)| *to = from);
    kernel.forward(&coefficients, &mut spectrum);
    spectrum
}

/// The sums of all pairs, once for each column: column `c` has the selectors turned by `c` places.
fn sums(kernel: Kernel, pairs: &[Pair], columns: usize) -> Vec<[u32; COEFFICIENTS]> {
    let mut rows = Rows::new(pairs.len());
    let table = rows.push();
    let mut selectors = Selectors::new(vec![Part { rows: pairs.len(), columns }]);
    for (at, (row, selector)) in pairs.iter().enumerate() {
        rows.put(table, at, &transformed(kernel, row.iter().map(|number| f64::from(*number))));
        for column in 0..columns {
            let turned = selector.iter().cycle().skip(column).take(COEFFICIENTS);
            selectors.put(0, column, at, &transformed(kernel, turned.map(|number| *number as f64 / FRACTION)));
        }
    }
    let mut back = Vec::new();
    rows.multiply(kernel, &selectors, |sums| back.extend(sums.iter_mut().map(|sum| returned(kernel, sum))));
    back
}

fn returned(kernel: Kernel, sum: &mut Sum) -> [u32; COEFFICIENTS] {
    let mut out = [0; COEFFICIENTS];
    kernel.backward(sum.cells_mut(), &mut out);
    out
}

/// How far apart, in units of 2⁻³².
fn distance(a: u32, b: u32) -> u32 {
    (a.wrapping_sub(b) as i32).unsigned_abs()
}

fn all_agree(pairs: &[Pair], columns: usize, most: u32) {
    let wanted = sums(Kernel::SCALAR, pairs, columns);
    for kernel in Kernel::available() {
        for (sum, wanted) in sums(kernel, pairs, columns).iter().zip(&wanted) {
            let worst = sum.iter().zip(wanted).map(|(a, b)| distance(*a, *b)).max().unwrap();
            assert!(worst < most, "{} is {worst} units off", kernel.name());
        }
    }
}

#[test]
fn products_are_those_of_polynomials() {
    let pairs = random(7, 3);
    let sum = sums(Kernel::SCALAR, &pairs, 1).remove(0);
    for at in (0..COEFFICIENTS).step_by(37).chain([1, COEFFICIENTS - 1]) {
        assert!(distance(sum[at], exact(&pairs, at)) < 8, "coefficient {at}");
    }
}

/// The largest rows with the largest selectors, in sums as long as those of a digit: 2²⁹, so that 2⁻²² is as close as 53 bits come.
#[test]
fn extremes_agree() {
    const HALF: i64 = 1 << 43;
    for row in [0, 1, -1, i16::MIN, i16::MAX] {
        for selector in [0, 1, HALF - 1, -HALF] {
            let pairs = vec![(vec![row; COEFFICIENTS], vec![selector; COEFFICIENTS]); 15];
            all_agree(&pairs, 1, 1 << 10);
            let sum = sums(Kernel::best(), &pairs, 1).remove(0);
            for at in [0, 1, COEFFICIENTS / 2, COEFFICIENTS - 1] {
                assert!(distance(sum[at], exact(&pairs, at)) < 1 << 10, "{row} · {selector} at {at}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn kernels_agree(count in 1usize..16, columns in 1usize..5, seed: u64) {
        all_agree(&random(seed, count), columns, 32);
    }

    #[test]
    fn parts_and_columns_do_not_mix(seed: u64) {
        // One part of two rows and one of three, against each alone.
        let pairs = random(seed, 5);
        let kernel = Kernel::best();
        let mut rows = Rows::new(5);
        let table = rows.push();
        let mut selectors = Selectors::new(vec![Part { rows: 2, columns: 1 }, Part { rows: 3, columns: 3 }]);
        for (at, (row, selector)) in pairs.iter().enumerate() {
            rows.put(table, at, &transformed(kernel, row.iter().map(|number| f64::from(*number))));
            let spectrum = |column| {
                let turned = selector.iter().cycle().skip(column).take(COEFFICIENTS);
                transformed(kernel, turned.map(|number| *number as f64 / FRACTION))
            };
            if at < 2 {
                selectors.put(0, 0, at, &spectrum(0));
            } else {
                (0..3).for_each(|column| selectors.put(1, column, at - 2, &spectrum(column)));
            }
        }
        let mut wanted = sums(kernel, &pairs[..2], 1);
        wanted.extend(sums(kernel, &pairs[2..], 3));
        let mut all = Vec::new();
        rows.multiply(kernel, &selectors, |sums| all.extend(sums.iter_mut().map(|sum| returned(kernel, sum))));
        prop_assert_eq!(all, wanted);
    }
}

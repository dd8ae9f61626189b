use proptest::prelude::*;

use super::{
    super::parameters::{EXPANSION_BITS, EXPANSION_LEVELS},
    *,
};
use crate::{SeededEntropy, entropy::Entropy};

fn bytes(seed: u8, count: usize) -> Vec<u8> {
    let mut out = vec![0; count];
    SeededEntropy::new(&[seed; 32]).fill(&mut out).unwrap();
    out
}

/// A tile and selectors from `seed`; with `extreme`, of the largest and the smallest numbers only.
fn sample(seed: u8, extreme: bool) -> (Tile, Selectors) {
    let mut random = bytes(seed, size_of::<Tile>() + 8 * ROWS * 4 * LANES).into_iter();
    let mut byte = || random.next().unwrap();
    let mut tile = [[[0; 2 * LANES * WIDTH]; COLUMNS]; ROWS];
    for number in tile.as_flattened_mut().as_flattened_mut().as_chunks_mut::<WIDTH>().0 {
        *number = core::array::from_fn(|_| byte());
        if extreme {
            *number = if number[0] & 1 == 0 { [0; WIDTH] } else { [255; WIDTH] };
        }
    }
    let mut selectors = [[[0.0; LANES]; 4]; ROWS];
    for value in selectors.as_flattened_mut().as_flattened_mut() {
        let number = i64::from_le_bytes(core::array::from_fn(|_| byte()));
        *value = if extreme { 1e3 * number.signum() as f64 } else { number as f64 * 2f64.powi(-80) };
    }
    (tile, selectors)
}

fn bits(sums: &Sums) -> Vec<u64> {
    sums.as_flattened().as_flattened().iter().map(|sum| sum.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_kernel_agrees_with_the_scalar_one(seed: u8, extreme: bool, bits_of in 1u32..32) {
        let (tile, selectors) = sample(seed, extreme);
        let wanted = Kernel::SCALAR.multiply_tile(&tile, &selectors);
        let random = bytes(seed ^ 1, 8 * DEGREE);
        let mut polynomial = [0; DEGREE];
        for (value, bytes) in polynomial.iter_mut().zip(random.as_chunks::<8>().0) {
            *value = if extreme { u64::from(bytes[0] & 1).wrapping_neg() ^ u64::from(bytes[1] & 1) << 63 } else { u64::from_le_bytes(*bytes) };
        }
        let numbers = polynomial.map(|value| (value >> 32) as u32);
        let spectrum = |turn: usize| {
            let mut spectrum = Spectrum::zero();
            let mut values = polynomial.iter().cycle().skip(turn).map(|value| *value as i64 as f64 * 1e-7);
            for part in spectrum.cells_mut().iter_mut().flat_map(|cell| cell.re.iter_mut().chain(&mut cell.im)) {
                *part = values.next().unwrap();
            }
            spectrum
        };
        let [a, b, c] = [spectrum(0), spectrum(1), spectrum(9)];
        let smaller = |kernel: Kernel| {
            let mut digits = vec![[0.0; DEGREE]; EXPANSION_LEVELS + 1];
            let (round, cut) = digits.split_first_mut().unwrap();
            kernel.round(&numbers, bits_of, round);
            (0..).zip(cut).for_each(|(level, digits)| kernel.cut(&polynomial, level, digits));
            let (mut sum, mut difference) = (a.clone(), Spectrum::zero());
            kernel.add_product(&mut sum, &b, &c);
            kernel.difference(&mut difference, &b, &c);
            (digits, *sum.cells(), *difference.cells())
        };
        for kernel in Kernel::available() {
            prop_assert_eq!(bits(&kernel.multiply_tile(&tile, &selectors)), bits(&wanted), "{}", kernel.name());
            prop_assert!(smaller(kernel) == smaller(Kernel::SCALAR), "{}", kernel.name());
        }
    }

    /// Digits are small, and make up the number but for the bits below the last one.
    #[test]
    fn digits_make_up_the_number(seed: u8, bits_of in 1u32..32) {
        let mut polynomial = [0; DEGREE];
        for (value, bytes) in polynomial.iter_mut().zip(bytes(seed, 8 * DEGREE).as_chunks::<8>().0) {
            *value = u64::from_le_bytes(*bytes);
        }
        (polynomial[0], polynomial[1], polynomial[2], polynomial[3]) = (0, u64::MAX, 1 << 63, (1 << 63) - 1);
        let (mut left, mut digits) = (polynomial, [0.0; DEGREE]);
        for level in 0..EXPANSION_LEVELS as u32 {
            Kernel::best().cut(&polynomial, level, &mut digits);
            for (left, digit) in left.iter_mut().zip(&digits) {
                prop_assert!(digit.abs() <= f64::from(1 << (EXPANSION_BITS - 1)));
                *left = left.wrapping_sub((*digit as i64 as u64) << (64 - EXPANSION_BITS * (level + 1)));
            }
        }
        let below = 1 << (63 - EXPANSION_BITS * EXPANSION_LEVELS as u32);
        prop_assert!(left.iter().all(|left| (*left as i64).unsigned_abs() <= below));
        let numbers = polynomial.map(|value| (value >> 32) as u32);
        Kernel::best().round(&numbers, bits_of, &mut digits);
        for (number, digit) in numbers.iter().zip(&digits) {
            let left = number.wrapping_sub((*digit as i64 as u32) << (32 - bits_of)) as i32;
            prop_assert!(left.unsigned_abs() <= 1 << (31 - bits_of));
        }
    }

    /// What a page becomes in memory is within half a step of what it was, up to the largest page that there is.
    #[test]
    fn packing_rounds_and_nothing_else(seed: u8, scale in 0i32..=20) {
        let random = bytes(seed, 16 * LANES);
        let mut parts = random.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes) as f64 * 2f64.powi(scale - 63));
        let mut cell = Cell::ZERO;
        cell.re.iter_mut().chain(&mut cell.im).for_each(|part| *part = parts.next().unwrap());
        let mut one: Selectors = [[[0.0; LANES]; 4]; ROWS];
        one[5][0] = [1.0; LANES];
        let mut tile = [[[0; 2 * LANES * WIDTH]; COLUMNS]; ROWS];
        tile[5][2] = pack(&cell);
        let [re, im, ..] = Kernel::best().multiply_tile(&tile, &one)[2];
        for (sum, wanted) in re.iter().chain(&im).zip(cell.re.iter().chain(&cell.im)) {
            prop_assert!((sum - wanted * STEPS).abs() <= 0.5);
        }
    }
}

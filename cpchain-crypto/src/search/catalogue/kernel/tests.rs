use proptest::prelude::*;
use tfhe_fft::c64;

use super::*;
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
    fn every_kernel_agrees_with_the_scalar_one(seed: u8, extreme: bool, digits_of in 1u32..40) {
        let (tile, selectors) = sample(seed, extreme);
        let scalar = Kernel::SCALAR;
        let wanted = scalar.multiply_tile(&tile, &selectors);
        let random = bytes(seed ^ 1, 8 * 2048);
        let mut polynomial = [0; 2048];
        for (value, bytes) in polynomial.iter_mut().zip(random.as_chunks::<8>().0) {
            *value = if extreme { u64::from(bytes[0] & 1).wrapping_neg() ^ u64::from(bytes[1] & 1) << 63 } else { u64::from_le_bytes(*bytes) };
        }
        let of: Frequencies = core::array::from_fn(|i| c64 { re: polynomial[i] as i64 as f64, im: polynomial[2 * i] as i64 as f64 });
        let by: Split = core::array::from_fn(|part| core::array::from_fn(|i| polynomial[i + 9 * part] as f64 * 1e-7));
        let smaller = |kernel: Kernel| {
            let mut digit = polynomial;
            kernel.digit(&mut digit, digits_of);
            let mut digits = vec![[0; 2048]; EXPANSION_LEVELS];
            kernel.digits(&polynomial, digits.as_mut_slice().try_into().unwrap());
            let mut sum = by;
            kernel.add_product(&mut sum, &of, &by);
            (digit, digits, sum)
        };
        for kernel in Kernel::available() {
            prop_assert_eq!(bits(&kernel.multiply_tile(&tile, &selectors)), bits(&wanted), "{}", kernel.name());
            prop_assert!(smaller(kernel) == smaller(scalar), "{}", kernel.name());
        }
    }

    /// What a page becomes in memory is within half a step of what it was, up to the largest page that there is.
    #[test]
    fn packing_rounds_and_nothing_else(seed: u8, scale in 0i32..=22) {
        let random = bytes(seed, 16 * FREQUENCIES);
        let part = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap()) as f64 * 2f64.powi(scale - 63);
        let page: Frequencies = core::array::from_fn(|i| c64 { re: part(&random[16 * i..][..8]), im: part(&random[16 * i + 8..][..8]) });
        let mut one: Selectors = [[[0.0; LANES]; 4]; ROWS];
        one[5][0] = [1.0; LANES];
        for tile_number in [0, 77, TILES - 1] {
            let mut tile = [[[0; 2 * LANES * WIDTH]; COLUMNS]; ROWS];
            tile[5][2] = pack(&page, tile_number);
            let sums = Kernel::best().multiply_tile(&tile, &one)[2];
            for lane in 0..LANES {
                let wanted = page[tile_number * LANES + lane];
                prop_assert!((sums[0][lane] - wanted.re * STEPS).abs() <= 0.5);
                prop_assert!((sums[1][lane] - wanted.im * STEPS).abs() <= 0.5);
            }
        }
    }
}

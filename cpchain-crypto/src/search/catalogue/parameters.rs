//! Named sets of parameters, with what they are estimated to withstand.

/// N: coefficients of a polynomial.
pub(super) const DEGREE: usize = 2048;
/// w: bits of a page that a coefficient holds.
pub(super) const SLOT_BITS: u32 = 10;
/// Pages of a block, one for each selector.
pub(super) const ROWS: usize = 64;
/// Columns of a block: for each, one ciphertext remains after the selection.
pub(super) const COLUMNS: usize = 4;
/// Ciphertexts that a query has for its selectors, and selectors that each is expanded to.
pub(super) const ROOTS: usize = 8;
/// Steps of the expansion, and evaluation keys.
pub(super) const EXPANSION_STEPS: usize = 3;
/// Digits of the expansion: how many, and bits of each.
pub(super) const EXPANSION_LEVELS: usize = 9;
pub(super) const EXPANSION_BITS: u32 = 5;
/// Bits of the digit that the fold cuts from masks, and from bodies.
pub(super) const FOLD_BITS: [u32; 2] = [23, 20];
/// Bits of a coefficient on the wire: of evaluation keys, of roots, of the two halves of a fold bit, and of an answer's mask and body.
pub(super) const KEY_WIRE_BITS: u32 = 48;
pub(super) const ROOT_WIRE_BITS: u32 = 40;
pub(super) const FOLD_WIRE_BITS: [u32; 2] = [48, 44];
pub(super) const ANSWER_WIRE_BITS: [u32; 2] = [24, 20];

/// Blocks of a catalogue, at most: 2,359,296 entries of 32 bytes.
pub(super) const MAX_BLOCKS: usize = 128;

/// Everything about the lattice that publisher, readers and hosts agree on.
///
/// | set | N | q | w | page | core-SVP | a page is read wrong |
/// | --- | --- | --- | --- | --- | --- | --- |
/// | [`Page2560`](Self::Page2560) | 2048 | 2⁶⁴ | 10 | 2,560 bytes | 2¹³¹ | 2⁻⁹⁷ |
///
/// The lattice is that of the scan: secrets are TUniform(3), whole numbers from −8 to 8; noise is TUniform(20); k = 1.
///
/// **Security** is given in the strictest count, as for the keyword search: log₂ of the cost 2^(0.292 β) of **one** call of the shortest-vector oracle in the smallest block size β for which the primal attack succeeds, with
/// the secret scaled to the size of the noise (Alkim, Ducas, Pöppelmann, Schwabe 2016, section 6.3; Bai, Galbraith 2014). Counting
/// what such a call costs in operations and how often it is made, as the lattice estimator does, the same attack takes
/// 2¹⁶² (`the_estimates_are_these` computes both, and 2¹¹⁹ for one call with a quantum computer). A set with binary secrets and TUniform(17), which `tfhe` takes by
/// default and this engine had first, comes to 2¹⁰⁹ in this count.
///
/// **Failure**: [`FAILURE_LOG2`](Self::FAILURE_LOG2) estimates the probability that a page is read wrong, for the worst table there is and the most blocks
/// (`the_failure_is_this_unlikely`). It would be noticed: the page does not prove itself. It is an estimate and no bound: it takes the noise for Gaussian. The rounding of floats
/// in it is measured alone, against whole numbers (`transforms_err_this_little`, to one part in a hundred); nothing is fitted to the noise of answers, which comes out a tenth smaller
/// (`noise_stays_far_from_the_threshold`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParameterSet {
    /// Pages of 2,560 bytes: 2,304 bytes of entries, and eight hashes.
    Page2560 = 2,
}

impl ParameterSet {
    /// A page is read wrong with a probability estimated at 2 to the power of this.
    pub const FAILURE_LOG2: i32 = -97;

    /// log₂ of the work that breaking a query is estimated to take, at one operation for each call of the oracle.
    pub const fn security_bits(self) -> u32 {
        match self {
            Self::Page2560 => 131,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::f64::consts::{E, LN_2, PI};

    use super::{super::lattice::Polynomial, *};
    use crate::{
        Entropy, SeededEntropy,
        search::{Kernel, fourier::Spectrum, lattice},
    };

    /// Variance of TUniform(b).
    fn tuniform(bits: i32) -> f64 {
        (2f64.powi(2 * bits + 1) + 1.0) / 6.0
    }

    /// Variance of the noise, in units of q².
    fn noise() -> f64 {
        tuniform(20) * 2f64.powi(-128)
    }

    /// Mean square of the secret's numbers.
    fn secret() -> f64 {
        tuniform(3)
    }

    /// Variance of rounding to the upper `bits`.
    fn rounding(bits: u32) -> f64 {
        2f64.powi(-2 * bits as i32) / 12.0
    }

    /// What a product by transforms errs, as a share of it: below 2.5 · 2⁻⁵² (`transforms_err_this_little`). An error of a mask is multiplied with the secret, too.
    const FLOAT: f64 = 2.5 * f64::EPSILON;

    /// Standard deviation of an answer's phase, as a share of the distance to the next message; `square` is the mean square of a page's coefficients.
    pub(crate) fn deviation(square: f64, fold_bits: usize) -> f64 {
        let n = DEGREE as f64;
        // An error of a mask is multiplied with the secret.
        let secrets = n * secret();
        let key = noise() + rounding(KEY_WIRE_BITS);
        let digits = f64::from((1 << (2 * EXPANSION_BITS)) - 1) / 12.0 + 0.25;
        let products = n * EXPANSION_LEVELS as f64 * digits;
        let step = products * key
            + (rounding(EXPANSION_BITS * EXPANSION_LEVELS as u32) + products / 12.0 * FLOAT * FLOAT) * secrets;
        // Each step doubles the variance of what was there, and adds its own.
        let root = noise() + rounding(ROOT_WIRE_BITS);
        let selector = (0..EXPANSION_STEPS).fold(root, |variance, _| 2.0 * variance + step);
        let factors = ROWS as f64 * n;
        // Numbers of a page are rounded to steps of 2⁻²⁷ when transformed; this meets the whole turns of the phases.
        let packed = 2f64.powi(-54) / 12.0 / (n / 2.0) * (secrets / 12.0);
        let select = factors * (square * selector + packed);
        let [mask, body] = FOLD_BITS;
        let [mask_key, body_key] = FOLD_WIRE_BITS.map(|bits| noise() + rounding(bits));
        let digit = |bits: u32| 2f64.powi(2 * bits as i32) / 12.0;
        let float = n * digit(mask) / 12.0 * FLOAT * FLOAT;
        let fold =
            n * (digit(mask) * mask_key + digit(body) * body_key) + (rounding(mask) + float) * secrets + rounding(body);
        let [mask, body] = ANSWER_WIRE_BITS;
        let sum = select + fold_bits as f64 * fold + rounding(mask) * secrets + rounding(body);
        sum.sqrt() * 2f64.powi(SLOT_BITS as i32)
    }

    /// log₂ of the root Hermite factor that reduction with block size β reaches (Chen 2013).
    fn log2_delta(beta: f64) -> f64 {
        ((PI * beta).log2() / beta + (beta / (2.0 * PI * E)).log2()) / (2.0 * (beta - 1.0))
    }

    /// The smallest block size with which the primal attack finds the secret, and the dimension: √β σ ≤ δ^(2β−d−1) · (q^m · (σ/σₛ)^n)^(1/d).
    fn block_size() -> (usize, f64) {
        let (n, deviation) = (DEGREE as f64, noise().sqrt().log2() + 64.0);
        let succeeds = |beta: f64| {
            (500..4 * DEGREE).step_by(4).map(|m| (m as f64, m as f64 + n + 1.0)).find(|(m, d)| {
                let volume = (m * 64.0 + n * (deviation - secret().log2() / 2.0)) / d;
                beta.log2() / 2.0 + deviation <= (2.0 * beta - d - 1.0) * log2_delta(beta) + volume
            })
        };
        (60..1000).find_map(|beta| succeeds(beta as f64).map(|(_, d)| (beta, d))).unwrap()
    }

    /// Digits times numbers modulo 1, against multiplication in whole numbers: the rounding of floats alone. A hundred thousand errors give their deviation to one part in a hundred.
    #[test]
    fn transforms_err_this_little() {
        let mut entropy = SeededEntropy::new(&[6; 32]);
        for digit_bits in [EXPANSION_BITS, FOLD_BITS[0]] {
            let (mut squares, mut count) = (0.0, 0);
            for _ in 0..24 {
                let mut random = vec![0; 12 * DEGREE];
                entropy.fill(&mut random).unwrap();
                let (words, digits) = random.split_at(8 * DEGREE);
                let numbers: Polynomial = core::array::from_fn(|i| u64::from_le_bytes(words.as_chunks::<8>().0[i]));
                let digits: [i32; DEGREE] =
                    core::array::from_fn(|i| i32::from_le_bytes(digits.as_chunks::<4>().0[i]) >> (32 - digit_bits));
                let kernel = Kernel::best();
                let mut spectrum = Spectrum::zero();
                kernel.forward(&digits.map(f64::from), &mut spectrum);
                let mut product = spectrum.times(&lattice::torus(kernel, &numbers, 64));
                let (mut out, mut exact) = ([0; DEGREE], [0u64; DEGREE]);
                kernel.backward_wide(&mut product, &mut out);
                for (at, digit) in digits.iter().enumerate() {
                    for (i, number) in numbers.iter().enumerate() {
                        let product = number.wrapping_mul(i64::from(*digit) as u64);
                        let to = &mut exact[(at + i) % DEGREE];
                        *to = if at + i < DEGREE { to.wrapping_add(product) } else { to.wrapping_sub(product) };
                    }
                }
                for (out, exact) in out.iter().zip(&exact) {
                    squares += (out.wrapping_sub(*exact) as i64 as f64 * 2f64.powi(-64)).powi(2);
                    count += 1;
                }
            }
            let products = DEGREE as f64 * 2f64.powi(2 * digit_bits as i32) / 12.0 / 12.0;
            let share = (squares / f64::from(count) / products).sqrt() / f64::EPSILON;
            println!("digits of {digit_bits} bits: {share:.3} · 2⁻⁵² of the product");
            assert!((0.7..1.0).contains(&(share * f64::EPSILON / FLOAT)), "{share}");
        }
    }

    #[test]
    fn the_estimates_are_these() {
        let (beta, dimension) = block_size();
        let (classical, quantum) = (0.292 * beta as f64, 0.265 * beta as f64);
        // Becker, Ducas, Gama, Laarhoven (2016): a call takes 2^(0.292 β + 16.4); it is made 8d times.
        let operations = classical + 16.4 + (8.0 * dimension).log2();
        println!(
            "block size {beta}: 2^{classical:.1}, with a quantum computer 2^{quantum:.1}; 2^{operations:.1} operations"
        );
        assert_eq!(ParameterSet::Page2560.security_bits(), classical as u32);
        assert_eq!((quantum as u32, operations as u32), (119, 162));
    }

    #[test]
    fn the_failure_is_this_unlikely() {
        let worst = 2f64.powi(2 * (SLOT_BITS as i32 - 1));
        let bits = super::super::fold::bits_for(MAX_BLOCKS * COLUMNS);
        let margin = 0.5 / deviation(worst, bits);
        let log2 = |margin: f64| (2.0 * DEGREE as f64).log2() - margin * margin / 2.0 / LN_2;
        let usual = 0.5 / deviation(worst / 3.0, 8);
        println!(
            "worst: {margin:.1} standard deviations, 2^{:.1}; usual: {usual:.1}, 2^{:.1}",
            log2(margin),
            log2(usual)
        );
        assert_eq!(ParameterSet::FAILURE_LOG2, log2(margin).ceil() as i32);
    }
}

//! The binary BCH code of length 255 that corrects 30 errors, by its syndromes.
//!
//! Over GF(2⁸) with x⁸+x⁴+x³+x²+1. Designed distance 61, dimension 63 (Lin and Costello, Error Control Coding, appendix C): the
//! sketch of 255 bits tells 192 bits about them (`the_sketch_has_rank_192`). Only odd syndromes are kept, since S₂ⱼ = Sⱼ².
//! Field products use no tables, so that they take the same time for all values; the search for the errors does not.

/// Bits of a word.
pub(super) const BITS: usize = 255;
/// Bytes that hold a word; the last bit of them is not part of it.
pub(super) const WORD_LEN: usize = 32;
/// Errors that are corrected.
pub(super) const ERRORS: usize = 30;
/// Syndromes that the decoder uses.
const SYNDROMES: usize = 2 * ERRORS;
/// Room for a polynomial during the search.
const TERMS: usize = SYNDROMES + 1;

/// More than [`ERRORS`] bits differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooManyErrors;

/// The odd syndromes S₁, S₃ … S₅₉ of a word: linear, so that two words of one sketch differ by a word of the code.
pub(super) fn sketch(word: &[u8; WORD_LEN]) -> [u8; ERRORS] {
    let mut out = [0; ERRORS];
    let mut base = 2;
    for syndrome in &mut out {
        // Horner's rule from the highest power down.
        *syndrome = (0..BITS).rev().fold(0, |sum, at| multiply(sum, base) ^ bit(word, at));
        base = multiply(multiply(base, 2), 2);
    }
    out
}

/// Changes at most [`ERRORS`] bits of `word`, so that its sketch becomes `wanted`.
///
/// # Errors
/// [`TooManyErrors`] if there is no such word near; `word` is unchanged then.
pub(super) fn correct(word: &mut [u8; WORD_LEN], wanted: &[u8; ERRORS]) -> Result<(), TooManyErrors> {
    let found = sketch(word);
    let mut odd = [0; ERRORS];
    odd.iter_mut().zip(found.iter().zip(wanted)).for_each(|(odd, (a, b))| *odd = a ^ b);
    let (locator, degree) = locator(&expand(&odd)).ok_or(TooManyErrors)?;
    let mut flips = [0u8; WORD_LEN];
    let mut roots = 0;
    // An error at `at` is a root at the inverse of 2^at.
    let (step, mut point) = (inverse(2), 1);
    for at in 0..BITS {
        if locator.iter().rev().fold(0, |sum, term| multiply(sum, point) ^ term) == 0 {
            roots += 1;
            if let Some(byte) = flips.get_mut(at / 8) {
                *byte |= 1 << (at % 8);
            }
        }
        point = multiply(point, step);
    }
    if roots != degree {
        return Err(TooManyErrors);
    }
    word.iter_mut().zip(flips).for_each(|(byte, flip)| *byte ^= flip);
    Ok(())
}

/// All syndromes S₁ … S₆₀ from the odd ones.
fn expand(odd: &[u8; ERRORS]) -> [u8; SYNDROMES] {
    let mut all = [0; SYNDROMES];
    for power in 1..=SYNDROMES {
        // power = odd part · 2^twos; the syndrome is that of the odd part, squared so many times.
        let twos = power.trailing_zeros();
        let first = odd.get((power >> twos) / 2).copied().unwrap_or(0);
        let value = (0..twos).fold(first, |value, _| multiply(value, value));
        if let Some(place) = all.get_mut(power - 1) {
            *place = value;
        }
    }
    all
}

/// The error locator and its degree (Berlekamp and Massey); `None` above [`ERRORS`].
fn locator(syndromes: &[u8; SYNDROMES]) -> Option<([u8; TERMS], usize)> {
    let (mut current, mut previous) = ([0; TERMS], [0; TERMS]);
    *current.first_mut()? = 1;
    *previous.first_mut()? = 1;
    let (mut degree, mut shift, mut last) = (0, 1, 1);
    for (at, syndrome) in syndromes.iter().enumerate() {
        let earlier = syndromes.iter().take(at).rev();
        let terms = current.iter().skip(1).take(degree);
        let discrepancy = terms.zip(earlier).fold(*syndrome, |sum, (a, b)| sum ^ multiply(*a, *b));
        if discrepancy == 0 {
            shift += 1;
            continue;
        }
        let before = current;
        let factor = multiply(discrepancy, inverse(last));
        current.iter_mut().skip(shift).zip(previous).for_each(|(term, old)| *term ^= multiply(factor, old));
        if 2 * degree <= at {
            degree = at + 1 - degree;
            previous = before;
            last = discrepancy;
            shift = 1;
        } else {
            shift += 1;
        }
    }
    (degree <= ERRORS).then_some((current, degree))
}

fn bit(word: &[u8; WORD_LEN], at: usize) -> u8 {
    word.get(at / 8).map_or(0, |byte| byte >> (at % 8) & 1)
}

const fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    let mut round = 0;
    while round < 8 {
        product ^= a & (b & 1).wrapping_neg();
        a = (a << 1) ^ (0x1d & (a >> 7).wrapping_neg());
        b >>= 1;
        round += 1;
    }
    product
}

/// a²⁵⁴, the inverse of every `a` but 0.
const fn inverse(a: u8) -> u8 {
    let mut power = a;
    let mut product = 1;
    let mut round = 0;
    while round < 7 {
        power = multiply(power, power);
        product = multiply(product, power);
        round += 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "long loops over safe code")]
    fn the_field_is_a_field() {
        for a in 1..=255 {
            assert_eq!(multiply(a, inverse(a)), 1);
        }
        let mut seen = [false; 256];
        let mut power = 1;
        for _ in 0..255 {
            assert!(!core::mem::replace(&mut seen[power as usize], true), "2 generates all of it");
            power = multiply(power, 2);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "long loops over safe code")]
    fn the_sketch_has_rank_192() {
        // Gauss over the sketches of the 255 unit words: what a sketch reveals is its rank.
        let mut rows: Vec<_> = (0..BITS)
            .map(|at| {
                let mut word = [0; WORD_LEN];
                word[at / 8] = 1 << (at % 8);
                sketch(&word)
            })
            .collect();
        let mut rank = 0;
        for bit in 0..ERRORS * 8 {
            let has = |row: &[u8; ERRORS]| row[bit / 8] >> (bit % 8) & 1 == 1;
            let Some(at) = (rank..rows.len()).find(|at| has(&rows[*at])) else { continue };
            rows.swap(rank, at);
            let pivot = rows[rank];
            for row in &mut rows[rank + 1..] {
                if has(row) {
                    row.iter_mut().zip(pivot).for_each(|(a, b)| *a ^= b);
                }
            }
            rank += 1;
        }
        assert_eq!(rank, 192);
    }

    proptest! {
        #[test]
        #[cfg_attr(miri, ignore = "long loops over safe code")]
        fn up_to_30_errors_are_corrected_and_31_never_to_a_near_word(
            word: [u8; WORD_LEN],
            places in prop::sample::subsequence((0..BITS).collect::<Vec<_>>(), 0..=31),
        ) {
            let wanted = sketch(&word);
            let mut noisy = word;
            places.iter().for_each(|at| noisy[at / 8] ^= 1 << (at % 8));
            let before = noisy;
            match correct(&mut noisy, &wanted) {
                Ok(()) if places.len() <= ERRORS => prop_assert_eq!(noisy, word),
                Ok(()) => prop_assert_eq!(sketch(&noisy), wanted, "another word of the same sketch"),
                Err(TooManyErrors) => {
                    prop_assert!(places.len() > ERRORS);
                    prop_assert_eq!(noisy, before);
                }
            }
        }
    }
}

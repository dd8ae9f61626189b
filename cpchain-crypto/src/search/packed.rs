//! Polynomials on the wire: each number by its upper bits, without gaps.

use alloc::vec::Vec;

use super::fourier::COEFFICIENTS as DEGREE;

/// Bytes of a polynomial of `bits`-bit coefficients.
pub(super) const fn packed_len(bits: u32) -> usize {
    DEGREE * bits as usize / 8
}

/// Rounds each number to its upper `BITS` and packs them, little endian.
///
/// Pairs are written at once: `2 · BITS` are whole bytes, and fit into 128 bits.
pub(super) fn pack_rounded<const BITS: u32>(out: &mut Vec<u8>, values: impl ExactSizeIterator<Item = u64>) {
    let start = out.len();
    let bytes = BITS as usize / 4;
    out.resize(start + values.len() / 2 * bytes, 0);
    let (half, drop) = ((1u64 << (64 - BITS)) >> 1, 64 - BITS);
    let most = (1u64 << BITS) - 1;
    let mut values = values.map(|value| (value.wrapping_add(half) >> drop) & most);
    for to in out.get_mut(start..).unwrap_or_default().chunks_exact_mut(bytes) {
        let (Some(low), Some(high)) = (values.next(), values.next()) else { return };
        let both = (u128::from(high) << BITS | u128::from(low)).to_le_bytes();
        to.copy_from_slice(both.get(..bytes).unwrap_or_default());
    }
}

/// 32-bit numbers as they are.
pub(super) fn pack_32(out: &mut Vec<u8>, words: &[u32; DEGREE]) {
    let start = out.len();
    out.resize(start + packed_len(32), 0);
    let to = out.get_mut(start..).unwrap_or_default().as_chunks_mut::<4>().0;
    to.iter_mut().zip(words).for_each(|(to, word)| *to = word.to_le_bytes());
}

/// Rounds 32-bit numbers to their upper 24 bits and packs them as [`pack_rounded`] does, four at a time.
pub(super) fn pack_24(out: &mut Vec<u8>, words: &[u32; DEGREE]) {
    let start = out.len();
    out.resize(start + packed_len(24), 0);
    let to = out.get_mut(start..).unwrap_or_default().as_chunks_mut::<12>().0;
    for (to, words) in to.iter_mut().zip(words.as_chunks::<4>().0) {
        let [a, b, c, d] = words.map(|word| word.wrapping_add(1 << 7) >> 8);
        let words = [a | b << 24, b >> 8 | c << 16, c >> 16 | d << 8];
        to.as_chunks_mut::<4>().0.iter_mut().zip(words).for_each(|(to, word)| *to = word.to_le_bytes());
    }
}

/// The inverse of [`pack_rounded`], but for what was rounded away: numbers whose upper `BITS`, of 32 to 64, are set. Zeros for what is not there.
pub(super) fn unpack_upper<const BITS: u32>(bytes: &[u8], out: &mut [u64; DEGREE]) {
    let (pairs, drop) = (bytes.chunks_exact(BITS as usize / 4), 64 - BITS);
    out.iter_mut().skip(2 * pairs.len()).for_each(|number| *number = 0);
    for (to, pair) in out.as_chunks_mut::<2>().0.iter_mut().zip(pairs) {
        // The lower number is in the first eight bytes, the upper one in the last.
        let (Some(low), Some(high)) = (pair.first_chunk(), pair.last_chunk()) else { return };
        *to = [u64::from_le_bytes(*low) << drop, u64::from_le_bytes(*high) >> drop << drop];
    }
}

/// The inverse of [`pack_rounded`], but for what was rounded away: whole numbers below 2^`BITS`. Zeros for what is not there.
pub(super) fn unpack<const BITS: u32>(bytes: &[u8]) -> [u64; DEGREE] {
    let (mut out, most, length) = ([0; DEGREE], (1u64 << BITS) - 1, BITS as usize / 4);
    for (to, pair) in out.as_chunks_mut::<2>().0.iter_mut().zip(bytes.chunks_exact(length)) {
        let mut both = [0; 16];
        if let Some(both) = both.get_mut(..length) {
            both.copy_from_slice(pair);
        }
        let both = u128::from_le_bytes(both);
        *to = [both as u64 & most, (both >> BITS) as u64 & most];
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packing_rounds_and_nothing_else(values in prop::collection::vec(any::<u64>(), DEGREE)) {
            fn rounds<const BITS: u32>(values: &[u64]) -> Result<(), TestCaseError> {
                let mut bytes = vec![7];
                pack_rounded::<BITS>(&mut bytes, values.iter().copied());
                prop_assert_eq!(bytes.len(), 1 + packed_len(BITS));
                for (value, back) in values.iter().zip(unpack::<BITS>(&bytes[1..])) {
                    prop_assert!(back >> BITS == 0);
                    let error = value.wrapping_sub(back << (64 - BITS)) as i64;
                    prop_assert!(error.unsigned_abs() <= 1 << (63 - BITS));
                }
                Ok(())
            }
            rounds::<24>(&values)?;
            rounds::<32>(&values)?;
            rounds::<44>(&values)?;
            // The same in fewer steps.
            let (mut bytes, mut upper) = (Vec::new(), [7; DEGREE]);
            pack_rounded::<44>(&mut bytes, values.iter().copied());
            unpack_upper::<44>(&bytes, &mut upper);
            prop_assert!(upper.iter().eq(unpack::<44>(&bytes).map(|value| value << 20).iter()));
            unpack_upper::<44>(&bytes[..22], &mut upper);
            prop_assert!(upper[..4] == unpack::<44>(&bytes).map(|value| value << 20)[..4] && upper[4..].iter().all(|value| *value == 0));
            let words: Vec<u32> = values.iter().map(|value| (value >> 32) as u32).collect();
            let words: &[u32; DEGREE] = words.as_slice().try_into().unwrap();
            let (mut wanted, mut fast) = (vec![7], vec![7]);
            pack_rounded::<24>(&mut wanted, words.iter().map(|word| u64::from(*word) << 32));
            pack_24(&mut fast, words);
            prop_assert_eq!(&wanted, &fast);
            pack_rounded::<32>(&mut wanted, words.iter().map(|word| u64::from(*word) << 32));
            pack_32(&mut fast, words);
            prop_assert_eq!(&wanted, &fast);
        }
    }
}

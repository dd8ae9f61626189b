//! Polynomials on the wire: each number by its upper bits, without gaps.

use alloc::vec::Vec;

use super::fourier::COEFFICIENTS as DEGREE;

/// Bytes of a polynomial of `bits`-bit coefficients.
pub(super) const fn packed_len(bits: u32) -> usize {
    DEGREE * bits as usize / 8
}

/// Rounds each number to its upper `BITS` and packs them, little endian. A number has `of` bits, 64 or 32.
///
/// Pairs are written at once: `2 · BITS` are whole bytes, and fit into 128 bits.
pub(super) fn pack_rounded<const BITS: u32>(out: &mut Vec<u8>, values: impl ExactSizeIterator<Item = u64>, of: u32) {
    let start = out.len();
    let bytes = BITS as usize / 4;
    out.resize(start + values.len() / 2 * bytes, 0);
    let (half, drop) = ((1u64 << (of - BITS)) >> 1, of - BITS);
    let most = (1u64 << BITS) - 1;
    let mut values = values.map(|value| (value.wrapping_add(half) >> drop) & most);
    for to in out.get_mut(start..).unwrap_or_default().chunks_exact_mut(bytes) {
        let (Some(low), Some(high)) = (values.next(), values.next()) else { return };
        let both = (u128::from(high) << BITS | u128::from(low)).to_le_bytes();
        to.copy_from_slice(both.get(..bytes).unwrap_or_default());
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
                pack_rounded::<BITS>(&mut bytes, values.iter().copied(), 64);
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
            let mut short = Vec::new();
            pack_rounded::<24>(&mut short, values.iter().map(|value| value >> 32), 32);
            let mut whole = Vec::new();
            pack_rounded::<32>(&mut whole, values.iter().map(|value| value >> 32), 32);
            prop_assert!(values.iter().map(|value| value >> 32).eq(unpack::<32>(&whole)));
            for (value, back) in values.iter().zip(unpack::<24>(&short)) {
                let error = ((value >> 32) as u32).wrapping_sub((back as u32) << 8) as i32;
                prop_assert!(error.unsigned_abs() <= 1 << 7);
            }
        }
    }
}

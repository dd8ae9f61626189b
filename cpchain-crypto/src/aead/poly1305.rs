//! Poly1305 (RFC 8439, 2.5) in plain 64-bit arithmetic, for short messages on x86-64.
//!
//! The `poly1305` crate has such a path too, but on x86-64 it is reached only by a build-wide `--cfg`, and its AVX2 path
//! spends more than a microsecond on set-up before the first byte. No well-kept crate offers the portable one alone, so
//! here it is: numbers below 2^130 in limbs of 44, 44 and 42 bits, products in `u128`, no branch and no index that
//! depends on a secret. `short` tests it against the crate over every length (`equals_the_crate_on_every_length`), and
//! the published vectors of RFC 8439 and Wycheproof run through it.

use zeroize::Zeroize;

const LIMB: u64 = (1 << 44) - 1;
const TOP_LIMB: u64 = (1 << 42) - 1;
/// The bit 2^128 that is set above each whole block, as it lies in the top limb.
const BLOCK_BIT: u64 = 1 << 40;

/// One-time authenticator: the key must never see a second message. Wiped when dropped.
pub(super) struct Poly1305 {
    /// The multiplier, clamped.
    r: [u64; 3],
    /// The sum so far.
    h: [u64; 3],
    /// What is added at the end.
    pad: u128,
}

impl Poly1305 {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let (r, pad) = key.split_at(16);
        let [low, middle, high] = limbs(word(r) & 0x0fff_fffc_0fff_fffc_0fff_fffc_0fff_ffff);
        Self { r: [low, middle, high], h: [0; 3], pad: word(pad) }
    }

    /// Takes `data`, filled up with zeros to a whole number of blocks.
    #[inline]
    pub(super) fn update_padded(&mut self, data: &[u8]) {
        let (blocks, rest) = data.as_chunks::<16>();
        for block in blocks {
            self.block(u128::from_le_bytes(*block));
        }
        if !rest.is_empty() {
            self.block(word(rest));
        }
    }

    /// Takes the lengths of associated data and text: the last block of the construction (RFC 8439, 2.8).
    #[inline]
    pub(super) fn update_lengths(&mut self, associated: usize, text: usize) {
        self.block(associated as u128 | (text as u128) << 64);
    }

    /// h = (h + block + 2^128) · r, partly reduced: every limb stays below 2^45.
    #[inline(always)]
    fn block(&mut self, block: u128) {
        let [r0, r1, r2] = self.r.map(u128::from);
        // 2^132 = 2^2 · 2^130 is 20 modulo the prime.
        let (s1, s2) = (r1 * 20, r2 * 20);
        let [m0, m1, m2] = limbs(block);
        let [h0, h1, h2] = self.h;
        let (h0, h1, h2) = (u128::from(h0 + m0), u128::from(h1 + m1), u128::from(h2 + m2 + BLOCK_BIT));
        let d0 = h0 * r0 + h1 * s2 + h2 * s1;
        let d1 = h0 * r1 + h1 * r0 + h2 * s2 + (d0 >> 44);
        let d2 = h0 * r2 + h1 * r1 + h2 * r0 + (d1 >> 44);
        let low = (d0 as u64 & LIMB) + (d2 >> 42) as u64 * 5;
        self.h = [low & LIMB, (d1 as u64 & LIMB) + (low >> 44), d2 as u64 & TOP_LIMB];
    }

    pub(super) fn finish(self) -> [u8; 16] {
        // Two rounds of carries bring every limb into its range.
        let [h0, h1, h2] = carry(carry(self.h));
        // h + 5 - 2^130 is not negative just if h is not below the prime.
        let [g0, g1, g2] = [h0 + 5, h1, h2];
        let (g1, g0) = (g1 + (g0 >> 44), g0 & LIMB);
        let (g2, g1) = (g2 + (g1 >> 44), g1 & LIMB);
        // All ones if h is below the prime.
        let is_below = (g2 >> 42).wrapping_sub(1);
        let select = |h: u64, g: u64| (h & is_below) | (g & !is_below);
        let (h0, h1, h2) = (select(h0, g0), select(h1, g1), select(h2, g2 & TOP_LIMB));
        let h = u128::from(h0) | u128::from(h1) << 44 | u128::from(h2) << 88;
        h.wrapping_add(self.pad).to_le_bytes()
    }
}

impl Drop for Poly1305 {
    fn drop(&mut self) {
        self.r.zeroize();
        self.h.zeroize();
        self.pad.zeroize();
    }
}

#[inline(always)]
const fn limbs(number: u128) -> [u64; 3] {
    [number as u64 & LIMB, (number >> 44) as u64 & LIMB, (number >> 88) as u64]
}

/// At most 16 bytes, little endian, filled up with zeros.
fn word(bytes: &[u8]) -> u128 {
    let mut word = [0; 16];
    for (to, from) in word.iter_mut().zip(bytes) {
        *to = *from;
    }
    u128::from_le_bytes(word)
}

const fn carry([h0, h1, h2]: [u64; 3]) -> [u64; 3] {
    let h1 = h1 + (h0 >> 44);
    let h2 = h2 + (h1 >> 44);
    [(h0 & LIMB) + (h2 >> 42) * 5, h1 & LIMB, h2 & TOP_LIMB]
}

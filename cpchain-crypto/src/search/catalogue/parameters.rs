//! Named sets of parameters, with what they are estimated to withstand.

/// N: coefficients of a polynomial.
pub(super) const DEGREE: usize = 2048;
/// The noise is drawn from TUniform(17): whole numbers from −2¹⁷ to 2¹⁷ modulo 2⁶⁴, the ends half as likely as the others.
pub(super) const NOISE_BITS: u32 = 17;
/// w: bits of a page that a coefficient holds.
pub(super) const SLOT_BITS: u32 = 12;
/// Pages of a block, one for each selector.
pub(super) const ROWS: usize = 64;
/// Columns of a block: for each, one ciphertext remains after the selection.
pub(super) const COLUMNS: usize = 4;
/// Ciphertexts that a query has for its selectors, and selectors that each is expanded to.
pub(super) const ROOTS: usize = 8;
/// Steps of the expansion, and evaluation keys.
pub(super) const EXPANSION_STEPS: usize = 3;
/// Digits of the expansion: how many, and bits of each.
pub(super) const EXPANSION_LEVELS: usize = 11;
pub(super) const EXPANSION_BITS: u32 = 4;
/// Bits of the digit that the fold cuts from masks, and from bodies.
pub(super) const FOLD_BITS: [u32; 2] = [23, 20];
/// Bits of a coefficient on the wire: of evaluation keys, of roots, of the two halves of a fold bit, and of an answer's mask and body.
pub(super) const KEY_WIRE_BITS: u32 = 48;
pub(super) const ROOT_WIRE_BITS: u32 = 40;
pub(super) const FOLD_WIRE_BITS: [u32; 2] = [48, 44];
pub(super) const ANSWER_WIRE_BITS: [u32; 2] = [24, 20];

/// Blocks of a catalogue, at most: 2,883,584 entries of 32 bytes.
pub(super) const MAX_BLOCKS: usize = 128;

/// Everything about the lattice that publisher, readers and hosts agree on.
///
/// | set | N | q | w | page | estimated security | failure |
/// | --- | --- | --- | --- | --- | --- | --- |
/// | [`Page3K`](Self::Page3K) | 2048 | 2⁶⁴ | 12 | 3,072 bytes | SECURITY | FAILURE |
///
/// Secrets are binary, noise is TUniform(17): the set of `tfhe` for which it claims 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParameterSet {
    /// Pages of 3 KiB, 96 lines of 32 bytes, eight of which are the proof.
    Page3K = 1,
}

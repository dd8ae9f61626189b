//! The seed of an election: mixed from numbers that the proposers of a term can compute and prove, and cannot choose.
//!
//! # Rules, and the tests that hold them
//! - The proposer of a block adds the output of its verifiable random function ([`cpchain_crypto::vrf`]) for the [`input`]: chain,
//!   seed of the term before, height. Nothing of the block is in it, so whatever a proposer puts into its block, the seed is the same
//!   (`only_chain_seed_and_height_are_asked`; the original took the hash of the last block, which its proposer could
//!   try in many forms).
//! - The seed of a term is mixed from the outputs of its final blocks, lowest height first (`every_block_counts_in_its_place`).
//! - An impeached height adds nothing; a term without a final block has a seed of its own
//!   (`a_term_without_a_final_block_has_a_seed`).
//!
//! The one choice of the last proposer is to withhold its block: two seeds, at the price of a reward and an impeachment.
//!
//! The bytes are pinned (`seeds_are_pinned`). What the three hashes cover: `input`: chain, previous seed, height;
//! `start`: previous seed, term; `mix`: what was mixed so far, height, output. Numbers are 8 bytes, big-endian.

use cpchain_crypto::{
    Digest, Domain,
    vrf::{VrfError, VrfOutput, VrfProof, VrfPublicKey, VrfSecretKey},
};

use crate::ids::{ChainId, Height, Term};

const INPUT: Domain = Domain::new("cpchain/consensus/seed-input/v1");
const START: Domain = Domain::new("cpchain/consensus/seed-start/v1");
const MIX: Domain = Domain::new("cpchain/consensus/seed-mix/v1");

/// The seed of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seed(pub [u8; 32]);

/// What the proposer of a height is asked, where `previous` is the seed of the term before.
pub fn input(chain: ChainId, previous: Seed, height: Height) -> Digest {
    Digest::of(INPUT, &[chain.0.as_ref(), &previous.0, &height.0.to_be_bytes()])
}

/// The proposer's answer: the proof that it puts into its block.
pub fn prove(key: &VrfSecretKey, chain: ChainId, previous: Seed, height: Height) -> VrfProof {
    key.prove(input(chain, previous, height).as_ref()).1
}

/// What the proof in a block adds to the seed.
///
/// # Errors
/// [`VrfError`] if it is not the one answer of that key: the block is illicit then.
pub fn verify(
    key: &VrfPublicKey,
    chain: ChainId,
    previous: Seed,
    height: Height,
    proof: &VrfProof,
) -> Result<VrfOutput, VrfError> {
    key.verify(input(chain, previous, height).as_ref(), proof)
}

/// The seed of a term in the making.
///
/// ```
/// use cpchain_consensus::{ChainId, Height, Term, dpor::seed::{self, Mixer, Seed}};
/// use cpchain_crypto::vrf::VrfSecretKey;
/// let (chain, previous) = (ChainId::new("example", b""), Seed([0; 32]));
/// let key = VrfSecretKey::from_seed(&[1; 32]);
/// let proof = seed::prove(&key, chain, previous, Height(1));
///
/// let mut mixer = Mixer::new(previous, Term(0));
/// mixer.add(Height(1), &seed::verify(&key.public_key(), chain, previous, Height(1), &proof)?);
/// assert_ne!(mixer.seed(), Mixer::new(previous, Term(0)).seed());
/// # Ok::<(), cpchain_crypto::vrf::VrfError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mixer(Digest);

impl Mixer {
    /// Begins a term; `previous` is the seed of the term before, for the first term that of genesis.
    pub fn new(previous: Seed, term: Term) -> Self {
        Self(Digest::of(START, &[&previous.0, &term.0.to_be_bytes()]))
    }

    /// Goes on with what [`to_bytes`](Self::to_bytes) gave.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Digest(bytes))
    }

    /// What was mixed so far, to be kept between two blocks.
    pub const fn to_bytes(&self) -> [u8; 32] {
        self.0.0
    }

    /// Adds the output of the final block at a height.
    pub fn add(&mut self, height: Height, output: &VrfOutput) {
        self.0 = Digest::of(MIX, &[self.0.as_ref(), &height.0.to_be_bytes(), &output.0]);
    }

    /// The seed, once all final blocks of the term are in.
    pub const fn seed(&self) -> Seed {
        Seed(self.0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREVIOUS: Seed = Seed([7; 32]);

    fn chain() -> ChainId {
        ChainId(Digest([1; 32]))
    }

    fn key(number: u8) -> VrfSecretKey {
        VrfSecretKey::from_seed(&[number; 32])
    }

    fn output(number: u8, height: u64) -> VrfOutput {
        let proof = prove(&key(number), chain(), PREVIOUS, Height(height));
        verify(&key(number).public_key(), chain(), PREVIOUS, Height(height), &proof).unwrap()
    }

    fn mixed(blocks: &[(u64, u8)]) -> Seed {
        let mut mixer = Mixer::new(PREVIOUS, Term(3));
        for (height, number) in blocks {
            mixer.add(Height(*height), &output(*number, *height));
            mixer = Mixer::from_bytes(mixer.to_bytes());
        }
        mixer.seed()
    }

    #[test]
    fn only_chain_seed_and_height_are_asked() {
        let proof = prove(&key(1), chain(), PREVIOUS, Height(5));
        let check = |number, chain, previous, height| {
            verify(&key(number).public_key(), chain, previous, Height(height), &proof).is_ok()
        };
        assert!(check(1, chain(), PREVIOUS, 5));
        assert!(!check(2, chain(), PREVIOUS, 5));
        assert!(!check(1, ChainId(Digest::ZERO), PREVIOUS, 5));
        assert!(!check(1, chain(), Seed([8; 32]), 5));
        assert!(!check(1, chain(), PREVIOUS, 6));
    }

    #[test]
    fn every_block_counts_in_its_place() {
        let whole = mixed(&[(109, 1), (110, 2), (111, 3)]);
        assert_eq!(whole, mixed(&[(109, 1), (110, 2), (111, 3)]));
        for other in [
            [(109, 1), (110, 2)].as_slice(),
            &[(110, 2), (111, 3)],
            &[(109, 1), (110, 2), (111, 4)],
            &[(109, 2), (110, 1), (111, 3)],
        ] {
            assert_ne!(mixed(other), whole);
        }
    }

    #[test]
    fn a_term_without_a_final_block_has_a_seed() {
        let seed = Mixer::new(PREVIOUS, Term(3)).seed();
        assert_ne!(seed, PREVIOUS);
        assert_ne!(seed, Mixer::new(PREVIOUS, Term(4)).seed());
        assert_ne!(seed, Mixer::new(Seed([8; 32]), Term(3)).seed());
    }

    #[test]
    fn seeds_are_pinned() {
        let hex = |seed: Seed| Digest(seed.0).to_string();
        assert_eq!(hex(Mixer::new(PREVIOUS, Term(3)).seed()), EMPTY);
        assert_eq!(hex(mixed(&[(109, 1), (110, 2)])), TWO);
    }

    const EMPTY: &str = "b00d9fa207308dd8f710f8c7c013c4a86654fd580ad76127bfc2b01ea06efa92";
    const TWO: &str = "1db9f1ddec0403752f65e7798d6254ef974bb70fae583dd511bcb609f78d9269";
}

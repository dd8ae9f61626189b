//! Random choices that a round's number repeats.

use std::convert::Infallible;

use cpchain_crypto::{
    Entropy, Key, SeededEntropy,
    counter::{CounterStore, Loaded, Mark, SealCounter},
};

pub struct Dice(SeededEntropy);

impl Dice {
    /// Those of one engine in one round.
    pub fn new(engine: &str, round: u64) -> Self {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&round.to_le_bytes());
        seed[8..].iter_mut().zip(engine.bytes()).for_each(|(to, byte)| *to = byte);
        Self(SeededEntropy::new(&seed))
    }

    pub fn entropy(&mut self) -> &mut SeededEntropy {
        &mut self.0
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes).unwrap();
        bytes
    }

    /// Below `end`, which is above 0.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(u64::from_le_bytes(self.bytes())) * u128::from(end)) >> 64) as u64
    }

    /// From `low` to `high`, both included; each doubling equally likely, so that small ones are as usual as large ones.
    pub fn size(&mut self, low: u64, high: u64) -> usize {
        let doublings = u64::from((high / low).ilog2());
        let low = low << self.below(doublings + 1);
        (low + self.below(low)).min(high) as usize
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    pub fn key(&mut self) -> Key {
        Key::from_bytes(self.bytes())
    }
}

/// A counter for one run: nothing is asked after it.
pub struct Memory;

impl Memory {
    pub fn counter() -> SealCounter<Self> {
        SealCounter::open(Self).unwrap()
    }
}

impl CounterStore for Memory {
    type Error = Infallible;

    fn load(&mut self) -> Result<Loaded, Infallible> {
        Ok(Loaded::Fresh)
    }

    fn store(&mut self, _: &Mark) -> Result<(), Infallible> {
        Ok(())
    }
}

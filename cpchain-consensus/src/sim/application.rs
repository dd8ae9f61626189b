//! The application that simulated members run unless the scenario brings one.

use bytes::Bytes;
use cpchain_crypto::Digest;

use crate::{
    application::{Ancestors, Application, FinalBlock, InvalidPayload},
    ids::Height,
};

use super::keys::Checksum;

/// A checksum over all final payloads. Every payload names the state that it was built on, so a node that executes
/// something else refuses the next block.
#[derive(Debug, Default)]
pub(crate) struct Chained {
    state: [u8; 16],
    last: Height,
}

impl Chained {
    fn after(state: [u8; 16], payload: &[u8]) -> [u8; 16] {
        let mut sum = Checksum([0x0073_696d, 0x6170_7000]);
        sum.absorb(&state);
        sum.absorb(payload);
        sum.finish()
    }

    /// The state that a payload says it was built on.
    pub(crate) fn state_before(payload: &[u8]) -> [u8; 16] {
        payload.first_chunk().copied().unwrap_or_default()
    }

    /// The state after it.
    pub(crate) fn state_after(payload: &[u8]) -> [u8; 16] {
        Self::after(Self::state_before(payload), payload)
    }

    fn through(&self, ancestors: Ancestors<'_>) -> [u8; 16] {
        let proposed = ancestors.iter().filter(|block| !block.impeached);
        proposed.fold(self.state, |state, block| Self::after(state, &block.payload))
    }
}

impl Application for Chained {
    fn submit(&mut self, _: Bytes) -> Result<(), InvalidPayload> {
        Ok(())
    }

    fn propose(&mut self, height: Height, ancestors: Ancestors<'_>, _: usize) -> Bytes {
        let mut payload = self.through(ancestors).to_vec();
        payload.extend_from_slice(&height.0.to_be_bytes());
        payload.into()
    }

    fn verify(&mut self, _: Height, ancestors: Ancestors<'_>, payload: &Bytes) -> Result<(), InvalidPayload> {
        let good = payload.starts_with(&self.through(ancestors));
        if good { Ok(()) } else { Err(InvalidPayload("built on another state".into())) }
    }

    fn finalised(&mut self, block: &FinalBlock) -> Digest {
        self.last = block.height;
        if !block.impeached {
            self.state = Self::after(self.state, &block.payload);
        }
        let mut digest = [0; 32];
        for (slot, byte) in digest.iter_mut().zip(self.state) {
            *slot = byte;
        }
        Digest(digest)
    }

    fn last_height(&self) -> Height {
        self.last
    }
}

/// Makes the application of a member, at its start and at every restart.
pub type MakeApplication = fn(member: usize) -> Box<dyn Application>;

pub(crate) fn default_application(_: usize) -> Box<dyn Application> {
    Box::<Chained>::default()
}

//! How many of how many.

use super::PreError;

/// How many fragments open (`t`) of how many that are made (`n`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Threshold {
    needed: u8,
    shares: u8,
}

impl Threshold {
    /// Most fragments of one grant.
    pub const MAX_SHARES: u8 = 64;

    /// `needed` of `shares`.
    ///
    /// # Errors
    /// [`PreError::Threshold`] unless 1 ≤ needed ≤ shares ≤ 64.
    pub const fn new(needed: u8, shares: u8) -> Result<Self, PreError> {
        if needed == 0 || needed > shares || shares > Self::MAX_SHARES {
            return Err(PreError::Threshold);
        }
        Ok(Self { needed, shares })
    }

    /// Fragments that open.
    pub const fn needed(&self) -> u8 {
        self.needed
    }

    /// Fragments that are made.
    pub const fn shares(&self) -> u8 {
        self.shares
    }
}

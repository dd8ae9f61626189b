//! Is a block the next one of its chain?

use super::SealedBlock;
use crate::hash::Digest;

/// Why a block is not the next one of its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// It is of another stream than the block before it.
    #[error("the block is of another stream than the one before it")]
    WrongStream,
    /// A block is missing, there twice, or out of order.
    #[error("block {expected} is due here, this is block {found}")]
    WrongIndex {
        /// The index that is due.
        expected: u64,
        /// The index that the block has.
        found: u64,
    },
    /// The block before it was changed or exchanged, or this one is not of this chain.
    #[error("the block does not carry the hash of the one before it")]
    WrongPrevious,
    /// It names an interval before that of the block before it.
    #[error("the block goes back to an earlier interval")]
    IntervalGoesBack,
}

impl SealedBlock<'_> {
    /// Is this the block right after `previous` (`None`: the first of its stream)?
    ///
    /// Whoever asks this of each block in turn finds a block that is missing, swapped, changed or foreign, without any key.
    /// Three things it does not say: that the stream is the one that was asked for (compare the first
    /// [`header`](Self::header)), that the end is there (compare the last [`hash`](Self::hash) with one that was signed), and
    /// who made the blocks (the same signature, or an interval key that opens them).
    ///
    /// ```
    /// # #[cfg(feature = "alloc")] {
    /// use cpchain_crypto::{Digest, block::{BlockHeader, ChainError, SealedBlock, seal}, key_tree::{IntervalId, StreamSecret}};
    /// let key = StreamSecret::from_bytes([1; 32]).interval_key(IntervalId(0));
    /// let mut header = BlockHeader {
    ///     stream: Digest::content(b"my stream"), index: 0, interval: IntervalId(0), start_ms: 0,
    ///     count: 1, codec: 0, body_len: 4, previous: Digest::ZERO,
    /// };
    /// let mut kept = Vec::new();
    /// for body in [b"21.5", b"21.6", b"21.4"] {
    ///     let (bytes, _) = seal(&header, &key, body)?;
    ///     header.index += 1;
    ///     header.previous = SealedBlock::parse(&bytes)?.hash();
    ///     kept.push(bytes);
    /// }
    /// let signed_head = header.previous; // signed by the device, in earnest
    ///
    /// let mut last = None;
    /// for bytes in &kept {
    ///     let block = SealedBlock::parse(bytes)?;
    ///     block.follows(last.as_ref())?;
    ///     last = Some(block);
    /// }
    /// assert_eq!(last.map(|block| block.hash()), Some(signed_head));
    ///
    /// let (first, third) = (SealedBlock::parse(&kept[0])?, SealedBlock::parse(&kept[2])?);
    /// assert_eq!(third.follows(Some(&first)), Err(ChainError::WrongIndex { expected: 1, found: 2 }));
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ChainError`].
    pub fn follows(&self, previous: Option<&SealedBlock<'_>>) -> Result<(), ChainError> {
        let (expected, hash) = match previous {
            // Nothing comes after the last index that there is: the block cannot have the one that is due.
            Some(before) => (before.header().index.saturating_add(1), before.hash()),
            None => (0, Digest::ZERO),
        };
        if previous.is_some_and(|before| before.header().stream != self.header().stream) {
            return Err(ChainError::WrongStream);
        }
        let after_the_last = previous.is_some_and(|before| before.header().index == u64::MAX);
        if self.header().index != expected || after_the_last {
            return Err(ChainError::WrongIndex { expected, found: self.header().index });
        }
        if self.header().previous != hash {
            return Err(ChainError::WrongPrevious);
        }
        if previous.is_some_and(|before| before.header().interval > self.header().interval) {
            return Err(ChainError::IntervalGoesBack);
        }
        Ok(())
    }
}

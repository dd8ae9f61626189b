//! Named sets of parameters, with what they are estimated to withstand.

use crate::search::SearchError;

/// The error and the secret are drawn from TUniform(4): whole numbers from −16 to 16, the ends half as likely as the others.
pub(super) const ERROR_BITS: u32 = 4;
/// A byte stands in the top 8 of 32 bits.
pub(super) const SCALE: u32 = 1 << 24;

/// Everything about the lattice and the buckets that owner and hosts agree on.
///
/// | set | bucket | n | estimated security | hint of a segment |
/// | --- | --- | --- | --- | --- |
/// | [`Bucket1K`](Self::Bucket1K) | 1 KiB | 1280 | 2¹³⁵ | 5 MiB |
/// | [`Bucket4K`](Self::Bucket4K) | 4 KiB | 1408 | 2¹⁵³ | 22 MiB |
///
/// q = 2³², secret and error TUniform(4), whose standard deviation is 9.25.
///
/// **Security** is the core-SVP hardness of the primal attack: log₂ of the cost 2^(0.292 β) of one call of the shortest-vector oracle
/// in the smallest block size β for which the attack succeeds, after Alkim, Ducas, Pöppelmann, Schwabe: *Post-quantum key exchange – a
/// new hope* (2016), section 6.3. `tests/search_parameters.rs` computes it anew (`the_estimates_are_these`). With a quantum computer the
/// same count gives 2¹²² and 2¹³⁹.
///
/// **Failure**: that a byte of an answer is read wrong is less likely than [`FAILURE_LOG2`](Self::FAILURE_LOG2) says, whatever the table
/// contains and up to [`MAX_BUCKETS`](Self::MAX_BUCKETS) buckets a segment (`the_failure_is_this_unlikely`). It would be noticed: the bucket does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParameterSet {
    /// Up to some ten million postings: the fastest, with answers of 4 KiB.
    Bucket1K = 1,
    /// For more, and for a larger margin: fewer and longer buckets, answers of 16 KiB.
    Bucket4K = 2,
}

impl ParameterSet {
    /// Buckets of a segment, at most.
    pub const MAX_BUCKETS: usize = 1 << 18;
    /// A byte is read wrong with a probability below 2 to the power of this.
    pub const FAILURE_LOG2: i32 = -137;

    /// Bytes of a sealed bucket.
    pub const fn bucket_len(self) -> usize {
        match self {
            Self::Bucket1K => 1024,
            Self::Bucket4K => 4096,
        }
    }

    /// Length of the secret.
    pub const fn dimension(self) -> usize {
        match self {
            Self::Bucket1K => 1280,
            Self::Bucket4K => 1408,
        }
    }

    /// log₂ of the work that breaking a query is estimated to take.
    pub const fn security_bits(self) -> u32 {
        match self {
            Self::Bucket1K => 135,
            Self::Bucket4K => 153,
        }
    }

    pub(super) const fn from_byte(byte: u8) -> Result<Self, SearchError> {
        match byte {
            1 => Ok(Self::Bucket1K),
            2 => Ok(Self::Bucket4K),
            _ => Err(SearchError::Format { what: "parameter set" }),
        }
    }
}

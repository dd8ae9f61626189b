//! Why something is refused.

use super::Threshold;
use crate::entropy::EntropyError;

/// Why keys, capsules or fragments were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PreError {
    /// The bytes are not an envelope of a known version and scheme, or their length is not the scheme's.
    #[error("not a {what} of a version, scheme and length that this build reads")]
    Format {
        /// What was expected.
        what: &'static str,
    },
    /// The envelope is right, the curve points or numbers inside are not.
    #[error("the {what} holds values that the scheme does not allow")]
    Value {
        /// What was expected.
        what: &'static str,
    },
    /// A range of no intervals.
    #[error("a grant needs at least one interval")]
    EmptyRange,
    /// A threshold that is zero, above the number of fragments, or more than 64 fragments.
    #[error("a threshold needs 1 <= t <= n <= {}", Threshold::MAX_SHARES)]
    Threshold,
    /// The root of a key tree is the stream secret itself.
    #[error("the root of the key tree is not granted: grant nodes below it, as `cover` gives them")]
    Root,
    /// The key fragment was not made by these parties.
    #[error("the key fragment does not verify for these delegating, receiving and verifying keys: refuse the grant")]
    KeyFragment,
    /// The capsule fragment does not verify.
    #[error("the capsule fragment does not verify for this capsule and these keys: ask another proxy")]
    CapsuleFragment,
    /// A fragment was verified for another capsule or other keys than it is combined for.
    #[error("a fragment was verified for another capsule, delegating key or receiving key")]
    OtherCapsule,
    /// No fragment, or the same one twice.
    #[error("the fragments to combine must be at least one and all different")]
    Fragments,
    /// The fragments do not open the capsule.
    #[error(
        "the capsule does not open: fewer fragments than the threshold, fragments of different grants, or a false grant"
    )]
    Sealed,
    /// What the capsule seals is of another stream or node than it says.
    #[error("the capsule opens to a seed of another stream or node than its label says: refuse it")]
    Label,
    /// The source of randomness failed.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

//! How a run can fail its judge: one kind for each invariant.

use crate::{
    ids::{Height, Term},
    lbft::{Fault, Kind},
};

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// An honest key said two things.
    #[error("member {member} is honest and said {kind:?} twice at height {height}")]
    DoubleVote {
        /// Whose key.
        member: usize,
        /// Where.
        height: Height,
        /// What.
        kind: Kind,
    },
    /// An honest key sent what excludes each other.
    #[error("member {member} is honest and sent COMMIT and IMPEACH PREPARE at height {height}")]
    CommitAndImpeach {
        /// Whose key.
        member: usize,
        /// Where.
        height: Height,
    },
    /// Two blocks are certified.
    #[error("two blocks have certificates of {kind:?} at height {height}")]
    TwoCertified {
        /// Where.
        height: Height,
        /// Of which votes the second certificate is.
        kind: Kind,
    },
    /// A final block and an impeachment.
    #[error("height {0} has a C-certificate and an impeach certificate")]
    CommittedAndImpeached(Height),
    /// Two nodes hold different blocks final, or ended in different states.
    #[error("node {node} disagrees with an earlier one about what is final at height {height}: {what}")]
    Disagreement {
        /// The node.
        node: usize,
        /// Where.
        height: Height,
        /// The block or the state.
        what: &'static str,
    },
    /// Two nodes began a term with different committees.
    #[error("node {node} began term {term} with another committee than an earlier one")]
    Committees {
        /// The node.
        node: usize,
        /// The term.
        term: Term,
    },
    /// A final height without what must stand below it.
    #[error("node {node} holds height {height} final, but {why}")]
    Descent {
        /// The node.
        node: usize,
        /// Where.
        height: Height,
        /// What is missing.
        why: &'static str,
    },
    /// Evidence against an honest key, or that does not prove itself.
    #[error("evidence against member {member}: {why}")]
    Evidence {
        /// The accused.
        member: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An honest node blamed an honest one.
    #[error("node {node} blamed honest member {member}: {reason}")]
    Blame {
        /// Who blamed.
        node: usize,
        /// Whom.
        member: usize,
        /// The reason given.
        reason: &'static str,
    },
    /// An honest node stopped voting.
    #[error("honest node {node} stopped: {fault}")]
    Fault {
        /// Which.
        node: usize,
        /// Why, as it said.
        fault: Fault,
    },
    /// The faults ended and the chain did not go on.
    #[error("node {node} is at final height {reached} and not at {goal}, {waited_ms} ms after the faults ended")]
    Stalled {
        /// A node that is behind.
        node: usize,
        /// Its last final height.
        reached: Height,
        /// Where it should be.
        goal: Height,
        /// Virtual time.
        waited_ms: u64,
    },
    /// A core keeps more than its bounds.
    #[error("node {node} keeps {rounds} heights and {blocks} blocks of {bytes} bytes")]
    Memory {
        /// The node.
        node: usize,
        /// Heights.
        rounds: usize,
        /// Blocks.
        blocks: usize,
        /// Their bytes.
        bytes: usize,
    },
}

//! Audits: is what a holder has signed for still there? Anybody may ask, and anybody may check the answer.
//!
//! Once an epoch the chain gives 32 bytes that nobody knew before. They name one leaf of 1 KiB of every shard that somebody has
//! a [`Receipt`](crate::network::Receipt) for; the holder answers with the [slice](crate::slice) of that leaf: 1.7 KiB for a
//! shard of 1 MiB, verified in a few microseconds (`lab audit`). A holder that has lost a share `s` of a shard fails an
//! audit with probability `s`; one that has thrown it away fails at once.
//!
//! Nothing of a chain is in here. [`Question::challenge`] and [`Proof::verify`] are plain functions of public bytes; what an
//! epoch is, who asks, and what a failure costs the holder is for the integrator to say. Silence cannot be proved to others:
//! a failure is a claim that whoever has the shard refutes by showing a [`Proof`] before a deadline.
//!
//! | you want to | take |
//! | --- | --- |
//! | know which leaf is asked for | [`Question::challenge`] |
//! | ask many holders at once | [`Auditor`] |
//! | show others that a shard was there | [`Proof`] |
//! | know which shards count as lost | [`AuditLedger`] |
//!
//! | rule | test |
//! | --- | --- |
//! | The leaf depends on randomness, holder and shard alone, and every leaf is as likely as another | `leaves_are_spread_evenly` |
//! | A proof is for one receipt and one epoch | `a_proof_is_for_its_receipt_and_epoch` |
//! | At most 64 challenges in a request; a host that is silent does not hold up the others | `tests/network/audit.rs` |
//! | Two missed epochs in a row lose a shard, one proof clears it | `two_missed_epochs_lose_a_shard` |

mod auditor;
mod ledger;
mod proof;
mod question;

#[cfg(test)]
pub(crate) use proof::AuditProof;
pub use {
    auditor::{AuditConfig, Auditor, Verdict},
    ledger::{AuditLedger, EPOCHS_TO_LOSE},
    proof::{MAX_PROOF_BYTES, Proof, ProofError},
    question::Question,
};

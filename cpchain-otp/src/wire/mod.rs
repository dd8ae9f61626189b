//! The messages of `/cpchain/otp/1`, and how they stand on a byte stream.
//!
//! A caller opens a stream, writes one [`Request`] and reads one [`Reply`]; what follows depends on the request:
//!
//! | request | reply | then |
//! | --- | --- | --- |
//! | `Get` | `Opened` | the range as bao bytes ([`crate::bao`]), then a [`SignedRecord`] (receipt), then the caller's [`Acknowledge`] |
//! | `Call` | `Ready` | the `len` raw bytes of the call; then `Answer` and its `len` raw bytes |
//! | `Lookup` | `Found` | – |
//! | `Deposit` | `Held` | – |
//! | `Reencrypt` | `Fragment` | – |
//! | `Announce` | `Held` | – |
//! | `Follow` | `Told` | more `Told` as heads come, an empty one as a sign of life; `Refused` when the caller may hear no more |
//! | `OpenInbox`, `Confirm` | `Held` | – |
//! | `Post` | `Posted` | – |
//! | `Collect` | `Collected` | – |
//!
//! Each message is preceded by its length as a big-endian `u32` and is at most [`MAX_MESSAGE`] bytes; longer ones end the
//! stream before anything is allocated for them (test `oversized_length_is_refused_before_allocation`). Any request may be
//! answered by `Refused`. The schema is `proto/otp.proto`; test `proto_file_describes_the_messages` holds them together.

mod frame;
mod live;
mod messages;
mod refusal;

pub use frame::{FrameError, MAX_MESSAGE};
pub(crate) use frame::{read_exactly, read_message, read_message_or_end, write_message};
pub use live::{
    Announce, Collect, Collected, Confirm, Custody, Delivery, Follow, InboxEntry, InboxIndex, Letter, OpenInbox, Post,
    Posted, StreamEnd, StreamHead, Told,
};
pub use messages::{
    Acknowledge, Answer, Call, Deposit, Descriptor, Found, Fragment, Get, Grant, Held, Label, Lookup, Opened, Ready,
    Receipt, Reencrypt, Refused, Registration, Reply, Request, Revocations, SignedRecord, WitnessedReceipt, lookup,
    reply, request,
};
pub use refusal::{Refusal, RefusalCode};

/// The protocol id that transports negotiate.
pub const PROTOCOL: &str = "/cpchain/otp/1";
/// The version that requests carry.
pub const VERSION: u32 = 1;

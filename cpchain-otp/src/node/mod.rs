//! A proxy node: serves objects under grants, holds key fragments, answers services.
//!
//! A node never sees a key or a plaintext: objects are sealed, capsules and fragments opaque. What it may do is decided
//! in [`access`](crate::access); what it sends of an object is proven before it leaves ([`Objects`]).
//!
//! Bounds, all in [`NodeConfig`]: streams at a time, time to send a request, time without progress, bytes per caller and
//! window, length of calls, size of objects. Memory per stream is about 1 MiB, a call holds its request and its answer.

mod config;
mod fragments;
mod handle;
mod inbox;
mod quota;
mod serve;
mod streams;

pub use config::{NodeConfig, NodeParts, Quota};
pub use handle::{NodeError, NodeHandle, ProxyNode};
pub use inbox::InboxConfig;
pub use streams::StreamsConfig;

#[cfg(doc)]
use crate::Objects;

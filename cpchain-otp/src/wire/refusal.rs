//! Typed refusals: what a node says instead of serving.

use std::fmt;

use super::{Refused, Reply, reply};

const MAX_DETAIL: usize = 256;

/// Why a node does not serve a request. The number is what stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalCode {
    /// The node has neither the thing nor a way to get it.
    NotFound = 1,
    /// It is not public and no grant for this caller, object and proxy was shown.
    NoGrant = 2,
    /// The grant has ended.
    Expired = 3,
    /// The owner has revoked the grant.
    Revoked = 4,
    /// The caller used its share of this node; try again later or elsewhere.
    Quota = 5,
    /// The request or the object is above the node's limits.
    TooLarge = 6,
    /// The request cannot be read.
    Malformed = 7,
    /// The node does not offer this.
    Unsupported = 8,
    /// The grant needs a payment that the chain does not show.
    Unpaid = 9,
    /// The node failed; its log says why.
    Internal = 10,
    /// It contradicts what the node knows already.
    Conflict = 11,
}

impl RefusalCode {
    fn from_number(code: u32) -> Self {
        match code {
            1 => Self::NotFound,
            2 => Self::NoGrant,
            3 => Self::Expired,
            4 => Self::Revoked,
            5 => Self::Quota,
            6 => Self::TooLarge,
            7 => Self::Malformed,
            8 => Self::Unsupported,
            9 => Self::Unpaid,
            11 => Self::Conflict,
            _ => Self::Internal,
        }
    }
}

/// A typed refusal with a word for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason that programs act on.
    pub code: RefusalCode,
    /// The reason in words, at most 256 bytes on the wire.
    pub detail: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: RefusalCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    pub(crate) fn malformed(detail: impl fmt::Display) -> Self {
        Self::new(RefusalCode::Malformed, detail.to_string())
    }

    pub(crate) fn from_wire(message: Refused) -> Self {
        Self { code: RefusalCode::from_number(message.code), detail: clip(message.detail) }
    }

    pub(crate) fn into_reply(self) -> Reply {
        let refused = Refused { code: self.code as u32, detail: clip(self.detail) };
        Reply { body: Some(reply::Body::Refused(refused)) }
    }
}

fn clip(mut text: String) -> String {
    let end = (0..=MAX_DETAIL.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.truncate(end);
    text
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_the_wire_and_details_are_clipped() {
        for number in 1..=11 {
            assert_eq!(RefusalCode::from_number(number) as u32, number);
        }
        let reply = Refusal::new(RefusalCode::Quota, "é".repeat(200)).into_reply();
        let Some(reply::Body::Refused(refused)) = reply.body else { panic!("a refusal") };
        assert_eq!(refused.detail.len(), 256);
        assert_eq!(Refusal::from_wire(refused).code, RefusalCode::Quota);
    }
}

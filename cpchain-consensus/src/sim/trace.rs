//! What happened, as a checksum always and as text on demand.

use core::fmt;

use super::keys::Checksum;
use crate::lbft::{Kind, Message};

/// A running checksum over every event of a world, in order: two runs are the same run if it is equal.
#[derive(Debug, Clone)]
pub struct Trace {
    sum: Checksum,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) const fn new(seed: u64, readable: bool) -> Self {
        let lines = if readable { Some(Vec::new()) } else { None };
        Self { sum: Checksum([seed, 0x0074_7261_6365]), lines }
    }

    /// Notes an event of a node. `tag` and `detail` go into the checksum, the text only into the readable trace.
    pub(crate) fn note(&mut self, now: u64, node: usize, tag: u64, detail: u64, text: impl FnOnce() -> String) {
        self.sum.word(now);
        self.sum.word((node as u64) << 8 | tag);
        self.sum.word(detail);
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>7}.{:03} ms  node {node:<3} {}", now / 1000, now % 1000, text()));
        }
    }

    /// The checksum, 32 hex digits.
    pub fn digest(&self) -> String {
        let mut sum = self.sum;
        sum.finish().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The readable trace; empty unless the scenario asked for it.
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}

/// A message in the words of the paper.
pub(crate) struct Described<'a>(pub(crate) &'a Message);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |kind: Kind| match kind {
            Kind::Seal => "SEAL",
            Kind::Prepare => "PREPARE",
            Kind::Commit => "COMMIT",
            Kind::ImpeachPrepare => "IMPEACH PREPARE",
            Kind::Handover => "HANDOVER",
        };
        let short = |digest: &cpchain_crypto::Digest| digest.to_string().get(..8).unwrap_or_default().to_owned();
        match self.0 {
            Message::Propose(proposal) => {
                let header = proposal.block.header();
                let (digest, parent) = (short(&proposal.block.digest()), short(&header.parent));
                write!(f, "PROPOSE {} {digest} on {} {parent}", header.height, header.parent_height)
            }
            Message::Vote(vote) if vote.kind == Kind::ImpeachPrepare => {
                write!(f, "IMPEACH PREPARE {} by validator {}", vote.height, vote.signer)
            }
            Message::Vote(vote) => {
                let digest = short(&vote.digest);
                write!(f, "{} {} {digest} by validator {}", word(vote.kind), vote.height, vote.signer)
            }
            Message::Certificate(certificate) => {
                let height = certificate.height;
                match certificate.kind {
                    Kind::Commit => write!(f, "VALIDATE {height} {}", short(&certificate.digest)),
                    Kind::ImpeachPrepare => write!(f, "IMPEACH COMMIT {height}"),
                    Kind::Handover => write!(f, "HANDOVER COMMIT {height} {}", short(&certificate.digest)),
                    _ => write!(f, "CERTIFICATE {height} {}", short(&certificate.digest)),
                }
            }
            Message::Block(block) => write!(f, "BLOCK {} {}", block.height(), short(&block.digest())),
            Message::Pull(pull) => {
                write!(f, "PULL {} heights, {} digests", pull.heights.len(), pull.digests.len())?;
                pull.range.map_or(Ok(()), |from| write!(f, ", from {from}"))
            }
            Message::Range(range) => write!(f, "RANGE {} blocks to {}", range.blocks.len(), range.certificate.height),
        }
    }
}

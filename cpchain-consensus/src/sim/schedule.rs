//! What goes wrong, and when.

use std::time::Duration;

use super::links::{Cut, Links};

/// One fault, or its end.
#[derive(Debug, Clone)]
pub enum Nemesis {
    /// A node's process dies, loses what it had not synced, and starts again so much later.
    Crash {
        /// The node.
        node: usize,
        /// How long it is away.
        down: Duration,
    },
    /// A node's next write fails; it stops as a real one does, and starts again so much later with the disk repaired.
    DiskFails {
        /// The node.
        node: usize,
        /// How long until it is repaired, from the write that fails.
        down: Duration,
    },
    /// No message passes one way between two groups, beside the cuts that are there.
    Cut(Cut),
    /// All cuts end.
    Mend,
    /// All links are like this from now on.
    Links(Links),
    /// Messages of a node, both ways, take so much longer.
    Slow {
        /// The node.
        node: usize,
        /// On top of what the links do.
        by: Duration,
    },
    /// A node's clock jumps, in microseconds; below zero it falls back.
    ClockJump {
        /// The node.
        node: usize,
        /// How far.
        by: i64,
    },
    /// A node's clock runs fast (or slow, below zero) by parts in a million.
    ClockDrift {
        /// The node.
        node: usize,
        /// How much.
        parts_per_million: i32,
    },
    /// From now on a process may die between any two outputs of a step, with this chance in ten thousand for each.
    CrashBetween(u32),
}

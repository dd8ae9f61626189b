//! What a run reports: the table for people and the object for programs.

use serde::Serialize;

/// One scene.
#[derive(Debug, Clone, Serialize)]
pub struct Scene {
    /// Its name.
    pub name: &'static str,
    /// Requests with a final grant.
    pub grants: usize,
    /// Half of them had it within so many milliseconds.
    pub p50_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// All.
    pub worst_ms: f64,
    /// Vehicles that drove through.
    pub crossings: u64,
    /// Requests and drives that had no end.
    pub failed: u64,
    /// Slots that silent vehicles lost.
    pub lost_slots: u64,
    /// Final heights.
    pub heights: u64,
    /// Heights among them whose proposer was impeached.
    pub impeached: u64,
    /// Heights in a second.
    pub heights_per_second: f64,
    /// A proof of misbehaviour was seen by an honest gateway.
    pub evidence: bool,
    /// Grants that cannot go together.
    pub conflicts: u64,
    /// Honest gateways with different states at one height.
    pub disagreements: u64,
}

impl Scene {
    /// No two vehicles could meet, all gateways agree, every vehicle came through, and the silent one lost its slot.
    pub const fn is_safe(&self) -> bool {
        self.conflicts == 0 && self.disagreements == 0 && self.failed == 0 && self.crossings > 0 && self.lost_slots == 1
    }
}

/// The outcome of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Gateways.
    pub gateways: u16,
    /// Vehicles.
    pub vehicles: u16,
    /// What p99 should be, in milliseconds.
    pub goal_ms: f64,
    /// What a durable write of 4 KiB costs where the logs are, in milliseconds: half of them less.
    pub log_sync_ms: f64,
    /// The scenes in order.
    pub scenes: Vec<Scene>,
}

impl Summary {
    /// Did nothing happen that must not?
    pub fn is_safe(&self) -> bool {
        self.scenes.iter().all(Scene::is_safe)
    }

    /// Is the goal met in every scene?
    pub fn is_fast(&self) -> bool {
        self.scenes.iter().all(|scene| scene.p99_ms < self.goal_ms)
    }

    /// The table that a person reads.
    pub fn table(&self) -> String {
        let mut out = format!(
            "{:24}  {:>6}  {:>8}  {:>8}  {:>8}  {:>9}  {:>9}  {:>9}  {:>4}\n",
            "request to final grant", "grants", "p50", "p99", "worst", "crossings", "heights/s", "impeached", "lost"
        );
        for scene in &self.scenes {
            out += &format!(
                "{:24}  {:>6}  {:>5.1} ms  {:>5.1} ms  {:>5.1} ms  {:>9}  {:>9.0}  {:>9}  {:>4}\n",
                scene.name,
                scene.grants,
                scene.p50_ms,
                scene.p99_ms,
                scene.worst_ms,
                scene.crossings,
                scene.heights_per_second,
                scene.impeached,
                scene.lost_slots
            );
        }
        let safe = if self.is_safe() { "no two conflicting grants, all gateways agree" } else { "UNSAFE OR STUCK" };
        let fast = if self.is_fast() { "met" } else { "MISSED" };
        out += &format!(
            "\n{} gateways, {} vehicles; a durable write takes {:.2} ms here · {safe} · goal p99 < {} ms {fast}\n",
            self.gateways, self.vehicles, self.log_sync_ms, self.goal_ms
        );
        out
    }
}

//! What is known of one peer. Times are milliseconds on a clock of the caller's.

use std::time::Duration;

/// What one peer may take of a storage node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerLimits {
    /// Requests a second; a second's worth may come at once, further ones wait.
    pub requests_per_second: u32,
    /// Bytes a second, both ways together; a second's worth may come at once.
    pub bytes_per_second: u64,
    /// Open streams of the chunk protocol; further ones are reset.
    pub streams: u32,
    /// Bytes of unfinished requests that wait in the node's memory.
    pub buffered_bytes: u64,
    /// How long a peer that sent rubbish is not talked to.
    pub ban: Duration,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self {
            requests_per_second: 2000,
            bytes_per_second: 256 << 20,
            streams: 128,
            buffered_bytes: 16 << 20,
            ban: Duration::from_secs(15 * 60),
        }
    }
}

/// Points at which a peer is banned.
pub(super) const BAN_AT: u32 = 100;

/// Fills at a steady rate, up to a second's worth; may be overdrawn once, and is then waited for.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    level: i64,
    at_ms: u64,
}

impl Bucket {
    /// Takes `amount` and returns the milliseconds to wait until it is there.
    fn take(&mut self, rate: u64, amount: u64, now_ms: u64) -> u64 {
        let rate = i64::try_from(rate.max(1)).unwrap_or(i64::MAX);
        let passed = i64::try_from(now_ms.saturating_sub(self.at_ms)).unwrap_or(i64::MAX);
        self.level = self.level.saturating_add(rate.saturating_mul(passed) / 1000).min(rate);
        self.at_ms = now_ms;
        self.level = self.level.saturating_sub(i64::try_from(amount).unwrap_or(i64::MAX));
        if self.level >= 0 { 0 } else { self.level.unsigned_abs().saturating_mul(1000) / rate.unsigned_abs() }
    }
}

/// The account of one peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    requests: Bucket,
    bytes: Bucket,
    pub(super) streams: u32,
    pub(super) buffered: u64,
    points: u32,
    pub(super) seen_ms: u64,
    pub(super) banned_until_ms: u64,
}

impl Account {
    pub(super) fn new(limits: &PeerLimits, now_ms: u64) -> Self {
        let full = |rate: u64| Bucket { level: i64::try_from(rate).unwrap_or(i64::MAX), at_ms: now_ms };
        Self {
            requests: full(u64::from(limits.requests_per_second)),
            bytes: full(limits.bytes_per_second),
            streams: 0,
            buffered: 0,
            points: 0,
            seen_ms: now_ms,
            banned_until_ms: 0,
        }
    }

    /// Requests of so many bytes; milliseconds to wait before more is done for the peer.
    pub(super) fn request(&mut self, limits: &PeerLimits, requests: u64, bytes: u64, now_ms: u64) -> u64 {
        let requests = self.requests.take(u64::from(limits.requests_per_second), requests, now_ms);
        requests.max(self.bytes.take(limits.bytes_per_second, bytes, now_ms))
    }

    /// Adds points for a fault; is it banned now?
    pub(super) fn fault(&mut self, points: u32, limits: &PeerLimits, now_ms: u64) -> bool {
        let forgiven = u32::try_from(now_ms.saturating_sub(self.seen_ms) / 1000).unwrap_or(u32::MAX);
        // Whole seconds are forgiven; what is left of one counts on.
        self.seen_ms = self.seen_ms.saturating_add(u64::from(forgiven) * 1000).min(now_ms);
        self.points = self.points.saturating_sub(forgiven).saturating_add(points);
        if self.points < BAN_AT {
            return false;
        }
        self.points = 0;
        self.banned_until_ms = now_ms.saturating_add(u64::try_from(limits.ban.as_millis()).unwrap_or(u64::MAX));
        true
    }

    /// Is there anything to remember?
    pub(super) fn is_idle(&self, now_ms: u64) -> bool {
        self.streams == 0
            && self.buffered == 0
            && self.banned_until_ms <= now_ms
            && now_ms.saturating_sub(self.seen_ms) > u64::from(BAN_AT) * 1000
    }
}

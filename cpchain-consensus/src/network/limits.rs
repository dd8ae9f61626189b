//! How much of a peer is heard: settings, and the bucket that counts.

use std::time::Duration;

/// How much one peer may send, on average and at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Messages in a second.
    pub messages: u64,
    /// Bytes in a second. A burst is two seconds' worth, and never less than one largest message.
    pub bytes: u64,
}

/// Bounds of the links of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of a peer that the node was told about, and of members.
    pub known: Rate,
    /// Of anybody else.
    pub stranger: Rate,
    /// Strangers that may be connected at one time. Known peers always get their place.
    pub strangers: usize,
    /// Connections of one address (IPv6: of one /64 network) that may be in the middle of being set up.
    pub pending_per_address: usize,
    /// When the white list turns on and off.
    pub white_list: WhiteListRules,
}

/// When the white list turns on and off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WhiteListRules {
    /// Overload for longer than this turns it on.
    pub overload: Duration,
    /// Calm for longer than this turns it off.
    pub calm: Duration,
    /// On for longer than this turns it off, whatever the load.
    pub longest: Duration,
    /// More new connections of strangers, or more messages that were dropped, in a second than this are overload.
    pub connections: u64,
}

impl Default for Limits {
    /// Known peers 50,000 messages and 256 MiB in a second; strangers 100 and 512 KiB, 256 of them; 32 half-open
    /// connections of an address; the white list after
    /// five seconds of overload, for at least 30 s and at most ten minutes.
    fn default() -> Self {
        Self {
            known: Rate { messages: 50_000, bytes: 256 << 20 },
            stranger: Rate { messages: 100, bytes: 512 << 10 },
            strangers: 256,
            pending_per_address: 32,
            white_list: WhiteListRules {
                overload: Duration::from_secs(5),
                calm: Duration::from_secs(30),
                longest: Duration::from_secs(600),
                connections: 50,
            },
        }
    }
}

/// A token bucket for messages and bytes. It has no clock: times are since any fixed point.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    rate: Rate,
    /// In millionths of a message, and of a byte.
    messages: u128,
    bytes: u128,
    at: Duration,
}

const MICRO: u128 = 1_000_000;

impl Bucket {
    /// A full bucket.
    pub(super) fn new(rate: Rate, now: Duration) -> Self {
        let (messages, bytes) = Self::burst(rate);
        Self { rate, messages, bytes, at: now }
    }

    fn burst(rate: Rate) -> (u128, u128) {
        let bytes = (u128::from(rate.bytes) * 2).max(crate::lbft::MAX_MESSAGE as u128);
        ((u128::from(rate.messages) * 2).max(1) * MICRO, bytes * MICRO)
    }

    /// Another rate from now on. What is there stays, as far as the new burst goes.
    pub(super) fn set_rate(&mut self, rate: Rate, now: Duration) {
        if rate != self.rate {
            self.fill(now);
            self.rate = rate;
            self.fill(now);
        }
    }

    /// Whether nothing of it is used.
    pub(super) fn is_full(&mut self, now: Duration) -> bool {
        self.fill(now);
        (self.messages, self.bytes) == Self::burst(self.rate)
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_micros();
        let (messages, bytes) = Self::burst(self.rate);
        self.messages = messages.min(self.messages + passed * u128::from(self.rate.messages));
        self.bytes = bytes.min(self.bytes + passed * u128::from(self.rate.bytes));
        self.at = self.at.max(now);
    }

    /// Takes a message of this size, or says how long to wait before asking again. A rate of zero never gives anything.
    pub(super) fn wait(&mut self, size: usize, now: Duration) -> Duration {
        self.fill(now);
        let needed = size as u128 * MICRO;
        let lack = |held: u128, needed: u128, rate: u64| match needed.checked_sub(held) {
            None | Some(0) => Duration::ZERO,
            Some(lack) => {
                Duration::from_micros(u64::try_from(lack.div_ceil(u128::from(rate.max(1)))).unwrap_or(u64::MAX))
            }
        };
        let wait = lack(self.messages, MICRO, self.rate.messages).max(lack(self.bytes, needed, self.rate.bytes));
        if wait.is_zero() {
            self.messages -= MICRO;
            self.bytes -= needed;
        }
        wait
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn take(bucket: &mut Bucket, size: usize, millis: u64) -> bool {
        bucket.wait(size, Duration::from_millis(millis)).is_zero()
    }

    #[test]
    fn a_burst_then_the_rate() {
        let rate = Rate { messages: 10, bytes: 1 << 30 };
        let mut bucket = Bucket::new(rate, Duration::ZERO);
        let burst = (0..100).filter(|_| take(&mut bucket, 1, 0)).count();
        assert_eq!(burst, 20);
        assert_eq!(bucket.wait(1, Duration::ZERO), Duration::from_millis(100));
        assert!(take(&mut bucket, 1, 100));
        assert!(!take(&mut bucket, 1, 100));
    }

    #[test]
    fn bytes_count_and_the_largest_message_always_fits() {
        let mut bucket = Bucket::new(Rate { messages: 1000, bytes: 1000 }, Duration::ZERO);
        assert!(take(&mut bucket, crate::lbft::MAX_MESSAGE, 0));
        assert_eq!(bucket.wait(500, Duration::ZERO), Duration::from_millis(500));
        assert!(take(&mut bucket, 500, 500));
    }

    proptest! {
        /// Over any time no more than the burst and the rate come through, whatever the order of times.
        #[test]
        fn never_more_than_burst_and_rate(steps in prop::collection::vec((0u64..200, 0usize..2000), 1..200)) {
            let rate = Rate { messages: 50, bytes: 1 << 20 };
            let mut bucket = Bucket::new(rate, Duration::ZERO);
            let (mut now, mut messages, mut bytes) = (Duration::ZERO, 0u128, 0u128);
            for (pause, size) in steps {
                now += Duration::from_millis(pause);
                if bucket.wait(size, now).is_zero() {
                    messages += 1;
                    bytes += size as u128;
                }
            }
            prop_assert!(messages * 1000 <= 100 * 1000 + now.as_millis() * 50);
            prop_assert!(bytes * 1000 <= (2u128 << 20) * 1000 + now.as_millis() * (1 << 20));
        }
    }
}

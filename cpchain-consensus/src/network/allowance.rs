//! How much each peer may still send: kept by key, so that a new stream or a new connection is no new allowance, and at the rate
//! that the peer has now, so that who becomes a member is heard as one at once, and who ceases to be one no longer.

use std::{collections::HashMap, time::Duration};

use cpchain_crypto::PublicKey;

use super::limits::{Bucket, Rate};

/// Peers above which those that have all of their allowance are forgotten: a full one is like a new one.
const MOST: usize = 1024;

/// The two ways on which a peer is heard; each has an allowance of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Stream,
    Gossip,
}

#[derive(Debug, Default)]
pub(super) struct Allowances {
    peers: HashMap<PublicKey, [Bucket; 2]>,
}

impl Allowances {
    /// Takes a message of this size, or says how long to wait before asking again.
    pub(super) fn wait(
        &mut self,
        peer: &PublicKey,
        channel: Channel,
        size: usize,
        rate: Rate,
        now: Duration,
    ) -> Duration {
        if self.peers.len() >= MOST && !self.peers.contains_key(peer) {
            self.peers.retain(|_, buckets| !buckets.iter_mut().all(|bucket| bucket.is_full(now)));
        }
        let buckets = self.peers.entry(*peer).or_insert_with(|| [Bucket::new(rate, now), Bucket::new(rate, now)]);
        let [stream, gossip] = buckets;
        let bucket = match channel {
            Channel::Stream => stream,
            Channel::Gossip => gossip,
        };
        bucket.set_rate(rate, now);
        bucket.wait(size, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Rate = Rate { messages: 10, bytes: 1 << 20 };
    const FAST: Rate = Rate { messages: 1000, bytes: 1 << 20 };

    fn key(number: u64) -> PublicKey {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        PublicKey(key)
    }

    /// How many of so many messages pass now.
    fn pass(allowances: &mut Allowances, channel: Channel, rate: Rate, now: u64) -> usize {
        let now = Duration::from_millis(now);
        (0..5000).filter(|_| allowances.wait(&key(1), channel, 1, rate, now).is_zero()).count()
    }

    #[test]
    fn an_allowance_follows_the_key_and_its_rate() {
        let mut allowances = Allowances::default();
        assert_eq!(pass(&mut allowances, Channel::Stream, SLOW, 0), 20);
        assert_eq!(pass(&mut allowances, Channel::Stream, SLOW, 0), 0, "another stream is no new allowance");
        assert_eq!(pass(&mut allowances, Channel::Gossip, SLOW, 0), 20, "gossip has its own");
        // Promoted: the rate of members from now on, and not a burst for nothing.
        assert_eq!(pass(&mut allowances, Channel::Stream, FAST, 0), 0);
        assert_eq!(pass(&mut allowances, Channel::Stream, FAST, 1_000), 1_000);
        assert_eq!(pass(&mut allowances, Channel::Stream, FAST, 9_000), 2_000);
        // Demoted after a rest: what it saved as a member is gone.
        assert_eq!(pass(&mut allowances, Channel::Stream, SLOW, 20_000), 20);
    }

    #[test]
    fn who_has_all_of_it_is_forgotten() {
        let mut allowances = Allowances::default();
        let later = Duration::from_secs(10);
        for number in 0..3 * MOST as u64 {
            let now = Duration::from_millis(number * 10);
            assert!(allowances.wait(&key(number), Channel::Stream, 1, SLOW, now).is_zero());
        }
        assert!(allowances.peers.len() <= MOST, "{}", allowances.peers.len());
        // Who has used it up is not, however many come.
        let now = Duration::from_secs(100) + later;
        while allowances.wait(&key(7), Channel::Stream, 1, SLOW, now).is_zero() {}
        for number in 10_000..10_000 + 2 * MOST as u64 {
            allowances.wait(&key(number), Channel::Stream, 1, SLOW, now);
        }
        assert!(!allowances.wait(&key(7), Channel::Stream, 1, SLOW, now).is_zero());
    }
}

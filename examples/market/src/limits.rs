//! How much one peer may ask: a bucket of tokens for each address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// Requests that a peer may make at once after a pause.
pub const BURST: f64 = 300.0;
/// Requests a second in the long run.
pub const PER_SECOND: f64 = 60.0;
/// Addresses that are remembered; the ones that have been quiet for longest are forgotten first.
pub const PEERS: usize = 4096;

/// Buckets by address. IPv6 peers share one for each /64, which is what one subscriber has.
///
/// ```
/// use cpchain_market_server::limits::{BURST, Limits};
/// let limits = Limits::default();
/// let peer = "127.0.0.1".parse()?;
/// assert!((0..BURST as u32).all(|_| limits.take(peer)));
/// assert!(!limits.take(peer));
/// assert!(limits.take("127.0.0.2".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Default)]
pub struct Limits(Mutex<HashMap<IpAddr, Bucket>>);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Limits {
    /// Takes a token of this peer; `false` if it has none.
    pub fn take(&self, peer: IpAddr) -> bool {
        self.take_at(peer, Instant::now())
    }

    fn take_at(&self, peer: IpAddr, now: Instant) -> bool {
        let peer = subscriber(peer);
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= PEERS && !buckets.contains_key(&peer) {
            // A full bucket says no more than none.
            buckets.retain(|_, bucket| bucket.filled(now) < BURST);
            if buckets.len() >= PEERS
                && let Some(oldest) = buckets.iter().min_by_key(|(_, bucket)| bucket.at).map(|(peer, _)| *peer)
            {
                buckets.remove(&oldest);
            }
        }
        let bucket = buckets.entry(peer).or_insert(Bucket { tokens: BURST, at: now });
        let tokens = bucket.filled(now);
        *bucket = Bucket { tokens: if tokens >= 1.0 { tokens - 1.0 } else { tokens }, at: now };
        tokens >= 1.0
    }
}

impl Bucket {
    fn filled(&self, now: Instant) -> f64 {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        (self.tokens + since * PER_SECOND).min(BURST)
    }
}

fn subscriber(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn tokens_come_back_with_time_and_memory_is_bounded() {
        let (limits, now) = (Limits::default(), Instant::now());
        let peer = |n: u32| IpAddr::from(n.to_be_bytes());
        assert_eq!((0..1000).filter(|_| limits.take_at(peer(1), now)).count(), BURST as usize);
        let later = now + Duration::from_secs(1);
        assert_eq!((0..1000).filter(|_| limits.take_at(peer(1), later)).count(), PER_SECOND as usize);
        for n in 0..3 * PEERS as u32 {
            assert!(limits.take_at(peer(10 + n), later));
        }
        assert!(limits.0.lock().unwrap().len() <= PEERS);
    }

    #[test]
    fn a_subscriber_has_one_bucket_for_its_addresses() {
        let address = |text: &str| subscriber(text.parse().unwrap());
        assert_eq!(address("2001:db8::1"), address("2001:db8::2"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:10.0.0.1"), address("10.0.0.1"));
    }
}

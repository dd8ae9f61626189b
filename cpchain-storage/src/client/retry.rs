//! When something that failed in passing is tried again: exponential back-off with jitter, a pure function.
//!
//! | rule | test |
//! | --- | --- |
//! | Pauses double from `first` up to `longest`, and end after `attempts` | `pauses_double_and_end` |
//! | Each is between half and all of that, so that clients which failed together do not return together | `jitter_spreads_over_the_upper_half` |
//! | With a seed the pauses are the same every time | `a_seed_repeats_the_pauses` |

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How often and how soon something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The most attempts, the first one included.
    pub attempts: u32,
    /// The longest pause after the first attempt.
    pub first: Duration,
    /// The longest pause of all.
    pub longest: Duration,
}

impl Default for RetryPolicy {
    /// Four attempts within about two seconds.
    fn default() -> Self {
        Self { attempts: 4, first: Duration::from_millis(200), longest: Duration::from_secs(5) }
    }
}

impl RetryPolicy {
    /// One attempt.
    pub const NEVER: Self = Self { attempts: 1, first: Duration::ZERO, longest: Duration::ZERO };

    /// The pause after `failed` attempts (at least 1), or `None` if there is to be no other. `random` is any number, a new one
    /// each time.
    ///
    /// ```
    /// use cpchain_storage::client::RetryPolicy;
    /// let policy = RetryPolicy::default();
    /// let pause = policy.pause(1, 0x5eed).ok_or("no second attempt")?;
    /// assert!(pause >= policy.first / 2 && pause <= policy.first);
    /// assert_eq!(policy.pause(policy.attempts, 0x5eed), None);
    /// # Ok::<(), &str>(())
    /// ```
    pub fn pause(&self, failed: u32, random: u64) -> Option<Duration> {
        if failed >= self.attempts {
            return None;
        }
        let doubled = 1u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX);
        let half = self.first.saturating_mul(doubled).min(self.longest) / 2;
        Some(half + half.mul_f64((random >> 11) as f64 / (1u64 << 53) as f64))
    }
}

/// Numbers for jitter (SplitMix64). Not for secrets.
#[derive(Debug)]
pub(crate) struct Jitter(AtomicU64);

impl Jitter {
    /// From a seed, or from the hasher's random keys.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self(AtomicU64::new(seed.unwrap_or_else(|| RandomState::new().hash_one(0))))
    }

    pub(crate) fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn pauses_double_and_end() {
        let policy = RetryPolicy { attempts: 6, first: MS(100), longest: MS(500) };
        let longest: Vec<_> =
            (1..7).map(|failed| policy.pause(failed, u64::MAX).map(|pause| pause.as_millis())).collect();
        assert_eq!(longest, [Some(100), Some(200), Some(400), Some(500), Some(500), None]);
        assert_eq!(policy.pause(3, 0), Some(MS(200)));
        assert_eq!(RetryPolicy::NEVER.pause(1, 7), None);
        let endless = RetryPolicy { attempts: u32::MAX, ..policy };
        assert_eq!(endless.pause(100, 0), Some(MS(250)));
    }

    #[test]
    fn jitter_spreads_over_the_upper_half() {
        let (policy, jitter) = (RetryPolicy { attempts: 2, first: MS(1000), longest: MS(1000) }, Jitter::new(None));
        let pauses: Vec<_> = (0..1000).map(|_| policy.pause(1, jitter.next()).unwrap()).collect();
        assert!(pauses.iter().all(|pause| (MS(500)..=MS(1000)).contains(pause)));
        for fifth in 0..5 {
            let part = MS(500 + fifth * 100)..MS(600 + fifth * 100);
            assert!(pauses.iter().filter(|pause| part.contains(pause)).count() > 100);
        }
    }

    #[test]
    fn a_seed_repeats_the_pauses() {
        let draw = |seed| {
            let jitter = Jitter::new(Some(seed));
            [jitter.next(), jitter.next(), jitter.next()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        // The first numbers of SplitMix64 from 1234567, as its authors publish them.
        assert_eq!(draw(1_234_567)[..2], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }
}

//! What is thought of peers: offences add up, fade, and end in a ban.
//!
//! - At [`BAN_AT`] points the peer is dropped and not heard for a time (`offences_add_up_to_a_ban`).
//! - Points halve every minute, and a ban ends (`points_fade_and_bans_end`).
//! - A stranger's bans double, up to an hour; a member's stay short, since the chain needs members
//!   (`members_come_back_soon`).
//! - A bounded number of peers is remembered; who is banned is forgotten last (`memory_is_bounded`).

use std::{collections::HashMap, time::Duration};

use cpchain_crypto::PublicKey;

/// Points at which a peer is banned.
const BAN_AT: u32 = 100;
const HALF_LIFE: Duration = Duration::from_secs(60);
const FIRST_BAN: Duration = Duration::from_secs(30);
const LONGEST_BAN: Duration = Duration::from_secs(3600);
const REMEMBERED: usize = 4096;

/// What a peer did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Offence {
    /// Bytes that are no message.
    Malformed,
    /// A message that no honest node sends.
    Blamed,
    /// A frame over the limit.
    Oversize,
    /// Gossip faster than its rate.
    Excess,
}

impl Offence {
    const fn points(self) -> u32 {
        match self {
            Self::Malformed | Self::Blamed => 10,
            Self::Oversize => BAN_AT,
            Self::Excess => 1,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Record {
    points: u32,
    at: Duration,
    bans: u32,
    banned_until: Option<Duration>,
}

impl Record {
    fn fade(&mut self, now: Duration) {
        let halvings = now.saturating_sub(self.at).as_secs() / HALF_LIFE.as_secs();
        if halvings > 0 {
            self.points = self.points.checked_shr(u32::try_from(halvings).unwrap_or(u32::MAX)).unwrap_or(0);
            self.at = now;
        }
    }

    fn is_banned(&self, now: Duration) -> bool {
        self.banned_until.is_some_and(|until| now < until)
    }
}

/// Records of peers. It has no clock: times are since any fixed point.
#[derive(Debug, Default)]
pub(super) struct Scores {
    records: HashMap<PublicKey, Record>,
}

impl Scores {
    /// Adds an offence; `true` if the peer is banned from now on.
    pub(super) fn report(&mut self, peer: PublicKey, member: bool, offence: Offence, now: Duration) -> bool {
        self.make_room(now);
        let record = self.records.entry(peer).or_insert(Record { at: now, ..Record::default() });
        record.fade(now);
        record.points = record.points.saturating_add(offence.points());
        if record.points < BAN_AT || record.is_banned(now) {
            return false;
        }
        let length = FIRST_BAN.saturating_mul(1 << record.bans.min(16)).min(LONGEST_BAN);
        record.bans = record.bans.saturating_add(1);
        record.points = 0;
        record.banned_until = Some(now + if member { FIRST_BAN } else { length });
        true
    }

    /// Not heard for so long, without blame.
    pub(super) fn exclude(&mut self, peer: PublicKey, length: Duration, now: Duration) {
        self.make_room(now);
        let record = self.records.entry(peer).or_default();
        record.banned_until = record.banned_until.max(Some(now + length));
    }

    /// Whether a peer is not to be heard.
    pub(super) fn is_banned(&self, peer: &PublicKey, now: Duration) -> bool {
        self.records.get(peer).is_some_and(|record| record.is_banned(now))
    }

    /// How many are banned.
    pub(super) fn banned(&self, now: Duration) -> usize {
        self.records.values().filter(|record| record.is_banned(now)).count()
    }

    fn make_room(&mut self, now: Duration) {
        if self.records.len() < REMEMBERED {
            return;
        }
        self.records.retain(|_, record| record.is_banned(now));
        if self.records.len() >= REMEMBERED {
            let ends = |record: &Record| record.banned_until;
            let soonest = self.records.iter().min_by_key(|(_, record)| ends(record)).map(|(key, _)| *key);
            soonest.map(|key| self.records.remove(&key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PublicKey = PublicKey([1; 32]);

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn ban(scores: &mut Scores, member: bool, now: Duration) {
        assert!(scores.report(PEER, member, Offence::Oversize, now));
    }

    #[test]
    fn offences_add_up_to_a_ban() {
        let mut scores = Scores::default();
        for _ in 0..9 {
            assert!(!scores.report(PEER, false, Offence::Blamed, secs(0)));
        }
        assert!(!scores.is_banned(&PEER, secs(0)));
        assert!(scores.report(PEER, false, Offence::Malformed, secs(0)));
        assert!(scores.is_banned(&PEER, secs(29)));
        assert_eq!(scores.banned(secs(29)), 1);
        assert!(!scores.is_banned(&PublicKey([2; 32]), secs(0)));
    }

    #[test]
    fn points_fade_and_bans_end() {
        let mut scores = Scores::default();
        for minute in 0..100 {
            for _ in 0..4 {
                assert!(!scores.report(PEER, false, Offence::Blamed, secs(60 * minute)), "40 a minute are forgiven");
            }
        }
        let mut scores = Scores::default();
        ban(&mut scores, false, secs(0));
        assert!(!scores.is_banned(&PEER, secs(30)));
        ban(&mut scores, false, secs(30));
        assert!(scores.is_banned(&PEER, secs(89)) && !scores.is_banned(&PEER, secs(90)));
        for again in 1..20 {
            ban(&mut scores, false, secs(10_000 * again));
        }
        assert!(scores.is_banned(&PEER, secs(190_000 + 3599)) && !scores.is_banned(&PEER, secs(190_000 + 3600)));
    }

    #[test]
    fn members_come_back_soon() {
        let mut scores = Scores::default();
        for again in 0..10 {
            ban(&mut scores, true, secs(100 * again));
            assert!(!scores.is_banned(&PEER, secs(100 * again + 30)));
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut scores = Scores::default();
        scores.exclude(PEER, secs(1000), secs(0));
        for number in 0..3 * REMEMBERED as u64 {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            let worst = if number % 2 == 0 { Offence::Oversize } else { Offence::Excess };
            scores.report(PublicKey(key), false, worst, secs(0));
        }
        assert!(scores.records.len() <= REMEMBERED);
        assert!(scores.is_banned(&PEER, secs(1)));
    }
}

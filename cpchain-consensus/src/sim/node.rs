//! One process of the world: a core with its disk, its clock and its application, honest or bent.

use std::sync::Arc;

use cpchain_crypto::{PublicKey, Signer};

use super::{
    actors::{Actor, MakeActor},
    clock::Clock,
    disk::Disk,
};
use crate::{application::Application, ids::Height, lbft::Config, lbft::Lbft};

/// What a node has set its clock for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    Timeout,
    Propose,
    Retry,
}

/// A pending alarm: the local time, what it is for, and a stamp that tells it from cancelled ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pending {
    pub(crate) alarm: Alarm,
    pub(crate) shows: i64,
    pub(crate) height: Height,
    pub(crate) stamp: u32,
}

pub(crate) struct Node {
    pub(crate) key: PublicKey,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) config: Config,
    /// `None` while it is down.
    pub(crate) core: Option<Lbft>,
    pub(crate) make_actor: Option<MakeActor>,
    pub(crate) actor: Option<Box<dyn Actor>>,
    /// One of two processes with one key.
    pub(crate) twin: bool,
    pub(crate) application: Box<dyn Application>,
    pub(crate) disk: Disk,
    /// How long it stays away when its disk fails.
    pub(crate) repair: u64,
    pub(crate) clock: Clock,
    pub(crate) alarms: Vec<Pending>,
    pub(crate) stamp: u32,
    pub(crate) busy_until: u64,
    pub(crate) uplink_free: u64,
    pub(crate) slow: u64,
}

impl Node {
    pub(crate) const fn is_honest(&self) -> bool {
        self.make_actor.is_none() && !self.twin
    }

    /// Sets an alarm in place of the one before of its kind; gives its stamp and the virtual time.
    pub(crate) fn set(&mut self, now: u64, alarm: Alarm, height: Height, after: u64) -> (u32, u64) {
        self.stamp = self.stamp.wrapping_add(1);
        self.alarms.retain(|pending| pending.alarm != alarm);
        let shows = self.clock.shows(now).saturating_add(i64::try_from(after).unwrap_or(i64::MAX));
        self.alarms.push(Pending { alarm, shows, height, stamp: self.stamp });
        (self.stamp, self.clock.reaches(now, shows))
    }

    /// The alarm with this stamp, if it was not cancelled.
    pub(crate) fn ring(&mut self, stamp: u32) -> Option<Pending> {
        let index = self.alarms.iter().position(|pending| pending.stamp == stamp)?;
        Some(self.alarms.swap_remove(index))
    }

    /// After a change of the clock: new stamps and times for all alarms.
    pub(crate) fn reset(&mut self, now: u64) -> Vec<(u32, u64)> {
        let Self { alarms, stamp, clock, .. } = self;
        let again = |pending: &mut Pending| {
            *stamp = stamp.wrapping_add(1);
            pending.stamp = *stamp;
            (pending.stamp, clock.reaches(now, pending.shows))
        };
        alarms.iter_mut().map(again).collect()
    }
}

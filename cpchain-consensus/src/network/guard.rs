//! Who is heard now: bans, the white list, and what was counted. Shared by the parts of one network.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use cpchain_crypto::PublicKey;
use tokio::{sync::Notify, time::Instant};

use super::{
    allowance::{Allowances, Channel},
    inbox,
    limits::{Limits, Rate},
    score::{Offence, Scores},
    whitelist::{WhiteList, WhiteListState},
};

/// A peer of another version is not dialled or heard for so long.
const INCOMPATIBLE: Duration = Duration::from_secs(20);

/// How the links of a node are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetworkStats {
    /// Peers that are connected.
    pub connected: usize,
    /// Peers that spoke another protocol version when they were last tried.
    pub incompatible: usize,
    /// Peers that are not heard now for what they did.
    pub banned: usize,
    /// Whether only members are heard.
    pub white_list: bool,
    /// Messages that wait for the node.
    pub queued: usize,
    /// Their bytes.
    pub queued_bytes: usize,
    /// Bytes of messages that arrived since the start.
    pub received_bytes: u64,
    /// Messages that were dropped because a limit was reached.
    pub dropped: u64,
    /// Connections that were refused: bans, the white list, too many strangers.
    pub refused: u64,
}

struct State {
    scores: Scores,
    white_list: WhiteListState,
    /// Validators and proposers.
    members: HashSet<PublicKey>,
    /// Peers that this node was told about.
    known: HashSet<PublicKey>,
    incompatible: HashSet<PublicKey>,
    /// New links of strangers, and messages that were dropped, since the last look.
    connections: u64,
    excess: u64,
}

pub(super) struct Guard {
    start: Instant,
    limits: Limits,
    trusted: HashSet<PublicKey>,
    state: Mutex<State>,
    allowances: Mutex<Allowances>,
    /// Somebody is no longer heard: links are to be closed.
    pub(super) changed: Notify,
    pub(super) inbox: inbox::Sender,
    connected: AtomicUsize,
    received_bytes: AtomicU64,
    dropped: AtomicU64,
    refused: AtomicU64,
}

impl Guard {
    pub(super) fn new(limits: Limits, trusted: impl IntoIterator<Item = PublicKey>, inbox: inbox::Sender) -> Self {
        let state = State {
            scores: Scores::default(),
            white_list: WhiteListState::new(limits.white_list),
            members: HashSet::new(),
            known: HashSet::new(),
            incompatible: HashSet::new(),
            connections: 0,
            excess: 0,
        };
        Self {
            start: Instant::now(),
            limits,
            trusted: trusted.into_iter().collect(),
            state: Mutex::new(state),
            allowances: Mutex::default(),
            changed: Notify::new(),
            inbox,
            connected: AtomicUsize::new(0),
            received_bytes: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time since the start.
    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Whether a peer may be connected now.
    pub(super) fn admits(&self, peer: &PublicKey) -> bool {
        let state = self.state();
        let heard = !state.white_list.is_on() || state.members.contains(peer) || self.trusted.contains(peer);
        heard && !state.scores.is_banned(peer, self.now())
    }

    /// Whether a peer has a place of its own.
    pub(super) fn knows(&self, peer: &PublicKey) -> bool {
        let state = self.state();
        state.known.contains(peer) || state.members.contains(peer) || self.trusted.contains(peer)
    }

    /// Whether a peer is heard before others.
    pub(super) fn is_member(&self, peer: &PublicKey) -> bool {
        self.trusted.contains(peer) || self.state().members.contains(peer)
    }

    fn rate(&self, peer: &PublicKey) -> Rate {
        if self.knows(peer) { self.limits.known } else { self.limits.stranger }
    }

    /// Takes a message of this size out of what a peer may send, or says how long to wait before asking again.
    pub(super) fn wait(&self, peer: &PublicKey, channel: Channel, size: usize) -> Duration {
        let rate = self.rate(peer);
        let mut allowances = self.allowances.lock().unwrap_or_else(PoisonError::into_inner);
        allowances.wait(peer, channel, size, rate, self.now())
    }

    pub(super) const fn strangers(&self) -> usize {
        self.limits.strangers
    }

    pub(super) const fn pending_per_address(&self) -> usize {
        self.limits.pending_per_address
    }

    pub(super) fn know(&self, peer: PublicKey) {
        self.state().known.insert(peer);
    }

    pub(super) fn set_members(&self, members: &[PublicKey]) {
        self.state().members = members.iter().copied().collect();
        self.changed.notify_one();
    }

    pub(super) fn report(&self, peer: PublicKey, offence: Offence) {
        let mut state = self.state();
        let member = state.members.contains(&peer);
        if state.scores.report(peer, member, offence, self.now()) {
            drop(state);
            tracing::warn!(%peer, ?offence, "a peer is banned for a time");
            self.changed.notify_one();
        }
    }

    /// A peer does not speak this version.
    pub(super) fn incompatible(&self, peer: PublicKey) {
        let mut state = self.state();
        let now = self.now();
        state.scores.exclude(peer, INCOMPATIBLE, now);
        if state.incompatible.insert(peer) {
            tracing::warn!(%peer, "a peer speaks another protocol version and is refused: update it, or this node");
        }
        drop(state);
        self.changed.notify_one();
    }

    /// It does, after all.
    pub(super) fn compatible(&self, peer: &PublicKey) {
        self.state().incompatible.remove(peer);
    }

    pub(super) fn stranger_connected(&self) {
        self.state().connections += 1;
    }

    pub(super) fn connected(&self, peers: usize) {
        self.connected.store(peers, Ordering::Relaxed);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        self.state().excess += 1;
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Looks at the load of the last `interval`.
    pub(super) fn look(&self, interval: Duration) {
        let now = self.now();
        let mut state = self.state();
        let before = state.white_list.is_on();
        let many = u128::from(self.limits.white_list.connections) * interval.as_millis() / 1000;
        let overloaded =
            u128::from(state.connections) > many || u128::from(state.excess) > many || self.inbox.is_crowded();
        (state.connections, state.excess) = (0, 0);
        state.white_list.observe(overloaded, now);
        let after = state.white_list.is_on();
        drop(state);
        self.tell(before, after);
    }

    fn tell(&self, before: bool, after: bool) {
        if before != after {
            let what = if after { "on: only members are heard" } else { "off" };
            tracing::warn!("the white list is {what}");
            self.changed.notify_one();
        }
    }
}

/// A handle on the links of a node that runs: how they are doing, and the white list by hand.
#[derive(Clone)]
pub struct NetworkControl {
    pub(super) guard: Arc<Guard>,
}

impl NetworkControl {
    /// How the links are doing.
    pub fn stats(&self) -> NetworkStats {
        let guard = &self.guard;
        let state = guard.state();
        let (queued, queued_bytes) = guard.inbox.waiting();
        NetworkStats {
            connected: guard.connected.load(Ordering::Relaxed),
            incompatible: state.incompatible.len(),
            banned: state.scores.banned(guard.now()),
            white_list: state.white_list.is_on(),
            queued,
            queued_bytes,
            received_bytes: guard.received_bytes.load(Ordering::Relaxed),
            dropped: guard.dropped.load(Ordering::Relaxed),
            refused: guard.refused.load(Ordering::Relaxed),
        }
    }

    /// Turns the white list on or off by hand, or leaves it to the load.
    pub fn set_white_list(&self, wish: WhiteList) {
        let mut state = self.guard.state();
        let before = state.white_list.is_on();
        state.white_list.wish(wish);
        let after = state.white_list.is_on();
        drop(state);
        self.guard.tell(before, after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{WhiteListRules, inbox::Inbox};

    #[tokio::test]
    async fn a_few_drops_are_no_overload() {
        let rules = WhiteListRules { overload: Duration::ZERO, connections: 10, ..Limits::default().white_list };
        let (put, _inbox) = Inbox::new();
        let guard = Guard::new(Limits { white_list: rules, ..Limits::default() }, [], put);
        let control = NetworkControl { guard: Arc::new(guard) };
        let looks = async |drops: u64| {
            for _ in 0..3 {
                (0..drops).for_each(|_| control.guard.dropped());
                tokio::time::sleep(Duration::from_millis(2)).await;
                control.guard.look(Duration::from_secs(1));
            }
            control.stats().white_list
        };
        assert!(!looks(10).await);
        assert!(looks(11).await);
        assert_eq!(control.stats().dropped, 63);
    }
}

//! The accounts of all peers.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::{Duration, Instant},
};

use libp2p::PeerId;

use super::account::{Account, PeerLimits};
use crate::network::{meter, peer::Network};

/// Accounts that are kept at most.
const MAX_ACCOUNTS: usize = 8192;
/// So many banned peers of one network ban the network.
const NETWORK_STRIKES: u32 = 3;

/// What a peer did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// A frame or message that does not decode, or exceeds its bounds.
    Malformed,
    /// A record that nobody honest passes on.
    InvalidRecord,
    /// An answer that is proved wrong.
    WrongAnswer,
    /// Bytes came, or were taken, too slowly.
    Slow,
    /// Messages far beyond the rate.
    TooFast,
}

impl Fault {
    const fn points(self) -> u32 {
        match self {
            Self::Malformed | Self::InvalidRecord | Self::Slow => 5,
            Self::WrongAnswer => 10,
            Self::TooFast => 1,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    limits: PeerLimits,
    max_buffered: u64,
    buffered: u64,
    accounts: HashMap<PeerId, Account>,
    /// Banned peers of a network, and until when the network is banned for them.
    networks: HashMap<Network, (u32, u64)>,
    /// Whose connections are to be closed.
    cut: VecDeque<PeerId>,
    waker: Option<Waker>,
    pub(super) bans: u64,
}

impl Ledger {
    pub(super) fn new(limits: PeerLimits, max_buffered: u64) -> Self {
        Self { limits, max_buffered, ..Self::default() }
    }

    fn account(&mut self, peer: PeerId, now_ms: u64) -> &mut Account {
        if self.accounts.len() >= MAX_ACCOUNTS && !self.accounts.contains_key(&peer) {
            self.accounts.retain(|_, account| !account.is_idle(now_ms));
            if self.accounts.len() >= MAX_ACCOUNTS {
                // Not one that is banned or busy, if there is another.
                let rank = |account: &Account| (account.streams > 0, account.banned_until_ms, account.seen_ms);
                let least = self.accounts.iter().min_by_key(|(_, account)| rank(account)).map(|(peer, _)| *peer);
                least.and_then(|peer| self.accounts.remove(&peer));
            }
        }
        let limits = self.limits;
        self.accounts.entry(peer).or_insert_with(|| Account::new(&limits, now_ms))
    }

    pub(super) fn open_stream(&mut self, peer: PeerId, now_ms: u64) -> bool {
        let most = self.limits.streams;
        let account = self.account(peer, now_ms);
        let fits = account.streams < most && account.banned_until_ms <= now_ms;
        account.streams += u32::from(fits);
        fits
    }

    pub(super) fn close_stream(&mut self, peer: PeerId) {
        if let Some(account) = self.accounts.get_mut(&peer) {
            account.streams = account.streams.saturating_sub(1);
        }
    }

    /// Counts bytes that wait in memory; `false` if there is no room for them.
    pub(super) fn buffer(&mut self, peer: PeerId, bytes: u64, now_ms: u64) -> bool {
        let (all, most) = (self.buffered + bytes <= self.max_buffered, self.limits.buffered_bytes);
        let account = self.account(peer, now_ms);
        let fits = all && account.buffered + bytes <= most;
        if fits {
            account.buffered += bytes;
            self.buffered += bytes;
        }
        fits
    }

    pub(super) fn unbuffer(&mut self, peer: PeerId, bytes: u64) {
        self.buffered = self.buffered.saturating_sub(bytes);
        if let Some(account) = self.accounts.get_mut(&peer) {
            account.buffered = account.buffered.saturating_sub(bytes);
        }
    }

    /// Requests of so many bytes; milliseconds to wait before it is worked on.
    pub(super) fn request(&mut self, peer: PeerId, requests: u64, bytes: u64, now_ms: u64) -> u64 {
        let limits = self.limits;
        self.account(peer, now_ms).request(&limits, requests, bytes, now_ms)
    }

    /// Notes a fault. A peer that has too many is cut off and banned.
    pub(super) fn fault(&mut self, peer: PeerId, network: Option<&Network>, fault: Fault, now_ms: u64) -> bool {
        meter::count("cpchain_storage_faults_total", 1);
        let limits = self.limits;
        let account = self.account(peer, now_ms);
        if account.banned_until_ms > now_ms || !account.fault(fault.points(), &limits, now_ms) {
            return false;
        }
        let until = account.banned_until_ms;
        tracing::warn!(%peer, ?fault, "a peer is banned for what it sent");
        self.bans += 1;
        meter::count("cpchain_storage_banned_total", 1);
        if let Some(network) = network {
            self.networks.retain(|_, (_, until)| *until > now_ms);
            let (strikes, ends) = self.networks.entry(network.clone()).or_default();
            (*strikes, *ends) = (*strikes + 1, until);
        }
        self.cut.push_back(peer);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        true
    }

    pub(super) fn is_banned(&self, peer: &PeerId, now_ms: u64) -> bool {
        self.accounts.get(peer).is_some_and(|account| account.banned_until_ms > now_ms)
    }

    pub(super) fn is_network_banned(&self, network: &Network, now_ms: u64) -> bool {
        let banned = |(strikes, until): &(u32, u64)| *strikes >= NETWORK_STRIKES && *until > now_ms;
        self.networks.get(network).is_some_and(banned)
    }

    /// The next peer to cut off; otherwise `waker` is woken when there is one.
    pub(super) fn next_cut(&mut self, waker: &Waker) -> Option<PeerId> {
        let next = self.cut.pop_front();
        if next.is_none() {
            self.waker = Some(waker.clone());
        }
        next
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.accounts.len()
    }
}

/// The ledger, shared by all parts of a node, with the clock that it goes by.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    ledger: Arc<Mutex<Ledger>>,
    begin: Instant,
}

impl Guard {
    pub(crate) fn new(limits: PeerLimits, max_buffered: u64) -> Self {
        Self { ledger: Arc::new(Mutex::new(Ledger::new(limits, max_buffered))), begin: Instant::now() }
    }

    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Every change of the ledger is complete when it returns.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a peer did wrong.
    pub(crate) fn fault(&self, peer: PeerId, network: Option<&Network>, fault: Fault) {
        self.ledger().fault(peer, network, fault, self.now_ms());
    }

    /// Is this peer talked to?
    pub(crate) fn is_banned(&self, peer: &PeerId) -> bool {
        self.ledger().is_banned(peer, self.now_ms())
    }

    /// How many peers were banned so far.
    pub(crate) fn bans(&self) -> u64 {
        self.ledger().bans
    }

    /// Charges a request and returns how long it is to wait.
    pub(super) fn request(&self, peer: PeerId, requests: u64, bytes: usize) -> Duration {
        Duration::from_millis(self.ledger().request(peer, requests, bytes as u64, self.now_ms()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        let limits = PeerLimits {
            requests_per_second: 10,
            bytes_per_second: 1000,
            streams: 2,
            buffered_bytes: 100,
            ban: Duration::from_secs(60),
        };
        Ledger::new(limits, 150)
    }

    #[test]
    fn rubbish_gets_a_peer_banned() {
        let (mut ledger, peer) = (ledger(), PeerId::random());
        let faults = (1..).find(|_| ledger.fault(peer, None, Fault::Malformed, 5)).unwrap();
        assert_eq!(faults, 20);
        assert!(ledger.is_banned(&peer, 60_004) && !ledger.open_stream(peer, 60_004));
        assert!(!ledger.is_banned(&peer, 60_005) && ledger.open_stream(peer, 60_005));
        assert_eq!(ledger.next_cut(Waker::noop()), Some(peer));
        assert_eq!((ledger.next_cut(Waker::noop()), ledger.bans), (None, 1));
        // One fault every five seconds is forgiven, for ever.
        let clumsy = PeerId::random();
        assert!((0..1000).all(|n| !ledger.fault(clumsy, None, Fault::Malformed, n * 5000)));
        assert!((0..1000).any(|n| ledger.fault(clumsy, None, Fault::Malformed, 5_000_000 + n * 2000)));
    }

    #[test]
    fn three_banned_peers_ban_their_network() {
        let mut ledger = ledger();
        let network = |text: &str| Network::of(&text.parse().unwrap()).unwrap();
        let (bad, good) = (network("/ip4/192.0.2.1/tcp/1"), network("/ip4/192.0.3.1/tcp/1"));
        for banned in 0..3 {
            assert!(!ledger.is_network_banned(&bad, 0), "after {banned}");
            let peer = PeerId::random();
            assert!((0..20).any(|_| ledger.fault(peer, Some(&bad), Fault::Malformed, 0)));
        }
        assert!(ledger.is_network_banned(&bad, 59_999) && !ledger.is_network_banned(&good, 0));
        assert!(!ledger.is_network_banned(&bad, 60_000));
        assert_eq!(Network::of(&"/ip4/127.0.0.1/tcp/1".parse().unwrap()), None);
    }

    #[test]
    fn requests_and_bytes_have_a_rate() {
        let (mut ledger, peer) = (ledger(), PeerId::random());
        assert!((0..10).all(|_| ledger.request(peer, 1, 1, 0) == 0));
        assert_eq!(ledger.request(peer, 1, 1, 0), 100);
        assert_eq!(ledger.request(PeerId::random(), 1, 1, 0), 0, "each peer has its own");
        assert_eq!(ledger.request(peer, 1, 1, 1000), 0);
        assert_eq!(ledger.request(peer, 1, 3000, 2000), 2000, "bytes of a large request are waited for");
    }

    #[test]
    fn streams_and_buffers_are_counted() {
        let (mut ledger, one, two) = (ledger(), PeerId::random(), PeerId::random());
        assert!(ledger.open_stream(one, 0) && ledger.open_stream(one, 0) && !ledger.open_stream(one, 0));
        ledger.close_stream(one);
        assert!(ledger.open_stream(one, 0));
        assert!(ledger.buffer(one, 100, 0) && !ledger.buffer(one, 1, 0));
        assert!(ledger.buffer(two, 50, 0) && !ledger.buffer(two, 1, 0), "all peers together");
        ledger.unbuffer(one, 100);
        assert!(ledger.buffer(two, 50, 0));
    }

    #[test]
    fn accounts_are_bounded() {
        let (mut ledger, bad) = (ledger(), PeerId::random());
        while !ledger.fault(bad, None, Fault::WrongAnswer, 0) {}
        for n in 0..MAX_ACCOUNTS as u64 + 500 {
            ledger.request(PeerId::random(), 1, 1, n);
        }
        assert_eq!(ledger.len(), MAX_ACCOUNTS);
        assert!(ledger.is_banned(&bad, 10_000));
    }
}

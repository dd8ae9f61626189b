//! What waits for the node, bounded in number and in bytes, in two lanes: members of the committee are heard
//! first, so that no number of others displaces them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Received;
use crate::lbft::MAX_MESSAGE;

/// Messages and bytes that wait in the lane of members, and in that of all others.
const MEMBERS: (usize, usize) = (1024, 32 << 20);
const OTHERS: (usize, usize) = (256, 4 << 20);

struct Waiting {
    received: Received,
    /// Gives the bytes back when the message leaves.
    _bytes: OwnedSemaphorePermit,
}

#[derive(Clone)]
struct Lane {
    queue: mpsc::Sender<Waiting>,
    bytes: Arc<Semaphore>,
    capacity: (usize, usize),
}

impl Lane {
    fn new(capacity: (usize, usize)) -> (Self, mpsc::Receiver<Waiting>) {
        let (queue, messages) = mpsc::channel(capacity.0);
        (Self { queue, bytes: Arc::new(Semaphore::new(capacity.1)), capacity }, messages)
    }

    async fn put(&self, received: Received) -> Result<(), Closed> {
        let bytes = self.bytes.clone().acquire_many_owned(weight(&received)).await.map_err(|_| Closed)?;
        self.queue.send(Waiting { received, _bytes: bytes }).await.map_err(|_| Closed)
    }

    fn offer(&self, received: Received) -> bool {
        let Ok(bytes) = self.bytes.clone().try_acquire_many_owned(weight(&received)) else { return false };
        self.queue.try_send(Waiting { received, _bytes: bytes }).is_ok()
    }

    fn waiting(&self) -> (usize, usize) {
        let (messages, bytes) = self.capacity;
        (messages - self.queue.capacity(), bytes.saturating_sub(self.bytes.available_permits()))
    }

    fn is_half_full(&self) -> bool {
        let (messages, bytes) = self.waiting();
        messages * 2 >= self.capacity.0 || bytes * 2 >= self.capacity.1
    }
}

fn weight(received: &Received) -> u32 {
    // Also an empty message takes room. None is over the limit, so every lane can hold any.
    u32::try_from(received.len().clamp(64, MAX_MESSAGE)).unwrap_or(u32::MAX)
}

/// Nobody reads any more.
#[derive(Debug)]
pub(super) struct Closed;

/// Where messages are put. Clones put into the same inbox.
#[derive(Clone)]
pub(super) struct Sender {
    members: Lane,
    others: Lane,
}

impl Sender {
    /// Waits for room: who sends faster than the node reads is slowed down.
    pub(super) async fn put(&self, member: bool, received: Received) -> Result<(), Closed> {
        if member { self.members.put(received).await } else { self.others.put(received).await }
    }

    /// Does not wait; `false` if there is no room.
    pub(super) fn offer(&self, member: bool, received: Received) -> bool {
        if member { self.members.offer(received) } else { self.others.offer(received) }
    }

    /// Messages and bytes that wait.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let (a, b) = (self.members.waiting(), self.others.waiting());
        (a.0 + b.0, a.1 + b.1)
    }

    /// Whether others than members fill their lane to the half: the node does not keep up with them.
    pub(super) fn is_crowded(&self) -> bool {
        self.others.is_half_full()
    }
}

/// Where the node reads.
pub(super) struct Inbox {
    members: mpsc::Receiver<Waiting>,
    others: mpsc::Receiver<Waiting>,
    /// Messages of members since another peer was heard.
    in_a_row: usize,
}

/// After so many messages of members another peer is heard: the others are slow and not deaf.
const IN_A_ROW: usize = 64;

impl Inbox {
    pub(super) fn new() -> (Sender, Self) {
        let (members, from_members) = Lane::new(MEMBERS);
        let (others, from_others) = Lane::new(OTHERS);
        let inbox = Self { members: from_members, others: from_others, in_a_row: 0 };
        (Sender { members, others }, inbox)
    }

    /// The next message; `None` when nobody can put any more. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Option<Received> {
        if self.in_a_row >= IN_A_ROW {
            self.in_a_row = 0;
            if let Ok(waiting) = self.others.try_recv() {
                return Some(waiting.received);
            }
        }
        let waiting = tokio::select! {
            biased;
            Some(waiting) = self.members.recv() => {
                self.in_a_row += 1;
                waiting
            }
            Some(waiting) = self.others.recv() => waiting,
            else => return None,
        };
        Some(waiting.received)
    }

    pub(super) fn close(&mut self) {
        self.members.close();
        self.others.close();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cpchain_crypto::PublicKey;

    use super::*;

    fn message(from: u8, size: usize) -> Received {
        Received::Direct { from: PublicKey([from; 32]), bytes: Bytes::from(vec![0; size]) }
    }

    fn sender(received: &Received) -> u8 {
        let (Received::Direct { from, .. } | Received::Gossip { from, .. }) = received;
        from.0[0]
    }

    #[tokio::test]
    async fn the_inbox_is_bounded_in_bytes_and_in_number() {
        let (put, mut inbox) = Inbox::new();
        let large = (0..1000).filter(|_| put.offer(false, message(1, 1 << 20))).count();
        assert_eq!(large, 4, "4 MiB of others");
        assert_eq!(put.waiting(), (4, 4 << 20));
        assert!(put.is_crowded());
        assert!(put.offer(true, message(2, 1 << 20)), "members have room of their own");
        for _ in 0..5 {
            inbox.next().await.unwrap();
        }
        assert_eq!(put.waiting(), (0, 0), "what leaves gives its bytes back");
        let small = (0..5000).filter(|_| put.offer(false, message(1, 0))).count();
        assert_eq!(small, 256);
        let members = (0..5000).filter(|_| put.offer(true, message(1, 0))).count();
        assert_eq!(members, 1024);
    }

    #[tokio::test]
    async fn members_are_heard_first_and_others_not_never() {
        let (put, mut inbox) = Inbox::new();
        for _ in 0..100 {
            assert!(put.offer(false, message(9, 10)));
            assert!(put.offer(true, message(1, 10)));
        }
        let mut order = Vec::new();
        for _ in 0..200 {
            order.push(sender(&inbox.next().await.unwrap()));
        }
        assert!(order[..IN_A_ROW].iter().all(|from| *from == 1));
        assert_eq!(order[IN_A_ROW], 9);
        assert!(order[IN_A_ROW + 1..101].iter().all(|from| *from == 1));
        drop(put);
        assert!(inbox.next().await.is_none());
    }
}

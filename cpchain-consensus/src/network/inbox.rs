//! What waits for the node, bounded in number and in bytes, in three lanes: members of the committee are heard first, so
//! that no number of others displaces them; transactions that members pass on, which may be anybody's, and what others send
//! have lanes of their own.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Received;
use crate::lbft::MAX_MESSAGE;

/// Messages and bytes that wait in each lane.
const MEMBERS: (usize, usize) = (1024, 32 << 20);
const RELAYED: (usize, usize) = (512, 8 << 20);
const OTHERS: (usize, usize) = (256, 4 << 20);

/// Where a message waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// What members say.
    Members,
    /// Transactions that members pass on.
    Relayed,
    /// What anybody else says or passes on.
    Others,
}

struct Waiting {
    received: Received,
    /// Gives the bytes back when the message leaves.
    _bytes: OwnedSemaphorePermit,
}

#[derive(Clone)]
struct Queue {
    queue: mpsc::Sender<Waiting>,
    bytes: Arc<Semaphore>,
    capacity: (usize, usize),
}

impl Queue {
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
    members: Queue,
    relayed: Queue,
    others: Queue,
}

impl Sender {
    const fn lane(&self, lane: Lane) -> &Queue {
        match lane {
            Lane::Members => &self.members,
            Lane::Relayed => &self.relayed,
            Lane::Others => &self.others,
        }
    }

    /// Waits for room: who sends faster than the node reads is slowed down.
    pub(super) async fn put(&self, lane: Lane, received: Received) -> Result<(), Closed> {
        self.lane(lane).put(received).await
    }

    /// Does not wait; `false` if there is no room.
    pub(super) fn offer(&self, lane: Lane, received: Received) -> bool {
        self.lane(lane).offer(received)
    }

    /// Messages and bytes that wait.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let lanes = [&self.members, &self.relayed, &self.others].map(Queue::waiting);
        lanes.iter().fold((0, 0), |sum, lane| (sum.0 + lane.0, sum.1 + lane.1))
    }

    /// Whether others than members fill their lane to the half: the node does not keep up with them.
    pub(super) fn is_crowded(&self) -> bool {
        self.others.is_half_full()
    }
}

/// Where the node reads.
pub(super) struct Inbox {
    members: mpsc::Receiver<Waiting>,
    relayed: mpsc::Receiver<Waiting>,
    others: mpsc::Receiver<Waiting>,
    /// Messages of members since another lane was heard.
    in_a_row: usize,
    /// The lane of the last that was no member's message.
    last: Lane,
}

/// After so many messages of members another lane is heard: the others are slow and not deaf.
const IN_A_ROW: usize = 64;

impl Inbox {
    pub(super) fn new() -> (Sender, Self) {
        let (members, from_members) = Queue::new(MEMBERS);
        let (relayed, from_relayed) = Queue::new(RELAYED);
        let (others, from_others) = Queue::new(OTHERS);
        let inbox =
            Self { members: from_members, relayed: from_relayed, others: from_others, in_a_row: 0, last: Lane::Others };
        (Sender { members, relayed, others }, inbox)
    }

    /// What waits in the two lower lanes, in turns.
    fn lower(&mut self) -> Option<Received> {
        let turns =
            if self.last == Lane::Others { [Lane::Relayed, Lane::Others] } else { [Lane::Others, Lane::Relayed] };
        for lane in turns {
            let queue = if lane == Lane::Others { &mut self.others } else { &mut self.relayed };
            if let Ok(waiting) = queue.try_recv() {
                self.last = lane;
                return Some(waiting.received);
            }
        }
        None
    }

    /// The next message; `None` when nobody can put any more. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Option<Received> {
        if self.in_a_row < IN_A_ROW
            && let Ok(waiting) = self.members.try_recv()
        {
            self.in_a_row += 1;
            return Some(waiting.received);
        }
        self.in_a_row = 0;
        if let Some(received) = self.lower() {
            return Some(received);
        }
        let waiting = tokio::select! {
            biased;
            Some(waiting) = self.members.recv() => {
                self.in_a_row += 1;
                waiting
            }
            Some(waiting) = self.relayed.recv() => waiting,
            Some(waiting) = self.others.recv() => waiting,
            else => return None,
        };
        Some(waiting.received)
    }

    pub(super) fn close(&mut self) {
        self.members.close();
        self.relayed.close();
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
        let large = (0..1000).filter(|_| put.offer(Lane::Others, message(1, 1 << 20))).count();
        assert_eq!(large, 4, "4 MiB of others");
        assert_eq!(put.waiting(), (4, 4 << 20));
        assert!(put.is_crowded());
        assert!(put.offer(Lane::Members, message(2, 1 << 20)), "members have room of their own");
        for _ in 0..5 {
            inbox.next().await.unwrap();
        }
        assert_eq!(put.waiting(), (0, 0), "what leaves gives its bytes back");
        let small = (0..5000).filter(|_| put.offer(Lane::Others, message(1, 0))).count();
        assert_eq!(small, 256);
        let members = (0..5000).filter(|_| put.offer(Lane::Members, message(1, 0))).count();
        assert_eq!(members, 1024);
    }

    #[tokio::test]
    async fn members_are_heard_first_and_others_not_never() {
        let (put, mut inbox) = Inbox::new();
        for _ in 0..100 {
            assert!(put.offer(Lane::Others, message(9, 10)));
            assert!(put.offer(Lane::Members, message(1, 10)));
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

    /// Transactions of strangers that validators pass on fill their own lane: votes have their room, and pass first.
    #[tokio::test]
    async fn transactions_that_members_pass_on_displace_no_votes() {
        let (put, mut inbox) = Inbox::new();
        let relayed = (0..5000).filter(|_| put.offer(Lane::Relayed, message(5, 100))).count();
        assert_eq!(relayed, 512);
        assert!((0..1024).all(|_| put.offer(Lane::Members, message(1, 100))));
        assert!((0..10).all(|_| put.offer(Lane::Others, message(9, 100))));
        let mut order = Vec::new();
        for _ in 0..IN_A_ROW * 4 {
            order.push(sender(&inbox.next().await.unwrap()));
        }
        let of = |who: u8| order.iter().filter(|from| **from == who).count();
        assert!(of(1) >= IN_A_ROW * 4 - 4, "votes first: {order:?}");
        assert!(of(5) > 0 && of(9) > 0, "the others in turns: {order:?}");
    }
}

//! The end of a live stream as a follower sees it: which heads are next, known, or contradict each other. No I/O.
//!
//! Rules:
//! - A head is taken if it has the next number and names the last one: in order, none left out, none twice
//!   (test `from_any_mixture_each_head_is_taken_once_in_order`).
//! - Two heads of one number, or one that does not follow the last, are a [`Fork`]: two signed statements of the owner that
//!   contradict each other (tests `a_fork_is_evidence`, `a_rollback_is_a_fork`).
//! - A proxy cannot make heads; it can only be late. What it tells out of order is left.

use std::{collections::VecDeque, fmt};

use cpchain_crypto::{Digest, PublicKey};

use crate::{records::StreamHead, signed::Signed};

/// Heads that are kept to compare with what other proxies tell.
const RECENT: usize = 64;

/// Where a follower stands. Keep it to go on after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// The number of the next head.
    pub next: u64,
    /// Id of the head before it; none at the start of a stream, or to trust the first one that comes.
    pub last: Option<Digest>,
}

/// Two statements of an owner that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// Id of the head that was taken.
    pub known: Digest,
    /// That head, if this follower took it itself.
    pub record: Option<Box<Signed<StreamHead>>>,
    /// The head that contradicts it.
    pub other: Box<Signed<StreamHead>>,
}

impl fmt::Display for Fork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the owner signed head {} of the stream and another history: {}", self.other.sequence, self.known)
    }
}

impl std::error::Error for Fork {}

/// What a head is to this follower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The next one.
    Next(Box<Signed<StreamHead>>),
    /// Known already, or too old to compare.
    Known,
    /// Of another stream, or ahead of the next one: the proxy does not keep to the protocol.
    Astray,
}

/// A follower's knowledge of one stream.
#[derive(Debug, Clone)]
pub struct Tail {
    owner: PublicKey,
    stream: Digest,
    position: Position,
    recent: VecDeque<Signed<StreamHead>>,
}

impl Tail {
    /// Follows a stream from a position on.
    pub fn new(owner: PublicKey, stream: Digest, position: Position) -> Self {
        Self { owner, stream, position, recent: VecDeque::with_capacity(RECENT) }
    }

    /// Where it stands, with all heads that were taken.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Judges a head.
    ///
    /// # Errors
    /// [`Fork`] if it contradicts one that was taken. Nothing changes then.
    pub fn hear(&mut self, head: Signed<StreamHead>) -> Result<Heard, Fork> {
        if head.owner != self.owner || head.stream != self.stream || head.sequence > self.position.next {
            return Ok(Heard::Astray);
        }
        if head.sequence < self.position.next {
            let known = self.recent.iter().find(|one| one.sequence == head.sequence);
            return match known {
                Some(known) if known.id() != head.id() => Err(fork(known.id(), Some(known), head)),
                Some(_) => Ok(Heard::Known),
                // The last one of an earlier run is known by its id alone.
                None if head.sequence + 1 == self.position.next => match self.position.last {
                    Some(last) if last != head.id() => Err(fork(last, None, head)),
                    _ => Ok(Heard::Known),
                },
                None => Ok(Heard::Known),
            };
        }
        if let Some(last) = self.position.last
            && head.previous != last
        {
            return Err(fork(last, self.recent.back(), head));
        }
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(head.clone());
        self.position = Position { next: head.sequence.saturating_add(1), last: Some(head.id()) };
        Ok(Heard::Next(Box::new(head)))
    }
}

fn fork(known: Digest, record: Option<&Signed<StreamHead>>, other: Signed<StreamHead>) -> Fork {
    Fork { known, record: record.cloned().map(Box::new), other: Box::new(other) }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::{Signer as _, SigningKey};
    use proptest::prelude::*;

    use super::*;

    const STREAM: Digest = Digest([7; 32]);

    fn owner() -> SigningKey {
        SigningKey::from_seed(&[1; 32])
    }

    fn chain(len: u64, salt: u8) -> Vec<Signed<StreamHead>> {
        let mut heads: Vec<Signed<StreamHead>> = Vec::new();
        for n in 0..len {
            let root = Digest::content(&[n as u8, salt]);
            let head = StreamHead::after(heads.last(), owner().public_key(), STREAM, root, n as u32..n as u32 + 1);
            heads.push(Signed::sign(head, &owner()).unwrap());
        }
        heads
    }

    fn tail(position: Position) -> Tail {
        Tail::new(owner().public_key(), STREAM, position)
    }

    #[test]
    fn a_fork_is_evidence() {
        let (one, other) = (chain(4, 0), chain(4, 1));
        let mut tail = tail(Position::default());
        for head in &one[..3] {
            assert!(matches!(tail.hear(head.clone()), Ok(Heard::Next(_))));
        }
        let before = tail.position();
        // Another head of a number that is known, and one that follows another history.
        let fork = tail.hear(other[2].clone()).unwrap_err();
        assert_eq!((fork.known, fork.record.unwrap().as_ref()), (one[2].id(), &one[2]));
        assert_eq!(tail.hear(other[3].clone()).unwrap_err().known, one[2].id());
        assert_eq!(tail.position(), before);
        assert!(matches!(tail.hear(one[3].clone()), Ok(Heard::Next(_))));
    }

    #[test]
    fn a_rollback_is_a_fork() {
        let heads = chain(3, 0);
        // The follower was restarted and knows the id of the last head alone; the owner went back and wrote on.
        let mut tail = tail(Position { next: 3, last: Some(heads[2].id()) });
        let rewritten = StreamHead::after(Some(&heads[1]), owner().public_key(), STREAM, Digest::content(b"new"), 2..3);
        let rewritten = Signed::sign(rewritten, &owner()).unwrap();
        assert_eq!(tail.hear(rewritten.clone()).unwrap_err().known, heads[2].id());
        let next = StreamHead::after(Some(&rewritten), owner().public_key(), STREAM, Digest::content(b"x"), 3..4);
        assert_eq!(tail.hear(Signed::sign(next, &owner()).unwrap()).unwrap_err().known, heads[2].id());
        assert_eq!(tail.hear(heads[2].clone()), Ok(Heard::Known));
    }

    #[test]
    fn heads_of_others_and_from_far_ahead_are_astray() {
        let heads = chain(3, 0);
        let mut tail = tail(Position::default());
        assert_eq!(tail.hear(heads[1].clone()), Ok(Heard::Astray));
        let stranger = SigningKey::from_seed(&[2; 32]);
        let head = StreamHead::after(None, stranger.public_key(), STREAM, Digest::ZERO, 0..1);
        assert_eq!(tail.hear(Signed::sign(head, &stranger).unwrap()), Ok(Heard::Astray));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// Proxies tell the chain from random places on, interleaved; the follower restarts now and then.
        #[test]
        fn from_any_mixture_each_head_is_taken_once_in_order(
            len in 1u64..12, steps in prop::collection::vec((0usize..3, any::<bool>(), 0u64..12), 0..200),
        ) {
            let heads = chain(len, 0);
            let (mut proxies, mut tail, mut taken) = ([0u64; 3], tail(Position::default()), 0u64);
            for (proxy, restart, to) in steps {
                if restart && to % 4 == 0 {
                    tail = super::Tail::new(owner().public_key(), STREAM, tail.position());
                }
                if to % 5 == 0 {
                    proxies[proxy] = to.min(taken);
                }
                let Some(head) = heads.get(proxies[proxy] as usize) else { continue };
                proxies[proxy] += 1;
                if let Heard::Next(head) = tail.hear(head.clone()).unwrap() {
                    prop_assert_eq!(head.sequence, taken);
                    taken += 1;
                }
            }
            prop_assert_eq!(tail.position().next, taken);
        }
    }
}

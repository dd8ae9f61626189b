//! Nonces that are used once, also when the power fails: a counter that is durable before anything is sealed.
//!
//! Under one interval key a nonce must never seal twice. A [`SealCounter`] hands out [`SealSlot`]s, each a pair (interval,
//! index) that no other slot has ever had, and asks its [`CounterStore`] to make the reservation durable first. Rules, and the
//! tests that hold them (`tests/counter.rs`, and for files `counter/file_tests.rs`):
//! - no pair is handed out twice, wherever the store fails or the device stops (`no_slot_is_handed_out_twice`,
//!   `no_slot_is_handed_out_twice_by_files_that_lose_power`, `a_killed_process_repeats_no_slot`);
//! - a slot is handed out only after the store has it (`nothing_is_handed_out_before_it_is_stored`);
//! - a restart goes on at the first index that was not reserved; if the store cannot prove which that is, with the next
//!   interval (`a_restart_goes_on_after_what_was_reserved`, `an_unproven_index_costs_its_interval`);
//! - [`claim`](SealCounter::claim) is for indices that are given, as those of blocks in a chain: an index that may have been
//!   used already is claimed in the next interval (`a_claim_never_repeats_an_index`);
//! - [`claim_in_new_interval`](SealCounter::claim_in_new_interval) is for who changes the key every so many blocks and at
//!   every start: one write begins the interval and reserves in it (`a_new_interval_is_one_in_which_nothing_was_reserved`);
//! - intervals and indices that run out are an error, never a fresh start (`what_runs_out_is_an_error`).
//!
//! What no counter can see: a state that was copied back, from a backup or a snapshot. Whoever restores one must begin at an
//! interval above all that were ever used: [`SealCounter::recover`].
//!
//! ```
//! use cpchain_crypto::{Aead, ChaCha20Poly1305, Key, key_tree::StreamSecret, counter::{CounterStore, Loaded, Mark, SealCounter}};
//!
//! /// A device writes the mark into its flash; this one has a flash of one word.
//! struct Flash(Option<Mark>);
//! impl CounterStore for Flash {
//!     type Error = core::convert::Infallible;
//!     fn load(&mut self) -> Result<Loaded, Self::Error> {
//!         Ok(self.0.map_or(Loaded::Fresh, Loaded::Proven))
//!     }
//!     fn store(&mut self, mark: &Mark) -> Result<(), Self::Error> {
//!         self.0 = Some(*mark);
//!         Ok(())
//!     }
//! }
//!
//! let secret = StreamSecret::from_bytes([1; 32]);
//! let mut counter = SealCounter::open(Flash(None))?;
//! let slot = counter.next()?;
//! let key = secret.interval_key(slot.interval());
//! let mut reading = *b"21.5 C";
//! let cipher = ChaCha20Poly1305::new(&Key::from_bytes(*key.expose()));
//! cipher.seal(&slot.nonce(0), b"", &mut reading)?;
//! assert_ne!(counter.next()?.index(), slot.index());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "std")]
mod file;

use core::num::NonZeroU64;

#[cfg(feature = "std")]
pub use self::file::{FileCounter, FileCounterError};
use crate::{aead::Nonce, key_tree::IntervalId};

/// What is durable: in `interval` no index at or above `unreserved` was handed out, in later intervals none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The interval in use.
    pub interval: IntervalId,
    /// The first index that is not reserved.
    pub unreserved: u64,
}

/// What a store knows when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// Nothing was ever stored, so nothing was ever sealed.
    Fresh,
    /// The last mark that was stored, or a later one whose storing was cut short.
    Proven(Mark),
    /// The mark is damaged; all that is known is the last interval that may have been used.
    Unproven(IntervalId),
}

/// Keeps the mark: a file, a page of flash, a register of a secure element. One counter at a time may use it.
pub trait CounterStore {
    /// Why it could not.
    type Error;

    /// What was stored last.
    ///
    /// # Errors
    /// If not even the interval is known; [`Loaded::Fresh`] is for a store that was never written.
    fn load(&mut self) -> Result<Loaded, Self::Error>;

    /// Replaces the mark. When it returns, [`load`](Self::load) tells this mark also after a power cut at any later time, or one
    /// of a later interval whose storing failed before. Cut short or failed, it tells this one or the one before, or
    /// [`Loaded::Unproven`] with the higher interval of the two.
    ///
    /// # Errors
    /// If it cannot promise that.
    fn store(&mut self, mark: &Mark) -> Result<(), Self::Error>;
}

/// Why no slot was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CounterError<E> {
    /// The store failed; nothing was handed out, and it may be tried again.
    #[error("the counter could not be made durable: {0}")]
    Store(E),
    /// All indices of the interval are used.
    #[error("the interval has used all its indices: begin the next one")]
    IntervalFull,
    /// A stream has 2³² intervals.
    #[error("the stream has used all its intervals: begin a new one")]
    Exhausted,
}

/// The right to seal once: no other slot has this pair. Neither copied nor cloned.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a slot that is not used is lost"]
pub struct SealSlot {
    interval: IntervalId,
    index: u64,
}

impl SealSlot {
    /// The interval whose key seals.
    pub const fn interval(&self) -> IntervalId {
        self.interval
    }

    /// The index under that key.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// [`Nonce::counter`] of the index and `part`, of which each may be used once.
    pub fn nonce(&self, part: u32) -> Nonce {
        Nonce::counter(self.index, part)
    }
}

/// Hands out slots, durably.
#[derive(Debug)]
pub struct SealCounter<S> {
    store: S,
    /// What the store has.
    durable: Mark,
    /// The first index that was not handed out, at most `durable.unreserved`.
    next: u64,
    ahead: NonZeroU64,
}

impl<S: CounterStore> SealCounter<S> {
    /// Goes on where `store` ended. It is written with the first slot.
    ///
    /// # Errors
    /// [`CounterError::Store`]; [`CounterError::Exhausted`].
    pub fn open(mut store: S) -> Result<Self, CounterError<S::Error>> {
        let durable = match store.load().map_err(CounterError::Store)? {
            Loaded::Fresh => Mark { interval: IntervalId(0), unreserved: 0 },
            Loaded::Proven(mark) => mark,
            Loaded::Unproven(interval) => Mark { interval: following(interval)?, unreserved: 0 },
        };
        Ok(Self::at(store, durable))
    }

    /// Begins at the interval `unused`, whatever the store says: for one that is lost or was copied back. Take an interval
    /// that is surely above all that were ever used, they are plenty. If the store knows that one or a higher one, the one after it
    /// begins: the store's index may be old.
    ///
    /// # Errors
    /// [`CounterError::Store`].
    pub fn recover(mut store: S, unused: IntervalId) -> Result<Self, CounterError<S::Error>> {
        let mut mark = Mark { interval: unused, unreserved: 0 };
        match store.load() {
            Ok(Loaded::Proven(Mark { interval: last, .. }) | Loaded::Unproven(last)) if last >= unused => {
                mark.interval = following(last)?
            }
            _ => {}
        }
        store.store(&mark).map_err(CounterError::Store)?;
        Ok(Self::at(store, mark))
    }

    const fn at(store: S, durable: Mark) -> Self {
        Self { store, next: durable.unreserved, durable, ahead: NonZeroU64::MIN }
    }

    /// Reserves `ahead` indices at a time: one write serves as many slots, and a restart loses the rest of them.
    pub const fn reserve_ahead(mut self, ahead: NonZeroU64) -> Self {
        self.ahead = ahead;
        self
    }

    /// The interval of the next slot.
    pub const fn interval(&self) -> IntervalId {
        self.durable.interval
    }

    /// The next slot of this interval.
    ///
    /// # Errors
    /// [`CounterError::Store`]; [`CounterError::IntervalFull`] after 2⁶⁴ − 1 of them.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<SealSlot, CounterError<S::Error>> {
        self.hand_out(self.durable.interval, self.next)
    }

    /// A slot of exactly this index: in this interval if the index was never reserved in it, else in the next one.
    ///
    /// # Errors
    /// As [`next`](Self::next), and [`CounterError::Exhausted`].
    pub fn claim(&mut self, index: u64) -> Result<SealSlot, CounterError<S::Error>> {
        if index < self.next {
            return self.claim_in_new_interval(index);
        }
        self.hand_out(self.durable.interval, index)
    }

    /// A slot of exactly this index in an interval in which nothing was ever reserved: this one if it is such, else the next.
    ///
    /// # Errors
    /// As [`claim`](Self::claim).
    pub fn claim_in_new_interval(&mut self, index: u64) -> Result<SealSlot, CounterError<S::Error>> {
        let Mark { interval, unreserved } = self.durable;
        self.hand_out(if unreserved == 0 { interval } else { following(interval)? }, index)
    }

    /// Goes over to the next interval, whose indices begin at 0, and returns it.
    ///
    /// # Errors
    /// [`CounterError::Store`]; [`CounterError::Exhausted`].
    pub fn begin_interval(&mut self) -> Result<IntervalId, CounterError<S::Error>> {
        self.make_durable(Mark { interval: following(self.durable.interval)?, unreserved: 0 })?;
        self.next = 0;
        Ok(self.durable.interval)
    }

    /// The store, for closing it.
    pub fn into_store(self) -> S {
        self.store
    }

    /// In this interval an index from `next` on, in a later one any.
    fn hand_out(&mut self, interval: IntervalId, index: u64) -> Result<SealSlot, CounterError<S::Error>> {
        let after = index.checked_add(1).ok_or(CounterError::IntervalFull)?;
        if interval > self.durable.interval || after > self.durable.unreserved {
            self.make_durable(Mark { interval, unreserved: index.saturating_add(self.ahead.get()) })?;
        }
        self.next = after;
        Ok(SealSlot { interval, index })
    }

    fn make_durable(&mut self, mark: Mark) -> Result<(), CounterError<S::Error>> {
        self.store.store(&mark).map_err(CounterError::Store)?;
        self.durable = mark;
        Ok(())
    }
}

fn following<E>(interval: IntervalId) -> Result<IntervalId, CounterError<E>> {
    interval.0.checked_add(1).map(IntervalId).ok_or(CounterError::Exhausted)
}

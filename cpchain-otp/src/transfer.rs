//! The transfer of one range from one or several sources, as a machine without I/O.
//!
//! Feed [`Input`]s, do what the [`Step`] says. Rules:
//! - Bytes are delivered in order, once, and only when proven (test `resumes_where_the_first_source_broke`).
//! - A source that breaks is followed by another one at the verified offset; three breaks in a row without progress, one
//!   refusal or one lie end a source (tests `a_liar_is_dropped_and_named`, `a_refusing_source_is_not_asked_again`).
//! - When no source is left the transfer fails and says why for each of them.

use std::{fmt, ops::Range};

use cpchain_crypto::Digest;

use crate::{
    bao::{MAX_OBJECT, Part, Walk},
    wire::Refusal,
};

pub(crate) const MAX_FAILURES: u32 = 3;

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Nothing: say what is next.
    Next,
    /// The source opened the range and claims this size of the object.
    Opened {
        /// Size in bytes.
        size: u64,
    },
    /// The bytes that the last [`Step::Read`] asked for.
    Bytes(&'a [u8]),
    /// The source refused.
    Refused(Refusal),
    /// The source could not be reached, or broke off.
    Broken(String),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Ask a source for a range; answer with `Opened`, `Refused` or `Broken`.
    Open {
        /// Number of the source.
        source: usize,
        /// First byte.
        start: u64,
        /// End, exclusive; none: to the end of the object.
        end: Option<u64>,
        /// How often it broke in a row: wait longer each time.
        failures: u32,
    },
    /// Read exactly this many bytes; answer with `Bytes` or `Broken`.
    Read {
        /// Number of bytes, at most [`GROUP_LEN`](crate::bao::GROUP_LEN); can be 0.
        len: usize,
    },
    /// This part of the bytes just given is proven: hand it on. Answer with `Next`.
    Deliver {
        /// Where it stands in the object.
        offset: u64,
        /// Which part of the bytes.
        part: Range<usize>,
    },
    /// All is delivered. The source may send a receipt for this range.
    Done {
        /// Number of the source that served last.
        source: usize,
        /// What it served since it was opened.
        range: Range<u64>,
    },
    /// No source is left; see [`Transfer::faults`].
    Failed,
}

/// Why a source is not asked any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It refused.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// It sent bytes that the root does not prove.
    #[error("sent wrong bytes at offset {offset}")]
    Lied {
        /// Proven up to here.
        offset: u64,
    },
    /// It broke too often.
    #[error("broke off: {0}")]
    Broken(String),
}

#[derive(Debug, Default)]
struct Source {
    failures: u32,
    fault: Option<Fault>,
}

enum State {
    Choosing,
    Opening { source: usize, from: u64 },
    Walking { source: usize, from: u64, walk: Box<Walk> },
    Done { source: usize, range: Range<u64> },
}

/// One range on its way.
pub struct Transfer {
    root: Digest,
    start: u64,
    end: Option<u64>,
    /// The next byte to deliver.
    next: u64,
    size: Option<u64>,
    sources: Vec<Source>,
    /// Where to look for the next source.
    turn: usize,
    state: State,
}

impl Transfer {
    /// A transfer of `start..end` (no end: all) of an object from sources `0..sources`, asked in this order.
    pub fn new(root: Digest, start: u64, end: Option<u64>, sources: usize) -> Self {
        let sources = (0..sources).map(|_| Source::default()).collect();
        Self { root, start, end, next: start, size: None, sources, turn: 0, state: State::Choosing }
    }

    /// The next byte that will be delivered: everything before it is.
    pub fn offset(&self) -> u64 {
        self.next
    }

    /// The first byte that was asked for.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The size of the object, if this transfer proved it (it did if it reached the end).
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Sources that are not asked any more, and why.
    pub fn faults(&self) -> impl Iterator<Item = (usize, &Fault)> {
        self.sources.iter().enumerate().filter_map(|(i, source)| Some((i, source.fault.as_ref()?)))
    }

    /// Takes an input and says what is next. An input that does not fit the last step counts as a break of the source.
    pub fn step(&mut self, input: Input<'_>) -> Step {
        match (std::mem::replace(&mut self.state, State::Choosing), input) {
            (state, Input::Next) => self.state = state,
            (State::Opening { source, from }, Input::Opened { size }) => {
                match Walk::new(self.root, size, from..self.end.unwrap_or(MAX_OBJECT).max(from)) {
                    Some(walk) => self.state = State::Walking { source, from, walk: Box::new(walk) },
                    None => self.drop_source(source, Fault::Lied { offset: self.next }),
                }
            }
            (State::Walking { source, from, walk }, Input::Bytes(bytes)) => {
                if let Some(step) = self.take(source, from, walk, bytes) {
                    return step;
                }
            }
            (State::Opening { source, .. } | State::Walking { source, .. }, Input::Refused(refusal)) => {
                self.drop_source(source, Fault::Refused(refusal));
            }
            (State::Opening { source, .. } | State::Walking { source, .. }, input) => {
                let reason = if let Input::Broken(reason) = input { reason } else { "out of order".into() };
                self.broke(source, reason);
            }
            (state @ (State::Choosing | State::Done { .. }), _) => self.state = state,
        }
        self.next_step()
    }

    /// Proves bytes; the delivery if there is one.
    fn take(&mut self, source: usize, from: u64, mut walk: Box<Walk>, bytes: &[u8]) -> Option<Step> {
        let part = walk.part();
        if let Err(corrupt) = walk.accept(bytes) {
            self.drop_source(source, Fault::Lied { offset: corrupt.offset });
            return None;
        }
        self.size = self.size.or(walk.proven_size());
        self.state = State::Walking { source, from, walk };
        let Some(Part::Group { offset, len }) = part else { return None };
        let group_end = offset.saturating_add(len as u64);
        let from = self.next.clamp(offset, group_end);
        let to = self.end.unwrap_or(u64::MAX).clamp(from, group_end);
        if from == to {
            return None;
        }
        self.next = to;
        // Proven hash pairs alone are no progress: a source that only ever sends those must come to an end.
        if let Some(known) = self.sources.get_mut(source) {
            known.failures = 0;
        }
        Some(Step::Deliver { offset: from, part: (from - offset) as usize..(to - offset) as usize })
    }

    fn next_step(&mut self) -> Step {
        if let State::Walking { source, from, walk } = &self.state {
            match walk.part() {
                Some(part) => return Step::Read { len: part.len() },
                None => self.state = State::Done { source: *source, range: *from..self.next.max(*from) },
            }
        }
        match &self.state {
            State::Done { source, range } => Step::Done { source: *source, range: range.clone() },
            State::Opening { source, from } => self.open(*source, *from),
            State::Choosing | State::Walking { .. } => match self.choose() {
                Some(source) => {
                    self.state = State::Opening { source, from: self.next };
                    self.open(source, self.next)
                }
                None => Step::Failed,
            },
        }
    }

    fn open(&self, source: usize, start: u64) -> Step {
        let failures = self.sources.get(source).map_or(0, |source| source.failures);
        Step::Open { source, start, end: self.end, failures }
    }

    /// The usable source with the fewest failures, in turn.
    fn choose(&self) -> Option<usize> {
        let count = self.sources.len();
        let usable = (0..count).map(|i| (self.turn + i) % count);
        let usable = usable.filter_map(|i| self.sources.get(i).filter(|s| s.fault.is_none()).map(|s| (s.failures, i)));
        usable.min_by_key(|(failures, _)| *failures).map(|(_, i)| i)
    }

    fn broke(&mut self, source: usize, reason: String) {
        self.turn = source.saturating_add(1);
        let Some(known) = self.sources.get_mut(source) else { return };
        known.failures += 1;
        if known.failures >= MAX_FAILURES {
            known.fault = Some(Fault::Broken(reason));
        }
    }

    fn drop_source(&mut self, source: usize, fault: Fault) {
        self.turn = source.saturating_add(1);
        if let Some(known) = self.sources.get_mut(source) {
            known.fault = Some(fault);
        }
    }
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer").field("root", &self.root).field("next", &self.next).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        bao::{GROUP_LEN, OutboardBuilder, PAIR_LEN},
        wire::RefusalCode,
    };

    /// The parts of a range as a source sends them, one after the other.
    struct Served {
        data: Vec<u8>,
        outboard: Vec<u8>,
        root: Digest,
    }

    impl Served {
        fn new(size: usize) -> Self {
            let data: Vec<u8> = (0..size).map(|i| (i / 3) as u8).collect();
            let (mut builder, mut outboard) = (OutboardBuilder::new(), Vec::new());
            builder.push(&data, &mut outboard);
            let (root, _) = builder.finish(&mut outboard);
            Self { data, outboard, root }
        }

        fn wire(&self, start: u64, end: Option<u64>) -> Vec<u8> {
            let mut walk = Walk::new(self.root, self.data.len() as u64, start..end.unwrap_or(u64::MAX)).unwrap();
            let mut wire = Vec::new();
            while let Some(part) = walk.part() {
                let bytes = match part {
                    Part::Pair { outboard_offset } => &self.outboard[outboard_offset as usize..][..PAIR_LEN],
                    Part::Group { offset, len } => &self.data[offset as usize..][..len],
                };
                walk.accept(bytes).unwrap();
                wire.extend_from_slice(bytes);
            }
            wire
        }
    }

    /// How a source behaves: breaks or lies after so many bytes on the wire, or refuses.
    #[derive(Debug, Clone, Copy)]
    enum Habit {
        Honest,
        Breaks(usize),
        Lies(usize),
        Refuses,
    }

    /// Runs a transfer against sources with habits; what was delivered, or nothing if it failed.
    fn run(
        served: &Served,
        start: u64,
        end: Option<u64>,
        habits: &[Habit],
    ) -> (Option<Vec<u8>>, Transfer, Vec<(usize, u64)>) {
        let mut transfer = Transfer::new(served.root, start, end, habits.len());
        let (mut got, mut opened) = (Vec::new(), Vec::new());
        let (mut wire, mut at, mut habit) = (Vec::new(), 0, Habit::Honest);
        let mut given = Vec::new();
        let mut step = transfer.step(Input::Next);
        for _ in 0..100_000 {
            step = match step {
                Step::Open { source, start, end, .. } => {
                    opened.push((source, start));
                    (wire, at, habit) = (served.wire(start, end), 0, habits[source]);
                    match habit {
                        Habit::Refuses => transfer.step(Input::Refused(Refusal::new(RefusalCode::NotFound, ""))),
                        _ => transfer.step(Input::Opened { size: served.data.len() as u64 }),
                    }
                }
                Step::Read { len } => {
                    given = wire[at..at + len].to_vec();
                    at += len;
                    match habit {
                        Habit::Breaks(after) if at > after => transfer.step(Input::Broken("gone".into())),
                        Habit::Lies(after) if at > after => {
                            given[0] ^= 1;
                            transfer.step(Input::Bytes(&given))
                        }
                        _ => transfer.step(Input::Bytes(&given)),
                    }
                }
                Step::Deliver { offset, part } => {
                    assert_eq!(offset, start + got.len() as u64, "in order, and nothing twice");
                    got.extend_from_slice(&given[part]);
                    transfer.step(Input::Next)
                }
                Step::Done { .. } => return (Some(got), transfer, opened),
                Step::Failed => return (None, transfer, opened),
            }
        }
        panic!("the transfer does not end");
    }

    const SIZE: usize = 5 * GROUP_LEN as usize + 77;

    #[test]
    fn resumes_where_the_first_source_broke() {
        let served = Served::new(SIZE);
        let (got, transfer, opened) = run(&served, 0, None, &[Habit::Breaks(40_000), Habit::Honest]);
        assert_eq!(got.unwrap(), served.data);
        assert_eq!(transfer.size(), Some(SIZE as u64));
        assert_eq!(opened, [(0, 0), (1, 2 * GROUP_LEN)]);
    }

    #[test]
    fn a_liar_is_dropped_and_named() {
        let served = Served::new(SIZE);
        let (got, transfer, _) = run(&served, 0, None, &[Habit::Lies(20_000), Habit::Honest]);
        assert_eq!(got.unwrap(), served.data);
        assert!(matches!(transfer.faults().next(), Some((0, Fault::Lied { .. }))));
        let (got, ..) = run(&served, 0, None, &[Habit::Lies(20_000)]);
        assert_eq!(got, None);
    }

    #[test]
    fn a_refusing_source_is_not_asked_again() {
        let served = Served::new(SIZE);
        let (got, transfer, opened) = run(&served, 5, Some(9), &[Habit::Refuses, Habit::Breaks(0)]);
        assert_eq!(got, None);
        assert_eq!(opened, [(0, 5), (1, 5), (1, 5), (1, 5)]);
        assert_eq!(transfer.faults().count(), 2);
    }

    fn habits() -> impl Strategy<Value = Habit> {
        prop_oneof![
            Just(Habit::Honest),
            (0..SIZE).prop_map(Habit::Breaks),
            (0..SIZE).prop_map(Habit::Lies),
            Just(Habit::Refuses)
        ]
    }

    proptest! {
        #[test]
        fn whatever_sources_do_only_true_bytes_arrive(
            size in 0..SIZE, start in 0..SIZE, len in prop::option::of(0..SIZE), sources in prop::collection::vec(habits(), 1..5),
        ) {
            let served = Served::new(size);
            let end = len.map(|len| (start + len) as u64);
            let (got, ..) = run(&served, start as u64, end, &sources);
            if let Some(got) = &got {
                let stop = end.map_or(size, |end| size.min(end as usize));
                prop_assert_eq!(got.as_slice(), served.data.get(start.min(size)..stop.max(start.min(size))).unwrap());
            }
            if sources.iter().any(|habit| matches!(habit, Habit::Honest)) {
                prop_assert!(got.is_some());
            }
        }

        #[test]
        fn any_size_and_bytes_never_panic(size in any::<u64>(), start in any::<u64>(), end in any::<Option<u64>>(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut transfer = Transfer::new(Digest::ZERO, start, end, 2);
            for _ in 0..4 {
                transfer.step(Input::Next);
                transfer.step(Input::Opened { size });
                transfer.step(Input::Bytes(&bytes));
            }
            prop_assert_eq!(transfer.offset(), start);
        }
    }
}

//! Several sources at once: which of them fetches which bytes, as a machine without I/O and without a clock.
//!
//! Call [`Stripes::orders`] after each event and at [`Stripes::wake_at`], do what the [`Order`]s say, tell what happened. Rules:
//! - First one source proves the size, with the last group of the object; nothing else is asked before.
//! - A byte is with at most one source at a time, and never asked for again once it is proven, whatever breaks
//!   (test `whatever_sources_do_each_byte_is_proven_once`).
//! - A source gets as many bytes at a time as it moved lately in [`StripesConfig::stripe_ms`]: the fast ones move most
//!   (test `sources_share_by_speed`).
//! - Who is idle takes over from who would need twice as long; who is silent for [`StripesConfig::patience_ms`] has broken off
//!   (test `a_stalled_source_loses_its_share`); each silent job halves what is thought of its speed (test `silent_sources_do_not_keep_the_others_out`).
//! - Three breaks in a row, one refusal or one lie end a source. When none is left, the transfer fails.
//! - Nothing is asked for that lies further than [`StripesConfig::window`] behind what the caller took: memory is flat.

use std::{collections::BTreeMap, fmt, ops::Range};

use crate::{
    bao::GROUP_LEN,
    transfer::{Fault, MAX_FAILURES},
};

/// A job that is younger tells nothing about its source, in ms.
const SHORT_MS: u64 = 100;

/// Bounds of a transfer from several sources.
#[derive(Debug, Clone)]
pub struct StripesConfig {
    /// Bytes that may be under way or wait for the caller at a time; at least `shortest`.
    pub window: u64,
    /// Shortest stripe, in bytes.
    pub shortest: u64,
    /// Longest stripe, in bytes.
    pub longest: u64,
    /// How long a stripe should take, in ms.
    pub stripe_ms: u64,
    /// A source that proves nothing for this long has broken off, in ms.
    pub patience_ms: u64,
    /// The first pause of a source that broke off, in ms; doubles each time.
    pub pause_ms: u64,
}

impl Default for StripesConfig {
    /// A window of 16 MiB, stripes of 256 KiB to 4 MiB that take half a second, 10 s of patience, pauses from 50 ms.
    fn default() -> Self {
        Self {
            window: 16 << 20,
            shortest: 256 << 10,
            longest: 4 << 20,
            stripe_ms: 500,
            patience_ms: 10_000,
            pause_ms: 50,
        }
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Ask the source for the last group of the object; answer with [`Stripes::sized`], or that it failed.
    Probe {
        /// Number of the source.
        source: usize,
    },
    /// Ask the source for these bytes; answer with [`Stripes::proven`] for each group, or that it failed.
    Take {
        /// Number of the source.
        source: usize,
        /// The bytes; on borders of groups, but for the ends of the transfer.
        range: Range<u64>,
    },
    /// Break off what the source does: its other bytes go elsewhere.
    Drop {
        /// Number of the source.
        source: usize,
    },
}

#[derive(Debug)]
struct Job {
    /// The next byte to be proven, and the end; both 0 for a probe.
    left: Range<u64>,
    since_ms: u64,
    /// When it proved something last.
    heard_ms: u64,
    moved: u64,
}

#[derive(Debug, Default)]
struct Source {
    fault: Option<Fault>,
    failures: u32,
    /// Pausing until then.
    free_at: u64,
    /// Bytes a second, of late; 0 until known.
    rate: u64,
    moved: u64,
    job: Option<Job>,
}

/// A range of an object on its way from several sources.
pub struct Stripes {
    config: StripesConfig,
    range: Range<u64>,
    size: Option<u64>,
    /// Bytes that nobody fetches and nobody has, start to end.
    open: BTreeMap<u64, u64>,
    /// The caller took everything before this.
    taken: u64,
    sources: Vec<Source>,
}

impl Stripes {
    /// A transfer of `range` (cut to the object) from sources `0..sources`.
    pub fn new(range: Range<u64>, sources: usize, config: StripesConfig) -> Self {
        let taken = range.start;
        let sources = (0..sources).map(|_| Source::default()).collect();
        Self { config, range, size: None, open: BTreeMap::new(), taken, sources }
    }

    /// The size of the object, once proven.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Is everything proven?
    pub fn is_complete(&self) -> bool {
        self.size.is_some() && self.open.is_empty() && self.sources.iter().all(|source| source.job.is_none())
    }

    /// Is no source left, and something still to fetch?
    pub fn is_failed(&self) -> bool {
        !self.is_complete() && self.sources.iter().all(|source| source.fault.is_some())
    }

    /// Sources that are not asked any more, and why.
    pub fn faults(&self) -> impl Iterator<Item = (usize, &Fault)> {
        self.sources.iter().enumerate().filter_map(|(i, source)| Some((i, source.fault.as_ref()?)))
    }

    /// How many bytes each source proved.
    pub fn shares(&self) -> impl Iterator<Item = u64> {
        self.sources.iter().map(|source| source.moved)
    }

    /// The caller took everything before `offset`: the window moves on.
    pub fn took(&mut self, offset: u64) {
        self.taken = self.taken.max(offset);
    }

    /// When to ask for [`orders`](Self::orders) even if nothing happens; none: only when something happens.
    pub fn wake_at(&self) -> Option<u64> {
        let step = (self.config.patience_ms / 8).max(1);
        let of = |source: &Source| match (&source.job, &source.fault) {
            (Some(job), _) => Some(job.heard_ms.saturating_add(self.config.patience_ms)),
            (None, None) if source.failures > 0 => Some(source.free_at),
            _ => None,
        };
        let next = self.sources.iter().filter_map(of).min()?;
        // Somebody may be worth taking over from before that.
        let busiest = self.sources.iter().filter_map(|source| source.job.as_ref()).map(|job| job.heard_ms).min();
        Some(busiest.map_or(next, |heard| next.min(heard.saturating_add(step))))
    }

    /// What to do now.
    pub fn orders(&mut self, now_ms: u64) -> Vec<Order> {
        let mut orders = Vec::new();
        for (i, job) in self.jobs() {
            if now_ms.saturating_sub(job.1) > self.config.patience_ms {
                orders.push(Order::Drop { source: i });
                self.broke(i, "nothing came for too long".into(), now_ms);
            }
        }
        loop {
            let idle = |source: &Source| source.job.is_none() && source.fault.is_none() && source.free_at <= now_ms;
            // The fastest first: it takes what is needed first.
            let free = (0..self.sources.len()).filter(|i| self.sources.get(*i).is_some_and(idle));
            let mut free: Vec<usize> = free.collect();
            free.sort_by_key(|i| std::cmp::Reverse(self.sources.get(*i).map_or(0, |source| source.rate)));
            let Some(order) = free.into_iter().find_map(|i| self.work_for(i, now_ms, &mut orders)) else {
                return orders;
            };
            orders.push(order);
        }
    }

    /// Sources at work, each with the time when it was heard last.
    fn jobs(&self) -> Vec<(usize, (Range<u64>, u64))> {
        let jobs = self.sources.iter().enumerate();
        jobs.filter_map(|(i, source)| source.job.as_ref().map(|job| (i, (job.left.clone(), job.heard_ms)))).collect()
    }

    fn work_for(&mut self, i: usize, now_ms: u64, orders: &mut Vec<Order>) -> Option<Order> {
        if self.size.is_none() {
            if self.sources.iter().any(|source| source.job.is_some()) {
                return None;
            }
            self.start(i, 0..0, now_ms);
            return Some(Order::Probe { source: i });
        }
        if let Some(range) = self.next_stripe(i) {
            self.start(i, range.clone(), now_ms);
            return Some(Order::Take { source: i, range });
        }
        let victim = self.slowest(i, now_ms)?;
        self.close(victim, now_ms);
        orders.push(Order::Drop { source: victim });
        let range = self.next_stripe(i)?;
        self.start(i, range.clone(), now_ms);
        Some(Order::Take { source: i, range })
    }

    fn start(&mut self, i: usize, range: Range<u64>, now_ms: u64) {
        if let Some(source) = self.sources.get_mut(i) {
            source.job = Some(Job { left: range, since_ms: now_ms, heard_ms: now_ms, moved: 0 });
        }
    }

    /// Takes the first bytes that nobody fetches, as many as fit the source and the window.
    fn next_stripe(&mut self, i: usize) -> Option<Range<u64>> {
        let (start, end) = self.open.first_key_value().map(|(start, end)| (*start, *end))?;
        let rate = self.sources.get(i)?.rate;
        let wish = (rate.saturating_mul(self.config.stripe_ms) / 1000).clamp(self.config.shortest, self.config.longest);
        // Near the end the rest is shared.
        let usable = self.sources.iter().filter(|source| source.fault.is_none()).count().max(1) as u64;
        let rest: u64 = self.open.iter().map(|(start, end)| end - start).sum();
        let wish = wish.min((rest / usable).max(self.config.shortest)).max(GROUP_LEN);
        let bound = self.taken.saturating_add(self.config.window.max(self.config.shortest));
        let stop = start.saturating_add(wish).min(bound) / GROUP_LEN * GROUP_LEN;
        // A bound inside the first group still lets that group go when nothing else is under way.
        let stop = if stop <= start && start <= self.taken { start / GROUP_LEN * GROUP_LEN + GROUP_LEN } else { stop };
        let stop = stop.min(end);
        // What is left of this piece must not be a crumb.
        let stop = if end - stop.min(end) < GROUP_LEN && end <= bound { end } else { stop };
        if stop <= start {
            return None;
        }
        self.open.remove(&start);
        if stop < end {
            self.open.insert(stop, end);
        }
        Some(start..stop)
    }

    /// Who would need more than twice as long for its rest as source `i`, and longest of all.
    fn slowest(&self, i: usize, now_ms: u64) -> Option<usize> {
        let mine = self.sources.get(i)?.rate;
        if mine == 0 {
            return None;
        }
        let slow = self.sources.iter().enumerate().filter_map(|(v, source)| {
            let job = source.job.as_ref()?;
            let left = job.left.end - job.left.start;
            // Its rate now, and not better than what it shows: silence counts.
            let since = now_ms.saturating_sub(job.since_ms).max(1);
            let rate = (job.moved.saturating_mul(1000) / since).max(1);
            let silent = now_ms.saturating_sub(job.heard_ms);
            let theirs = (left.saturating_mul(1000) / rate).max(silent);
            let ours = left.saturating_mul(1000) / mine;
            (left >= GROUP_LEN && since > SHORT_MS && theirs > ours.saturating_mul(2).saturating_add(200))
                .then_some((theirs, v))
        });
        slow.max().map(|(_, v)| v)
    }

    /// The probe of a source proved the size, and this last group with it. The part of it that is wanted.
    pub fn sized(&mut self, source: usize, size: u64, group: Range<u64>, now_ms: u64) -> Option<Range<u64>> {
        self.close(source, now_ms);
        if self.size.is_some() {
            return None;
        }
        self.size = Some(size);
        let wanted = self.range.start.min(size)..self.range.end.min(size);
        self.taken = self.taken.min(wanted.end);
        let have = group.start.clamp(wanted.start, wanted.end)..group.end.clamp(wanted.start, wanted.end);
        if wanted.start < have.start {
            self.open.insert(wanted.start, have.start);
        }
        self.moved(source, have.end - have.start);
        (!have.is_empty()).then_some(have)
    }

    /// A source proved a group. The part of it that is wanted and new; none for a source that was told to drop it.
    pub fn proven(&mut self, source: usize, group: Range<u64>, now_ms: u64) -> Option<Range<u64>> {
        let job = self.sources.get_mut(source)?.job.as_mut()?;
        let part = job.left.start..group.end.min(job.left.end);
        if group.start > part.start || part.is_empty() {
            return None;
        }
        job.left.start = part.end;
        job.heard_ms = now_ms;
        job.moved = job.moved.saturating_add(part.end - part.start);
        let whole = job.left.is_empty();
        self.moved(source, part.end - part.start);
        if whole {
            self.close(source, now_ms);
        }
        Some(part)
    }

    fn moved(&mut self, source: usize, bytes: u64) {
        if let Some(source) = self.sources.get_mut(source) {
            source.moved = source.moved.saturating_add(bytes);
            source.failures = 0;
        }
    }

    /// A source says that it sent all. A stripe ends with its last byte even without this.
    pub fn ended(&mut self, source: usize, now_ms: u64) {
        self.close(source, now_ms);
    }

    /// Ends the job of a source: learns its rate, gives back what it did not prove.
    fn close(&mut self, source: usize, now_ms: u64) {
        let Some(known) = self.sources.get_mut(source) else { return };
        let Some(job) = known.job.take() else { return };
        let spent = now_ms.saturating_sub(job.since_ms);
        // Silence counts: else silent sources that were fast once would take a stripe from each other for ever.
        if job.moved > 0 || spent > SHORT_MS {
            let now = job.moved.saturating_mul(1000) / spent.max(1);
            known.rate = if known.rate == 0 { now } else { known.rate / 2 + now / 2 };
        }
        self.give_back(job.left);
    }

    fn give_back(&mut self, left: Range<u64>) {
        if left.is_empty() {
            return;
        }
        // Joined with its neighbours, so that pieces stay few.
        let end = self.open.remove(&left.end).unwrap_or(left.end);
        match self.open.range_mut(..left.start).next_back() {
            Some((_, before)) if *before == left.start => *before = end,
            _ => {
                self.open.insert(left.start, end);
            }
        }
    }

    /// A source broke off, or could not be reached.
    pub fn broke(&mut self, source: usize, reason: String, now_ms: u64) {
        self.close(source, now_ms);
        let pause = self.config.pause_ms;
        let Some(known) = self.sources.get_mut(source) else { return };
        known.failures += 1;
        known.free_at = now_ms.saturating_add(pause.saturating_mul(1 << known.failures.min(8)));
        if known.failures >= MAX_FAILURES {
            known.fault = Some(Fault::Broken(reason));
        }
    }

    /// A source refused, or sent what the root does not prove: it is not asked any more.
    pub fn end_source(&mut self, source: usize, fault: Fault, now_ms: u64) {
        self.close(source, now_ms);
        if let Some(known) = self.sources.get_mut(source) {
            known.fault = Some(fault);
        }
    }
}

impl fmt::Debug for Stripes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stripes").field("range", &self.range).field("taken", &self.taken).finish_non_exhaustive()
    }
}

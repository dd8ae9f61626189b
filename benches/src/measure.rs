//! Timing that stands on a noisy machine: many short runs, medians, and two candidates run in turn.
//!
//! On Linux the clock is the time that this thread has had a processor, so other programs are not counted; elsewhere it is the
//! time that passed.

use std::{hint::black_box, time::Duration};

/// How much time a measurement may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// A smoke run: shows that the bench works, the figures are rough.
    Quick,
    /// The figures that documents quote.
    Full,
}

impl Effort {
    fn runs(self) -> usize {
        match self {
            Self::Quick => 9,
            Self::Full => 41,
        }
    }

    fn run_time(self) -> Duration {
        match self {
            Self::Quick => Duration::from_millis(4),
            Self::Full => Duration::from_millis(25),
        }
    }
}

/// Nanoseconds per operation of each run, sorted.
#[derive(Debug, Clone)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// The value below which a share `q` (0 to 1) of the runs lies.
    pub fn quantile(&self, q: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * q).round() as usize).copied().unwrap_or(f64::NAN)
    }

    /// The median run.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The same runs, if each operation was `count` of what is counted.
    pub fn divided_by(mut self, count: f64) -> Self {
        self.0.iter_mut().for_each(|value| *value /= count);
        self
    }

    /// How many runs were counted.
    pub fn runs(&self) -> usize {
        self.0.len()
    }
}

/// Runs that were timed one by one, in nanoseconds.
impl From<Vec<f64>> for Sample {
    fn from(values: Vec<f64>) -> Self {
        sorted(values)
    }
}

/// Measures one operation.
pub fn measure<T>(effort: Effort, mut operation: impl FnMut() -> T) -> Sample {
    let batch = calibrate(effort, &mut operation);
    sorted((0..effort.runs()).map(|_| time(batch, &mut operation)).collect())
}

/// Measures an operation and its baseline in turn (A B A B …), so that both meet the same noise.
///
/// Returns both samples and the median of the pairwise ratios baseline / operation: above 1, the operation is faster.
pub fn compare<T, B>(
    effort: Effort,
    mut operation: impl FnMut() -> T,
    mut baseline: impl FnMut() -> B,
) -> (Sample, Sample, f64) {
    let (batch_a, batch_b) = (calibrate(effort, &mut operation), calibrate(effort, &mut baseline));
    let pairs: Vec<_> =
        (0..effort.runs()).map(|_| (time(batch_a, &mut operation), time(batch_b, &mut baseline))).collect();
    let ratio = sorted(pairs.iter().map(|(a, b)| b / a).collect()).median();
    let (a, b) = pairs.into_iter().unzip();
    (sorted(a), sorted(b), ratio)
}

fn sorted(mut values: Vec<f64>) -> Sample {
    values.sort_by(f64::total_cmp);
    Sample(values)
}

fn time<T>(batch: u32, operation: &mut impl FnMut() -> T) -> f64 {
    let start = Clock::now();
    (0..batch).for_each(|_| {
        black_box(operation());
    });
    start.elapsed_nanos() / f64::from(batch)
}

/// A moment on the clock of the measurements.
pub(crate) struct Clock(
    #[cfg(target_os = "linux")] rustix::time::Timespec,
    #[cfg(not(target_os = "linux"))] std::time::Instant,
);

#[cfg(target_os = "linux")]
impl Clock {
    pub(crate) fn now() -> Self {
        Self(rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime))
    }

    pub(crate) fn elapsed_nanos(&self) -> f64 {
        let (start, end) = (&self.0, Self::now().0);
        (end.tv_sec - start.tv_sec) as f64 * 1e9 + (end.tv_nsec - start.tv_nsec) as f64
    }
}

#[cfg(not(target_os = "linux"))]
impl Clock {
    pub(crate) fn now() -> Self {
        Self(std::time::Instant::now())
    }

    pub(crate) fn elapsed_nanos(&self) -> f64 {
        self.0.elapsed().as_nanos() as f64
    }
}

/// A moment on the clock of the whole process, its threads included.
#[cfg(target_os = "linux")]
pub(crate) struct ProcessClock(rustix::time::Timespec);

#[cfg(target_os = "linux")]
impl ProcessClock {
    pub(crate) fn now() -> Self {
        Self(rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime))
    }

    pub(crate) fn elapsed_nanos(&self) -> f64 {
        let (start, end) = (&self.0, Self::now().0);
        (end.tv_sec - start.tv_sec) as f64 * 1e9 + (end.tv_nsec - start.tv_nsec) as f64
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) use Clock as ProcessClock;

/// How often the operation fits into one run; also warms it up.
fn calibrate<T>(effort: Effort, operation: &mut impl FnMut() -> T) -> u32 {
    let mut batch = 1u32;
    loop {
        let nanos = time(batch, operation) * f64::from(batch);
        if nanos >= effort.run_time().as_nanos() as f64 / 4.0 || batch >= 1 << 24 {
            let per_operation = (nanos / f64::from(batch)).max(1.0);
            return (effort.run_time().as_nanos() as f64 / per_operation).clamp(1.0, f64::from(1u32 << 26)) as u32;
        }
        batch *= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_of_two_is_seen() {
        let work = |n: u64| move || (0..n).map(black_box).sum::<u64>();
        let (_, _, ratio) = compare(Effort::Quick, work(100), work(1000));
        assert!(ratio > 2.0, "{ratio}");
    }
}

//! Uploads on their way out: one thread, in order, again and again until they are delivered.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::Scope,
    time::Duration,
};

use cpchain_crypto::Signer;

use super::{IntakeError, stream::Stream};
use crate::gateway::{GatewayError, Upload, outbox};

/// Why an upload was not delivered this time.
pub type DeliverError = Box<dyn std::error::Error + Send + Sync>;

const LONGEST_PAUSE: Duration = Duration::from_secs(60);

struct Job {
    sensor: Arc<str>,
    dir: PathBuf,
    upload: u64,
}

/// Sensor and number of an upload.
type Delivered = (Arc<str>, u64);

enum Report {
    Delivered(Arc<str>, u64),
    Failed,
    Unreadable(Arc<str>, GatewayError),
}

pub(super) struct Courier {
    jobs: Option<Sender<Job>>,
    reports: Receiver<Report>,
    waiting: BTreeMap<Arc<str>, usize>,
    halt: Arc<AtomicBool>,
}

impl Courier {
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        mut deliver: impl FnMut(&Upload) -> Result<(), DeliverError> + Send + 'scope,
        retry: Duration,
        stop: &'scope AtomicBool,
    ) -> Self {
        let (jobs, orders) = channel::<Job>();
        let (reporter, reports) = channel();
        let halt = Arc::new(AtomicBool::new(false));
        let halted = halt.clone();
        scope.spawn(move || {
            let is_over = || stop.load(Ordering::Relaxed) || halted.load(Ordering::Relaxed);
            for job in orders {
                let report = carry(&job, &mut deliver, &reporter, retry, &is_over);
                if report.is_some_and(|report| reporter.send(report).is_err()) || is_over() {
                    return;
                }
            }
        });
        Self { jobs: Some(jobs), reports, waiting: BTreeMap::new(), halt }
    }

    /// The upload is in the outbox: it is read from there when its turn comes, so that none waits in memory.
    pub(super) fn send<S: Signer>(&mut self, stream: &Stream<S>, upload: Upload) {
        self.order(stream, upload.number());
    }

    /// What an earlier run left in the outbox.
    pub(super) fn send_waiting<S: Signer>(&mut self, stream: &Stream<S>) -> Result<(), IntakeError> {
        stream.waiting()?.into_iter().for_each(|upload| self.order(stream, upload));
        Ok(())
    }

    fn order<S: Signer>(&mut self, stream: &Stream<S>, upload: u64) {
        let job = Job { sensor: stream.sensor.clone(), dir: stream.dir.clone(), upload };
        *self.waiting.entry(job.sensor.clone()).or_default() += 1;
        // The thread is gone only after a stop; the upload stays in the outbox.
        let _ = self.jobs.as_ref().map(|jobs| jobs.send(job));
    }

    /// Uploads of the stream that has most of them.
    pub(super) fn most_waiting(&self) -> usize {
        self.waiting.values().copied().max().unwrap_or(0)
    }

    /// What was delivered since the last call, and how often it failed; waits for the first report.
    pub(super) fn collect(&mut self, wait: Duration) -> Result<(Vec<Delivered>, u64), IntakeError> {
        let (mut delivered, mut failed) = (Vec::new(), 0);
        let first = if wait.is_zero() { None } else { self.reports.recv_timeout(wait).ok() };
        for report in first.into_iter().chain(std::iter::from_fn(|| self.reports.try_recv().ok())) {
            match report {
                Report::Delivered(sensor, upload) => {
                    self.waiting.entry(sensor.clone()).and_modify(|waiting| *waiting = waiting.saturating_sub(1));
                    delivered.push((sensor, upload));
                }
                Report::Failed => failed += 1,
                Report::Unreadable(sensor, source) => return Err(IntakeError::Gateway { sensor, source }),
            }
        }
        Ok((delivered, failed))
    }

    /// The thread ends after the upload at hand.
    pub(super) fn stop(&mut self) {
        self.halt.store(true, Ordering::Relaxed);
        self.jobs = None;
    }
}

fn carry(
    job: &Job,
    deliver: &mut impl FnMut(&Upload) -> Result<(), DeliverError>,
    reporter: &Sender<Report>,
    retry: Duration,
    is_over: &impl Fn() -> bool,
) -> Option<Report> {
    let upload = match outbox::get(&job.dir, job.upload) {
        Ok(upload) => upload,
        Err(error) => return Some(Report::Unreadable(job.sensor.clone(), error)),
    };
    let mut pause = retry;
    while let Err(error) = deliver(&upload) {
        tracing::warn!(sensor = %job.sensor, upload = job.upload, %error, "not delivered, trying again");
        reporter.send(Report::Failed).ok()?;
        let mut left = pause;
        while !left.is_zero() {
            if is_over() {
                return None;
            }
            let nap = left.min(Duration::from_millis(50));
            std::thread::sleep(nap);
            left -= nap;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Some(Report::Delivered(job.sensor.clone(), job.upload))
}

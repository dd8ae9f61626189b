//! Many streams in one process: a source fans in, each sensor has a gateway, uploads go out.
//!
//! Each sensor has a folder of its own under the intake's. Readings go to the gateway of their sensor; after a batch, or when
//! nothing comes, all gateways sync and the source is told ([`Source::durable`]). Uploads are delivered in order on one thread; one that
//! fails is tried again, ever slower, and stays in the outbox until it is delivered.
//!
//! Rules and the tests that hold them (`tests/intake.rs`, `tests/intake_kill.rs`, `tests/mqtt.rs`):
//! - memory is bounded: one open block and one upload of compressed blocks a stream, one upload on its way, and
//!   [`IntakeOptions::max_streams`] streams (`more_streams_than_allowed_are_refused`);
//! - **backpressure**: while a stream has [`IntakeOptions::max_waiting`] uploads in its outbox, the source is not asked for more
//!   (`a_slow_uploader_slows_the_source`);
//! - a source is told that readings are durable only after the sync (`a_source_is_told_after_the_sync`);
//! - killed at any moment, the intake goes on without a gap, a repeat or a key used twice, if its source gives again what was not
//!   durable (`killed_at_random_nothing_is_lost_or_sealed_twice`).

mod deliver;
mod stream;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use cpchain_crypto::{Signer, key_tree::StreamSecret};

pub use self::deliver::DeliverError;
use self::{deliver::Courier, stream::Stream};
use super::{
    GatewayError, StreamConfig, Upload,
    source::{Event, Sample, Source, SourceError},
};
use crate::codec::CodecRegistry;

/// How a sensor's stream is cut, and its secret: one secret per stream, never shared.
#[derive(Debug)]
pub struct Plan {
    /// The stream.
    pub config: StreamConfig,
    /// Its secret.
    pub secret: StreamSecret,
}

/// Bounds of an [`Intake`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeOptions {
    /// Streams that may be open; readings of more sensors are counted as `unknown`.
    pub max_streams: usize,
    /// Events after which all is synced at the latest.
    pub batch: usize,
    /// How long a source may be silent before all is synced.
    pub wait: Duration,
    /// Uploads in the outbox of a stream at which the source has to wait.
    pub max_waiting: usize,
    /// How long a sensor must be silent, after the period of its block is over by the clock, before the block is closed.
    pub silence: Duration,
    /// The first pause after an upload was not delivered; it doubles up to a minute.
    pub retry: Duration,
}

impl Default for IntakeOptions {
    fn default() -> Self {
        Self {
            max_streams: 1024,
            batch: 1024,
            wait: Duration::from_millis(200),
            max_waiting: 4,
            silence: Duration::from_secs(60),
            retry: Duration::from_secs(1),
        }
    }
}

/// What an intake has done since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IntakeFigures {
    /// Readings accepted.
    pub readings: u64,
    /// Readings of a block that is closed.
    pub late: u64,
    /// Readings of an open block that came once more.
    pub repeated: u64,
    /// Readings of an open block whose time another one has.
    pub conflicting: u64,
    /// Readings that do not fit their stream.
    pub refused: u64,
    /// Readings of sensors without a plan.
    pub unknown: u64,
    /// Events that were no readings.
    pub malformed: u64,
    /// Uploads sealed.
    pub sealed: u64,
    /// Uploads delivered.
    pub delivered: u64,
    /// Times that a delivery failed.
    pub failed_deliveries: u64,
}

/// Why an intake stopped. What was durable is still there: open it anew.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// A gateway refused to open or to go on.
    #[error("stream of sensor `{sensor}`: {source}")]
    Gateway {
        /// The sensor.
        sensor: Arc<str>,
        /// Why.
        source: GatewayError,
    },
    /// The source ended before its time.
    #[error("the source ended: {0}")]
    Source(SourceError),
    /// The folder does not read.
    #[error("{} does not read: {source}", .path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

type PlanOf = Box<dyn FnMut(&str, &[String]) -> Option<Plan> + Send>;

/// Gateways of many sensors over one folder.
///
/// ```
/// use std::sync::atomic::AtomicBool;
/// use cpchain_crypto::{SigningKey, key_tree::StreamSecret};
/// use cpchain_storage::{CodecRegistry, StreamConfig, gateway::{Intake, IntakeOptions, JsonOptions, JsonSource, Plan}};
/// # let folder = tempfile::tempdir()?;
/// let lines = "{\"sensor\":\"roof\",\"time\":1000,\"t\":4.5}\n{\"sensor\":\"cellar\",\"time\":1000,\"t\":11.0}\n";
/// let mut source = JsonSource::new(lines.as_bytes(), JsonOptions::default());
/// let plan = |sensor: &str, columns: &[String]| {
///     let mut secret = [7; 32]; // in earnest: a secret of its own for each stream, from a vault
///     secret[0] = sensor.len() as u8;
///     Some(Plan { config: StreamConfig::new(sensor, columns), secret: StreamSecret::from_bytes(secret) })
/// };
/// let owner = SigningKey::from_seed(&[1; 32]);
/// let mut intake = Intake::open(folder.path(), IntakeOptions::default(), owner, CodecRegistry::default(), plan)?;
/// let mut uploads = Vec::new();
/// let figures = intake.run(&mut source, |upload| Ok(uploads.push(upload.clone())), &AtomicBool::new(false), |_| {})?;
/// assert_eq!((figures.readings, figures.delivered, uploads.len()), (2, 2, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Intake<S: Signer> {
    dir: PathBuf,
    options: IntakeOptions,
    signer: S,
    codecs: CodecRegistry,
    plan: PlanOf,
    streams: BTreeMap<Arc<str>, Stream<S>>,
    figures: IntakeFigures,
}

impl<S: Signer> std::fmt::Debug for Intake<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").field("dir", &self.dir).field("streams", &self.streams.len()).finish_non_exhaustive()
    }
}

impl<S: Signer + Clone> Intake<S> {
    /// Opens the intake over the folder `dir`, with the streams that are there already.
    ///
    /// `plan` is asked once for each sensor, with the names of its values as they come first; `None` leaves the sensor out. For
    /// a sensor that has a stream already it must give the same plan again.
    ///
    /// # Errors
    /// [`IntakeError`].
    pub fn open(
        dir: impl AsRef<Path>,
        options: IntakeOptions,
        signer: S,
        codecs: CodecRegistry,
        plan: impl FnMut(&str, &[String]) -> Option<Plan> + Send + 'static,
    ) -> Result<Self, IntakeError> {
        let dir = dir.as_ref().to_path_buf();
        let (plan, streams, figures) = (Box::new(plan), BTreeMap::new(), IntakeFigures::default());
        let mut intake = Self { dir, options, signer, codecs, plan, streams, figures };
        for (sensor, columns) in stream::known(&intake.dir)? {
            intake.open_stream(&sensor, &columns)?;
        }
        Ok(intake)
    }

    /// What was done since this was opened.
    pub const fn figures(&self) -> IntakeFigures {
        self.figures
    }

    /// Takes events until the source ends or `stop` is set. At the end of the source everything is sealed and delivered;
    /// when stopped, what is open stays for the next start, and what is sealed stays in the outboxes.
    ///
    /// `deliver` stores an upload and makes its voucher final; it is called on a thread of its own, again after it failed, and again after
    /// a crash: the second time must be no error. `progress` is called after each batch.
    ///
    /// # Errors
    /// [`IntakeError`].
    pub fn run(
        &mut self,
        source: &mut dyn Source,
        deliver: impl FnMut(&Upload) -> Result<(), DeliverError> + Send,
        stop: &AtomicBool,
        mut progress: impl FnMut(IntakeFigures),
    ) -> Result<IntakeFigures, IntakeError> {
        let retry = self.options.retry;
        std::thread::scope(|scope| {
            let mut courier = Courier::start(scope, deliver, retry, stop);
            let result = self.take(source, &mut courier, stop, &mut progress).and_then(|is_end| {
                if is_end && !stop.load(Ordering::Relaxed) {
                    self.finish(&mut courier, stop, &mut progress)?;
                }
                Ok(())
            });
            courier.stop();
            progress(self.figures);
            result.map(|()| self.figures)
        })
    }

    /// Feeds the gateways; true if the source came to its end.
    fn take(
        &mut self,
        source: &mut dyn Source,
        courier: &mut Courier,
        stop: &AtomicBool,
        progress: &mut impl FnMut(IntakeFigures),
    ) -> Result<bool, IntakeError> {
        self.streams.values().try_for_each(|stream| courier.send_waiting(stream))?;
        let mut taken = 0;
        loop {
            self.wait_for_room(courier, stop, progress)?;
            let is_stopped = stop.load(Ordering::Relaxed);
            let event =
                if is_stopped { Event::Idle } else { source.next(self.options.wait).map_err(IntakeError::Source)? };
            let is_end = event == Event::End;
            let is_pause = is_end || event == Event::Idle;
            taken += 1;
            match event {
                Event::Sample(sample) => self.push(sample, courier)?,
                Event::Malformed(why) => {
                    tracing::debug!(why, "malformed");
                    self.figures.malformed += 1;
                }
                Event::Idle | Event::End => {}
            }
            if is_pause || taken >= self.options.batch {
                taken = 0;
                self.sync(courier)?;
                source.durable().map_err(IntakeError::Source)?;
                progress(self.figures);
            }
            if is_end || is_stopped {
                return Ok(is_end);
            }
        }
    }

    fn push(&mut self, sample: Sample, courier: &mut Courier) -> Result<(), IntakeError> {
        if !self.streams.contains_key(&sample.sensor) {
            let is_opened = self.streams.len() < self.options.max_streams
                && sample.columns.len() == sample.reading.values.len()
                && self.open_stream(&sample.sensor, &sample.columns)?;
            if !is_opened {
                self.figures.unknown += 1;
                return Ok(());
            }
        }
        let Some(stream) = self.streams.get_mut(&sample.sensor) else { return Ok(()) };
        if let Some(upload) = stream.push(sample, &mut self.figures)? {
            self.figures.sealed += 1;
            courier.send(stream, upload);
        }
        Ok(())
    }

    /// Makes all durable, closes the blocks of silent sensors.
    fn sync(&mut self, courier: &mut Courier) -> Result<(), IntakeError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        for stream in self.streams.values_mut() {
            stream.sync()?;
            if let Some(upload) = stream.close_if_silent(now.as_millis() as u64, self.options.silence)? {
                self.figures.sealed += 1;
                courier.send(stream, upload);
            }
        }
        self.collect(courier, Duration::ZERO)
    }

    /// Waits while a stream has as many uploads as its outbox may hold.
    fn wait_for_room(
        &mut self,
        courier: &mut Courier,
        stop: &AtomicBool,
        progress: &mut impl FnMut(IntakeFigures),
    ) -> Result<(), IntakeError> {
        self.collect(courier, Duration::ZERO)?;
        while courier.most_waiting() >= self.options.max_waiting.max(1) && !stop.load(Ordering::Relaxed) {
            self.collect(courier, self.options.wait)?;
            progress(self.figures);
        }
        Ok(())
    }

    fn finish(
        &mut self,
        courier: &mut Courier,
        stop: &AtomicBool,
        progress: &mut impl FnMut(IntakeFigures),
    ) -> Result<(), IntakeError> {
        for stream in self.streams.values_mut() {
            if let Some(upload) = stream.finish()? {
                self.figures.sealed += 1;
                courier.send(stream, upload);
            }
        }
        while courier.most_waiting() > 0 && !stop.load(Ordering::Relaxed) {
            self.collect(courier, self.options.wait)?;
            progress(self.figures);
        }
        Ok(())
    }

    /// Hears what was delivered.
    fn collect(&mut self, courier: &mut Courier, wait: Duration) -> Result<(), IntakeError> {
        let (delivered, failed) = courier.collect(wait)?;
        self.figures.failed_deliveries += failed;
        for (sensor, upload) in delivered {
            if let Some(stream) = self.streams.get_mut(&sensor) {
                stream.delivered(upload)?;
                self.figures.delivered += 1;
            }
        }
        Ok(())
    }

    /// False if there is no plan for the sensor.
    fn open_stream(&mut self, sensor: &Arc<str>, columns: &[String]) -> Result<bool, IntakeError> {
        let Some(plan) = (self.plan)(sensor, columns) else { return Ok(false) };
        let stream = Stream::open(&self.dir, sensor, columns, plan, self.signer.clone(), self.codecs.clone())?;
        self.streams.insert(sensor.clone(), stream);
        Ok(true)
    }
}

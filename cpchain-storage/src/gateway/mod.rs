//! The gateway: readings in, signed and sealed uploads out (white paper 2.2.1 and 2.5.1).
//!
//! [`Gateway`] makes the uploads of one stream; [`Intake`] runs many of them over a [`Source`].
//!
//! Readings of one period T make a block, e blocks an encryption interval with a key of its own, u intervals an upload.
//! A gateway holds at most one block of readings and one upload of compressed blocks in memory, whatever the source. A sealed block costs
//! 104 bytes of header, 80 bytes a leaf of 4 KiB and some 200 bytes of manifest: choose T so that a block has some hundred readings.
//!
//! Rules and the tests that hold them (`tests/gateway.rs`):
//! - blocks begin at multiples of T since 1970 UTC; a period without readings has no block, so block numbers have no gaps
//!   while start times may (`a_gap_in_the_data_skips_blocks`);
//! - an interval has exactly e blocks, but the last of an upload that was [finished](Gateway::finish) early may have
//!   fewer; the next upload begins a new interval (`a_finished_stream_goes_on_in_a_new_interval`);
//! - **no key seals a block number twice**: before an upload is sealed, its intervals are written to a durable
//!   counter as used. A restart that finds intervals used of which no upload came out starts after them
//!   (`a_restart_that_cannot_prove_the_counter_starts_the_next_interval`); a damaged counter is an error
//!   (`a_damaged_counter_is_no_fresh_start`), an absent one too if there are uploads (`a_lost_counter_is_seen`);
//! - readings of the open block may come in any order, one that is older than its block is refused
//!   (`readings_of_the_open_block_come_in_any_order`);
//! - what was accepted and [synced](Gateway::sync) is there after a restart, sealed on disk like everything else
//!   (`synced_readings_survive_a_restart`, `a_torn_journal_is_cut`, and `tests/intake_kill.rs` with kill -9);
//! - a block that has [`MAX_BLOCK_BYTES`] or 2^20 readings is closed early, an upload that has [`MAX_UPLOAD_BYTES`] sealed early: memory is
//!   bounded whatever comes (`a_full_block_is_closed_early`);
//! - an upload is durable in the outbox before it is returned, and stays there until it is
//!   [delivered](Gateway::delivered) (`uploads_stay_in_the_outbox_until_delivered`);
//! - a source that is read again from its start goes on after the last sealed reading
//!   (`a_source_read_again_goes_on_where_it_stopped`).

mod background;
mod config;
#[cfg(feature = "csv")]
mod csv;
mod error;
mod intake;
mod journal;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "mqtt")]
mod mqtt;
mod open;
mod outbox;
mod seal;
mod source;
#[cfg(any(feature = "csv", feature = "json"))]
mod time;

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use cpchain_crypto::{Did, Signer, key_tree::StreamSecret};

#[cfg(feature = "csv")]
pub use self::csv::{CsvError, CsvOptions, CsvSource};
#[cfg(feature = "json")]
pub use self::json::{JsonOptions, JsonSource, MAX_LINE_LEN};
#[cfg(feature = "mqtt")]
pub use self::mqtt::{MqttOptions, MqttPayload, MqttSource, MqttVersion};
#[cfg(any(feature = "csv", feature = "json"))]
pub use self::time::TimestampUnit;
pub use self::{
    background::Background,
    config::StreamConfig,
    error::GatewayError,
    intake::{DeliverError, Intake, IntakeError, IntakeFigures, IntakeOptions, Plan},
    open::Recovered,
    outbox::Upload,
    source::{Event, Readings, Sample, Source, SourceError},
};
use self::{journal::Position, open::OpenLog, seal::Pending};
use crate::{
    codec::{CodecRegistry, MAX_ROWS},
    stream::StreamId,
    table::{Reading, Table},
};

/// Milliseconds in a day.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Bytes of readings after which a block is closed though its period is not over: 32 MiB.
pub const MAX_BLOCK_BYTES: usize = 32 << 20;
/// Compressed bytes after which an upload is sealed though its intervals are not full: 64 MiB.
pub const MAX_UPLOAD_BYTES: usize = 64 << 20;

/// Makes uploads of a stream. One gateway per stream and state folder.
///
/// ```
/// use cpchain_crypto::{SigningKey, key_tree::StreamSecret};
/// use cpchain_storage::{CodecRegistry, Gateway, StreamConfig, gateway::{CsvOptions, CsvSource}};
/// # let state = tempfile::tempdir()?;
/// let text = "date,temperature\n2010-01-01,4.0\n2010-01-02,3.5\n2010-01-03,3.1\n";
/// let source = CsvSource::from_reader(text.as_bytes(), &CsvOptions::default())?;
/// let config = StreamConfig::new("roof", source.columns());
/// let owner = SigningKey::from_seed(&[1; 32]);
/// let secret = StreamSecret::from_bytes([2; 32]);
/// let mut gateway = Gateway::open(config, secret, owner, CodecRegistry::default(), state.path())?;
/// for reading in source {
///     gateway.push(reading?)?;
/// }
/// let upload = gateway.finish()?.ok_or("no readings")?;
/// assert_eq!(upload.manifest.body().blocks.len(), 3);
/// assert!(upload.manifest.verify(&upload.object).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Gateway<S: Signer> {
    config: StreamConfig,
    stream: StreamId,
    secret: StreamSecret,
    signer: S,
    codecs: CodecRegistry,
    dir: PathBuf,
    position: Position,
    /// Readings of the block that is being filled, and the start of its period.
    table: Table,
    block_bytes: usize,
    start_ms: u64,
    /// Compressed blocks of the upload that is being filled.
    pending: Vec<Pending>,
    pending_bytes: usize,
    open: OpenLog,
    recovered: Recovered,
    last_ms: Option<u64>,
    _lock: File,
}

impl<S: Signer> Gateway<S> {
    /// Opens the gateway of a stream with its state in the folder `dir`, or begins the stream there.
    ///
    /// A folder without state begins at block 0 and interval 0. If the folder of a stream that ever sealed anything is
    /// gone, this would use its keys again: call [`recover`](Self::recover) then.
    ///
    /// # Errors
    /// [`GatewayError`]; with `CounterLost`, see [`recover`](Self::recover).
    pub fn open(
        config: StreamConfig,
        secret: StreamSecret,
        signer: S,
        codecs: CodecRegistry,
        dir: impl AsRef<Path>,
    ) -> Result<Self, GatewayError> {
        Self::start(config, secret, signer, codecs, dir.as_ref(), None)
    }

    /// Opens a gateway whose counter is lost, after the last upload that the network and the chain know (`None`: none).
    /// No interval below `unused` is used again: take one that is surely above all that were ever sealed, intervals
    /// are plenty. Uploads in the outbox after `last` are discarded.
    ///
    /// # Errors
    /// [`GatewayError`]; `OtherStream` if `last` is of another stream.
    #[allow(clippy::too_many_arguments)]
    pub fn recover(
        config: StreamConfig,
        secret: StreamSecret,
        signer: S,
        codecs: CodecRegistry,
        dir: impl AsRef<Path>,
        last: Option<&Upload>,
        unused: u32,
    ) -> Result<Self, GatewayError> {
        Self::start(config, secret, signer, codecs, dir.as_ref(), Some((last, unused)))
    }

    fn start(
        config: StreamConfig,
        secret: StreamSecret,
        signer: S,
        codecs: CodecRegistry,
        dir: &Path,
        recovery: Option<(Option<&Upload>, u32)>,
    ) -> Result<Self, GatewayError> {
        config.check(&codecs)?;
        let stream = StreamId::new(Did::from(signer.public_key()), config.name.clone())?;
        let mut table = Table::new(config.columns.iter().cloned())?;
        if config.payloads {
            table = table.with_payloads();
        }
        let lock = lock(dir)?;
        outbox::make(dir)?;
        let mut position = match recovery {
            Some((last, unused)) => {
                let position = seal::position_after(&stream, last, unused)?;
                for number in outbox::list(dir)?.into_iter().filter(|n| *n >= position.next_upload) {
                    outbox::remove(dir, number)?;
                }
                position
            }
            None => match journal::load(dir)? {
                Some(position) => position,
                None if !outbox::list(dir)?.is_empty() => return Err(GatewayError::CounterLost),
                None => Position::start(stream.digest()),
            },
        };
        if position.stream != stream.digest() {
            return Err(GatewayError::OtherStream);
        }
        // An upload that reached the outbox, but not the counter, was not returned: it is made again.
        if outbox::list(dir)?.last().is_some_and(|number| *number >= position.next_upload) {
            outbox::remove(dir, position.next_upload)?;
        }
        if position.burnt > position.next_interval {
            tracing::warn!(%stream, from = position.next_interval, to = position.burnt, "skipping used intervals");
            position.next_interval = position.burnt;
        }
        journal::save(dir, &position)?;
        let shape = config.shape();
        let open::Contents { blocks: pending, readings, recovered } =
            OpenLog::load(dir, &secret, shape, position.next_upload)?;
        let mut last_ms = pending.last().map(|block| block.last_ms).max(position.last_ms);
        let (mut start_ms, mut block_bytes) = (0, 0);
        for reading in readings {
            start_ms = reading.at_ms - reading.at_ms % config.period_ms;
            block_bytes += bytes_of(&reading);
            last_ms = last_ms.max(Some(reading.at_ms));
            table.insert(reading).map_err(|_| GatewayError::OpenDamaged)?;
        }
        let open = OpenLog::begin(dir, &secret, shape, position.next_upload, &pending, table.rows())?;
        Ok(Self {
            config,
            stream,
            secret,
            signer,
            codecs,
            dir: dir.to_path_buf(),
            position,
            table,
            block_bytes,
            start_ms,
            pending_bytes: pending.iter().map(|block| block.body.len()).sum(),
            pending,
            open,
            recovered,
            last_ms,
            _lock: lock,
        })
    }

    /// The stream.
    pub const fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// Time of the last reading that is sealed in an upload.
    pub const fn sealed_until_ms(&self) -> Option<u64> {
        self.position.last_ms
    }

    /// Time of the last reading that was accepted: a source goes on after it. After a restart, these are the readings that are sealed,
    /// and those that were accepted and [synced](Self::sync).
    pub const fn accepted_until_ms(&self) -> Option<u64> {
        self.last_ms
    }

    /// What this start found of readings that were accepted and not yet sealed.
    pub const fn recovered(&self) -> Recovered {
        self.recovered
    }

    /// Takes the next reading; those of the open block may come in any order. Returns an upload when this reading begins the block after it; store and announce it, then
    /// call [`delivered`](Self::delivered). The reading is durable after [`sync`](Self::sync), or once its block is closed.
    ///
    /// # Errors
    /// [`GatewayError::Order`] and [`GatewayError::Table`] refuse this reading alone.
    pub fn push(&mut self, reading: Reading) -> Result<Option<Upload>, GatewayError> {
        if self.held(&reading) != Held::No {
            return Err(GatewayError::Order { at_ms: reading.at_ms });
        }
        self.table.check_shape(reading.values.len(), reading.payload.len())?;
        let start_ms = reading.at_ms - reading.at_ms % self.config.period_ms;
        let bytes = bytes_of(&reading);
        let is_full = self.table.len() >= MAX_ROWS as usize || self.block_bytes + bytes > MAX_BLOCK_BYTES;
        if !self.table.is_empty() && (start_ms != self.start_ms || is_full) {
            self.close_block()?;
        }
        // Also after a restart that found all blocks of an upload.
        let upload = self.seal_full()?;
        self.open.push(&reading)?;
        self.start_ms = start_ms;
        self.block_bytes += bytes;
        self.last_ms = self.last_ms.max(Some(reading.at_ms));
        self.table.insert(reading)?;
        Ok(upload)
    }

    /// Makes every reading that was accepted durable. One sync for all of them: call it once a batch, before a source is told that they
    /// are safe.
    ///
    /// # Errors
    /// [`GatewayError::Io`].
    pub fn sync(&mut self) -> Result<(), GatewayError> {
        self.open.sync()
    }

    /// The time is `now_ms`: closes a block whose period is over, so that a sensor that fell silent does not keep it open. A reading
    /// of that period that comes later still begins a block of its own.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub fn close_until(&mut self, now_ms: u64) -> Result<Option<Upload>, GatewayError> {
        if !self.table.is_empty() && self.start_ms.saturating_add(self.config.period_ms) <= now_ms {
            self.close_block()?;
        }
        self.seal_full()
    }

    /// Is a reading of this time here already?
    fn held(&self, reading: &Reading) -> Held {
        if self.last_ms.is_none_or(|last| last < reading.at_ms) {
            return Held::No;
        }
        let Ok(row) = self.table.timestamps_ms().binary_search(&reading.at_ms) else {
            let closed = self.pending.last().map(|block| block.last_ms).max(self.position.last_ms);
            let is_open = !self.table.is_empty()
                && reading.at_ms >= self.start_ms
                && closed.is_none_or(|closed| closed < reading.at_ms);
            return if is_open { Held::No } else { Held::Passed };
        };
        let mut values =
            self.table.columns().iter().map(|column| column.values().get(row).map(|value| value.to_bits()));
        let is_same = reading.values.iter().all(|value| values.next() == Some(Some(value.to_bits())))
            && self.table.payloads().and_then(|payloads| payloads.get(row)).is_none_or(|held| *held == reading.payload);
        if is_same { Held::Same } else { Held::Other }
    }

    fn seal_full(&mut self) -> Result<Option<Upload>, GatewayError> {
        let is_full = self.pending.len() as u64 >= self.blocks_per_upload() || self.pending_bytes >= MAX_UPLOAD_BYTES;
        if is_full { self.seal_upload().map(Some) } else { Ok(None) }
    }

    /// Seals what there is, though block, interval and upload may not be full. `None` if there is nothing.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub fn finish(&mut self) -> Result<Option<Upload>, GatewayError> {
        if !self.table.is_empty() {
            self.close_block()?;
        }
        if self.pending.is_empty() { Ok(None) } else { self.seal_upload().map(Some) }
    }

    /// All uploads of a source, one in memory at a time, the last one as by [`finish`](Self::finish). Readings that were
    /// accepted already are passed over, so a file can be read again from its start.
    pub fn uploads<E>(
        &mut self,
        source: impl IntoIterator<Item = Result<Reading, E>>,
    ) -> impl Iterator<Item = Result<Upload, E>>
    where
        E: From<GatewayError>,
    {
        let mut source = source.into_iter();
        let accepted = self.accepted_until_ms();
        let mut is_done = false;
        std::iter::from_fn(move || {
            while !is_done {
                let made = match source.next() {
                    Some(Ok(reading)) if accepted.is_some_and(|last| reading.at_ms <= last) => continue,
                    Some(Ok(reading)) => self.push(reading).map_err(E::from),
                    Some(Err(error)) => Err(error),
                    None => {
                        is_done = true;
                        self.finish().map_err(E::from)
                    }
                };
                is_done |= made.is_err();
                if let Some(made) = made.transpose() {
                    return Some(made);
                }
            }
            None
        })
    }

    /// Uploads that were made and not delivered, in order; after a restart, deliver them first.
    ///
    /// # Errors
    /// [`GatewayError::OutboxDamaged`], [`GatewayError::Io`].
    pub fn outbox(&self) -> Result<impl Iterator<Item = Result<Upload, GatewayError>> + '_, GatewayError> {
        Ok(outbox::list(&self.dir)?.into_iter().map(|number| outbox::get(&self.dir, number)))
    }

    /// The upload is stored and its voucher final: takes it out of the outbox. Again is no error.
    ///
    /// # Errors
    /// [`GatewayError::Io`].
    pub fn delivered(&mut self, upload: u64) -> Result<(), GatewayError> {
        outbox::remove(&self.dir, upload)
    }

    fn blocks_per_upload(&self) -> u64 {
        u64::from(self.config.blocks_per_interval) * u64::from(self.config.intervals_per_upload)
    }
}

/// Whether a reading's time is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// It is after the last reading, or among those of the open block.
    No,
    /// It is before the open block.
    Passed,
    /// The open block has this reading.
    Same,
    /// The open block has another reading of this time.
    Other,
}

fn bytes_of(reading: &Reading) -> usize {
    8 * (reading.values.len() + 1) + reading.payload.len()
}

fn lock(dir: &Path) -> Result<File, GatewayError> {
    let failed = |source| GatewayError::Io { doing: "opening the state folder", source };
    std::fs::create_dir_all(dir).map_err(failed)?;
    let file = File::create(dir.join("lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(GatewayError::InUse),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

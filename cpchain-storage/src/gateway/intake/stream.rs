//! One sensor's gateway and folder.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes};
use cpchain_crypto::{Digest, Domain, Signer};

use super::{IntakeError, IntakeFigures, Plan};
use crate::{
    codec::CodecRegistry,
    gateway::{Gateway, GatewayError, Held, Upload, journal, outbox, source::Sample},
};

const FOLDER: Domain = Domain::new("cpchain/storage/intake-folder/v1");
/// The file that says whose folder it is.
const SENSOR: &str = "sensor";

#[derive(Debug)]
pub(super) struct Stream<S: Signer> {
    pub(super) sensor: Arc<str>,
    pub(super) dir: PathBuf,
    gateway: Gateway<S>,
    columns: Vec<String>,
    heard: Instant,
    is_dirty: bool,
}

impl<S: Signer> Stream<S> {
    pub(super) fn open(
        parent: &Path,
        sensor: &Arc<str>,
        columns: &[String],
        plan: Plan,
        signer: S,
        codecs: CodecRegistry,
    ) -> Result<Self, IntakeError> {
        let name: String =
            Digest::of(FOLDER, &[sensor.as_bytes()]).0.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let dir = parent.join(name);
        let failed = |source| IntakeError::Gateway { sensor: sensor.clone(), source };
        let of_stream = plan.config.columns.clone();
        let gateway = Gateway::open(plan.config, plan.secret, signer, codecs, &dir).map_err(failed)?;
        let file = dir.join(SENSOR);
        if !file.exists() {
            journal::replace(&dir, &file, &encode(sensor, columns)).map_err(failed)?;
        }
        let heard = Instant::now();
        Ok(Self { sensor: sensor.clone(), dir, gateway, columns: of_stream, heard, is_dirty: false })
    }

    /// Takes a reading, or counts why not.
    pub(super) fn push(&mut self, sample: Sample, figures: &mut IntakeFigures) -> Result<Option<Upload>, IntakeError> {
        self.heard = Instant::now();
        let Some(reading) = self.fit(sample) else {
            figures.refused += 1;
            return Ok(None);
        };
        match self.gateway.held(&reading) {
            Held::No => {}
            Held::Passed => {
                figures.late += 1;
                return Ok(None);
            }
            Held::Same => {
                figures.repeated += 1;
                return Ok(None);
            }
            Held::Other => {
                figures.conflicting += 1;
                return Ok(None);
            }
        }
        match self.gateway.push(reading) {
            Ok(upload) => {
                figures.readings += 1;
                self.is_dirty = true;
                Ok(upload)
            }
            Err(GatewayError::Table(_)) => {
                figures.refused += 1;
                Ok(None)
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The sample's values in the order of the stream's columns; `None` if one has no column.
    fn fit(&self, sample: Sample) -> Option<crate::table::Reading> {
        let mut reading = sample.reading;
        if sample.columns.len() != reading.values.len() {
            return None;
        }
        if *sample.columns == *self.columns {
            return Some(reading);
        }
        let mut values = vec![f64::NAN; self.columns.len()];
        for (name, value) in sample.columns.iter().zip(&reading.values) {
            let place = self.columns.iter().position(|column| column == name)?;
            *values.get_mut(place)? = *value;
        }
        reading.values = values;
        Some(reading)
    }

    pub(super) fn sync(&mut self) -> Result<(), IntakeError> {
        if self.is_dirty {
            self.gateway.sync().map_err(|error| self.failed(error))?;
            self.is_dirty = false;
        }
        Ok(())
    }

    pub(super) fn close_if_silent(&mut self, now_ms: u64, silence: Duration) -> Result<Option<Upload>, IntakeError> {
        if self.heard.elapsed() < silence {
            return Ok(None);
        }
        self.gateway.close_until(now_ms).map_err(|error| self.failed(error))
    }

    pub(super) fn finish(&mut self) -> Result<Option<Upload>, IntakeError> {
        self.gateway.finish().map_err(|error| self.failed(error))
    }

    pub(super) fn delivered(&mut self, upload: u64) -> Result<(), IntakeError> {
        self.gateway.delivered(upload).map_err(|error| self.failed(error))
    }

    /// Numbers of the uploads in the outbox.
    pub(super) fn waiting(&self) -> Result<Vec<u64>, IntakeError> {
        outbox::list(&self.dir).map_err(|error| self.failed(error))
    }

    fn failed(&self, source: GatewayError) -> IntakeError {
        IntakeError::Gateway { sensor: self.sensor.clone(), source }
    }
}

fn encode(sensor: &str, columns: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    for text in std::iter::once(sensor).chain(columns.iter().map(String::as_str)) {
        out.extend((text.len() as u32).to_le_bytes());
        out.extend(text.as_bytes());
    }
    out
}

/// A sensor and the names of its values.
type Known = (Arc<str>, Vec<String>);

fn decode(mut bytes: Bytes) -> Option<Known> {
    let mut texts = Vec::new();
    while bytes.has_remaining() {
        let length = bytes.try_get_u32_le().ok()? as usize;
        let text = if length <= bytes.len() { bytes.split_to(length) } else { return None };
        texts.push(String::from_utf8(text.to_vec()).ok()?);
    }
    let mut texts = texts.into_iter();
    Some((texts.next()?.into(), texts.collect()))
}

/// Sensors that have a folder, and the names of their values.
pub(super) fn known(parent: &Path) -> Result<Vec<Known>, IntakeError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| IntakeError::Folder { path, source }
    };
    fs::create_dir_all(parent).map_err(failed(parent))?;
    let mut sensors = Vec::new();
    for entry in fs::read_dir(parent).map_err(failed(parent))? {
        let path = entry.map_err(failed(parent))?.path().join(SENSOR);
        match fs::read(&path) {
            Ok(bytes) => {
                sensors.push(decode(bytes.into()).ok_or_else(|| failed(&path)(std::io::ErrorKind::InvalidData.into()))?)
            }
            // Made and not yet named when the process died: nothing was taken.
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {}
            Err(source) => return Err(failed(&path)(source)),
        }
    }
    Ok(sensors)
}

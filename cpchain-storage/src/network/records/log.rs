//! Records in files: appended, checked, cleaned up file by file.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::{
    segment::{FRAME, HEADER, Segment},
    shelf::{Loaded, Place, RecordShelf, Tenant},
};
use crate::durable::sync_dir;

/// Bytes after which a new file is begun: what one clean-up reads.
const SEGMENT_BYTES: u64 = 8 << 20;

/// A record log in a folder of its own: `NNNNNNNN.rec` files, one of which grows.
///
/// A record survives the end of the process once it was taken in, and a power cut after the next sync (each second). A file
/// whose records are mostly replaced is read once, what counts is written again, and the file goes.
///
/// ```
/// use cpchain_storage::network::{RecordLog, RecordShelf};
/// # let dir = tempfile::tempdir()?;
/// let mut log = RecordLog::open(dir.path())?;
/// log.load(&mut |_, _, _| unreachable!())?;
/// let place = log.add(7, b"record")?;
/// drop(log);
///
/// let mut found = Vec::new();
/// RecordLog::open(dir.path())?.load(&mut |at, origin, record| found.push((at, origin, record)))?;
/// assert_eq!(found, [(place, 7, "record".into())]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct RecordLog {
    dir: PathBuf,
    segments: BTreeMap<u32, Segment>,
    /// Files that grew since the last sync.
    grown: Vec<u32>,
    /// Files whose records were written again: they go once the copies are durable.
    retired: Vec<PathBuf>,
    segment_bytes: u64,
    _lock: File,
}

impl RecordLog {
    /// Opens the log in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// What the disk said, or that another process has the folder open.
    pub fn open(dir: impl Into<PathBuf>) -> io::Result<Self> {
        let dir = dir.into();
        fs::create_dir_all(&dir)?;
        let lock = File::create(dir.join("lock"))?;
        lock.try_lock().map_err(|_| {
            io::Error::new(io::ErrorKind::ResourceBusy, "the record log is in use: one node per folder")
        })?;
        Ok(Self {
            dir,
            segments: BTreeMap::new(),
            grown: Vec::new(),
            retired: Vec::new(),
            segment_bytes: SEGMENT_BYTES,
            _lock: lock,
        })
    }

    /// The same with smaller files.
    #[cfg(test)]
    pub(super) fn with_segments(dir: &Path, segment_bytes: u64) -> io::Result<Self> {
        Ok(Self { segment_bytes, ..Self::open(dir)? })
    }

    /// The growing file, which a new one takes over from when it is full.
    fn tail(&mut self, room: u64) -> io::Result<(u32, &mut Segment)> {
        let last = self.segments.last_key_value();
        let number = match last {
            Some((number, segment)) if segment.end + room <= self.segment_bytes => *number,
            last => {
                let number = last.map_or(0, |(number, _)| number + 1);
                let segment = Segment::create(&file(&self.dir, number), number)?;
                sync_dir(&self.dir)?;
                self.segments.insert(number, segment);
                number
            }
        };
        if !self.grown.contains(&number) {
            self.grown.push(number);
        }
        match self.segments.get_mut(&number) {
            Some(segment) => Ok((number, segment)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The fullest of rubbish among the files that no longer grow, if more than half of it is.
    fn worst(&self) -> Option<u32> {
        let (tail, _) = self.segments.last_key_value()?;
        let dead = |segment: &Segment| segment.end.saturating_sub(HEADER as u64 + segment.live);
        let (number, segment) =
            self.segments.iter().filter(|(number, _)| *number != tail).max_by_key(|(_, segment)| dead(segment))?;
        (dead(segment) * 2 > segment.end || segment.live == 0).then_some(*number)
    }
}

fn file(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:08}.rec"))
}

fn place(segment: u32, offset: u32) -> Place {
    Place(u64::from(segment) << 32 | u64::from(offset))
}

fn parts(place: Place) -> (u32, u32) {
    ((place.0 >> 32) as u32, place.0 as u32)
}

fn frame_bytes(record: usize) -> u64 {
    (FRAME + record) as u64
}

impl RecordShelf for RecordLog {
    fn load(&mut self, each: &mut dyn FnMut(Place, u32, Bytes)) -> io::Result<Loaded> {
        let mut loaded = Loaded::default();
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            let number =
                name.to_str().and_then(|name| name.strip_suffix(".rec")).and_then(|name| name.parse::<u32>().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        for number in numbers {
            let mut live = 0;
            let (mut segment, damaged) = Segment::open(&file(&self.dir, number), &mut |offset, origin, record| {
                live += frame_bytes(record.len());
                loaded.records += 1;
                each(place(number, offset), origin, record);
            })?;
            segment.live = live;
            loaded.damaged_bytes += damaged;
            self.segments.insert(number, segment);
        }
        Ok(loaded)
    }

    fn add(&mut self, origin: u32, record: &[u8]) -> io::Result<Place> {
        let bytes = frame_bytes(record.len());
        let (number, segment) = self.tail(bytes)?;
        let offset = segment.append(origin, record)?;
        segment.live += bytes;
        Ok(place(number, offset))
    }

    fn get(&self, place: Place) -> io::Result<Option<Bytes>> {
        let (number, offset) = parts(place);
        self.segments.get(&number).map_or(Ok(None), |segment| segment.read(offset))
    }

    fn free(&mut self, place: Place, length: usize) {
        if let Some(segment) = self.segments.get_mut(&parts(place).0) {
            segment.live = segment.live.saturating_sub(frame_bytes(length));
        }
    }

    fn tidy(&mut self, tenant: &mut dyn Tenant) -> io::Result<()> {
        let Some(number) = self.worst() else { return Ok(()) };
        let mut live = Vec::new();
        if let Some(segment) = self.segments.get(&number) {
            segment.frames(&mut |offset, origin, record| {
                if tenant.lives_at(&record, place(number, offset)) {
                    live.push((origin, record));
                }
            })?;
        }
        for (origin, record) in live {
            let to = self.add(origin, &record)?;
            tenant.moved(&record, to);
        }
        self.segments.remove(&number);
        self.retired.push(file(&self.dir, number));
        Ok(())
    }

    fn sync(&mut self) -> Option<Box<dyn FnOnce() -> io::Result<()> + Send>> {
        let grown = std::mem::take(&mut self.grown);
        let retired = std::mem::take(&mut self.retired);
        if grown.is_empty() && retired.is_empty() {
            return None;
        }
        let files: Vec<_> =
            grown.iter().filter_map(|number| self.segments.get(number)).map(|segment| segment.file.clone()).collect();
        Some(Box::new(move || {
            files.iter().try_for_each(|file| file.sync_data())?;
            retired.iter().try_for_each(fs::remove_file)
        }))
    }

    fn bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.end).sum()
    }
}

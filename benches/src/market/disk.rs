//! What a directory and this process take.

use std::{io, path::Path, thread::sleep, time::Duration};

/// Bytes of all files below `path`.
pub(super) fn bytes_below(path: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { bytes_below(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

/// Removes a directory into which the merges of an index that was just closed may still write.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    for _ in 0..100 {
        match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => sleep(Duration::from_millis(100)),
            done => return done,
        }
    }
    std::fs::remove_dir_all(path)
}

/// Bytes of memory that this process holds which no file backs; `None` where the system does not say.
pub(super) fn anonymous_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kilobytes| kilobytes * 1024.0)
}

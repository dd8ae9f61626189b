//! Databases that may be broken: their panics become errors, their files are moved aside.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use super::IndexError;

/// Databases set aside for inspection; older ones are deleted.
const KEPT_ASIDE: u32 = 3;

/// Calls into a database.
pub(super) fn contain<T, E: fmt::Display>(call: impl FnOnce() -> Result<T, E>) -> Result<T, IndexError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| IndexError(error.to_string())),
        Err(_) => Err(IndexError("it panicked".to_owned())),
    }
}

/// Drops a database: a broken one may panic in that as in everything else.
pub(super) fn close<D>(database: D) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
}

/// Renames the database to `<name>.bad-<n>`, so that somebody can look at it, and deletes the oldest ones.
pub(super) fn set_aside(path: &Path) -> Result<(), IndexError> {
    if !path.exists() {
        return Ok(());
    }
    let place = |n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".bad-{n}"));
        PathBuf::from(name)
    };
    let io = |error: std::io::Error| IndexError(format!("moving it aside: {error}"));
    remove(&place(KEPT_ASIDE)).map_err(io)?;
    for n in (1..KEPT_ASIDE).rev() {
        if place(n).exists() {
            std::fs::rename(place(n), place(n + 1)).map_err(io)?;
        }
    }
    std::fs::rename(path, place(1)).map_err(io)
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(feature = "redb")]
pub(super) fn damaged(what: &str) -> IndexError {
    IndexError(format!("{what} is damaged"))
}

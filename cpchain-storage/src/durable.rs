//! What must be asked of the disk besides syncing a file.

use std::{io, path::Path};

/// Makes the names in `dir` durable: without it, a new or renamed file may be gone after a power cut.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    #[cfg(unix)]
    std::fs::File::open(dir)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

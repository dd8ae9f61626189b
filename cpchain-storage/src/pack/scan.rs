//! Reading a pack from front to end, across damage: after a header that is none, the scan goes on at the next one.

use std::fs::File;

use super::{
    files::{io_error, len, read_exact_at},
    frame::{FRAME_HEADER, Frame, FrameKind, MAGIC},
};
use crate::chunk::StoreError;

const WINDOW: usize = 64 << 10;

/// What lies at some place of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A frame that lies in the file as a whole. `good`: its body was read and matches (always true if not asked for).
    Frame { offset: u64, frame: Frame, good: bool },
    /// Bytes that belong to no frame.
    Garbage { offset: u64, length: u64 },
}

/// Calls `visit` for everything in `file` between `from` and `to` (the file's end if that is earlier), in order, and
/// returns where the last frame ends.
pub(crate) fn scan(
    file: &File,
    from: u64,
    to: u64,
    check_bodies: bool,
    mut visit: impl FnMut(Found) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let to = to.min(len(file)?);
    let (mut at, mut end) = (from, from);
    let mut body = Vec::new();
    while at < to {
        if let Some(frame) = frame_at(file, at, to)? {
            let good = !check_bodies || frame.kind == FrameKind::Renewal || {
                body.resize(frame.length as usize, 0);
                let read = read_exact_at(file, &mut body, at + FRAME_HEADER as u64);
                read.is_ok() && frame.id.matches(&body)
            };
            visit(Found::Frame { offset: at, frame, good })?;
            at += frame.len();
            end = at;
        } else {
            let next = next_frame(file, at + 1, to)?;
            visit(Found::Garbage { offset: at, length: next - at })?;
            at = next;
        }
    }
    Ok(end)
}

/// The frame at `at`, if there is one that ends at or before `to`.
pub(crate) fn frame_at(file: &File, at: u64, to: u64) -> Result<Option<Frame>, StoreError> {
    if to.saturating_sub(at) < FRAME_HEADER as u64 {
        return Ok(None);
    }
    let mut header = [0; FRAME_HEADER];
    read_exact_at(file, &mut header, at).map_err(io_error("reading a frame"))?;
    Ok(Frame::from_bytes(&header).filter(|frame| to - at >= frame.len()))
}

/// Where the next frame begins at or after `from`; `to` if there is none.
fn next_frame(file: &File, mut from: u64, to: u64) -> Result<u64, StoreError> {
    let mut window = vec![0; WINDOW];
    while to.saturating_sub(from) >= FRAME_HEADER as u64 {
        let size = WINDOW.min((to - from) as usize);
        let window = window.get_mut(..size).unwrap_or_default();
        read_exact_at(file, window, from).map_err(io_error("reading a pack"))?;
        for (place, candidate) in window.windows(MAGIC.len()).enumerate() {
            if candidate == MAGIC && frame_at(file, from + place as u64, to)?.is_some() {
                return Ok(from + place as u64);
            }
        }
        from += (size - (MAGIC.len() - 1)) as u64;
    }
    Ok(to)
}

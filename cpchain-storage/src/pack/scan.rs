//! Reading a pack from front to end, across damage: after a header that is none, the scan goes on at the next one.
//!
//! A chunk may hold bytes that look like frames. So a frame that was found by searching counts only if its body has its
//! hash, and the length of a damaged frame is believed only if another frame begins where it ends.

use std::ops::ControlFlow;

use super::{
    disk::{PackFile, len},
    frame::{FRAME_HEADER, Frame, FrameKind, MAGIC},
};
use crate::chunk::StoreError;

const WINDOW: usize = 64 << 10;
/// What is given up when the disk cannot read it.
const BLOCK: usize = 4096;

/// What lies at some place of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A frame. `good`: its body matches, or was not asked for.
    Frame { offset: u64, frame: Frame, good: bool },
    /// Bytes that belong to no frame.
    Garbage { offset: u64, length: u64 },
}

/// Where a scan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// The end of the last frame.
    pub(crate) end: u64,
    /// Where the next scan goes on.
    pub(crate) at: u64,
    /// The disk could not read some of it.
    pub(crate) unreadable: bool,
}

/// Calls `visit` for everything in `file` between `from` and `to` (the file's end if that is earlier), in order, until it
/// breaks.
pub(crate) fn scan(
    file: &dyn PackFile,
    from: u64,
    to: u64,
    check_bodies: bool,
    mut visit: impl FnMut(Found) -> Result<ControlFlow<()>, StoreError>,
) -> Result<Scanned, StoreError> {
    let to = to.min(len(file)?);
    let mut scan = Scan { file, to, unreadable: false, body: Vec::new() };
    let (mut at, mut end) = (from, from);
    // Does the place follow from whole frames before it?
    let mut is_sure = true;
    while at < to {
        let offset = at;
        let found = if let Some(frame) = scan.frame_at(at) {
            let is_believed = is_sure && !check_bodies;
            let good = is_believed || scan.is_whole(&frame, at);
            let next = at + frame.len();
            is_sure = good || is_sure && (next == to || scan.frame_at(next).is_some());
            if is_sure {
                (at, end) = (next, next);
            } else {
                at += FRAME_HEADER as u64;
            }
            Found::Frame { offset, frame, good }
        } else {
            is_sure = false;
            at = scan.next_frame(at + 1);
            Found::Garbage { offset, length: at - offset }
        };
        if visit(found)?.is_break() {
            break;
        }
    }
    Ok(Scanned { end, at, unreadable: scan.unreadable })
}

struct Scan<'a> {
    file: &'a dyn PackFile,
    to: u64,
    unreadable: bool,
    body: Vec<u8>,
}

impl Scan<'_> {
    /// The frame at `at`, if there is one that ends in time.
    fn frame_at(&mut self, at: u64) -> Option<Frame> {
        let left = self.to.saturating_sub(at);
        if left < FRAME_HEADER as u64 {
            return None;
        }
        let mut header = [0; FRAME_HEADER];
        if self.file.read_exact_at(&mut header, at).is_err() {
            self.unreadable = true;
            return None;
        }
        Frame::from_bytes(&header).filter(|frame| left >= frame.len())
    }

    fn is_whole(&mut self, frame: &Frame, at: u64) -> bool {
        if frame.kind == FrameKind::Renewal {
            return true;
        }
        self.body.resize(frame.length as usize, 0);
        let read = self.file.read_exact_at(&mut self.body, at + FRAME_HEADER as u64);
        self.unreadable |= read.is_err();
        read.is_ok() && frame.id.matches(&self.body)
    }

    /// Where the next frame begins at or after `from`; the end if there is none.
    fn next_frame(&mut self, mut from: u64) -> u64 {
        let mut window = vec![0; WINDOW];
        while self.to.saturating_sub(from) >= FRAME_HEADER as u64 {
            let size = WINDOW.min((self.to - from) as usize);
            let window = window.get_mut(..size).unwrap_or_default();
            self.read_what_reads(window, from);
            for (place, candidate) in window.windows(MAGIC.len()).enumerate() {
                if candidate == MAGIC && self.frame_at(from + place as u64).is_some() {
                    return from + place as u64;
                }
            }
            from += (size - (MAGIC.len() - 1)) as u64;
        }
        self.to
    }

    /// Zeros stand for what does not read.
    fn read_what_reads(&mut self, window: &mut [u8], from: u64) {
        if self.file.read_exact_at(window, from).is_ok() {
            return;
        }
        self.unreadable = true;
        for (n, block) in window.chunks_mut(BLOCK).enumerate() {
            if self.file.read_exact_at(block, from + (n * BLOCK) as u64).is_err() {
                block.fill(0);
            }
        }
    }
}

//! Memory that every question reads from front to back.
//!
//! A processor looks up where each page of memory lies. In pages of 4 KiB that takes as long as the reading; Linux gives pages of 2 MiB to who asks.
#![allow(unsafe_code)]

use alloc::vec::Vec;

/// Bytes of a large page.
#[cfg(target_os = "linux")]
const LARGE: usize = 1 << 21;

/// An empty vector with room for so many, in large pages as far as it is long enough and the system has some.
pub(super) fn with_capacity<T>(count: usize) -> Vec<T> {
    #[cfg_attr(not(target_os = "linux"), expect(unused_mut))]
    let mut room = Vec::with_capacity(count);
    #[cfg(target_os = "linux")]
    ask_for_large(room.spare_capacity_mut());
    room
}

#[cfg(target_os = "linux")]
fn ask_for_large<T>(room: &mut [core::mem::MaybeUninit<T>]) {
    let room = room.as_mut_ptr_range();
    let (start, end) = (room.start.addr().next_multiple_of(LARGE), room.end.addr() / LARGE * LARGE);
    if start < end {
        let from = room.start.with_addr(start);
        // SAFETY: the pages lie within memory that belongs to the vector, and the advice does not change what is in them. A system that refuses loses
        // nothing but speed.
        unsafe { libc::madvise(from.cast(), end - start, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_as_good_as_any_other() {
        for count in [0, 1, LARGE / 8 - 1, LARGE] {
            let mut numbers = with_capacity::<u64>(count);
            assert!(numbers.is_empty() && numbers.capacity() >= count);
            numbers.extend(0..count as u64);
            assert!(numbers.iter().copied().eq(0..count as u64));
        }
    }
}

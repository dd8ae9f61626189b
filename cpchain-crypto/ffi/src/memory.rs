//! The border: a caller's pointer becomes a Rust value here and nowhere else.
//!
//! What can be checked is checked: NULL, lengths that no object has, addresses that wrap, overlap of what must not
//! overlap. What cannot be checked (that the memory is there, and that nobody else writes it meanwhile) is the caller's promise.

use crate::Status;

/// Where an argument lies, to be compared with the others.
#[derive(Clone, Copy)]
pub(crate) struct Area {
    start: usize,
    len: usize,
}

impl Area {
    pub(crate) fn of<T>(ptr: *const T) -> Self {
        Self { start: ptr.addr(), len: size_of::<T>() }
    }

    pub(crate) fn bytes(ptr: *const u8, len: usize) -> Self {
        Self { start: ptr.addr(), len }
    }

    const fn overlaps(self, other: Self) -> bool {
        // Neither sum wraps for areas that passed `check`; saturating keeps it true for those that did not.
        self.len != 0
            && other.len != 0
            && self.start < other.start.saturating_add(other.len)
            && other.start < self.start.saturating_add(self.len)
    }
}

/// Is what will be written apart from everything else?
pub(crate) fn apart(written: &[Area], read: &[Area]) -> Result<(), Status> {
    let mut rest = written;
    while let Some((area, after)) = rest.split_first() {
        if after.iter().chain(read).any(|other| area.overlaps(*other)) {
            return Err(Status::Overlap);
        }
        rest = after;
    }
    Ok(())
}

fn check(ptr: *const u8, len: usize) -> Result<(), Status> {
    if len > isize::MAX.unsigned_abs() || ptr.addr().checked_add(len).is_none() {
        return Err(Status::Length);
    }
    if ptr.is_null() { Err(Status::Null) } else { Ok(()) }
}

/// Borrows `len` bytes to read. NULL is fine when `len` is 0.
///
/// # Safety
/// A `ptr` that is not NULL is valid for reads of `len` bytes, which nobody writes during `'a`.
pub(crate) unsafe fn input<'a>(ptr: *const u8, len: usize) -> Result<&'a [u8], Status> {
    if len == 0 {
        return Ok(&[]);
    }
    check(ptr, len)?;
    // SAFETY: not NULL, at most isize::MAX bytes, does not wrap; valid for reads by this function's contract.
    Ok(unsafe { core::slice::from_raw_parts(ptr, len) })
}

/// Borrows `len` bytes to write. NULL is fine when `len` is 0.
///
/// # Safety
/// A `ptr` that is not NULL is valid for reads and writes of `len` bytes, which nothing else accesses during `'a`.
pub(crate) unsafe fn output<'a>(ptr: *mut u8, len: usize) -> Result<&'a mut [u8], Status> {
    if len == 0 {
        return Ok(&mut []);
    }
    check(ptr, len)?;
    // SAFETY: not NULL, at most isize::MAX bytes, does not wrap; valid and unshared by this function's contract.
    Ok(unsafe { core::slice::from_raw_parts_mut(ptr, len) })
}

/// Copies a fixed number of bytes in.
///
/// # Safety
/// A `ptr` that is not NULL is valid for reads of `N` bytes.
pub(crate) unsafe fn array<const N: usize>(ptr: *const u8) -> Result<[u8; N], Status> {
    check(ptr, N)?;
    // SAFETY: not NULL, valid for reads of N bytes by contract; a byte array has alignment 1.
    Ok(unsafe { ptr.cast::<[u8; N]>().read() })
}

/// Copies a value out.
///
/// # Safety
/// A `ptr` that is not NULL is valid for writes of `T`; it may be unaligned.
pub(crate) unsafe fn put<T>(ptr: *mut T, value: T) -> Result<(), Status> {
    check(ptr.cast(), size_of::<T>())?;
    // SAFETY: not NULL, valid for writes by contract; the alignment is not assumed.
    unsafe { ptr.write_unaligned(value) };
    Ok(())
}

/// May a value be [`put`] there?
pub(crate) fn check_put<T>(ptr: *mut T) -> Result<(), Status> {
    check(ptr.cast(), size_of::<T>())
}

/// Copies a value in.
///
/// # Safety
/// A `ptr` that is not NULL is valid for reads of an initialised `T`; it may be unaligned.
pub(crate) unsafe fn get<T: Copy>(ptr: *const T) -> Result<T, Status> {
    check(ptr.cast(), size_of::<T>())?;
    // SAFETY: not NULL, valid for reads of an initialised T by contract; the alignment is not assumed.
    Ok(unsafe { ptr.read_unaligned() })
}

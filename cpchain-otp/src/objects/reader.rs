//! A range of an object as verified parts, in the order in which they travel.

use std::ops::Range;

use bytes::Bytes;

use super::{Object, ObjectError, pages::Pages};
use crate::bao::{GROUP_LEN, Part, Walk, outboard_len};

const DATA_PAGE: u64 = 8 * GROUP_LEN;
const OUTBOARD_PAGE: u64 = 64 * 1024;

/// Reads a range of an object and proves each part before it gives it away.
pub struct ObjectReader {
    object: Object,
    walk: Walk,
    data: Pages,
    outboard: Pages,
}

impl ObjectReader {
    pub(super) fn new(object: Object, range: Range<u64>) -> Option<Self> {
        let walk = Walk::new(object.root, object.size, range)?;
        let data = Pages::new(object.data_key.clone(), object.size, DATA_PAGE, 2);
        let outboard = Pages::new(object.outboard_key(), outboard_len(object.size), OUTBOARD_PAGE, 8);
        Some(Self { object, walk, data, outboard })
    }

    /// The next part; `None` at the end of the range.
    ///
    /// # Errors
    /// [`ObjectError::Corrupt`] if the storage gave other bytes than the root proves.
    pub async fn next(&mut self) -> Result<Option<(Part, Bytes)>, ObjectError> {
        let Some(part) = self.walk.part() else { return Ok(None) };
        let backend = self.object.backend.as_ref();
        let bytes = match part {
            Part::Pair { outboard_offset } => self.outboard.get(backend, outboard_offset, part.len()).await?,
            Part::Group { offset, len } => self.data.get(backend, offset, len).await?,
        };
        self.walk.accept(&bytes).map_err(|_| ObjectError::Corrupt { root: self.object.root })?;
        Ok(Some((part, bytes)))
    }
}

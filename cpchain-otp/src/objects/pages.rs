//! A value read page by page, the last few kept.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::backend::{Backend, BackendError};

pub(super) struct Pages {
    key: String,
    size: u64,
    page: u64,
    most: usize,
    kept: VecDeque<(u64, Bytes)>,
}

impl Pages {
    /// `page` bytes at a time, at most `most` pages in memory.
    pub(super) fn new(key: String, size: u64, page: u64, most: usize) -> Self {
        Self { key, size, page, most, kept: VecDeque::with_capacity(most) }
    }

    /// `len` bytes at `offset`; without a copy when they lie in one page.
    pub(super) async fn get(&mut self, backend: &dyn Backend, offset: u64, len: usize) -> Result<Bytes, BackendError> {
        let end = offset.checked_add(len as u64).filter(|end| *end <= self.size);
        let end = end.ok_or_else(|| BackendError::Missing(self.key.clone()))?;
        let mut whole = BytesMut::new();
        let mut at = offset;
        while at < end {
            let start = at / self.page * self.page;
            let stop = end.min(start + self.page);
            let page = self.load(backend, start).await?;
            let (from, to) = ((at - start) as usize, (stop - start) as usize);
            if from > to || to > page.len() {
                return Err(BackendError::Missing(self.key.clone()));
            }
            let piece = page.slice(from..to);
            if piece.len() == len {
                return Ok(piece);
            }
            whole.extend_from_slice(&piece);
            at = stop;
        }
        Ok(whole.freeze())
    }

    async fn load(&mut self, backend: &dyn Backend, start: u64) -> Result<Bytes, BackendError> {
        if let Some((_, page)) = self.kept.iter().find(|(at, _)| *at == start) {
            return Ok(page.clone());
        }
        let page = backend.read(&self.key, start..self.size.min(start + self.page)).await?;
        if self.kept.len() >= self.most {
            self.kept.pop_front();
        }
        self.kept.push_back((start, page.clone()));
        Ok(page)
    }
}

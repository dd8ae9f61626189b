//! Answers to PULL from final blocks.

use alloc::vec::Vec;

use super::{Storage, StorageError};
use crate::{
    ids::{Height, Term},
    lbft::{FinalEntry, Kind, MAX_PAYLOAD, MAX_PIECES, MAX_RANGE, Message, Pull, Range},
};

/// Bytes of payloads after which an answer brings no further block.
const MAX_ANSWER: usize = 4 << 20;
/// Most final heights that are looked at for one range: impeached ones have no block.
const MAX_SPAN: u64 = 8 * MAX_RANGE as u64;

/// What the driver sends for an [`Output::Serve`](crate::lbft::Output::Serve), in this order. Bounded, whatever is asked.
///
/// # Errors
/// [`StorageError`] if the store cannot be read.
pub fn answer(storage: &dyn Storage, pull: &Pull) -> Result<Vec<Message>, StorageError> {
    let mut messages = Vec::new();
    if let Some(from) = pull.range {
        let (ranges, ended) = ranges(storage, from, pull.pieces.clamp(1, MAX_PIECES))?;
        messages.extend(ranges.into_iter().map(Message::Range));
        messages.extend(handover(storage, ended)?);
    }
    let mut heights = pull.heights.clone();
    for digest in &pull.digests {
        heights.extend(storage.height_of(digest)?);
    }
    heights.sort_unstable();
    heights.dedup();
    let mut weight = 0_usize;
    for height in heights {
        let Some(entry) = storage.final_entry(height)? else { continue };
        weight = weight.saturating_add(entry.block.payload.len());
        messages.extend(entry.messages());
        messages.extend(handover(storage, entry.closing.is_some().then_some(entry.term))?);
        if weight > MAX_ANSWER {
            break;
        }
    }
    Ok(messages)
}

/// Who lacks the end of a term is told who follows.
fn handover(storage: &dyn Storage, ended: Option<Term>) -> Result<Option<Message>, StorageError> {
    let Some(term) = ended else { return Ok(None) };
    Ok(storage.handover(term)?.map(Message::Certificate))
}

/// Up to so many pieces of the final chain of one term from this height on; each but the last says that there is more.
/// And the term, if they end it.
fn ranges(storage: &dyn Storage, from: Height, pieces: u32) -> Result<(Vec<Range>, Option<Term>), StorageError> {
    let mut reader = Reader { storage, next: from, ahead: None, weight: 0 };
    let mut ranges: Vec<Range> = Vec::new();
    for _ in 0..pieces {
        let Some((range, ended)) = reader.range()? else { break };
        if let Some(before) = ranges.last_mut() {
            before.more = true;
        }
        ranges.push(range);
        if ended.is_some() || reader.weight > MAX_ANSWER {
            return Ok((ranges, ended));
        }
    }
    Ok((ranges, None))
}

/// Reads final heights in order.
struct Reader<'a> {
    storage: &'a dyn Storage,
    next: Height,
    /// Read already, and not part of a range yet.
    ahead: Option<FinalEntry>,
    /// Bytes of payloads in the ranges so far.
    weight: usize,
}

impl Reader<'_> {
    fn entry(&mut self, height: Height) -> Result<Option<FinalEntry>, StorageError> {
        match self.ahead.take().filter(|entry| entry.block.height == height) {
            Some(entry) => Ok(Some(entry)),
            None => self.storage.final_entry(height),
        }
    }

    /// The chain of one term from here on, up to the last C-certificate that fits, and the term if that ends it; none
    /// if none fits.
    fn range(&mut self) -> Result<Option<(Range, Option<Term>)>, StorageError> {
        let (mut blocks, mut best, mut term, mut weight) = (Vec::new(), None, None, 0_usize);
        for height in (self.next.0..self.next.0.saturating_add(MAX_SPAN)).map(Height) {
            let Some(mut entry) = self.entry(height)? else { break };
            weight = weight.saturating_add(entry.block.payload.len());
            let closing = entry.closing.as_ref().map_or(0, |closing| closing.blocks.len());
            let more = usize::from(entry.sealed.is_some()) + closing;
            let fits = weight <= MAX_PAYLOAD && blocks.len() + more <= MAX_RANGE;
            if !fits || *term.get_or_insert(entry.term) != entry.term {
                self.ahead = Some(entry);
                break;
            }
            blocks.extend(entry.sealed.take());
            if let Some(closing) = entry.closing {
                blocks.extend(closing.blocks);
                best = Some((blocks.len(), weight, closing.certificate, height, term));
                break;
            }
            if let Some(certificate) = entry.certificate.filter(|certificate| certificate.kind == Kind::Commit) {
                best = Some((blocks.len(), weight, certificate, height, None));
            }
        }
        Ok(best.map(|(length, weight, certificate, end, ended)| {
            blocks.truncate(length);
            self.next = end.next();
            self.weight = self.weight.saturating_add(weight);
            (Range { blocks, certificate, more: false }, ended)
        }))
    }
}

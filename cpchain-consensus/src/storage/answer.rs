//! Answers to PULL from final blocks.

use alloc::vec::Vec;

use super::{Storage, StorageError};
use crate::{
    ids::{Height, Term},
    lbft::{Kind, MAX_PAYLOAD, MAX_RANGE, Message, Pull, Range},
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
    let range = pull.range.map(|from| range(storage, from)).transpose()?;
    if let Some((range, ended)) = range.flatten() {
        messages.push(Message::Range(range));
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

/// The final chain of one term from this height on, up to the last C-certificate that fits, and the term if that ends it; none if
/// none does.
fn range(storage: &dyn Storage, from: Height) -> Result<Option<(Range, Option<Term>)>, StorageError> {
    let (mut blocks, mut best, mut term, mut weight) = (Vec::new(), None, None, 0_usize);
    for height in (from.0..from.0.saturating_add(MAX_SPAN)).map(Height) {
        let Some(entry) = storage.final_entry(height)? else { break };
        weight = weight.saturating_add(entry.block.payload.len());
        let closing = entry.closing.as_ref().map_or(0, |closing| closing.blocks.len());
        let fits = weight <= MAX_PAYLOAD && blocks.len() + usize::from(entry.sealed.is_some()) + closing <= MAX_RANGE;
        if !fits || *term.get_or_insert(entry.term) != entry.term {
            break;
        }
        blocks.extend(entry.sealed);
        if let Some(closing) = entry.closing {
            blocks.extend(closing.blocks);
            best = Some((blocks.len(), closing.certificate, term));
            break;
        }
        if let Some(certificate) = entry.certificate.filter(|certificate| certificate.kind == Kind::Commit) {
            best = Some((blocks.len(), certificate, None));
        }
    }
    Ok(best.map(|(length, certificate, ended)| {
        blocks.truncate(length);
        (Range { blocks, certificate }, ended)
    }))
}

//! Answers to PULL from final blocks.

use alloc::vec::Vec;

use super::{Storage, StorageError};
use crate::{
    ids::Height,
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
    if let Some(from) = pull.range {
        messages.extend(range(storage, from)?.map(Message::Range));
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
        if weight > MAX_ANSWER {
            break;
        }
    }
    Ok(messages)
}

/// The final chain of one term from this height on, up to the last C-certificate that fits; none if none does.
fn range(storage: &dyn Storage, from: Height) -> Result<Option<Range>, StorageError> {
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
            best = Some((blocks.len(), closing.certificate));
            break;
        }
        if let Some(certificate) = entry.certificate.filter(|certificate| certificate.kind == Kind::Commit) {
            best = Some((blocks.len(), certificate));
        }
    }
    Ok(best.map(|(length, certificate)| {
        blocks.truncate(length);
        Range { blocks, certificate }
    }))
}

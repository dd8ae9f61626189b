//! `lab audit`: what a proof of storage costs both sides, beside hashing the whole shard and beside the reference decoder.
//!
//! A verification is that of one question: the leaf is drawn from the epoch's randomness, then the slice is checked. The
//! receipt's signature is checked once, when the receipt comes in, and is not in here.

use std::{cell::Cell, hint::black_box, io::Read};

use cpchain_crypto::PublicKey;
use cpchain_storage::{ChunkId, audit::Question, slice};

use crate::{
    measure::{Effort, compare},
    report::Figure,
};

/// Shards of one chunk, so that no cache holds all that is verified.
const SHARDS: usize = 30;
/// Epochs whose proofs are made.
const EPOCHS: usize = 16;
/// 300,000 verified slices a second.
const GOAL_NS: f64 = 1e9 / 300_000.0;

/// A question, the randomness of its epoch, and the answer.
struct Asked {
    shard: usize,
    question: Question,
    randomness: [u8; 32],
    leaf: u64,
    slice: Vec<u8>,
}

/// Runs the benches of audits; `progress` is told the name of each before it runs.
///
/// # Errors
/// [`slice::SliceError`] if a slice does not verify.
pub fn audit(effort: Effort, progress: impl Fn(String)) -> Result<Vec<Figure>, slice::SliceError> {
    let mut figures = Vec::new();
    // A shard of a full chunk of 10/30, and the largest chunk.
    for length in [104_896, 1 << 20] {
        progress(format!("audit of shards of {length} bytes"));
        let shards: Vec<Vec<u8>> = (0..SHARDS).map(|n| fill(n, length)).collect();
        let asked = (0..EPOCHS * SHARDS).map(|n| ask(n, &shards)).collect::<Result<Vec<_>, _>>()?;
        figures.extend(verify(effort, length, &shards, &asked));
        figures.push(prove(effort, length, &shards, &asked));
    }
    Ok(figures)
}

fn fill(n: usize, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&n.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn ask(n: usize, shards: &[Vec<u8>]) -> Result<Asked, slice::SliceError> {
    let (shard, randomness) = (n % SHARDS, *blake3::hash(&n.to_le_bytes()).as_bytes());
    let bytes = shards.get(shard).map_or(&[][..], Vec::as_slice);
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let question = Question { holder: PublicKey([7; 32]), shard: ChunkId::of(bytes), length };
    let leaf = u64::from(question.challenge(&randomness).leaf);
    let slice = slice::prove(bytes, leaf * slice::LEAF_LEN..leaf * slice::LEAF_LEN + 1)?;
    question.check(&randomness, &slice)?;
    Ok(Asked { shard, question, randomness, leaf, slice })
}

fn verify(effort: Effort, length: usize, shards: &[Vec<u8>], asked: &[Asked]) -> [Figure; 2] {
    let next = Turn::default();
    let ours = || next.of(asked).is_some_and(|asked| asked.question.check(&asked.randomness, &asked.slice).is_ok());
    let (sample, _, whole) = compare(effort, ours, || {
        let asked = next.of(asked)?;
        Some(asked.question.shard.matches(shards.get(asked.shard)?))
    });
    let (again, _, reference) = compare(effort, ours, || {
        let asked = next.of(asked)?;
        let hash = blake3::Hash::from(*asked.question.shard.as_bytes());
        let start = asked.leaf * slice::LEAF_LEN;
        let mut read = Vec::with_capacity(slice::LEAF_LEN as usize);
        let mut decoder = bao::decode::SliceDecoder::new(asked.slice.as_slice(), &hash, start, 1);
        decoder.read_to_end(&mut read).ok()
    });
    let params = format!("shard={length} slice={}", asked.first().map_or(0, |asked| asked.slice.len()));
    [
        Figure::nanoseconds("audit::verify", params.clone(), &sample)
            .against("BLAKE3 of the whole shard", whole)
            .at_most(GOAL_NS),
        Figure::nanoseconds("audit::verify", params, &again).against("bao::decode::SliceDecoder", reference),
    ]
}

/// What a holder does once it has read, and so hashed, the shard.
fn prove(effort: Effort, length: usize, shards: &[Vec<u8>], asked: &[Asked]) -> Figure {
    let next = Turn::default();
    let (sample, _, ratio) = compare(
        effort,
        || {
            let asked = next.of(asked)?;
            let start = asked.leaf * slice::LEAF_LEN;
            slice::prove(shards.get(asked.shard)?, start..start + 1).ok()
        },
        || next.of(asked).and_then(|asked| Some(black_box(ChunkId::of(shards.get(asked.shard)?)))),
    );
    Figure::nanoseconds("audit::prove", format!("shard={length}"), &sample).against("BLAKE3 of the whole shard", ratio)
}

/// Goes through a list, round and round.
#[derive(Default)]
struct Turn(Cell<usize>);

impl Turn {
    fn of<'a, T>(&self, list: &'a [T]) -> Option<&'a T> {
        let at = self.0.get();
        self.0.set((at + 1) % list.len().max(1));
        list.get(at)
    }
}

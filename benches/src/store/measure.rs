//! What one process measures.

use std::{error::Error, path::Path, time::Instant};

use cpchain_storage::HashedChunk;

use super::{BATCH, CHUNK, Found, engine::Engine};
use crate::measure::{Clock, ProcessClock};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Chunk `n` of incompressible bytes.
fn chunk(n: u64, len: usize) -> HashedChunk {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    HashedChunk::new(bytes.into())
}

/// Durable puts in batches, and closing.
pub(super) fn put(engine: Engine, dir: &Path, batches: usize) -> Result<Found> {
    let store = engine.open(dir)?;
    let (start, process) = (Instant::now(), ProcessClock::now());
    let mut making = 0.0;
    for batch in 0..batches {
        let clock = Clock::now();
        let chunks: Vec<_> = (0..BATCH).map(|n| chunk((batch * BATCH + n) as u64, CHUNK)).collect();
        making += clock.elapsed_nanos();
        store.put(&chunks, u64::MAX)?;
    }
    drop(store);
    let puts = (batches * BATCH) as f64;
    Ok(Found {
        cpu_ns: (process.elapsed_nanos() - making) / puts,
        wall_ns: (start.elapsed().as_nanos() as f64 - making) / puts,
        ..Found::default()
    })
}

/// Every second chunk goes, eight times over: the worst case for packs, where all die evenly.
pub(super) fn churn(engine: Engine, dir: &Path, chunks: usize) -> Result<Found> {
    let mut store = engine.open(dir)?;
    let half = chunks / 2;
    let short = |round: usize| (0..half).map(move |n| (chunks * (round + 1) + n) as u64);
    let put = |store: &dyn super::engine::Chunks, numbers: &mut dyn Iterator<Item = u64>, until| -> Result<()> {
        let mut numbers = numbers.peekable();
        while numbers.peek().is_some() {
            let batch: Vec<_> = numbers.by_ref().take(BATCH / 2).map(|n| chunk(n, CHUNK)).collect();
            store.put(&batch, until)?;
        }
        Ok(())
    };
    for from in (0..half).step_by(BATCH / 2) {
        let to = half.min(from + BATCH / 2);
        put(&*store, &mut (from as u64..to as u64), u64::MAX)?;
        put(&*store, &mut short(0).skip(from).take(to - from), 1)?;
    }
    for round in 1..=8 {
        let old: Vec<_> = short(round - 1).map(|n| *chunk(n, CHUNK).id()).collect();
        store.remove(round as u64 + 1, &old)?;
        put(&*store, &mut short(round), round as u64 + 1)?;
    }
    let live = (half * 2 * CHUNK) as f64;
    let disk = used(dir)? as f64 / live;
    store.compact()?;
    for n in (0..half as u64).chain(short(8)) {
        let chunk = chunk(n, CHUNK);
        if store.get(chunk.id())?.as_deref() != Some(chunk.as_ref()) {
            return Err(format!("chunk {n} is not there after compaction").into());
        }
    }
    drop(store);
    Ok(Found { disk, compacted: used(dir)? as f64 / live, ..Found::default() })
}

/// Many chunks of `len` bytes: memory and times.
pub(super) fn index(engine: Engine, dir: &Path, chunks: usize, len: usize) -> Result<Found> {
    let batch = if len < 1024 { 1024 } else { BATCH };
    let store = engine.open(dir)?;
    for from in (0..chunks).step_by(batch) {
        let chunks: Vec<_> = (from..chunks.min(from + batch)).map(|n| chunk(n as u64, len)).collect();
        store.put(&chunks, u64::MAX)?;
    }
    let memory_after_puts = memory("VmRSS")?;
    drop(store);
    let start = Instant::now();
    let store = engine.open(dir)?;
    let open_ns = start.elapsed().as_nanos() as f64;
    for n in (0..chunks as u64).step_by(chunks.div_ceil(20_000)) {
        let chunk = chunk(n, len);
        if store.get(chunk.id())?.as_deref() != Some(chunk.as_ref()) {
            return Err(format!("chunk {n} is not there").into());
        }
    }
    let memory = memory("VmRSS")?.max(memory_after_puts);
    let peak_memory = self::memory("VmHWM")?;
    drop(store);
    let index = dir.join("index");
    if index.is_dir() {
        std::fs::remove_dir_all(&index)?
    } else {
        std::fs::remove_file(&index)?
    }
    let bytes = used(&dir.join("packs"))? as f64;
    let start = Instant::now();
    let store = engine.open(dir)?;
    let rebuild_ns = start.elapsed().as_nanos() as f64;
    let middle = chunk(chunks as u64 / 2, len);
    if store.get(middle.id())?.as_deref() != Some(middle.as_ref()) {
        return Err("the rebuilt index lacks a chunk".into());
    }
    Ok(Found { memory, peak_memory, open_ns, rebuild_ns, bytes, ..Found::default() })
}

/// Bytes that the disk holds for a folder.
fn used(dir: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let meta = match entry.metadata() {
            // Databases remove files in the background.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            meta => meta?,
        };
        sum += if meta.is_dir() { used(&entry.path())? } else { on_disk(&meta) };
    }
    Ok(sum)
}

#[cfg(unix)]
fn on_disk(meta: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(meta) * 512
}

#[cfg(not(unix))]
fn on_disk(meta: &std::fs::Metadata) -> u64 {
    meta.len()
}

/// A value of `/proc/self/status` in MiB; not a number where there is no such file.
fn memory(name: &str) -> Result<f64> {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return Ok(f64::NAN) };
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no memory figure")?;
    let kib: f64 = line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}

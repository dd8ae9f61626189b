//! `lab pipeline`: plaintext in, durable shards out, on one core: seal, hash, code, pack; each stage alone, and the whole
//! beside the same pipeline with the shards in sled, its file synced, which its `flush` does not do.
//!
//! Plaintext goes in batches of sixteen pieces of about 1 MiB, each of which is sealed into one chunk; all shards of a batch
//! share one sync. Sealing is measured both ways: **leaf by leaf**, as uploads are (a key for each 4 KiB, what proves a bad
//! leaf, the hash that chains the blocks), and as **one stream** of 64 KiB pieces under one key, which is what a pipeline
//! without fair sale would do. The same shards in one plain file with one sync show what the kernel takes of the pack stage. The
//! clock is the processor time of the process, the kernel's work for it included.

use std::{error::Error, fs::File, hint::black_box, io::Write, path::Path};

use bytes::Bytes;
use cpchain_crypto::{
    ChaCha20Poly1305, Digest, Key,
    block::{BlockHeader, SealedBlock, seal_into},
    key_tree::{IntervalId, StreamSecret},
    merkle::RootBuilder,
    stream::{StreamPrefix, StreamSealer},
};
use cpchain_storage::{
    CHUNK_LEN, ChunkId, ChunkStore, CodedChunk, Coder, ErasureParams, HashedChunk, Lease, PackOptions, PackStore,
    index::SledIndex,
};

use crate::{
    measure::{Effort, ProcessClock},
    report::{Figure, Goal},
};

/// Chunks of a batch: 16 MiB.
const BATCH: usize = 16;
const PIECE: usize = 64 << 10;
const TAG: usize = 16;

/// How plaintext becomes ciphertext.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sealing {
    Leaves,
    Stream,
}

impl Sealing {
    const fn name(self) -> &'static str {
        match self {
            Self::Leaves => "leaf by leaf",
            Self::Stream => "one stream",
        }
    }

    /// Bytes of plaintext that make one chunk.
    const fn plain_len(self) -> usize {
        match self {
            // 254 leaves of 4 KiB with their tags, and the header.
            Self::Leaves => 254 * 4096,
            Self::Stream => CHUNK_LEN / (PIECE + TAG) * PIECE,
        }
    }
}

/// The sealed chunks of a batch. No two batches seal alike, so that no store finds a shard twice.
fn seal(sealing: Sealing, plain: &[u8], batch: u32) -> Result<Vec<Bytes>, Box<dyn Error>> {
    match sealing {
        Sealing::Leaves => seal_leaves(plain, batch),
        Sealing::Stream => {
            let mut prefix = [0; 7];
            prefix[..4].copy_from_slice(&batch.to_le_bytes());
            let mut sealer = StreamSealer::new(ChaCha20Poly1305::new(&Key::from_bytes([7; 32])), StreamPrefix(prefix));
            let mut chunks = Vec::with_capacity(BATCH);
            for _ in 0..BATCH {
                let mut chunk = Vec::with_capacity(CHUNK_LEN);
                for piece in plain.chunks(PIECE) {
                    let start = chunk.len();
                    chunk.extend_from_slice(piece);
                    let tag = sealer.seal_next(b"", chunk.get_mut(start..).unwrap_or_default())?;
                    chunk.extend_from_slice(&tag.0);
                }
                chunks.push(chunk.into());
            }
            Ok(chunks)
        }
    }
}

fn seal_leaves(plain: &[u8], batch: u32) -> Result<Vec<Bytes>, Box<dyn Error>> {
    let secret = StreamSecret::from_bytes([1; 32]);
    let interval = IntervalId(batch);
    let key = secret.interval_key(interval);
    let mut chunks = Vec::with_capacity(BATCH);
    let (mut previous, mut leaves) = (Digest::ZERO, RootBuilder::default());
    for index in 0..BATCH as u64 {
        let header = BlockHeader {
            stream: Digest::ZERO,
            index,
            interval,
            start_ms: index,
            count: 1,
            codec: 0,
            body_len: u32::try_from(plain.len())?,
            previous,
        };
        let mut sealed = vec![0; header.sealed_len()];
        let mut commitments = Vec::with_capacity(header.leaf_count() as usize);
        seal_into(&header, &key, plain, &mut sealed, |commitment| commitments.push(commitment))?;
        let block = SealedBlock::parse(&sealed)?;
        for ((leaf, cipher), commitment) in (0u32..).zip(block.leaves()).zip(&commitments) {
            leaves.push(commitment.merkle_leaf(&header, leaf, cipher));
        }
        previous = block.hash();
        chunks.push(sealed.into());
    }
    black_box(leaves.root());
    Ok(chunks)
}

/// All chunks coded: hashes of chunk and shards, and the shards.
fn code(coder: &mut Coder, chunks: &[Bytes]) -> Result<Vec<CodedChunk>, Box<dyn Error>> {
    Ok(chunks.iter().map(|chunk| coder.encode(chunk.clone())).collect::<Result<_, _>>()?)
}

fn shards(coded: Vec<CodedChunk>) -> Vec<HashedChunk> {
    coded.into_iter().flat_map(|chunk| chunk.shards).collect()
}

/// Where shards go.
enum Sink {
    Packs(Box<PackStore<SledIndex>>),
    Sled { db: sled::Db, file: File },
}

impl Sink {
    fn packs(dir: &Path) -> Result<Self, Box<dyn Error>> {
        let index = SledIndex::open(dir.join("index"))?;
        Ok(Self::Packs(Box::new(PackStore::open(dir.join("packs"), PackOptions::default(), index)?)))
    }

    fn sled(dir: &Path) -> Result<Self, Box<dyn Error>> {
        let config = sled::Config::new().path(dir.join("bodies")).cache_capacity(32 << 20).flush_every_ms(None);
        let db = config.open()?;
        Ok(Self::Sled { db, file: File::open(dir.join("bodies/db"))? })
    }

    /// Makes the shards of a batch durable.
    fn put(&self, coded: Vec<CodedChunk>) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Packs(store) => {
                store.put_hashed(&shards(coded), Lease::FOREVER)?;
            }
            Self::Sled { db, file } => {
                for chunk in &coded {
                    for shard in &chunk.shards {
                        db.insert(shard.id().as_bytes(), shard.as_ref())?;
                    }
                }
                db.flush()?;
                // What `flush` leaves undone.
                file.sync_data()?;
            }
        }
        Ok(())
    }
}

/// Megabytes of plaintext per second of processor time, round by round.
#[derive(Default)]
struct Rates(Vec<f64>);

impl Rates {
    fn time<T>(&mut self, bytes: usize, work: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<T, Box<dyn Error>> {
        let clock = ProcessClock::now();
        let result = work()?;
        self.0.push(bytes as f64 * 1e3 / clock.elapsed_nanos());
        Ok(result)
    }

    fn quantile(&self, q: f64) -> f64 {
        let mut rates = self.0.clone();
        rates.sort_by(f64::total_cmp);
        let last = rates.len().saturating_sub(1);
        rates.get((last as f64 * q).round() as usize).copied().unwrap_or(f64::NAN)
    }

    fn figure(&self, stage: &str, params: &str) -> Figure {
        let mut figure = Figure::count(&format!("pipeline::{stage}"), params, "MB/cpu-s", self.quantile(0.5));
        // Slow rounds are the exception that is worth showing.
        (figure.p99, figure.runs) = (self.quantile(0.01), self.0.len());
        figure
    }
}

/// Runs the pipeline with 10+10 and 10+20 shards, sealed both ways.
///
/// # Errors
/// What a stage says: a full disk, as a rule.
pub fn pipeline(effort: Effort, mut progress: impl FnMut(String)) -> Result<Vec<Figure>, Box<dyn Error>> {
    let rounds = if effort == Effort::Quick { 3 } else { 11 };
    let mut figures = Vec::new();
    for (total, goal) in [(20, 350.0), (30, 280.0)] {
        for sealing in [Sealing::Stream, Sealing::Leaves] {
            progress(format!("pipeline, 10 of {total}, {}", sealing.name()));
            figures.extend(run(sealing, ErasureParams::new(10, total)?, rounds, goal)?);
        }
    }
    Ok(figures)
}

fn run(sealing: Sealing, params: ErasureParams, rounds: u32, goal: f64) -> Result<Vec<Figure>, Box<dyn Error>> {
    let mut plain = vec![0; sealing.plain_len()];
    blake3::Hasher::new().update(b"readings").finalize_xof().fill(&mut plain);
    let bytes = plain.len() * BATCH;
    let mut coder = Coder::new(params);
    let [mut whole, mut in_sled, mut sealed, mut hashed, mut coded, mut packed, mut appended] =
        std::array::from_fn(|_| Rates::default());
    // The first round only warms up.
    for round in 0..=rounds {
        if round == 1 {
            [&mut whole, &mut in_sled, &mut sealed, &mut hashed, &mut coded, &mut packed, &mut appended]
                .into_iter()
                .for_each(|rates| rates.0.clear());
        }
        // New folders each time: the kernel gives the pages of deleted files out again, which costs it far less than new ones.
        let folder = tempfile::tempdir()?;
        let [packs, stage] = [Sink::packs(&folder.path().join("a"))?, Sink::packs(&folder.path().join("b"))?];
        let sled = Sink::sled(folder.path())?;
        whole.time(bytes, || packs.put(code(&mut coder, &seal(sealing, &plain, round * 3)?)?))?;
        in_sled.time(bytes, || sled.put(code(&mut coder, &seal(sealing, &plain, round * 3 + 1)?)?))?;
        let chunks = sealed.time(bytes, || seal(sealing, &plain, round * 3 + 2))?;
        let done = coded.time(bytes, || code(&mut coder, &chunks))?;
        hashed.time(bytes, || {
            for chunk in &chunks {
                black_box(Digest::content(chunk));
            }
            for shard in done.iter().flat_map(|chunk| &chunk.shards) {
                black_box(ChunkId::of(shard.bytes()));
            }
            Ok(())
        })?;
        let mut plain_file = File::create(folder.path().join("plain"))?;
        appended.time(bytes, || {
            for shard in done.iter().flat_map(|chunk| &chunk.shards) {
                plain_file.write_all(shard.as_ref())?;
            }
            Ok(plain_file.sync_data()?)
        })?;
        packed.time(bytes, || stage.put(done))?;
    }
    let name = format!("shards=10+{} sealing={}", params.total() - 10, sealing.name().replace(' ', "-"));
    let slowest =
        [&sealed, &hashed, &coded, &packed].map(|rates| rates.quantile(0.5)).into_iter().fold(f64::MAX, f64::min);
    let rate = whole.quantile(0.5);
    let mut ours = whole.figure("whole", &name);
    if sealing == Sealing::Stream {
        ours.goal = Some(Goal { wanted: format!("at least {goal} MB/cpu-s"), met: rate >= goal });
    }
    Ok(vec![
        ours,
        whole.figure("whole", &name).against("bodies in sled", rate / in_sled.quantile(0.5)).at_least(3.0),
        whole.figure("whole", &name).against("its slowest stage", rate / slowest).at_least(0.6),
        sealed.figure("seal", &name),
        hashed.figure("hash", &name),
        coded.figure("code_and_hash", &name),
        packed.figure("pack", &name).against("plain append", packed.quantile(0.5) / appended.quantile(0.5)),
        appended.figure("plain_append", &name),
    ])
}

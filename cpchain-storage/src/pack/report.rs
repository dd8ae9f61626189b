//! What opening a store and the doctor found, for people and for programs.

use std::fmt;

use crate::chunk::ChunkId;

/// Damages and lost chunks that are listed one by one.
const LISTED: usize = 65_536;

/// A place in a pack that is not what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// The pack.
    pub pack: u32,
    /// Where in it.
    pub offset: u64,
    /// Bytes concerned; for a pack that is gone all that it had, 0 if that is not known.
    pub length: u64,
    /// The chunk, if its header is whole.
    pub chunk: Option<ChunkId>,
}

impl Damage {
    /// Does a frame that begins here lie in what is damaged?
    pub(super) const fn hits(&self, pack: u32, offset: u64) -> bool {
        self.pack == pack && offset >= self.offset && offset - self.offset < self.length
    }
}

/// Damage, and what it costs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// Damaged places, in all.
    pub damaged: u64,
    /// The first 65,536 of them.
    pub damages: Vec<Damage>,
    /// Chunks that were known and of which no whole copy is left, in all: fetch them again.
    pub lost: u64,
    /// The first 65,536 of them.
    pub lost_chunks: Vec<ChunkId>,
}

impl Findings {
    pub(super) fn damage(&mut self, damage: Damage) {
        self.damaged += 1;
        if self.damages.len() < LISTED {
            self.damages.push(damage);
        }
    }

    pub(super) fn lose(&mut self, id: ChunkId) {
        self.lost += 1;
        if self.lost_chunks.len() < LISTED {
            self.lost_chunks.push(id);
        }
    }

    fn json(&self, out: &mut String) {
        let damages = self.damages.iter().map(|damage| {
            let chunk = damage.chunk.map_or_else(|| "null".to_owned(), |id| format!("\"{id}\""));
            let Damage { pack, offset, length, .. } = damage;
            format!("{{\"pack\":{pack},\"offset\":{offset},\"length\":{length},\"chunk\":{chunk}}}")
        });
        let damages = damages.collect::<Vec<_>>().join(",");
        let lost = self.lost_chunks.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(",");
        let (damaged, count) = (self.damaged, self.lost);
        *out += &format!("\"damaged\":{damaged},\"damages\":[{damages}],\"lost\":{count},\"lost_chunks\":[{lost}]}}");
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} damaged places, {} chunks lost", self.damaged, self.lost)?;
        for Damage { pack, offset, length, chunk } in &self.damages {
            write!(f, "pack {pack}: {length} bytes from {offset} are damaged")?;
            match chunk {
                Some(id) => writeln!(f, ", chunk {id}")?,
                None => writeln!(f)?,
            }
        }
        self.lost_chunks.iter().try_for_each(|id| writeln!(f, "lost: {id}"))
    }
}

/// What happened to the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IndexState {
    /// It was not looked at.
    #[default]
    Unknown,
    /// It agreed with the packs, or was only behind them.
    Right,
    /// It was missing or wrong, and was made again from the packs.
    Rebuilt,
}

impl IndexState {
    const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Right => "right",
            Self::Rebuilt => "rebuilt",
        }
    }
}

/// What opening a store found and did: [`PackStore::recovery`](super::PackStore::recovery).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// The index.
    pub index: IndexState,
    /// Frames that were read back into the index.
    pub replayed: u64,
    /// Bytes of an unfinished write that were cut off.
    pub cut: u64,
    /// Damage that opening meets: missing and shortened packs, and what lies after the index's checkpoint. What rots in
    /// the middle is found by reads and by the doctor.
    pub findings: Findings,
}

impl Recovery {
    /// One JSON object.
    pub fn to_json(&self) -> String {
        let (index, replayed, cut) = (self.index.name(), self.replayed, self.cut);
        let mut out = format!("{{\"index\":\"{index}\",\"replayed\":{replayed},\"cut\":{cut},");
        self.findings.json(&mut out);
        out
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, replayed, cut, findings } = self;
        writeln!(
            f,
            "opened: index {}, {replayed} frames read back, {cut} bytes of an unfinished write cut off",
            index.name()
        )?;
        findings.fmt(f)
    }
}

/// What the doctor found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DoctorReport {
    /// Packs read.
    pub packs: usize,
    /// Bytes read.
    pub bytes: u64,
    /// Whole frames.
    pub frames: u64,
    /// Chunks that can be read.
    pub chunks: u64,
    /// The index before the examination; it is right now.
    pub index: IndexState,
    /// What is damaged and what is lost.
    pub findings: Findings,
}

impl DoctorReport {
    /// Is everything whole?
    pub const fn is_healthy(&self) -> bool {
        self.findings.damaged == 0 && self.findings.lost == 0
    }

    /// One JSON object.
    ///
    /// ```
    /// use cpchain_storage::pack::DoctorReport;
    /// let json = DoctorReport { packs: 3, ..DoctorReport::default() }.to_json();
    /// assert!(json.starts_with(r#"{"packs":3,"bytes":0,"frames":0,"chunks":0,"index":"unknown","damaged":0,"#));
    /// ```
    pub fn to_json(&self) -> String {
        let Self { packs, bytes, frames, chunks, index, .. } = self;
        let index = index.name();
        let mut out = format!(
            "{{\"packs\":{packs},\"bytes\":{bytes},\"frames\":{frames},\"chunks\":{chunks},\"index\":\"{index}\","
        );
        self.findings.json(&mut out);
        out
    }
}

impl fmt::Display for DoctorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { packs, bytes, frames, chunks, index, findings } = self;
        writeln!(f, "{packs} packs, {bytes} bytes, {frames} whole frames, {chunks} chunks, index {}", index.name())?;
        findings.fmt(f)
    }
}

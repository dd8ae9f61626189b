//! What is accepted and not yet in an upload, on disk: a restart brings it back.
//!
//! Two files, made anew at every start, for every upload and (`readings`) for every block:
//!
//! | file | holds |
//! | --- | --- |
//! | `open.blocks` | the compressed blocks of the upload that is being filled |
//! | `open.readings` | the readings of the block that is being filled |
//!
//! A file is magic and version, 32 random bytes, the number of its upload, the number of its block in the upload, a digest of the
//! stream's shape, and a checksum of these; then frames: length `u32`, ciphertext, tag. What is written is **sealed**: the key is
//! derived from the stream secret and the file's random bytes, a frame's number is its nonce, and no file is gone on with after a
//! restart, so no nonce is used twice. A frame that is torn or changed ends its file; [`Recovered`] says how much was cut.
//!
//! Order of writing: a block goes to `open.blocks` and is synced before its readings are dropped; an upload is durable in the outbox and
//! the counter before its blocks are dropped. Files of an earlier upload or block are left over from a crash and are ignored.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use bytes::{Buf as _, Bytes};
use cpchain_crypto::{
    Aead as _, ChaCha20Poly1305, Digest, Domain, Entropy as _, Key, Nonce, SystemEntropy, TAG_LEN, Tag,
    key_tree::StreamSecret,
};

use super::{GatewayError, seal::Pending};
use crate::{durable::sync_dir, table::Reading};

const SECRET: Domain = Domain::new("cpchain/storage/gateway-open/v1");
const FILE: Domain = Domain::new("cpchain/storage/gateway-open-file/v1");
const MAGIC: [u8; 8] = *b"CPOPEN\x00\x01";
const HEADER_LEN: usize = 8 + 32 + 8 + 4 + 32 + 8;
/// A frame is written when so many bytes wait, synced or not.
const FRAME_LEN: usize = 64 << 10;
/// No frame is longer: the largest block body and its numbers.
const MAX_FRAME_LEN: usize = (64 << 20) + 64;
const BLOCKS: &str = "open.blocks";
const READINGS: &str = "open.readings";

/// What a start found of readings that were accepted and not yet in an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Readings of the block that is being filled.
    pub readings: u64,
    /// Closed blocks.
    pub blocks: u64,
    /// Bytes at the ends of the files that were torn by a crash, and never synced.
    pub torn_bytes: u64,
}

/// Which upload and block the files belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    upload: u64,
    block: u32,
    /// Of what readings and blocks look like.
    shape: Digest,
}

/// The open files.
#[derive(Debug)]
pub(super) struct OpenLog {
    dir: PathBuf,
    secret: Key,
    place: Place,
    blocks: Sealed,
    readings: Sealed,
    /// Readings that are not in a frame yet.
    waiting: Vec<u8>,
}

pub(super) struct Contents {
    pub(super) blocks: Vec<Pending>,
    pub(super) readings: Vec<Reading>,
    pub(super) recovered: Recovered,
}

impl OpenLog {
    /// Reads what the files hold of upload `upload`.
    pub(super) fn load(
        dir: &Path,
        secret: &StreamSecret,
        shape: Digest,
        upload: u64,
    ) -> Result<Contents, GatewayError> {
        let key = secret.derive(SECRET);
        let mut contents = Contents { blocks: Vec::new(), readings: Vec::new(), recovered: Recovered::default() };
        let wanted = |place: &Place| place.upload == upload;
        let mut torn = 0;
        if let Some((place, frames, cut)) = read(&dir.join(BLOCKS), &key)?.filter(|(place, ..)| wanted(place)) {
            if place.shape != shape && !frames.is_empty() {
                return Err(GatewayError::ShapeChanged);
            }
            torn += cut;
            let decoded = frames.into_iter().map(decode_block).collect::<Option<_>>();
            contents.blocks = decoded.ok_or(GatewayError::OpenDamaged)?;
        }
        if let Some((place, frames, cut)) = read(&dir.join(READINGS), &key)?.filter(|(place, ..)| wanted(place)) {
            if place.shape != shape && !frames.is_empty() {
                return Err(GatewayError::ShapeChanged);
            }
            // Readings of a later block than there are: closed blocks are gone.
            if place.block as usize > contents.blocks.len() {
                return Err(GatewayError::OpenDamaged);
            }
            if place.block as usize == contents.blocks.len() {
                torn += cut;
                for mut frame in frames {
                    while frame.has_remaining() {
                        contents.readings.push(take_reading(&mut frame).ok_or(GatewayError::OpenDamaged)?);
                    }
                }
            }
        }
        contents.recovered = Recovered {
            readings: contents.readings.len() as u64,
            blocks: contents.blocks.len() as u64,
            torn_bytes: torn,
        };
        Ok(contents)
    }

    /// Writes both files anew with what was loaded; durable when this returns.
    pub(super) fn begin<'a>(
        dir: &Path,
        secret: &StreamSecret,
        shape: Digest,
        upload: u64,
        blocks: &[Pending],
        readings: impl Iterator<Item = Reading> + 'a,
    ) -> Result<Self, GatewayError> {
        let key = secret.derive(SECRET);
        let place = Place { upload, block: blocks.len() as u32, shape };
        let mut of_readings = Sealed::create(&dir.join("open.readings.new"), &key, place)?;
        let mut waiting = Vec::new();
        for reading in readings {
            put_reading(&mut waiting, &reading);
            if waiting.len() >= FRAME_LEN {
                of_readings.write(&mut waiting)?;
            }
        }
        of_readings.write(&mut waiting)?;
        of_readings.sync()?;
        let mut of_blocks = Sealed::create(&dir.join("open.blocks.new"), &key, Place { block: 0, ..place })?;
        for block in blocks {
            of_blocks.write(&mut encode_block(block))?;
        }
        of_blocks.sync()?;
        // Either pair gives the same: the old blocks are those of the new file.
        rename(dir, BLOCKS)?;
        rename(dir, READINGS)?;
        sync_dir(dir).map_err(failed)?;
        Ok(Self { dir: dir.to_path_buf(), secret: key, place, blocks: of_blocks, readings: of_readings, waiting })
    }

    /// Takes a reading; durable after [`sync`](Self::sync).
    pub(super) fn push(&mut self, reading: &Reading) -> Result<(), GatewayError> {
        put_reading(&mut self.waiting, reading);
        if self.waiting.len() >= FRAME_LEN {
            self.readings.write(&mut self.waiting)?;
        }
        Ok(())
    }

    /// Makes all readings durable.
    pub(super) fn sync(&mut self) -> Result<(), GatewayError> {
        self.readings.write(&mut self.waiting)?;
        self.readings.sync()
    }

    /// A block is closed: its readings are in `block` from now on.
    pub(super) fn close_block(&mut self, block: &Pending) -> Result<(), GatewayError> {
        self.blocks.write(&mut encode_block(block))?;
        self.blocks.sync()?;
        self.place.block = self.place.block.saturating_add(1);
        self.waiting.clear();
        self.readings = Sealed::create(&self.dir.join("open.readings.new"), &self.secret, self.place)?;
        rename(&self.dir, READINGS)
    }

    /// All blocks are in an upload: nothing is open.
    pub(super) fn next_upload(&mut self, upload: u64) -> Result<(), GatewayError> {
        self.place = Place { upload, block: 0, ..self.place };
        self.waiting.clear();
        self.blocks = Sealed::create(&self.dir.join("open.blocks.new"), &self.secret, self.place)?;
        rename(&self.dir, BLOCKS)?;
        self.readings = Sealed::create(&self.dir.join("open.readings.new"), &self.secret, self.place)?;
        rename(&self.dir, READINGS)?;
        sync_dir(&self.dir).map_err(failed)
    }
}

fn failed(source: io::Error) -> GatewayError {
    GatewayError::Io { doing: "writing the open block", source }
}

fn rename(dir: &Path, name: &str) -> Result<(), GatewayError> {
    fs::rename(dir.join(format!("{name}.new")), dir.join(name)).map_err(failed)
}

/// A file of sealed frames that is being written.
struct Sealed {
    file: File,
    aead: ChaCha20Poly1305,
    frame: u64,
    is_synced: bool,
    /// Its name is not durable yet.
    dir: Option<PathBuf>,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealed").field("frame", &self.frame).finish_non_exhaustive()
    }
}

impl Sealed {
    fn create(path: &Path, key: &Key, place: Place) -> Result<Self, GatewayError> {
        let mut salt = [0; 32];
        SystemEntropy.fill(&mut salt).map_err(|error| failed(io::Error::other(error)))?;
        let header = header(&salt, place);
        let mut file = File::create(path).map_err(failed)?;
        file.write_all(&header).map_err(failed)?;
        let dir = path.parent().map(Path::to_path_buf);
        Ok(Self { file, aead: file_key(key, &header), frame: 0, is_synced: false, dir })
    }

    /// Seals `plain` as the next frame and empties it.
    fn write(&mut self, plain: &mut Vec<u8>) -> Result<(), GatewayError> {
        if plain.is_empty() {
            return Ok(());
        }
        let mut frame = ((plain.len() + TAG_LEN) as u32).to_le_bytes().to_vec();
        let tag = self.aead.seal(&Nonce::counter(self.frame, 0), &[], plain);
        let tag = tag.map_err(|error| failed(io::Error::other(error)))?;
        frame.append(plain);
        frame.extend(tag.0);
        self.frame += 1;
        self.is_synced = false;
        self.file.write_all(&frame).map_err(failed)
    }

    fn sync(&mut self) -> Result<(), GatewayError> {
        if self.is_synced {
            return Ok(());
        }
        self.file.sync_data().map_err(failed)?;
        if let Some(dir) = self.dir.take() {
            sync_dir(&dir).map_err(failed)?;
        }
        self.is_synced = true;
        Ok(())
    }
}

fn header(salt: &[u8; 32], place: Place) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(salt);
    out.extend(place.upload.to_le_bytes());
    out.extend(place.block.to_le_bytes());
    out.extend(place.shape.0);
    let sum = Digest::content(&out).0;
    out.extend(sum.iter().take(8));
    out
}

fn file_key(key: &Key, header: &[u8]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Key::from_bytes(Digest::of(FILE, &[key.expose(), header]).0))
}

type Read = (Place, Vec<Bytes>, u64);

/// The frames of a file up to the first that is torn, and the bytes after it; `None` if there is no such file or its header was
/// never written whole.
fn read(path: &Path, key: &Key) -> Result<Option<Read>, GatewayError> {
    let failed = |source| GatewayError::Io { doing: "reading the open block", source };
    let mut bytes = Vec::new();
    match File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
    }
    let Some((head, mut rest)) = bytes.split_at_checked(HEADER_LEN) else { return Ok(None) };
    let Some(place) = place_of(head) else { return Ok(None) };
    let aead = file_key(key, head);
    let mut frames = Vec::new();
    while let Some((plain, after)) = open_frame(&aead, frames.len() as u64, rest) {
        frames.push(plain);
        rest = after;
    }
    Ok(Some((place, frames, rest.len() as u64)))
}

fn place_of(head: &[u8]) -> Option<Place> {
    let mut fields = head.get(8 + 32..)?;
    let upload = fields.try_get_u64_le().ok()?;
    let block = fields.try_get_u32_le().ok()?;
    let place = Place { upload, block, shape: Digest::from_slice(fields.get(..32)?)? };
    let salt: &[u8; 32] = head.get(8..40)?.try_into().ok()?;
    (header(salt, place) == head).then_some(place)
}

fn open_frame<'a>(aead: &ChaCha20Poly1305, number: u64, bytes: &'a [u8]) -> Option<(Bytes, &'a [u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > MAX_FRAME_LEN {
        return None;
    }
    let (frame, rest) = rest.split_at_checked(length)?;
    let (cipher, tag) = frame.split_last_chunk::<TAG_LEN>()?;
    let mut plain = cipher.to_vec();
    aead.open(&Nonce::counter(number, 0), &[], &mut plain, &Tag(*tag)).ok()?;
    Some((plain.into(), rest))
}

fn put_reading(out: &mut Vec<u8>, reading: &Reading) {
    out.extend(reading.at_ms.to_le_bytes());
    out.extend((reading.values.len() as u16).to_le_bytes());
    out.extend((reading.payload.len() as u32).to_le_bytes());
    reading.values.iter().for_each(|value| out.extend(value.to_bits().to_le_bytes()));
    out.extend_from_slice(&reading.payload);
}

fn take_reading(bytes: &mut Bytes) -> Option<Reading> {
    let at_ms = bytes.try_get_u64_le().ok()?;
    let width = usize::from(bytes.try_get_u16_le().ok()?);
    let length = bytes.try_get_u32_le().ok()? as usize;
    let values = (0..width).map(|_| bytes.try_get_u64_le().map(f64::from_bits)).collect::<Result<_, _>>().ok()?;
    let payload = if length <= bytes.len() { bytes.split_to(length) } else { return None };
    Some(Reading { at_ms, values, payload })
}

fn encode_block(block: &Pending) -> Vec<u8> {
    let mut out = block.start_ms.to_le_bytes().to_vec();
    out.extend(block.last_ms.to_le_bytes());
    out.extend(block.count.to_le_bytes());
    out.extend_from_slice(&block.body);
    out
}

fn decode_block(mut bytes: Bytes) -> Option<Pending> {
    let start_ms = bytes.try_get_u64_le().ok()?;
    let last_ms = bytes.try_get_u64_le().ok()?;
    let count = bytes.try_get_u32_le().ok()?;
    Some(Pending { start_ms, last_ms, count, body: bytes.to_vec() })
}

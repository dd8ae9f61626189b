//! A scan table that several writers fill and one reader asks: no key is shared between writers.
//!
//! Each writer draws a key of its own and seals it to the reader's public key ([`SharedWriter::join`]); its blocks are those of a
//! [scan table](super) under that key: ciphertexts to the host and to every other writer. The reader makes one query for all of them, learns from the host's **directory**
//! which blocks there are, and opens each under its writer's key.
//!
//! Rows could have been lattice ciphertexts under the reader's key, to be multiplied with encrypted selectors. That takes ring ciphertexts in the place of bits: four
//! times the host's work and four times the bytes at rest (masks cannot come from a seed unless the writer knows the reader's secret). Handing
//! the writer's key over once, by public-key encryption, hides as much from as many, and everything else stays as it is for one owner: 7.5 bytes a record and 16-bit field, and
//! the scan's time. What it does not give: the handing over is by an elliptic curve, which a quantum computer would break.
//!
//! | message | from, to | bytes |
//! | --- | --- | --- |
//! | announcement | writer to host | its key, sealed to the reader |
//! | block | writer to host | head, number of records, tag, rows |
//! | directory | host to reader | all announcements, heads, numbers and tags |
//! | query, answer | reader, host | as those of a scan table, for all blocks of all writers |
//!
//! # What is guaranteed, and the tests that hold it
//! - Matches are exact (`writers_and_readers_agree_with_plaintext`), by writer and by the writer's own numbering.
//! - A writer reads neither the others' blocks nor the reader's queries: it knows its own key alone (`a_writer_reads_only_its_own`).
//! - The host learns who wrote which block when, and what a scan's host learns. It can neither make up a block, nor change one, nor its number of
//!   records (`what_the_host_makes_up_is_refused`); nor bring back a state before one that this reader has seen, also before a restart, if it stored
//!   [`SharedReader::seen`] (`a_directory_does_not_go_back`). It **can** keep new blocks to itself: whoever needs more asks the writers how many blocks they sent.
//! - A writer that sends rubbish spoils its own records and nobody else's: they are reported as refused (`rubbish_spoils_its_writer_alone`).
//! - All decoders are bounded and take any bytes (`shared_decoders_take_any_bytes`).
//!
//! ```
//! use cpchain_crypto::{Key, Signer, SigningKey, SystemEntropy, search::{Predicate, SearchClient, SearchServer}};
//! use cpchain_crypto::search::scan::shared::{Match, SharedReader, SharedServer, SharedTable, SharedWriter};
//! # use cpchain_crypto::counter::{CounterStore, Loaded, Mark, SealCounter};
//! # struct Memory(Option<Mark>);
//! # impl CounterStore for Memory {
//! #     type Error = core::convert::Infallible;
//! #     fn load(&mut self) -> Result<Loaded, Self::Error> { Ok(self.0.map_or(Loaded::Fresh, Loaded::Proven)) }
//! #     fn store(&mut self, mark: &Mark) -> Result<(), Self::Error> { self.0 = Some(*mark); Ok(()) }
//! # }
//!
//! let mut entropy = SystemEntropy;
//! let key = SigningKey::generate(&mut entropy)?;
//! let table = SharedTable::new(key.public_key(), &[2])?;
//! let mut host = SharedServer::new(table, 16);
//! for column in [[21, 35, 19], [80, 7, 250]] {
//!     let (mut writer, announcement) = SharedWriter::join(table, &mut entropy)?;
//!     host.apply(&announcement)?;
//!     for block in writer.append(&[&column], &mut entropy)? {
//!         host.apply(&block)?;
//!     }
//! }
//! // The counter is a file in earnest: see `FileCounter`.
//! let mut reader = SharedReader::new(key, table, Key::generate(&mut entropy)?, SealCounter::open(Memory(None))?)?;
//! reader.learn(&host.directory())?;
//! let (query, pending) = reader.query(&[Predicate::Between { low: 20, high: 100 }], &mut entropy)?;
//! let found = reader.decode(pending, &host.answer(&query)?)?;
//! assert_eq!(found.matches.len(), 3);
//! assert!(found.refused.is_empty());
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod reader;
mod server;
mod size;
mod writer;

pub use reader::{Match, SharedFound, SharedPending, SharedReader};
pub use server::SharedServer;
pub use size::Numbering;
pub use writer::SharedWriter;

use super::{
    MAX_FIELDS,
    wire::{BlockHead, Reader, Table},
};
use crate::{
    hash::{Digest, Domain},
    sealed_box,
    search::SearchError,
    sign::PublicKey,
};

const TABLE: Domain = Domain::new("cpchain/crypto/search/shared-table/v1");
const WRITER: Domain = Domain::new("cpchain/crypto/search/shared-writer/v1");
const SECRET: Domain = Domain::new("cpchain/crypto/search/shared-secret/v1");
const VIEW: Domain = Domain::new("cpchain/crypto/search/shared-view/v1");

/// Most writers of a table.
const MAX_WRITERS: usize = 1 << 12;
/// Bytes of a sealed key.
const BOX_LEN: usize = sealed_box::OVERHEAD + 32;
/// Bytes of a tag.
const TAG_LEN: usize = 16;

/// What reader, writers and host agree on. Public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SharedTable {
    reader: PublicKey,
    table: Table,
}

impl SharedTable {
    /// The table of this reader with 1 to 4 fields of 1 to 4 base-16 digits each.
    ///
    /// # Errors
    /// [`SearchError::Shape`].
    pub fn new(reader: PublicKey, fields: &[u8]) -> Result<Self, SearchError> {
        if fields.len() > MAX_FIELDS {
            return Err(SearchError::Shape);
        }
        let table = Table::new(Digest::of(TABLE, &[&reader.0, fields]), fields)?;
        Ok(Self { reader, table })
    }

    /// Who may ask.
    pub const fn reader(&self) -> PublicKey {
        self.reader
    }

    /// The table's name and fields.
    pub const fn table(&self) -> Table {
        self.table
    }
}

/// Names a writer: a hash of its announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriterId(pub Digest);

impl WriterId {
    fn of(table: &Table, sealed: &[u8; BOX_LEN]) -> Self {
        Self(Digest::of(WRITER, &[&table.to_bytes(), sealed]))
    }
}

/// A block as the directory tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    head: BlockHead,
    records: u32,
    /// Under the writer's key, over all that is above and the writer's name.
    tag: [u8; TAG_LEN],
}

impl Entry {
    fn new(key: &crate::aead::Key, writer: WriterId, head: BlockHead, records: u32) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key.expose());
        hasher.update(b"cpchain/crypto/search/shared-entry/v1");
        hasher.update(&writer.0.0);
        hasher.update(&head.to_bytes());
        hasher.update(&records.to_le_bytes());
        let tag = hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default();
        Self { head, records, tag }
    }

    /// Did the writer make it?
    fn is_of(&self, key: &crate::aead::Key, writer: WriterId) -> bool {
        use subtle::ConstantTimeEq;
        let right = Self::new(key, writer, self.head, self.records);
        right.tag.ct_eq(&self.tag).into() && self.records as usize <= super::BLOCK_RECORDS
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.head.to_bytes());
        out.extend(self.records.to_le_bytes());
        out.extend(self.tag);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SearchError> {
        let head = BlockHead::read(reader)?;
        Ok(Self { head, records: u32::from_le_bytes(reader.take()?), tag: reader.take()? })
    }
}

/// The state of a table, as both sides must see it.
fn view<'a>(table: &Table, writers: impl Iterator<Item = (WriterId, &'a [Entry])>) -> Digest {
    let mut all = Vec::new();
    for (writer, entries) in writers {
        all.extend(writer.0.0);
        all.extend((entries.len() as u32).to_le_bytes());
        entries.iter().for_each(|entry| entry.write(&mut all));
    }
    Digest::of(VIEW, &[&table.to_bytes(), &all])
}

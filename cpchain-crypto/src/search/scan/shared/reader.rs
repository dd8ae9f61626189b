//! Who asks a shared table.

use alloc::sync::Arc;

use super::{BOX_LEN, Entry, MAX_WRITERS, SECRET, SharedTable, WriterId, view};
use crate::{
    aead::Key,
    counter::{CounterStore, SealCounter},
    entropy::Entropy,
    hash::Digest,
    sealed_box,
    search::{
        Predicate, SearchClient, SearchError,
        scan::{
            Shape, asker,
            checks::Weights,
            client::Asked,
            index::Block,
            wire::{self, Kind, Masks, Reader, Table},
        },
        simd::Kernel,
    },
    sign::{Signer, SigningKey},
};

/// The reader of one shared table.
pub struct SharedReader<S> {
    identity: SigningKey,
    pub(super) table: Table,
    key: Key,
    counter: SealCounter<S>,
    pub(super) shape: Shape,
    kernel: Kernel,
    pub(super) writers: Vec<Writer>,
    pub(super) view: Digest,
}

/// A writer as the reader knows it.
#[derive(Clone)]
pub(super) struct Writer {
    pub(super) id: WriterId,
    /// None if the announcement does not open: then nothing of it is believed.
    key: Option<Arc<Key>>,
    pub(super) entries: Vec<Entry>,
    /// The last state that was believed.
    seen: Vec<Entry>,
    pub(super) believed: bool,
}

/// The half of a query that stays with the reader. Wiped when dropped.
pub struct SharedPending {
    asked: Asked,
    writers: Vec<Writer>,
}

impl core::fmt::Debug for SharedPending {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SharedPending({:?})", self.asked.view)
    }
}

/// A record that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Match {
    /// Whose it is.
    pub writer: WriterId,
    /// Its number, from 0 in the order in which its writer appended.
    pub record: u64,
}

/// What a question found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFound {
    /// By writer, in the order in which they joined, and by number.
    pub matches: Vec<Match>,
    /// Writers of whom nothing is believed: their announcement does not open, a tag or the host's answer is false, their state went back, or their blocks
    /// are rubbish.
    pub refused: Vec<WriterId>,
}

impl<S: CounterStore> SharedReader<S> {
    /// The reader whose public key the table names. `key` is of this asker alone, and so is `counter`: see
    /// [`ScanClient`](crate::search::scan::ScanClient).
    ///
    /// # Errors
    /// [`SearchError::OtherTable`] if the table is another reader's.
    pub fn new(
        identity: SigningKey,
        table: SharedTable,
        key: Key,
        counter: SealCounter<S>,
    ) -> Result<Self, SearchError> {
        if identity.public_key() != table.reader {
            return Err(SearchError::OtherTable);
        }
        let view = view(&table.table, core::iter::empty());
        let (table, shape) = (table.table, Shape::default());
        Ok(Self { identity, table, key, counter, shape, kernel: Kernel::best(), writers: Vec::new(), view })
    }

    /// The same reader, asking in another shape.
    #[must_use]
    pub fn in_shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// What this reader has seen, to be stored when it has learned something: each writer, and the state of its blocks that was believed last. No secrets.
    pub fn seen(&self) -> Vec<u8> {
        let mut out = wire::start(Kind::Reader, &self.table, 64);
        for writer in &self.writers {
            out.extend(writer.id.0.0);
            out.extend((writer.seen.len() as u32).to_le_bytes());
            writer.seen.iter().for_each(|entry| entry.write(&mut out));
        }
        out
    }

    /// The same reader after a restart: nothing that [`seen`](Self::seen) says is forgotten. It asks when it has learned a directory.
    ///
    /// # Errors
    /// [`SearchError::Format`], [`SearchError::OtherTable`].
    pub fn with_seen(mut self, seen: &[u8]) -> Result<Self, SearchError> {
        let (mut reader, table) = Reader::open(Kind::Reader, seen)?;
        if table != self.table {
            return Err(SearchError::OtherTable);
        }
        let mut writers: Vec<Writer> = Vec::new();
        while !reader.rest().is_empty() {
            let id = WriterId(Digest(reader.take()?));
            if writers.len() >= MAX_WRITERS || writers.iter().any(|writer| writer.id == id) {
                return Err(Kind::Reader.error());
            }
            let seen = entries(&mut reader, Kind::Reader)?;
            writers.push(Writer { id, key: None, entries: Vec::new(), seen, believed: false });
        }
        self.writers = writers;
        Ok(self)
    }

    /// Records that the writers claim, those of refused ones left out.
    pub fn records(&self) -> u64 {
        let entries = self.writers.iter().filter(|writer| writer.believed).flat_map(|writer| &writer.entries);
        entries.map(|entry| u64::from(entry.records)).sum()
    }

    /// Reads a host's directory. What was learned before stays true: a directory without a writer that was seen is refused, and a writer of whom a block
    /// is missing, or is of an older sealing, is not believed until it is there again.
    ///
    /// # Errors
    /// [`SearchError::Format`], [`SearchError::OtherTable`], [`SearchError::Tampered`]; nothing is learned then.
    pub fn learn(&mut self, directory: &[u8]) -> Result<(), SearchError> {
        let (mut reader, table) = Reader::open(Kind::Directory, directory)?;
        if table != self.table {
            return Err(SearchError::OtherTable);
        }
        let mut writers = Vec::new();
        while !reader.rest().is_empty() {
            let sealed: [u8; BOX_LEN] = reader.take()?;
            let id = WriterId::of(&table, &sealed);
            if writers.len() >= MAX_WRITERS || writers.iter().any(|writer: &Writer| writer.id == id) {
                return Err(Kind::Directory.error());
            }
            let entries = entries(&mut reader, Kind::Directory)?;
            let (key, seen) = match self.writers.iter().find(|writer| writer.id == id) {
                // Its key was not stored, if it was seen before a restart.
                Some(known) => (known.key.clone().or_else(|| self.open(&sealed)), known.seen.clone()),
                None => (self.open(&sealed), Vec::new()),
            };
            writers.push(Writer::new(id, key, entries, seen));
        }
        if !self.writers.iter().all(|known| writers.iter().any(|writer| writer.id == known.id)) {
            return Err(SearchError::Tampered);
        }
        self.view = view(&table, writers.iter().map(|writer| (writer.id, writer.entries.as_slice())));
        self.writers = writers;
        Ok(())
    }

    /// The key that a writer sealed.
    fn open(&self, sealed: &[u8]) -> Option<Arc<Key>> {
        let opened = sealed_box::open(&self.identity, SECRET, &self.table.to_bytes(), sealed).ok()?;
        let opened = zeroize::Zeroizing::new(opened);
        Some(Arc::new(Key::from_bytes(opened.as_slice().try_into().ok()?)))
    }
}

/// How many entries there are, and these, numbered from 0.
fn entries(reader: &mut Reader<'_>, kind: Kind) -> Result<Vec<Entry>, SearchError> {
    let mut entries = Vec::new();
    for number in 0..u32::from_le_bytes(reader.take()?) {
        let entry = Entry::read(reader)?;
        if entry.head.number != number {
            return Err(kind.error());
        }
        entries.push(entry);
    }
    Ok(entries)
}

impl Writer {
    /// Believed if the key opened, the writer made all entries, and no entry goes back behind one that was seen.
    fn new(id: WriterId, key: Option<Arc<Key>>, entries: Vec<Entry>, seen: Vec<Entry>) -> Self {
        let right = key.as_ref().is_some_and(|key| entries.iter().all(|entry| entry.is_of(key, id)));
        let later = |(new, old): (&Entry, &Entry)| new == old || new.head.version > old.head.version;
        let believed = right && entries.len() >= seen.len() && entries.iter().zip(&seen).all(later);
        let seen = if believed { entries.clone() } else { seen };
        Self { id, key, entries, seen, believed }
    }

    /// Its records that match, from its parts of an answer.
    fn read<'a>(
        &self,
        asked: &crate::search::scan::client::Secrets<'_>,
        parts: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Vec<Match>, SearchError> {
        let key = self.key.as_ref().filter(|_| self.believed).ok_or(SearchError::Tampered)?;
        let weights = Weights::new(key);
        let (mut matches, mut first) = (Vec::new(), 0);
        for (entry, part) in self.entries.iter().zip(parts) {
            let block = Block { head: entry.head, records: entry.records, hint: Arc::default() };
            let matching = asked.read(key, &weights, &block, part)?;
            let numbers = (first..).zip(matching).filter(|(_, matching)| *matching);
            matches.extend(numbers.map(|(record, _)| Match { writer: self.id, record }));
            first += u64::from(entry.records);
        }
        Ok(matches)
    }
}

impl<S: CounterStore> SearchClient for SharedReader<S> {
    /// One predicate for each field; a record is found if all match.
    type Question = [Predicate];
    type Pending = SharedPending;
    type Found = SharedFound;

    /// A query to a host in the state that was learned last.
    fn query(
        &mut self,
        question: &[Predicate],
        entropy: &mut dyn Entropy,
    ) -> Result<(Vec<u8>, SharedPending), SearchError> {
        let mut fresh = asker::consume(&mut self.counter, &self.key, &self.table, entropy)?;
        let (query, asked) =
            Asked::new(self.kernel, &self.table, (self.shape, Masks::Kept), self.view, question, &mut fresh)?;
        Ok((query, SharedPending { asked, writers: self.writers.clone() }))
    }

    /// A false answer refuses the writers that it is about: see [`SharedFound::refused`].
    fn decode(&self, pending: SharedPending, answer: &[u8]) -> Result<SharedFound, SearchError> {
        let blocks = pending.writers.iter().map(|writer| writer.entries.len()).sum();
        let mut parts = pending.asked.open(&self.table, blocks, answer)?;
        let secrets = pending.asked.transform(self.kernel);
        let mut found = SharedFound { matches: Vec::new(), refused: Vec::new() };
        for writer in &pending.writers {
            let of_writer: Vec<&[u8]> = parts.by_ref().take(writer.entries.len()).collect();
            match writer.read(&secrets, of_writer.into_iter()) {
                Ok(matches) => found.matches.extend(matches),
                Err(_) => found.refused.push(writer.id),
            }
        }
        Ok(found)
    }
}

impl<S> core::fmt::Debug for SharedReader<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SharedReader({:?}, {} writers)", self.table, self.writers.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        SeededEntropy,
        counter::{Loaded, Mark},
        search::{
            SearchServer,
            noise::Noise,
            scan::{
                BLOCK_RECORDS,
                shared::{SharedServer, SharedWriter},
            },
        },
    };

    /// Counts for one test.
    struct Memory;

    impl CounterStore for Memory {
        type Error = core::convert::Infallible;

        fn load(&mut self) -> Result<Loaded, Self::Error> {
            Ok(Loaded::Fresh)
        }

        fn store(&mut self, _: &Mark) -> Result<(), Self::Error> {
            Ok(())
        }
    }

    /// As the scan's test of this name, over the blocks of three writers.
    #[test]
    fn noise_margin() {
        let wanted = Noise::wanted(300_000);
        let mut entropy = SeededEntropy::new(&[3; 32]);
        let identity = SigningKey::from_seed(&[5; 32]);
        let table = SharedTable::new(identity.public_key(), &[4]).unwrap();
        let mut host = SharedServer::new(table, 64);
        let blocks = if wanted > 1_000_000 { 12 } else { 1 };
        for writer in 0..3 {
            let (mut writer_of, announcement) = SharedWriter::join(table, &mut entropy).unwrap();
            host.apply(&announcement).unwrap();
            let values = 0..blocks * BLOCK_RECORDS as u32;
            let column: Vec<u16> = values.map(|i| (i.wrapping_mul(2_654_435_761) >> (9 + writer)) as u16).collect();
            for update in writer_of.append(&[&column], &mut entropy).unwrap() {
                host.apply(&update).unwrap();
            }
        }
        let counter = SealCounter::open(Memory).unwrap();
        let mut reader = SharedReader::new(identity, table, Key::from_bytes([6; 32]), counter).unwrap();
        reader.learn(&host.directory()).unwrap();
        let mut noise = Noise::default();
        while noise.count() < wanted {
            let question = [Predicate::Between { low: 0x1234, high: 0xa987 }];
            let (query, pending) = reader.query(&question, &mut entropy).unwrap();
            let answer = host.answer(&query).unwrap();
            let parts = pending.asked.open(&reader.table, 3 * blocks as usize, &answer).unwrap();
            pending.asked.transform(reader.kernel).measure(&reader.table, parts, &mut noise);
            if noise.count() < 2_000_000 {
                assert!(reader.decode(pending, &answer).unwrap().refused.is_empty());
            }
        }
        assert!(noise.margin("shared scan") > 20.0);
    }
}

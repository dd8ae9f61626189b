//! What the messages of all engines have in common: a version, a kind, mostly the table that they are about, and a reader that never passes their end.
//!
//! A length that a message states is checked against what is there before memory is taken for it. Each engine's `wire` has its kinds, its table and its heads.

use alloc::vec::Vec;

use super::SearchError;

/// A kind of message of one engine: the second byte, behind the version.
pub(super) trait Kind: Copy {
    /// The version that is written, and the one that is read.
    const VERSION: u8;
    /// What the engine's messages are about.
    type Table: About;

    /// The number of the kind.
    fn code(self) -> u8;

    /// "These bytes are none of it."
    fn error(self) -> SearchError;
}

/// A table as messages name it.
pub(super) trait About: Sized + PartialEq {
    /// Appends the name.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads and bounds it.
    fn get<K: Kind>(reader: &mut Reader<'_, K>) -> Result<Self, SearchError>;
}

/// A message's first bytes, without a table.
pub(super) fn begin<K: Kind>(kind: K, more: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + more);
    out.extend([K::VERSION, kind.code()]);
    out
}

/// A message's first bytes.
pub(super) fn start<K: Kind>(kind: K, table: &K::Table, more: usize) -> Vec<u8> {
    let mut out = begin(kind, 64 + more);
    table.put(&mut out);
    out
}

/// Reads from the front, and never past the end.
#[derive(Debug)]
pub(super) struct Reader<'a, K> {
    kind: K,
    rest: &'a [u8],
}

impl<'a, K: Kind> Reader<'a, K> {
    /// Checks version and kind.
    pub(super) fn begin(kind: K, bytes: &'a [u8]) -> Result<Self, SearchError> {
        let mut reader = Self { kind, rest: bytes };
        if reader.take()? == [K::VERSION, kind.code()] { Ok(reader) } else { Err(kind.error()) }
    }

    /// Checks version and kind, and reads the table.
    pub(super) fn open(kind: K, bytes: &'a [u8]) -> Result<(Self, K::Table), SearchError> {
        let mut reader = Self::begin(kind, bytes)?;
        let table = K::Table::get(&mut reader)?;
        Ok((reader, table))
    }

    /// The same, for bytes that must be of this table.
    pub(super) fn open_for(kind: K, table: &K::Table, bytes: &'a [u8]) -> Result<Self, SearchError> {
        let (reader, other) = Self::open(kind, bytes)?;
        if other == *table { Ok(reader) } else { Err(SearchError::OtherTable) }
    }

    /// What stands behind a head that was read elsewhere.
    pub(super) const fn part(kind: K, bytes: &'a [u8]) -> Self {
        Self { kind, rest: bytes }
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], SearchError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(self.kind.error())?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn u32(&mut self) -> Result<u32, SearchError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    pub(super) fn slice(&mut self, length: usize) -> Result<&'a [u8], SearchError> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(self.kind.error())?;
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn words(&mut self, count: usize) -> Result<Vec<u32>, SearchError> {
        let (words, _) = self.slice(count.saturating_mul(4))?.as_chunks::<4>();
        Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// "These bytes are none of this kind."
    pub(super) fn error(&self) -> SearchError {
        self.kind.error()
    }

    pub(super) fn end(self) -> Result<(), SearchError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.kind.error()) }
    }
}

/// Which sealing of which block, or interval: what pads, weights and the view depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) number: u32,
    pub(super) version: u32,
    pub(super) salt: [u8; 16],
}

impl Head {
    pub(super) const LEN: usize = 24;

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let (number, rest) = out.split_at_mut(4);
        let (version, salt) = rest.split_at_mut(4);
        number.copy_from_slice(&self.number.to_le_bytes());
        version.copy_from_slice(&self.version.to_le_bytes());
        salt.copy_from_slice(&self.salt);
        out
    }

    pub(super) fn read<K: Kind>(reader: &mut Reader<'_, K>) -> Result<Self, SearchError> {
        Ok(Self { number: reader.u32()?, version: reader.u32()?, salt: reader.take()? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy)]
    struct Letter;

    impl Kind for Letter {
        const VERSION: u8 = 3;
        type Table = Name;

        fn code(self) -> u8 {
            7
        }

        fn error(self) -> SearchError {
            SearchError::Format { what: "letter" }
        }
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Name([u8; 4]);

    impl About for Name {
        fn put(&self, out: &mut Vec<u8>) {
            out.extend(self.0);
        }

        fn get<K: Kind>(reader: &mut Reader<'_, K>) -> Result<Self, SearchError> {
            Ok(Self(reader.take()?))
        }
    }

    proptest! {
        #[test]
        fn a_reader_gives_what_was_written_and_no_more(name: [u8; 4], body in prop::collection::vec(any::<u8>(), 0..40), parts in prop::collection::vec(0usize..50, 0..9)) {
            let mut message = start(Letter, &Name(name), 0);
            message.extend(&body);
            let mut reader = Reader::open_for(Letter, &Name(name), &message).unwrap();
            let mut left = body.as_slice();
            for length in parts {
                match reader.slice(length) {
                    Ok(part) => {
                        prop_assert_eq!(part, &left[..length]);
                        left = &left[length..];
                    }
                    Err(error) => {
                        prop_assert!(length > left.len());
                        prop_assert_eq!(error, Letter.error());
                    }
                }
                prop_assert_eq!(reader.rest(), left);
            }
            prop_assert_eq!(reader.end().is_ok(), left.is_empty());
            // Every head that is cut off or changed is refused.
            for end in 0..6 {
                prop_assert!(Reader::open(Letter, &message[..end]).is_err());
                let mut changed = message.clone();
                changed[end] ^= 1;
                prop_assert!(Reader::open_for(Letter, &Name(name), &changed).is_err());
            }
        }
    }

    #[test]
    fn a_length_beyond_the_end_takes_no_memory() {
        let mut reader = Reader::begin(Letter, &[3, 7, 1]).unwrap();
        assert!(reader.slice(usize::MAX).is_err());
        assert!(reader.words(usize::MAX / 2).is_err());
        assert_eq!(reader.rest(), [1]);
    }
}

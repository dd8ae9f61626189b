//! The list of an object's chunks as it is made: in the reference while it is short, in an index object once it is not.

use bytes::Bytes;
use cpchain_crypto::Digest;

use super::{CHUNK_LEN, ChunkRef, MAX_LISTED_CHUNKS, ObjectRef};
#[cfg(any(feature = "network", test))]
use crate::chunk::ChunkId;
use crate::erasure::ErasureParams;

impl ChunkRef {
    /// Bytes of an entry of an index: the chunk's root, then the ids of its shards.
    pub(crate) const fn entry_len(params: ErasureParams) -> usize {
        32 * (1 + params.total() as usize)
    }

    fn write_entry(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.root.0);
        self.shards.iter().for_each(|shard| out.extend_from_slice(shard.as_bytes()));
    }

    /// The chunks of some whole entries.
    #[cfg(any(feature = "network", test))]
    pub(crate) fn read_entries(bytes: &[u8], params: ErasureParams) -> Vec<Self> {
        let entry = |entry: &[u8]| {
            let (root, shards) = entry.split_first_chunk::<32>()?;
            let shards = shards.chunks_exact(32).filter_map(ChunkId::from_slice).collect();
            Some(Self { root: Digest(*root), shards })
        };
        bytes.chunks_exact(Self::entry_len(params)).filter_map(entry).collect()
    }
}

/// Lists the chunks of an object in order. Whoever drives it codes and stores the chunks of the index that it hands out.
#[derive(Debug)]
pub(crate) struct ChunkList {
    params: ErasureParams,
    listed: Vec<ChunkRef>,
    index: Option<Index>,
}

#[derive(Debug, Default)]
struct Index {
    /// Entries that do not fill a chunk yet.
    rest: Vec<u8>,
    hasher: blake3::Hasher,
    length: u64,
    chunks: Vec<ChunkRef>,
}

impl ChunkList {
    pub(crate) const fn new(params: ErasureParams) -> Self {
        Self { params, listed: Vec::new(), index: None }
    }

    /// Lists the next chunk of the object, and returns chunks of the index that are full.
    pub(crate) fn push(&mut self, chunk: ChunkRef) -> Vec<Bytes> {
        if self.index.is_none() && self.listed.len() < MAX_LISTED_CHUNKS {
            self.listed.push(chunk);
            return Vec::new();
        }
        let index = self.index.get_or_insert_default();
        self.listed.drain(..).chain([chunk]).for_each(|chunk| chunk.write_entry(&mut index.rest));
        let mut full = Vec::new();
        while index.rest.len() >= CHUNK_LEN {
            let after = index.rest.split_off(CHUNK_LEN);
            full.push(index.cut(after));
        }
        full
    }

    /// The last chunk of the index, once all chunks of the object are listed.
    pub(crate) fn end(&mut self) -> Option<Bytes> {
        let index = self.index.as_mut().filter(|index| !index.rest.is_empty())?;
        Some(index.cut(Vec::new()))
    }

    /// Lists a chunk of the index that has been coded; in the order in which they were handed out.
    pub(crate) fn push_index(&mut self, chunk: ChunkRef) {
        if let Some(index) = &mut self.index {
            index.chunks.push(chunk);
        }
    }

    /// The reference of the object.
    pub(crate) fn finish(self, root: Digest, length: u64) -> ObjectRef {
        let params = self.params;
        let index = self.index.map(|index| {
            let root = Digest(*index.hasher.finalize().as_bytes());
            Box::new(ObjectRef { root, length: index.length, params, chunks: index.chunks, index: None })
        });
        ObjectRef { root, length, params, chunks: self.listed, index }
    }
}

impl Index {
    /// Takes the bytes at hand as the next chunk, goes on with `after`.
    fn cut(&mut self, after: Vec<u8>) -> Bytes {
        let chunk = std::mem::replace(&mut self.rest, after);
        self.hasher.update(&chunk);
        self.length += chunk.len() as u64;
        chunk.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(n: usize, params: ErasureParams) -> ChunkRef {
        let digest = |shard: usize| Digest::content(&[n.to_le_bytes(), shard.to_le_bytes()].concat());
        let shards = (0..usize::from(params.total())).map(|shard| ChunkId(digest(shard))).collect();
        ChunkRef { root: digest(usize::MAX), shards }
    }

    /// The reference of an object of `count` chunks, and its index.
    fn list(count: usize, params: ErasureParams) -> (ObjectRef, Vec<u8>) {
        let mut list = ChunkList::new(params);
        let mut index = Vec::new();
        for n in 0..count {
            for full in list.push(chunk(n, params)) {
                assert_eq!(full.len(), CHUNK_LEN);
                index.extend_from_slice(&full);
                list.push_index(chunk(index.len(), params));
            }
        }
        if let Some(last) = list.end() {
            index.extend_from_slice(&last);
            list.push_index(chunk(index.len(), params));
        }
        assert!(list.end().is_none());
        (list.finish(Digest([7; 32]), (count * CHUNK_LEN) as u64), index)
    }

    #[test]
    fn a_short_list_stays_in_the_reference() {
        for count in [0, 1, MAX_LISTED_CHUNKS] {
            let (object, index) = list(count, ErasureParams::default());
            assert!(object.index.is_none() && index.is_empty());
            assert_eq!(object.chunks.len(), count);
            assert_eq!(ObjectRef::decode(&object.encode()).unwrap(), object);
        }
    }

    #[test]
    fn a_long_list_is_an_object_of_its_own() {
        let params =
            [ErasureParams::default(), ErasureParams::new(1, 2).unwrap(), ErasureParams::new(20, 255).unwrap()];
        for (params, count) in params.into_iter().zip([MAX_LISTED_CHUNKS + 1, 40_000, 3000]) {
            let (object, index) = list(count, params);
            assert!(object.chunks.is_empty());
            let of = object.index.as_deref().unwrap();
            assert_eq!((of.root, of.length), (Digest::content(&index), index.len() as u64));
            assert_eq!(of.chunks.len() as u64, ObjectRef::chunk_count(of.length));
            let entries = ChunkRef::read_entries(&index, params);
            assert!(entries.into_iter().eq((0..count).map(|n| chunk(n, params))));
            assert_eq!(ObjectRef::decode(&object.encode()).unwrap(), object);
        }
    }
}

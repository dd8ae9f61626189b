//! Blocks under their proposer's seal, and the impeach block that stands where a proposer failed.

use bytes::Bytes;
use cpchain_crypto::{Digest, Domain, PublicKey, Signature, Signer};
use prost::Message as _;

use super::{
    cache::SignatureCache,
    committee::Committee,
    statement::{Kind, Statement},
    wire,
};
use crate::ids::{ChainId, Height, Term};

const BLOCK: Domain = Domain::new("cpchain/consensus/block/v1");
const IMPEACHED: Domain = Domain::new("cpchain/consensus/impeach-block/v1");

/// Most bytes of an encoded header.
pub const MAX_HEADER: usize = 256;

/// What a digest commits to. Certificates are not part of it: they differ from node to node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The chain.
    pub chain: ChainId,
    /// The term.
    pub term: Term,
    /// The height.
    pub height: Height,
    /// The height of the block that it stands on; the heights between were impeached.
    pub parent_height: Height,
    /// The digest of that block; [`Digest::ZERO`] for genesis.
    pub parent: Digest,
    /// [`Digest::content`] of the payload.
    pub payload: Digest,
}

impl Header {
    /// The digest that certificates sign, over the encoded header as it was received.
    pub fn digest_of(encoded: &[u8]) -> Digest {
        Digest::of(BLOCK, &[encoded])
    }

    /// Reads an encoded header; `None` if it is not one.
    pub fn decode(encoded: &[u8]) -> Option<Self> {
        if encoded.len() > MAX_HEADER {
            return None;
        }
        let wire = wire::Header::decode(encoded).ok()?;
        Some(Self {
            chain: ChainId(Digest::from_slice(&wire.chain_id)?),
            term: Term(wire.term),
            height: Height(wire.height),
            parent_height: Height(wire.parent_height),
            parent: Digest::from_slice(&wire.parent_digest)?,
            payload: Digest::from_slice(&wire.payload_digest)?,
        })
    }

    fn encode(&self) -> Bytes {
        let copy = |digest: &Digest| Bytes::copy_from_slice(&digest.0);
        wire::Header {
            chain_id: copy(&self.chain.0),
            term: self.term.0,
            height: self.height.0,
            parent_height: self.parent_height.0,
            parent_digest: copy(&self.parent),
            payload_digest: copy(&self.payload),
        }
        .encode_to_vec()
        .into()
    }
}

/// A block under a seal. Whether the seal is good is seen by [`verify_seal`](Self::verify_seal).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    encoded: Bytes,
    header: Header,
    payload: Bytes,
    digest: Digest,
    seal: Signature,
}

impl Block {
    /// Seals a new block of the committee's chain and term.
    pub fn seal(
        committee: &Committee,
        key: &dyn Signer,
        height: Height,
        parent_height: Height,
        parent: Digest,
        payload: Bytes,
    ) -> Self {
        let (chain, term) = (committee.chain(), committee.term());
        let header = Header { chain, term, height, parent_height, parent, payload: Digest::content(&payload) };
        let encoded = header.encode();
        let digest = Header::digest_of(&encoded);
        let seal = Statement { chain, term, kind: Kind::Seal, height, digest }.sign(key);
        Self { encoded, header, payload, digest, seal }
    }

    /// What its digest commits to.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The header as it was hashed.
    pub const fn encoded_header(&self) -> &Bytes {
        &self.encoded
    }

    /// Its height.
    pub const fn height(&self) -> Height {
        self.header.height
    }

    /// What certificates sign.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// What the application put in.
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The proposer's signature.
    pub const fn signature(&self) -> &Signature {
        &self.seal
    }

    /// What the seal signs.
    pub const fn statement(&self) -> Statement {
        let Header { chain, term, height, .. } = self.header;
        Statement { chain, term, kind: Kind::Seal, height, digest: self.digest }
    }

    /// Whether the proposer of its height sealed it, on the committee's chain and in its term.
    pub fn verify_seal(&self, committee: &Committee, cache: &SignatureCache) -> bool {
        self.header.chain == committee.chain()
            && self.header.term == committee.term()
            && self.header.height > Height::GENESIS
            && cache.verify(&committee.proposer(self.header.height), &self.statement(), &self.seal)
    }

    pub(crate) fn to_wire(&self) -> wire::Block {
        wire::Block {
            header: self.encoded.clone(),
            payload: self.payload.clone(),
            seal: Bytes::copy_from_slice(&self.seal.0),
        }
    }

    pub(crate) fn from_wire(wire: wire::Block) -> Option<Self> {
        let header = Header::decode(&wire.header)?;
        let seal = Signature::from_slice(&wire.seal)?;
        if Digest::content(&wire.payload) != header.payload {
            return None;
        }
        let digest = Header::digest_of(&wire.header);
        // Kept apart from the message that it came in, which may be much larger.
        Some(Self { encoded: Bytes::copy_from_slice(&wire.header), header, payload: wire.payload, digest, seal })
    }
}

/// The digest of the block of an impeached height: a function of the last proposed block below it, the height and who was
/// impeached, so that every node has the same one whatever certificate it holds.
pub fn impeach_digest(chain: ChainId, term: Term, parent: &Digest, height: Height, impeached: &PublicKey) -> Digest {
    Digest::of(IMPEACHED, &[&chain.0.0, &term.0.to_be_bytes(), &parent.0, &height.0.to_be_bytes(), &impeached.0])
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::SigningKey;

    use super::*;

    fn sample() -> (Committee, SigningKey, Block) {
        let key = SigningKey::from_seed(&[1; 32]);
        let me = vec![key.public_key()];
        let committee = Committee::new(ChainId::new("golden", b"genesis"), Term(1), me.clone(), me).unwrap();
        let block =
            Block::seal(&committee, &key, Height(5), Height(3), Digest([3; 32]), Bytes::from_static(b"payload"));
        (committee, key, block)
    }

    #[test]
    fn golden_digests() {
        let (committee, key, block) = sample();
        assert_eq!(block.encoded_header().len(), 108);
        assert_eq!(block.digest().to_string(), include_str!("../../testdata/block_digest.hex").trim());
        let impeached = impeach_digest(committee.chain(), Term(1), &block.digest(), Height(6), &key.public_key());
        assert_eq!(impeached.to_string(), include_str!("../../testdata/impeach_digest.hex").trim());
    }

    #[test]
    fn wire_round_trip_and_tampering() {
        let (committee, _, block) = sample();
        let cache = SignatureCache::new(10);
        assert!(block.verify_seal(&committee, &cache));
        let read = Block::from_wire(block.to_wire()).unwrap();
        assert_eq!(read, block);
        let swapped = wire::Block { payload: Bytes::from_static(b"other"), ..block.to_wire() };
        assert!(Block::from_wire(swapped).is_none());
        let mut bytes = block.encoded_header().to_vec();
        // A header with trailing unknown bytes is another digest, which nobody sealed.
        bytes.extend_from_slice(&[0x78, 0x01]);
        let padded = Block::from_wire(wire::Block { header: bytes.into(), ..block.to_wire() }).unwrap();
        assert_ne!(padded.digest(), block.digest());
        assert!(!padded.verify_seal(&committee, &cache));
    }
}

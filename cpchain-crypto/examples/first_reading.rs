//! A first reading, sealed and opened. Run it twice: the second block follows the first.
use cpchain_crypto::{
    Digest, Domain, Signer, SystemEntropy,
    block::{BlockHeader, SealedBlock, seal},
    counter::{FileCounter, SealCounter},
    identity::{DeviceIdentity, KeyFile, KeyFileError},
    key_tree::TreeNode,
    merkle,
};

const UPLOAD: Domain = Domain::new("my product/upload/v1");

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The file is made once, at the factory. All keys of the device are derived from it.
    let mut key_file = match KeyFile::create("device.key", &mut SystemEntropy) {
        Err(KeyFileError::Exists) => KeyFile::open("device.key")?,
        other => other?,
    };
    let device = DeviceIdentity::from_source(&mut key_file)?;
    println!("{}", device.did());

    // The device keeps its last block: the next one carries its index plus one, and its hash.
    let kept = std::fs::read("last.block").ok();
    let last = kept.as_deref().map(SealedBlock::parse).transpose()?;
    let (index, previous) = last.map_or((0, Digest::ZERO), |block| (block.header().index + 1, block.hash()));

    // No interval key seals an index twice: the counter is durable before it is used, also when the power fails.
    // If this index may have been used already, its slot is in the next interval.
    let secret = device.stream_secret(b"roof temperature");
    let mut counter = SealCounter::open(FileCounter::open("counter")?)?;
    let slot = counter.claim(index)?;

    let body = b"21.5,21.6,21.4";
    let header = BlockHeader {
        stream: Digest::content(b"roof temperature"),
        index: slot.index(),
        interval: slot.interval(),
        start_ms: 1_767_225_600_000,
        count: 3,
        codec: 0,
        body_len: body.len() as u32,
        previous,
    };
    let (sealed, _commitments) = seal(&header, &secret.interval_key(slot.interval()), body)?;
    std::fs::write("last.block", &sealed)?;

    // Sign once for many blocks, over the root of their hashes.
    let root = merkle::root(&[SealedBlock::parse(&sealed)?.hash()]);
    let signature = device.sign(UPLOAD, &root.0);
    // The owner gives away the seed of this interval: it opens no other.
    let granted = secret.seed(TreeNode::leaf(slot.interval())).ok_or("the root is not given away")?;

    // The reader has the DID, the blocks, the signature and the seed.
    let block = SealedBlock::parse(&sealed)?;
    block.follows(last.as_ref())?;
    device.did().public_key().verify(UPLOAD, &merkle::root(&[block.hash()]).0, &signature)?;
    let key = granted.interval_key(block.header().interval).ok_or("this interval was not granted")?;
    let opened = block.open(&key)?;
    println!("block {}, opened: {}", block.header().index, String::from_utf8_lossy(&opened));
    Ok(())
}

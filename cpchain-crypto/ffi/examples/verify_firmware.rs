//! The other side of `examples/firmware`: reads what the device wrote, trusts none of it, and prints its readings.
//!
//! Checked: every block follows the one before it (number, hash, stream), opens under the granted seed and its
//! interval's published commitment, its leaves are what their commitments say, and the device's key signed each upload.
//! Any line that does not fit ends the program with a code other than 0.
//!
//! `cargo run -p cpchain-crypto-ffi --example verify_firmware < device.txt`

use std::{error::Error, io::BufRead as _};

use cpchain_crypto::{
    Digest, PublicKey, Signature,
    block::{LeafCommitment, LeafSecrets, SealedBlock},
    key_tree::{IntervalKey, NodeSeed, TreeNode},
    merkle::RootBuilder,
};

/// What the device wrote.
#[derive(Default)]
struct Device {
    stream: Option<Digest>,
    public: Option<PublicKey>,
    uploads: Vec<Upload>,
    filling: Upload,
    grant: Option<[u8; 32]>,
    intervals: Vec<Digest>,
    writes: Option<u32>,
    is_complete: bool,
}

#[derive(Default)]
struct Upload {
    blocks: Vec<Vec<u8>>,
    commitments: Vec<Vec<u8>>,
    root: Option<Digest>,
    signature: Option<Signature>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut device = Device::default();
    for line in std::io::stdin().lock().lines() {
        device.read(line?.trim())?;
    }
    device.verify()
}

impl Device {
    fn read(&mut self, line: &str) -> Result<(), Box<dyn Error>> {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        match name {
            "stream" => self.stream = Digest::from_slice(&bytes(value)?),
            "public" => self.public = PublicKey::from_slice(&bytes(value)?),
            "block" => self.filling.blocks.push(bytes(value)?),
            "commitments" => self.filling.commitments.push(bytes(value)?),
            "root" => self.filling.root = Digest::from_slice(&bytes(value)?),
            "signature" => {
                self.filling.signature = Signature::from_slice(&bytes(value)?);
                self.uploads.push(std::mem::take(&mut self.filling));
            }
            "grant" => self.grant = bytes(value)?.try_into().ok(),
            "interval" => self.intervals.extend(Digest::from_slice(&bytes(value)?)),
            "writes" => self.writes = Some(value.parse()?),
            "stack" => eprintln!("the device used {} bytes of stack", value.parse::<u32>()?),
            "end" => self.is_complete = true,
            _ => return Err(format!("the device says: {line}").into()),
        }
        Ok(())
    }

    fn verify(&self) -> Result<(), Box<dyn Error>> {
        let stream = self.stream.ok_or("no stream")?;
        let public = self.public.ok_or("no public key")?;
        let node = TreeNode::new(30, 0).ok_or("no such node")?;
        let grant = NodeSeed::from_bytes(node, self.grant.ok_or("no grant")?);
        let (mut previous, mut next, mut count) = (Digest::ZERO, 0, 0);
        let mut used = Vec::new();
        for upload in &self.uploads {
            let mut leaves = RootBuilder::default();
            if upload.blocks.len() != upload.commitments.len() {
                return Err("a block without commitments".into());
            }
            for (sealed, commitments) in upload.blocks.iter().zip(&upload.commitments) {
                let block = SealedBlock::parse(sealed)?;
                let header = block.header();
                if (header.stream, header.index, header.previous) != (stream, next, previous) {
                    return Err(format!("block {next} does not follow the one before it").into());
                }
                let interval = header.interval;
                let key = grant.interval_key(interval).ok_or("a block of an interval that is not granted")?;
                if self.intervals.get(interval.0 as usize) != Some(&key.commitment()) {
                    return Err(format!("the key of interval {interval} is not the published one").into());
                }
                let body = block.open(&key)?;
                check_leaves(&block, &key, &body, commitments, &mut leaves)?;
                println!("block {next} interval {interval} at {}: {}", header.start_ms, String::from_utf8(body)?);
                count += header.count;
                (previous, next) = (block.hash(), next + 1);
                used.push(interval);
            }
            let root = upload.root.ok_or("no root")?;
            if leaves.root() != root {
                return Err("the root is not that of the blocks".into());
            }
            public.verify(cpchain_crypto_ffi::UPLOAD, &root.0, &upload.signature.ok_or("no signature")?)?;
        }
        used.dedup();
        if !used.is_sorted() || self.writes != Some(used.len() as u32) || !self.is_complete || next == 0 {
            return Err("the device's report is not whole, or it used an interval without a stored counter".into());
        }
        println!("verified {count} readings in {next} blocks of {} uploads", self.uploads.len());
        Ok(())
    }
}

/// Is every leaf what its commitment says? Adds them to the tree that the device signed.
fn check_leaves(
    block: &SealedBlock<'_>,
    key: &IntervalKey,
    body: &[u8],
    commitments: &[u8],
    leaves: &mut RootBuilder,
) -> Result<(), Box<dyn Error>> {
    let header = block.header();
    if commitments.len() != header.leaf_count() as usize * cpchain_crypto_ffi::CPC_COMMITMENT_LEN {
        return Err("a leaf without a commitment".into());
    }
    let plain = body.chunks(cpchain_crypto_ffi::CPC_LEAF_LEN);
    let commitments = commitments.chunks(cpchain_crypto_ffi::CPC_COMMITMENT_LEN);
    for (leaf, ((sealed, plain), commitment)) in (0..).zip(block.leaves().zip(plain).zip(commitments)) {
        let commitment = LeafCommitment::from_bytes(commitment).ok_or("not a commitment")?;
        if LeafSecrets::derive(key, header.index, leaf).commit(plain) != commitment {
            return Err(format!("leaf {leaf} of block {} is not what it commits to", header.index).into());
        }
        leaves.push(commitment.merkle_leaf(header, leaf, sealed));
    }
    Ok(())
}

fn bytes(hex: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let digits = hex.as_bytes().chunks_exact(2);
    if !digits.remainder().is_empty() || hex.is_empty() {
        return Err("a line of half a byte".into());
    }
    digits.map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?)).collect()
}

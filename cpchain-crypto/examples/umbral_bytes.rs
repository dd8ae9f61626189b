//! Proxy re-encryption as hex lines, for another implementation of Umbral at the other end of the pipe.
//!
//! A request is a word and its arguments in hex, the answer one line of hex words, or `error` and why. All bytes are those of
//! the scheme itself, without our envelopes (`cpchain_crypto::pre`, "Bytes"), except for secrets: those are seeds.
//!
//! | request | answer |
//! | --- | --- |
//! | `public SEED` | public key |
//! | `plaintext STREAM NODE NODE_SEED` | what a capsule of this node seals |
//! | `encapsulate PUBLIC STREAM NODE NODE_SEED` | capsule and ciphertext, one after the other |
//! | `open_original SEED STREAM NODE SEALED` | node seed |
//! | `grant DELEGATING_SEED GRANTING_SEED RECEIVING` | three key fragments of which two open |
//! | `reencrypt DELEGATING RECEIVING VERIFYING STREAM NODE SEALED KEY_FRAGMENT` | capsule fragment, of a key fragment that was verified |
//! | `open SEED DELEGATING VERIFYING STREAM NODE SEALED CAPSULE_FRAGMENT...` | node seed, from fragments that were verified |
//!
//! `examples/interop/umbral/run.sh` runs it against pyUmbral, an implementation of its own.

use std::{
    error::Error,
    io::{self, BufRead, Write},
};

use cpchain_crypto::{
    Digest, SystemEntropy,
    key_tree::{NodeSeed, TreeNode},
    pre::{
        Capsule, CapsuleFragment, KeyFragment, Parties, PrePublicKey, PreSecretKey, ProxyReEncryption, Scheme,
        Threshold, Umbral, capsule_plaintext,
    },
};

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        match answer(&line?) {
            Ok(words) => writeln!(out, "{}", words.iter().map(|bytes| hex(bytes)).collect::<Vec<_>>().join(" "))?,
            Err(error) => writeln!(out, "error {error}")?,
        }
        out.flush()?;
    }
    Ok(())
}

type Answer = Result<Vec<Vec<u8>>, Box<dyn Error>>;

fn answer(line: &str) -> Answer {
    let mut words = line.split_whitespace();
    let command = words.next().unwrap_or_default();
    let arguments = words.map(unhex).collect::<Result<Vec<_>, _>>()?;
    let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
    match (command, arguments.as_slice()) {
        ("public", [seed]) => Ok(vec![Umbral.public_key(&secret(seed)?)?.scheme_bytes().to_vec()]),
        ("plaintext", [stream, node, seed]) => {
            Ok(vec![capsule_plaintext(&digest(stream)?, &node_seed(node, seed)?).to_vec()])
        }
        ("encapsulate", [key, stream, node, seed]) => {
            let seed = node_seed(node, seed)?;
            let capsule = Umbral.encapsulate(&public(key)?, &digest(stream)?, &seed, &mut SystemEntropy)?;
            Ok(vec![capsule.sealed().to_vec()])
        }
        ("open_original", [seed, stream, node, sealed]) => {
            let opened = Umbral.open_original(&secret(seed)?, &capsule(stream, node, sealed)?)?;
            Ok(vec![opened.expose().to_vec()])
        }
        ("grant", [delegating, granting, receiving]) => {
            let (delegating, granting, receiving) = (secret(delegating)?, secret(granting)?, public(receiving)?);
            let two_of_three = Threshold::new(2, 3)?;
            let made = Umbral.grant(&delegating, &granting, &receiving, two_of_three, &mut SystemEntropy)?;
            Ok(made.iter().map(|fragment| fragment.expose_scheme_bytes().to_vec()).collect())
        }
        ("reencrypt", [delegating, receiving, verifying, stream, node, sealed, fragment]) => {
            let parties = parties(delegating, public(receiving)?, verifying)?;
            let fragment = KeyFragment::from_scheme_bytes(Scheme::Umbral, fragment)?;
            let fragment = Umbral.verify_key_fragment(fragment, &parties)?;
            let made = Umbral.reencrypt(&capsule(stream, node, sealed)?, &fragment)?;
            Ok(vec![made.scheme_bytes().to_vec()])
        }
        ("open", [seed, delegating, verifying, stream, node, sealed, fragments @ ..]) => {
            let receiving = secret(seed)?;
            let parties = parties(delegating, Umbral.public_key(&receiving)?, verifying)?;
            let capsule = capsule(stream, node, sealed)?;
            let mut verified = Vec::new();
            for bytes in fragments {
                let fragment = CapsuleFragment::from_scheme_bytes(Scheme::Umbral, bytes)?;
                verified.push(Umbral.verify_capsule_fragment(fragment, &capsule, &parties)?);
            }
            let opened = Umbral.open(&receiving, &parties.delegating, &capsule, &verified)?;
            Ok(vec![opened.expose().to_vec()])
        }
        _ => Err("no such request".into()),
    }
}

fn public(bytes: &[u8]) -> Result<PrePublicKey, Box<dyn Error>> {
    Ok(PrePublicKey::from_scheme_bytes(Scheme::Umbral, bytes)?)
}

fn secret(seed: &[u8]) -> Result<PreSecretKey, Box<dyn Error>> {
    Ok(PreSecretKey::from_seed(Scheme::Umbral, seed.try_into()?))
}

fn parties(delegating: &[u8], receiving: PrePublicKey, verifying: &[u8]) -> Result<Parties, Box<dyn Error>> {
    Ok(Parties { delegating: public(delegating)?, receiving, verifying: public(verifying)? })
}

fn digest(bytes: &[u8]) -> Result<Digest, Box<dyn Error>> {
    Digest::from_slice(bytes).ok_or_else(|| "a stream has 32 bytes".into())
}

fn node_seed(node: &[u8], seed: &[u8]) -> Result<NodeSeed, Box<dyn Error>> {
    Ok(NodeSeed::from_bytes(TreeNode::from_bytes(node).ok_or("not a node")?, seed.try_into()?))
}

fn capsule(stream: &[u8], node: &[u8], sealed: &[u8]) -> Result<Capsule, Box<dyn Error>> {
    let node = TreeNode::from_bytes(node).ok_or("not a node")?;
    Ok(Capsule::from_parts(Scheme::Umbral, &digest(stream)?, node, sealed)?)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).map(|value| value as u8))
        .collect::<Option<_>>()
        .ok_or("not hex")?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
    } else {
        Err("half a byte".into())
    }
}

//! Answers questions about `did:key` identifiers, one a line, as JSON: for scripts, and for comparing with other software.
//!
//! | line on standard input | answer |
//! | --- | --- |
//! | `seed` and 64 hex digits | the DID, public key and both documents of an Ed25519 secret key |
//! | `did` and a DID | the same, from the identifier alone |
//! | `document` and a JSON document | the DID, if it is exactly the resolution of its id |
//!
//! A line that cannot be answered gives `{"error": …}`, and the next one is read.
//!
//! ```sh
//! echo did did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp |
//!     cargo run -p cpchain-crypto --features std,did-document --example did
//! ```

use std::{
    error::Error,
    io::{self, BufRead, Write},
};

use cpchain_crypto::{
    Did, Signer, SigningKey,
    identity::{DidDocument, DocumentForm},
};
use serde_json::{Value, json};

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = answer(&line?).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

fn answer(line: &str) -> Result<Value, Box<dyn Error>> {
    match line.split_once(' ') {
        Some(("seed", hex)) => describe(Did::from(SigningKey::from_seed(&seed(hex)?).public_key())),
        Some(("did", text)) => describe(text.parse()?),
        Some(("document", json)) => Ok(json!({ "did": DidDocument::parse(json.as_bytes())?.did().to_string() })),
        _ => Err("a line is `seed HEX`, `did DID` or `document JSON`".into()),
    }
}

fn describe(did: Did) -> Result<Value, Box<dyn Error>> {
    let document =
        |form| -> Result<Value, Box<dyn Error>> { Ok(serde_json::from_str(&did.document(form)?.to_string())?) };
    Ok(json!({
        "did": did.to_string(),
        "publicKey": did.public_key().to_string(),
        "multikey": document(DocumentForm::Multikey)?,
        "suites2020": document(DocumentForm::Suites2020)?,
    }))
}

fn seed(hex: &str) -> Result<[u8; 32], Box<dyn Error>> {
    let digits: Option<Vec<u8>> = hex.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.ok_or("a seed is 64 hex digits")?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    let seed = bytes.try_into().ok().filter(|_| rest.is_empty());
    Ok(seed.ok_or("a seed is 64 hex digits")?)
}

//! STREAM from the outside: whole bodies, every way to change one, and another implementation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use aead_stream::{
    DecryptorBE32, EncryptorBE32,
    aead::{KeyInit, Payload},
};
use cpchain_crypto::{
    AeadError, ChaCha20Poly1305, Key, Tag,
    stream::{StreamError, StreamOpener, StreamPrefix, StreamSealer},
};
use proptest::prelude::*;

const KEY: [u8; 32] = [4; 32];
const PREFIX: StreamPrefix = StreamPrefix([1, 2, 3, 4, 5, 6, 7]);
const REFUSED: StreamError = StreamError::Aead(AeadError);

#[derive(Clone, PartialEq, Debug)]
struct Piece {
    associated: Vec<u8>,
    bytes: Vec<u8>,
    tag: Tag,
}

fn cipher() -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Key::from_bytes(KEY))
}

fn opener() -> StreamOpener<ChaCha20Poly1305> {
    StreamOpener::new(cipher(), PREFIX)
}

/// Seals a body of at least one piece.
fn seal(body: &[Vec<u8>]) -> Vec<Piece> {
    let mut sealer = StreamSealer::new(cipher(), PREFIX);
    let mut out = Vec::new();
    let (last, front) = body.split_last().unwrap();
    for (number, piece) in front.iter().enumerate() {
        let (associated, mut bytes) = (vec![number as u8], piece.clone());
        let tag = sealer.seal_next(&associated, &mut bytes).unwrap();
        out.push(Piece { associated, bytes, tag });
    }
    let (associated, mut bytes) = (vec![front.len() as u8], last.clone());
    let tag = sealer.seal_last(&associated, &mut bytes).unwrap();
    out.push(Piece { associated, bytes, tag });
    out
}

/// Opens a body, the final piece as the last.
fn open(pieces: &[Piece]) -> Result<Vec<Vec<u8>>, StreamError> {
    let mut opener = opener();
    let mut body = Vec::new();
    let (last, front) = pieces.split_last().ok_or(REFUSED)?;
    for piece in front {
        let mut bytes = piece.bytes.clone();
        opener.open_next(&piece.associated, &mut bytes, &piece.tag)?;
        body.push(bytes);
    }
    let mut bytes = last.bytes.clone();
    opener.open_last(&last.associated, &mut bytes, &last.tag)?;
    body.push(bytes);
    Ok(body)
}

fn bodies() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..8)
}

proptest! {
    #[test]
    fn a_body_comes_back_whole(body in bodies()) {
        prop_assert_eq!(open(&seal(&body)), Ok(body));
    }

    #[test]
    fn pieces_that_are_moved_repeated_or_left_out_are_refused(body in bodies(), a: prop::sample::Index, b: prop::sample::Index) {
        let whole = seal(&body);
        let (a, b) = (a.index(whole.len()), b.index(whole.len()));
        let mut swapped = whole.clone();
        swapped.swap(a, b);
        prop_assert_eq!(open(&swapped).is_ok(), a == b);
        let mut repeated = whole.clone();
        repeated.insert(b, whole[b].clone());
        prop_assert_eq!(open(&repeated), Err(REFUSED));
        let mut shorter = whole;
        shorter.remove(a);
        prop_assert_eq!(open(&shorter), Err(REFUSED));
    }

    #[test]
    fn a_cut_or_a_continued_body_is_refused(body in bodies(), more in bodies(), at: prop::sample::Index) {
        let whole = seal(&body);
        prop_assert_eq!(open(&whole[..at.index(whole.len())]), Err(REFUSED));
        let extended = [whole, seal(&more)].concat();
        prop_assert_eq!(open(&extended), Err(REFUSED));
    }

    #[test]
    fn any_flipped_bit_is_found(body in bodies(), at: prop::sample::Index, bit: prop::sample::Index) {
        let mut pieces = seal(&body);
        let at = at.index(pieces.len());
        let piece = &mut pieces[at];
        let bit = bit.index((piece.bytes.len() + 16) * 8);
        match piece.bytes.get_mut(bit / 8) {
            Some(byte) => *byte ^= 1 << (bit % 8),
            None => piece.tag.0[bit / 8 - piece.bytes.len()] ^= 1 << (bit % 8),
        }
        prop_assert_eq!(open(&pieces), Err(REFUSED));
    }

    #[test]
    fn associated_data_is_bound_to_its_piece(body in bodies(), at: prop::sample::Index) {
        let mut pieces = seal(&body);
        let at = at.index(pieces.len());
        pieces[at].associated.push(0);
        prop_assert_eq!(open(&pieces), Err(REFUSED));
    }

    /// The `aead-stream` crate opens what we sealed, and seals the same bytes.
    #[test]
    fn another_implementation_agrees(body in bodies()) {
        let theirs = chacha20poly1305::ChaCha20Poly1305::new(&KEY.into());
        let mut encryptor = EncryptorBE32::from_aead(theirs.clone(), &PREFIX.0.into());
        let mut decryptor = DecryptorBE32::from_aead(theirs, &PREFIX.0.into());
        let ours = seal(&body);
        let (last, front) = ours.split_last().unwrap();
        for (piece, plain) in front.iter().zip(&body) {
            let sealed = [piece.bytes.as_slice(), &piece.tag.0].concat();
            let with = |msg| Payload { msg, aad: &piece.associated };
            prop_assert_eq!(&encryptor.encrypt_next(with(plain)).unwrap(), &sealed);
            prop_assert_eq!(&decryptor.decrypt_next(with(&sealed)).unwrap(), plain);
        }
        let plain = body.last().unwrap();
        let sealed = [last.bytes.as_slice(), &last.tag.0].concat();
        let with = |msg| Payload { msg, aad: &last.associated };
        prop_assert_eq!(&encryptor.encrypt_last(with(plain)).unwrap(), &sealed);
        prop_assert_eq!(&decryptor.decrypt_last(with(&sealed)).unwrap(), plain);
    }
}

#[test]
fn a_refused_piece_may_be_asked_for_again() {
    let pieces = seal(&[vec![1; 30], vec![2; 30], vec![3; 30]]);
    let mut opener = opener();
    let mut wrong = pieces[1].bytes.clone();
    assert_eq!(opener.open_next(&pieces[1].associated, &mut wrong, &pieces[1].tag), Err(REFUSED));
    assert_eq!(wrong, [0; 30]);
    for piece in &pieces[..2] {
        let mut right = piece.bytes.clone();
        opener.open_next(&piece.associated, &mut right, &piece.tag).unwrap();
    }
    let mut last = pieces[2].bytes.clone();
    opener.open_last(&pieces[2].associated, &mut last, &pieces[2].tag).unwrap();
    assert_eq!(last, [3; 30]);
}

#[test]
fn another_prefix_is_another_body() {
    let pieces = seal(&[vec![1; 30]]);
    let mut bytes = pieces[0].bytes.clone();
    let opener = StreamOpener::new(cipher(), StreamPrefix([0; 7]));
    assert_eq!(opener.open_last(&pieces[0].associated, &mut bytes, &pieces[0].tag), Err(REFUSED));
}

//! The border from the Rust side: it gives what `cpchain-crypto` gives, and refuses what it must.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    ffi::{CStr, c_int, c_void},
    ptr::{null, null_mut},
};

use cpchain_crypto::{
    Aead as _, ChaCha20Poly1305, Digest, Domain, Key, Nonce, Signer as _, SigningKey,
    block::{self, LeafCommitment, SealedBlock},
    key_tree::{IntervalId, StreamSecret, TreeNode},
    merkle::RootBuilder,
};
use cpchain_crypto_ffi::*;
use proptest::prelude::*;
use support::{Page, SECRET, SEED, STREAM, config, next_block};

const DOMAIN: Domain = Domain::new("test/abi/v1");
const NAME: &CStr = c"test/abi/v1";

// In this file all pointers go to memory of the test itself, unless a test says otherwise.

#[test]
fn seal_and_open_are_those_of_the_crate() {
    let (key, nonce, aad) = ([1; 32], [2; 12], *b"header");
    let (mut ours, mut theirs, mut tag) = (*b"21.5 C", *b"21.5 C", [0; 16]);
    let status =
        unsafe { cpc_seal(key.as_ptr(), nonce.as_ptr(), aad.as_ptr(), 6, ours.as_mut_ptr(), 6, tag.as_mut_ptr()) };
    assert_eq!(status, Status::Ok);
    let expected = ChaCha20Poly1305::new(&Key::from_bytes(key)).seal(&Nonce(nonce), &aad, &mut theirs).unwrap();
    assert_eq!((ours, tag), (theirs, expected.0));
    let open = |buffer: &mut [u8; 6], tag: &[u8; 16]| unsafe {
        cpc_open(key.as_ptr(), nonce.as_ptr(), aad.as_ptr(), 6, buffer.as_mut_ptr(), 6, tag.as_ptr())
    };
    let mut changed = ours;
    changed[2] ^= 1;
    assert_eq!(open(&mut changed, &tag), Status::Open);
    assert_eq!(changed, [0; 6]);
    assert_eq!(open(&mut ours, &tag), Status::Ok);
    assert_eq!(&ours, b"21.5 C");
}

#[test]
fn null_wrapping_and_overlapping_arguments_are_refused() {
    let (key, nonce, mut buffer, mut tag) = ([1u8; 32], [2u8; 12], [3u8; 64], [0u8; 16]);
    let (k, n, b, t) = (key.as_ptr(), nonce.as_ptr(), buffer.as_mut_ptr(), tag.as_mut_ptr());
    let seal = |k, n, a, al, b, bl, t| unsafe { cpc_seal(k, n, a, al, b, bl, t) };
    assert_eq!(seal(null(), n, null(), 0, b, 64, t), Status::Null);
    assert_eq!(seal(k, null(), null(), 0, b, 64, t), Status::Null);
    assert_eq!(seal(k, n, null(), 1, b, 64, t), Status::Null);
    assert_eq!(seal(k, n, null(), 0, null_mut(), 64, t), Status::Null);
    assert_eq!(seal(k, n, null(), 0, b, 64, null_mut()), Status::Null);
    assert_eq!(seal(k, n, null(), 0, b, usize::MAX, t), Status::Overlap);
    assert_eq!(seal(k, n, b.cast_const().wrapping_add(10), 4, b, 64, t), Status::Overlap);
    assert_eq!(seal(k, n, null(), 0, b, 64, b.wrapping_add(60)), Status::Overlap);
    assert_eq!(seal(k, n, null(), 0, b, 48, b.wrapping_add(48)), Status::Ok);
    buffer.fill(3);
    assert_eq!(buffer, [3; 64]);
    // An empty message has a tag too.
    assert_eq!(seal(k, n, null(), 0, null_mut(), 0, t), Status::Ok);
    assert_eq!(unsafe { cpc_open(k, n, null(), 0, null_mut(), 0, t) }, Status::Ok);
    assert_eq!(unsafe { cpc_zeroize(null_mut(), 4) }, Status::Null);
    assert_eq!(unsafe { cpc_zeroize(b, usize::MAX) }, Status::Length);
    assert_eq!(unsafe { cpc_zeroize(b, isize::MAX as usize + 1) }, Status::Length);
    assert_eq!(unsafe { cpc_zeroize(b, 64) }, Status::Ok);
    assert_eq!(buffer, [0; 64]);
}

#[test]
fn hashes_are_those_of_the_crate() {
    let mut digest = [0; 32];
    assert_eq!(unsafe { cpc_hash(NAME.as_ptr(), b"abc".as_ptr(), 3, digest.as_mut_ptr()) }, Status::Ok);
    assert_eq!(Digest(digest), Digest::of(DOMAIN, &[b"abc"]));
    let mut hasher = Hasher::new();
    let hasher = &raw mut hasher;
    let part = |bytes: &[u8]| unsafe { cpc_hasher_part(hasher, bytes.as_ptr(), bytes.len()) };
    assert_eq!(part(b"a"), Status::Context);
    assert_eq!(unsafe { cpc_hasher_init(hasher, NAME.as_ptr()) }, Status::Ok);
    assert_eq!(part(b"ab"), Status::Ok);
    assert_eq!(part(b""), Status::Ok);
    assert_eq!(part(b"c"), Status::Ok);
    let mut elsewhere = unsafe { hasher.read() };
    assert_eq!(unsafe { cpc_hasher_finish(&mut elsewhere, digest.as_mut_ptr()) }, Status::Context);
    assert_eq!(unsafe { cpc_hasher_finish(hasher, hasher.cast::<u8>().wrapping_add(8)) }, Status::Overlap);
    assert_eq!(unsafe { cpc_hasher_part(hasher, hasher.cast(), 8) }, Status::Overlap);
    assert_eq!(unsafe { cpc_hasher_finish(hasher, digest.as_mut_ptr()) }, Status::Ok);
    assert_eq!(Digest(digest), Digest::of(DOMAIN, &[b"ab", b"", b"c"]));
    assert_eq!(part(b"more"), Status::Context);
}

#[test]
fn domains_have_1_to_255_bytes_of_text() {
    let mut digest = [0; 32];
    let mut hash = |name: *const _| unsafe { cpc_hash(name, null(), 0, digest.as_mut_ptr()) };
    assert_eq!(hash(null()), Status::Null);
    assert_eq!(hash(c"".as_ptr()), Status::Domain);
    assert_eq!(hash(c"\xff".as_ptr()), Status::Domain);
    static LONG: [u8; 257] = {
        let mut long = [b'a'; 257];
        long[256] = 0;
        long
    };
    assert_eq!(hash(LONG.as_ptr().cast()), Status::Domain);
    assert_eq!(hash(LONG[1..].as_ptr().cast()), Status::Ok);
}

#[test]
fn signatures_are_those_of_the_crate() {
    let key = SigningKey::from_seed(&SEED);
    let (mut public, mut signature) = ([0; 32], [0; 64]);
    assert_eq!(unsafe { cpc_public_key(SEED.as_ptr(), public.as_mut_ptr()) }, Status::Ok);
    assert_eq!(unsafe { cpc_sign(SEED.as_ptr(), NAME.as_ptr(), b"m".as_ptr(), 1, signature.as_mut_ptr()) }, Status::Ok);
    assert_eq!((public, signature), (key.public_key().0, key.sign(DOMAIN, b"m").0));
    let verify = |public: &[u8; 32], name: &'static CStr, message: &[u8], signature: &[u8; 64]| unsafe {
        cpc_verify(public.as_ptr(), name.as_ptr(), message.as_ptr(), message.len(), signature.as_ptr())
    };
    assert_eq!(verify(&public, NAME, b"m", &signature), Status::Ok);
    assert_eq!(verify(&public, NAME, b"n", &signature), Status::Signature);
    assert_eq!(verify(&public, c"test/other/v1", b"m", &signature), Status::Signature);
    let mut identity = [0; 32];
    identity[0] = 1;
    assert_eq!(verify(&identity, NAME, b"m", &signature), Status::Key);
}

unsafe extern "C" fn counting(user: *mut c_void, out: *mut u8, len: usize) -> c_int {
    for i in 0..len {
        unsafe { out.add(i).write(i as u8) };
    }
    unsafe { user.cast::<u32>().read() as c_int }
}

unsafe extern "C" fn forgetful(_: *mut c_void, _: *mut u8, _: usize) -> c_int {
    0
}

#[test]
fn a_failed_or_stuck_generator_makes_no_secret() {
    let (mut good, mut bad, mut secret) = (0u32, 1u32, [9; 32]);
    let (good, bad) = ((&raw mut good).cast(), (&raw mut bad).cast());
    assert_eq!(unsafe { cpc_generate_secret(None, null_mut(), secret.as_mut_ptr()) }, Status::Null);
    assert_eq!(unsafe { cpc_generate_secret(Some(counting), good, null_mut()) }, Status::Null);
    assert_eq!(unsafe { cpc_generate_secret(Some(counting), bad, secret.as_mut_ptr()) }, Status::Entropy);
    assert_eq!(unsafe { cpc_generate_secret(Some(forgetful), null_mut(), secret.as_mut_ptr()) }, Status::Entropy);
    assert_eq!(secret, [9; 32]);
    assert_eq!(unsafe { cpc_generate_secret(Some(counting), good, secret.as_mut_ptr()) }, Status::Ok);
    assert_eq!(secret, std::array::from_fn(|i| i as u8));
}

#[test]
fn keys_are_those_of_the_tree() {
    let secret = StreamSecret::from_bytes(SECRET);
    let (mut key, mut seed, mut again, mut commitment) = ([0; 32], [0; 32], [0; 32], [0; 32]);
    unsafe {
        assert_eq!(cpc_interval_key(SECRET.as_ptr(), 9, key.as_mut_ptr()), Status::Ok);
        assert_eq!(cpc_node_seed(SECRET.as_ptr(), 30, 2, seed.as_mut_ptr()), Status::Ok);
        assert_eq!(cpc_interval_key_from_seed(30, 2, seed.as_ptr(), 9, again.as_mut_ptr()), Status::Ok);
        assert_eq!(cpc_interval_key_from_seed(30, 2, seed.as_ptr(), 12, again.as_mut_ptr()), Status::Node);
        assert_eq!(cpc_key_commitment(key.as_ptr(), commitment.as_mut_ptr()), Status::Ok);
        assert_eq!(cpc_node_seed(SECRET.as_ptr(), 0, 0, again.as_mut_ptr()), Status::Node);
        assert_eq!(cpc_node_seed(SECRET.as_ptr(), 33, 0, again.as_mut_ptr()), Status::Node);
    }
    let expected = secret.interval_key(IntervalId(9));
    assert_eq!((&key, &again), (expected.expose(), expected.expose()));
    assert_eq!(&seed, secret.seed(TreeNode::new(30, 2).unwrap()).unwrap().expose());
    assert_eq!(commitment, expected.commitment().0);
}

#[test]
fn every_status_has_a_text_of_its_own() {
    let text = |status: i32| unsafe { CStr::from_ptr(cpc_error_text(status)) }.to_str().unwrap();
    let mut texts: Vec<_> = (0..20).map(text).collect();
    let unknown = text(20);
    assert_eq!((text(-1), text(i32::MAX)), (unknown, unknown));
    texts.push(unknown);
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), 21);
}

#[test]
fn the_header_states_the_upload_domain_and_the_version() {
    let header = include_str!("../include/cpchain_crypto.h");
    assert!(header.contains(&format!("#define CPC_UPLOAD_DOMAIN \"{}\"", UPLOAD.as_str())));
    assert!(header.contains(&format!("#define CPC_ABI_VERSION {}\n", cpc_abi_version())));
    assert_eq!(unsafe { CStr::from_ptr(cpc_version()) }.to_str(), Ok(env!("CARGO_PKG_VERSION")));
}

fn initialised(context: *mut Context, page: *mut Page, per_interval: u32) {
    assert_eq!(unsafe { cpc_init(context, &config(page, per_interval)) }, Status::Ok);
}

#[test]
fn an_upload_is_what_the_rust_side_expects() {
    let (mut page, mut context) = (Page::default(), Context::new());
    let (page, context) = (&raw mut page, &raw mut context);
    initialised(context, page, 2);
    let secret = StreamSecret::from_bytes(SECRET);
    let mut leaves = RootBuilder::default();
    let mut previous = Digest::ZERO;
    for (index, len) in [0usize, 10, 4096, 4097, 9000].into_iter().enumerate() {
        let body: Vec<u8> = (0..len).map(|i| (i * 7 + index) as u8).collect();
        let sealed = next_block(context, &body).unwrap();
        let parsed = SealedBlock::parse(&sealed.bytes).unwrap();
        let header = *parsed.header();
        assert_eq!((header.stream, header.index, header.previous), (Digest(STREAM), index as u64, previous));
        assert_eq!((header.start_ms, header.count, header.codec), (7, 1, 2));
        let key = secret.interval_key(header.interval);
        let (bytes, commitments) = block::seal(&header, &key, &body).unwrap();
        assert_eq!(bytes, sealed.bytes);
        assert_eq!(commitments.iter().flat_map(LeafCommitment::to_bytes).collect::<Vec<_>>(), sealed.commitments);
        for ((leaf, sealed), commitment) in (0..).zip(parsed.leaves()).zip(commitments) {
            leaves.push(commitment.merkle_leaf(&header, leaf, sealed));
        }
        previous = parsed.hash();
        let (mut opened, mut opened_len) = (vec![0; len], 0);
        let status = unsafe {
            cpc_open_block(
                key.expose().as_ptr(),
                bytes.as_ptr(),
                bytes.len(),
                opened.as_mut_ptr(),
                len,
                &mut opened_len,
            )
        };
        assert_eq!((status, opened_len, opened), (Status::Ok, len, body));
    }
    let (mut root, mut signature) = ([0; 32], [0; 64]);
    assert_eq!(unsafe { cpc_finish_upload(context, root.as_mut_ptr(), signature.as_mut_ptr()) }, Status::Ok);
    assert_eq!(Digest(root), leaves.root());
    let public = SigningKey::from_seed(&SEED).public_key();
    assert_eq!(public.verify(UPLOAD, &root, &cpchain_crypto::Signature(signature)), Ok(()));
    assert_eq!(unsafe { cpc_finish_upload(context, root.as_mut_ptr(), signature.as_mut_ptr()) }, Status::Empty);
    // The next upload begins a new interval, though the last was not full.
    let next = next_block(context, b"next").unwrap();
    assert_eq!(SealedBlock::parse(&next.bytes).unwrap().header().interval, IntervalId(3));
}

#[test]
fn a_copied_context_is_refused() {
    let (mut page, mut context) = (Page::default(), Context::new());
    let (page, context) = (&raw mut page, &raw mut context);
    assert_eq!(next_block(context, b"x").unwrap_err(), Status::Context);
    initialised(context, page, 2);
    let mut copy = unsafe { context.read() };
    assert_eq!(next_block(&mut copy, b"x").unwrap_err(), Status::Context);
    assert_eq!(unsafe { cpc_close(&mut copy) }, Status::Context);
    assert!(next_block(context, b"x").is_ok());
    assert_eq!(unsafe { cpc_close(context) }, Status::Ok);
    assert_eq!(next_block(context, b"x").unwrap_err(), Status::Context);
    assert_eq!(next_block(null_mut(), b"x").unwrap_err(), Status::Null);
    let odd = context.cast::<u8>().wrapping_add(1).cast();
    assert_eq!(next_block(odd, b"x").unwrap_err(), Status::Context);
}

#[test]
fn a_closed_context_holds_no_secret() {
    let (mut page, mut context) = (Page::default(), Context::new());
    let (page, context) = (&raw mut page, &raw mut context);
    initialised(context, page, 2);
    next_block(context, b"x").unwrap();
    assert_eq!(unsafe { cpc_close(context) }, Status::Ok);
    let bytes = unsafe { std::slice::from_raw_parts(context.cast::<u8>(), size_of::<Context>()) };
    assert!(bytes.iter().all(|byte| *byte == 0));
}

#[test]
fn a_callback_cannot_come_back_into_its_context() {
    let (mut page, mut context) = (Page::default(), Context::new());
    let (page, context) = (&raw mut page, &raw mut context);
    initialised(context, page, 2);
    unsafe { (*page).reenters = Some(context) };
    assert!(next_block(context, b"x").is_ok());
    assert_eq!(unsafe { (*page).reentered }, Some(Status::Busy));
}

#[test]
fn what_cannot_be_configured_is_refused() {
    let (mut page, mut context) = (Page::default(), Context::new());
    let (page, context) = (&raw mut page, &raw mut context);
    let good = config(page, 1);
    let init = |config: &Config| unsafe { cpc_init(context, config) };
    assert_eq!(init(&Config { abi: 0, ..good }), Status::Config);
    assert_eq!(init(&Config { blocks_per_interval: 0, ..good }), Status::Config);
    assert_eq!(init(&Config { stream: null(), ..good }), Status::Null);
    assert_eq!(init(&Config { stream_secret: null(), ..good }), Status::Null);
    assert_eq!(init(&Config { signing_seed: null(), ..good }), Status::Null);
    assert_eq!(init(&Config { load: None, ..good }), Status::Null);
    assert_eq!(init(&Config { store: None, ..good }), Status::Null);
    let position = Position { next_block: 4, previous: [1; 32] };
    // Blocks were sealed, but nobody remembers under which keys; the owner can say which are surely unused.
    assert_eq!(init(&Config { position: &position, ..good }), Status::Counter);
    assert_eq!(init(&Config { position: &position, first_interval: 100, ..good }), Status::Ok);
    unsafe { (*page).is_unreadable = true };
    assert_eq!(init(&good), Status::Store);
    unsafe { (*page).is_unreadable = false };
    unsafe { (*page).record = Some(vec![0; CPC_COUNTER_LEN]) };
    assert_eq!(init(&good), Status::Counter);
    // So it is with a damaged one.
    assert_eq!(init(&Config { first_interval: 100, ..good }), Status::Ok);
    let sealed = next_block(context, b"x").unwrap();
    assert_eq!(SealedBlock::parse(&sealed.bytes).unwrap().header().interval, IntervalId(100));
    assert_eq!(init(&Config { position: &Position { next_block: 1, previous: [1; 32] }, ..good }), Status::Ok);
}

#[test]
fn a_damaged_counter_goes_on_where_the_owner_says() {
    let (mut page, mut context) = (Page::default(), Context::new());
    let (page, context) = (&raw mut page, &raw mut context);
    let interval = |sealed: &support::Sealed| SealedBlock::parse(&sealed.bytes).unwrap().header().interval.0;
    initialised(context, page, 2);
    next_block(context, b"x").unwrap();
    let mut position = Position { next_block: 0, previous: [0; 32] };
    // One pointer for both: the configuration reads where the context writes.
    let position = &raw mut position;
    assert_eq!(unsafe { cpc_get_position(context, position) }, Status::Ok);
    let known = Config { position, ..config(page, 2) };
    let owner_says = Config { first_interval: 7, ..known };
    unsafe { (*page).record.as_mut().unwrap()[9] ^= 1 };
    assert_eq!(unsafe { cpc_init(context, &known) }, Status::Counter);
    // An unreadable counter may be whole, and above what the owner knows.
    unsafe { (*page).is_unreadable = true };
    assert_eq!(unsafe { cpc_init(context, &owner_says) }, Status::Store);
    unsafe { (*page).is_unreadable = false };
    assert_eq!(unsafe { cpc_init(context, &owner_says) }, Status::Ok);
    assert_eq!(interval(&next_block(context, b"y").unwrap()), 7);
    // The record that is whole again is believed: the same interval is not taken twice.
    assert_eq!(unsafe { cpc_get_position(context, position) }, Status::Ok);
    for expected in 8..10 {
        assert_eq!(unsafe { cpc_init(context, &owner_says) }, Status::Ok);
        assert_eq!(interval(&next_block(context, b"z").unwrap()), expected);
        assert_eq!(unsafe { cpc_get_position(context, position) }, Status::Ok);
    }
    assert_eq!(unsafe { cpc_init(context, &Config { first_interval: 20, ..known }) }, Status::Ok);
    assert_eq!(interval(&next_block(context, b"z").unwrap()), 20);
}

#[test]
fn intervals_and_numbers_end() {
    let (mut page, mut context) = (Page::default(), Context::new());
    let (page, context) = (&raw mut page, &raw mut context);
    let last = Config { first_interval: u32::MAX, ..config(page, 1) };
    assert_eq!(unsafe { cpc_init(context, &last) }, Status::Ok);
    assert!(next_block(context, b"x").is_ok());
    assert_eq!(next_block(context, b"x").unwrap_err(), Status::Exhausted);
    let mut position = Position { next_block: 0, previous: [0; 32] };
    assert_eq!(unsafe { cpc_get_position(context, &mut position) }, Status::Ok);
    assert_eq!(position.next_block, 1);
    assert_eq!(unsafe { cpc_init(context, &Config { position: &position, ..last }) }, Status::Ok);
    assert_eq!(next_block(context, b"x").unwrap_err(), Status::Exhausted);
    unsafe { (*page).record = None };
    let end = Position { next_block: u64::MAX, previous: [0; 32] };
    let full = Config { position: &end, first_interval: 1, ..config(page, 1) };
    assert_eq!(unsafe { cpc_init(context, &full) }, Status::Ok);
    assert_eq!(next_block(context, b"x").unwrap_err(), Status::Exhausted);
    assert!(unsafe { (*page).record.is_none() });
}

#[test]
fn a_failed_store_seals_nothing_and_may_be_repeated() {
    let (mut page, mut context) = (Page::default(), Context::new());
    let (page, context) = (&raw mut page, &raw mut context);
    initialised(context, page, 1);
    unsafe { (*page).fails = Some(false) };
    assert_eq!(next_block(context, b"x").unwrap_err(), Status::Store);
    let sealed = next_block(context, b"x").unwrap();
    assert_eq!(SealedBlock::parse(&sealed.bytes).unwrap().header().index, 0);
}

#[test]
fn outputs_that_do_not_fit_say_what_fits() {
    let (mut page, mut context) = (Page::default(), Context::new());
    let (page, context) = (&raw mut page, &raw mut context);
    initialised(context, page, 1);
    let body = [1; 5000];
    let readings = Readings { start_ms: 0, count: 0, codec: 0, body: body.as_ptr(), body_len: body.len() };
    let (mut memory, mut commitments) = ([0xee; 6000], [0xee; 128]);
    let (memory, commitments) = (memory.as_mut_ptr(), commitments.as_mut_ptr());
    let block = |sealed, sealed_cap, commitments, commitments_cap| Block {
        sealed,
        sealed_cap,
        sealed_len: 0,
        commitments,
        commitments_cap,
        commitments_len: 0,
    };
    let next = |readings: &Readings, mut block: Block| {
        let status = unsafe { cpc_next_block(context, readings, &mut block) };
        (status, block.sealed_len, block.commitments_len)
    };
    let needed = cpc_sealed_len(5000);
    assert_eq!(needed, 104 + 5000 + 2 * 16);
    assert_eq!(next(&readings, block(null_mut(), 0, null_mut(), 0)), (Status::Buffer, needed, 128));
    assert_eq!(next(&readings, block(memory, needed - 1, commitments, 128)), (Status::Buffer, needed, 128));
    assert_eq!(next(&readings, block(memory, needed, commitments, 127)), (Status::Buffer, needed, 128));
    assert_eq!(next(&readings, block(memory, 6000, memory.wrapping_add(5999), 1)).0, Status::Overlap);
    assert_eq!(next(&readings, block(null_mut(), 6000, commitments, 128)).0, Status::Null);
    assert_eq!(next(&readings, block(context.cast(), 6000, commitments, 128)).0, Status::Overlap);
    let whole = block(memory, 6000, commitments, 128);
    let (inside, mut outside) = (context.cast::<u8>().wrapping_add(64), whole);
    assert_eq!(unsafe { cpc_next_block(context, &readings, inside.cast()) }, Status::Overlap);
    assert_eq!(unsafe { cpc_next_block(context, inside.cast(), &mut outside) }, Status::Overlap);
    let long = Readings { body_len: CPC_MAX_BODY_LEN + 1, ..readings };
    assert_eq!(next(&Readings { body: null(), ..readings }, block(memory, 6000, commitments, 128)).0, Status::Null);
    assert_eq!(next(&Readings { body: null(), ..long }, block(memory, 6000, commitments, 128)).0, Status::Length);
    assert_eq!((cpc_sealed_len(usize::MAX), cpc_leaf_count(CPC_MAX_BODY_LEN + 1), cpc_leaf_count(0)), (0, 0, 1));
    assert_eq!(unsafe { (*page).writes }, 0, "a refused call used an interval");
    assert_eq!(next(&readings, block(memory, 6000, commitments, 128)), (Status::Ok, needed, 128));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_block_and_no_position(bytes in prop::collection::vec(any::<u8>(), 0..300), length: Option<u32>) {
        let mut bytes = bytes;
        // Half of them get a good magic and zeros where zeros belong, so that lengths and tags are reached.
        if let (Some(length), Some(head)) = (length, bytes.get_mut(..104)) {
            head[..4].copy_from_slice(b"CPB1");
            head[6..8].fill(0);
            head[12..16].copy_from_slice(&(length % 400).to_le_bytes());
            head[20..24].fill(0);
        }
        let (mut body, mut len) = ([0; 300], 0);
        let opened = unsafe { cpc_open_block(SECRET.as_ptr(), bytes.as_ptr(), bytes.len(), body.as_mut_ptr(), 300, &mut len) };
        prop_assert!(matches!(opened, Status::Format | Status::Open | Status::Length | Status::Buffer), "{:?}", opened);
        prop_assert_eq!(body, [0; 300]);
        let mut position = Position { next_block: 0, previous: [0; 32] };
        let read = unsafe { cpc_position_after(bytes.as_ptr(), bytes.len(), &mut position) };
        let expected = match SealedBlock::parse(&bytes) {
            Ok(block) => block.header().index.checked_add(1).map_or(Status::Exhausted, |_| Status::Ok),
            Err(block::BlockError::TooLong) => Status::Length,
            Err(_) => Status::Format,
        };
        prop_assert_eq!(read, expected);
    }
}

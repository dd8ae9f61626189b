//! Vouchers and their chain.
#![cfg(all(feature = "csv", feature = "pco"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use cpchain_crypto::{Digest, SigningKey};
use cpchain_storage::{
    AccessRights, Voucher, VoucherError,
    voucher::{MAX_VOUCHER_LEN, verify_chain},
};
use support::*;

#[test]
fn golden_voucher() {
    let voucher = &uploads(4)[0].voucher;
    assert_eq!(voucher.hash().to_string(), include_str!("../testdata/voucher_hash.hex").trim());
    assert!(voucher.bytes().len() <= MAX_VOUCHER_LEN);
    assert_eq!(&Voucher::decode(voucher.bytes().clone()).unwrap(), voucher);
}

#[test]
fn no_change_of_a_voucher_decodes() {
    let voucher = &uploads(4)[0].voucher;
    for at in 0..voucher.bytes().len() * 8 {
        let mut bytes = voucher.bytes().to_vec();
        bytes[at / 8] ^= 1 << (at % 8);
        if let Ok(decoded) = Voucher::decode(bytes) {
            assert_eq!(decoded.hash(), voucher.hash(), "bit {at}");
        }
    }
}

#[test]
fn a_voucher_is_of_one_manifest_and_signed_by_its_owner() {
    let uploads = uploads(8);
    uploads[0].voucher.matches(&uploads[0].manifest).unwrap();
    assert!(matches!(uploads[0].voucher.matches(&uploads[1].manifest), Err(VoucherError::Manifest(_))));
    let stranger = SigningKey::from_seed(&[9; 32]);
    let signed = Voucher::sign(&uploads[0].manifest, Digest::ZERO, AccessRights::GrantOnly, &stranger);
    assert_eq!(signed, Err(VoucherError::NotOwner));
    let signed = Voucher::sign(&uploads[0].manifest, Digest::ZERO, AccessRights::GrantOnly, &owner()).unwrap();
    assert_eq!(signed.body().access, AccessRights::GrantOnly);
    let first = Voucher::sign(&uploads[1].manifest, Digest::ZERO, AccessRights::GrantOnly, &owner());
    assert!(matches!(first, Err(VoucherError::Chain(_))));
}

#[test]
fn vouchers_form_a_chain() {
    let uploads = uploads(16);
    let all: Vec<&Voucher> = uploads.iter().map(|upload| &upload.voucher).collect();
    verify_chain(all.iter().copied()).unwrap();
    let refused = |order: &[usize]| {
        let result = verify_chain(order.iter().map(|i| all[*i]));
        assert!(matches!(result, Err(VoucherError::Chain(_))), "{order:?}");
    };
    refused(&[1, 2, 3]);
    refused(&[0, 2, 3]);
    refused(&[0, 2, 1, 3]);
    refused(&[0, 1, 1, 2]);
    refused(&[0, 1, 2, 0]);
}

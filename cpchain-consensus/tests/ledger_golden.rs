//! Bytes that must not change: a change here is a new version of the format.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ledger_common;

use cpchain_consensus::{
    Application, Height,
    ledger::{Amount, Genesis, Ledger, Nonce, Transaction, TransactionDraft, Transfer},
};
use cpchain_crypto::Digest;
use ledger_common::{block, id, key, payload};

const GENESIS: &str = concat!(
    "080112340a208139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394121000000000000000000000",
    "00000000000112340a208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c12100000000002d6",
    "1526aa857c992b7000001a280a0772657761726473120b6d61696e74656e616e63651a100000000000651915e76a4cf0152c",
    "000022160a0772657761726473120573696e63651a0400000007",
);
const TRANSACTION: &str = concat!(
    "0a890108011220a6c821a5777b10f2880a2bf211bfe9a4690ba996336a8b9d9741ece948f99dda1a208a88e3dd7409f195fd",
    "52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c28ac0232087472616e736665723a340a20ed4928c628d1c2c6eae9",
    "0338905995612959273a5c63f93636c14614ac8737d112100000000000000000af8dd3fa38b100001240295040b50e5a480c",
    "9dc8a0af73d200ac69fdc3bd66b6593d9745b84fed8d63a3d1917de3de1fa12dd14fad91a879af1ee0de9351707f3440ff0e",
    "0bec82689b06",
);

fn genesis() -> Genesis {
    Genesis::new()
        .account(id(1), Amount::cpc(877_780_028))
        .account(id(2), Amount(1))
        .vault("rewards", b"maintenance", Amount::cpc(122_219_971))
        .entry("rewards", b"since", vec![0, 0, 0, 7])
}

fn transaction() -> Transaction {
    TransactionDraft {
        chain: genesis().chain_id("golden"),
        nonce: Nonce(0),
        expires: Height(300),
        kind: Transfer::KIND.into(),
        payload: Transfer { to: id(3), amount: "12.65".parse().unwrap() }.encode(),
    }
    .sign(&key(1))
    .unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn genesis_and_chain_id() {
    assert_eq!(hex(&genesis().to_bytes()), GENESIS);
    assert_eq!(
        genesis().chain_id("golden").0.to_string(),
        "a6c821a5777b10f2880a2bf211bfe9a4690ba996336a8b9d9741ece948f99dda"
    );
}

#[test]
fn transaction_and_id() {
    assert_eq!(hex(transaction().bytes()), TRANSACTION);
    assert_eq!(transaction().id().to_string(), "42369a382adf0a416faca935c9f7b7484ec3af7989ad9d5dbc927e2798ea51e7");
}

#[test]
fn state_roots() {
    let mut ledger = Ledger::builder(genesis().chain_id("golden"), genesis()).build().unwrap();
    let root = |ledger: &Ledger| ledger.view().height_and_root().1.to_string();
    assert_eq!(root(&ledger), "1b5bbfa61e1d089c9039ca0fb791d57c6d52a12a6ec7c61b44debb17496a3189");
    ledger.finalised(&block(1, payload(&[transaction()])));
    assert_eq!(ledger.view().balance(&id(3)).to_string(), "12.65");
    assert_eq!(root(&ledger), "1a2429204c8b7eebe587fba4235167b4019569aa29e93ea407c1eefbe739674e");
    let empty = Ledger::builder(genesis().chain_id("golden"), Genesis::new()).build().unwrap();
    assert_eq!(root(&empty), Digest::ZERO.to_string());
}

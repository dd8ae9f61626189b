//! A seller and a buyer as processes of their own, at a network in this one: what the buyer writes is what the seller's file says, bit for bit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use cpchain_examples::demo::Demo;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/seattle-weather-hourly.csv");

struct Seller(Child);

impl Drop for Seller {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn buy(net: &Path, more: &[&str]) -> Output {
    Command::new("timeout")
        .args(["120", env!("CARGO_BIN_EXE_buy"), "pressure and wind of my roof"])
        .arg("--network")
        .arg(net.join("network.json"))
        .arg("--key")
        .arg(net.join("buyer.key"))
        .args(more)
        .output()
        .unwrap()
}

/// Rows by their time in minutes, values as the text of the number that they are.
fn rows(text: &str) -> BTreeMap<String, Vec<f64>> {
    let row = |line: &str| {
        let mut cells = line.split(',');
        let at = cells.next().unwrap()[..16].to_owned();
        (at, cells.map(|cell| cell.parse().unwrap()).collect())
    };
    text.lines().skip(1).map(row).collect()
}

#[test]
#[ignore = "a minute or two, most of it waiting for blocks"]
fn a_seller_and_a_buyer_meet() {
    let folder = tempfile::tempdir().unwrap();
    let net = folder.path().join("net");
    std::fs::create_dir(&net).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let demo = runtime.block_on(Demo::start(&net, |_| {})).unwrap();

    let mut seller = Command::new(env!("CARGO_BIN_EXE_sell"))
        .arg("--network")
        .arg(net.join("network.json"))
        .arg("--key")
        .arg(net.join("seller.key"))
        .args(["--input", SOURCE, "--price", "3", "--title", "Pressure and wind of my roof", "--orders", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .map(Seller)
        .unwrap();
    let mut said = BufReader::new(seller.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("answering orders")), "the seller did not come that far");

    let shown = buy(&net, &[]);
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    assert!(text.starts_with(" 1  Pressure and wind of my roof\n"), "{text}");

    // More than one wants to pay is not paid.
    let hit = ["--hit", "1", "--from", "2010-03-01", "--to", "2010-03-20"];
    let refused = buy(&net, &[hit.as_slice(), &["--at-most", "11"]].concat());
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));

    let file = folder.path().join("rows.csv");
    let bought = buy(&net, &[hit.as_slice(), &["--at-most", "12", "--output", file.to_str().unwrap()]].concat());
    let told = String::from_utf8(bought.stderr).unwrap();
    assert!(bought.status.success() && told.contains("672 rows of 4 intervals, verified, for 12 CPC"), "{told}");
    let (found, source) =
        (rows(&std::fs::read_to_string(file).unwrap()), rows(&std::fs::read_to_string(SOURCE).unwrap()));
    assert_eq!(found.len(), 672);
    for (at, values) in &found {
        assert_eq!(Some(values), source.get(at), "{at}");
    }
    let rest: Vec<String> = said.collect();
    assert!(rest.last().unwrap().contains("12 CPC are yours"), "{rest:?}");
    assert!(seller.0.wait().unwrap().success());
    runtime.block_on(demo.stop());
    runtime.shutdown_timeout(Duration::from_secs(10));
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_joined() {
    let net = Path::new("there is no such network");
    for (wrong, what) in
        [(["--from", "soon"], "soon"), (["--to", "1970-01-01"], "empty"), (["--at-most", "much"], "much")]
    {
        let refused = buy(net, &wrong);
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8(refused.stderr).unwrap().contains(what), "{wrong:?}");
    }
}

#[test]
fn files_that_are_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for text in [None, Some("{}"), Some("not a network")] {
        if let Some(text) = text {
            std::fs::write(folder.path().join("network.json"), text).unwrap();
        }
        let refused = buy(folder.path(), &[]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8(refused.stderr).unwrap().contains("network.json"));
    }
}

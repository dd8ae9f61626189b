//! The README's network of processes and its questions, run as they are written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{path::Path, process::Command};

#[test]
fn the_lines_of_the_readme_work() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let script = readme.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_market")).parent().unwrap();
    // `node` is a program of another package, which a build of this one alone does not make.
    let plan = cpchain_node::setup::Plan {
        validators: 1,
        proposers: 1,
        candidates: 0,
        followers: 0,
        chain: "readme".into(),
        base_port: None,
        timing: Default::default(),
        dpor: cpchain_node::genesis::DporTable { seats: 1, ..Default::default() },
    };
    let (init, rest) = script.split_once('\n').unwrap();
    assert_eq!(init, "node init --validators 1 --proposers 1 --dir net");
    cpchain_node::setup::init(&folder.path().join("net"), &plan).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let output = Command::new("timeout")
        .args(["60", "bash", "-euo", "pipefail", "-c", rest])
        .current_dir(folder.path())
        .env("PATH", path)
        .output()
        .unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    for answer in ["\"height\":", "\"hits\":[]", "\"quorum\":1", "\"nonce\":null"] {
        assert!(text.contains(answer), "{answer}: {text}");
    }
    let document = std::fs::read_to_string(folder.path().join("openapi.json")).unwrap();
    assert_eq!(document, cpchain_market_server::api::OPENAPI);
}

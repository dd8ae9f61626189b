//! The README's network of processes, run as it is written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{path::Path, process::Command};

#[test]
fn the_loop_of_the_readme_works() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let script = readme.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(script.lines().count() <= 10, "ten lines");
    let folder = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_node")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    // Every command must succeed, and it must end.
    let output = Command::new("timeout")
        .args(["120", "bash", "-euo", "pipefail", "-c", script])
        .current_dir(folder.path())
        .env("PATH", path)
        .output()
        .unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("status               final"), "{text}");
    let balance = text.lines().find(|line| line.starts_with("balance")).unwrap();
    assert!(balance.ends_with("2.5"), "{balance}");
    for node in 0..8 {
        let log = std::fs::read_to_string(folder.path().join(format!("net/node{node}/log"))).unwrap();
        assert!(!log.contains("panic"), "{log}");
    }
}

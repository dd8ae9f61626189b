//! `lab consensus` with a process for each node.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const LAB: &str = env!("CARGO_BIN_EXE_lab");

#[test]
fn a_node_ends_with_its_parent() {
    let mut node = Command::new(LAB).arg("consensus-node").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    assert!(node.try_wait().unwrap().is_none(), "it waits for its parent");
    // What the kernel does for a parent that is killed.
    drop(node.stdin.take());
    let until = Instant::now() + Duration::from_secs(30);
    while node.try_wait().unwrap().is_none() {
        assert!(Instant::now() < until, "it outlives its parent");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn processes_commit_and_the_page_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let run =
        "consensus --quick --json --transport processes --storage redb --validators 4 --proposers 2 --rate 200 --plots";
    let run = Command::new(LAB).args(run.split(' ')).arg(&page).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let figures: Vec<serde_json::Value> = serde_json::from_slice(&run.stdout).unwrap();
    let median = |name: &str| {
        let figure = figures.iter().find(|figure| figure["bench"] == name).unwrap();
        figure["median"].as_f64().unwrap()
    };
    assert!(median("consensus::committed") > 0.0 && median("consensus::latency_p50") > 0.0);
    assert!(median("consensus::processor_per_tx") > 0.0, "each process tells what it used");
    assert!(std::fs::read_to_string(page).unwrap().ends_with("</html>\n"));
}

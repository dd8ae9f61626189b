//! `search` as its user runs it: builds, restarts without building, and finds what the plaintext has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

/// Runs `search` over a small table; standard output, and whether it ended well.
fn search(state: &Path, arguments: &[&str], typed: &str) -> (String, bool) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_search"))
        .args(["--records", "3000", "--verify", "--state", state.to_str().unwrap()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.success())
}

#[test]
fn typed_queries_find_what_the_plaintext_has() {
    let state = tempfile::tempdir().unwrap();
    let typed = "room:kitchen AND temperature:[20.5 TO 23] AND NOT status:fault\n\
                 room:seattle temperature:>=20\n\
                 id:d-1234* OR log:replaced\n\
                 MEAN(temperature) BY 1w WHERE temperature:[10 TO 19.9]\n\
                 COUNT WHERE room:kitchen OR log:replaced\n\
                 SUM(temperature) BY 1h\n\
                 room:kitchen AND temperature:warm\n\
                 colour:red\n\n";
    let (printed, well) = search(state.path(), &["--pages", "8"], typed);
    assert!(well, "{printed}");
    assert!(printed.contains("indexed 11759 readings"), "{printed}");
    assert_eq!(printed.matches("equal to the plaintext's answer").count(), 5, "{printed}");
    for part in [
        "scan    room:kitchen  (a column has it)",
        "keyword id:d-1234*",
        "totals  MEAN(temperature) BY 1w WHERE temperature:[10.0 TO 19.9]",
        "totals queries: 1; bins: 101; intervals:",
        "1 figures in",
        "no table answers this figure: a step is a multiple",
        "shows to the hosts",
        "^ not a value of this field: write a number, as 21.5",
        "there is no field `colour`",
        " seattle ",
    ] {
        assert!(printed.contains(part), "{part} is not in\n{printed}");
    }
    // The second start has the index already; every plan sends the same.
    let exactly = ["--exactly", "2", "1", "--query", "status:low-battery", "--query", "log:part17"];
    let (printed, well) = search(state.path(), &exactly, "");
    assert!(well && !printed.contains("indexed"), "{printed}");
    assert_eq!(printed.matches("equal to the plaintext's answer").count(), 2, "{printed}");
    assert_eq!(printed.matches("keyword queries: 2;").count(), 2, "{printed}");
    // Explained only.
    let (printed, well) = search(state.path(), &["--explain", "--query", "status:ok"], "");
    assert!(well && printed.contains("costs") && !printed.contains("records in"), "{printed}");
}

#[test]
fn another_number_of_records_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let run = |records: &str| {
        let state = state.path().to_str().unwrap();
        let arguments = ["--records", records, "--state", state, "--query", "status:fault"];
        Command::new(env!("CARGO_BIN_EXE_search")).args(arguments).output().unwrap()
    };
    assert!(run("100").status.success());
    let other = run("101");
    assert_eq!(other.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&other.stderr).contains("another number of records"));
}

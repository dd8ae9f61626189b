//! `share` as its user runs it: on the real file, broken on purpose, and with input that cannot be used.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    fmt::Write as _,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

fn share(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_share")).args(arguments).arg("--json").output().unwrap()
}

/// Runs a share that must hold, and returns its report.
fn holds(arguments: &[&str]) -> Value {
    let output = share(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} ended with {:?}\n{errors}", output.status);
    let report: Value = serde_json::from_slice(&output.stdout).expect("standard output is one JSON object");
    assert_eq!(report["rows_bought"], report["rows_verified"]);
    assert!(report["rows_bought"].as_u64().unwrap() > 0);
    assert_eq!(report["unbought_interval_refused"], true);
    assert_eq!(report["private_search_correct"], true);
    assert_eq!(
        (&report["elected_proposers"], &report["sale_blocks"]),
        (&true.into(), &report["sale_blocks_by_elected"])
    );
    report
}

#[test]
fn the_real_file() {
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("report.html");
    let kept = dir.path().join("kept");
    let report = holds(&["--seed", "7", "--report", page.to_str().unwrap(), "--keep", kept.to_str().unwrap()]);
    // March to May are 2,208 hours; the intervals that overlap them are bought whole.
    assert_eq!(report["rows_bought"], 2352);
    let names: Vec<_> = report["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    let terms = report["terms"].as_array().unwrap();
    let elected = |term: &&Value| term["elected"] == true;
    assert!(terms[0]["elected"] == false && terms.iter().filter(elected).count() > 0, "{terms:?}");
    for term in terms.iter().filter(elected) {
        let proposers = term["proposers"].as_array().unwrap();
        assert!(proposers.len() == 3 && proposers.iter().all(|name| name.as_str().unwrap().starts_with("candidate")));
    }
    for step in ["1 gateway", "2 store", "3 list", "4 private search", "5 fetch", "5 elected", "5 escrow", "6 decrypt"]
    {
        assert!(names.iter().any(|name| name.starts_with(step)), "{step} is not among {names:?}");
    }
    let html = std::fs::read_to_string(page).unwrap();
    assert!(
        html.contains("temperature")
            && html.contains("The elections")
            && html.contains("upload 13")
            && !html.contains("http://")
    );
    assert!(kept.join("host-11").is_dir() && kept.join("node-0.redb").is_file());
    // Nothing of another run is written over.
    let again = share(&["--keep", kept.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(2));
}

#[test]
fn one_validator_stopped() {
    holds(&["--stop-validators", "1", "--from", "2010-04-01", "--to", "2010-04-10"]);
}

#[test]
fn elected_proposers_that_never_propose() {
    // Two of four candidates: at least one of the three seats of each term is silent.
    let report = holds(&["--silent-proposers", "2", "--from", "2010-04-01", "--to", "2010-04-10"]);
    assert!(report["impeached_heights"].as_u64().unwrap() > 0);
}

#[test]
fn three_of_twelve_hosts_stopped_after_the_upload() {
    holds(&["--stop-storage-nodes", "3"]);
}

#[test]
fn a_file_of_another_kind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pump-3.csv");
    let mut text = String::from("timestamp,site,pressure_bar,rpm\n");
    for minute in 0..3000u64 {
        let (pressure, rpm) = (3.0 + (minute % 97) as f64 / 100.0, 1450 + minute % 31);
        writeln!(text, "{},hall b,{pressure:.2},{rpm}", 1_700_000_000_000 + minute * 60_000).unwrap();
    }
    std::fs::write(&path, text).unwrap();
    let report = holds(&["--input", path.to_str().unwrap(), "--above", "3.5", "--column", "pressure_bar"]);
    assert!(report["rows_bought"].as_u64().unwrap() < 3000);
}

#[test]
fn an_order_of_another_range_gets_that_range() {
    let report = holds(&[
        "--from",
        "2010-11-30",
        "--to",
        "2010-12-01",
        "--validators",
        "7",
        "--proposers",
        "2",
        "--storage-nodes",
        "10",
    ]);
    assert_eq!(report["rows_bought"], 168);
}

/// Runs a share that must refuse its input: one line that names the place, status 2.
fn refuses(arguments: &[&str], place: &str, reason: &str) {
    let output = share(arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(output.stdout.is_empty());
    let lines: Vec<_> = errors.lines().collect();
    assert_eq!(lines.len(), 1, "{errors}");
    assert!(lines[0].contains(place) && lines[0].contains(reason), "{errors}");
}

fn refuses_file(dir: &Path, text: &str, line: u32, reason: &str) {
    let path = dir.join("bad.csv");
    std::fs::write(&path, text).unwrap();
    refuses(&["--input", path.to_str().unwrap()], &format!("bad.csv:{line}:"), reason);
}

#[test]
fn input_that_cannot_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    refuses(&["--input", "/no/such/file.csv"], "/no/such/file.csv", "no file");
    refuses_file(dir, "", 1, "empty");
    refuses_file(dir, "date,x\n", 1, "empty");
    refuses_file(dir, "when,x\n2010-01-01,1\n", 1, "no timestamp column");
    refuses_file(dir, "date,x\n2010-01-01,1\nyesterday,2\n", 3, "not a timestamp");
    refuses_file(dir, "date,x\n2010-01-02,1\n2010-01-01,2\n", 3, "earlier");
    refuses_file(dir, "date,x\n2010-01-01,1\n2010-01-01,2\n", 3, "one of the line before");
    refuses_file(dir, "date,x\n2010-01-01,warm\n", 2, "not a number");
    refuses_file(dir, "date,x\n2010-01-01,1\n2010-01-02,1,2\n", 3, "3 cells");
    refuses(&["--from", "2031-01-01", "--to", "2031-02-01"], "seattle-weather-hourly.csv:8760:", "no reading");
    refuses(&["--from", "2010-03-02", "--to", "2010-03-01"], "seattle-weather-hourly.csv:", "empty");
    refuses(&["--column", "humidity"], "seattle-weather-hourly.csv:1:", "no numeric column `humidity`");
    refuses(&["--from", "spring"], "--from spring", "not a time");
    refuses(&["--from", "2009-01-01", "--to", "2012-01-01"], "seattle-weather-hourly.csv:1:", "leave one out");
}

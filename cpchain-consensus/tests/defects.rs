//! `docs/defects.md` names tests: each of them is there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{collections::BTreeSet, fs, path::Path};

/// The names of all functions in the Rust files of a folder.
fn functions(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, into);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let after = text.split("fn ").skip(1);
            into.extend(after.filter_map(|rest| rest.split(['(', '<', ' ']).next()).map(str::to_owned));
        }
    }
}

#[test]
fn every_test_that_the_page_names_is_there() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = BTreeSet::new();
    for folder in ["src", "tests"] {
        functions(&crate_folder.join(folder), &mut known);
    }
    let page = fs::read_to_string(crate_folder.join("docs/defects.md")).unwrap();
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---")).collect();
    let mut named = 0;
    for row in rows.iter().filter(|row| !row.ends_with("shown by |")) {
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let names: Vec<_> = last.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test is named: {row}");
        for name in names {
            assert!(known.contains(name), "there is no test `{name}`");
            named += 1;
        }
    }
    assert!(named > 30, "{named} names were found in {} rows", rows.len());
}

//! The program of the README is the example, and does what it says, also at its second start.
#![cfg(feature = "std")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_crypto::block::SealedBlock;

#[path = "../examples/first_reading.rs"]
mod first_reading;

#[test]
fn the_readme_shows_the_example() {
    let (readme, example) = (include_str!("../README.md"), include_str!("../examples/first_reading.rs"));
    assert!(readme.contains(&format!("```rust,no_run\n{example}```")));
}

#[test]
fn the_example_runs_twice_and_chains() {
    let folder = tempfile::tempdir().unwrap();
    std::env::set_current_dir(folder.path()).unwrap();
    first_reading::main().unwrap();
    let first = std::fs::read("last.block").unwrap();
    first_reading::main().unwrap();
    let second = std::fs::read("last.block").unwrap();
    let (first, second) = (SealedBlock::parse(&first).unwrap(), SealedBlock::parse(&second).unwrap());
    assert_eq!(first.follows(None), Ok(()));
    assert_eq!(second.follows(Some(&first)), Ok(()));
}

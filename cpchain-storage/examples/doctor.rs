//! Examines the folder of a pack store: reads every byte, names what is damaged and what is lost. Changes nothing unless told.
//!
//! ```text
//! cargo run -p cpchain-storage --example doctor -- FOLDER            a report for people
//! cargo run -p cpchain-storage --example doctor -- FOLDER --json     the same for programs
//! cargo run -p cpchain-storage --example doctor -- FOLDER --repair INDEX
//! ```
//! `--repair` opens the store with its sled index in the folder `INDEX`: a torn tail is cut off, the index is checked against
//! the packs and made again if it is wrong, and entries of lost chunks are taken out of it.
//!
//! The exit code is 0 for a healthy store, 1 for a damaged one, 2 if it could not be examined.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use cpchain_storage::{PackOptions, PackStore, StoreError, index::SledIndex, pack};

/// Examines the folder of a pack store.
#[derive(Parser)]
struct Doctor {
    /// The folder with the packs.
    folder: PathBuf,
    /// Print one JSON object per report.
    #[arg(long)]
    json: bool,
    /// Open the store with this index, repair it, and examine it then.
    #[arg(long, value_name = "INDEX")]
    repair: Option<PathBuf>,
}

fn main() -> ExitCode {
    match examine(&Doctor::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("doctor: {error}");
            ExitCode::from(2)
        }
    }
}

fn examine(doctor: &Doctor) -> Result<bool, StoreError> {
    let print = |people: &dyn std::fmt::Display, programs: String| match doctor.json {
        true => println!("{programs}"),
        false => print!("{people}"),
    };
    let Some(index) = &doctor.repair else {
        let report = pack::examine_folder(&doctor.folder)?;
        print(&report, report.to_json());
        return Ok(report.is_healthy());
    };
    // Not made if it is not there.
    pack::examine_folder(&doctor.folder)?;
    let index = SledIndex::open(index).map_err(|error| StoreError::Index(error.to_string()))?;
    let store = PackStore::open(&doctor.folder, PackOptions::default(), index)?;
    let recovery = store.recovery();
    print(&recovery, recovery.to_json());
    let report = store.doctor()?;
    print(&report, report.to_json());
    Ok(report.is_healthy() && recovery.findings.lost == 0 && recovery.findings.damaged == 0)
}

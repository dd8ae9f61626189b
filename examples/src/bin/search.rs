//! `search`: ask a host about a million readings that it cannot read. `search --help` says what can be asked of it.

use std::{io, process::ExitCode};

use clap::Parser;
use cpchain_examples::{
    search::{Options, run},
    share::ShareError,
};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let options = Options::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    match start(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("search: {error}");
            error.exit_code()
        }
    }
}

/// Did every answer hold?
fn start(options: &Options) -> Result<bool, ShareError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(ShareError::while_doing("starting the runtime"))?;
    let outcomes = runtime.block_on(run(options, io::stdin().lines(), |line| println!("{line}")))?;
    Ok(outcomes.iter().all(|outcome| outcome.verified != Some(false)))
}

//! `share`: one share of IoT data, end to end. `share --help` says what can be asked of it.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use cpchain_examples::share::{Options, ShareError, Summary, run};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let options = Options::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    match start(&options).and_then(|summary| print(&options, &summary).map(|()| summary)) {
        Ok(summary) if summary.holds() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("share: {error}");
            error.exit_code()
        }
    }
}

fn start(options: &Options) -> Result<Summary, ShareError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(ShareError::while_doing("starting the runtime"))?;
    runtime.block_on(async {
        // Ended by hand, it still removes its temporary files.
        tokio::select! {
            outcome = run(options) => outcome,
            _ = tokio::signal::ctrl_c() => Err(ShareError::while_doing("running")("interrupted")),
        }
    })
}

fn print(options: &Options, summary: &Summary) -> Result<(), ShareError> {
    let failed = ShareError::while_doing("printing");
    let text = if options.json {
        serde_json::to_string(summary).map_err(|error| failed(error.into()))? + "\n"
    } else {
        summary.table()
    };
    io::stdout().write_all(text.as_bytes()).map_err(failed)
}

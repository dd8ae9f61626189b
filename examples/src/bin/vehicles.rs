//! `vehicles`: right of way at a crossing, agreed by roadside gateways within milliseconds. `vehicles --help` says what can be asked of it.

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use cpchain_examples::vehicles::{Options, Summary, run};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let options = Options::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    match play(&options) {
        Ok(summary) if summary.is_safe() && summary.is_fast() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("vehicles: {error}");
            ExitCode::FAILURE
        }
    }
}

fn play(options: &Options) -> Result<Summary, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let summary = runtime.block_on(async {
        // Ended by hand, it still removes its temporary files.
        tokio::select! {
            outcome = run(options) => outcome.map_err(Box::<dyn Error>::from),
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        }
    })?;
    let text = if options.json { serde_json::to_string(&summary)? + "\n" } else { summary.table() };
    io::stdout().write_all(text.as_bytes())?;
    Ok(summary)
}

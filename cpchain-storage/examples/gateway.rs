//! A gateway: readings in from a CSV file, from lines of JSON on standard input, or from an MQTT broker; sealed uploads out into a folder.
//!
//! ```text
//! cargo run --example gateway -- --state state --out uploads csv weather.csv
//! mosquitto_sub ... | cargo run --example gateway -- --state state --out uploads json
//! cargo run --features mqtt --example gateway -- --state state --out uploads mqtt 127.0.0.1 'site/#'
//! ```
//!
//! Stop it when you like (Ctrl-C, or the power switch) and start it again: it goes on where it was. Per sensor and upload the folder gets
//! `NUMBER.object`, `NUMBER.manifest` and `NUMBER.voucher`; a real program gives the object to the network and the voucher to the chain
//! in their place.

use std::{
    error::Error,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use clap::{Parser, Subcommand};
use cpchain_crypto::{Domain, Entropy as _, SigningKey, SystemEntropy, key_tree::StreamSecret};
use cpchain_storage::{
    CodecRegistry, StreamConfig, Upload,
    gateway::{
        Background, CsvOptions, CsvSource, Intake, IntakeOptions, JsonOptions, JsonSource, Plan, Readings, Source,
    },
};
use indicatif::{ProgressBar, ProgressStyle};

/// Seals readings into uploads.
#[derive(Parser)]
struct Options {
    /// Folder of keys, counters and what is not yet sealed.
    #[arg(long)]
    state: PathBuf,
    /// Folder that the uploads go to.
    #[arg(long)]
    out: PathBuf,
    /// Seconds of a block: some hundred readings make a good one.
    #[arg(long, default_value_t = 28 * 24 * 3600)]
    period: u64,
    #[command(subcommand)]
    from: From,
}

#[derive(Subcommand)]
enum From {
    /// A CSV file with a header row; the sensor has the file's name.
    Csv { file: PathBuf },
    /// Lines of JSON on standard input: {"sensor": "roof", "time": 1000, "temperature": 4.0}.
    Json,
    /// Messages of a broker, JSON objects as above; without a member `sensor`, the topic is the sensor.
    #[cfg(feature = "mqtt")]
    Mqtt {
        host: String,
        #[arg(required = true)]
        topics: Vec<String>,
        #[arg(long, default_value_t = 1883)]
        port: u16,
        /// Name of the session at the broker.
        #[arg(long, default_value = "cpchain-gateway")]
        client_id: String,
        /// Speak MQTT 5.
        #[arg(long)]
        v5: bool,
    },
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let options = Options::parse();
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(100));
    let mut source = source(&options.from, &bar)?;

    let master = master_key(&options.state)?;
    let owner = SigningKey::from_seed(&blake3::derive_key("cpchain/example/gateway/owner/v1", &master));
    let period_ms = options.period.saturating_mul(1000);
    let plan = move |sensor: &str, columns: &[String]| {
        // A secret of its own for each sensor: whoever is granted one reads nothing of the others.
        let secret = StreamSecret::from_bytes(master).derive(Domain::new("cpchain/example/gateway/sensors/v1"));
        let secret = StreamSecret::from_bytes(*blake3::keyed_hash(secret.expose(), sensor.as_bytes()).as_bytes());
        let config =
            StreamConfig { period_ms, blocks_per_interval: 1, ..StreamConfig::new(sensor, columns.iter().cloned()) };
        Some(Plan { config, secret })
    };

    let stop = Arc::new(AtomicBool::new(false));
    stop_at_ctrl_c(stop.clone())?;
    let out = options.out.clone();
    let streams = options.state.join("streams");
    let mut intake = Intake::open(streams, IntakeOptions::default(), owner, CodecRegistry::default(), plan)?;
    let figures = intake.run(
        &mut *source,
        move |upload| deliver(&out, upload),
        &stop,
        |figures| {
            bar.set_message(format!("{} readings, {} uploads", figures.readings, figures.delivered));
        },
    )?;
    bar.finish_and_clear();
    let figures = format!("{figures:?}").replace("IntakeFigures ", "");
    writeln!(io::stdout(), "{} {figures}", if stop.load(Ordering::Relaxed) { "stopped:" } else { "done:" })?;
    Ok(())
}

fn source(from: &From, bar: &ProgressBar) -> Result<Box<dyn Source>, Box<dyn Error + Send + Sync>> {
    Ok(match from {
        From::Csv { file } => {
            bar.set_length(file.metadata().map_or(0, |metadata| metadata.len()));
            bar.set_style(ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {msg}")?);
            let sensor = file.file_stem().unwrap_or_default().to_string_lossy();
            let file = CsvSource::from_reader(bar.wrap_read(File::open(file)?), &CsvOptions::default())?;
            let names: Vec<String> = file.columns().map(str::to_owned).collect();
            Box::new(Readings::new(sensor, names, file))
        }
        // On a thread: what came is sealed to disk while nothing more comes.
        From::Json => {
            Box::new(Background::new(JsonSource::new(io::BufReader::new(io::stdin()), JsonOptions::default()), 1024))
        }
        #[cfg(feature = "mqtt")]
        From::Mqtt { host, topics, port, client_id, v5 } => {
            use cpchain_storage::gateway::{MqttOptions, MqttSource, MqttVersion};
            let version = if *v5 { MqttVersion::V5 } else { MqttVersion::V3 };
            let options = MqttOptions::new(host, client_id, topics);
            Box::new(MqttSource::new(MqttOptions { port: *port, version, ..options })?)
        }
    })
}

/// The upload's three parts as files, whole or not at all.
fn deliver(out: &Path, upload: &Upload) -> Result<(), Box<dyn Error + Send + Sync>> {
    let folder = out.join(upload.manifest.body().stream.digest().to_string());
    fs::create_dir_all(&folder)?;
    let parts: [(&str, &[u8]); 3] =
        [("object", &upload.object), ("voucher", upload.voucher.bytes()), ("manifest", upload.manifest.bytes())];
    for (end, bytes) in parts {
        let file = folder.join(format!("{:08}.{end}", upload.number()));
        let part = file.with_extension("part");
        let mut written = File::create(&part)?;
        written.write_all(bytes)?;
        written.sync_all()?;
        fs::rename(part, file)?;
    }
    Ok(())
}

/// The key of which all others are made; keep a copy of this file.
fn master_key(state: &Path) -> Result<[u8; 32], Box<dyn Error + Send + Sync>> {
    let file = state.join("master.key");
    if let Ok(bytes) = fs::read(&file) {
        return Ok(bytes.try_into().map_err(|_| "master.key has not 32 bytes")?);
    }
    fs::create_dir_all(state)?;
    let mut key = [0; 32];
    SystemEntropy.fill(&mut key)?;
    let mut written = File::create_new(&file)?;
    written.write_all(&key)?;
    written.sync_all()?;
    Ok(key)
}

fn stop_at_ctrl_c(stop: Arc<AtomicBool>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            stop.store(true, Ordering::Relaxed);
        }
    });
    Ok(())
}

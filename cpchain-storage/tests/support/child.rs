//! A process that stores chunks and says which are acknowledged, to be killed or stopped.
#![allow(dead_code)]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use cpchain_storage::{ChunkStore, Lease};

use crate::indexes::{OnDisk, chunk, open};

const FOLDER: &str = "CPCHAIN_STORAGE_TEST_FOLDER";
const FIRST: &str = "CPCHAIN_STORAGE_TEST_FIRST";
pub(crate) const PACK_LEN: u64 = 300_000;
/// Distance of the second chunk of a batch, and of the short-lived ones.
pub(crate) const SECOND: u64 = 1 << 40;
const SHORT: u64 = 1 << 41;

/// Runs in the child alone: three threads put, packs are compacted all the time. Writes the number of each pair of chunks
/// once it is acknowledged.
pub(crate) fn run<I: OnDisk>() {
    let (Some(dir), Ok(first)) = (std::env::var_os(FOLDER), std::env::var(FIRST)) else { return };
    let first: u64 = first.parse().unwrap();
    let store = open::<I>(Path::new(&dir), PACK_LEN);
    std::thread::scope(|scope| {
        for thread in 0..3u64 {
            let store = &store;
            scope.spawn(move || {
                for n in (first + thread..).step_by(3) {
                    store.put(chunk(n + SHORT), Lease(5)).unwrap();
                    store.put_batch(&[chunk(n), chunk(n + SECOND)], Lease::FOREVER).unwrap();
                    writeln!(std::io::stdout().lock(), "\nstored {n}").unwrap();
                }
            });
        }
        loop {
            store.maintain(Lease::GRACE_MS + 6, 50_000).unwrap();
        }
    });
}

/// A running child, and who listens to it.
pub(crate) struct Storing {
    pub(crate) child: Child,
    reader: JoinHandle<Vec<u64>>,
    acknowledged: Arc<AtomicUsize>,
}

/// Starts the test `name` of this program, which calls [`run`], on a folder.
pub(crate) fn start(name: &str, dir: &Path, first: u64) -> Storing {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(FOLDER, dir)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let count = acknowledged.clone();
    let reader = std::thread::spawn(move || {
        let number = |line: String| line.strip_prefix("stored ").and_then(|n| n.parse::<u64>().ok());
        let numbers = lines.lines().map_while(Result::ok).filter_map(number);
        let counted = numbers.inspect(|_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        counted.collect()
    });
    Storing { child, reader, acknowledged }
}

impl Storing {
    /// Returns some time after it is at work.
    pub(crate) fn work_for(&self, time: Duration) {
        let begin = Instant::now();
        while self.acknowledged.load(Ordering::Relaxed) < 10 {
            assert!(begin.elapsed() < Duration::from_secs(60), "the child stores nothing");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(time);
    }

    /// Kills it, and gives what it had acknowledged.
    pub(crate) fn kill(mut self) -> Vec<u64> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.join().unwrap()
    }
}

//! Progress on standard error, and the clock of the steps.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::summary::Step;

/// Shows which step runs and how far it is, and writes down what each took.
pub(crate) struct Progress {
    bar: ProgressBar,
    begun: Instant,
    running: Option<(String, Instant)>,
    steps: Vec<Step>,
}

impl Progress {
    /// Starts the clock.
    pub(crate) fn start() -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{spinner} {prefix} {wide_bar:.cyan/blue} {pos}/{len}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, begun: Instant::now(), running: None, steps: Vec::new() }
    }

    /// Shows nothing.
    pub(crate) fn silent() -> Self {
        Self { bar: ProgressBar::hidden(), begun: Instant::now(), running: None, steps: Vec::new() }
    }

    /// Begins a step of `parts` parts; [`part`](Self::part) counts them.
    pub(crate) fn begin(&mut self, name: &str, parts: usize) {
        tracing::info!(step = name, "begins");
        self.bar.set_prefix(name.to_owned());
        self.bar.set_length(parts as u64);
        self.bar.set_position(0);
        self.running = Some((name.to_owned(), Instant::now()));
    }

    /// One part of the step is done.
    pub(crate) fn part(&self) {
        self.bar.inc(1);
    }

    /// A line for the reader while the bars go on.
    pub(crate) fn say(&self, line: &str) {
        if self.bar.is_hidden() {
            eprintln!("  {line}");
        } else {
            self.bar.println(format!("  {line}"));
        }
    }

    /// Ends the running step.
    pub(crate) fn end(&mut self, bytes: u64, proved: impl Into<String>) {
        let Some((name, since)) = self.running.take() else { return };
        let step = Step { name, seconds: since.elapsed().as_secs_f64(), bytes, proved: proved.into() };
        let line = format!("✓ {} ({:.2} s): {}", step.name, step.seconds, step.proved);
        self.say(&line);
        self.steps.push(step);
    }

    /// Ends the bars; the steps in order and the seconds since the start.
    pub(crate) fn finish(self) -> (Vec<Step>, f64) {
        self.bar.finish_and_clear();
        (self.steps, self.begun.elapsed().as_secs_f64())
    }
}

//! How far honest answers stay from where they are refused, measured: what the tests `noise_margin` of scan, shared scan and aggregates share.

/// Distances of phases from their messages, in steps from one message to the next.
#[derive(Default)]
pub(super) struct Noise {
    count: u64,
    squares: f64,
    worst: f64,
}

impl Noise {
    /// Coefficients to be measured: as many as `SCAN_NOISE` says, or so many.
    pub(super) fn wanted(usual: u64) -> u64 {
        std::env::var("SCAN_NOISE").map_or(usual, |count| count.parse().unwrap())
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// One phase in units of 2⁻³², whose upper `bits` are its message.
    pub(super) fn add(&mut self, phase: u32, bits: u32) {
        let error = f64::from((phase << bits) as i32) / 2f64.powi(32);
        self.squares += error * error;
        self.worst = self.worst.max(error.abs());
        self.count += 1;
    }

    /// Standard deviations to where the client refuses, a quarter of a step away; and prints what was measured, with the probability that a normal
    /// distribution reaches that far.
    pub(super) fn margin(&self, of: &str) -> f64 {
        let sigma = (self.squares / self.count as f64).sqrt();
        let margin = 0.25 / sigma;
        let failure =
            -(margin * margin / 2.0) * std::f64::consts::LOG2_E - (margin * (std::f64::consts::PI / 2.0).sqrt()).log2();
        println!(
            "{of}: {} coefficients, sigma {sigma:.6} steps, worst {:.4} of 0.25, {margin:.1} sigma, failure 2^{failure:.0}",
            self.count, self.worst
        );
        margin
    }
}

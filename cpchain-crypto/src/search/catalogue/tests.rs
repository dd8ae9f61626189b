//! The noise of honest answers, measured.

use super::{
    block::{self, Pages},
    expand::{self, EvaluationKeys},
    fold, gadget,
    lattice::{Pair, Polynomial, Secret},
    page::{PAYLOAD, Page},
    parameters::{COLUMNS, ROWS, SLOT_BITS, tests::deviation},
};
use crate::{Digest, SeededEntropy, entropy::Entropy, search::simd::Kernel};

/// A host's part without bytes around it.
struct Lab {
    secret: Secret,
    keys: EvaluationKeys,
    entropy: SeededEntropy,
    pages: Pages,
    plain: Vec<Page>,
}

impl Lab {
    /// Random pages.
    fn new(blocks: usize, seed: u8) -> Self {
        let mut entropy = SeededEntropy::new(&[seed; 32]);
        let secret = Secret::generate(&mut entropy).unwrap();
        let keys = encrypt(&secret, &gadget::evaluation_keys(&secret), &mut entropy);
        let keys = EvaluationKeys::new(&keys);
        let (mut pages, mut plain) = (Pages::new(), Vec::new());
        pages.grow(blocks);
        for number in 0..blocks * block::BLOCK_PAGES {
            let mut payload = [0; PAYLOAD];
            entropy.fill(&mut payload).unwrap();
            let page = Page::new(&payload, &core::array::from_fn(|level| Digest::content(&payload[32 * level..])));
            pages.put(number, &page, Kernel::best());
            plain.push(page);
        }
        Self { secret, keys, entropy, pages, plain }
    }

    /// Selects a row, and with it folds to every column in turn: how far each coefficient is from the right one, as a share of the distance to the next.
    fn errors(&mut self, row: usize) -> Vec<f64> {
        let roots = encrypt(&self.secret, &gadget::roots(row), &mut self.entropy);
        let selectors = expand::expand(&roots, &self.keys, Kernel::best());
        let columns = block::select(&self.pages, &selectors, Kernel::best());
        let mut errors = Vec::new();
        for column in 0..columns.count() {
            let mut bits = Vec::new();
            for bit in 0..fold::bits_for(columns.count()) {
                for half in gadget::fold_bit(column >> bit & 1 == 1, &self.secret) {
                    bits.extend(encrypt(&self.secret, &half, &mut self.entropy));
                }
            }
            let bits = gadget::factors(Kernel::best(), &bits);
            let bits = bits.as_chunks::<2>().0;
            let chosen = fold::fold(&columns, bits, Kernel::best());
            let wanted = self.plain[column * ROWS + row].to_coefficients();
            errors.extend(self.secret.phase(&chosen).iter().zip(&wanted).map(|(phase, wanted)| {
                let error = phase.wrapping_sub((*wanted as i64 as u64) << (64 - SLOT_BITS)) as i64;
                error as f64 * 2f64.powi(SLOT_BITS as i32 - 64)
            }));
        }
        errors
    }
}

fn encrypt(secret: &Secret, plain: &[u64], entropy: &mut SeededEntropy) -> Vec<Pair<Polynomial>> {
    let (masks, bodies) = secret.encrypt(plain, entropy).unwrap();
    super::lattice::decompress(masks, &bodies)
}

/// Queries until this many coefficients were read, with a new key after some. Their standard deviation must be what was computed, and the worst of
/// them far from a half.
fn measure(coefficients: usize, blocks: usize, queries_a_key: usize) {
    let (mut count, mut squares, mut worst, mut seed) = (0usize, 0.0, 0.0f64, 0);
    while count < coefficients {
        let mut lab = Lab::new(blocks, seed);
        seed += 1;
        for query in 0..queries_a_key {
            for error in lab.errors((query * 37 + usize::from(seed) * 31) % ROWS) {
                squares += error * error;
                worst = worst.max(error.abs());
                count += 1;
            }
        }
    }
    let measured = (squares / count as f64).sqrt();
    let computed = deviation(2f64.powi(2 * (SLOT_BITS as i32 - 1)) / 3.0, fold::bits_for(blocks * COLUMNS));
    println!(
        "{count} coefficients, {blocks} blocks: standard deviation {measured:.5}, computed {computed:.5}; worst {worst:.4} of 0.5: {:.1} standard deviations",
        0.5 / measured
    );
    assert!((0.8..1.2).contains(&(measured / computed)), "{measured} {computed}");
    assert!(0.5 / measured > 18.0 && worst < 0.25, "{measured} {worst}");
}

#[test]
fn noise_stays_far_from_the_threshold() {
    measure(1_000_000, 2, 31);
}

/// Of a larger table, with all bits of the fold. `CATALOGUE_COEFFICIENTS` says how many coefficients, 10⁷ if it is not set.
#[test]
#[ignore = "minutes"]
fn noise_of_many_coefficients() {
    let wanted = std::env::var("CATALOGUE_COEFFICIENTS").ok().and_then(|text| text.parse().ok());
    measure(wanted.unwrap_or(10_000_000), 4, 100);
}

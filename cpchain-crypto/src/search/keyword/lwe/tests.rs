//! Distribution of the errors, and how far the noise of answers stays from the threshold.

use super::{super::parameters::ParameterSet, *};
use crate::{Entropy, SeededEntropy};

const SET: ParameterSet = ParameterSet::Bucket1K;

fn noise(seed: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SeededEntropy::new(&[seed; 32]).fill(&mut bytes).unwrap();
    bytes
}

#[test]
fn small_numbers_are_tuniform() {
    let mut counts = [0u32; 33];
    for byte in 0..=255 {
        counts[tuniform(byte).wrapping_add(16) as usize] += 1;
    }
    assert_eq!((counts[0], counts[32]), (4, 4));
    assert!(counts[1..32].iter().all(|count| *count == 8));
}

/// Honest ciphertexts are decrypted with exactly the noise that theory says: errors times bytes.
#[test]
fn the_phase_is_message_and_errors_times_bytes() {
    let kernel = Kernel::best();
    let (rows, buckets) = (SET.bucket_len(), 320);
    let columns = noise(1, rows * buckets);
    let table = KeywordTable::new(Digest([1; 32]), SET, 1).unwrap();
    let head = Head { sequence: 0, keep: 0, buckets: buckets as u32, salt: [2; 16] };
    let (matrix, public) = (Matrix::from_columns(rows, &columns), PublicMatrix::new(&table, head));
    let mut small = Small::new(&[3; 32]);
    let (secret, errors) = (small.take(SET.dimension()), small.take(buckets));
    let mut query = public.encrypt_zeros(kernel, core::slice::from_ref(&secret), vec![errors.clone()]).remove(0);
    query[77] = query[77].wrapping_add(SCALE);
    let (mut answer, mut wanted) = (vec![vec![0; rows]], vec![vec![0; rows]]);
    kernel.multiply_matrix(&matrix, &[&query], &mut answer);
    kernel.multiply_matrix(&matrix, &[&errors], &mut wanted);
    let hint = public.hint(kernel, &matrix, SET.dimension());
    for ((phase, noise), byte) in
        phase(kernel, &answer[0], &hint, &secret).iter().zip(&wanted[0]).zip(&columns[77 * rows..])
    {
        assert_eq!(*phase, noise.wrapping_add(SCALE.wrapping_mul(u32::from(*byte))));
    }
    assert_eq!(read(kernel, &answer[0], &hint, &secret), columns[77 * rows..78 * rows]);
}

/// Measures the noise of so many bytes of answers from a table of 32 MiB. By the test above it is errors times bytes.
fn noise_margin(wanted: usize) {
    let (rows, buckets) = (SET.bucket_len(), 1 << 15);
    let matrix = Matrix::from_columns(rows, &noise(4, rows * buckets));
    let mut small = Small::new(&[5; 32]);
    let (mut count, mut squares, mut worst) = (0usize, 0.0, 0.0f64);
    while count < wanted {
        let errors: Vec<Secret> = (0..8).map(|_| small.take(buckets)).collect();
        let errors: Vec<&[u32]> = errors.iter().map(|errors| errors.as_slice()).collect();
        let mut answers = vec![vec![0; rows]; errors.len()];
        Kernel::best().multiply_matrix(&matrix, &errors, &mut answers);
        for number in answers.iter().flatten() {
            let noise = f64::from(*number as i32) / f64::from(SCALE / 2);
            squares += noise * noise;
            worst = worst.max(noise.abs());
            count += 1;
        }
    }
    let sigma = (squares / count as f64).sqrt();
    println!("{count} bytes: sigma {sigma:.5}, worst {worst:.5} of 1: {:.1} sigma", 1.0 / sigma);
    // 9.25 · 73.9 · √2¹⁵ of 2²³.
    assert!((1.0 / sigma - 67.8).abs() < 1.0, "{sigma}");
    assert!(worst < 0.12, "{worst}");
}

#[test]
fn noise_stays_far_from_the_threshold() {
    noise_margin(200_000);
}

/// `SEARCH_NOISE=100000000 cargo test --release -p cpchain-crypto --features search noise_of_many -- --ignored --nocapture`
#[test]
#[ignore = "two minutes for 10⁸ bytes"]
fn noise_of_many() {
    noise_margin(std::env::var("SEARCH_NOISE").map_or(10_000_000, |count| count.parse().unwrap()));
}

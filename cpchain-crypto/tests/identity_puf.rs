//! The fuzzy extractor over a simulated SRAM: each cell has a start-up value and flips with a given rate at each reading.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_crypto::{
    Digest, Entropy, SeededEntropy,
    identity::{
        DeviceIdentity, KeySource, KeySourceError, RecordError,
        puf::{EnrolError, HELPER_LEN, HelperData, Puf, PufSource, RESPONSE_LEN, enrol},
    },
};
use proptest::prelude::*;

/// Start-up values that depend on the chip, noise that depends on the reading.
struct Chip {
    cells: [u8; RESPONSE_LEN],
    /// Flips in 10,000 readings of a cell.
    noise: u32,
    entropy: SeededEntropy,
}

impl Chip {
    fn new(chip: u8, noise: u32, readings: u8) -> Self {
        let mut cells = [0; RESPONSE_LEN];
        SeededEntropy::new(&[chip; 32]).fill(&mut cells).unwrap();
        Self { cells, noise, entropy: SeededEntropy::new(&[readings ^ 0x80; 32]) }
    }
}

impl Puf for Chip {
    fn read(&mut self, response: &mut [u8; RESPONSE_LEN]) -> Result<(), KeySourceError> {
        *response = self.cells;
        for bit in 0..RESPONSE_LEN * 8 {
            let mut draw = [0; 4];
            self.entropy.fill(&mut draw).map_err(|_| KeySourceError::Unavailable)?;
            if u32::from_le_bytes(draw) % 10_000 < self.noise {
                response[bit / 8] ^= 1 << (bit % 8);
            }
        }
        Ok(())
    }
}

/// A reading that is given.
struct Reading([u8; RESPONSE_LEN]);

impl Puf for Reading {
    fn read(&mut self, response: &mut [u8; RESPONSE_LEN]) -> Result<(), KeySourceError> {
        *response = self.0;
        Ok(())
    }
}

fn enrolled() -> ([u8; RESPONSE_LEN], HelperData, [u8; 32]) {
    let cells = Chip::new(1, 0, 0).cells;
    let helper = enrol(&mut Reading(cells)).unwrap();
    let secret = *PufSource::new(Reading(cells), helper).secret().unwrap();
    (cells, helper, secret)
}

fn flip(mut cells: [u8; RESPONSE_LEN], word: usize, bits: impl IntoIterator<Item = usize>) -> [u8; RESPONSE_LEN] {
    bits.into_iter().for_each(|bit| cells[word * 32 + bit / 8] ^= 1 << (bit % 8));
    cells
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn noise_at_the_bound_gives_the_same_secret(
        bits in prop::collection::vec(prop::sample::subsequence((0..255).collect::<Vec<_>>(), 30), 8),
        unused: u8,
    ) {
        let (mut cells, helper, secret) = enrolled();
        for (word, bits) in bits.into_iter().enumerate() {
            cells = flip(cells, word, bits);
            cells[word * 32 + 31] ^= (unused >> word & 1) << 7;
        }
        prop_assert_eq!(*PufSource::new(Reading(cells), helper).secret().unwrap(), secret);
    }

    #[test]
    fn noise_above_the_bound_fails(
        word in 0usize..8,
        bits in prop::sample::subsequence((0..255).collect::<Vec<_>>(), 31..255),
    ) {
        let (cells, helper, _) = enrolled();
        let noisy = flip(cells, word, bits);
        prop_assert_eq!(PufSource::new(Reading(noisy), helper).secret(), Err(KeySourceError::NotReproduced));
    }

    #[test]
    fn another_chip_never_gives_the_secret(chip in 2u8..) {
        let (_, helper, _) = enrolled();
        let other = Chip::new(chip, 500, 0);
        prop_assert_eq!(PufSource::new(other, helper).secret(), Err(KeySourceError::NotReproduced));
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), body: [u8; 32]) {
        prop_assert!(HelperData::from_bytes(&bytes).is_err());
        // Helper data of the right form with any content, against any reading.
        let mut framed = [b"CPI1\x08\0\0\0".as_slice(), &body.repeat(9)].concat();
        framed.truncate(HELPER_LEN);
        let helper = HelperData::from_bytes(&framed).unwrap();
        let mut cells = [0; RESPONSE_LEN];
        SeededEntropy::new(&body).fill(&mut cells).unwrap();
        prop_assert_eq!(PufSource::new(Reading(cells), helper).secret(), Err(KeySourceError::NotReproduced));
    }
}

#[test]
fn a_noisy_chip_starts_again_and_again() {
    // Enrolled and read with 2.5 % each, so that two readings differ in about 5 % of the bits.
    let mut failures = 0;
    for chip in 0..16 {
        let helper = enrol(&mut Chip::new(chip, 250, 0)).unwrap();
        let mut dids = Vec::new();
        for reading in 1..=16 {
            match DeviceIdentity::from_source(&mut PufSource::new(Chip::new(chip, 250, reading), helper)) {
                Ok(device) => dids.push(device.did()),
                Err(error) => {
                    assert_eq!(error, KeySourceError::NotReproduced);
                    failures += 1;
                }
            }
        }
        dids.dedup();
        assert_eq!(dids.len(), 1, "one chip is one device");
    }
    assert!(failures <= 1, "{failures} of 256 starts failed; one in 22,000 is expected");
}

#[test]
fn the_stated_failure_rates_follow_from_the_code() {
    // One start fails if one of eight words of 255 bits has more than 30 errors.
    let one_in = |rate: f64| {
        let mut term = (1.0 - rate).powi(255);
        let mut within = term;
        for errors in 1..=30 {
            term *= f64::from(256 - errors) / f64::from(errors) * rate / (1.0 - rate);
            within += term;
        }
        1.0 / (1.0 - within.powi(8))
    };
    assert!(one_in(0.04) > 2_400_000.0);
    assert!(one_in(0.05) > 22_000.0 && one_in(0.05) < 24_000.0);
    assert!(one_in(0.06) > 750.0);
    // The entropy that stays: 2,040 bits less the rank of eight sketches, which the code's own test holds at 192.
    let stays = |per_cell: f64| 2040.0 * per_cell - 8.0 * 192.0;
    assert!(stays(0.879) >= 256.0 && stays(0.816) >= 128.0);
}

#[test]
fn changed_helper_data_is_refused() {
    let (cells, helper, secret) = enrolled();
    let bytes = helper.to_bytes();
    for at in 8 * 8..bytes.len() * 8 {
        let mut changed = bytes;
        changed[at / 8] ^= 1 << (at % 8);
        let changed = HelperData::from_bytes(&changed).unwrap();
        assert_eq!(PufSource::new(Reading(cells), changed).secret(), Err(KeySourceError::NotReproduced), "bit {at}");
    }
    // Nor can the sketches of two words change places.
    let mut swapped = bytes;
    swapped[8..68].rotate_left(30);
    let swapped = HelperData::from_bytes(&swapped).unwrap();
    assert_eq!(PufSource::new(Reading(cells), swapped).secret(), Err(KeySourceError::NotReproduced));
    assert_eq!(*PufSource::new(Reading(cells), HelperData::from_bytes(&bytes).unwrap()).secret().unwrap(), secret);
}

#[test]
fn helper_data_of_another_form_is_refused() {
    let bytes = enrolled().1.to_bytes();
    assert_eq!(HelperData::from_bytes(&bytes[1..]), Err(RecordError::Format));
    assert_eq!(HelperData::from_bytes(&bytes[..bytes.len() - 1]), Err(RecordError::Length));
    assert_eq!(HelperData::from_bytes(&[&bytes[..], &[0]].concat()), Err(RecordError::Length));
}

#[test]
fn a_dead_chip_is_refused() {
    let good = Chip::new(1, 0, 0).cells;
    for dead in [[0; RESPONSE_LEN], [0xff; RESPONSE_LEN], [0x5a; RESPONSE_LEN]] {
        assert_eq!(enrol(&mut Reading(dead)), Err(EnrolError::Implausible));
    }
    let mut one_word = good;
    one_word[32..64].fill(0);
    assert_eq!(enrol(&mut Reading(one_word)), Err(EnrolError::Implausible));
    let mut repeated = good;
    repeated.copy_within(0..32, 224);
    assert_eq!(enrol(&mut Reading(repeated)), Err(EnrolError::Implausible));
    assert!(enrol(&mut Reading(good)).is_ok());
}

#[test]
fn a_chip_that_cannot_be_read_says_so() {
    struct Gone;
    impl Puf for Gone {
        fn read(&mut self, _response: &mut [u8; RESPONSE_LEN]) -> Result<(), KeySourceError> {
            Err(KeySourceError::Unavailable)
        }
    }
    let (_, helper, _) = enrolled();
    assert_eq!(enrol(&mut Gone), Err(EnrolError::Source(KeySourceError::Unavailable)));
    assert_eq!(PufSource::new(Gone, helper).secret(), Err(KeySourceError::Unavailable));
}

#[test]
fn golden_helper_data() {
    // A change here makes every enrolled device another device.
    let (_, helper, secret) = enrolled();
    let lines = format!("{}\n{}", Digest::content(&helper.to_bytes()), Digest::content(&secret));
    assert_eq!(lines, include_str!("../testdata/identity_puf.txt").trim_end());
}

//! A device secret from a physically unclonable function: the start-up values of 2,048 SRAM cells (white paper 3.1.4).
//!
//! Each chip starts with its own pattern, a little different each time. At enrolment [`enrol`] derives the secret from one
//! reading and gives [`HelperData`], public, to be stored anywhere. Later a [`PufSource`] reads the cells again, corrects the
//! noise with the helper data, and derives the same secret. The device stores no key.
//!
//! **Construction.** A robust fuzzy extractor (Dodis, Ostrovsky, Reyzin and Smith 2008; Boyen, Dodis, Katz, Ostrovsky and Smith
//! 2005). The secure sketch is the syndrome of each of eight 255-bit words under a binary BCH code that corrects 30 errors (the
//! syndrome form of the code-offset construction: as much entropy is lost, the helper data is shorter, and enrolment needs no
//! randomness). BLAKE3 over reading and sketch gives the secret and a check value, so helper data that was changed is refused.
//!
//! **Errors.** A word of up to 30 wrong bits (11.7 %) is always corrected. With independent errors in 4 % of the bits one
//! start in 2.4 million fails, at 5 % one in 22,000, at 6 % one in 750 (`the_stated_failure_rates_follow_from_the_code`). A
//! failure is typed, and another power-up reads anew (`noise_at_the_bound_gives_the_same_secret`, `noise_above_the_bound_fails`,
//! `a_noisy_chip_starts_again_and_again`).
//!
//! **Entropy.** The helper data reveals 1,536 of the 2,040 bits used. With min-entropy `h` per cell the secret keeps
//! 2040·h − 1536 bits: 256 from h = 0.879 on, 128 from h = 0.816 on. Measure your chips first; a biased SRAM has less. Enrol a
//! chip once: the sketches of several noisy readings tell more about it than one does. [`enrol`] refuses only gross faults
//! (`a_dead_chip_is_refused`), it cannot measure entropy.
//!
//! **What else must hold.** Nobody but the boot code may read the cells: read them first, then overwrite them. The decoder's
//! time depends on where the noise is. Changed helper data never gives a secret, and no other answer than that there is none
//! (`changed_helper_data_is_refused`); nor does another chip (`another_chip_never_gives_the_secret`).
//!
//! All these tests are in `tests/identity_puf.rs`.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    bch,
    device::{KeySource, KeySourceError},
    layout::{Kind, Reader, RecordError, Writer, header},
};

/// Bytes of one reading: eight words of 32 bytes, of which the last bit is not used.
pub const RESPONSE_LEN: usize = WORDS * bch::WORD_LEN;
/// Encoded bytes of [`HelperData`].
pub const HELPER_LEN: usize = 8 + SKETCH_LEN + CHECK_LEN;

const WORDS: usize = 8;
const SKETCH_LEN: usize = WORDS * bch::ERRORS;
const CHECK_LEN: usize = 32;
const EXTRACT: &str = "cpchain/crypto/puf/extract/v1";

/// One reading of the cells. Wiped when dropped.
pub type Response = Zeroizing<[u8; RESPONSE_LEN]>;

/// Reads the hardware.
pub trait Puf {
    /// Fills `response` with the cells' start-up values, the same cells in the same order each time.
    ///
    /// # Errors
    /// [`KeySourceError::Unavailable`] if they cannot be read any more since the device started.
    fn read(&mut self, response: &mut [u8; RESPONSE_LEN]) -> Result<(), KeySourceError>;
}

impl<P: Puf + ?Sized> Puf for &mut P {
    fn read(&mut self, response: &mut [u8; RESPONSE_LEN]) -> Result<(), KeySourceError> {
        (**self).read(response)
    }
}

/// The reading cannot be that of a working SRAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnrolError {
    /// A word of the reading is nearly constant, or two are equal: the memory was cleared, or is broken.
    #[error("the reading is not that of a working SRAM: read it before anything writes to it, or reject the chip")]
    Implausible,
    /// The cells could not be read.
    #[error(transparent)]
    Source(#[from] KeySourceError),
}

/// What the device stores to reproduce its secret; public, but changing it disables the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HelperData {
    sketch: [u8; SKETCH_LEN],
    check: [u8; CHECK_LEN],
}

impl HelperData {
    /// The fixed layout: header, sketches of the eight words, check value.
    pub fn to_bytes(&self) -> [u8; HELPER_LEN] {
        Writer::new().put(&header(Kind::PufHelper, [0; 3])).put(&self.sketch).put(&self.check).finish()
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`RecordError`] for the form; whether they belong to the chip is seen when the secret is reproduced.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let ([0, 0, 0], mut fields) = Reader::open(bytes, Kind::PufHelper)? else { return Err(RecordError::Format) };
        let helper = Self { sketch: fields.array()?, check: fields.array()? };
        fields.end()?;
        Ok(helper)
    }
}

/// Reads the cells once and makes the helper data. The secret itself is had by a [`PufSource`], from the next start on.
///
/// ```
/// use cpchain_crypto::{Entropy, SeededEntropy, identity::{DeviceIdentity, KeySourceError, puf::{self, Puf, PufSource}}};
/// /// Stands for the start-up values of one chip.
/// struct Chip { cells: [u8; 256], noise: u8 }
/// impl Puf for Chip {
///     fn read(&mut self, response: &mut [u8; 256]) -> Result<(), KeySourceError> {
///         *response = self.cells;
///         response[17] ^= self.noise;
///         Ok(())
///     }
/// }
/// let mut cells = [0; 256];
/// SeededEntropy::new(&[1; 32]).fill(&mut cells)?;
/// let helper = puf::enrol(&mut Chip { cells, noise: 0 })?;
/// let first = DeviceIdentity::from_source(&mut PufSource::new(Chip { cells, noise: 0 }, helper))?;
/// let later = DeviceIdentity::from_source(&mut PufSource::new(Chip { cells, noise: 0b101 }, helper))?;
/// assert_eq!(first.did(), later.did());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`EnrolError`].
pub fn enrol(puf: &mut dyn Puf) -> Result<HelperData, EnrolError> {
    let mut response = Response::new([0; RESPONSE_LEN]);
    puf.read(&mut response)?;
    let (words, _) = response.as_chunks::<{ bch::WORD_LEN }>();
    for (at, word) in words.iter().enumerate() {
        let ones: u32 = word.iter().map(|byte| byte.count_ones()).sum();
        if !(64..=192).contains(&ones) || words.iter().take(at).any(|other| other == word) {
            return Err(EnrolError::Implausible);
        }
    }
    let mut sketch = [0; SKETCH_LEN];
    sketch.chunks_exact_mut(bch::ERRORS).zip(words).for_each(|(place, word)| place.copy_from_slice(&bch::sketch(word)));
    let (_, check) = extract(&mut response, &sketch);
    Ok(HelperData { sketch, check })
}

/// A [`KeySource`] over a chip and its helper data.
#[derive(Debug, Clone)]
pub struct PufSource<P> {
    puf: P,
    helper: HelperData,
}

impl<P: Puf> PufSource<P> {
    /// The source of one chip.
    pub const fn new(puf: P, helper: HelperData) -> Self {
        Self { puf, helper }
    }
}

impl<P: Puf> KeySource for PufSource<P> {
    /// Reads the cells, corrects the noise, checks and derives.
    ///
    /// # Errors
    /// [`KeySourceError::NotReproduced`] for too much noise, another chip and changed helper data alike;
    /// [`KeySourceError::Unavailable`].
    fn secret(&mut self) -> Result<Zeroizing<[u8; 32]>, KeySourceError> {
        let mut response = Response::new([0; RESPONSE_LEN]);
        self.puf.read(&mut response)?;
        let (words, _) = response.as_chunks_mut::<{ bch::WORD_LEN }>();
        let (sketches, _) = self.helper.sketch.as_chunks::<{ bch::ERRORS }>();
        let mut corrected = true;
        // All words are tried whatever fails, and the failures are not told apart.
        for (word, sketch) in words.iter_mut().zip(sketches) {
            corrected &= bch::correct(word, sketch).is_ok();
        }
        let (secret, check) = extract(&mut response, &self.helper.sketch);
        let matches = bool::from(check.ct_eq(&self.helper.check));
        if corrected && matches { Ok(secret) } else { Err(KeySourceError::NotReproduced) }
    }
}

/// Secret and check value of a corrected reading and its sketch. The unused bits are cleared, since noise there is not corrected.
fn extract(response: &mut [u8; RESPONSE_LEN], sketch: &[u8; SKETCH_LEN]) -> (Zeroizing<[u8; 32]>, [u8; CHECK_LEN]) {
    for word in response.as_chunks_mut::<{ bch::WORD_LEN }>().0 {
        if let Some(last) = word.last_mut() {
            *last &= 0x7f;
        }
    }
    let mut reader = blake3::Hasher::new_derive_key(EXTRACT).update(response).update(sketch).finalize_xof();
    let (mut secret, mut check) = (Zeroizing::new([0; 32]), [0; CHECK_LEN]);
    reader.fill(&mut *secret);
    reader.fill(&mut check);
    (secret, check)
}

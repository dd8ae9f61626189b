//! Generated listings: titles of 6 words, descriptions of 40, 4 tags, from a vocabulary of 60,000 words in which the n-th is 1/n as
//! frequent as the first, as in natural text; a thousand sellers, a hundred categories, every price its own.

use cpchain_consensus::dpor::generator::Generator;
use cpchain_crypto::{Did, Digest, Signer, SigningKey};
use cpchain_market::{
    Amount,
    listing::{Action, Listing, ListingError, Operation, SignedOperation, Unit},
};

const VOCABULARY: usize = 60_000;
const SELLERS: u64 = 1_000;
const CATEGORIES: u64 = 100;
const PERIODS: [u64; 6] = [0, 1_000, 60_000, 600_000, 3_600_000, 86_400_000];

pub(super) struct Market {
    generator: Generator,
    /// Weights of the words, summed up.
    ranks: Vec<f64>,
    sellers: Vec<SigningKey>,
    written: u64,
}

impl Market {
    pub(super) fn new(seed: u8) -> Self {
        let mut sum = 0.0;
        let ranks = (1..=VOCABULARY).map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        });
        Self {
            generator: Generator::new(&[seed; 32]),
            ranks: ranks.collect(),
            sellers: (0..SELLERS).map(|i| SigningKey::from_seed(&Digest::content(&i.to_le_bytes()).0)).collect(),
            written: 0,
        }
    }

    /// A word as text has them: the frequent ones often.
    pub(super) fn word(&mut self) -> String {
        let all = self.ranks.last().copied().unwrap_or(1.0);
        let point = self.generator.word() as f64 / u64::MAX as f64 * all;
        spell(self.ranks.partition_point(|sum| *sum < point))
    }

    pub(super) fn words(&mut self, count: usize) -> String {
        let words: Vec<_> = (0..count).map(|_| self.word()).collect();
        words.join(" ")
    }

    fn hash(&mut self) -> Digest {
        Digest::content(&self.generator.word().to_le_bytes())
    }

    /// The next listing, signed.
    pub(super) fn publish(&mut self) -> Result<SignedOperation, ListingError> {
        let seller = self.generator.below(SELLERS) as usize;
        let seller = self.sellers.get(seller).cloned().unwrap_or_else(|| SigningKey::from_seed(&[0; 32]));
        let mut tags: Vec<_> = (0..4).map(|_| self.word()).collect();
        tags.sort();
        tags.dedup();
        let (manifest, stream) = (self.hash(), self.hash());
        let period = self.generator.below(PERIODS.len() as u64) as usize;
        let listing = Listing {
            title: self.words(6),
            description: self.words(40),
            tags,
            category: format!("category {}", self.generator.below(CATEGORIES)),
            price: Amount(u128::from(self.generator.word()) * 1_000_000),
            unit: Unit::Interval,
            period_ms: PERIODS.get(period).copied().unwrap_or_default(),
            from_ms: 1_262_304_000_000,
            to_ms: 0,
            samples: vec![],
            uri: format!("otp:1/{}/{manifest}", Did::from(seller.public_key())),
            proxies: vec![],
            stream,
            manifest: Some(manifest),
            created_ms: self.written,
        };
        self.written += 1;
        Operation { seller: seller.public_key(), sequence: 0, action: Action::Publish(listing) }.sign(&seller)
    }
}

/// A pronounceable word for a rank, frequent ones short.
fn spell(rank: usize) -> String {
    const ONSETS: [&str; 16] = ["b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr"];
    const RHYMES: [&str; 12] = ["a", "e", "i", "o", "u", "an", "or", "el", "im", "os", "ar", "un"];
    let mut word = String::new();
    let mut rest = rank + ONSETS.len() * RHYMES.len();
    while rest > 0 {
        word.push_str(ONSETS.get(rest % ONSETS.len()).unwrap_or(&""));
        rest /= ONSETS.len();
        word.push_str(RHYMES.get(rest % RHYMES.len()).unwrap_or(&""));
        rest /= RHYMES.len();
    }
    word
}

//! Words of the listings that are for sale, for suggestions while somebody types.

use std::collections::{BTreeMap, BTreeSet};

use cpchain_market::listing::Listing;

/// Shorter words are not suggested.
const SHORTEST: usize = 3;

/// How many listings have each word in title, tags or category.
#[derive(Debug, Default)]
pub(super) struct Words(BTreeMap<String, usize>);

impl Words {
    pub(super) fn add(&mut self, listing: &Listing) {
        for word in words(listing) {
            *self.0.entry(word).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, listing: &Listing) {
        for word in words(listing) {
            if let Some(count) = self.0.get_mut(&word) {
                *count -= 1;
                if *count == 0 {
                    self.0.remove(&word);
                }
            }
        }
    }

    /// The most frequent words with this beginning; ties in the order of the alphabet.
    pub(super) fn beginning(&self, prefix: &str, limit: usize) -> Vec<(String, usize)> {
        let prefix = prefix.to_lowercase();
        if prefix.is_empty() {
            return Vec::new();
        }
        let found = self.0.range(prefix.clone()..).take_while(|(word, _)| word.starts_with(&prefix));
        let mut found: Vec<_> = found.map(|(word, count)| (word.clone(), *count)).collect();
        found.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
        found.truncate(limit);
        found
    }
}

fn words(listing: &Listing) -> BTreeSet<String> {
    let texts = listing.tags.iter().chain([&listing.title, &listing.category]);
    let words = texts.flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
    words.map(str::to_lowercase).filter(|word| word.chars().count() >= SHORTEST).collect()
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::Digest;
    use cpchain_market::{Amount, listing::Unit};

    use super::*;

    fn listing(title: &str, tags: &[&str]) -> Listing {
        Listing {
            title: title.into(),
            description: String::new(),
            tags: tags.iter().map(|tag| (*tag).into()).collect(),
            category: "climate".into(),
            price: Amount(1),
            unit: Unit::File,
            period_ms: 0,
            from_ms: 0,
            to_ms: 0,
            samples: vec![],
            uri: String::new(),
            proxies: vec![],
            stream: Digest::ZERO,
            manifest: None,
            created_ms: 0,
        }
    }

    #[test]
    fn words_are_counted_once_a_listing_and_go_with_it() {
        let mut words = Words::default();
        let (one, two) = (listing("Wind, wind and WINTER", &["wind"]), listing("Winter in Ålesund", &[]));
        words.add(&one);
        words.add(&two);
        assert_eq!(words.beginning("wi", 9), [("winter".to_owned(), 2), ("wind".to_owned(), 1)]);
        assert_eq!(words.beginning("Å", 9), [("ålesund".to_owned(), 1)]);
        words.remove(&one);
        assert_eq!(words.beginning("wi", 9), [("winter".to_owned(), 1)]);
        assert!(words.beginning("", 9).is_empty());
    }
}

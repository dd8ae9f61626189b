//! From text to index terms, for listings and queries alike.
//!
//! Runs of letters and digits are words: lower case, without accents, without English stop words, reduced to their stem, so
//! that `winds` finds `wind`. Scripts written without spaces are cut into overlapping pairs of characters.

use tantivy::tokenizer::{
    AsciiFoldingFilter, Language, LowerCaser, RemoveLongFilter, Stemmer, StopWordFilter, TextAnalyzer, Token,
    TokenStream, Tokenizer,
};

/// Longest word that is indexed: a `did:key` fits.
const LONGEST: usize = 64;
/// What people put around their question, beside the usual stop words.
const ASKING: &[&str] = &[
    "a", "about", "all", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "do",
    "does", "every", "find", "for", "from", "get", "give", "had", "has", "have", "how", "i", "if", "in", "into", "is",
    "it", "its", "like", "looking", "many", "me", "much", "my", "need", "no", "not", "of", "on", "or", "our", "please",
    "show", "some", "such", "that", "the", "their", "them", "then", "there", "these", "they", "this", "those", "to",
    "us", "want", "was", "we", "were", "what", "where", "which", "who", "will", "with", "would", "you", "your",
];

/// The one analyser of all text fields.
pub(super) fn analyser() -> TextAnalyzer {
    TextAnalyzer::builder(Words)
        .filter(RemoveLongFilter::limit(LONGEST))
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .filter(StopWordFilter::remove(ASKING.iter().map(|word| (*word).to_owned())))
        .filter(Stemmer::new(Language::English))
        .build()
}

/// The terms of a text, each once, in order, `most` of them at most.
pub(super) fn terms(text: &str, most: usize) -> Vec<String> {
    let mut analyser = analyser();
    let mut stream = analyser.token_stream(text);
    let mut terms: Vec<String> = Vec::new();
    while terms.len() < most && stream.advance() {
        let term = &stream.token().text;
        if !term.is_empty() && !terms.contains(term) {
            terms.push(term.clone());
        }
    }
    terms
}

/// Words for a period, so that "hourly" and "per minute" find data by its period.
pub(super) fn period(ms: u64) -> &'static str {
    const SECOND: u64 = 1000;
    const MINUTE: u64 = 60 * SECOND;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match ms {
        SECOND => "second",
        MINUTE => "minute minutely",
        HOUR => "hour hourly",
        DAY => "day daily",
        _ if ms == 7 * DAY => "week weekly",
        _ if (28 * DAY..=31 * DAY).contains(&ms) => "month monthly",
        _ if (365 * DAY..=366 * DAY).contains(&ms) => "year yearly annual",
        _ => "",
    }
}

#[derive(Clone, Default)]
struct Words;

/// All tokens of one text; one string is filled anew for each.
struct Tokens<'a> {
    text: &'a str,
    spans: std::vec::IntoIter<(usize, usize)>,
    next: usize,
    current: Token,
}

impl Tokenizer for Words {
    type TokenStream<'a> = Tokens<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Tokens<'a> {
        let mut spans = Vec::new();
        let mut word: Option<usize> = None;
        let mut previous: Option<(usize, char)> = None;
        let mut push = |from: usize, to: usize| spans.push((from, to));
        for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
            let spaceless = is_spaceless(c);
            if let Some(from) = word.filter(|_| spaceless || !c.is_alphanumeric()) {
                push(from, at);
                word = None;
            }
            if spaceless {
                match previous {
                    Some((from, _)) => push(from, at + c.len_utf8()),
                    // A single character is a token too when nothing of its kind follows.
                    None if !text
                        .get(at + c.len_utf8()..)
                        .and_then(|rest| rest.chars().next())
                        .is_some_and(is_spaceless) =>
                    {
                        push(at, at + c.len_utf8());
                    }
                    None => {}
                }
                previous = Some((at, c));
            } else {
                previous = None;
                if c.is_alphanumeric() && word.is_none() {
                    word = Some(at);
                }
            }
        }
        Tokens { text, spans: spans.into_iter(), next: 0, current: Token::default() }
    }
}

impl TokenStream for Tokens<'_> {
    fn advance(&mut self) -> bool {
        let Some((from, to)) = self.spans.next() else { return false };
        let token = &mut self.current;
        (token.offset_from, token.offset_to, token.position, token.position_length) = (from, to, self.next, 1);
        token.text.clear();
        token.text.push_str(self.text.get(from..to).unwrap_or_default());
        self.next += 1;
        true
    }

    fn token(&self) -> &Token {
        &self.current
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.current
    }
}

/// Han, kana, Hangul, Thai.
fn is_spaceless(c: char) -> bool {
    matches!(u32::from(c), 0x3040..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xAC00..=0xD7AF | 0xF900..=0xFAFF
        | 0x0E00..=0x0E7F | 0x20000..=0x2FA1F)
        && c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded_stemmed_and_stop_words_dropped() {
        assert_eq!(terms("The hourly WINDS of Zürich, and wind-speeds!", 32), ["hour", "wind", "zurich", "speed"]);
        assert_eq!(terms("what do you have?", 32), [""; 0]);
    }

    #[test]
    fn scripts_without_spaces_become_pairs() {
        assert_eq!(terms("西雅图天气 2010", 32), ["西雅", "雅图", "图天", "天气", "2010"]);
        assert_eq!(terms("a风b", 32), ["风", "b"]);
    }

    #[test]
    fn the_number_of_terms_is_bounded() {
        let text: String = (0..1000).map(|i| format!("w{i} ")).collect();
        assert_eq!(terms(&text, 32).len(), 32);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_cut_without_panic(text in ".{0,200}") {
            let _ = terms(&text, 50);
        }
    }
}

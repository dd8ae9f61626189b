//! Words of texts, cut and normalised the same way wherever a text is indexed or asked for.
//!
//! What happens, in this order: canonical decomposition, full case folding, compatibility composition (NFKC), both once more (Unicode
//! 3.13, D146: after it, texts that differ in case, width or composition alone are equal), invisible characters left out; then words as Unicode
//! Annex 29 cuts them; then the stem by the Snowball algorithm of the language. So "Türen", "TÜREN" and "Tu\u{308}ren" are one word.
//!
//! The kind of a term names language and version. If a new version of a dependency cuts or stems differently, the vectors in
//! `tests/search_text.rs` fail (`words_are_these`), and the version here goes up: terms of two versions never meet by mistake.

use alloc::{collections::BTreeSet, format, string::String, vec::Vec};

use frostem::{Algorithm, Stemmer};
use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use super::Term;

const VERSION: &str = "v1";

/// Whose stems are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Language {
    /// None: words are taken whole. For names, numbers and mixed texts.
    Whole,
    /// Dutch.
    Dutch,
    /// English.
    English,
    /// French.
    French,
    /// German.
    German,
    /// Italian.
    Italian,
    /// Portuguese.
    Portuguese,
    /// Spanish.
    Spanish,
}

impl Language {
    const fn code(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Dutch => "nl",
            Self::English => "en",
            Self::French => "fr",
            Self::German => "de",
            Self::Italian => "it",
            Self::Portuguese => "pt",
            Self::Spanish => "es",
        }
    }

    const fn algorithm(self) -> Option<Algorithm> {
        Some(match self {
            Self::Whole => return None,
            Self::Dutch => Algorithm::Dutch,
            Self::English => Algorithm::English,
            Self::French => Algorithm::French,
            Self::German => Algorithm::German,
            Self::Italian => Algorithm::Italian,
            Self::Portuguese => Algorithm::Portuguese,
            Self::Spanish => Algorithm::Spanish,
        })
    }

    /// The words of a text in their order, normalised and stemmed.
    ///
    /// ```
    /// use cpchain_crypto::search::Language;
    /// assert_eq!(Language::English.words("Two doors — OPENED, at 21.5°!"), ["two", "door", "open", "at", "21.5"]);
    /// assert_eq!(Language::Whole.words("ＲＯＯＦ-3"), ["roof", "3"]);
    /// ```
    pub fn words(self, text: &str) -> Vec<String> {
        let text = normalise(text);
        let stemmer = self.algorithm().map(Stemmer::new);
        // A mark without a letter takes the space before it along.
        text.unicode_words()
            .map(str::trim)
            .map(|word| stemmer.as_ref().map_or_else(|| word.into(), |stemmer| stemmer.stem(word).into()))
            .collect()
    }

    /// A term for each word of a field's text, each once.
    ///
    /// ```
    /// use cpchain_crypto::search::Language;
    /// let stored = Language::English.terms("log", "Three DOORS opened");
    /// let asked = Language::English.terms("log", "door");
    /// assert!(stored.is_superset(&asked));
    /// ```
    pub fn terms(self, field: &str, text: &str) -> BTreeSet<Term> {
        let kind = format!("text/{VERSION}/{}/{field}", self.code());
        self.words(text).iter().map(|word| Term::new(&kind, word.as_bytes())).collect()
    }
}

/// Texts that differ in case, width or composition alone become equal.
pub(super) fn normalise(text: &str) -> String {
    let fold = |text: String| UniCase::unicode(text).to_folded_case();
    let once: String = fold(text.nfd().collect()).nfkc().collect();
    let twice: String = fold(once).nfkc().filter(|character| !invisible(*character)).collect();
    twice.nfc().collect()
}

/// Marks that change neither the letters nor where words end: soft hyphen, zero-width characters, direction marks.
const fn invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

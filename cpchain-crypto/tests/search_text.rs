//! Words and typed values become the same terms everywhere.
#![cfg(feature = "search")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use cpchain_crypto::search::{Field, FieldKind, Language, Predicate, SearchError, Term, Value};
use proptest::prelude::*;

/// Golden words: if these change, the version of the terms must.
#[test]
fn words_are_these() {
    for (language, text, words) in [
        (Language::Whole, "The Running DOORS", "the running doors"),
        (Language::English, "The running DOORS' hinges; connections", "the run door hing connect"),
        (Language::German, "Die Türen der Häuser, STRASSE und Straße", "die tur der haus strass und strass"),
        (Language::French, "Les mesures précédentes", "le mesur précédent"),
        (Language::Spanish, "las mediciones rápidas", "las medicion rap"),
        (Language::Italian, "le temperature misurate", "le temperatur misur"),
        (Language::Portuguese, "as medições rápidas", "as mediçõ ráp"),
        (Language::Dutch, "de gemeten waarden", "de meet waar"),
        (Language::Whole, "温度 21.5°C sensor_7 3,5 x²", "温 度 21.5 c sensor_7 3,5 x2"),
    ] {
        assert_eq!(language.words(text).join(" "), words, "{language:?}");
    }
}

#[test]
fn spelling_that_is_not_seen_makes_no_difference() {
    let one = Language::Whole.terms("f", "Tür ﬁre ＲＯＯＦ");
    for same in ["TÜR FIRE roof", "tu\u{308}r fi\u{ad}re roof", "\u{feff}Tür\u{2003}ﬁre\u{a0}ｒｏｏｆ"] {
        assert_eq!(Language::Whole.terms("f", same), one, "{same:?}");
    }
    assert!(Language::Whole.terms("g", "tür").is_disjoint(&one), "another field");
    assert!(Language::German.terms("f", "fire").is_disjoint(&one), "another language");
    assert_eq!(Language::English.words(" \u{200b}—!"), Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn case_and_composition_never_matter(text: String) {
        use unicode_normalization::UnicodeNormalization;
        let words = Language::Whole.words(&text);
        prop_assert_eq!(&Language::Whole.words(&words.join(" ")), &words, "normalised text stays as it is");
        for other in [text.nfd().collect::<String>(), text.nfkc().collect()] {
            prop_assert_eq!(&Language::Whole.words(&other), &words);
        }
    }

    #[test]
    fn ascii_case_never_matters(text in "[ -~]{0,60}") {
        let words = Language::English.words(&text);
        prop_assert_eq!(&Language::English.words(&text.to_ascii_uppercase()), &words);
    }

    #[test]
    fn values_keep_their_order_on_the_scale(a in -30_000i64..30_000, b in -30_000i64..30_000) {
        let day = Field::new("day", FieldKind::Timestamp { step_ms: 86_400_000 }).unwrap();
        let scale = day.scale(Value::Timestamp(-30_000 * 86_400_000)).unwrap();
        let at = |day: i64| Value::Timestamp(day * 86_400_000 + 5);
        let [x, y] = [a, b].map(|d| scale.encode_steps(day.steps(at(d)).unwrap()).unwrap());
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        prop_assert_eq!(day.term(at(a)) == day.term(at(b)), a == b);
    }
}

#[test]
fn kinds_names_and_steps_never_share_a_term() {
    let field = |name, kind| Field::new(name, kind).unwrap();
    let terms: BTreeSet<Term> = [
        field("a", FieldKind::Category).term(Value::Category("1")),
        field("b", FieldKind::Category).term(Value::Category("1")),
        field("a", FieldKind::Integer).term(Value::Integer(1)),
        field("a", FieldKind::Timestamp { step_ms: 1 }).term(Value::Timestamp(1)),
        field("a", FieldKind::Timestamp { step_ms: 2 }).term(Value::Timestamp(2)),
        field("a", FieldKind::Decimal { places: 0 }).term(Value::Decimal(1.0)),
        field("a", FieldKind::Decimal { places: 1 }).term(Value::Decimal(0.1)),
    ]
    .into_iter()
    .map(Result::unwrap)
    .chain(Language::Whole.terms("a", "1"))
    .collect();
    assert_eq!(terms.len(), 8);
}

#[test]
fn values_that_do_not_fit_are_refused() {
    assert_eq!(Field::new("a", FieldKind::Timestamp { step_ms: 0 }), Err(SearchError::Value));
    assert_eq!(Field::new("a", FieldKind::Decimal { places: 16 }), Err(SearchError::Value));
    let decimal = Field::new("a", FieldKind::Decimal { places: 3 }).unwrap();
    for value in [f64::NAN, f64::INFINITY, 1e14] {
        assert_eq!(decimal.term(Value::Decimal(value)), Err(SearchError::Value));
    }
    assert_eq!(decimal.term(Value::Integer(3)), Err(SearchError::Value));
    assert_eq!(decimal.steps(Value::Category("3")), Err(SearchError::Value));
    let category = Field::new("a", FieldKind::Category).unwrap();
    assert_eq!(category.term(Value::Integer(3)), Err(SearchError::Value));
    assert_eq!(category.steps(Value::Category("x")), Err(SearchError::Value));
    assert_eq!(category.term(Value::Category("Roof")), category.term(Value::Category("ROOF")));
    // −0.05 and 0.05 to one place: half away from zero; minus zero is zero.
    let tenths = Field::new("a", FieldKind::Decimal { places: 1 }).unwrap();
    assert_eq!([0.05, -0.05, -0.04].map(|v| tenths.steps(Value::Decimal(v)).unwrap()), [1, -1, 0]);
    let scale = tenths.scale(Value::Decimal(-10.0)).unwrap();
    assert_eq!(scale.between(-9.9, 0.0), Ok(Predicate::Between { low: 1, high: 100 }));
}

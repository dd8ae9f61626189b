//! The query language from the outside: what it reads, what it refuses and where, and what it means.
#![cfg(feature = "search")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod readings;

use cpchain_crypto::search::{
    Field, FieldKind, Language, SearchError, Value,
    language::{Column, Condition, Expression, Literal, Problem, Schema, SchemaError},
};
use proptest::prelude::*;
use readings::{HOUR, Reading, START, expression, schema};

fn parsed(text: &str) -> String {
    match schema().parse(text) {
        Ok(expression) => expression.to_string(),
        Err(error) => format!("{} {}", error.at(), error.problem()),
    }
}

#[test]
fn the_grammar() {
    for (text, read) in [
        ("room:kitchen", "room:kitchen"),
        ("  room: kitchen ", "room:kitchen"),
        ("room:kitchen status:ok", "room:kitchen AND status:ok"),
        ("room:yard OR room:lab AND status:ok", "room:yard OR (room:lab AND status:ok)"),
        ("(room:yard OR room:lab) AND NOT status:ok", "(room:yard OR room:lab) AND NOT status:ok"),
        ("NOT NOT (status:ok)", "NOT NOT status:ok"),
        ("NOT(status:ok serial:7)", "NOT (status:ok AND serial:7)"),
        ("room:(yard \"cellar 1\" lab)", "room:(yard \"cellar 1\" lab)"),
        ("room:\"TO\"", "room:\"TO\""),
        ("room:\"a \\\"b\\\" \\\\\"", "room:\"a \\\"b\\\" \\\\\""),
        ("device:D-1*", "device:D-1*"),
        ("device:\"D 1\"*", "device:\"D 1\"*"),
        ("temperature:21.55", "temperature:21.6"),
        ("temperature:-0.5", "temperature:-0.5"),
        ("temperature:[20.5 TO 23]", "temperature:[20.5 TO 23.0]"),
        ("temperature:{20.5 TO 23}", "temperature:[20.6 TO 22.9]"),
        ("temperature:[20.5 TO *}", "temperature:[20.5 TO *]"),
        ("temperature:>20", "temperature:[20.1 TO *]"),
        ("temperature:>= 20", "temperature:[20.0 TO *]"),
        ("temperature:<20", "temperature:[* TO 19.9]"),
        ("temperature:<=20", "temperature:[* TO 20.0]"),
        ("temperature:[* TO *]", "temperature:[* TO *]"),
        ("serial:(1 2 -3)", "serial:(1 2 -3)"),
        ("time:2026-01-01", "time:2026-01-01T00:00:00Z"),
        ("time:[2026-01-01T12:59 TO 2026-01-02T08:00+08:00]", "time:[2026-01-01T12:00:00Z TO 2026-01-02T00:00:00Z]"),
        ("time:<2026-01-01T12:00", "time:[* TO 2026-01-01T11:00:00Z]"),
        ("time:@3600000", "time:1970-01-01T01:00:00Z"),
        ("door", "log:door OR note:door"),
        ("log:\"door opened\"", "log:\"door opened\""),
        ("door AND NOT log:window", "(log:door OR note:door) AND NOT log:window"),
    ] {
        assert_eq!(parsed(text), read, "{text}");
        assert_eq!(parsed(read), read, "printed again");
    }
}

#[test]
fn errors_say_where_and_what() {
    for (text, error) in [
        ("", "0 expected a condition: field:value, a word, NOT or a parenthesis"),
        ("room:kitchen AND", "16 expected a condition: field:value, a word, NOT or a parenthesis"),
        ("room:kitchen )", "13 expected AND, OR or the end of the query"),
        ("(room:kitchen", "0 this parenthesis is not closed: add ) where it ends"),
        ("(room:kitchen ]", "14 expected a condition: field:value, a word, NOT or a parenthesis"),
        (
            "colour:red",
            "0 there is no field `colour`: the fields are log, note, device, serial, room, temperature, status, time",
        ),
        ("temperature:warm", "12 not a value of this field: write a number, as 21.5"),
        ("temperature:NaN", "12 not a value of this field: write a number, as 21.5"),
        ("serial:1.5", "7 not a value of this field: write a whole number, as 42"),
        ("time:yesterday", "5 not a value of this field: write a date or time, as 2026-01-31 or 2026-01-31T12:30Z"),
        (
            "room:>kitchen",
            "5 this field cannot be asked so: names have no order; ask for field:name, field:begin* or field:(one other)",
        ),
        ("serial:12*", "7 this field cannot be asked so: a prefix is of a name; ask a number for field:[from TO to]"),
        ("door*", "4 this field cannot be asked so: a prefix needs a field: write field:begin*"),
        ("log:door*", "8 a star stands only behind a prefix: put the value in quotes if it has one"),
        ("room:k*n", "6 a star stands only behind a prefix: put the value in quotes if it has one"),
        ("temperature:[20 23]", "16 expected TO and the upper bound, or TO *"),
        ("temperature:[20 TO 23", "21 expected ] or }"),
        ("temperature:[TO 23]", "13 expected a value, as it is or in quotes"),
        ("room:()", "7 expected a value, as it is or in quotes"),
        ("room:(a", "5 this parenthesis is not closed: add ) where it ends"),
        ("room:\"kitchen", "5 this quotation is not closed: add \" where it ends"),
        ("log:\"!?\"", "4 there is no word in this text: write letters or digits"),
        ("room:OR", "5 expected a value, as it is or in quotes"),
        ("serial:>9223372036854775807", "8 not a value of this field: write a whole number, as 42"),
    ] {
        assert_eq!(parsed(text), error, "{text}");
    }
    let columns = Schema::new().keyword(Field::new("a", FieldKind::Integer).unwrap()).unwrap();
    assert_eq!(columns.parse("word").unwrap_err().problem(), &Problem::NoText);
    // The place is counted in characters where it is shown.
    let text = "room:Küche AND temperature:heiß";
    let shown = schema().parse(text).unwrap_err().show(text);
    assert_eq!(shown.lines().nth(1).unwrap().find('^'), Some(27));
}

#[test]
fn bounds_hold() {
    let problem = |text: &str| schema().parse(text).unwrap_err().problem().clone();
    let deep = Expression::MAX_DEPTH;
    for (open, close) in [("(", ")"), ("NOT ", ""), ("NOT (", ")")] {
        let nested = |levels: usize| format!("{}status:ok{}", open.repeat(levels), close.repeat(levels));
        let levels = if open == "NOT (" { deep / 2 } else { deep };
        assert!(schema().parse(&nested(levels)).is_ok());
        assert_eq!(problem(&nested(levels + 1)), Problem::TooDeep);
    }
    assert!(schema().parse(&"serial:1 ".repeat(Expression::MAX_TESTS)).is_ok());
    assert_eq!(problem(&"serial:1 ".repeat(Expression::MAX_TESTS + 1)), Problem::TooManyTests);
    assert_eq!(problem(&"door ".repeat(Expression::MAX_TESTS / 2 + 1)), Problem::TooManyTests);
    assert!(schema().parse(&format!("serial:({})", "1 ".repeat(Expression::MAX_SET))).is_ok());
    assert_eq!(problem(&format!("serial:({})", "1 ".repeat(Expression::MAX_SET + 1))), Problem::TooManyValues);
    assert_eq!(problem(&"(".repeat(Expression::MAX_TEXT + 1)), Problem::TooLong);
    assert_eq!(problem(&"(".repeat(Expression::MAX_TEXT)), Problem::TooDeep);
}

#[test]
fn schemas_are_checked() {
    let number = |name: &str| Field::new(name, FieldKind::Integer).unwrap();
    let category = || Field::new("c", FieldKind::Category).unwrap();
    let column = || Column::numbers(Value::Integer(0), 1).unwrap();
    for name in ["", "a b", "é", "AND", &"a".repeat(65)] {
        assert_eq!(Schema::new().keyword(number(name)), Err(SchemaError::Name), "{name}");
    }
    let schema = Schema::new().keyword(number("a")).unwrap();
    assert_eq!(schema.clone().keyword(number("a")), Err(SchemaError::Twice));
    assert_eq!(schema.clone().text("a", Language::Whole), Err(SchemaError::Twice));
    let other = Field::new("a", FieldKind::Decimal { places: 1 }).unwrap();
    let tenths = Column::numbers(Value::Decimal(0.0), 1).unwrap();
    assert_eq!(schema.clone().column(other, tenths.clone()), Err(SchemaError::Twice));
    assert_eq!(schema.clone().column(number("b"), tenths), Err(SchemaError::Kind));
    assert_eq!(schema.clone().column(category(), column()), Err(SchemaError::Kind));
    assert_eq!(schema.clone().column(number("b"), Column::names(&["x"]).unwrap()), Err(SchemaError::Kind));
    assert_eq!(schema.keyword_prefixes(number("b"), &[2]), Err(SchemaError::Prefix));
    assert_eq!(Schema::new().keyword_prefixes(category(), &[0]), Err(SchemaError::Prefix));
    let four =
        ["a", "b", "c", "d"].iter().try_fold(Schema::new(), |schema, name| schema.column(number(name), column()));
    assert_eq!(four.unwrap().column(number("e"), column()), Err(SchemaError::Column));
    assert_eq!(Column::names(&["Roof", "ROOF"]), Err(SchemaError::Twice));
    assert_eq!(Column::names::<&str>(&[]), Err(SchemaError::Column));
    assert_eq!(Column::numbers(Value::Integer(0), 5), Err(SchemaError::Column));
    assert_eq!(Column::numbers(Value::Category("x"), 1), Err(SchemaError::Kind));
    let names: Vec<String> = (0..16).map(|number| number.to_string()).collect();
    assert_eq!(Column::names(&names[..15]).unwrap().digits(), 1);
    assert_eq!(Column::names(&names).unwrap().digits(), 2);
}

/// A record that an index could not hold exactly is refused.
#[test]
fn what_does_not_fit_is_not_indexed() {
    let index = |name, value| schema().index(&[(name, value)]);
    assert!(index("temperature", Value::Decimal(-40.0)).is_ok_and(|indexed| indexed.columns == [0, 1, 0, 0]));
    assert!(index("temperature", Value::Decimal(369.4)).is_ok_and(|indexed| indexed.columns == [0, 4095, 0, 0]));
    for value in [Value::Decimal(-40.1), Value::Decimal(369.5), Value::Decimal(f64::NAN), Value::Integer(1)] {
        assert_eq!(index("temperature", value), Err(SearchError::Value), "{value:?}");
    }
    assert_eq!(index("status", Value::Category("broken")), Err(SearchError::Value));
    assert_eq!(index("log", Value::Category("door")), Err(SearchError::Value));
    assert_eq!(index("colour", Value::Category("red")), Err(SearchError::Shape));
    let twice = [("status", Value::Category("ok")), ("status", Value::Category("low"))];
    assert_eq!(schema().index(&twice), Err(SearchError::Shape));
    assert_eq!(schema().digits(), [1, 3, 1, 3]);
    // The device, its prefixes of two and three characters, and nothing for a name that is too short.
    assert_eq!(index("device", Value::Category("D-11")).unwrap().terms.len(), 3);
    assert_eq!(index("device", Value::Category("D-")).unwrap().terms.len(), 2);
    assert_eq!(index("device", Value::Category("D")).unwrap().terms.len(), 1);
}

#[test]
fn a_missing_value_meets_no_condition() {
    let empty = Reading {
        log: None,
        note: "door".to_owned(),
        device: "D".to_owned(),
        serial: 1,
        room: None,
        temperature: None,
        status: 0,
        time: START,
    };
    let matches = |text: &str| schema().matches(&schema().parse(text).unwrap(), &empty.fields()).unwrap();
    for text in ["temperature:[* TO *]", "temperature:>-100", "room:kitchen", "log:door", "room:\"\"*"] {
        assert!(!matches(text), "{text}");
        assert!(matches(&format!("NOT {text}")), "{text}");
    }
    assert!(matches("door") && matches("serial:1") && matches("time:[* TO *]"));
}

#[test]
fn literals_are_rounded_as_values() {
    let with = |t: f64| [("temperature", Value::Decimal(t))];
    let asked = |text: &str| schema().parse(text).unwrap();
    for (text, value, wanted) in [
        ("temperature:20.54", 20.46, true),
        ("temperature:>=20.54", 20.46, true),
        ("temperature:>20.5", 20.54, false),
        ("temperature:>20.5", 20.55, true),
        ("temperature:<20.5", 20.46, false),
    ] {
        assert_eq!(schema().matches(&asked(text), &with(value)), Ok(wanted), "{text} {value}");
    }
    // A point in time is its hour.
    let half = [("time", Value::Timestamp(START + i64::from(HOUR) / 2))];
    for (text, wanted) in [
        ("time:2026-01-01T00:59", true),
        ("time:<=2026-01-01", true),
        ("time:>2026-01-01", false),
        ("time:<2026-01-01T00:40", false),
    ] {
        assert_eq!(schema().matches(&asked(text), &half), Ok(wanted), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_is_read_again(expression in expression()) {
        let printed = expression.to_string();
        prop_assert_eq!(schema().parse(&printed), Ok(expression), "{}", printed);
    }

    #[test]
    fn any_text_is_read_or_refused(noise in any::<String>(), pieces in prop::collection::vec(prop::sample::select(vec![
        "(", ")", "[", "]", "{", "}", "\"", "\\", "*", ":", ">", "<=", " ", "AND", "OR", "NOT", "TO", "room", "temperature", "time", "log", "20.5", "ok", "é", "2026-01-01", "@9",
    ]), 0..30)) {
        for text in [noise, pieces.concat()] {
            match schema().parse(&text) {
                Ok(read) => prop_assert_eq!(schema().parse(&read.to_string()), Ok(read)),
                Err(error) => {
                    prop_assert!(text.is_char_boundary(error.at()), "{}", error);
                    prop_assert!(error.show(&text).contains('^'));
                }
            }
        }
    }

    #[test]
    fn literals_of_any_size_are_printed(steps: i64, places in 0u8..=15) {
        let field = Field::new("x", FieldKind::Decimal { places }).unwrap();
        let literal = Literal::Decimal { steps, places };
        let schema = Schema::new().keyword(field).unwrap();
        if steps.unsigned_abs() <= 1 << 50 {
            let read = schema.parse(&format!("x:{literal}")).unwrap();
            let Expression::Test(test) = read else { panic!("one test") };
            prop_assert_eq!(test.condition, Condition::Equal(literal));
        }
        let at = Literal::Timestamp(steps).to_string();
        prop_assert!(!at.is_empty());
    }
}

//! Records of sensors, and expressions about them: shared by the tests of the query language and of the planner.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use cpchain_crypto::search::{
    Field, FieldKind, Language, Value,
    language::{Column, Condition, Expression, Literal, Schema, Test},
};
use proptest::prelude::*;

pub const HOUR: u32 = 3_600_000;
pub const START: i64 = 1_767_225_600_000;
pub const ROOMS: [&str; 9] = ["kitchen", "Hall", "roof", "cellar 1", "cellar 2", "Küche", "yard", "TO", "lab"];
pub const STATUS: [&str; 3] = ["ok", "low", "fault"];
pub const WORDS: [&str; 6] = ["door", "window", "opened", "closed", "alarm", "21.5"];

/// Every kind of field, by keyword, by column, and by both.
pub fn schema() -> Schema {
    let field = |name, kind| Field::new(name, kind).unwrap();
    Schema::new()
        .text("log", Language::English)
        .and_then(|schema| schema.text("note", Language::Whole))
        .and_then(|schema| schema.keyword_prefixes(field("device", FieldKind::Category), &[2, 3]))
        .and_then(|schema| schema.keyword(field("serial", FieldKind::Integer)))
        .and_then(|schema| schema.keyword(field("room", FieldKind::Category)))
        .and_then(|schema| schema.column(field("room", FieldKind::Category), Column::names(&ROOMS)?))
        .and_then(|schema| {
            let celsius = field("temperature", FieldKind::Decimal { places: 1 });
            schema.column(celsius, Column::numbers(Value::Decimal(-40.0), 3)?)
        })
        .and_then(|schema| schema.column(field("status", FieldKind::Category), Column::names(&STATUS)?))
        .and_then(|schema| {
            let hours = field("time", FieldKind::Timestamp { step_ms: HOUR });
            schema.column(hours, Column::numbers(Value::Timestamp(START), 3)?)
        })
        .unwrap()
}

/// A record; none where it lacks a value.
#[derive(Debug, Clone)]
pub struct Reading {
    pub log: Option<String>,
    pub note: String,
    pub device: String,
    pub serial: i64,
    pub room: Option<usize>,
    pub temperature: Option<f64>,
    pub status: usize,
    pub time: i64,
}

impl Reading {
    pub fn fields(&self) -> Vec<(&str, Value<'_>)> {
        let mut out = vec![
            ("note", Value::Text(&self.note)),
            ("device", Value::Category(&self.device)),
            ("serial", Value::Integer(self.serial)),
            ("status", Value::Category(STATUS[self.status])),
            ("time", Value::Timestamp(self.time)),
        ];
        out.extend(self.log.iter().map(|log| ("log", Value::Text(log))));
        out.extend(self.room.iter().map(|room| ("room", Value::Category(ROOMS[*room]))));
        out.extend(self.temperature.iter().map(|t| ("temperature", Value::Decimal(*t))));
        out
    }
}

pub fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(WORDS.to_vec()), 1..3).prop_map(|words| words.join(" "))
}

pub fn device() -> impl Strategy<Value = String> {
    (0u32..40).prop_map(|number| format!("D-{number}"))
}

pub fn reading() -> impl Strategy<Value = Reading> {
    (
        prop::option::of(text()),
        text(),
        device(),
        0i64..50,
        prop::option::of(0..ROOMS.len()),
        prop::option::of((-400i32..3000).prop_map(|tenths| f64::from(tenths) / 10.0)),
        0..STATUS.len(),
        (0..4000 * i64::from(HOUR)).prop_map(|at| START + at),
    )
        .prop_map(|(log, note, device, serial, room, temperature, status, time)| Reading {
            log,
            note,
            device,
            serial,
            room,
            temperature,
            status,
            time,
        })
}

fn name(names: &'static [&'static str]) -> impl Strategy<Value = Literal> {
    prop_oneof![
        9 => prop::sample::select(names).prop_map(|name| Literal::Name(name.to_uppercase())),
        1 => Just(Literal::Name("no such \"name\" \\".to_owned())),
    ]
}

fn decimal() -> impl Strategy<Value = Literal> {
    // Also beyond both ends of the column.
    (-600i64..6000).prop_map(|steps| Literal::Decimal { steps, places: 1 })
}

fn hour() -> impl Strategy<Value = Literal> {
    (-100i64..4500).prop_map(|hours| Literal::Timestamp(START + hours * i64::from(HOUR)))
}

fn ordered<S: Strategy<Value = Literal> + Clone + 'static>(literal: S) -> impl Strategy<Value = Condition> {
    let bound = || prop::option::of(literal.clone());
    prop_oneof![
        literal.clone().prop_map(Condition::Equal),
        (bound(), bound()).prop_map(|(low, high)| Condition::Between { low, high }),
        prop::collection::vec(literal, 1..9).prop_map(Condition::OneOf),
    ]
}

fn named(names: &'static [&'static str]) -> impl Strategy<Value = Condition> {
    prop_oneof![
        name(names).prop_map(Condition::Equal),
        prop::collection::vec(name(names), 1..5).prop_map(Condition::OneOf),
    ]
}

fn with(field: &'static str, condition: impl Strategy<Value = Condition>) -> impl Strategy<Value = Expression> {
    condition.prop_map(move |condition| Expression::Test(Test { field: field.to_owned(), condition }))
}

pub fn test() -> impl Strategy<Value = Expression> {
    let prefixes = prop::sample::select(vec!["k", "cell", "CELLAR ", "kü", "x", ""]);
    let starts = prop::sample::select(vec!["d-", "D-1", "d-3"]);
    prop_oneof![
        1 => with("log", text().prop_map(Condition::Words)),
        1 => with("note", text().prop_map(Condition::Words)),
        1 => with("device", device().prop_map(|device| Condition::Equal(Literal::Name(device)))),
        1 => with("device", starts.prop_map(|prefix| Condition::Prefix(prefix.to_owned()))),
        1 => with("serial", (0i64..60).prop_map(|serial| Condition::Equal(Literal::Integer(serial)))),
        1 => with("room", named(&ROOMS)),
        1 => with("room", prefixes.prop_map(|prefix| Condition::Prefix(prefix.to_owned()))),
        1 => with("status", named(&STATUS)),
        2 => with("temperature", ordered(decimal().boxed())),
        2 => with("time", ordered(hour().boxed())),
    ]
}

pub fn expression() -> impl Strategy<Value = Expression> {
    test().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::All),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::Any),
            inner.prop_map(|inner| Expression::Not(Box::new(inner))),
        ]
    })
}

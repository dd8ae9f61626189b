//! The CSV source: what it reads, and the line that each error names.
#![cfg(feature = "csv")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_storage::{
    Reading,
    gateway::{CsvError, CsvOptions, CsvSource, TimestampUnit},
};
use proptest::prelude::*;

fn read(text: &str) -> Result<Vec<Reading>, CsvError> {
    CsvSource::from_reader(text.as_bytes(), &CsvOptions::default())?.collect()
}

#[test]
fn any_file_with_a_timestamp_column_is_read() {
    let columns = |text: &str| {
        let source = CsvSource::from_reader(text.as_bytes(), &CsvOptions::default()).unwrap();
        source.columns().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(columns("wind,Date,x y\n"), ["wind", "x y"]);
    assert_eq!(columns("\u{feff}Date_Time,a\n"), ["a"]);
    for (time, at_ms) in [
        ("1970-01-02", 86_400_000),
        ("1970-01-01T00:00:01", 1000),
        ("1970-01-01 00:00:01", 1000),
        ("1970-01-01T00:00:01.250Z", 1250),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1250", 1250),
    ] {
        let rows = read(&format!("a,time\n-0.5,{time}\n")).unwrap();
        assert_eq!(rows, [Reading::new(at_ms, vec![-0.5])], "{time}");
    }
    let options = CsvOptions {
        timestamp_column: Some("when".to_owned()),
        columns: Some(vec!["c".to_owned(), "a".to_owned()]),
        unit: TimestampUnit::Seconds,
    };
    let rows = CsvSource::from_reader("a,b,c,when\n1,text,3,7\n".as_bytes(), &options).unwrap();
    assert_eq!(rows.map(Result::unwrap).collect::<Vec<_>>(), [Reading::new(7000, vec![3.0, 1.0])]);
}

#[test]
fn an_empty_cell_is_a_missing_value() {
    let rows = read("time,a,b\n1,,2\n").unwrap();
    assert!(rows[0].values[0].is_nan());
    assert_eq!(rows[0].values[1], 2.0);
}

#[test]
fn each_error_is_distinct_and_names_its_line() {
    let open = CsvSource::open("no/such/file.csv", &CsvOptions::default());
    assert!(matches!(open, Err(CsvError::Missing(path)) if path.ends_with("file.csv")));
    assert!(matches!(read(""), Err(CsvError::Empty { line: 1 })));
    assert!(matches!(read("time,a\n"), Err(CsvError::Empty { line: 1 })));
    assert!(matches!(read("a,b\n1,2\n"), Err(CsvError::NoTimestampColumn { found }) if found == ["a", "b"]));
    assert!(matches!(read("time\n1\n"), Err(CsvError::NoValues)));
    assert!(matches!(read("time,a,a\n1,2,3\n"), Err(CsvError::SameName(name)) if name == "a"));
    assert!(matches!(read("time,a\n1,2\nlater,3\n"), Err(CsvError::BadTimestamp { line: 3, text }) if text == "later"));
    assert!(matches!(read("time,a\n1969-12-31,3\n"), Err(CsvError::BadTimestamp { line: 2, .. })));
    let bad = read("time,a,wind\n1,2,3\n2,3,calm\n");
    assert!(matches!(bad, Err(CsvError::BadNumber { line: 3, column, text }) if column == "wind" && text == "calm"));
    assert!(matches!(read("time,a\n1,inf\n"), Err(CsvError::BadNumber { line: 2, .. })));
    assert!(matches!(read("time,a\n5,1\n6,1\n4,1\n"), Err(CsvError::Unordered { line: 4 })));
    assert!(matches!(read("time,a\n5,1\n5,1\n"), Err(CsvError::Repeated { line: 3 })));
    assert!(matches!(read("time,a\n5,1\n6,1,9\n"), Err(CsvError::Ragged { line: 3, expected: 2, found: 3 })));
    assert!(matches!(read("time,a\n5,1\n6\n"), Err(CsvError::Ragged { line: 3, expected: 2, found: 1 })));
    let latin1 = CsvSource::from_reader(&b"time,a\n5,\xff\n"[..], &CsvOptions::default()).unwrap().last();
    assert!(matches!(latin1, Some(Err(CsvError::Encoding { line: 2 }))));
    let named = CsvOptions { timestamp_column: Some("when".to_owned()), ..CsvOptions::default() };
    let missing = CsvSource::from_reader("time,a\n".as_bytes(), &named);
    assert!(matches!(missing, Err(CsvError::NoColumn(name)) if name == "when"));
}

#[test]
fn it_ends_after_the_first_error() {
    let mut source = CsvSource::from_reader("time,a\nx,1\n2,1\n".as_bytes(), &CsvOptions::default()).unwrap();
    assert!(source.next().unwrap().is_err());
    assert!(source.next().is_none());
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
        for head in [&b""[..], b"time,a\n", b"date,a,b\n1,2,3\n"] {
            let bytes = [head, &text].concat();
            if let Ok(source) = CsvSource::from_reader(bytes.as_slice(), &CsvOptions::default()) {
                let _ = source.count();
            }
        }
    }
}

//! Codecs: lossless, and safe against hostile bytes.
#![cfg(all(feature = "pco", feature = "csv"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use cpchain_storage::{
    Codec, CodecError, CodecRegistry, Table,
    codec::{MAX_ROWS, Pco, Plain},
};
use proptest::prelude::*;
use std::sync::Arc;

fn weather() -> Table {
    let source = support::weather();
    let mut table = Table::new(source.columns()).unwrap();
    source.map(Result::unwrap).for_each(|reading| table.push(reading.at_ms, &reading.values).unwrap());
    table
}

#[test]
fn weather_returns_bit_for_bit_and_small() {
    let table = weather();
    let (pco, plain) = (Pco.encode(&table).unwrap(), Plain.encode(&table).unwrap());
    assert_eq!(Pco.decode(&pco, table.len() as u32).unwrap(), table);
    assert_eq!(Plain.decode(&plain, table.len() as u32).unwrap(), table);
    assert!(pco.len() * 8 < plain.len(), "{} of {}", pco.len(), plain.len());
}

fn any_table() -> impl Strategy<Value = Table> {
    let rows = prop_oneof![Just(0usize), Just(1), 0usize..600];
    (rows, 0usize..4).prop_flat_map(|(rows, columns)| {
        let times = prop::collection::vec(1u64..1 << 40, rows);
        let value = prop_oneof![any::<u64>(), (0i32..20_000).prop_map(|n| (f64::from(n) / 10.0).to_bits())];
        let values = prop::collection::vec(prop::collection::vec(value, rows), columns);
        (times, values).prop_map(|(steps, values)| {
            let mut at = 0;
            let times = steps
                .iter()
                .map(|step| {
                    at += step;
                    at
                })
                .collect();
            let named = values.into_iter().enumerate();
            let columns = named.map(|(i, bits)| (format!("c{i}"), bits.into_iter().map(f64::from_bits).collect()));
            Table::from_columns(times, columns.collect()).unwrap()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn floats_return_bit_for_bit(table in any_table()) {
        for id in [0, 1] {
            let codecs = CodecRegistry::default();
            let body = codecs.encode(id, &table).unwrap();
            prop_assert_eq!(&codecs.decode(id, &body, table.len() as u32).unwrap(), &table);
            let longer = codecs.decode(id, &body, table.len() as u32 + 1);
            prop_assert!(matches!(longer, Err(CodecError::Corrupt(_))));
        }
    }

    #[test]
    fn hostile_bytes_are_refused(table in any_table(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), rows: u32, cut: prop::sample::Index) {
        for codec in [&Pco as &dyn Codec, &Plain] {
            let mut body = codec.encode(&table).unwrap();
            for (place, byte) in &changes {
                let place = place.index(body.len());
                body[place] ^= byte;
            }
            if let Ok(read) = codec.decode(&body, table.len() as u32) {
                prop_assert_eq!(read.len(), table.len());
            }
            let _ = codec.decode(&body, rows);
            let _ = codec.decode(&body[..cut.index(body.len())], rows % 2000);
        }
    }

    #[test]
    fn any_bytes_are_decoded_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), rows in 0u32..5000) {
        for codec in [&Pco as &dyn Codec, &Plain] {
            let _ = codec.decode(&bytes, rows);
            let framed = [&[1, 0, 0][..], &(bytes.len() as u32 + 6).to_le_bytes(), b"pco!\x04\x02", &bytes].concat();
            let _ = codec.decode(&framed, rows);
        }
    }
}

#[test]
fn claims_beyond_the_limits_are_refused_before_any_work() {
    let codecs = CodecRegistry::default();
    assert_eq!(codecs.decode(1, &[], MAX_ROWS + 1), Err(CodecError::TooLarge));
    // 1024 columns of 2^20 readings each would be 8 GiB.
    let claim = [&[1][..], &1024u16.to_le_bytes(), &[0; 4096]].concat();
    assert_eq!(codecs.decode(1, &claim, MAX_ROWS), Err(CodecError::TooLarge));
}

#[test]
fn codecs_are_registered_once() {
    let mut codecs = CodecRegistry::default();
    assert_eq!(codecs.register(Arc::new(Plain)), Err(CodecError::Taken(0)));
    assert_eq!(codecs.encode(9, &Table::default()), Err(CodecError::Unknown(9)));
}

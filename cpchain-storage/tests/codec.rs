//! Codecs: lossless, and safe against hostile bytes.
#![cfg(all(feature = "pco", feature = "csv"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use bytes::Bytes;
use cpchain_storage::{
    Codec, CodecError, CodecRegistry, Reading, Table, TableError,
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
    assert!(pco.len() * 50 < plain.len(), "{} of {}", pco.len(), plain.len());
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

/// The same tables, some with opaque bytes in their rows.
fn any_block() -> impl Strategy<Value = Table> {
    let bytes = prop::collection::vec(any::<u8>(), 0..20);
    (any_table(), any::<bool>(), prop::collection::vec(bytes, 600)).prop_map(|(table, has_payloads, mut payloads)| {
        payloads.truncate(table.len());
        if has_payloads { table.set_payloads(payloads.into_iter().map(Bytes::from).collect()).unwrap() } else { table }
    })
}

fn all() -> Vec<Arc<dyn Codec>> {
    vec![
        Arc::new(Plain),
        Arc::new(Pco),
        #[cfg(feature = "zstd")]
        Arc::new(cpchain_storage::codec::Zstd),
    ]
}

/// What sensors send: decimals with missing values, something that repeats, even times.
fn golden(payloads: bool) -> Table {
    let mut table = Table::new(["t", "x"]).unwrap();
    if payloads {
        table = table.with_payloads();
    }
    for row in 0..70u64 {
        let t = if row % 30 == 9 { f64::NAN } else { f64::from((row as u32 % 7) * 3 + 100) / 10.0 };
        let payload = if payloads { Bytes::from(vec![row as u8; row as usize % 3]) } else { Bytes::new() };
        table.push_reading(Reading { at_ms: 1000 + row * 250, values: vec![t, 1.0 / 3.0], payload }).unwrap();
    }
    table
}

#[test]
fn golden_vectors() {
    let expected: [(u16, bool, usize, &str); 6] = [
        (0, false, 1701, "59a13ba746000097dbac5d404f4ce7a67ea214bc18507ede22b3697930a94c15"),
        (0, true, 1840, "ba1cfa1bc0182ec500dc58e88fb9f06a25021bd5f24ad265fd7a8242d721e463"),
        (1, false, 159, "710ee2dc2b00d492add4952b8068e3811301b3057df7c8bd059f2b3aec9c4a57"),
        (1, true, 298, "4ad0ada438b04451cb43da5526615d1a9137ae86bdb91b9aa95adc408c611953"),
        (2, false, 274, "a3cd8cc1b8bfa7d613190a525641b1dcc479aed9c0996a806edd87b856265b29"),
        (2, true, 347, "bed6b050c076d5a4099b8d3e4f9334f0a6868453ede0c3566aa67e94faf02ffd"),
    ];
    let codecs = CodecRegistry::default();
    let known = expected.iter().filter(|(id, ..)| codecs.contains(*id));
    let made: Vec<_> = known
        .clone()
        .map(|(id, payloads, ..)| {
            let table = golden(*payloads);
            let body = codecs.encode(*id, &table).unwrap();
            assert_eq!(codecs.decode(*id, &body, 70).unwrap(), table);
            (*id, *payloads, body.len(), blake3::hash(&body).to_hex().to_string())
        })
        .collect();
    assert!(made.iter().map(|(id, p, len, hash)| (*id, *p, *len, hash.as_str())).eq(known.copied()), "{made:#?}");
    // A body as codec 1 wrote it before it knew decimals: plain `pco` columns.
    let old = include_bytes!("data/pco-v1.body");
    let mut table = Table::new(["temperature"]).unwrap();
    (0..24u32).for_each(|hour| table.push(u64::from(hour) * 3_600_000, &[f64::from(hour * hour) / 10.0]).unwrap());
    assert_eq!(codecs.decode(1, old, 24).unwrap(), table);
}

#[cfg(feature = "zstd")]
#[test]
fn a_bomb_of_zstd_is_refused() {
    use cpchain_storage::codec::{MAX_UNPACKED, Zstd};
    let leb = |mut number: usize| {
        let mut out = Vec::new();
        while number > 127 {
            out.push(number as u8 | 128);
            number >>= 7;
        }
        out.push(number as u8);
        out
    };
    // Frames of zeros, a megabyte of them, that unpack to some ten gigabytes.
    let frame = zstd::bulk::compress(&vec![0; MAX_UNPACKED], 9).unwrap();
    let bomb = frame.repeat((1 << 20) / frame.len());
    for claim in [0, 1000, MAX_UNPACKED - 1, MAX_UNPACKED] {
        let body = [leb(claim), bomb.clone()].concat();
        assert!(matches!(Zstd.decode(&body, 1), Err(CodecError::Corrupt(_))), "{claim}");
    }
    assert_eq!(Zstd.decode(&[leb(MAX_UNPACKED + 1), bomb].concat(), 1), Err(CodecError::TooLarge));
    // A frame that asks for a window of 2 GiB.
    let window = [&leb(5)[..], &[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0, 0]].concat();
    assert!(matches!(Zstd.decode(&window, 1), Err(CodecError::Corrupt(_))));
}

#[test]
fn opaque_payloads_of_any_length() {
    let mut table = Table::new(Vec::<String>::new()).unwrap().with_payloads();
    for (at_ms, length) in [0, 1, 70_000, cpchain_storage::MAX_PAYLOAD_LEN].into_iter().enumerate() {
        table.push_reading(Reading::opaque(at_ms as u64, vec![7; length].into())).unwrap();
    }
    let long = Reading::opaque(9, vec![0; cpchain_storage::MAX_PAYLOAD_LEN + 1].into());
    assert!(matches!(table.push_reading(long), Err(TableError::Payload { .. })));
    let numbers =
        Table::new(["a"]).unwrap().push_reading(Reading { payload: Bytes::from("x"), ..Reading::new(1, vec![0.0]) });
    assert_eq!(numbers, Err(TableError::Payload { len: 1 }));
    for codec in all() {
        let body = codec.encode(&table).unwrap();
        assert_eq!(codec.decode(&body, 4).unwrap(), table);
        assert!(codec.decode(&body, 5).is_err());
    }
}

#[test]
fn decimals_with_odd_values_return_bit_for_bit_and_small() {
    let mut table = Table::new(["a"]).unwrap();
    for row in 0..4000u64 {
        let value = match row % 97 {
            0 => f64::NAN,
            1 => -0.0,
            2 => f64::from_bits(0x7ff8_0000_0000_1234),
            3 => f64::INFINITY,
            _ => (row * row % 1013) as f64 / 1000.0 - 0.5,
        };
        table.push(row * 1000, &[value]).unwrap();
    }
    let body = Pco.encode(&table).unwrap();
    assert_eq!(Pco.decode(&body, 4000).unwrap(), table);
    assert!(body.len() < 6500, "{}", body.len());
    for values in
        [vec![f64::MAX; 3], vec![f64::MIN_POSITIVE; 200], vec![1e300, -1e300], vec![9e15, 0.1, 1e15], vec![f64::NAN; 9]]
    {
        let times = (0..values.len() as u64).collect();
        let table = Table::from_columns(times, vec![("a".to_owned(), values)]).unwrap();
        let body = Pco.encode(&table).unwrap();
        assert_eq!(Pco.decode(&body, table.len() as u32).unwrap(), table);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn floats_return_bit_for_bit(table in any_block()) {
        let codecs = CodecRegistry::default();
        for id in (0..3).filter(|id| codecs.contains(*id)) {
            let body = codecs.encode(id, &table).unwrap();
            prop_assert_eq!(&codecs.decode(id, &body, table.len() as u32).unwrap(), &table);
            let longer = codecs.decode(id, &body, table.len() as u32 + 1);
            prop_assert!(matches!(longer, Err(CodecError::Corrupt(_))));
        }
    }

    #[test]
    fn hostile_bytes_are_refused(table in any_block(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), rows: u32, cut: prop::sample::Index) {
        for codec in all() {
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
        for codec in all() {
            let _ = codec.decode(&bytes, rows);
            let framed = [&[1, 0, 0][..], &(bytes.len() as u32 + 6).to_le_bytes(), b"pco!\x04\x02", &bytes].concat();
            let _ = codec.decode(&framed, rows);
            // One column, of decimals.
            let times = [&[1, 1, 0, 1, 0, b'a'][..], &3u32.to_le_bytes(), &[1, 0, 1]].concat();
            let decimals = [&times[..], &(bytes.len() as u32 + 1).to_le_bytes(), &[1], &bytes].concat();
            let _ = codec.decode(&decimals, rows);
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

//! The scan table of several writers (engine A2).

use cpchain_crypto::{
    Key, SeededEntropy, Signer, SigningKey,
    counter::SealCounter,
    search::{
        SearchClient, SearchError, SearchServer,
        scan::{
            BLOCK_RECORDS,
            shared::{SharedReader, SharedServer, SharedTable, SharedWriter},
        },
    },
};

use super::scan::{Memory, SHAPES, column};
use crate::{
    measure::{Clock, Effort, measure},
    report::Figure,
};

const WRITERS: usize = 4;

pub(super) fn shared(effort: Effort, mut progress: impl FnMut(&str)) -> Result<Vec<Figure>, SearchError> {
    progress("search::shared, four writers");
    let blocks = if effort == Effort::Full { 8 } else { 2 };
    let mut entropy = SeededEntropy::new(&[1; 32]);
    let identity = SigningKey::from_seed(&[5; 32]);
    let table = SharedTable::new(identity.public_key(), &[4])?;
    let mut host = SharedServer::new(table, (WRITERS * blocks) as u32);
    let (mut at_rest, mut append) = (0, 0.0);
    for _ in 0..WRITERS {
        let (mut writer, announcement) = SharedWriter::join(table, &mut entropy)?;
        host.apply(&announcement)?;
        let column = column(blocks * BLOCK_RECORDS, &mut entropy)?;
        let start = Clock::now();
        let updates = writer.append(&[&column], &mut entropy)?;
        append += start.elapsed_nanos();
        for update in updates {
            host.apply(&update)?;
            at_rest += update.len();
        }
    }
    let Ok(counter) = SealCounter::open(Memory) else { unreachable!("the store does not fail") };
    let mut reader = SharedReader::new(identity, table, Key::from_bytes([3; 32]), counter)?;
    reader.learn(&host.directory())?;
    let count = WRITERS * blocks * BLOCK_RECORDS;
    let params = format!("records={count} writers={WRITERS}");
    let per = |of: &str, bytes: f64| {
        let params = format!("{params} of={of}");
        Figure::count("search::shared_millibytes_a_record", params, "mB", bytes / count as f64 * 1000.0)
    };
    let mut figures = vec![
        Figure::count("search::shared_append", format!("{params} of=record"), "ns", append / count as f64),
        per("rest", at_rest as f64).at_most(16_000.0),
        per("memory", host.bytes() as f64),
        Figure::count("search::shared_bytes", format!("{params} of=directory"), "bytes", host.directory().len() as f64),
    ];
    for (name, shape, question) in &SHAPES {
        progress("search::shared, questions");
        reader = reader.in_shape(*shape);
        let question = std::slice::from_ref(question);
        let (query, pending) = reader.query(question, &mut entropy)?;
        let sample = measure(effort, || host.answer(&query)).divided_by(count as f64);
        let params = format!("{params} shape={name}");
        figures.push(Figure::nanoseconds("search::shared_record", &params, &sample).at_most(9.0));
        let answer = host.answer(&query)?;
        let start = Clock::now();
        let found = reader.decode(pending, &answer)?;
        let decode = start.elapsed_nanos() / count as f64;
        if !found.refused.is_empty() {
            return Err(SearchError::Tampered);
        }
        figures.push(Figure::count("search::shared_decode_record", &params, "ns", decode));
    }
    Ok(figures)
}

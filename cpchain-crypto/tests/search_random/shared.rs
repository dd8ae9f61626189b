//! Engine A2: the same questions over blocks of one to three writers.

use cpchain_crypto::{
    Signer, SigningKey,
    search::{
        SearchClient, SearchError, SearchServer,
        scan::shared::{Match, SharedReader, SharedServer, SharedTable, SharedWriter},
    },
};

use super::{
    dice::{Dice, Memory},
    scan::{column, fields, plain, question, shape},
};

pub fn ask(dice: &mut Dice, queries: usize) {
    let (fields, shape) = (fields(dice), shape(dice));
    let identity = SigningKey::from_seed(&dice.bytes());
    let table = SharedTable::new(identity.public_key(), fields).unwrap();
    let mut host = SharedServer::new(table, 8);
    let mut writers = Vec::new();
    for _ in 0..dice.of(&[1, 1, 2, 3]) {
        let (mut writer, announcement) = SharedWriter::join(table, dice.entropy()).unwrap();
        host.apply(&announcement).unwrap();
        let records = dice.size(64, 4096);
        let columns: Vec<Vec<u16>> = fields.iter().map(|digits| column(dice, *digits, records)).collect();
        let slices: Vec<&[u16]> = columns.iter().map(Vec::as_slice).collect();
        for block in writer.append(&slices, dice.entropy()).unwrap() {
            host.apply(&block).unwrap();
        }
        writers.push((writer.id(), columns));
    }
    let mut reader = SharedReader::new(identity, table, dice.key(), Memory::counter()).unwrap().in_shape(shape);
    reader.learn(&host.directory()).unwrap();
    let mut asked = 0;
    while asked < queries {
        let question = question(dice, fields, &writers[0].1);
        let (query, pending) = match reader.query(&question, dice.entropy()) {
            // More than the shape can ask: nothing was sent.
            Err(SearchError::Predicate) => continue,
            other => other.unwrap(),
        };
        let found = reader.decode(pending, &host.answer(&query).unwrap()).unwrap();
        let of_writer = |(writer, columns): &(_, Vec<Vec<u16>>)| {
            let writer = *writer;
            plain(&question, columns).into_iter().map(move |record| Match { writer, record })
        };
        let wanted: Vec<Match> = writers.iter().flat_map(of_writer).collect();
        assert_eq!((found.matches, found.refused), (wanted, vec![]), "{question:?} in {shape:?}");
        asked += 1;
    }
}

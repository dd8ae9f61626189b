//! Asking and reading answers.

use alloc::{vec, vec::Vec};

use super::{
    BLOCK_RECORDS, DEGREE, SLOTS,
    index::{Block, ScanIndex},
    lattice::QueryKey,
    mask::Pads,
    plan::{CODE_BITS, DIGIT, Plan, Verdict},
    wire::{self, ANSWER_BODY_BITS, ANSWER_MASK_BITS, Kind, QUERY_BITS, Reader, packed_len},
};
use crate::{
    entropy::Entropy,
    hash::Digest,
    search::{Predicate, SearchClient, SearchError},
};

/// The half of a query that stays with the client: its key, and what it asked of which state of the table.
/// Wiped when dropped.
pub struct Pending {
    key: QueryKey,
    plans: Vec<Plan>,
    blocks: Vec<Block>,
    view: Digest,
}

impl core::fmt::Debug for Pending {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Pending({:?})", self.view)
    }
}

impl SearchClient for ScanIndex {
    /// One predicate for each field; a record is found if all match.
    type Question = [Predicate];
    type Pending = Pending;
    /// The numbers of the records found, ascending, from 0 in the order of appending.
    type Found = Vec<u64>;

    fn query(&mut self, question: &[Predicate], entropy: &mut dyn Entropy) -> Result<(Vec<u8>, Pending), SearchError> {
        if question.len() != self.fields.len() {
            return Err(SearchError::Shape);
        }
        let mut plans = Vec::with_capacity(question.len());
        for (predicate, digits) in question.iter().zip(&self.fields) {
            plans.push(Plan::new(predicate, usize::from(*digits))?);
        }
        let mut selectors = Vec::with_capacity(self.table.rows() * CODE_BITS);
        for codes in plans.iter().flat_map(Plan::codes) {
            for bit in 0..CODE_BITS {
                selectors.extend(codes.iter().map(|code| code >> bit & 1 == 1));
            }
        }
        let key = QueryKey::generate(entropy)?;
        let (masks, bodies) = key.encrypt(&selectors, entropy)?;
        let view = wire::view(&self.table, self.blocks.iter().map(|block| block.head));
        let mut out = wire::start(Kind::Query, &self.table, self.table.query_len());
        out.extend_from_slice(&view.0);
        out.extend_from_slice(&masks);
        bodies.chunks_exact(DEGREE).for_each(|body| wire::pack_rounded(&mut out, body, QUERY_BITS));
        Ok((out, Pending { key, plans, blocks: self.blocks.clone(), view }))
    }

    fn decode(&self, pending: Pending, answer: &[u8]) -> Result<Vec<u64>, SearchError> {
        let (mut reader, table) = Reader::open(Kind::Answer, answer)?;
        if table != self.table {
            return Err(SearchError::OtherTable);
        }
        if reader.take()? != pending.view.0 {
            return Err(SearchError::Stale);
        }
        if answer.len() != table.answer_len(pending.blocks.len()) {
            return Err(Kind::Answer.error());
        }
        let (mut found, mut first) = (Vec::new(), 0);
        for block in &pending.blocks {
            let mut matching = vec![true; block.records as usize];
            let pads = Pads::new(&self.key, block.head);
            let mut digit = 0;
            for plan in &pending.plans {
                let mut codes = vec![0usize; BLOCK_RECORDS];
                for of_digit in plan.codes() {
                    read_digit(&mut reader, &pending.key, &pads, digit, of_digit, &mut codes)?;
                    digit += 1;
                }
                judge(plan, &codes, &mut matching)?;
            }
            let numbers = (first..).zip(&matching);
            found.extend(numbers.filter(|(_, matching)| **matching).map(|(number, _)| number));
            first += u64::from(block.records);
        }
        reader.end()?;
        Ok(found)
    }
}

/// Reads the class codes of one digit of all slots of a block, behind those of the digits before.
fn read_digit(
    reader: &mut Reader<'_>,
    key: &QueryKey,
    pads: &Pads,
    digit: usize,
    of_digit: &[u8; DIGIT],
    codes: &mut [usize],
) -> Result<(), SearchError> {
    let mut pad_sums = [[0u16; DEGREE]; CODE_BITS];
    for (value, code) in of_digit.iter().enumerate() {
        let pad = pads.row(digit * DIGIT + value);
        for (bit, sums) in pad_sums.iter_mut().enumerate() {
            if code >> bit & 1 == 1 {
                sums.iter_mut().zip(pad.iter()).for_each(|(sum, pad)| *sum = sum.wrapping_add(*pad));
            }
        }
    }
    codes.iter_mut().for_each(|code| *code <<= CODE_BITS);
    for (bit, pads) in pad_sums.iter().enumerate() {
        let mask = wire::unpack(reader.slice(packed_len(ANSWER_MASK_BITS))?, ANSWER_MASK_BITS).collect();
        let body: Vec<u64> = wire::unpack(reader.slice(packed_len(ANSWER_BODY_BITS))?, ANSWER_BODY_BITS).collect();
        let phases = key.phase(mask, &body);
        for ((phase, pad), codes) in phases.iter().zip(pads).zip(codes.chunks_exact_mut(SLOTS)) {
            let slots = message(*phase)?.wrapping_sub(*pad);
            for (slot, code) in codes.iter_mut().enumerate() {
                *code |= usize::from(slots >> slot & 1) << bit;
            }
        }
    }
    Ok(())
}

/// The 16 bits of a phase. An honest phase is close to one; half way to the next is further than noise can reach.
fn message(phase: u64) -> Result<u16, SearchError> {
    const STEP: u64 = 1 << (64 - SLOTS);
    let rounded = phase.wrapping_add(STEP / 2) / STEP;
    let error = phase.wrapping_sub(rounded.wrapping_mul(STEP)) as i64;
    if error.unsigned_abs() > STEP / 4 { Err(SearchError::Tampered) } else { Ok(rounded as u16) }
}

/// Slots with a record must have possible codes, slots without one none at all.
fn judge(plan: &Plan, codes: &[usize], matching: &mut [bool]) -> Result<(), SearchError> {
    let (present, absent) = codes.split_at_checked(matching.len()).ok_or(SearchError::Tampered)?;
    if absent.iter().any(|codes| *codes != 0) {
        return Err(SearchError::Tampered);
    }
    for (codes, matching) in present.iter().zip(matching) {
        match plan.verdict(*codes) {
            Verdict::Match => {}
            Verdict::Miss => *matching = false,
            Verdict::Absent | Verdict::Impossible => return Err(SearchError::Tampered),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Key, SeededEntropy,
        search::{SearchServer, scan::ScanServer},
    };

    /// Measures the distance of every phase from its message, over more than 10⁶ coefficients of honest answers.
    #[test]
    fn noise_margin() {
        let mut entropy = SeededEntropy::new(&[3; 32]);
        let mut owner = ScanIndex::new(Key::from_bytes([8; 32]), &[4]).unwrap();
        let mut host = ScanServer::new(owner.table(), 64);
        let column: Vec<u16> =
            (0..43 * BLOCK_RECORDS as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 9) as u16).collect();
        for update in owner.append(&[&column], &mut entropy).unwrap() {
            host.apply(&update).unwrap();
        }
        let (query, pending) = owner.query(&[Predicate::Between { low: 0x1234, high: 0xa987 }], &mut entropy).unwrap();
        let answer = host.answer(&query).unwrap();
        let (mut reader, _) = Reader::open(Kind::Answer, &answer).unwrap();
        reader.take::<32>().unwrap();
        let (mut count, mut squares, mut worst) = (0u64, 0.0, 0.0f64);
        while !reader.rest().is_empty() {
            let mask = wire::unpack(reader.slice(packed_len(ANSWER_MASK_BITS)).unwrap(), ANSWER_MASK_BITS).collect();
            let body: Vec<u64> =
                wire::unpack(reader.slice(packed_len(ANSWER_BODY_BITS)).unwrap(), ANSWER_BODY_BITS).collect();
            for phase in pending.key.phase(mask, &body) {
                let error = ((phase << SLOTS) as i64) as f64 / 2f64.powi(64);
                squares += error * error;
                worst = worst.max(error.abs());
                count += 1;
            }
        }
        assert!(count > 1_000_000);
        let sigma = (squares / count as f64).sqrt();
        println!("{count} coefficients: sigma {sigma:.5}, worst {worst:.5} of 0.5: {:.1} sigma", 0.5 / sigma);
        // The client refuses at half the threshold, so that is what the margin is measured against.
        assert!(0.25 / sigma > 20.0, "sigma {sigma}");
        let wanted = column.iter().filter(|value| (0x1234..=0xa987).contains(*value)).count();
        assert_eq!(owner.decode(pending, &answer).unwrap().len(), wanted);
    }
}

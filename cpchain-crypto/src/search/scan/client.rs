//! Asking and reading answers.

use alloc::{vec, vec::Vec};

use zeroize::Zeroizing;

use super::{
    BITS, BLOCK_RECORDS, DEGREE, SLOTS, Shape, Table,
    checks::Weights,
    index::{Block, ScanIndex},
    mask::Pads,
    plan::{DigitPlan, MAX_BITS, Plan, ROWS},
    rows,
    wire::{self, BODY_BITS, Kind, MASK_BITS, Masks, QUERY_BITS, QueryHead, Reader},
};
use crate::{
    aead::Key,
    entropy::Entropy,
    hash::Digest,
    search::{
        Predicate, SearchClient, SearchError,
        fourier::Spectrum,
        lattice::{self, QueryKey},
        packed::{pack_rounded, packed_len, unpack},
        simd::Kernel,
    },
};

/// The half of a query that stays with the client: its keys, and what it asked of which state of the table.
/// Wiped when dropped.
pub struct Pending {
    asked: Asked,
    blocks: Vec<Block>,
}

impl core::fmt::Debug for Pending {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Pending({:?})", self.asked.view)
    }
}

impl SearchClient for ScanIndex {
    /// One predicate for each field; a record is found if all match.
    type Question = [Predicate];
    type Pending = Pending;
    /// The numbers of the records found, ascending, from 0 in the order of appending.
    type Found = Vec<u64>;

    fn query(&mut self, question: &[Predicate], entropy: &mut dyn Entropy) -> Result<(Vec<u8>, Pending), SearchError> {
        self.ask(question, Masks::Fresh, entropy)
    }

    fn decode(&self, pending: Pending, answer: &[u8]) -> Result<Vec<u64>, SearchError> {
        let parts = pending.asked.open(&self.table, pending.blocks.len(), answer)?;
        let weights = Weights::new(&self.key);
        let secrets = pending.asked.transform(self.kernel);
        let (mut found, mut first) = (Vec::new(), 0);
        for (block, part) in pending.blocks.iter().zip(parts) {
            let matching = secrets.read(&self.key, &weights, block, part)?;
            let numbers = (first..).zip(&matching);
            found.extend(numbers.filter(|(_, matching)| **matching).map(|(number, _)| number));
            first += u64::from(block.records);
        }
        Ok(found)
    }
}

impl ScanIndex {
    /// A query with masks of one kind or the other.
    pub(super) fn ask(
        &self,
        question: &[Predicate],
        masks: Masks,
        entropy: &mut dyn Entropy,
    ) -> Result<(Vec<u8>, Pending), SearchError> {
        let view = wire::view(&self.table, self.blocks.iter().map(|block| block.head));
        let (query, asked) = Asked::new(self.kernel, &self.table, (self.shape, masks), view, question, entropy)?;
        Ok((query, Pending { asked, blocks: self.blocks.clone() }))
    }
}

/// The keys of a query, and what was asked.
pub(super) struct Asked {
    /// One for each bit of a code.
    keys: Vec<QueryKey>,
    head: QueryHead,
    plans: Vec<Plan>,
    pub(super) view: Digest,
}

impl Asked {
    /// A query about a table in the state `view`. The bits of a code share masks and have a secret each.
    pub(super) fn new(
        kernel: Kernel,
        table: &Table,
        (shape, masks): (Shape, Masks),
        view: Digest,
        question: &[Predicate],
        entropy: &mut dyn Entropy,
    ) -> Result<(Vec<u8>, Self), SearchError> {
        let fields: Vec<u8> = table.fields().collect();
        if question.len() != fields.len() {
            return Err(SearchError::Shape);
        }
        let mut plans = Vec::with_capacity(question.len());
        for (predicate, digits) in question.iter().zip(&fields) {
            plans.push(Plan::new(predicate, usize::from(*digits), shape)?);
        }
        let (seed, shown) = match masks {
            Masks::Fresh => {
                let seed = lattice::draw(entropy)?;
                (seed, seed)
            }
            Masks::Held | Masks::Kept => (rows::fixed_seed(table), [0; 16]),
        };
        let digits: Vec<&DigitPlan> = plans.iter().flat_map(Plan::digits).collect();
        let (mut keys, mut bodies) = (Vec::new(), Vec::new());
        for bit in 0..digits.iter().map(|digit| digit.bits).max().unwrap_or(0) {
            // Digits with fewer bits are encrypted, too, for masks are counted through; they are not sent.
            let of_digit = |digit: &&DigitPlan| digit.codes.map(|code| code >> bit & 1 == 1).into_iter().skip(1);
            let selectors: Zeroizing<Vec<bool>> = Zeroizing::new(digits.iter().flat_map(of_digit).collect());
            let key = QueryKey::generate(entropy)?;
            bodies.push(key.encrypt(kernel, seed, &selectors, SLOTS as u32, entropy)?);
            keys.push(key);
        }
        let head = QueryHead { shape, masks };
        let mut out = wire::start(Kind::Query, table, table.query_len(shape));
        out.extend_from_slice(&view.0);
        out.extend(head.to_bytes());
        out.extend(shown);
        for (number, digit) in digits.iter().enumerate() {
            for bodies in bodies.iter().take(digit.bits) {
                for body in bodies.chunks_exact(DEGREE).skip(number * ROWS).take(ROWS) {
                    pack_rounded::<QUERY_BITS>(&mut out, body.iter().copied());
                }
            }
        }
        Ok((out, Self { keys, head, plans, view }))
    }

    /// The parts of an answer, one for each block.
    pub(super) fn open<'a>(
        &self,
        table: &Table,
        blocks: usize,
        answer: &'a [u8],
    ) -> Result<impl Iterator<Item = &'a [u8]> + use<'a>, SearchError> {
        let (mut reader, of) = Reader::open(Kind::Answer, answer)?;
        if of != *table {
            return Err(SearchError::OtherTable);
        }
        if reader.take()? != self.view.0 {
            return Err(SearchError::Stale);
        }
        let head = QueryHead::read(&mut reader)?;
        if head != self.head || answer.len() != table.answer_len(head, blocks) {
            return Err(Kind::Answer.error());
        }
        let length = table.answer_len(head, 1) - table.answer_len(head, 0);
        Ok(reader.rest().chunks_exact(length))
    }

    /// The keys, ready for reading.
    pub(super) fn transform(&self, kernel: Kernel) -> Secrets<'_> {
        Secrets { kernel, asked: self, keys: self.keys.iter().map(|key| key.transform(kernel)).collect() }
    }
}

/// The keys of a query, transformed. Wiped when dropped.
pub(super) struct Secrets<'a> {
    kernel: Kernel,
    asked: &'a Asked,
    keys: Vec<Zeroizing<Spectrum>>,
}

impl Secrets<'_> {
    /// Which records of a block match, from its part of an answer. `key` is the one that sealed the block, and `weights` are its weights.
    pub(super) fn read(
        &self,
        key: &Key,
        weights: &Weights,
        block: &Block,
        part: &[u8],
    ) -> Result<Vec<bool>, SearchError> {
        let (pads, mut hint) = (Pads::new(key, block.head), block.hint.chunks_exact(DEGREE));
        let mut reader = Reader::part(Kind::Answer, part);
        let mut matching = vec![true; block.records as usize];
        let mut number = 0;
        for plan in &self.asked.plans {
            let mut codes = Zeroizing::new(vec![0u16; BLOCK_RECORDS]);
            for digit in plan.digits() {
                let mask = match self.asked.head.masks {
                    Masks::Fresh | Masks::Kept => {
                        let mask = unpack::<MASK_BITS>(reader.slice(packed_len(MASK_BITS))?);
                        lattice::torus(self.kernel, &mask, MASK_BITS)
                    }
                    Masks::Held => {
                        let (mut mask, of_digit) = ([0; DEGREE], hint.next().unwrap_or_default());
                        mask.iter_mut().zip(of_digit).for_each(|(to, number)| *to = u64::from(*number));
                        lattice::torus(self.kernel, &mask, 32)
                    }
                };
                let of_digit = Digit { pads: &pads, weights, number, plan: digit, mask };
                of_digit.read(self.kernel, &mut reader, &self.keys, &mut codes)?;
                number += 1;
            }
            judge(plan, &codes, &mut matching)?;
        }
        reader.end()?;
        Ok(matching)
    }
}

/// One digit of one block.
struct Digit<'a> {
    pads: &'a Pads,
    weights: &'a Weights,
    /// Digits before it.
    number: usize,
    plan: &'a DigitPlan,
    mask: Spectrum,
}

impl Digit<'_> {
    /// Reads its class codes of all slots, behind those of the digits before.
    fn read(
        &self,
        kernel: Kernel,
        reader: &mut Reader<'_>,
        secrets: &[Zeroizing<Spectrum>],
        codes: &mut [u16],
    ) -> Result<(), SearchError> {
        let mut pad_sums = Zeroizing::new([[0u16; DEGREE]; MAX_BITS]);
        for (row, code) in self.plan.codes.iter().skip(1).enumerate() {
            if *code == 0 {
                continue;
            }
            let pad = self.pads.row(self.number * ROWS + row);
            for (bit, sums) in pad_sums.iter_mut().enumerate() {
                if code >> bit & 1 == 1 {
                    sums.iter_mut().zip(pad.iter()).for_each(|(sum, pad)| *sum = sum.wrapping_add(*pad));
                }
            }
        }
        codes.iter_mut().for_each(|code| *code <<= self.plan.bits);
        for (bit, (secret, pads)) in secrets.iter().zip(pad_sums.iter()).enumerate().take(self.plan.bits) {
            let body = unpack::<BODY_BITS>(reader.slice(packed_len(BODY_BITS))?);
            let masked = lattice::masked(kernel, &self.mask, secret);
            let mut slots = Zeroizing::new([0u16; DEGREE]);
            for (((to, body), masked), pad) in slots.iter_mut().zip(body).zip(masked.iter()).zip(pads) {
                let phase = ((body as u32) << (32 - BODY_BITS)).wrapping_sub(*masked);
                *to = message(phase)?.wrapping_sub(*pad);
            }
            let (bits, checks) = slots.split_at(BITS);
            if self.weights.of(bits).as_slice() != checks {
                return Err(SearchError::Tampered);
            }
            for (slots, codes) in bits.iter().zip(codes.chunks_exact_mut(SLOTS)) {
                for (slot, code) in codes.iter_mut().enumerate() {
                    *code |= (slots >> slot & 1) << bit;
                }
            }
        }
        Ok(())
    }
}

/// The 16 bits of a phase. An honest phase is close to one; half way to the next is further than noise can reach.
fn message(phase: u32) -> Result<u16, SearchError> {
    const STEP: u32 = 1 << (32 - SLOTS);
    let rounded = phase.wrapping_add(STEP / 2) / STEP;
    let error = phase.wrapping_sub(rounded.wrapping_mul(STEP)) as i32;
    if error.unsigned_abs() > STEP / 4 { Err(SearchError::Tampered) } else { Ok(rounded as u16) }
}

/// Slots with a record must have possible codes, slots without one none at all.
fn judge(plan: &Plan, codes: &[u16], matching: &mut [bool]) -> Result<(), SearchError> {
    let (present, absent) = codes.split_at_checked(matching.len()).ok_or(SearchError::Tampered)?;
    if absent.iter().any(|codes| *codes != 0) {
        return Err(SearchError::Tampered);
    }
    for (codes, matching) in present.iter().zip(matching) {
        *matching &= plan.verdict(usize::from(*codes)).ok_or(SearchError::Tampered)?;
    }
    Ok(())
}

#[cfg(test)]
impl Secrets<'_> {
    /// Measures the distance of every phase of an answer from its message.
    pub(super) fn measure<'a>(
        &self,
        table: &Table,
        parts: impl Iterator<Item = &'a [u8]>,
        noise: &mut crate::search::noise::Noise,
    ) {
        for part in parts {
            let mut reader = Reader::part(Kind::Answer, part);
            for bits in table.bits(self.asked.head.shape) {
                let mask = unpack::<MASK_BITS>(reader.slice(packed_len(MASK_BITS)).unwrap());
                let mask = lattice::torus(self.kernel, &mask, MASK_BITS);
                for secret in self.keys.iter().take(bits) {
                    let masked = lattice::masked(self.kernel, &mask, secret);
                    let body = unpack::<BODY_BITS>(reader.slice(packed_len(BODY_BITS)).unwrap());
                    for (body, masked) in body.into_iter().zip(masked.iter()) {
                        noise.add(((body as u32) << (32 - BODY_BITS)).wrapping_sub(*masked), SLOTS as u32);
                    }
                }
            }
            reader.end().unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        SeededEntropy,
        search::{SearchServer, noise::Noise, scan::ScanServer},
    };

    /// Measures the distance of every phase from its message: over more than 10⁶ coefficients of honest answers in the usual run, over as many as
    /// `SCAN_NOISE` says (10⁸: `SCAN_NOISE=100000000 cargo test --release -p cpchain-crypto --features search --lib noise_margin -- --nocapture`) in a long
    /// one.
    #[test]
    fn noise_margin() {
        let wanted = Noise::wanted(1_000_000);
        let mut entropy = SeededEntropy::new(&[3; 32]);
        let mut owner = ScanIndex::new(Key::from_bytes([8; 32]), &[4]).unwrap();
        let blocks = if wanted > 1_000_000 { 43 } else { 9 };
        let mut host = ScanServer::new(owner.table(), 64);
        let column: Vec<u16> =
            (0..blocks * BLOCK_RECORDS as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 9) as u16).collect();
        for update in owner.append(&[&column], &mut entropy).unwrap() {
            host.apply(&update).unwrap();
        }
        let mut noise = Noise::default();
        while noise.count() < wanted {
            let question = [Predicate::Between { low: 0x1234, high: 0xa987 }];
            let (query, pending) = owner.query(&question, &mut entropy).unwrap();
            let answer = host.answer(&query).unwrap();
            let parts = pending.asked.open(&owner.table, blocks as usize, &answer).unwrap();
            pending.asked.transform(owner.kernel).measure(&owner.table, parts, &mut noise);
            if noise.count() < 2_000_000 {
                let wanted = column.iter().filter(|value| (0x1234..=0xa987).contains(*value)).count();
                assert_eq!(owner.decode(pending, &answer).unwrap().len(), wanted);
            }
        }
        assert!(noise.margin("scan") > 20.0);
    }
}

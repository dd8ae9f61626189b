//! Asking and reading answers.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::{
    DEGREE, INTERVALS, LIMBS, Totals, WIDTH,
    index::{AggregateIndex, MASK},
    wire::{self, BODY_BITS, Head, Kind, MASK_BITS, QUERY_BITS},
};
use crate::{
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

/// The half of a query that stays with the client: its key, and what it asked of which state of the table.
/// Wiped when dropped.
pub struct Pending {
    key: QueryKey,
    bins: Vec<bool>,
    heads: Vec<Head>,
    view: Digest,
}

impl core::fmt::Debug for Pending {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Pending({:?})", self.view)
    }
}

impl SearchClient for AggregateIndex {
    /// What readings must meet: of the field that is cut into bins, and of whole bins.
    type Question = Predicate;
    type Pending = Pending;
    /// For each interval, how many readings match, and what their values add up to.
    type Found = Vec<Totals>;

    fn query(&mut self, question: &Predicate, entropy: &mut dyn Entropy) -> Result<(Vec<u8>, Pending), SearchError> {
        self.ask(self.bins().select(question)?, entropy)
    }

    fn decode(&self, pending: Pending, answer: &[u8]) -> Result<Vec<Totals>, SearchError> {
        let length = self.table.answer_len(pending.heads.len());
        let mut reader = wire::open_exactly(Kind::Answer, &self.table, length, answer)?;
        if reader.take()? != pending.view.0 {
            return Err(SearchError::Stale);
        }
        let secret = pending.key.transform(Kernel::best());
        let mut found = Vec::with_capacity(pending.heads.len());
        for heads in pending.heads.chunks(INTERVALS) {
            let phases = phases(reader.slice(POLYNOMIAL)?, &secret);
            let mut sums = phases.iter().map(|phase| message(*phase)).collect::<Result<Vec<u16>, _>>()?;
            // What no interval has is zero.
            if sums.iter().skip(heads.len() * LIMBS).any(|sum| *sum != 0) {
                return Err(SearchError::Tampered);
            }
            for (sums, head) in sums.chunks_exact_mut(LIMBS).zip(heads) {
                let sealing = self.sealing(*head);
                for (bin, _) in pending.bins.iter().enumerate().filter(|(_, wanted)| **wanted) {
                    sums.iter_mut().zip(sealing.pads(bin)).for_each(|(sum, pad)| *sum = sum.wrapping_sub(pad) & MASK);
                }
                found.push(sealing.weights.read(sums)?);
            }
        }
        Ok(found)
    }
}

impl AggregateIndex {
    /// A query for these bins, one each.
    pub(in crate::search) fn ask(
        &self,
        bins: Vec<bool>,
        entropy: &mut dyn Entropy,
    ) -> Result<(Vec<u8>, Pending), SearchError> {
        let key = QueryKey::generate(entropy)?;
        let seed = lattice::draw(entropy)?;
        let bodies = key.encrypt(Kernel::best(), seed, &bins, WIDTH, entropy)?;
        let view = wire::view(&self.table, self.heads.iter().copied());
        let mut out = wire::start(Kind::Query, &self.table, self.table.query_len());
        out.extend(view.0);
        out.extend(seed);
        for body in bodies.chunks_exact(DEGREE) {
            pack_rounded::<QUERY_BITS>(&mut out, body.iter().copied());
        }
        Ok((out, Pending { key, bins, heads: self.heads.clone(), view }))
    }
}

/// Bytes of a mask and a body in an answer.
const POLYNOMIAL: usize = packed_len(MASK_BITS) + packed_len(BODY_BITS);

/// What a mask and a body decrypt to, noise and all, in units of 2⁻³².
fn phases(bytes: &[u8], secret: &Spectrum) -> Zeroizing<[u32; DEGREE]> {
    let (mask, body) = bytes.split_at_checked(packed_len(MASK_BITS)).unwrap_or_default();
    let mask = lattice::torus(Kernel::best(), &unpack::<MASK_BITS>(mask), MASK_BITS);
    let mut phases = lattice::masked(Kernel::best(), &mask, secret);
    for (masked, body) in phases.iter_mut().zip(unpack::<BODY_BITS>(body)) {
        *masked = ((body as u32) << (32 - BODY_BITS)).wrapping_sub(*masked);
    }
    phases
}

/// The 15 bits of a phase. An honest phase is close to one; half way to the next is further than noise can reach.
fn message(phase: u32) -> Result<u16, SearchError> {
    const STEP: u32 = 1 << (32 - WIDTH);
    let rounded = phase.wrapping_add(STEP / 2) / STEP;
    let error = phase.wrapping_sub(rounded.wrapping_mul(STEP)) as i32;
    if error.unsigned_abs() > STEP / 4 { Err(SearchError::Tampered) } else { Ok(rounded as u16 & MASK) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Key, SeededEntropy,
        search::{
            SearchServer as _,
            aggregate::{AggregateServer, Bins, Tally},
            noise::Noise,
        },
    };

    /// Measures the distance of every phase from its message, with 256 bins; over as many as `SCAN_NOISE` says in a long run, as the scan's.
    #[test]
    fn noise_margin() {
        let mut entropy = SeededEntropy::new(&[3; 32]);
        let edges: Vec<u16> = (0..256).map(|bin| bin * 256).collect();
        let mut owner = AggregateIndex::new(Key::from_bytes([8; 32]), Bins::new(&edges).unwrap()).unwrap();
        let tally = |at: u64| {
            let cell = |bin: u64| Totals { count: at * 977 + bin, sum: (at << 40) + bin * 65_537 };
            Tally::from_totals((0..256).map(cell).collect()).unwrap()
        };
        let wanted = Noise::wanted(4 * DEGREE as u64);
        let blocks = if wanted > 1_000_000 { 12 } else { 1 };
        let tallies: Vec<Tally> = (0..blocks * INTERVALS as u64).map(|at| tally(at % INTERVALS as u64)).collect();
        let updates = owner.append(&tallies, &mut entropy).unwrap();
        // As a host that was restarted: one transform of the block, and not one for each interval.
        let mut stored = wire::start(Kind::Server, &owner.table, 0);
        let head = stored.len();
        updates.iter().for_each(|update| stored.extend_from_slice(&update[head..]));
        let host = AggregateServer::from_bytes(&stored, 2000).unwrap();
        let mut noise = Noise::default();
        while noise.count() < wanted {
            let question = Predicate::Between { low: 0x1000, high: 0xcfff };
            let (query, pending) = owner.query(&question, &mut entropy).unwrap();
            let answer = host.answer(&query).unwrap();
            let secret = pending.key.transform(Kernel::best());
            let start = answer.len() - blocks as usize * POLYNOMIAL;
            for polynomial in answer[start..].chunks_exact(POLYNOMIAL) {
                phases(polynomial, &secret).iter().for_each(|phase| noise.add(*phase, WIDTH));
            }
            owner.decode(pending, &answer).unwrap();
        }
        assert!(noise.margin("aggregates of 256 bins") > 15.0);
    }
}

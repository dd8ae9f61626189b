//! `lab dpor`: what an election costs: a million candidates ranked and drawn from, and the beacons of their blocks.

use std::hint::black_box;

use cpchain_consensus::dpor::{
    election::{Election, ElectionError, Seats},
    generator::Generator,
    reputation::{Record, Reputation, scores},
};
use cpchain_crypto::{Domain, PublicKey, Signer, SigningKey, vrf::VrfSecretKey};

use crate::{
    measure::{Effort, compare, measure},
    report::Figure,
};

const CANDIDATES: u32 = 1_000_000;
/// An election among a million is to take less than a second of one core.
const GOAL_NS: f64 = 1e9;

/// Runs the benches of elections; `progress` is told the name of each before it runs.
///
/// # Errors
/// [`ElectionError`] for settings that make no committee.
pub fn dpor(effort: Effort, progress: impl Fn(&'static str)) -> Result<Vec<Figure>, ElectionError> {
    let mut figures = Vec::new();
    let mut generator = Generator::new(&[1; 32]);
    let params = format!("candidates={CANDIDATES}");

    progress("reputations of a million candidates");
    let records: Vec<_> = (0..CANDIDATES).map(|_| record(&mut generator)).collect();
    figures.push(Figure::nanoseconds("dpor::scores", params.clone(), &measure(effort, || scores(&records))));

    progress("an election among a million candidates");
    let candidates: Vec<_> = scores(&records)
        .into_iter()
        .map(|scores| (key(&mut generator), scores.reputation()))
        .collect::<Vec<(PublicKey, Reputation)>>();
    let defaults = (0..12).map(|_| key(&mut generator)).collect();
    let election = Election::new(Seats::of(12)?, defaults)?;
    let mut seed = [0_u8; 32];
    let sample = measure(effort, || {
        if let Some(first) = seed.first_mut() {
            *first = first.wrapping_add(1);
        }
        election.hold(&candidates, &seed)
    });
    figures.push(Figure::nanoseconds("dpor::elect", params, &sample).at_most(GOAL_NS));

    progress("beacons");
    let (vrf, signer) = (VrfSecretKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
    const MESSAGE: Domain = Domain::new("cpchain/benches/beacon/v1");
    let input = [7; 32];
    let (_, proof) = vrf.prove(&input);
    let signature = signer.sign(MESSAGE, &input);
    let (sample, _, ratio) = compare(effort, || vrf.prove(black_box(&input)), || signer.sign(MESSAGE, &input));
    figures.push(Figure::nanoseconds("vrf::prove", "", &sample).against("an Ed25519 signature", ratio));
    let (vrf, signer) = (vrf.public_key(), signer.public_key());
    let (sample, _, ratio) = compare(
        effort,
        || vrf.verify(black_box(&input), &proof).is_ok(),
        || signer.verify(MESSAGE, black_box(&input), &signature).is_ok(),
    );
    figures.push(Figure::nanoseconds("vrf::verify", "", &sample).against("an Ed25519 verification", ratio));
    Ok(figures)
}

fn record(generator: &mut Generator) -> Record {
    Record {
        balance: generator.word().into(),
        transactions: generator.below(1_000),
        is_proxy: generator.below(10) == 0,
        trades: generator.below(20),
        vouchers: generator.below(20),
        sales: generator.below(20),
        blocks: generator.below(10),
        impeached: generator.below(3),
    }
}

fn key(generator: &mut Generator) -> PublicKey {
    let mut key = [0; 32];
    key.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&generator.word().to_le_bytes()));
    PublicKey(key)
}

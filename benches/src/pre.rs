//! Proxy re-encryption beside the bare `umbral-pre`, and a range beside its intervals one by one.

use cpchain_crypto::{
    Digest, Entropy, SeededEntropy,
    key_tree::{StreamSecret, TreeNode},
    pre::{Parties, PreError, PreSecretKey, ProxyReEncryption, Threshold, Umbral},
};
use rand_core06::{CryptoRng, RngCore};

use crate::{
    measure::{Clock, Effort, compare, measure},
    report::Figure,
};

/// Intervals granted one by one, of which the cost of a year is computed.
const ONE_BY_ONE: u32 = 200;
/// A year of hourly intervals.
const YEAR: u32 = 8760;

/// Runs the benches of proxy re-encryption.
pub(crate) fn pre(effort: Effort) -> Result<Vec<Figure>, PreError> {
    let mut figures = flow(effort)?.to_vec();
    figures.extend(year(effort)?);
    Ok(figures)
}

struct Owner {
    secret: StreamSecret,
    stream: Digest,
    granting: PreSecretKey,
    receiving: PreSecretKey,
    two_of_three: Threshold,
}

impl Owner {
    fn new() -> Result<Self, PreError> {
        let secret = StreamSecret::from_bytes([7; 32]);
        let granting = Umbral.granting_key(&secret)?;
        let receiving = Umbral.generate_key(&mut SeededEntropy::new(&[1; 32]))?;
        Ok(Self { secret, stream: Digest([2; 32]), granting, receiving, two_of_three: Threshold::new(2, 3)? })
    }
}

/// Sealing, granting 2 of 3, and then each of two proxies checks its fragment and re-encrypts, the buyer checks both and opens.
///
/// Compared twice. The goal is against the bare crate doing the same: keys as they are stored, and the bytes of what is posted
/// (a capsule, two capsule fragments) are written. Key fragments it writes through serde alone, so their bytes are on our side only.
/// The other figure is against values that never leave its memory, with a signer made beforehand.
fn flow(effort: Effort) -> Result<[Figure; 2], PreError> {
    let owner = Owner::new()?;
    let node = TreeNode::new(30, 2).ok_or(PreError::Root)?;
    let delegating = Umbral.delegating_key(&owner.secret, node)?;
    let parties = Parties {
        delegating: Umbral.public_key(&delegating)?,
        receiving: Umbral.public_key(&owner.receiving)?,
        verifying: Umbral.public_key(&owner.granting)?,
    };
    let seed = owner.secret.seed(node).ok_or(PreError::Root)?;
    let mut entropy = SeededEntropy::new(&[3; 32]);
    let mut ours = || -> Result<_, PreError> {
        let capsule = Umbral.encapsulate(&parties.delegating, &owner.stream, &seed, &mut entropy)?;
        let made = Umbral.grant(&delegating, &owner.granting, &parties.receiving, owner.two_of_three, &mut entropy)?;
        let mut verified = Vec::new();
        for key in made.into_iter().take(2) {
            let key = Umbral.verify_key_fragment(key, &parties)?;
            verified.push(Umbral.verify_capsule_fragment(Umbral.reencrypt(&capsule, &key)?, &capsule, &parties)?);
        }
        Umbral.open(&owner.receiving, &parties.delegating, &capsule, &verified)
    };

    let mut random = Random(SeededEntropy::new(&[4; 32]));
    let [delegating, receiving, granting] =
        core::array::from_fn(|_| umbral_pre::SecretKey::random_with_rng(&mut random));
    let (from, to) = (delegating.public_key(), receiving.public_key());
    let made_before = umbral_pre::Signer::new(granting.clone());
    let by = made_before.verifying_key();
    let mut bare = |writes: bool| {
        let made_now = writes.then(|| umbral_pre::Signer::new(granting.clone()));
        let signer = made_now.as_ref().unwrap_or(&made_before);
        let (capsule, sealed) = umbral_pre::encrypt_with_rng(&mut random, &from, &[1; 64]).ok()?;
        let mut posted = vec![writes.then(|| capsule.to_bytes_simple())];
        let keys = umbral_pre::generate_kfrags_with_rng(&mut random, &delegating, &to, signer, 2, 3, true, true);
        let mut verified = Vec::new();
        for key in keys.into_vec().into_iter().take(2) {
            let key = key.unverify().verify(&by, Some(&from), Some(&to)).ok()?;
            let made = umbral_pre::reencrypt_with_rng(&mut random, &capsule, key).unverify();
            posted.push(writes.then(|| made.to_bytes_simple()));
            verified.push(made.verify(&capsule, &by, &from, &to).ok()?);
        }
        std::hint::black_box(posted);
        umbral_pre::decrypt_reencrypted(&receiving, &from, &capsule, verified, &sealed).ok()
    };
    let mut refused = None;
    let mut against = |writes| {
        let mut steps = || refused = ours().err().or(refused);
        let mut bare_refused = false;
        let (sample, _, ratio) = compare(effort, &mut steps, || bare_refused |= bare(writes).is_none());
        match refused.or(bare_refused.then_some(PreError::Sealed)) {
            Some(error) => Err(error),
            None => Ok((sample, ratio)),
        }
    };
    let figure = |params, sample| Figure::nanoseconds("crypto::pre_flow", params, sample);
    let (same, same_ratio) = against(true)?;
    let (values, values_ratio) = against(false)?;
    Ok([
        figure("threshold=2/3", &same).against("umbral-pre", same_ratio).at_least(0.91),
        figure("threshold=2/3 bare=values", &values).against("umbral-pre, no bytes made", values_ratio),
    ])
}

/// A year as its cover, against as many grants as it has intervals. Those are measured over [`ONE_BY_ONE`] of them, with `--full`
/// over all.
fn year(effort: Effort) -> Result<[Figure; 2], PreError> {
    let owner = Owner::new()?;
    let to = Umbral.public_key(&owner.receiving)?;
    let mut entropy = SeededEntropy::new(&[5; 32]);
    let mut grant = |range: core::ops::Range<u32>| {
        Umbral.grant_range(&owner.secret, &owner.stream, range, &to, owner.two_of_three, &mut entropy)
    };
    let nodes = grant(5..5 + YEAR)?.nodes.len();
    let mut refused = None;
    let cover = measure(effort, || refused = grant(5..5 + YEAR).err().or(refused));
    if let Some(error) = refused {
        return Err(error);
    }
    let sampled = if effort == Effort::Full { YEAR } else { ONE_BY_ONE };
    let started = Clock::now();
    for interval in 5..5 + sampled {
        grant(interval..interval + 1)?;
    }
    let one_by_one = started.elapsed_nanos() * f64::from(YEAR) / f64::from(sampled);
    let ratio = one_by_one / cover.median();
    Ok([
        Figure::nanoseconds("crypto::pre_grant", format!("intervals={YEAR} threshold=2/3"), &cover)
            .against(&format!("one by one, of {sampled}"), ratio)
            .at_most(60e6),
        Figure::count("crypto::pre_grant", format!("intervals={YEAR}"), "nodes", nodes as f64),
    ])
}

/// Our entropy as the generator that `umbral-pre` asks for.
struct Random(SeededEntropy);

impl RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        // A seeded generator always fills.
        let filled = self.0.fill(out);
        debug_assert!(filled.is_ok());
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand_core06::Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl CryptoRng for Random {}

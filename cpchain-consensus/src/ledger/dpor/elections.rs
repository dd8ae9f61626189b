//! Seeds and elections, at the end of each block.
//!
//! | key in the module's space | value |
//! | --- | --- |
//! | `s` | the seed of the last term that ended |
//! | `g` | what the seed of this term was mixed to so far |
//! | `t`, term | its proposers: key (32) and key for beacons (32) of each, in the order of their turns |
//! | `e`, account | the last term that has a seat for it, 8 bytes |

use std::collections::BTreeMap;

use bytes::Bytes;
use cpchain_crypto::{PublicKey, vrf::VrfPublicKey};

use super::{
    super::{
        governance,
        module::{Context, MAX_SCAN, ModuleError},
        transaction::AccountId,
    },
    activity,
    campaign::candidates,
    rnode::{self, RNodes},
    settings::{AHEAD, Settings},
};
use crate::{
    dpor::{
        reputation::{Reputation, Scores, scores},
        seed::{self, Mixer, Seed},
    },
    ids::Term,
};

pub(super) const SEED: &[u8] = b"s";
const MIXED: &[u8] = b"g";
/// Terms whose committees are kept after their end, for engines that ask again.
const KEPT: u64 = 16;
/// The seed before the first term. The id of the chain makes the beacons of two chains differ.
const FIRST_SEED: Seed = Seed([0; 32]);

/// The proposers of a term and their keys for beacons, in the order of their turns.
pub(in crate::ledger) type Seated = Vec<(PublicKey, VrfPublicKey)>;

/// The key of a term's committee.
pub(in crate::ledger) fn committee(term: Term) -> Vec<u8> {
    [b"t".as_slice(), &term.0.to_be_bytes()].concat()
}

/// The key of the last term that an account has a seat in.
pub(super) fn seat(account: &AccountId) -> Vec<u8> {
    [b"e".as_slice(), &account.0].concat()
}

pub(in crate::ledger) fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// The seed of the last term that ended, from the value of [`SEED`].
pub(super) fn previous(value: Option<&[u8]>) -> Seed {
    value.and_then(|value| value.try_into().ok()).map_or(FIRST_SEED, Seed)
}

/// Who proposes in a term, from the value of [`committee`]; the first default proposers in a term that nobody was elected for.
pub(in crate::ledger) fn seated(settings: &Settings, value: Option<&[u8]>) -> Seated {
    match value {
        Some(value) => {
            let keys = value.as_chunks::<32>().0.as_chunks::<2>().0;
            keys.iter().map(|[account, key]| (PublicKey(*account), VrfPublicKey(*key))).collect()
        }
        None => settings
            .first_proposers()
            .iter()
            .filter_map(|account| Some((*account, settings.default_key(account)?)))
            .collect(),
    }
}

pub(super) fn end_of_block(settings: &Settings, context: &mut Context<'_>) -> Result<(), ModuleError> {
    let term = settings.term(context.height());
    let previous = previous(context.get(SEED).as_deref());
    let mixed = context.get(MIXED).and_then(|value| value.as_ref().try_into().ok());
    let mut mixer = mixed.map_or_else(|| Mixer::new(previous, term), Mixer::from_bytes);
    mix(settings, context, term, previous, &mut mixer);
    if !settings.is_last(context.height()) {
        return context.put(MIXED, mixer.to_bytes());
    }
    context.remove(MIXED);
    context.put(SEED, mixer.seed().0)?;
    if let Some(old) = term.0.checked_sub(KEPT) {
        context.remove(&committee(Term(old)));
    }
    elect(settings, context, term, mixer.seed())
}

/// Adds the beacon of this block.
fn mix(settings: &Settings, context: &Context<'_>, term: Term, previous: Seed, mixer: &mut Mixer) {
    let Some(beacon) = context.beacon().filter(|_| !context.is_impeached()) else { return };
    let (height, proposer) = (context.height(), context.proposer());
    let seated = seated(settings, context.get(&committee(term)).as_deref());
    let key = seated.iter().find(|(account, _)| *account == proposer).map(|(_, key)| key);
    if let Some(output) = key.and_then(|key| seed::verify(key, context.chain_id(), previous, height, beacon).ok()) {
        mixer.add(height, &output);
    }
}

/// Who took its deposit back since, or is no industry node any more, does not stand, nor who is barred.
pub(super) fn may_be_elected(get: impl Fn(&str, &[u8]) -> Option<Bytes>, term: Term, account: &AccountId) -> bool {
    let is_node = get(RNodes::KIND, &rnode::member(account)).is_some() || governance::industry(&get, account).is_some();
    is_node && governance::barred(&get, account).is_none_or(|last| term > last)
}

/// The weight of a candidate: its reputation, and that of an industry node at least what the vote gave it, impeachments taken off.
fn weight(get: impl Fn(&str, &[u8]) -> Option<Bytes>, account: &AccountId, scores: Scores) -> Reputation {
    let given = governance::industry(get, account).map_or(Reputation(0), |given| given.after(scores.impeached));
    scores.reputation().max(given)
}

/// Holds the election at the end of `term`.
fn elect(settings: &Settings, context: &mut Context<'_>, term: Term, seed: Seed) -> Result<(), ModuleError> {
    let mut standing = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = context.scan(&candidates(term), after.as_deref(), MAX_SCAN);
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (key, value) in &page {
            let account = key.last_chunk().map(|bytes| PublicKey(*bytes));
            standing.extend(account.zip(VrfPublicKey::from_slice(value)));
            context.remove(key);
        }
    }
    let get = |kind: &str, key: &[u8]| context.read(kind, key);
    standing.retain(|(account, _)| may_be_elected(get, term, account));

    let record = |account: &AccountId| activity::record(get, &settings.reporters, account, context.balance(account));
    let records: Vec<_> = standing.iter().map(|(account, _)| record(account)).collect();
    let ranked: Vec<_> = standing
        .iter()
        .zip(scores(&records))
        .map(|((account, _), scores)| (*account, weight(get, account, scores)))
        .collect();
    let elected = settings.election.hold(&ranked, &seed.0);

    let keys: BTreeMap<_, _> = standing.into_iter().collect();
    let next = Term(term.0.saturating_add(AHEAD));
    let mut value = Vec::with_capacity(64 * elected.len());
    for account in elected {
        let Some(key) = keys.get(&account).copied().or_else(|| settings.default_key(&account)) else { continue };
        value.extend_from_slice(&account.0);
        value.extend_from_slice(&key.0);
        context.put(&seat(&account), next.0.to_be_bytes())?;
    }
    context.put(&committee(next), value)
}

//! Who pays for a transaction: its sender's application, if it has one with quota left.

use cpchain_crypto::PublicKey;

use super::{
    super::{
        amount::Amount,
        state::{Overlay, Read},
        transaction::AccountId,
    },
    Developers, Resources,
    record::Sponsor,
};
use crate::ids::Height;

pub(super) fn sponsor_key(developer: &AccountId) -> Vec<u8> {
    [b"a".as_slice(), &developer.0].concat()
}

pub(super) fn day_key(developer: &AccountId) -> Vec<u8> {
    [b"d".as_slice(), &developer.0].concat()
}

pub(super) fn user_key(user: &AccountId) -> Vec<u8> {
    [b"j".as_slice(), &user.0].concat()
}

fn spent_key(user: &AccountId) -> Vec<u8> {
    [b"t".as_slice(), &user.0].concat()
}

/// The day of a height, from 0, for days of so many heights.
pub(super) fn day_of(height: Height, day: u64) -> u64 {
    height.0.saturating_sub(1) / day.max(1)
}

/// Day and count (8 each); how many there were in this day.
pub(super) fn used(bytes: &[u8], day: u64) -> Option<u64> {
    let (at, count) = bytes.split_first_chunk()?;
    let count = u64::from_be_bytes(count.try_into().ok()?);
    Some(if u64::from_be_bytes(*at) == day { count } else { 0 })
}

pub(super) fn used_bytes(day: u64, count: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    let (at, rest) = bytes.split_at_mut(8);
    at.copy_from_slice(&day.to_be_bytes());
    rest.copy_from_slice(&count.to_be_bytes());
    bytes
}

/// What a sponsored transaction changes.
struct Charge {
    developer: AccountId,
    day: u64,
    of_all: u64,
    of_user: u64,
}

impl Developers {
    fn find(state: &impl Read, each: Amount, day: u64, user: &AccountId, kind: &str, height: Height) -> Option<Charge> {
        let get = |key: &[u8]| state.get(Self::KIND, key);
        let developer = PublicKey::from_slice(&get(&user_key(user))?)?;
        let sponsor = Sponsor::from_slice(&get(&sponsor_key(&developer))?)?;
        if !sponsor.kinds.iter().any(|paid| paid == kind) {
            return None;
        }
        let day = day_of(height, day);
        let count = |key: &[u8]| get(key).and_then(|value| used(&value, day)).unwrap_or(0);
        let (of_user, of_all) = (count(&spent_key(user)), count(&day_key(&developer)));
        let is_left = of_user < sponsor.share.into() && of_all < sponsor.quota(each, height);
        is_left.then_some(Charge { developer, day, of_all, of_user })
    }

    /// Would an application pay?
    pub(in crate::ledger) fn pays(
        state: &impl Read,
        resources: Resources,
        day: u64,
        (user, kind): (&AccountId, &str),
        height: Height,
    ) -> bool {
        Self::find(state, resources.each, day, user, kind, height).is_some()
    }

    /// Has the application pay; `false` if there is none that does.
    pub(in crate::ledger) fn charge(
        overlay: &mut Overlay<'_>,
        resources: Resources,
        day: u64,
        (user, kind): (&AccountId, &str),
        height: Height,
    ) -> bool {
        let Some(charge) = Self::find(overlay, resources.each, day, user, kind, height) else { return false };
        let all = used_bytes(charge.day, charge.of_all + 1);
        overlay.set(Self::KIND, &day_key(&charge.developer), Some(all.to_vec().into()));
        let own = used_bytes(charge.day, charge.of_user + 1);
        overlay.set(Self::KIND, &spent_key(user), Some(own.to_vec().into()));
        true
    }
}

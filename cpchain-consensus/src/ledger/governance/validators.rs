//! Who validates and proposes, term by term, and how validators come and go at the ends of terms.

use bytes::Bytes;
use cpchain_crypto::PublicKey;

use super::{
    super::{
        dpor::{Campaigns, Settings, elections},
        module::{Context, ModuleError},
        transaction::AccountId,
    },
    Governance,
};
use crate::{ids::Term, lbft::MAX_VALIDATORS};

/// Who leaves and who comes at the end of the term, in the order of the decisions.
const LEAVING: &[u8] = b"x";
const COMING: &[u8] = b"y";

/// The members of a term.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Members {
    /// They vote, in the order of bitmaps.
    pub validators: Vec<PublicKey>,
    /// They seal blocks, in the order of their turns.
    pub proposers: Vec<PublicKey>,
}

impl Members {
    /// The number of validators (2), then the keys of both.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let count = u16::try_from(self.validators.len()).unwrap_or(u16::MAX);
        let mut bytes = count.to_be_bytes().to_vec();
        bytes.extend(self.validators.iter().chain(&self.proposers).flat_map(|key| key.0));
        bytes
    }

    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk()?;
        let mut validators = keys(rest);
        let proposers = validators.split_off(usize::from(u16::from_be_bytes(*count)).min(validators.len()));
        Some(Self { validators, proposers })
    }
}

fn keys(bytes: &[u8]) -> Vec<PublicKey> {
    bytes.as_chunks::<32>().0.iter().map(|key| PublicKey(*key)).collect()
}

/// The key of a term's members.
pub(super) fn members_key(term: Term) -> Vec<u8> {
    [b"m".as_slice(), &term.0.to_be_bytes()].concat()
}

/// The members of a term that has begun, or begins with the next height, as long as they are kept.
pub(in crate::ledger) fn members(get: impl Fn(&str, &[u8]) -> Option<Bytes>, term: Term) -> Option<Members> {
    Members::from_slice(&get(Governance::KIND, &members_key(term))?)
}

fn list(context: &Context<'_>, key: &[u8]) -> Vec<PublicKey> {
    context.get(key).map_or_else(Vec::new, |value| keys(&value))
}

fn set(context: &mut Context<'_>, key: &[u8], list: &[PublicKey]) -> Result<(), ModuleError> {
    if list.is_empty() {
        context.remove(key);
        return Ok(());
    }
    context.put(key, list.iter().flat_map(|key| key.0).collect::<Vec<u8>>())
}

/// A validator is to leave at the end of the term; `false` if it is none, or leaves already.
pub(super) fn leave(context: &mut Context<'_>, present: &Members, key: &PublicKey) -> Result<bool, ModuleError> {
    let mut leaving = list(context, LEAVING);
    if !present.validators.contains(key) || leaving.contains(key) {
        return Ok(false);
    }
    leaving.push(*key);
    set(context, LEAVING, &leaving).map(|()| true)
}

/// A key is to become a validator at the end of the term; `false` if it is one, comes already, or there is no room.
pub(super) fn come(context: &mut Context<'_>, present: &Members, key: &PublicKey) -> Result<bool, ModuleError> {
    let mut coming = list(context, COMING);
    let full = present.validators.len() + coming.len() >= MAX_VALIDATORS;
    if full || present.validators.contains(key) || coming.contains(key) {
        return Ok(false);
    }
    coming.push(*key);
    set(context, COMING, &coming).map(|()| true)
}

/// The validators after a term, and who has to wait for the end of the next one: of those in office more than a third stay, so
/// that one honest member at least goes on from what it saw.
pub(super) fn follow(
    present: &[PublicKey],
    leaving: &[PublicKey],
    coming: &[PublicKey],
) -> (Vec<PublicKey>, Vec<PublicKey>) {
    let (mut next, mut waiting) = (present.to_vec(), Vec::new());
    for key in leaving {
        let Some(place) = next.iter().position(|member| member == key) else { continue };
        if (next.len() - 1) * 3 > present.len() {
            next.remove(place);
        } else {
            waiting.push(*key);
        }
    }
    next.extend(coming.iter().filter(|key| !present.contains(key)));
    next.truncate(MAX_VALIDATORS);
    (next, waiting)
}

/// At the last height of a term: the members of the next one.
pub(super) fn end_of_term(
    settings: &Settings,
    archive: u64,
    context: &mut Context<'_>,
    ended: Term,
) -> Result<(), ModuleError> {
    let Some(present) = members(|kind, key| context.read(kind, key), ended) else { return Ok(()) };
    let (validators, waiting) = follow(&present.validators, &list(context, LEAVING), &list(context, COMING));
    set(context, LEAVING, &waiting)?;
    set(context, COMING, &[])?;
    let next = ended.next();
    let seated = elections::seated(settings, context.read(Campaigns::KIND, &elections::committee(next)).as_deref());
    let proposers: Vec<AccountId> = seated.into_iter().map(|(account, _)| account).collect();
    context.put(&members_key(next), Members { validators, proposers }.to_bytes())?;
    if let Some(old) = next.0.checked_sub(archive) {
        context.remove(&members_key(Term(old)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(of: &[u8]) -> Vec<PublicKey> {
        of.iter().map(|i| PublicKey([*i; 32])).collect()
    }

    #[test]
    fn more_than_a_third_stays() {
        let present = list(&[1, 2, 3, 4]);
        assert_eq!(follow(&present, &list(&[2]), &[]), (list(&[1, 3, 4]), vec![]));
        assert_eq!(follow(&present, &list(&[1, 2, 3, 4]), &[]), (list(&[3, 4]), list(&[3, 4])));
        assert_eq!(follow(&present, &list(&[4, 3, 1]), &list(&[5, 1])), (list(&[1, 2, 5]), list(&[1])));
        assert_eq!(follow(&list(&[1]), &list(&[1]), &list(&[2])), (list(&[1, 2]), list(&[1])));
        assert_eq!(follow(&present, &list(&[9]), &[]), (present.clone(), vec![]));
    }

    proptest! {
        #[test]
        fn a_committee_never_empties(
            present in prop::collection::btree_set(any::<u8>(), 1..40),
            leaving in prop::collection::vec(any::<u8>(), 0..60),
            coming in prop::collection::btree_set(any::<u8>(), 0..40),
        ) {
            let present = list(&present.into_iter().collect::<Vec<_>>());
            let coming = list(&coming.into_iter().collect::<Vec<_>>());
            let (next, waiting) = follow(&present, &list(&leaving), &coming);
            let stay = present.iter().filter(|key| next.contains(key)).count();
            prop_assert!(3 * stay > present.len());
            prop_assert!(waiting.iter().all(|key| next.contains(key)));
            let distinct: std::collections::BTreeSet<_> = next.iter().collect();
            prop_assert_eq!(distinct.len(), next.len());
            let members = Members { validators: next, proposers: coming };
            prop_assert_eq!(Members::from_slice(&members.to_bytes()), Some(members));
        }
    }
}

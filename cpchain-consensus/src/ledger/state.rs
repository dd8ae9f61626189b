//! The state: ordered byte keys and values under one root, and the overlay in which a transaction runs. What
//! the keys and values are is in [`StateKey`].

use std::{
    collections::BTreeMap,
    mem,
    ops::Bound::{Excluded, Included, Unbounded},
};

use bytes::Bytes;
use cpchain_crypto::Digest;

use super::{
    amount::Amount,
    transaction::{AccountId, Nonce},
    tree::Tree,
};
use crate::proof::{AccountState, StateKey, StateProof};

/// An account that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) balance: Amount,
    pub(crate) nonce: Nonce,
}

impl Account {
    fn to_bytes(self) -> Bytes {
        let state = AccountState { balance: self.balance.0, nonce: self.nonce.0 };
        Bytes::copy_from_slice(&state.to_value())
    }

    fn from_slice(bytes: &[u8]) -> Option<Self> {
        let AccountState { balance, nonce } = AccountState::from_value(bytes)?;
        Some(Self { balance: Amount(balance), nonce: Nonce(nonce) })
    }
}

fn account_key(account: &AccountId) -> Vec<u8> {
    StateKey::account(account).into_bytes()
}

fn vault_key(kind: &str, vault: &[u8]) -> Vec<u8> {
    StateKey::vault(kind, vault).into_bytes()
}

fn entry_key(kind: &str, key: &[u8]) -> Vec<u8> {
    StateKey::entry(kind, key).into_bytes()
}

/// The state after the last executed block.
#[derive(Debug, Default)]
pub(crate) struct State {
    entries: BTreeMap<Vec<u8>, Bytes>,
    tree: Tree,
    /// What the changed keys had when the present [`Step`] began.
    before: Changes,
    /// Whether the tree lacks changes of those keys: a key that changes often in a block is hashed once, with its last value.
    is_behind: bool,
}

/// What one block did to the state, to be done again or taken back. The trees share what did not change.
#[derive(Debug)]
pub(crate) struct Step {
    before: (Changes, Tree),
    after: (Changes, Tree),
}

impl Step {
    /// What the changed keys had before it, and the tree then.
    pub(crate) fn into_before(self) -> (Changes, Tree) {
        self.before
    }
}

/// Changes that an [`Overlay`] collected.
pub(crate) type Changes = BTreeMap<Vec<u8>, Option<Bytes>>;

impl State {
    /// Makes changes part of the state.
    pub(crate) fn apply(&mut self, changes: Changes) {
        self.is_behind |= !changes.is_empty();
        for (key, value) in changes {
            let before = self.set(key.clone(), value);
            self.before.entry(key).or_insert(before);
        }
    }

    fn set(&mut self, key: Vec<u8>, value: Option<Bytes>) -> Option<Bytes> {
        match value {
            Some(value) => self.entries.insert(key, value),
            None => self.entries.remove(&key),
        }
    }

    /// Runs something that changes the state, and tells what it changed.
    pub(crate) fn step<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> (T, Step) {
        self.root();
        self.before.clear();
        let tree = self.tree.clone();
        let result = run(self);
        self.root();
        let before = mem::take(&mut self.before);
        let after = before.keys().map(|key| (key.clone(), self.entries.get(key).cloned())).collect();
        (result, Step { before: (before, tree), after: (after, self.tree.clone()) })
    }

    /// Takes back the last step.
    pub(crate) fn undo(&mut self, step: &Step) {
        self.put(&step.before);
    }

    /// Does a step again in the state that it began in.
    pub(crate) fn redo(&mut self, step: &Step) {
        self.put(&step.after);
    }

    fn put(&mut self, (changes, tree): &(Changes, Tree)) {
        for (key, value) in changes {
            self.set(key.clone(), value.clone());
        }
        self.tree = tree.clone();
    }

    /// All keys and values, in their order.
    pub(crate) fn entries(&self) -> Vec<(Vec<u8>, Bytes)> {
        self.entries.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// The digest that commits to all of it.
    pub(crate) fn root(&mut self) -> Digest {
        if mem::take(&mut self.is_behind) {
            for key in self.before.keys() {
                self.tree.set(key, self.entries.get(key).map(|value| &**value));
            }
        }
        self.tree.root()
    }

    /// What a key has, and the proof of it, as of the last [`root`](Self::root).
    pub(crate) fn prove(&self, key: &StateKey) -> (Option<Bytes>, StateProof) {
        (self.raw(key.as_bytes()), self.tree.prove(key.as_bytes()))
    }

    /// The sum over all accounts and vaults; `None` if it does not fit, which genesis rules out.
    pub(crate) fn supply(&self) -> Option<Amount> {
        // Accounts and vaults stand before all entries of modules.
        let money = self.entries.range(..entry_key("", b""));
        Amount::checked_sum(money.filter_map(|(_, value)| Amount::from_slice(value.get(..16)?)))
    }
}

/// Reads of a state, with or without changes on top.
pub(crate) trait Read {
    fn raw(&self, key: &[u8]) -> Option<Bytes>;

    fn account(&self, account: &AccountId) -> Option<Account> {
        Account::from_slice(&self.raw(&account_key(account))?)
    }

    fn vault(&self, kind: &str, vault: &[u8]) -> Amount {
        self.raw(&vault_key(kind, vault)).and_then(|value| Amount::from_slice(&value)).unwrap_or_default()
    }

    fn get(&self, kind: &str, key: &[u8]) -> Option<Bytes> {
        self.raw(&entry_key(kind, key))
    }
}

impl Read for State {
    fn raw(&self, key: &[u8]) -> Option<Bytes> {
        self.entries.get(key).cloned()
    }
}

/// Changes on top of a state. Dropped, it leaves no trace.
pub(crate) struct Overlay<'a> {
    base: &'a State,
    changes: Changes,
}

impl Read for Overlay<'_> {
    fn raw(&self, key: &[u8]) -> Option<Bytes> {
        self.changes.get(key).cloned().unwrap_or_else(|| self.base.raw(key))
    }
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(base: &'a State) -> Self {
        Self { base, changes: Changes::new() }
    }

    pub(crate) fn into_changes(self) -> Changes {
        self.changes
    }

    pub(crate) fn set_account(&mut self, account: &AccountId, value: Account) {
        self.changes.insert(account_key(account), Some(value.to_bytes()));
    }

    pub(crate) fn set_vault(&mut self, kind: &str, vault: &[u8], balance: Amount) {
        let value = (balance != Amount::ZERO).then(|| Bytes::copy_from_slice(&balance.to_bytes()));
        self.changes.insert(vault_key(kind, vault), value);
    }

    pub(crate) fn set(&mut self, kind: &str, key: &[u8], value: Option<Bytes>) {
        self.changes.insert(entry_key(kind, key), value);
    }

    /// See [`scan`].
    pub(crate) fn scan(&self, kind: &str, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<(Vec<u8>, Bytes)> {
        scan(self.base, Some(&self.changes), kind, prefix, after, limit)
    }
}

impl State {
    /// See [`scan`].
    pub(crate) fn scan(&self, kind: &str, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<(Vec<u8>, Bytes)> {
        scan(self, None, kind, prefix, after, limit)
    }
}

/// The first `limit` entries of a module, in the order of their keys, whose key starts with `prefix` and is above
/// `after`.
fn scan(
    base: &State,
    changes: Option<&Changes>,
    kind: &str,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> Vec<(Vec<u8>, Bytes)> {
    let head = entry_key(kind, b"").len();
    let prefix = entry_key(kind, prefix);
    let from =
        after.map(|key| entry_key(kind, key)).filter(|key| *key >= prefix).map_or(Included(prefix.clone()), Excluded);
    let mut below =
        base.entries.range((from.clone(), Unbounded)).take_while(|(key, _)| key.starts_with(&prefix)).peekable();
    let mut above = changes
        .into_iter()
        .flat_map(|changes| changes.range((from.clone(), Unbounded)))
        .take_while(|(key, _)| key.starts_with(&prefix))
        .peekable();
    let mut found = Vec::new();
    while found.len() < limit {
        // The smaller key comes first; at equal keys the change hides the base.
        let (key, value) = match (below.peek(), above.peek()) {
            (None, None) => break,
            (Some((b, _)), Some((a, _))) if a <= b => {
                if a == b {
                    below.next();
                }
                let Some((key, value)) = above.next() else { break };
                (key, value.clone())
            }
            (None, Some(_)) => {
                let Some((key, value)) = above.next() else { break };
                (key, value.clone())
            }
            (Some(_), _) => {
                let Some((key, value)) = below.next() else { break };
                (key, Some(value.clone()))
            }
        };
        if let (Some(value), Some(key)) = (value, key.get(head..)) {
            found.push((key.to_vec(), value));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Edits = Vec<(Vec<u8>, Option<u8>)>;

    fn edits() -> impl Strategy<Value = Edits> {
        prop::collection::vec((prop::collection::vec(0u8..3, 0..4), prop::option::of(0u8..9)), 0..30)
    }

    fn write(overlay: &mut Overlay<'_>, model: &mut BTreeMap<Vec<u8>, Bytes>, edits: &Edits) {
        for (key, value) in edits {
            let value = value.map(|v| Bytes::copy_from_slice(&[v]));
            overlay.set("m", key, value.clone());
            match value {
                Some(value) => model.insert(key.clone(), value),
                None => model.remove(key),
            };
        }
    }

    #[test]
    fn the_root_has_the_last_value_of_a_key_and_not_those_before() {
        let change = |value: &'static [u8]| Changes::from([(b"key".to_vec(), Some(Bytes::from_static(value)))]);
        let (mut often, mut once) = (State::default(), State::default());
        let ((), step) = often.step(|state| {
            state.apply(change(b"one"));
            state.apply(Changes::from([(b"key".to_vec(), None)]));
            state.apply(change(b"two"));
        });
        once.apply(change(b"two"));
        assert_eq!(often.root(), once.root());
        often.undo(&step);
        assert_eq!(often.root(), State::default().root());
        often.redo(&step);
        assert_eq!(often.root(), once.root());
    }

    proptest! {
        #[test]
        fn an_overlay_reads_like_one_map(
            below in edits(),
            above in edits(),
            prefix in prop::collection::vec(0u8..3, 0..3),
            after in prop::option::of(prop::collection::vec(0u8..3, 0..4)),
            limit in 0usize..40,
        ) {
            let (mut state, mut model) = (State::default(), BTreeMap::new());
            let mut overlay = Overlay::new(&state);
            write(&mut overlay, &mut model, &below);
            // A neighbour that must never be seen.
            overlay.set("n", b"", Some(Bytes::new()));
            overlay.set("l", &[255; 9], Some(Bytes::new()));
            let changes = overlay.into_changes();
            state.apply(changes);
            let mut overlay = Overlay::new(&state);
            write(&mut overlay, &mut model, &above);

            let expected: Vec<_> = model
                .iter()
                .filter(|(k, _)| k.starts_with(&prefix) && after.as_ref().is_none_or(|after| *k > after))
                .take(limit)
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            prop_assert_eq!(overlay.scan("m", &prefix, after.as_deref(), limit), expected.clone());
            for (key, value) in &model {
                prop_assert_eq!(overlay.get("m", key), Some(value.clone()));
            }
            let changes = overlay.into_changes();
            state.apply(changes);
            prop_assert_eq!(state.scan("m", &prefix, after.as_deref(), limit), expected);
        }
    }
}

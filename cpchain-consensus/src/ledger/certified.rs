//! The state that a certificate speaks of: the payload of a final block names the root after the height below it.

use bytes::Bytes;

use super::{
    state::{Changes, Read, State, Step},
    tree::Tree,
};
use crate::{
    FinalBlock, Height,
    proof::{HeadProof, StateKey, StateProof},
};

/// The state below the last final block that has a payload.
#[derive(Debug)]
pub(crate) struct Certified {
    /// The block that names it.
    pub(crate) block: Height,
    payload: Bytes,
    tree: Tree,
    /// What keys had that changed since.
    before: Changes,
}

impl Certified {
    /// After one more block, which changed the state by `step`.
    pub(crate) fn after(last: Option<Self>, block: &FinalBlock, step: Step) -> Option<Self> {
        let (before, tree) = step.into_before();
        if !block.impeached {
            return Some(Self { block: block.height, payload: block.payload.clone(), tree, before });
        }
        last.map(|mut last| {
            for (key, value) in before {
                last.before.entry(key).or_insert(value);
            }
            last
        })
    }

    /// What a key had there, and the proof of it, from the present state.
    pub(crate) fn prove(&self, state: &State, key: &StateKey) -> (Option<Bytes>, StateProof) {
        let value = self.before.get(key.as_bytes()).cloned();
        (value.unwrap_or_else(|| state.raw(key.as_bytes())), self.tree.prove(key.as_bytes()))
    }

    /// What shows the root to whoever has the block's header.
    pub(crate) fn head(&self) -> HeadProof {
        HeadProof::of(&self.payload)
    }
}

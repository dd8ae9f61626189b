//! How a state of the quotient was first reached. States do not differ by it; from it real validators are brought there.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::{
    automaton::Automaton,
    event::{Said, Who},
    machine::Happens,
    validator::Validator,
};

/// What happened, and what each honest validator said then.
#[derive(Debug, Clone, Default)]
pub(super) struct Past {
    /// In the order of the validators.
    pub(super) said: Vec<Said>,
    last: Option<Arc<Link>>,
}

#[derive(Debug)]
struct Link {
    happens: Happens,
    before: Option<Arc<Link>>,
}

impl PartialEq for Past {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Past {}

impl Hash for Past {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl Past {
    pub(super) fn new(validators: usize) -> Self {
        Self { said: vec![Said::default(); validators], last: None }
    }

    /// One more thing happened, in which a validator cast these votes.
    pub(super) fn push(&mut self, happens: Happens, cast: &Said) {
        self.last = Some(Arc::new(Link { happens, before: self.last.take() }));
        if let Some(said) = self.said.get_mut(happens.to) {
            *said = said.and(cast);
        }
    }

    /// Real validators to whom the same happens, with their places; certificates bear signatures that were given by then.
    pub(super) fn replay(&self, automaton: &Automaton) -> Option<Vec<(usize, Validator)>> {
        let universe = &automaton.universe;
        let mut events = Vec::new();
        let mut at = &self.last;
        while let Some(link) = at {
            events.push(link.happens);
            at = &link.before;
        }
        let new = |(place, id): (&usize, u32)| Some((id, *place, Validator::new(universe, *place)?));
        let mut all = universe.honest.iter().zip(automaton.first()).map(new).collect::<Option<Vec<_>>>()?;
        for Happens { to, event } in events.into_iter().rev() {
            let said = all.iter().map(|(_, place, validator)| (*place, validator.said)).collect();
            let (id, place, validator) = all.get_mut(to)?;
            let who = Who { place: *place, said, byzantine: universe.byzantine.clone() };
            *validator = automaton.after(validator, &who, event)?;
            *id = automaton.step(*id, event)?.to;
            all.get_mut(universe.alike.clone())?.sort_by_key(|(id, ..)| *id);
        }
        Some(all.into_iter().map(|(_, place, validator)| (place, validator)).collect())
    }
}

//! Running a search and telling what it found.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    hash::Hash,
    time::Duration,
};

use stateright::{Checker, Expectation, HasDiscoveries, Model, Path, Property};

/// A model that can say in words what is wrong with a state.
pub trait Told: Model {
    /// What the state violates; empty if nothing.
    fn verdict(&self, state: &Self::State) -> String;
}

/// What a search found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Distinct states.
    pub states: usize,
    /// How long it took.
    pub took: Duration,
    /// Whether every reachable state was seen; a search stops at the first violation and at its limit.
    pub complete: bool,
    /// The properties that should hold sometimes: finding those is no violation.
    pub normal: Vec<&'static str>,
    /// For each property that is violated, or each that should sometimes hold and does, a way there in words; the shortest to a violation.
    pub traces: Vec<(&'static str, Vec<String>)>,
}

impl Found {
    /// The way to a state that decides this property, if there is one.
    pub fn trace(&self, property: &str) -> Option<&[String]> {
        self.traces.iter().find(|(name, _)| *name == property).map(|(_, trace)| trace.as_slice())
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = if self.complete { "all" } else { "the first" };
        write!(f, "{all} {} states, {:.1} s", self.states, self.took.as_secs_f64())
    }
}

/// Searches breadth first until about `limit` states were generated, or a property that should always hold does not.
/// Traces of violations are the shortest there are.
pub fn search<M>(model: M, limit: usize) -> Found
where
    M: Told + Clone + Send + Sync + 'static,
    M::State: Clone + fmt::Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + fmt::Debug + PartialEq + Send + Sync + 'static,
{
    let started = std::time::Instant::now();
    let checker = model.clone().checker().target_state_count(limit).finish_when(HasDiscoveries::AnyFailures);
    let checker = checker.spawn_bfs().join();
    let took = started.elapsed();
    let found = checker.discoveries();
    let failed = model.properties().iter().any(|p| p.expectation == Expectation::Always && found.contains_key(p.name));
    let complete = !failed && checker.state_count() < limit;
    let sometimes = |property: &Property<M>| property.expectation == Expectation::Sometimes;
    let normal: Vec<_> = model.properties().iter().filter(|p| sometimes(p)).map(|property| property.name).collect();
    let mut traces: Vec<_> = Vec::new();
    for (name, path) in found {
        let path = if normal.contains(&name) { path } else { shortest(&model, name, path) };
        let (last, actions) = (path.last_state().clone(), path.into_actions());
        let mut words: Vec<String> = actions.iter().map(|action| model.format_action(action)).collect();
        words.extend(Some(model.verdict(&last)).filter(|verdict| !verdict.is_empty()));
        traces.push((name, words));
    }
    traces.sort_unstable();
    Found { states: checker.unique_state_count(), took, complete, normal, traces }
}

/// The checker works in blocks of states and keeps the last find of a block: asks again for less depth until there is none.
fn shortest<M>(model: &M, name: &'static str, mut path: Path<M::State, M::Action>) -> Path<M::State, M::Action>
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Clone + fmt::Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + fmt::Debug + PartialEq + Send + Sync + 'static,
{
    loop {
        // States at this depth, where the initial one has depth 1, and below it are left out.
        let depth = path.clone().into_actions().len() + 1;
        let checker = model.clone().checker().target_max_depth(depth);
        let checker = checker.finish_when(HasDiscoveries::AnyOf([name].into())).spawn_bfs().join();
        match checker.discovery(name) {
            Some(shorter) => path = shorter,
            None => return path,
        }
    }
}

/// Every state that the model reaches, projected.
pub(super) fn reached<M, T>(model: M, project: impl Fn(&M, &M::State) -> T) -> BTreeSet<T>
where
    M: Model,
    M::State: Clone + Eq + Hash,
    T: Ord,
{
    let mut seen: HashSet<M::State> = model.init_states().into_iter().collect();
    let mut due: Vec<M::State> = seen.iter().cloned().collect();
    let mut found = BTreeSet::new();
    while let Some(state) = due.pop() {
        found.insert(project(&model, &state));
        for next in model.next_states(&state) {
            if seen.insert(next.clone()) {
                due.push(next);
            }
        }
    }
    found
}

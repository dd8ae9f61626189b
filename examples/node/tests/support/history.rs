//! A history of operations on one counter, and whether one order explains it: linearizability after Wing and Gong, with
//! the states that were tried remembered (Lowe).

use std::{collections::HashSet, time::Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The counter grew by this.
    Add(u128),
    /// The counter was read and was this.
    Read(u128),
}

#[derive(Debug, Clone, Copy)]
pub struct Operation {
    pub action: Action,
    /// When it was asked for, and when the answer came.
    pub from: Instant,
    pub to: Instant,
}

/// Is there an order in which each operation takes effect between its begin and its end, and every read sees the sum of
/// the adds before it?
pub fn is_linearizable(history: &[Operation]) -> bool {
    let mut operations = history.to_vec();
    operations.sort_by_key(|operation| operation.from);
    let mut search = Search { done: vec![false; operations.len()], ..Search::default() };
    // The path: which operation was put next, with the sum before it.
    let mut path: Vec<(usize, u128)> = Vec::new();
    let (mut sum, mut from) = (0_u128, 0);
    loop {
        if path.len() == operations.len() {
            return true;
        }
        let possible = search.possible(&operations);
        let next = (from.max(search.first)..possible).find(|&i| {
            let fits = match operations[i].action {
                Action::Add(_) => true,
                Action::Read(value) => value == sum,
            };
            !search.done[i] && fits && search.is_new(i, possible)
        });
        match next {
            Some(i) => {
                path.push((i, sum));
                search.put(i);
                if let Action::Add(more) = operations[i].action {
                    sum += more;
                }
                from = 0;
            }
            None => {
                let Some((i, before)) = path.pop() else { return false };
                search.take_back(i);
                sum = before;
                from = i + 1;
            }
        }
    }
}

/// What is done, in the order in which operations began, and which of these sets were tried. A set is told by the first operation that
/// it lacks and the few behind it that it has: long histories with few clients take time and memory in proportion to their length.
#[derive(Default)]
struct Search {
    done: Vec<bool>,
    first: usize,
    tried: HashSet<(usize, Vec<usize>)>,
}

impl Search {
    /// What began after another one ended cannot come before it: the end of those that may be next.
    fn possible(&self, operations: &[Operation]) -> usize {
        let mut deadline = None;
        for (i, operation) in operations.iter().enumerate().skip(self.first) {
            if deadline.is_some_and(|deadline| operation.from > deadline) {
                return i;
            }
            if !self.done[i] {
                deadline = Some(deadline.map_or(operation.to, |deadline: Instant| deadline.min(operation.to)));
            }
        }
        operations.len()
    }

    fn put(&mut self, i: usize) {
        self.done[i] = true;
        while self.done.get(self.first) == Some(&true) {
            self.first += 1;
        }
    }

    fn take_back(&mut self, i: usize) {
        self.done[i] = false;
        self.first = self.first.min(i);
    }

    /// Was the set with `i` not yet tried? Nothing from `possible` on is done: it would have begun after one that is not.
    fn is_new(&mut self, i: usize, possible: usize) -> bool {
        let has = |at: usize| at == i || self.done[at];
        let first = (self.first..possible).find(|at| !has(*at)).unwrap_or(possible);
        self.tried.insert((first, (first..possible).filter(|at| has(*at)).collect()))
    }
}

/// Histories that are known to be right and wrong: the judge is judged first.
pub fn check_the_checker() {
    let start = Instant::now();
    let at = |ms: u64| start + std::time::Duration::from_millis(ms);
    let operation = |action, from, to| Operation { action, from: at(from), to: at(to) };
    use Action::{Add, Read};
    assert!(is_linearizable(&[]));
    // One after the other.
    assert!(is_linearizable(&[operation(Add(1), 0, 1), operation(Read(1), 2, 3), operation(Add(5), 4, 5)]));
    // A read beside an add may see it or not.
    for seen in [0, 7] {
        assert!(is_linearizable(&[operation(Add(7), 0, 9), operation(Read(seen), 1, 2)]));
    }
    // A stale read after an acknowledged add.
    assert!(!is_linearizable(&[operation(Add(1), 0, 1), operation(Read(0), 2, 3)]));
    // Two reads that go back in time.
    assert!(!is_linearizable(&[operation(Add(1), 0, 9), operation(Read(1), 1, 2), operation(Read(0), 3, 4)]));
    // A read of what nobody wrote.
    assert!(!is_linearizable(&[operation(Add(1), 0, 9), operation(Read(2), 1, 2)]));
    // Needs the second add before the first, which overlap; and then cannot have it after.
    let both = [operation(Add(1), 0, 9), operation(Add(2), 0, 9), operation(Read(2), 3, 4)];
    assert!(is_linearizable(&both));
    assert!(!is_linearizable(&[both[0], both[1], both[2], operation(Read(1), 5, 6)]));
    // Longer than ten minutes of load: adds that overlap, every eighth operation a read, which may miss the last three at most.
    let long = |missed: u64| -> Vec<_> {
        let one = |i: u64| match i % 8 {
            7 => operation(Read(u128::from(i - i / 8 - missed)), 10 * i, 10 * i + 5),
            _ => operation(Add(1), 10 * i, 10 * i + 35),
        };
        (0..40_000).map(one).collect()
    };
    assert!(is_linearizable(&long(0)) && is_linearizable(&long(3)));
    assert!(!is_linearizable(&long(4)));
}

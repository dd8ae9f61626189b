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
    let mut done = vec![false; operations.len()];
    let mut tried: HashSet<Vec<usize>> = HashSet::new();
    // The path: which operation was put next, with the sum before it.
    let mut path: Vec<(usize, u128)> = Vec::new();
    let (mut sum, mut from) = (0_u128, 0);
    loop {
        if path.len() == operations.len() {
            return true;
        }
        let deadline = operations.iter().zip(&done).filter(|(_, done)| !**done).map(|(o, _)| o.to).min().unwrap();
        let next = (from..operations.len()).find(|&i| {
            let operation = operations[i];
            // What began after another one ended cannot come before it.
            let possible = !done[i] && operation.from <= deadline;
            possible
                && match operation.action {
                    Action::Add(_) => true,
                    Action::Read(value) => value == sum,
                }
                && {
                    let mut set: Vec<usize> = (0..done.len()).filter(|&j| done[j] || j == i).collect();
                    set.shrink_to_fit();
                    tried.insert(set)
                }
        });
        match next {
            Some(i) => {
                path.push((i, sum));
                done[i] = true;
                if let Action::Add(more) = operations[i].action {
                    sum += more;
                }
                from = 0;
            }
            None => {
                let Some((i, before)) = path.pop() else { return false };
                done[i] = false;
                sum = before;
                from = i + 1;
            }
        }
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
}

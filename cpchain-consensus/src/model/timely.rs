//! A timely run from a state of the search: the real cores with their real messages, Byzantine validators and proposers
//! silent, whatever was under way before lost.
//!
//! All messages among the honest are delivered, in one order and in the opposite one. Timers fire when three retry intervals
//! in a row changed nothing, at the lowest height that an honest validator is at. The proposer of the first height above
//! the explored ones is honest and knows nothing yet. Its block must become final at every honest validator.

use std::collections::VecDeque;

use bytes::Bytes;
use cpchain_crypto::PublicKey;

use super::{universe::Universe, validator::Validator};
use crate::{
    ids::Term,
    lbft::{Input, Message, Output},
    storage::Storage,
};

/// Retry intervals without any change after which timers fire.
const QUIET: u32 = 13;

struct Run<'a> {
    universe: &'a Universe,
    nodes: Vec<(PublicKey, Validator)>,
    mail: VecDeque<(usize, PublicKey, Message)>,
    newest_first: bool,
}

/// Whether the block of the first height above the explored ones becomes final at all of these, who come with their places;
/// and in the next term, if there is one, whether each of them then has the proof of who served it.
///
/// # Errors
/// Where the honest validators are when nothing changes any more, or who lacks a proof.
pub(super) fn run(universe: &Universe, validators: Vec<(usize, Validator)>) -> Result<(), String> {
    let honest = validators.len();
    let mut nodes = Vec::new();
    for (place, validator) in validators {
        nodes.push((universe.key(place).ok_or("no such validator")?, validator));
    }
    let proposer = Validator::new(universe, universe.proposer);
    nodes.push(universe.key(universe.proposer).zip(proposer).ok_or("no such proposer")?);
    for newest_first in [false, true] {
        let nodes = nodes.clone();
        Run { universe, nodes, mail: VecDeque::new(), newest_first }.play(honest, u64::from(universe.top) + 1)?;
    }
    Ok(())
}

impl Run<'_> {
    fn play(mut self, honest: usize, goal: u64) -> Result<(), String> {
        let mut quiet = 0;
        let mut fired = false;
        loop {
            let before = self.positions();
            self.retry();
            let now = self.positions();
            if now.iter().take(honest).all(|(.., final_height)| *final_height >= goal) {
                (0..QUIET).for_each(|_| self.retry());
                return self.proofs(honest);
            }
            if now != before {
                (quiet, fired) = (0, false);
                continue;
            }
            quiet += 1;
            if quiet < QUIET {
                continue;
            }
            // Of those who vote: nobody else has a timer.
            let votes = |(_, node): &(PublicKey, Validator)| node.core.index.is_some();
            let voters = self.nodes.iter().zip(&now).filter(|(node, _)| votes(node));
            let low = voters.map(|(_, (term, height, _))| (*term, *height)).min();
            let Some((_, low)) = low.filter(|low| !fired && *low < (self.universe.terms() - 1, goal)) else {
                let heights: Vec<_> = now.iter().take(honest).map(|(_, height, _)| height).collect();
                return Err(format!("then, in a timely network, the honest stay at the heights {heights:?} for ever"));
            };
            (quiet, fired) = (0, true);
            for place in 0..honest {
                self.step(place, Input::Timeout { height: crate::ids::Height(low) });
            }
            self.deliver();
            if self.positions() != now {
                fired = false;
            }
        }
    }

    /// A retry interval at each, and everything that is sent.
    fn retry(&mut self) {
        for place in 0..self.nodes.len() {
            self.step(place, Input::Retry);
        }
        self.deliver();
    }

    /// Term, height and final height of each.
    fn positions(&self) -> Vec<(u8, u64, u64)> {
        let place = |node: &Validator| (node.term(), node.core.height().0, node.core.final_height().0);
        self.nodes.iter().map(|(_, node)| place(node)).collect()
    }

    /// Whether each of the honest can prove to a light client who serves the term that it is in.
    fn proofs(&mut self, honest: usize) -> Result<(), String> {
        if self.universe.terms() == 1 {
            return Ok(());
        }
        for (place, (_, node)) in self.nodes.iter().take(honest).enumerate() {
            let proof = node.store.handover(Term(0)).ok().flatten();
            let shown = proof.and_then(|proof| self.universe.light_client(node.core.committee(), &proof).ok());
            if shown.is_none() {
                return Err(format!("then the honest validator {place} has no proof of its committee, for ever"));
            }
        }
        Ok(())
    }

    fn deliver(&mut self) {
        while let Some((to, from, message)) =
            if self.newest_first { self.mail.pop_back() } else { self.mail.pop_front() }
        {
            self.step(to, Input::Message { from, message });
        }
    }

    fn step(&mut self, place: usize, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let Some((key, node)) = self.nodes.get_mut(place) else { return };
            let (from, outputs) = (*key, node.core.step(input));
            let outputs = node.carry_out(self.universe, outputs);
            for output in outputs {
                match output {
                    Output::MayPropose { height } => inputs.push_back(Input::Propose { height }),
                    Output::BuildPayload { height, .. } => {
                        inputs.push_back(Input::Payload { height, payload: Bytes::new() });
                    }
                    Output::Send { to, message } => {
                        for key in to {
                            self.post(key, from, message.clone());
                        }
                    }
                    Output::Gossip(message) => {
                        let all: Vec<_> = self.nodes.iter().map(|(key, _)| *key).filter(|key| *key != from).collect();
                        for key in all {
                            self.post(key, from, message.clone());
                        }
                    }
                    Output::Serve { to, pull } => {
                        let answers = self.nodes.get(place).map(|(_, node)| node.serve(&pull)).unwrap_or_default();
                        for message in answers {
                            self.post(to, from, message);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn post(&mut self, to: PublicKey, from: PublicKey, message: Message) {
        if let Some(place) = self.nodes.iter().position(|(key, _)| *key == to) {
            self.mail.push_back((place, from, message));
        }
    }
}

//! A timely run from a state of the search: the real cores with their real messages, Byzantine validators and proposers
//! silent, whatever was under way before lost.
//!
//! All messages among the honest are delivered, in one order and in the opposite one. Timers fire when three retry intervals
//! in a row changed nothing, at the lowest height that an honest validator is at. The proposer of the first height above
//! the explored ones is honest and knows nothing yet. Its block must become final at every honest validator.

use std::collections::VecDeque;

use bytes::Bytes;
use cpchain_crypto::PublicKey;

use super::local::{Automaton, Validator, Who};
use crate::lbft::{Input, Message, Output};

/// Retry intervals without any change after which timers fire.
const QUIET: u32 = 13;

struct Run<'a> {
    automaton: &'a Automaton,
    nodes: Vec<(PublicKey, Validator)>,
    mail: VecDeque<(usize, PublicKey, Message)>,
    newest_first: bool,
}

/// Whether the block of height `goal` becomes final.
///
/// # Errors
/// Where the honest validators are when nothing changes any more.
pub(super) fn run(automaton: &Automaton, state: &[u32], goal: u64) -> Result<(), String> {
    let said: Vec<_> = state.iter().filter_map(|id| automaton.facts(*id)).collect();
    let n = automaton.universe.committee.validators().len();
    for newest_first in [false, true] {
        let mut nodes = Vec::new();
        for (place, id) in state.iter().enumerate() {
            let who = Who { place, said: said.clone(), byzantine: state.len()..n };
            nodes.push(automaton.universe.key(place).zip(automaton.named(*id, &who)).ok_or("no such validator")?);
        }
        let last = n + automaton.universe.committee.proposers().len() - 1;
        let proposer = Validator::new(&automaton.universe, last).zip(automaton.universe.key(last));
        let (proposer, key) = proposer.ok_or("no such proposer")?;
        nodes.push((key, proposer));
        let honest = state.len();
        Run { automaton, nodes, mail: VecDeque::new(), newest_first }.play(honest, goal)?;
    }
    Ok(())
}

impl Run<'_> {
    fn play(mut self, honest: usize, goal: u64) -> Result<(), String> {
        let mut quiet = 0;
        let mut fired = false;
        loop {
            let before = self.positions();
            for place in 0..self.nodes.len() {
                self.step(place, Input::Retry);
            }
            self.deliver();
            let now = self.positions();
            if now.iter().take(honest).all(|(_, final_height)| *final_height >= goal) {
                return Ok(());
            }
            if now != before {
                (quiet, fired) = (0, false);
                continue;
            }
            quiet += 1;
            if quiet < QUIET {
                continue;
            }
            let low = now.iter().take(honest).map(|(height, _)| *height).min().unwrap_or(goal);
            if fired || low >= goal {
                let heights: Vec<_> = now.iter().take(honest).map(|(height, _)| height).collect();
                return Err(format!("then, in a timely network, the honest stay at the heights {heights:?} for ever"));
            }
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

    fn positions(&self) -> Vec<(u64, u64)> {
        self.nodes.iter().map(|(_, node)| (node.core.height().0, node.core.final_height().0)).collect()
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
            let outputs = node.carry_out(&self.automaton.universe, outputs);
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

//! What drives a core in virtual time: the counterpart of the tokio driver. The log first, then what relies on it; and the
//! process may die between any two outputs.

use std::sync::Arc;

use super::{
    actors::{Actor, Stage},
    micros,
    node::Alarm,
    world::{Event, Leave, Verdict, World},
};
use crate::{
    application::FinalBlock,
    ids::Height,
    lbft::{Committee, FinalEntry, Input, Message, Output, Pull, Role},
    storage::answer,
};

impl World {
    pub(crate) fn deliver(&mut self, to: usize, from: usize, sum: u64, message: Arc<Message>) -> Verdict {
        let Some(state) = self.nodes.get(to) else { return Ok(()) };
        if state.core.is_none() {
            return Ok(());
        }
        if state.busy_until > self.now {
            let time = state.busy_until;
            self.schedule(time, Event::Deliver { to, from, sum, message });
            return Ok(());
        }
        self.statistics.delivered += 1;
        self.trace.note(self.now, to, 5, sum, || format!("<- {from:<3} {}", super::trace::Described(&message)));
        let mut heard = true;
        self.act(to, |actor, stage| heard = actor.hears(stage, &message))?;
        let Some(from) = self.nodes.get(from).map(|node| node.key).filter(|_| heard) else { return Ok(()) };
        self.step(to, Input::Message { from, message: Arc::unwrap_or_clone(message) })
    }

    pub(crate) fn step(&mut self, node: usize, input: Input) -> Verdict {
        let Some(core) = self.nodes.get_mut(node).and_then(|state| state.core.as_mut()) else { return Ok(()) };
        let outputs = core.step(input);
        self.perform(node, outputs)
    }

    /// Carries out outputs in order, then those of the answers that they asked for, until nothing is left.
    pub(crate) fn perform(&mut self, node: usize, mut outputs: Vec<Output>) -> Verdict {
        while !outputs.is_empty() {
            let finalises = outputs.iter().any(|output| matches!(output, Output::Finalised(_)));
            let mut answers = Vec::new();
            for output in outputs {
                if self.crash_between > 0 && self.random.chance(self.crash_between) {
                    let down = self.random.below(2_000_000);
                    self.crash(node, down);
                }
                if self.core(node).is_none() {
                    return Ok(());
                }
                answers.extend(self.carry_out(node, output)?);
            }
            if finalises && self.is_honest(node) {
                self.judge.covered(node)?;
            }
            outputs = Vec::new();
            for input in answers {
                let core = self.nodes.get_mut(node).and_then(|state| state.core.as_mut());
                outputs.extend(core.map(|core| core.step(input)).unwrap_or_default());
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, node: usize, output: Output) -> Result<Option<Input>, super::Violation> {
        let Some(state) = self.nodes.get_mut(node) else { return Ok(None) };
        let honest = state.is_honest();
        match output {
            Output::Persist { records, sync } => {
                if state.disk.append(records, sync).is_err() {
                    // As the real driver: a node that cannot log ends.
                    let down = state.repair;
                    self.crash(node, down);
                } else if sync {
                    state.busy_until = self.now.saturating_add(self.sync);
                }
            }
            Output::Send { to, message } => self.say(node, &to, message)?,
            Output::Gossip(message) => {
                let me = state.key;
                let to: Vec<_> = self.everyone.iter().copied().filter(|key| *key != me).collect();
                self.say(node, &to, message)?;
            }
            Output::StartTimer { height, after } => self.set_alarm(node, Alarm::Timeout, height, micros(after)),
            Output::MayPropose { height } => self.set_alarm(node, Alarm::Propose, height, self.pause),
            Output::BuildPayload { height, ancestors, room } => {
                let ancestors = unexecuted(state.application.last_height(), ancestors);
                let payload = state.application.propose(height, &ancestors, room);
                return Ok(Some(Input::Payload { height, payload }));
            }
            Output::Verify { height, digest, ancestors, payload } => {
                let ancestors = unexecuted(state.application.last_height(), ancestors);
                let verdict = state.application.verify(height, &ancestors, &payload);
                return Ok(Some(Input::Verified { digest, verdict }));
            }
            Output::Entered { height } => {
                self.trace.note(self.now, node, 6, height.0, || format!("enters height {height}"));
            }
            Output::Finalised(entry) => self.finalised(node, &entry)?,
            Output::TermEnded(ended) => {
                let next = self.next_committee(node, &ended);
                let first = next.first();
                self.trace
                    .note(self.now, node, 9, first.0, || format!("term {} begins at height {first}", next.term()));
                if honest {
                    self.judge.begins(node, &next)?;
                }
                return Ok(Some(Input::NextTerm(next)));
            }
            Output::Serve { to, pull } => self.serve(node, &to, &pull)?,
            Output::Evidence(evidence) if honest => {
                self.statistics.evidence += 1;
                self.judge.evidence(&evidence)?;
            }
            Output::Blame { peer, reason } if honest => {
                self.statistics.blamed += 1;
                self.judge.blamed(node, &peer, reason)?;
            }
            Output::Fault(fault) => {
                self.trace.note(self.now, node, 8, 0, || format!("stops voting: {fault}"));
                if honest {
                    return Err(super::Violation::Fault { node, fault });
                }
            }
            Output::Evidence(_) | Output::Blame { .. } => {}
        }
        Ok(None)
    }

    fn finalised(&mut self, node: usize, entry: &FinalEntry) -> Verdict {
        let Some(state) = self.nodes.get_mut(node) else { return Ok(()) };
        let block = &entry.block;
        let (height, digest) = (block.height, state.application.finalised(block));
        self.trace.note(self.now, node, 7, height.0, || {
            let how = if block.impeached { "impeached" } else { "its proposer's block" };
            format!("FINAL {height}: {how}")
        });
        if !state.is_honest() {
            return Ok(());
        }
        let validator = state.core.as_ref().is_some_and(|core| core.role() == Role::Validator);
        self.statistics.finalised(self.now, height, validator && !block.impeached);
        self.judge.finalised(node, entry, digest)
    }

    /// What the application says, or the next members in turn.
    fn next_committee(&mut self, node: usize, ended: &Committee) -> Committee {
        let pool = &self.pool;
        let shift = usize::try_from(ended.term().0).unwrap_or(0) + 1;
        let turn = pool.iter().cycle().skip(shift % pool.len().max(1)).take(ended.validators().len());
        let validators = turn.copied().collect();
        // Turns go on by height: another order each term could keep an honest proposer from ever having one.
        let proposers = ended.proposers().to_vec();
        let heights = ended.last().map(|last| last.next().0.saturating_sub(ended.first().0));
        let rotated = if self.pool.is_empty() { None } else { ended.next(validators, proposers, heights).ok() };
        let application = self.nodes.get_mut(node).map(|state| &mut state.application);
        rotated.or_else(|| Some(application?.next_committee(ended))).unwrap_or_else(|| ended.again())
    }

    /// Answers from the final blocks on disk.
    fn serve(&mut self, node: usize, to: &cpchain_crypto::PublicKey, pull: &Pull) -> Verdict {
        let Some(state) = self.nodes.get(node) else { return Ok(()) };
        let messages = answer(&state.disk.storage, pull).unwrap_or_default();
        messages.into_iter().try_for_each(|message| self.say(node, std::slice::from_ref(to), message))
    }

    /// What the core wants to send, through the actor above it.
    fn say(&mut self, node: usize, to: &[cpchain_crypto::PublicKey], message: Message) -> Verdict {
        if self.nodes.get(node).is_some_and(|state| state.actor.is_some()) {
            self.act(node, |actor, stage| actor.says(stage, to, message))
        } else {
            self.dispatch(node, to, message)
        }
    }

    /// Lets a node's actor act, if it has one, and carries out what it wants to send.
    pub(crate) fn act(&mut self, node: usize, play: impl FnOnce(&mut dyn Actor, &mut Stage<'_>)) -> Verdict {
        let Some(state) = self.nodes.get_mut(node) else { return Ok(()) };
        let Some(mut actor) = state.actor.take() else { return Ok(()) };
        let signer = Arc::clone(&state.signer);
        let me = state.key;
        let committee = state.core.as_ref().map_or(&self.committee, |core| core.committee());
        let others: Vec<_> = self.everyone.iter().copied().filter(|key| *key != me).collect();
        let mut stage =
            Stage { committee, signer: &*signer, others: &others, random: &mut self.random, sends: Vec::new() };
        play(&mut *actor, &mut stage);
        let sends = stage.sends;
        if let Some(state) = self.nodes.get_mut(node) {
            state.actor = Some(actor);
        }
        for (delay, to, message) in sends {
            if delay.is_zero() {
                self.dispatch(node, &to, message)?;
            } else {
                let time = self.now.saturating_add(micros(delay));
                self.schedule(time, Event::Leave(Box::new(Leave { from: node, to, message })));
            }
        }
        Ok(())
    }
}

fn unexecuted(done: Height, mut ancestors: Vec<FinalBlock>) -> Vec<FinalBlock> {
    ancestors.retain(|block| block.height > done);
    ancestors
}

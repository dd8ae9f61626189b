//! Puts messages on links. What arrives has gone through the codec.

use std::sync::Arc;

use cpchain_crypto::PublicKey;

use super::{
    keys::{Checksum, Keys},
    scenario::Passing,
    world::{Event, Verdict, World},
};
use crate::lbft::Message;

impl World {
    /// A message leaves a node for the nodes of these members.
    pub(crate) fn dispatch(&mut self, from: usize, to: &[PublicKey], message: Message) -> Verdict {
        self.judge.sent(&message)?;
        let bytes = message.encode();
        let mut sum = Checksum([1, 2]);
        sum.absorb(&bytes);
        let [sum, _] = sum.0;
        if let Message::Propose(proposal) = &message {
            self.statistics.proposed(self.now, proposal.block.height());
        }
        let size = bytes.len();
        let Ok(message) = Message::decode(bytes) else { return Ok(()) };
        let message = Arc::new(message);
        for key in to {
            let member = Keys::member(key);
            let copies = self.of_member.get(member).map_or(0, Vec::len);
            for copy in 0..copies {
                let Some(node) = self.of_member.get(member).and_then(|nodes| nodes.get(copy)).copied() else { break };
                if node != from {
                    self.post(from, node, sum, size, &message);
                }
            }
        }
        Ok(())
    }

    fn post(&mut self, from: usize, to: usize, sum: u64, size: usize, message: &Arc<Message>) {
        self.statistics.sent += 1;
        self.statistics.bytes += size as u64;
        let occupied = self.links.occupies(size);
        let Some(sender) = self.nodes.get_mut(from) else { return };
        let mut leaves = self.now.max(sender.busy_until);
        if occupied > 0 {
            leaves = leaves.max(sender.uplink_free).saturating_add(occupied);
            sender.uplink_free = leaves;
        }
        let slow = sender.slow + self.nodes.get(to).map_or(0, |node| node.slow);
        if self.cuts.iter().any(|cut| cut.stops(from, to)) {
            return;
        }
        if let Some(filter) = &self.filter
            && !filter(Passing { now: self.now(), from, to, message })
        {
            return;
        }
        if self.random.chance(self.links.loss) {
            return;
        }
        let copies = 1 + u32::from(self.random.chance(self.links.duplicate));
        for _ in 0..copies {
            let delay = self.links.sample(from, to, &mut self.random);
            let time = leaves.saturating_add(delay).saturating_add(slow);
            self.schedule(time, Event::Deliver { to, from, sum, message: Arc::clone(message) });
        }
    }
}

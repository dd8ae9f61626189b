use std::collections::BTreeMap;

use cpchain_crypto::{Digest, PublicKey};

use super::{Actor, Stage, about};
use crate::{
    ids::Height,
    lbft::{Kind, Message},
};

/// How often it speaks about one block.
const ROUNDS: u8 = 6;
/// Blocks that it remembers having spoken about.
const KEPT: usize = 256;

/// Signs every vote that it can think of about whatever it hears, and shows each to whom it likes: PREPAREs for both blocks of
/// an equivocating proposer, COMMIT beside IMPEACH PREPARE. Only the number of its votes about one block is bounded.
#[derive(Debug, Clone, Default)]
pub struct EquivocatingValidator {
    spoken: BTreeMap<(Height, Digest), u8>,
}

impl EquivocatingValidator {
    fn is_tired(&mut self, height: Height, digest: Digest) -> bool {
        let rounds = self.spoken.entry((height, digest)).or_default();
        *rounds = rounds.saturating_add(1);
        let tired = *rounds > ROUNDS;
        if self.spoken.len() > KEPT {
            self.spoken.pop_first();
        }
        tired
    }
}

impl Actor for EquivocatingValidator {
    fn name(&self) -> &'static str {
        "equivocating validator"
    }

    fn hears(&mut self, stage: &mut Stage<'_>, message: &Message) -> bool {
        let Some((mut height, digest)) = about(message) else { return true };
        if matches!(message, Message::Certificate(_)) && stage.random.chance(5_000) {
            height = height.next();
        }
        // About a third of the times, so that its rounds are spread over the time in which the block is talked about.
        if stage.random.chance(6_500) || self.is_tired(height, digest) {
            return true;
        }
        for kind in [Kind::Prepare, Kind::Commit, Kind::ImpeachPrepare] {
            let fits = kind == Kind::ImpeachPrepare || digest != Digest::ZERO;
            if fits
                && stage.random.chance(7_000)
                && let Some(vote) = stage.vote(kind, height, digest)
            {
                let to = stage.some(5_000);
                stage.send(&to, Message::Vote(vote));
            }
        }
        true
    }

    fn says(&mut self, stage: &mut Stage<'_>, to: &[PublicKey], message: Message) {
        if !matches!(message, Message::Vote(_)) {
            stage.send(to, message);
        }
    }
}

use cpchain_crypto::{Digest, PublicKey};

use super::{Actor, Stage, about};
use crate::lbft::{Kind, Message};

/// Signs every vote that it can think of about whatever it hears, and shows each to whom it likes: PREPAREs for both blocks of
/// an equivocating proposer, COMMIT beside IMPEACH PREPARE.
#[derive(Debug, Clone, Copy, Default)]
pub struct EquivocatingValidator;

impl Actor for EquivocatingValidator {
    fn name(&self) -> &'static str {
        "equivocating validator"
    }

    fn hears(&mut self, stage: &mut Stage<'_>, message: &Message) -> bool {
        if let Some((mut height, digest)) = about(message) {
            if matches!(message, Message::Certificate(_)) && stage.random.chance(5_000) {
                height = height.next();
            }
            for kind in [Kind::Prepare, Kind::Commit, Kind::ImpeachPrepare] {
                let fits = kind == Kind::ImpeachPrepare || digest != Digest::ZERO;
                if fits
                    && stage.random.chance(3_000)
                    && let Some(vote) = stage.vote(kind, height, digest)
                {
                    let to = stage.some(5_000);
                    stage.send(&to, Message::Vote(vote));
                }
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

use super::{Actor, Stage, about};
use crate::{
    ids::Height,
    lbft::{Kind, Message},
};

/// Takes part as the honest do, and also asks to impeach every height that it hears of, before and after its own COMMIT.
#[derive(Debug, Clone, Copy, Default)]
pub struct FalseImpeacher {
    highest: Height,
}

impl FalseImpeacher {
    fn impeach(stage: &mut Stage<'_>, height: Height) {
        if let Some(vote) = stage.vote(Kind::ImpeachPrepare, height, cpchain_crypto::Digest::ZERO) {
            let to = stage.others.to_vec();
            stage.send(&to, Message::Vote(vote));
        }
    }
}

impl Actor for FalseImpeacher {
    fn name(&self) -> &'static str {
        "false impeacher"
    }

    fn hears(&mut self, stage: &mut Stage<'_>, message: &Message) -> bool {
        if let Some((height, _)) = about(message)
            && height > self.highest
        {
            self.highest = height;
            Self::impeach(stage, height);
        }
        true
    }

    fn ticks(&mut self, stage: &mut Stage<'_>) {
        if self.highest > Height::GENESIS {
            Self::impeach(stage, self.highest);
        }
    }
}

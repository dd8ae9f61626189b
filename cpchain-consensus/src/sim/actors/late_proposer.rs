use std::time::Duration;

use cpchain_crypto::PublicKey;

use super::{Actor, Stage};
use crate::lbft::Message;

/// Follows the rules, but its blocks leave so much later: about when the timers run out, some validators PREPARE and some
/// ask to impeach.
#[derive(Debug, Clone, Copy)]
pub struct LateProposer(
    /// How much later.
    pub Duration,
);

impl Actor for LateProposer {
    fn name(&self) -> &'static str {
        "late proposer"
    }

    fn says(&mut self, stage: &mut Stage<'_>, to: &[PublicKey], message: Message) {
        let late = if matches!(message, Message::Propose(_)) { self.0 } else { Duration::ZERO };
        stage.send_after(late, to, message);
    }
}

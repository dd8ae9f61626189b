use cpchain_crypto::PublicKey;

use super::{Actor, Stage};
use crate::lbft::Message;

/// Says nothing, ever.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Actor for Silent {
    fn name(&self) -> &'static str {
        "silent"
    }

    fn hears(&mut self, _: &mut Stage<'_>, _: &Message) -> bool {
        false
    }

    fn says(&mut self, _: &mut Stage<'_>, _: &[PublicKey], _: Message) {}
}

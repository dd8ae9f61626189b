//! Messages that listings and orders share.

use prost::Message;

use crate::units;

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Amount {
    #[prost(uint64, tag = "1")]
    pub(crate) high: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) low: u64,
}

impl From<units::Amount> for Amount {
    fn from(amount: units::Amount) -> Self {
        let (high, low) = amount.halves();
        Self { high, low }
    }
}

impl From<Amount> for units::Amount {
    fn from(message: Amount) -> Self {
        Self::from_halves(message.high, message.low)
    }
}

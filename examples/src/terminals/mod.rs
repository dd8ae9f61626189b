//! A seller and a buyer, each in a terminal of its own: the programs `sell` and `buy`.
//!
//! Each runs a node that follows the chain, so that it believes nobody: it checks every certificate, executes every block, and searches a
//! catalogue that it made itself. [`NetworkFile`] is all that they need to know. The [`demo`](crate::demo) writes one:
//!
//! ```text
//! market demo --dir net                                                                   # terminal 1
//! sell --network net/network.json --key net/seller.key --input readings.csv --price 3     # terminal 2
//! buy  --network net/network.json --key net/buyer.key "hourly readings" --hit 1           # terminal 3
//! ```

mod buy;
mod network;
mod options;
mod party;
mod sell;

pub(crate) use self::party::node_key;
pub use self::{
    buy::{Receipt, buy},
    network::NetworkFile,
    options::{Buy, Joining, Sell},
    party::write_key,
    sell::sell,
};

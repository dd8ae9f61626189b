//! How a node protects itself: every peer has an account, and one that sends rubbish loses it for a time.
//!
//! | rule | test |
//! | --- | --- |
//! | Malformed frames, invalid records, wrong answers and stalled transfers cost points; points come back one a second; at 100 the peer is cut off and banned | `rubbish_gets_a_peer_banned`, `a_peer_that_sends_rubbish_is_cut_off` |
//! | Three banned peers of one network ban the network; loopback is nobody's network | `three_banned_peers_ban_their_network` |
//! | A peer's requests and bytes have a rate, above which it waits, and its streams a number, above which they are reset | `requests_and_bytes_have_a_rate`, `streams_and_buffers_are_counted` |
//! | A frame arrives at 64 KiB a second or its stream is cut; what waits in memory is bounded for each peer and for all | `a_slow_loris_is_cut_off`, `streams_and_buffers_are_counted` |
//! | Accounts are bounded in number; those with something against them stay longest | `accounts_are_bounded` |

mod account;
mod door;
mod gate;
mod ledger;
mod server;
mod watch;

pub use self::account::PeerLimits;
pub(crate) use self::{
    door::Door,
    gate::Gate,
    ledger::{Fault, Guard},
    server::Server,
    watch::{Watched, is_rubbish},
};

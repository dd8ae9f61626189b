//! Vehicles agree on right of way: a side chain of roadside gateways with a block period of milliseconds (white paper 2.5).
//!
//! Four or more gateways are validators and proposers of one chain: the engine, driver, network and log that every other chain of this
//! project runs, with an [`Application`](cpchain_consensus::Application) of its own ([`Crossing`]) and short intervals. Vehicles send signed
//! requests to `f + 1` gateways; the chain orders them; a [deterministic rule](rule) turns the order into slots. A vehicle believes a
//! grant once `f + 1` gateways say that it is final, so none of them can send two vehicles into each other.
//!
//! [`run`] plays three scenes over loopback sockets: all is well; a gateway crashes; a gateway lies (illicit blocks, two blocks at one
//! height, grants that nobody gave). The radio between gateways and vehicles is a channel of this process.
//!
//! | file | what it is |
//! | --- | --- |
//! | `crossing` | movements, and which of them conflict |
//! | `message` | what is said, signed |
//! | `rule` | from final messages to slots |
//! | `application` | the rule under the engine |
//! | `vehicle` | asks, waits, drives |
//! | `byzantine` | the gateway that lies |
//! | `audit` | the judge, which shares no code with the rule |
//! | `scene` | starts gateways and vehicles, and measures |

mod application;
mod audit;
mod byzantine;
mod crossing;
mod message;
mod options;
pub mod rule;
mod scene;
mod summary;
mod vehicle;

pub use {
    application::{Crossing, Notice},
    audit::Audit,
    crossing::{Arm, Movement, Turn},
    message::{MESSAGE_BYTES, Message, Say},
    options::Options,
    scene::{VehiclesError, run},
    summary::{Scene, Summary},
};

//! The catalogue lookup (engine B).

mod block;
mod client;
mod expand;
mod fold;
mod gadget;
mod kernel;
mod keys;
mod lattice;
mod listing;
mod page;
mod parameters;
mod publisher;
mod server;
mod table;
#[cfg(test)]
mod tests;
mod wire;

pub use {
    client::{CatalogueClient, Pending, Wanted},
    kernel::Kernel,
    keys::KeyLimits,
    listing::{Catalogue, Layout, Listing},
    parameters::ParameterSet,
    publisher::CataloguePublisher,
    server::{CatalogueServer, Stage},
};

//! The keyword search (engine K): which records have this term? By private retrieval of sealed buckets.
mod bucket;
mod client;
mod index;
mod kernel;
mod lwe;
mod parameters;
mod server;
mod wire;

pub use {
    client::{KeywordClient, Lookup, Page, Pending, PrepareError},
    index::{KeywordIndex, Posting},
    kernel::Kernel,
    parameters::ParameterSet,
    server::{KeywordServer, Shard, add_answers},
    wire::KeywordTable,
};

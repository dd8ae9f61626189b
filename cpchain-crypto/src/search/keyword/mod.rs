//! The keyword search (engine K): which records have this term? The host learns neither term nor records.
//!
//! # The table
//! A [`KeywordIndex`] (the owner) cuts the records of each [`Term`](super::Term) into pages of eight and puts each page into the **bucket** that a keyed hash
//! of term and page number names. A bucket is sealed as a whole, at a length that all have: 1 KiB, of which a rare term's posting takes 16 bytes.
//! One [`append`](KeywordIndex::append) makes one **segment** of buckets; [`compact`](KeywordIndex::compact) merges segments. Any number of hosts keep
//! them ([`KeywordServer`]), whole or in [`Shard`]s.
//!
//! # The query
//! A segment is a matrix of bytes `D`, a column for each bucket. To fetch column `c` the client sends an encryption of the vector that is 1 at `c` and 0 elsewhere:
//! `q = A·s + e + 2²⁴·[c]` modulo 2³², where `A` is a public random matrix, `s` a fresh secret and `e` a small error (Regev 2005; the retrieval is that of
//! Henzinger, Hong, Corrigan-Gibbs, Meiklejohn, Vaikuntanathan: *One Server for the Price of Two*, 2023). The host computes `D·q`, one
//! multiplication a byte. The client, who holds the **hint** `D·A`, subtracts `(D·A)·s`; what remains is the column times 2²⁴, plus noise far below it. The owner
//! knows the table, so nobody downloads a hint unless the owner gives it away with the state; that of a new segment is the work of that segment.
//!
//! A query fetches a fixed number of buckets from every segment, whatever is asked: for what was not asked, random ones.
//!
//! | for [`ParameterSet::Bucket1K`], 2²⁰ postings of as many terms | |
//! | --- | --- |
//! | at rest, and in the host's memory | 28 to 32 bytes a posting |
//! | query, a fetch | 112 to 128 KiB; 4 bytes a bucket |
//! | answer, a fetch | 4 KiB for each segment |
//! | client | 5 MiB of hint for each segment; tens of milliseconds beforehand, microseconds once the question is known |
//!
//! `cargo run --release --bin lab -- search` measures all of it, by kernel and by size.
//!
//! # What is guaranteed, and the tests that hold it
//! - Answers are exact: no record is missing, and none too many (`random_tables_agree_with_plaintext`, `records_of_rare_and_popular_terms`). A byte is read wrong with
//!   a probability below 2⁻¹³⁷, which would be noticed (`the_failure_is_this_unlikely`); the noise of answers from a table of 32 MiB stays 67 standard deviations from the
//!   threshold (`noise_stays_far_from_the_threshold`).
//! - The host learns how large segments are, when they are added or replaced, and the number of queries; queries and answers have one length each
//!   (`lengths_do_not_depend_on_the_question`). Breaking a query is estimated at 2¹³⁵ operations: see [`ParameterSet`].
//! - **An absence is proven, too.** The bucket that would have the term is opened with the key of its segment, and its number is in the nonce: a host can show no
//!   other bucket, no older one, and none of its own. So are the buckets that nobody asked for (`a_host_that_lies_is_seen`, `an_old_version_is_seen`). What
//!   it takes is that the client knows the newest state: a reader asks the owner for it.
//! - The answer to another query, a part twice, a part missing are refused (`a_host_that_lies_is_seen`, `shards_add_up_to_the_whole`).
//! - No secret serves two queries, wherever a client stops, and a query's number is durable before the query exists (`no_query_is_used_twice`,
//!   `nothing_is_asked_before_it_is_consumed`).
//! - Truncated and malformed bytes are errors, and a length is checked before memory is taken for it (`decoders_take_any_bytes`, `decoders_take_changed_bytes`,
//!   `lengths_are_checked_before_they_are_used`). All bytes are pinned (`bytes_are_these`).
//!
//! Not hidden: **whether a client asks on.** A term with more pages than one query fetches takes further queries; fetch as many pages each time as most
//! terms have. **That an answer was refused**: after [`SearchError::Tampered`](super::SearchError::Tampered) ask another host, with a new query, and do not tell the
//! first one more than that. All who have the key read all of the table, and can change it together with a host; so this is for an owner and readers who trust
//! each other, not for a public catalogue.
//!
//! ```
//! use cpchain_crypto::{Key, SystemEntropy, counter::{FileCounter, SealCounter}};
//! use cpchain_crypto::search::{Language, SearchClient, SearchServer};
//! use cpchain_crypto::search::keyword::{KeywordClient, KeywordIndex, KeywordServer, Lookup, ParameterSet, Posting, Shard};
//!
//! let mut entropy = SystemEntropy;
//! let mut index = KeywordIndex::new(Key::generate(&mut entropy)?, ParameterSet::Bucket1K, 2)?;
//! let mut host = KeywordServer::new(index.table(), Shard::WHOLE, 1 << 30);
//!
//! let texts = ["Door opened", "Window opened", "Doors closed"];
//! let mut postings = Vec::new();
//! for (record, text) in (0..).zip(texts) {
//!     postings.extend(Language::English.terms("log", text).into_iter().map(|term| Posting { term, record }));
//! }
//! host.apply(&index.append(&postings, &mut entropy)?)?;
//!
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let counter = SealCounter::open(FileCounter::open(folder)?)?;
//! let mut client = KeywordClient::new(index, Key::generate(&mut entropy)?, counter);
//! let asked: Vec<_> =
//!     Language::English.terms("log", "door, open").into_iter().map(|term| Lookup { term, page: 0 }).collect();
//! let (query, pending) = client.query(&asked, &mut entropy)?;
//! let answer = host.answer(&query)?;
//! let found = client.decode(pending, &answer)?;
//! // Both terms were asked in one query; who wants both takes what both pages have.
//! let both: Vec<_> = found[0].records.iter().filter(|record| found[1].records.contains(record)).collect();
//! assert_eq!(both, [&0]);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod bucket;
mod client;
mod index;
mod kernel;
mod lwe;
mod parameters;
mod server;
mod size;
mod wire;

pub use {
    client::{KeywordClient, Lookup, Page, Pending, PrepareError},
    index::{KeywordIndex, Posting},
    parameters::ParameterSet,
    server::{KeywordServer, Shard, add_answers},
    wire::KeywordTable,
};

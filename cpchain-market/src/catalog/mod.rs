//! The catalogue: all listings of the chain, searched in natural language.
//!
//! A catalogue is derived from the listing log and nothing else; lost or broken, it is filled again from there by a
//! [`Follower`](crate::sync::Follower). It is never exchanged between markets: each builds its own and comes to the same.

#[cfg(feature = "catalog")]
mod embedded;
mod query;
#[cfg(feature = "catalog")]
mod rows;
#[cfg(feature = "catalog")]
mod text;
#[cfg(feature = "catalog")]
mod words;

use cpchain_crypto::{Digest, PublicKey};

#[cfg(feature = "catalog")]
pub use embedded::TantivyCatalog;
pub use query::{Kind, MAX_HITS, MAX_QUERY, Query};

use crate::{
    book::{Account, Fact, FactKey, Preview, Standing, Trade},
    listing::{ListingId, SignedOperation},
    log::Cursor,
};

/// The last operation that was applied to a listing, and where it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The operation, verified. One without content is a withdrawal: the listing is gone for good.
    pub operation: SignedOperation,
    /// Its place in the log.
    pub at: Cursor,
}

/// A listing that a search found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Which listing.
    pub id: ListingId,
    /// How well it fits; comparable within one search only.
    pub score: f32,
}

/// Why a catalogue did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Its files contradict themselves or the signatures in them. [`Catalog::reset`] and follow the log again.
    #[error("the catalogue is broken and must be rebuilt from the log: {0}")]
    Broken(String),
    /// The disk failed, or another process has the catalogue open.
    #[error("the catalogue's files: {0}")]
    Io(String),
    /// The query is over its bound.
    #[error("a query has {MAX_QUERY} bytes of text at most and asks for 1 to {MAX_HITS} hits")]
    Query,
}

/// All listings, by id and by search.
pub trait Catalog {
    /// Where in the log the next operation is to be read: all before it is applied, nothing after it.
    ///
    /// # Errors
    /// [`CatalogError::Broken`] or [`CatalogError::Io`].
    fn cursor(&self) -> Result<Cursor, CatalogError>;

    /// The last operation applied to a listing, withdrawals too; verified on every read.
    ///
    /// # Errors
    /// [`CatalogError::Broken`] or [`CatalogError::Io`].
    fn get(&self, id: ListingId) -> Result<Option<Entry>, CatalogError>;

    /// Replaces what is known of each listing in `entries` (each listing once) and of each row in `facts` (each key once), and moves
    /// the cursor. All of it or nothing, also when the process is killed half-way. Searches see it once this returns.
    ///
    /// # Errors
    /// [`CatalogError::Broken`] or [`CatalogError::Io`].
    fn commit(&mut self, entries: &[Entry], facts: &[(FactKey, Fact)], next: Cursor) -> Result<(), CatalogError>;

    /// [`commit`](Self::commit) of listings alone.
    ///
    /// # Errors
    /// As there.
    fn apply(&mut self, entries: &[Entry], next: Cursor) -> Result<(), CatalogError> {
        self.commit(entries, &[], next)
    }

    /// A row of the [`book`](crate::book); signatures in it are verified on every read.
    ///
    /// # Errors
    /// [`CatalogError::Broken`] or [`CatalogError::Io`].
    fn fact(&self, key: FactKey) -> Result<Option<Fact>, CatalogError>;

    /// Up to `limit` rows whose key's bytes start with `prefix` and sort above `after`, in order of key.
    ///
    /// # Errors
    /// [`CatalogError::Broken`] or [`CatalogError::Io`].
    fn facts(&self, prefix: &[u8], after: Option<FactKey>, limit: usize) -> Result<Vec<(FactKey, Fact)>, CatalogError>;

    /// What buyers made of a listing: how often it was sold, and how it was rated. A hit's row in a list of hits.
    ///
    /// # Errors
    /// As [`fact`](Self::fact).
    fn standing(&self, id: ListingId) -> Result<Standing, CatalogError> {
        match self.fact(FactKey::Standing(id))? {
            Some(Fact::Standing(standing)) => Ok(standing),
            _ => Ok(Standing::default()),
        }
    }

    /// The preview of a listing, if its seller offered one.
    ///
    /// # Errors
    /// As [`fact`](Self::fact).
    fn preview(&self, id: ListingId) -> Result<Option<Preview>, CatalogError> {
        let (Some(manifest), Some(listing)) = (self.standing(id)?.preview, self.get(id)?) else { return Ok(None) };
        match self.fact(FactKey::Preview(listing.operation.operation().seller, manifest))? {
            Some(Fact::Preview(preview)) => Ok(Some(*preview)),
            _ => Ok(None),
        }
    }

    /// Totals of an account as a seller and as a buyer.
    ///
    /// # Errors
    /// As [`fact`](Self::fact).
    fn account(&self, account: PublicKey) -> Result<Account, CatalogError> {
        match self.fact(FactKey::Account(account))? {
            Some(Fact::Account(account)) => Ok(account),
            _ => Ok(Account::default()),
        }
    }

    /// Up to `limit` orders that an account sold or bought, in the order in which they ended, those that ended after `after` only.
    ///
    /// # Errors
    /// As [`fact`](Self::fact).
    fn history(&self, account: PublicKey, after: Option<&Trade>, limit: usize) -> Result<Vec<Trade>, CatalogError> {
        let prefix = [b"h", &account.0[..]].concat();
        let after = after.map(|trade| FactKey::History(account, trade.at, trade.record.order));
        let mut trades = Vec::new();
        for (key, _) in self.facts(&prefix, after, limit)? {
            let FactKey::History(_, _, order) = key else { continue };
            match self.fact(FactKey::Trade(order))? {
                Some(Fact::Trade(trade)) => trades.push(*trade),
                _ => return Err(CatalogError::Broken(format!("a history names order {order}, which is not there"))),
            }
        }
        Ok(trades)
    }

    /// Up to `limit` answers to something wanted, one of each seller.
    ///
    /// # Errors
    /// As [`fact`](Self::fact).
    fn answers(&self, wanted: ListingId, limit: usize) -> Result<Vec<Entry>, CatalogError> {
        let answers = self.facts(&[b"a", &wanted.0.0[..]].concat(), None, limit)?;
        let answers = answers.into_iter().filter_map(|(_, fact)| match fact {
            Fact::Answer(answer) => Some(*answer),
            _ => None,
        });
        Ok(answers.collect())
    }

    /// The listings that fit best, best first, or what is wanted if the query asks for that. Withdrawn and expired ones are never
    /// found, and every hit has been verified. What buyers rated well comes before what fits as well.
    ///
    /// # Errors
    /// [`CatalogError`].
    fn search(&self, query: &Query) -> Result<Vec<Hit>, CatalogError>;

    /// A hash over all rows in order of id: equal in two markets exactly when their rows are, bit for bit.
    ///
    /// # Errors
    /// [`CatalogError::Broken`] or [`CatalogError::Io`].
    fn digest(&self) -> Result<Digest, CatalogError>;

    /// Forgets everything; the cursor is at the start.
    ///
    /// # Errors
    /// [`CatalogError::Io`].
    fn reset(&mut self) -> Result<(), CatalogError>;
}

//! Orders that end in different ways.

use cpchain_crypto::SigningKey;
use cpchain_market::{
    escrow::{Command, Event, OrderId},
    listing::SignedOperation,
};

use super::goods::{Listed, Sold};
use crate::{
    adapters::{
        ChainClient, UmbralJudge,
        chain::{EscrowModule, read_order},
    },
    share::{
        ShareError,
        actors::Actors,
        buyer::{Buyer, Fetched, Find},
        error::During,
        hosts::Hosts,
    },
};

type EscrowKind = EscrowModule<UmbralJudge>;

/// Buyers, one for each order.
pub(super) const BUYERS: usize = 5;

/// What is bought: the first two weeks of March 2010.
const WANTED: std::ops::Range<u64> = 1_267_401_600_000..1_268_611_200_000;

/// With what buyers are made.
pub(super) struct Buyers<'a> {
    pub(super) actors: &'a Actors,
    pub(super) hosts: &'a Hosts,
    pub(super) account: &'a (dyn Fn(SigningKey) -> ChainClient + Sync),
}

impl Buyers<'_> {
    /// Buyer number `index` with what it fetched and verified of a listing.
    async fn ready(&self, index: usize, listing: &SignedOperation) -> Result<(Buyer, Find, Fetched), ShareError> {
        let (key, seed) = (self.actors.key("buyer", index), self.actors.secret("buyer", index));
        let storage = self.hosts.client(&self.actors.secret("buyer storage client", index)).await?;
        let mut entropy = self.actors.entropy(&format!("buyer {index}"));
        let buyer = Buyer::new((self.account)(key), storage, seed, &mut entropy)?;
        let find = buyer.inspect(listing.clone()).await?;
        let fetched = buyer.fetch(&find, &WANTED).await?;
        Ok((buyer, find, fetched))
    }

    async fn send(&self, index: usize, order: OrderId, event: Event) -> Result<(), ShareError> {
        let client = (self.account)(self.actors.key("buyer", index));
        send(&client, order, event).await
    }
}

/// One order settled, one delivered, one taken back, one without an answer, one whose seller accepts and does not grant.
pub(super) async fn place(buyers: &Buyers<'_>, sold: &[Sold], listed: &Listed) -> Result<(), ShareError> {
    let (buyer, find, fetched) = buyers.ready(0, &listed.answered).await?;
    let mut bought = buyer.buy(&find, &fetched).await?;
    buyer.open(&find, &fetched, &bought)?;
    buyer.confirm(&mut bought).await?;

    let (buyer, find, fetched) = buyers.ready(1, &listed.answered).await?;
    buyer.buy(&find, &fetched).await?;

    let (buyer, find, fetched) = buyers.ready(2, &listed.unanswered).await?;
    let taken_back = buyer.offer(&find, &fetched).await?;
    buyers.send(2, taken_back, Event::Cancel).await?;

    let (buyer, find, fetched) = buyers.ready(3, &listed.unanswered).await?;
    buyer.offer(&find, &fetched).await?;

    let (buyer, find, fetched) = buyers.ready(4, &listed.unanswered).await?;
    let forgotten = buyer.offer(&find, &fetched).await?;
    let careless = sold.get(1).during("looking for the second seller")?;
    let client = &careless.seller.client;
    let order = read_order(client.view(), &forgotten).during("reading an order")?;
    let accept = careless.seller.accept(&order, &careless.uploaded)?;
    send(client, forgotten, accept).await
}

async fn send(client: &ChainClient, order: OrderId, event: Event) -> Result<(), ShareError> {
    let payload = EscrowKind::payload(&Command::Event { order, event });
    client.execute(EscrowKind::KIND, payload).await.map(drop).during("moving an order")
}

//! `sell`: a seller in a terminal of its own.

use std::{path::Path, sync::Arc, time::Duration};

use cpchain_consensus::ledger::Amount;
use cpchain_market::{
    escrow::{Command, Event, Order, State},
    listing::{Listing, SignedOperation},
};
use cpchain_storage::StreamId;

use super::{
    network::NetworkFile,
    options::Sell,
    party::{Party, short},
};
use crate::{
    adapters::{
        UmbralJudge,
        chain::{EscrowModule, EscrowNotice, ListingModule, read_order},
    },
    share::{
        Options, ShareError,
        error::During,
        progress::Progress,
        seller::{Seller, sign_listing},
        source::{Source, show},
    },
};

/// Sells until it is told to stop.
///
/// # Errors
/// [`ShareError`].
pub async fn sell(options: &Sell, stop: impl Future<Output = ()>) -> Result<(), ShareError> {
    let source = Source::whole(&options.input)?;
    let wrong = |_| ShareError::Input(format!("--price {}: not an amount of CPC", options.price));
    let price: Amount = options.price.parse().map_err(wrong)?;
    let mut progress = Progress::start();
    progress.begin("join the network", 1);
    let network = NetworkFile::read(&options.joining.network)?;
    let party = Party::join(&network, &options.joining.key, options.joining.state.as_deref()).await?;
    let account = party.account();
    let balance = party.client.view().balance(&account);
    progress.end(0, format!("account {account} with {balance} CPC, height {}", party.client.view().height()));

    let name = options.stream.clone().unwrap_or_else(|| source.subject().replace(' ', "-"));
    let stream = StreamId::new(account.into(), name).during("naming the stream")?;
    let proxies = party.proxies(&network.proxies()?).await?;
    let client = party.client.clone();
    let seller = Arc::new(Seller::new(client, stream, party.storage.clone(), &party.actors));

    progress.begin("seal", 1);
    let sealing = sealing(&options.input)?;
    let uploads = seller.seal(&source, &sealing, party.dir()).await?;
    let bytes: usize = uploads.iter().map(|upload| upload.object.len()).sum();
    let intervals: usize = uploads.iter().map(|upload| upload.manifest.body().intervals.len()).sum();
    progress.end(bytes as u64, format!("{} rows in {intervals} intervals with a key each", source.table.len()));

    progress.begin("store and vouch", uploads.len());
    let uploaded = Arc::new(seller.upload(&uploads, &[], &progress).await?);
    progress.end(uploaded.stored_bytes, format!("{} signed receipts of hosts", uploaded.receipts));

    progress.begin("list", 1);
    let listing = listing(&seller, &source, &proxies, options, price)?;
    let payload = listing.as_bytes().to_vec().into();
    party.client.execute(ListingModule::KIND, payload).await.during("publishing the listing")?;
    let content = listing.content().during("reading a listing")?;
    progress.end(0, format!("«{}», {price} CPC an interval, listing {}", content.title, listing.listing_id()));
    let (steps, _) = progress.finish();
    drop(steps);

    println!("for sale: «{}»", content.title);
    println!(
        "  {} to {}, {intervals} intervals of {} days each, {price} CPC an interval",
        show(content.from_ms),
        show(content.to_ms),
        f64::from(crate::share::source::BLOCKS_PER_INTERVAL) * source.period_ms as f64 / 86_400_000.0,
    );
    println!("  answering orders; Ctrl-C ends that");
    let agent = seller.clone().serve_orders(uploaded);
    tokio::select! {
        () = stop => {}
        () = report(&party, options.orders) => {}
    }
    agent.abort();
    party.leave().await;
    Ok(())
}

/// How `seal` is told about the file.
fn sealing(input: &Path) -> Result<Options, ShareError> {
    use clap::Parser as _;
    let options = Options::try_parse_from(["sell"]).during("setting up the gateway")?;
    Ok(Options { input: input.to_owned(), ..options })
}

fn listing(
    seller: &Seller,
    source: &Source,
    proxies: &[(cpchain_otp::records::ProxyId, cpchain_crypto::PublicKey, String)],
    options: &Sell,
    price: Amount,
) -> Result<SignedOperation, ShareError> {
    let signed = seller.listing(source, proxies)?;
    let content = signed.content().cloned().during("describing the data")?;
    let content = Listing {
        title: options.title.clone().unwrap_or(content.title),
        category: options.category.clone(),
        price: cpchain_market::Amount(price.0),
        ..content
    };
    sign_listing(content, seller.client.key())
}

/// Prints what happens to orders on this account's listings, until so many are settled.
async fn report(party: &Party, orders: Option<u32>) {
    let (account, view) = (party.account(), party.client.view());
    let mut cursor = cpchain_consensus::ledger::Cursor::default();
    let mut settled = 0;
    while orders.is_none_or(|orders| settled < orders) {
        let Ok(page) = view.events(Some(EscrowModule::<UmbralJudge>::KIND), cursor, 100) else { return };
        if page.next == cursor {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        }
        cursor = page.next;
        for event in &page.events {
            let Some(notice) = EscrowNotice::from_bytes(&event.data) else { continue };
            let Some(order) = read_order(view, &notice.order).filter(|order| order.seller() == account) else {
                continue;
            };
            let id: String = notice.order.to_string().chars().take(8).collect();
            println!("block {:>4}  order {id}  {}", event.height, in_words(notice.command.as_ref(), &order));
            settled += u32::from(matches!(notice.command, Some(Command::Event { event: Event::Confirm, .. })));
        }
    }
}

fn in_words(command: Option<&Command>, order: &Order) -> String {
    match command {
        Some(Command::Offer(terms)) => format!(
            "{} offers {} CPC for intervals {} to {}",
            short(&order.buyer()),
            Amount(terms.price.0),
            terms.intervals.start,
            terms.intervals.end.saturating_sub(1),
        ),
        Some(Command::Event { event, .. }) => match event {
            Event::Accept { .. } => "accepted; the chain drew its proxies".to_owned(),
            Event::Grant { .. } => "granted: sealed key fragments are on the chain".to_owned(),
            Event::Fragments(_) => "a proxy handed over, verified by the chain".to_owned(),
            Event::Confirm => format!("confirmed: {} CPC are yours", Amount(order.terms().price.0)),
            Event::Cancel => "taken back by the buyer".to_owned(),
            Event::Complain(_) | Event::BadGrant { .. } => format!("disputed; it ends as {:?}", order.state()),
        },
        Some(Command::OfferStream(_) | Command::Stream { .. }) => "a stream order".to_owned(),
        None if order.state() == State::Settled => "settled by time: the price is yours".to_owned(),
        None => format!("a deadline passed: {:?}", order.state()),
    }
}

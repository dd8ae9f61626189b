//! What is for sale: two sealed streams in several listings, one of them with a price that changed.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use cpchain_crypto::{PublicKey, Signer, SigningKey};
use cpchain_market::{
    Amount,
    listing::{Action, Listing, Operation, SignedOperation},
};
use cpchain_otp::records::ProxyId;
use tokio::task::JoinHandle;

use crate::{
    adapters::{ChainClient, chain::ListingModule},
    share::{
        ShareError,
        actors::Actors,
        error::During,
        market::other_listings,
        options::default_input,
        seller::{Seller, Uploaded, sign_listing},
        source::Source,
    },
};

const CPC: u128 = 1_000_000_000_000_000_000;

/// Rows of the second stream, with the header: the first ten weeks.
const SECOND_ROWS: usize = 1 + 24 * 70;

/// A seller with what it sealed and stored.
pub(super) struct Sold {
    pub(super) seller: Arc<Seller>,
    pub(super) source: Source,
    pub(super) uploaded: Arc<Uploaded>,
}

/// The listings that orders are placed on.
pub(super) struct Listed {
    /// Of the first seller, who answers.
    pub(super) answered: SignedOperation,
    /// Of the second one, who does not.
    pub(super) unanswered: SignedOperation,
}

/// The source files: the whole year, and ten weeks of its wind and temperature.
pub(super) fn inputs(dir: &Path) -> Result<[PathBuf; 2], ShareError> {
    let whole = default_input();
    let text = fs::read_to_string(&whole).during("reading the source")?;
    let part = dir.join("elliott-bay-wind.csv");
    let cut = text.lines().take(SECOND_ROWS).map(|line| {
        let cells: Vec<_> = line.split(',').collect();
        [cells.first(), cells.get(3), cells.get(2)].into_iter().flatten().copied().collect::<Vec<_>>().join(",")
    });
    fs::write(&part, cut.collect::<Vec<_>>().join("\n")).during("writing the second source")?;
    Ok([whole, part])
}

/// Publishes everything and waits until the chain has it.
pub(super) async fn list(
    sold: &[Sold],
    proxies: &[(ProxyId, PublicKey, String)],
    operator: &ChainClient,
    actors: &Actors,
) -> Result<Listed, ShareError> {
    let [first, second] = sold else {
        return Err(ShareError::Failed { doing: "listing", why: "two sellers are needed".to_owned() });
    };
    let (key, other) = (first.seller.client.key(), second.seller.client.key());
    let whole = content(first, proxies)?;
    let whole = Listing {
        title: "Hourly weather of Seattle, 2010".to_owned(),
        description: format!(
            "Air pressure, temperature and wind of a whole year, one reading an hour, sealed day by day. {}",
            whole.description
        ),
        tags: tags(&["weather", "seattle", "temperature", "wind", "pressure"]),
        category: "climate".to_owned(),
        price: Amount(7 * CPC),
        ..whole
    };
    let spring = Listing {
        title: "Spring temperatures of Seattle".to_owned(),
        description: "The same sealed stream, for those who need March to May only: buy weeks 9 to 21. \
                      Degrees Celsius, hourly."
            .to_owned(),
        tags: tags(&["temperature", "spring", "seattle"]),
        price: Amount(5 * CPC),
        from_ms: 1_267_401_600_000,
        to_ms: 1_275_350_400_000,
        ..whole.clone()
    };
    let wind = Listing {
        title: "Wind over Elliott Bay".to_owned(),
        description: "Wind speed and temperature, hourly, for sailors and turbines. The seller answers on Mondays."
            .to_owned(),
        tags: tags(&["wind", "sailing", "seattle"]),
        category: "climate".to_owned(),
        price: Amount(2 * CPC),
        ..content(second, proxies)?
    };
    let whole_signed = sign_listing(whole.clone(), key)?;
    let cheaper = |sequence, price| {
        let content = Listing { price: Amount(price), ..whole.clone() };
        update(key, whole_signed.listing_id(), sequence, content)
    };
    let revised = [cheaper(1, 6 * CPC)?, cheaper(2, 5 * CPC)?];
    let unanswered = sign_listing(wind, other)?;
    let mut all = vec![whole_signed, sign_listing(spring, key)?, unanswered.clone()];
    all.extend(other_listings(actors)?);
    all.extend(revised.iter().cloned());
    for operation in &all {
        let payload = operation.as_bytes().to_vec().into();
        operator.execute(ListingModule::KIND, payload).await.during("publishing a listing")?;
    }
    let [_, answered] = revised;
    Ok(Listed { answered, unanswered })
}

/// The first seller answers orders.
pub(super) fn serve(sold: &[Sold]) -> Vec<JoinHandle<()>> {
    sold.iter().take(1).map(|sold| sold.seller.clone().serve_orders(sold.uploaded.clone())).collect()
}

fn content(sold: &Sold, proxies: &[(ProxyId, PublicKey, String)]) -> Result<Listing, ShareError> {
    let signed = sold.seller.listing(&sold.source, proxies)?;
    signed.content().cloned().during("describing a stream")
}

fn update(
    key: &SigningKey,
    listing: cpchain_market::listing::ListingId,
    sequence: u64,
    content: Listing,
) -> Result<SignedOperation, ShareError> {
    let operation = Operation { seller: key.public_key(), sequence, action: Action::Update { listing, content } };
    operation.sign(key).during("changing a price")
}

fn tags(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

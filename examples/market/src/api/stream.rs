//! `GET /stream`: final blocks as they come.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures::{Stream, stream};

use super::{chain::BlockRow, error::ApiError};
use crate::App;

/// A comment is sent when there was no news for so long: it shows that the stream lives, and finds readers that are gone.
const PING: Duration = Duration::from_secs(15);

pub(super) async fn stream(
    State(app): State<Arc<App>>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let place = app.streams.clone().try_acquire_owned().map_err(|_| ApiError::Busy)?;
    let live = app.node.subscribe();
    let events = stream::unfold((live, place), |(mut live, place)| async move {
        let entry = live.next().await?;
        let row = serde_json::to_string(&BlockRow::of(&entry)).ok()?;
        let event = Event::default().event("block").id(entry.block.height.to_string()).data(row);
        Some((Ok(event), (live, place)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(PING)))
}

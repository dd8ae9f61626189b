//! The HTTP side: few connections, small bodies, no patience.

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use cpchain_consensus::Height;
use http_body_util::{BodyExt as _, Either, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, ORIGIN},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};

use super::{Rpc, answer, patient::Patient, stream};
use crate::metrics;

/// Most bytes of a request's body: a transaction of the largest size in hexadecimal digits, with room around it.
pub const MAX_BODY: usize = 160 << 10;
const MAX_HEADERS: usize = 16 << 10;
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
const REQUEST_WITHIN: Duration = Duration::from_secs(75);

/// A client that takes nothing for so long loses its connection.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

type Body = Either<Full<Bytes>, UnsyncBoxBody<Bytes, Infallible>>;

/// Answers until `stop` says so; then ends all connections.
pub(crate) async fn serve(listener: TcpListener, rpc: Rpc, connections: usize, mut stop: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(connections));
    // Readers that stay leave half of the slots to others.
    let streams = Arc::new(Semaphore::new(connections.div_ceil(2)));
    let mut tasks = JoinSet::new();
    loop {
        // Who comes when all slots are taken waits in the system's queue.
        let slot = tokio::select! {
            slot = slots.clone().acquire_owned() => slot,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Ok(slot) = slot else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        while tasks.try_join_next().is_some() {}
        match accepted {
            Ok((socket, from)) => {
                let (rpc, streams) = (rpc.clone(), streams.clone());
                tasks.spawn(async move {
                    connection(socket, from, rpc, streams).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "no connection was taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    tasks.shutdown().await;
}

async fn connection(socket: tokio::net::TcpStream, from: SocketAddr, rpc: Rpc, streams: Arc<Semaphore>) {
    let _ = socket.set_nodelay(true);
    let service = service_fn(move |request| {
        let (rpc, streams) = (rpc.clone(), streams.clone());
        async move { Ok::<_, Infallible>(route(&rpc, &streams, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(MAX_HEADERS)
        .serve_connection(TokioIo::new(Patient::new(socket, TAKEN_WITHIN)), service);
    if let Err(error) = pin!(served).await {
        tracing::debug!(%from, %error, "a connection broke");
    }
}

async fn route(rpc: &Rpc, streams: &Arc<Semaphore>, request: Request<Incoming>) -> Response<Body> {
    if request.headers().contains_key(ORIGIN) {
        return text(StatusCode::FORBIDDEN, "pages of a browser are not served\n");
    }
    let path = request.uri().path().to_owned();
    match (request.method().clone(), path.as_str()) {
        (Method::POST, "/") => {
            let answered = tokio::time::timeout(REQUEST_WITHIN, call(rpc, request)).await;
            answered.unwrap_or_else(|_| text(StatusCode::REQUEST_TIMEOUT, "the request took too long\n"))
        }
        (Method::GET, "/metrics") => {
            let page = metrics::page(&rpc.node, &rpc.network, &rpc.view, &rpc.outbox);
            with_type(text(StatusCode::OK, page), "text/plain; version=0.0.4")
        }
        (Method::GET, "/subscribe") => match from_height(request.uri().query()) {
            Some(from) => match streams.clone().try_acquire_owned() {
                Ok(place) => subscription(rpc, from, place),
                Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "too many subscriptions: try again later\n"),
            },
            None => text(StatusCode::BAD_REQUEST, "write /subscribe?from=HEIGHT\n"),
        },
        (_, "/" | "/metrics" | "/subscribe") => text(StatusCode::METHOD_NOT_ALLOWED, "POST /, GET the others\n"),
        _ => text(StatusCode::NOT_FOUND, "there are /, /metrics and /subscribe\n"),
    }
}

fn subscription(rpc: &Rpc, from: Option<Height>, place: OwnedSemaphorePermit) -> Response<Body> {
    let events = stream::events(&rpc.node, from.unwrap_or(rpc.view.height().next()), place);
    with_type(Response::new(Either::Right(StreamBody::new(events).boxed_unsync())), "text/event-stream")
}

/// `None` for a query that is not understood, `Some(None)` without one.
fn from_height(query: Option<&str>) -> Option<Option<Height>> {
    match query {
        None | Some("") => Some(None),
        Some(query) => query.strip_prefix("from=")?.parse().ok().map(|height| Some(Height(height))),
    }
}

async fn call(rpc: &Rpc, request: Request<Incoming>) -> Response<Body> {
    let Ok(body) = Limited::new(request.into_body(), MAX_BODY).collect().await else {
        return text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long or broke off\n");
    };
    let response = answer(rpc, &body.to_bytes()).await;
    match serde_json::to_vec(&response) {
        Ok(json) => with_type(text(StatusCode::OK, json), "application/json"),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(body.into())));
    *response.status_mut() = status;
    response
}

fn with_type(mut response: Response<Body>, kind: &'static str) -> Response<Body> {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_or_refused() {
        assert_eq!(from_height(None), Some(None));
        assert_eq!(from_height(Some("from=7")), Some(Some(Height(7))));
        assert_eq!(from_height(Some("from=-1")), None);
        assert_eq!(from_height(Some("to=7")), None);
    }
}

//! Connections: few, with little patience.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::{Request, body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tower::ServiceExt as _;

use crate::{
    App,
    api::{Peer, router},
};
use cpchain_node::rpc::patient::Patient;

/// Connections at once; who comes then waits in the system's queue.
pub const CONNECTIONS: usize = 512;
const MAX_HEADERS: usize = 16 << 10;
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// A client that takes nothing for so long loses its connection.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

/// Answers until `stop` holds `true` or its sender is gone; then ends all connections.
pub async fn serve(listener: TcpListener, app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let router = router(app);
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        while tasks.try_join_next().is_some() {}
        match accepted {
            Ok((socket, peer, slot)) => {
                let router = router.clone();
                tasks.spawn(async move {
                    connection(socket, peer, router).await;
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

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (socket, peer) = listener.accept().await?;
    Ok((socket, peer, slot))
}

async fn connection(socket: TcpStream, peer: SocketAddr, router: Router) {
    let _ = socket.set_nodelay(true);
    let named = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer.ip()));
        request
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(MAX_HEADERS)
        .serve_connection(TokioIo::new(Patient::new(socket, TAKEN_WITHIN)), TowerToHyperService::new(named));
    if let Err(error) = served.await {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}

//! A door in front of a server: forwards bytes, and slams when told to.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub struct Gate {
    pub address: SocketAddr,
    /// Bytes of answers that still pass.
    left: Arc<AtomicI64>,
}

impl Gate {
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Self { address: listener.local_addr().unwrap(), left: Arc::new(AtomicI64::new(i64::MAX)) };
        let left = gate.left.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if left.load(Ordering::SeqCst) > 0 {
                    tokio::spawn(pass(client, server, left.clone()));
                }
            }
        });
        gate
    }

    /// After so many more bytes of answers every connection breaks, and new ones with them.
    pub fn slam_after(&self, bytes: i64) {
        self.left.store(bytes, Ordering::SeqCst);
    }

    pub fn is_shut(&self) -> bool {
        self.left.load(Ordering::SeqCst) <= 0
    }

    pub fn open(&self) {
        self.left.store(i64::MAX, Ordering::SeqCst);
    }
}

async fn pass(client: TcpStream, server: SocketAddr, left: Arc<AtomicI64>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let ask = async { tokio::io::copy(&mut from_client, &mut to_server).await };
    let answer = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(len @ 1..) = from_server.read(&mut buffer).await {
            let before = left.fetch_sub(len as i64, Ordering::SeqCst);
            let pass = len.min(before.max(0) as usize);
            if to_client.write_all(&buffer[..pass]).await.is_err() || pass < len {
                return;
            }
        }
    };
    tokio::select! {
        _ = ask => {}
        () = answer => {}
    }
}

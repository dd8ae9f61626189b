//! TCP proxies in every link, so that a test can cut, hold and delay it without privileges.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// What a link does.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    Pass = 0,
    /// Connections break, new ones are refused.
    Cut = 1,
    /// Connections stand and nothing comes through.
    Hold = 2,
}

#[derive(Default)]
struct Link {
    mode: AtomicU8,
    delay_ms: AtomicU64,
}

/// The links of all pairs of nodes. Clones are the same links.
#[derive(Clone)]
pub struct Links {
    count: usize,
    links: Arc<Vec<Link>>,
}

impl Links {
    pub fn new(count: usize) -> Self {
        Self { count, links: Arc::new((0..count * count).map(|_| Link::default()).collect()) }
    }

    /// The link of a pair, whoever dialled.
    fn index(&self, a: usize, b: usize) -> usize {
        a.min(b) * self.count + a.max(b)
    }

    pub fn set(&self, a: usize, b: usize, mode: Mode) {
        self.links[self.index(a, b)].mode.store(mode as u8, Ordering::SeqCst);
    }

    pub fn delay(&self, a: usize, b: usize, delay: Duration) {
        self.links[self.index(a, b)].delay_ms.store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// Nobody inside of `group` reaches anybody outside.
    pub fn part(&self, group: &[usize], mode: Mode) {
        for a in 0..self.count {
            for b in 0..a {
                if group.contains(&a) != group.contains(&b) {
                    self.set(a, b, mode);
                }
            }
        }
    }

    pub fn heal(&self) {
        for link in self.links.iter() {
            link.mode.store(Mode::Pass as u8, Ordering::SeqCst);
            link.delay_ms.store(0, Ordering::SeqCst);
        }
    }

    /// Listens for what `from` sends to `to`, which listens on `port`; returns the port for `from`.
    pub async fn open(&self, from: usize, to: usize, port: u16) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (links, index) = (self.links.clone(), self.index(from, to));
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let links = links.clone();
                tokio::spawn(async move {
                    if links[index].mode.load(Ordering::SeqCst) == Mode::Cut as u8 {
                        return;
                    }
                    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    let _ = (near.set_nodelay(true), far.set_nodelay(true));
                    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                    // One side that ends ends both.
                    tokio::select! {
                        () = forward(near_in, far_out, &links[index]) => {}
                        () = forward(far_in, near_out, &links[index]) => {}
                    }
                });
            }
        });
        own
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, link: &Link) {
    let mut buffer = vec![0; 64 << 10];
    let tick = Duration::from_millis(20);
    loop {
        let read = match tokio::time::timeout(tick, from.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(read)) => read,
            Err(_) => 0,
        };
        let delay = link.delay_ms.load(Ordering::SeqCst);
        if read > 0 && delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        loop {
            match link.mode.load(Ordering::SeqCst) {
                mode if mode == Mode::Cut as u8 => return,
                mode if mode == Mode::Hold as u8 => tokio::time::sleep(tick).await,
                _ => break,
            }
        }
        if read > 0 && to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

//! Services, and whatever strangers throw at a node.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::{io::Write as _, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use common::{World, client, data};
use cpchain_crypto::{PublicKey, SeededEntropy};
use cpchain_otp::{
    ClientError, NodeConfig, ProxyNode, Refusal, RefusalCode,
    host::Service,
    transport::{TcpConfig, TcpTransport, Transport as _},
};
use futures::{AsyncReadExt as _, AsyncWriteExt as _};

/// Gives the request back backwards, with the caller's key in front.
struct Mirror;

#[async_trait]
impl Service for Mirror {
    fn name(&self) -> &str {
        "mirror"
    }

    async fn call(&self, caller: PublicKey, request: Bytes) -> Result<Bytes, Refusal> {
        match request.as_ref() {
            b"no" => Err(Refusal::new(RefusalCode::NoGrant, "you said it")),
            b"more" => Ok(vec![0; 3 << 20].into()),
            _ => Ok(caller.0.iter().chain(request.iter().rev()).copied().collect::<Vec<u8>>().into()),
        }
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, ClientError>) -> RefusalCode {
    match result.unwrap_err() {
        ClientError::Refused(refusal) => refusal.code,
        error => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_answers_callers_within_bounds() {
    let world = World::new();
    let config = NodeConfig { max_call: 2 << 20, ..Default::default() };
    let node = ProxyNode::start(config, &[2; 32], world.parts().service(Arc::new(Mirror))).await.unwrap();
    let client = client(3, &node).await;
    let request = data(1 << 20);
    let answer = client.call("mirror", request.clone()).await.unwrap();
    assert_eq!(answer[..32], client.key().0);
    assert!(answer[32..].iter().eq(request.iter().rev()));
    assert_eq!(client.call("mirror", Bytes::new()).await.unwrap(), client.key().0.as_slice());

    assert_eq!(code(client.call("mirror", Bytes::from_static(b"no")).await), RefusalCode::NoGrant);
    assert_eq!(code(client.call("mirror", Bytes::from_static(b"more")).await), RefusalCode::TooLarge);
    assert_eq!(code(client.call("mirror", data((2 << 20) + 1)).await), RefusalCode::TooLarge);
    assert_eq!(code(client.call("other", request).await), RefusalCode::Unsupported);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_does_not_disturb_a_node() {
    use cpchain_crypto::Entropy as _;
    let world = World::new();
    let node = common::node(2, world.parts()).await;
    let root = node.objects().insert(data(1000)).await.unwrap();
    world.label(root, true);
    let mut entropy = SeededEntropy::new(&[1; 32]);

    // Straight on the socket, before any handshake.
    let port: u16 = node.address().split('/').nth(4).unwrap().parse().unwrap();
    for length in [1, 100, 10_000] {
        let mut noise = vec![0; length];
        entropy.fill(&mut noise).unwrap();
        let mut socket = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let _ = socket.write_all(&noise);
    }
    // Inside an authenticated stream: noise as a length and as a message, half a message, a silent stream.
    let stranger = TcpTransport::start(&[8; 32], TcpConfig::default()).await.unwrap();
    for length in [1u32, 4, 50, 1000] {
        for framed in [false, true] {
            let mut noise = vec![0; length as usize];
            entropy.fill(&mut noise).unwrap();
            let mut stream = stranger.open(&node.address()).await.unwrap().stream;
            if framed {
                stream.write_all(&length.to_be_bytes()).await.unwrap();
            }
            stream.write_all(&noise).await.unwrap();
            stream.close().await.unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            assert!(answer.len() < 1000);
        }
    }
    let _silent = stranger.open(&node.address()).await.unwrap();
    let client = client(3, &node).await;
    assert_eq!(client.fetch(root).bytes(1000).await.unwrap(), data(1000));
}

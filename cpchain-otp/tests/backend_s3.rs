//! Objects in a bucket of an S3 server that is not ours. `tests/backends/run.sh` runs these tests against moto.
#![cfg(feature = "s3")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use common::{
    World, client, data,
    gate::Gate,
    node,
    promises::{keeps_its_promises, put},
    server::{Server, free_port, program},
};
use cpchain_otp::backend::{Backend, BackendError, OpendalBackend, Retry, S3Bucket};

fn moto(port: u16) -> Server {
    let mut command = Command::new(program("OTP_MOTO"));
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
    let server = Server::start(&mut command, port);
    let mut stream = TcpStream::connect(server.address).unwrap();
    write!(
        stream,
        "PUT /sealed HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        server.address
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server
}

fn bucket(address: SocketAddr) -> OpendalBackend {
    let bucket = S3Bucket {
        endpoint: format!("http://{address}"),
        bucket: "sealed".into(),
        region: "us-east-1".into(),
        root: "/".into(),
        access_key_id: "id".into(),
        secret_access_key: "secret".into(),
    };
    assert!(!format!("{bucket:?}").contains("secret_access"));
    OpendalBackend::s3(&bucket).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an S3 server: tests/backends/run.sh"]
async fn a_bucket_keeps_the_promises_of_a_backend() {
    let server = moto(free_port());
    keeps_its_promises(Arc::new(bucket(server.address))).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an S3 server: tests/backends/run.sh"]
async fn a_proxy_serves_a_bucket_through_an_outage() {
    let server = moto(free_port());
    let gate = Gate::before(server.address).await;
    let backend = Retry::new(bucket(gate.address), 12, Duration::from_millis(50));
    let world = World::new();
    let node = node(2, world.parts_over(Arc::new(backend))).await;
    let size = 6 << 20;
    let root = node.objects().insert(data(size)).await.unwrap();
    world.label(root, true);
    let mut fetch = client(3, &node).await.fetch(root);
    gate.slam_after(2 << 20);
    let mut got = Vec::new();
    let outage = tokio::spawn(async move {
        while !gate.is_shut() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        gate.open();
        gate
    });
    while let Some(piece) = fetch.next().await.unwrap() {
        got.extend(piece);
    }
    outage.await.expect("the server was away");
    assert_eq!(got, data(size));
    assert!(fetch.faults().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an S3 server: tests/backends/run.sh"]
async fn a_break_is_an_error_to_try_again_and_leaves_no_half_value() {
    let port = free_port();
    let mut server = moto(port);
    let gate = Gate::before(server.address).await;
    let backend = bucket(gate.address);
    put(&backend, "whole", data(300_000)).await.unwrap();
    gate.slam_after(100_000);
    let error = backend.read("whole", 0..300_000).await.unwrap_err();
    assert!(matches!(error, BackendError::Transient(_)), "{error:?}");
    // Two parts go up, then the server is gone.
    gate.open();
    let mut writer = backend.write("half").await.unwrap();
    writer.append(data(9 << 20)).await.unwrap();
    gate.slam_after(0);
    let failed = match writer.append(data(9 << 20)).await {
        Ok(()) => writer.finish().await,
        failed => failed,
    };
    assert!(matches!(failed, Err(BackendError::Transient(_))), "{failed:?}");
    gate.open();
    assert_eq!(backend.len("half").await.unwrap(), None);
    assert_eq!(backend.read("whole", 0..300_000).await.unwrap(), data(300_000));

    server.kill();
    let error = bucket(server.address).len("whole").await.unwrap_err();
    assert!(matches!(error, BackendError::Transient(_)), "{error:?}");
}

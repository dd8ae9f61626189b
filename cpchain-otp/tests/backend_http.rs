//! Objects on a web server that is not ours. `tests/backends/run.sh` runs these tests against nginx.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use common::{
    World, client, data, node,
    promises::reads_exactly,
    server::{Server, free_port, program},
};
use cpchain_crypto::Digest;
use cpchain_otp::{
    FetchError, Objects, ObjectsConfig,
    backend::{Backend, BackendError, OpendalBackend, Retry},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

fn nginx(folder: &Path, port: u16) -> Server {
    let text = format!(
        "daemon off; master_process off; error_log stderr crit; pid {0}/pid;\nevents {{ worker_connections 128; }}\n\
         http {{ access_log off; client_body_temp_path {0}/t1; proxy_temp_path {0}/t2; fastcgi_temp_path {0}/t3;\n\
         uwsgi_temp_path {0}/t4; scgi_temp_path {0}/t5;\n\
         server {{ listen 127.0.0.1:{port}; root {0}/www; location /whole/ {{ max_ranges 0; alias {0}/www/; }} }} }}\n",
        folder.display()
    );
    let path = folder.join("nginx.conf");
    std::fs::write(&path, text).unwrap();
    let mut command = Command::new(program("OTP_NGINX"));
    command.arg("-e").arg("stderr").arg("-p").arg(folder).arg("-c").arg(&path).stdout(Stdio::null());
    Server::start(&mut command, port)
}

/// Puts an object where nginx finds it.
async fn publish(folder: &Path, data: Bytes) -> Digest {
    let files = Arc::new(OpendalBackend::file_system(&folder.join("www")).unwrap());
    Objects::new(vec![files], None, ObjectsConfig::default()).insert(data).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a web server: tests/backends/run.sh"]
async fn a_web_server_keeps_the_promises_of_reading() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("www")).unwrap();
    let sizes = [0, 1, 16_384, 300_000, 9 << 20].map(|size| (format!("value-{size}"), size));
    for (name, size) in &sizes {
        std::fs::write(folder.path().join("www").join(name), data(*size)).unwrap();
    }
    let server = nginx(folder.path(), free_port());
    let backend = Arc::new(OpendalBackend::http(&format!("http://{}", server.address)).unwrap());
    reads_exactly(backend.clone(), &sizes).await;
    assert!(matches!(backend.delete("value-1").await, Err(BackendError::Permanent(_))), "read only");
    match backend.write("new").await {
        Err(error) => assert!(matches!(error, BackendError::Permanent(_)), "{error:?}"),
        Ok(_) => panic!("read only"),
    }
    // A server that ignores ranges never passes off other bytes as the range.
    let whole = OpendalBackend::http(&format!("http://{}/whole", server.address)).unwrap();
    assert!(whole.read("value-300000", 4..8).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a web server: tests/backends/run.sh"]
async fn a_server_killed_in_the_middle_of_a_transfer_comes_back_and_the_transfer_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let size = 8 << 20;
    let root = publish(folder.path(), data(size)).await;
    let port = free_port();
    let mut server = nginx(folder.path(), port);
    let http = || OpendalBackend::http(&format!("http://127.0.0.1:{port}")).unwrap();
    let world = World::new();
    world.label(root, true);
    let backend = Retry::new(http(), 12, Duration::from_millis(50));
    let node = node(2, world.parts_over(Arc::new(backend))).await;
    let mut fetch = client(3, &node).await.fetch(root);
    let mut got = Vec::new();
    while got.len() < 1 << 20 {
        got.extend(fetch.next().await.unwrap().unwrap());
    }
    server.kill();
    let error = http().read(&format!("objects/{root}"), 0..1).await.unwrap_err();
    assert!(matches!(error, BackendError::Transient(_)), "{error:?}");
    let path = folder.path().to_owned();
    let restart = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(300));
        nginx(&path, port)
    });
    while let Some(piece) = fetch.next().await.unwrap() {
        got.extend(piece);
    }
    assert_eq!(got, data(size));
    assert!(fetch.faults().is_empty(), "the proxy waited for its storage");
    drop(restart.await.unwrap());
}

/// How a web server of the enemy answers.
#[derive(Clone, Copy)]
enum Habit {
    FlipsABit,
    CutsTheBody,
    SendsTooMuch,
}

/// A web server over a folder that sends every group of data wrong in its own way. Outboards are left alone.
async fn enemy(folder: std::path::PathBuf, habit: Habit) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let folder = folder.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                let head = String::from_utf8_lossy(&head).to_lowercase();
                let path = head.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
                let Ok(file) = std::fs::read(folder.join(&path)) else {
                    let _ =
                        stream.write_all(b"HTTP/1.1 404 no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
                    return;
                };
                let range = head.split("range: bytes=").nth(1).and_then(|rest| rest.split("\r\n").next());
                let (from, to) = match range.and_then(|range| range.split_once('-')) {
                    Some((from, to)) => (from.parse().unwrap(), to.parse::<usize>().unwrap() + 1),
                    None => (0, file.len()),
                };
                let mut body = file[from..to].to_vec();
                let claimed = body.len();
                if !path.ends_with(".bao") && !head.starts_with("head") {
                    match habit {
                        Habit::FlipsABit => body[claimed / 2] ^= 1,
                        Habit::CutsTheBody => body.truncate(claimed / 2),
                        Habit::SendsTooMuch => body.extend([7; 1000]),
                    }
                }
                let said = if matches!(habit, Habit::SendsTooMuch) { body.len().max(claimed) } else { claimed };
                let status = if range.is_some() { "206 part" } else { "200 ok" };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {said}\r\nContent-Range: bytes {from}-{}/{}\r\nConnection: close\r\n\r\n",
                    to - 1,
                    file.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                if !head.starts_with("head") {
                    let _ = stream.write_all(&body).await;
                }
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs with the others: tests/backends/run.sh"]
async fn wrong_cut_and_long_bodies_never_reach_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    let size = 300_000;
    let root = publish(folder.path(), data(size)).await;
    let world = World::new();
    world.label(root, true);
    let good = node(9, world.parts()).await;
    good.objects().insert(data(size)).await.unwrap();
    for (seed, habit) in [(2, Habit::FlipsABit), (4, Habit::CutsTheBody), (5, Habit::SendsTooMuch)] {
        let url = enemy(folder.path().join("www"), habit).await;
        let backend = Retry::new(OpendalBackend::http(&url).unwrap(), 2, Duration::from_millis(5));
        let bad = node(seed, world.parts_over(Arc::new(backend))).await;
        assert_eq!(bad.objects().find(&root).await.unwrap().unwrap().size(), size as u64);
        let alone = client(3, &bad).await;
        let error = alone.fetch(root).bytes(size).await.unwrap_err();
        assert!(matches!(error, FetchError::NoSource { .. }), "{error}");
        let mut both = alone.fetch(root).or(&alone.also(&good.address()).await.unwrap());
        assert_eq!(both.bytes(size).await.unwrap(), data(size));
    }
}

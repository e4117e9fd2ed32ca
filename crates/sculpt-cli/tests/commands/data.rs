use crate::*;
use std::io::{Read, Write};
use std::net::TcpListener;

#[test]
fn offline_fetches_nothing() {
    let folder = Folder::new();
    let says = ["--offline", "CIFAR-10", "cifar-10-binary.tar.gz"];
    refused(&folder, "data get cifar10 --data d --offline", 1, &says);
    assert!(!folder.join("d").exists());
}

/// A server of three bytes: not the archive, and so nothing stays.
#[test]
fn other_bytes_are_refused() {
    let folder = Folder::new();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/cifar-100-binary.tar.gz", server.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc")
            .unwrap();
    });
    refused(
        &folder,
        &format!("data get cifar100 --data d --url {url}"),
        1,
        &[&url, "SHA-256"],
    );
    answering.join().unwrap();
    assert_eq!(std::fs::read_dir(folder.join("d")).unwrap().count(), 0);
}

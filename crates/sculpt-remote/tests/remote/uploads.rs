//! A folder as a whole: sent once, the list last, whatever breaks.

use crate::server::{Fault, Server, text};
use sculpt_remote::{Remote, RemoteError, Uploaded, upload};
use std::fs;
use std::path::Path;

const FILES: [&str; 5] = ["c/1", "list.json", "c/2", "list.sha256", "c/3"];
const LAST: [&str; 2] = ["list.sha256", "list.json"];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("c")).unwrap();
    for file in FILES {
        fs::write(folder.path().join(file), file).unwrap();
    }
    folder
}

fn send(remote: &Remote, folder: &Path) -> Result<Uploaded, RemoteError> {
    upload(remote, folder, &FILES.map(str::to_owned), &LAST, &mut |_| {})
}

fn written(server: &Server) -> Vec<String> {
    let asked = server.asked().into_iter();
    asked
        .filter(|asked| !asked.starts_with("GET") && !asked.starts_with("HEAD"))
        .map(|asked| asked.replace("/bucket/a/", ""))
        .collect()
}

#[test]
fn what_is_there_is_not_sent_again() {
    let (server, folder) = (Server::new(), folder());
    let remote = server.bucket();
    let done = send(&remote, folder.path()).unwrap();
    assert_eq!((done.sent, done.were_there, done.sent_bytes), (5, 0, 29));
    let order = [
        "PUT c/1",
        "PUT c/2",
        "PUT c/3",
        "PUT list.sha256",
        "PUT list.json",
    ];
    assert_eq!(written(&server), order);
    let done = send(&remote, folder.path()).unwrap();
    assert_eq!((done.sent, done.were_there), (0, 5));
    assert_eq!(written(&server), [""; 0]);
}

/// Until the last file is there, the list is not.
#[test]
fn cut_off_it_goes_on() {
    let (server, folder) = (Server::new(), folder());
    let remote = server.bucket();
    server.fails("PUT", "/c/2", Fault::Status(403, ""));
    let said = text(send(&remote, folder.path()));
    assert!(said.starts_with("s3://bucket/a/c/2 cannot be written"), "{said}");
    server.fails("PUT", "/list.json", Fault::Status(403, ""));
    text(send(&remote, folder.path()));
    assert!(server.look(|state| !state.objects.contains_key("/bucket/a/list.json")));
    written(&server);
    let done = send(&remote, folder.path()).unwrap();
    assert_eq!((done.sent, done.were_there), (1, 4));
    assert_eq!(written(&server), ["PUT list.json"]);
}

/// While files are replaced there is no list, and nobody takes the mixture for whole.
#[test]
fn the_list_goes_before_anything_is_replaced() {
    let (server, folder) = (Server::new(), folder());
    let remote = server.bucket();
    send(&remote, folder.path()).unwrap();
    fs::write(folder.path().join("c/2"), "other").unwrap();
    fs::write(folder.path().join("list.json"), "other list").unwrap();
    written(&server);
    server.fails("PUT", "/c/2", Fault::Status(403, ""));
    text(send(&remote, folder.path()));
    let left = server.look(|state| state.objects.keys().cloned().collect::<Vec<_>>());
    assert_eq!(left, ["/bucket/a/c/1", "/bucket/a/c/2", "/bucket/a/c/3"]);
    let order = ["DELETE list.json", "DELETE list.sha256", "PUT c/2"];
    assert_eq!(written(&server), order);
    let done = send(&remote, folder.path()).unwrap();
    assert_eq!((done.sent, done.were_there), (3, 2));
    assert_eq!(written(&server), ["PUT c/2", "PUT list.sha256", "PUT list.json"]);
}

/// An object of the same length that another program put there is no proof.
#[test]
fn only_hashes_count() {
    let (server, folder) = (Server::new(), folder());
    let remote = server.bucket();
    server.put("/bucket/a/c/1", b"c/2");
    send(&remote, folder.path()).unwrap();
    assert_eq!(
        server.look(|state| state.objects["/bucket/a/c/1"].clone()),
        b"c/1"
    );
}

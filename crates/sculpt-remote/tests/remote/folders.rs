//! Folders that several machines finish at once.

use crate::server::{Conditions, Fault, Server, text};
use sculpt_remote::{Index, Pushed, RemoteFolders};
use sculpt_store::digest::Digest;
use sculpt_store::sealed::seal;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use tempfile::TempDir;

fn id() -> String {
    "ab".repeat(32)
}

/// A folder of a result and what is no part of it.
fn made(result: &str, time: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("state"), result).unwrap();
    fs::write(folder.path().join("time"), time).unwrap();
    folder
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn push(folders: &RemoteFolders, folder: &TempDir) -> Result<Pushed, sculpt_remote::RemoteError> {
    folders.push(
        &id(),
        folder.path(),
        &names(&["state", "time"]),
        &names(&["state"]),
    )
}

fn content(folders: &RemoteFolders) -> (Vec<u8>, Vec<u8>) {
    let to = tempfile::tempdir().unwrap();
    let index = folders.index(&id()).unwrap().unwrap();
    let pull = |name: &str| {
        folders.pull(&index, name, &to.path().join(name)).unwrap();
        fs::read(to.path().join(name)).unwrap()
    };
    (pull("state"), pull("time"))
}

fn index_path() -> String {
    format!("/bucket/a/ab/{}/index.json", id())
}

#[test]
fn the_first_to_finish_is_kept() {
    let server = Server::new();
    let folders = RemoteFolders::new(server.bucket());
    assert_eq!(folders.index(&id()).unwrap(), None);
    assert_eq!(push(&folders, &made("1", "slow")).unwrap(), Pushed::Finished);
    // The same result in another time.
    assert_eq!(push(&folders, &made("1", "fast")).unwrap(), Pushed::WasThere);
    let before = server.look(|state| state.objects.clone());
    let said = text(push(&folders, &made("2", "fast")));
    let (theirs, ours) = (Digest::of(b"1").sha256, Digest::of(b"2").sha256);
    let due = format!(
        "{} of s3://bucket/a was finished by another machine with another state (SHA-256 {theirs}, here {ours}); nothing was overwritten",
        id()
    );
    assert_eq!(said, due);
    assert_eq!(server.look(|state| state.objects.clone()), before);
    assert_eq!(content(&folders), (b"1".to_vec(), b"slow".to_vec()));
    let finished = folders.finished().unwrap().unwrap();
    assert_eq!(finished, BTreeMap::from([(id(), names(&["state", "time"]))]));
}

/// Both saw nothing there, and one was faster.
#[test]
fn a_race_ends_in_one_result() {
    for (other, ends) in [("1", "same"), ("2", "was finished by another machine")] {
        for conditions in [Conditions::Kept, Conditions::Unknown] {
            let server = Server::with(conditions);
            let folders = RemoteFolders::new(server.bucket());
            let digest = Digest::of(other.as_bytes());
            let files = BTreeMap::from([("state".to_owned(), digest)]);
            let theirs = seal(&Index { folder: id(), files }).unwrap();
            let theirs = theirs.as_bytes().to_vec();
            server.fails("PUT", &index_path(), Fault::Meanwhile(theirs.clone()));
            let pushed = push(&folders, &made("1", "fast"));
            match ends {
                "same" => assert_eq!(pushed.unwrap(), Pushed::WasThere),
                _ => assert!(text(pushed).contains(ends)),
            }
            assert_eq!(server.look(|state| state.objects[&index_path()].clone()), theirs);
        }
    }
}

/// Cut off anywhere before the index, nothing counts as finished, and the next push sends what is missing.
#[test]
fn half_a_folder_is_none() {
    let server = Server::with(Conditions::Ignored);
    let folders = RemoteFolders::new(server.bucket());
    let folder = made("1", "fast");
    server.fails("PUT", "-time", Fault::Status(403, ""));
    text(push(&folders, &folder));
    assert_eq!(folders.index(&id()).unwrap(), None);
    assert!(folders.finished().unwrap().unwrap().is_empty());
    server.asked();
    assert_eq!(push(&folders, &folder).unwrap(), Pushed::Finished);
    let puts = server
        .asked()
        .iter()
        .filter(|asked| asked.starts_with("PUT"))
        .count();
    assert_eq!(puts, 2, "one file and the index");
}

#[test]
fn further_results_are_added() {
    let server = Server::new();
    let folders = RemoteFolders::new(server.bucket());
    let folder = made("1", "fast");
    push(&folders, &folder).unwrap();
    fs::write(folder.path().join("more"), "3").unwrap();
    let (all, results) = (names(&["state", "time", "more"]), names(&["state", "more"]));
    assert_eq!(
        folders.push(&id(), folder.path(), &all, &results).unwrap(),
        Pushed::Finished
    );
    assert_eq!(folders.index(&id()).unwrap().unwrap().files.len(), 3);
    // Whoever has others brings those that are there first.
    let others = made("1", "slow");
    fs::write(others.path().join("other"), "4").unwrap();
    let (all, results) = (names(&["state", "time", "other"]), names(&["state", "other"]));
    let pushed = folders.push(&id(), others.path(), &all, &results).unwrap();
    assert_eq!(pushed, Pushed::Lacks(folders.index(&id()).unwrap().unwrap()));
    // Whoever has fewer finds them there.
    assert_eq!(push(&folders, &made("1", "slow")).unwrap(), Pushed::WasThere);
}

#[test]
fn hostile_indices_are_refused() {
    let server = Server::new();
    let folders = RemoteFolders::new(server.bucket());
    let index = |folder: &str, name: &str, sha256: &str| {
        let digest = Digest {
            sha256: sha256.to_owned(),
            bytes: 1,
        };
        let files = BTreeMap::from([(name.to_owned(), digest)]);
        seal(&Index {
            folder: folder.to_owned(),
            files,
        })
        .unwrap()
    };
    let hash = Digest::of(b"1").sha256;
    for (text_there, says) in [
        (index(&id(), "../../x", &hash), "it lists \"../../x\""),
        (index(&id(), "/etc/x", &hash), "it lists \"/etc/x\""),
        (index(&id(), "x", "../../y"), "with SHA-256 \"../../y\""),
        (index(&"cd".repeat(32), "x", &hash), "it is of \"cdcd"),
        (
            index(&id(), "x", &hash).replace("\"bytes\": 1,", "\"bytes\": 2,"),
            "a byte of it was changed",
        ),
        (
            "{\"folder\":\"x\",\"files\":{}}".to_owned(),
            "it lacks its own SHA-256",
        ),
        ("<html>".to_owned(), "is no list of ours"),
    ] {
        server.put(&index_path(), text_there.as_bytes());
        let said = text(folders.index(&id()));
        assert!(
            said.contains(says) && said.contains("index.json is no list of ours"),
            "{said}"
        );
        text(push(&folders, &made("1", "fast")));
    }
    server.put(&index_path(), &vec![b' '; (1 << 22) + 1]);
    assert!(text(folders.index(&id())).contains("more than the 4194304 bytes"));
    // A list names a file that is not there, or another one.
    server.put(&index_path(), index(&id(), "x", &hash).as_bytes());
    let read = folders.index(&id()).unwrap().unwrap();
    let to = tempfile::tempdir().unwrap();
    let said = text(folders.pull(&read, "x", &to.path().join("x")));
    assert!(said.ends_with("-x is not there"), "{said}");
    server.put(&format!("/bucket/a/ab/{}/{hash}-x", id()), b"2");
    let said = text(folders.pull(&read, "x", &to.path().join("x")));
    assert!(said.contains("it was thrown away"), "{said}");
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 0);
}

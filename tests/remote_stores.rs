//! Stores in remote places: several machines, each with a cache that is too small.

#[allow(dead_code, reason = "the tests of sculpt-remote use the rest")]
#[path = "../crates/sculpt-remote/tests/remote/server.rs"]
mod server;

use crate::states::{Pair, ask_for_epoch_1, pair, run_node};
use sculpt_experiments::{Ended, NodeId, RemoteStore, StateRef, Store};
use sculpt_remote::{RemoteFolders, Room};
use server::{Fault, Server};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Nothing fits into a cache of no bytes: every state is pulled again when it is read.
const NONE: Room = Room {
    most_bytes: 0,
    in_use: Duration::ZERO,
};

const ENOUGH: Room = Room {
    most_bytes: 1 << 30,
    in_use: Duration::ZERO,
};

fn machine(server: &Server, runs: &Path, room: Room) -> Store {
    let folders = RemoteFolders::new(server.open("s3://bucket/runs"));
    Store::new(runs).with_remote(Some(Arc::new(RemoteStore::new(folders, room))))
}

fn describe(pair: &Pair, store: &Store) -> Vec<NodeId> {
    for (id, entry) in pair.recipe.iter() {
        store.describe(id, entry).unwrap();
    }
    pair.recipe.iter().map(|(id, _)| id.clone()).collect()
}

fn bytes(store: &Store, state: &StateRef) -> Vec<u8> {
    fs::read(store.place(state).unwrap().path).unwrap()
}

#[test]
fn a_cache_without_room_gives_the_same_states() {
    let (server, folder) = (Server::new(), tempfile::tempdir().unwrap());
    let (pair, plain) = (pair(), Store::new(folder.path().join("plain")));
    let store = machine(&server, &folder.path().join("a"), NONE);
    for id in describe(&pair, &plain) {
        assert_eq!(run_node(&plain, &id).0.unwrap(), Ended::Done);
    }
    for id in describe(&pair, &store) {
        assert_eq!(run_node(&store, &id).0.unwrap(), Ended::Done);
    }
    // What made room for the last one, and comes again.
    assert!(!store.node_folder(&pair.first.id).exists());
    for state in [&pair.first, &pair.second, &pair.first] {
        assert!(store.has(state));
        assert_eq!(bytes(&store, state), bytes(&plain, state));
        assert_eq!(
            store.metrics(&state.id).unwrap(),
            plain.metrics(&state.id).unwrap()
        );
    }
    assert!(store.load(&pair.second).unwrap().sha256() == plain.load(&pair.second).unwrap().sha256());
    assert_eq!(
        store.timing(&pair.first.id).unwrap().is_some(),
        plain.timing(&pair.first.id).unwrap().is_some()
    );
    assert_eq!(
        store.ids().unwrap().len(),
        1,
        "the cache holds what was read last"
    );
    assert_eq!(store.all_ids().unwrap().len(), 3);
}

/// Another machine finds all done, and reads what it was not there for; an epoch more is added to what the first one made.
#[test]
fn another_machine_goes_on_from_there() {
    let (server, folder) = (Server::new(), tempfile::tempdir().unwrap());
    let mut pair = pair();
    let first = machine(&server, &folder.path().join("a"), ENOUGH);
    for id in describe(&pair, &first) {
        run_node(&first, &id).0.unwrap();
    }
    let second = machine(&server, &folder.path().join("b"), ENOUGH);
    for (id, entry) in pair.recipe.iter() {
        assert!(second.is_done(id, entry));
    }
    describe(&pair, &second);
    assert_eq!(run_node(&second, &pair.second.id).0.unwrap(), Ended::WasDone);
    assert_eq!(bytes(&second, &pair.second), bytes(&first, &pair.second));

    ask_for_epoch_1(&mut pair, &second, 1);
    let more = StateRef {
        epoch: 1,
        ..pair.first.clone()
    };
    assert!(!second.has(&more));
    assert_eq!(run_node(&second, &pair.first.id).0.unwrap(), Ended::Done);
    let third = machine(&server, &folder.path().join("c"), ENOUGH);
    assert!(third.has(&more) && third.has(&pair.first));
    assert_eq!(bytes(&third, &more), bytes(&second, &more));
    assert_eq!(bytes(&third, &pair.first), bytes(&first, &pair.first));
    third.load(&more).unwrap();
}

/// A server that is away trains nothing anew and hides nothing: the node says what stands in the way.
#[test]
fn what_cannot_be_asked_is_said() {
    let (server, folder) = (Server::new(), tempfile::tempdir().unwrap());
    let pair = pair();
    let first = machine(&server, &folder.path().join("a"), ENOUGH);
    let ids = describe(&pair, &first);
    run_node(&first, &ids[0]).0.unwrap();
    let second = machine(&server, &folder.path().join("b"), ENOUGH);
    describe(&pair, &second);
    (0..2).for_each(|_| server.fails("GET", "/index.json", Fault::Status(403, "")));
    let said = run_node(&second, &ids[0]).0.unwrap_err().to_string();
    assert!(
        said.contains("/index.json cannot be read: the server answered 403"),
        "{said}"
    );
    server.look(|state| state.objects.retain(|path, _| !path.ends_with(".safetensors")));
    server.fails("GET", "/index.json", Fault::Status(503, ""));
    let state = StateRef {
        id: ids[0].clone(),
        epoch: 0,
    };
    let third = machine(&server, &folder.path().join("c"), ENOUGH);
    let said = third.load(&state).unwrap_err().to_string();
    assert!(
        said.contains("could not be brought: ") && said.contains("is not there"),
        "{said}"
    );
}

//! Suites and stores in remote places, served by the S3 of sculpt-remote's tests.

#[allow(dead_code, reason = "the tests of sculpt-remote use the rest")]
#[path = "../../../sculpt-remote/tests/remote/server.rs"]
mod server;

use crate::recipe_suites::RECIPE;
use crate::*;
use sculpt_remote::Index;
use sculpt_store::digest::Digest;
use sculpt_store::sealed::{open, seal};
use server::{Fault, SECRET, Server};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// A machine with a folder and a cache of its own.
struct Machine<'a> {
    folder: Folder,
    server: &'a Server,
}

impl<'a> Machine<'a> {
    fn new(server: &'a Server) -> Self {
        let folder = Folder::new();
        fs::write(folder.join("mine.toml"), RECIPE).unwrap();
        Self { folder, server }
    }

    fn with(&self, line: &str, variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sculpt"));
        command
            .args(line.split_whitespace())
            .env("AWS_ENDPOINT_URL", &self.server.url)
            .env("AWS_ACCESS_KEY_ID", "who")
            .env("AWS_SECRET_ACCESS_KEY", format!("{SECRET}-secret"))
            .env("AWS_SESSION_TOKEN", format!("{SECRET}-token"))
            .env("HF_ENDPOINT", &self.server.url)
            .env("HF_TOKEN", format!("{SECRET}-hub"))
            .env("SCULPT_CACHE", self.folder.join("cache"))
            .envs(variables.iter().copied())
            .current_dir(self.folder.path());
        let output = command.output().unwrap();
        for bytes in [&output.stdout, &output.stderr] {
            let said = String::from_utf8_lossy(bytes);
            assert!(
                !said.contains(SECRET) && !said.contains("X-Amz"),
                "{line}: {said}"
            );
        }
        output
    }

    /// Both outputs of a command that succeeds.
    #[track_caller]
    fn ok(&self, line: &str) -> String {
        let output = self.with(line, &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {said}");
        said + &String::from_utf8_lossy(&output.stdout)
    }

    /// A command that fails with this code, and says all of these things.
    #[track_caller]
    fn refused(&self, line: &str, code: i32, says: &[&str]) {
        self.refused_with(line, &[], code, says);
    }

    #[track_caller]
    fn refused_with(&self, line: &str, variables: &[(&str, &str)], code: i32, says: &[&str]) {
        let output = self.with(line, variables);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        for part in says {
            assert!(said.contains(part), "{line}: {part:?} is not in {said}");
        }
    }

    fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.folder.join(file)).unwrap()
    }

    /// Files below a folder whose names end so, by their paths from there.
    fn files(&self, folder: &str, end: &str) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        collect(&self.folder.join(folder), "", end, &mut found);
        found
    }
}

fn collect(folder: &Path, at: &str, end: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{at}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), &name, end, found);
        } else if name.ends_with(end) {
            found.insert(name, fs::read(entry.path()).unwrap());
        }
    }
}

/// Nothing that is kept has a secret in it.
fn no_secret_is_kept(machine: &Machine<'_>) {
    for (name, content) in machine.files("", "") {
        let has = content
            .windows(SECRET.len())
            .any(|part| part == SECRET.as_bytes());
        assert!(!has, "{name}");
    }
}

#[test]
fn a_suite_goes_to_s3_and_the_hub_and_comes_back() {
    let server = Server::new();
    let (here, there) = (Machine::new(&server), Machine::new(&server));
    here.ok("run mine.toml --jobs 2");
    let publish = "publish --suite mine --to s3://bucket/suites/mine";
    let fetch = "fetch --suite mine --from s3://bucket/suites/mine";
    let checkpoints = || {
        server.look(|state| {
            state
                .objects
                .keys()
                .filter(|key| key.contains("checkpoints/"))
                .count()
        })
    };
    server.fails(
        "PUT",
        "/manifest.json",
        Fault::Status(403, "<Error><Code>AccessDenied</Code></Error>"),
    );
    let says = [
        "/manifest.json cannot be written: the server answered 403 (AccessDenied)",
        "the same command goes on",
    ];
    here.refused(publish, 1, &says);
    there.refused(fetch, 1, &["s3://bucket/suites/mine/manifest.json is not there"]);
    let n = checkpoints();
    assert!(n > 10, "{n}");
    server.fails("PUT", "/manifest.json", Fault::Status(503, ""));
    let said = here.ok(publish);
    assert!(
        said.contains("s3://bucket/suites/mine: 1 files sent")
            && said.contains(&format!("{} were there", n + 5)),
        "{said}"
    );

    // Wrong bytes, cuts and busy answers on the way back.
    let key = server.look(|state| {
        state
            .objects
            .keys()
            .find(|key| key.contains("checkpoints/"))
            .cloned()
            .unwrap()
    });
    let right = server.look(|state| state.objects[&key].clone());
    let mut wrong = right.clone();
    wrong[right.len() / 2] ^= 1;
    server.put(&key, &wrong);
    there.refused(
        fetch,
        1,
        &[
            &key["/bucket".len()..],
            "it was thrown away",
            "the same command goes on",
        ],
    );
    assert!(!there.folder.join("data/fetched/mine").exists());
    server.put(&key, &right);
    let file = &key["/bucket/suites/mine".len()..];
    server.fails("GET", file, Fault::Cut(100));
    server.fails("GET", file, Fault::Status(503, ""));
    server.asked();
    there.ok(fetch);
    assert!(server.asked().contains(&format!("GET {key} bytes=100-")));
    assert_eq!(
        there.files("data/fetched/mine", ""),
        here.files("data/published/mine", "")
    );

    let said = here.ok("publish --suite mine --hub hub");
    assert!(said.contains("`hf upload OWNER/NAME hub .`"), "{said}");
    let card = String::from_utf8(here.read("hub/README.md")).unwrap();
    assert!(
        card.starts_with("---\nlibrary_name: sculpt\n") && card.contains("model-index:\n- name: \"mine\""),
        "{card}"
    );
    assert!(
        card.contains("| ResNet-8 of width 2 | demo gratings | 50 % | 2 |")
            && card.contains("](checkpoints/"),
        "{card}"
    );
    for (name, content) in here.files("hub", "") {
        server.put(&format!("/owner/mine/resolve/v1{name}"), &content);
    }
    let third = Machine::new(&server);
    third.ok("fetch --suite mine --from hf://owner/mine@v1");
    assert_eq!(
        third.files("data/fetched/mine", ""),
        here.files("data/published/mine", "")
    );
    third.refused(
        "fetch --suite mine --from hf://owner/mine",
        1,
        &["hf://owner/mine/suite.json is not there"],
    );
    here.refused("publish --suite mine --hub data", 2, &["--hub data is there"]);
    [&here, &there, &third].into_iter().for_each(no_secret_is_kept);
}

const RUN: &str = "run mine.toml --jobs 2 --runs s3://bucket/runs";

/// One machine trains, another reads; the states are those of a store on a disk.
#[test]
fn machines_share_a_store_on_s3() {
    let server = Server::new();
    let (first, second, alone) = (
        Machine::new(&server),
        Machine::new(&server),
        Machine::new(&server),
    );
    alone.ok("run mine.toml --jobs 2");
    alone.ok("draw accuracy --suite mine");
    // Some nodes cannot be pushed: they are finished here, not trained again, and pushed by the next run.
    server.fails("PUT", "/index.json", Fault::Status(403, ""));
    first.refused(
        RUN,
        1,
        &[
            "is finished here, in ",
            "and could not be brought to the store",
            "answered 403",
        ],
    );
    first.ok(RUN);
    let states = |machine: &Machine<'_>, folder: &str| -> BTreeMap<String, Vec<u8>> {
        let files = machine.files(folder, ".safetensors").into_iter();
        files
            .map(|(name, content)| (name.rsplitn(3, '/').take(2).collect(), content))
            .collect()
    };
    let due = states(&alone, "runs");
    assert!(due.len() > 10);
    assert_eq!(states(&first, "cache"), due);

    server.asked();
    second.ok(RUN);
    let written: Vec<_> = server
        .asked()
        .into_iter()
        .filter(|asked| asked.starts_with("PUT"))
        .collect();
    assert!(written.is_empty(), "nothing is trained again: {written:?}");
    assert!(
        states(&second, "cache").is_empty(),
        "a state is pulled when it is read"
    );
    second.ok("draw accuracy --suite mine --runs s3://bucket/runs");
    assert_eq!(
        second.read("reports/mine/accuracy.csv"),
        alone.read("reports/mine/accuracy.csv")
    );
    let pulled = states(&second, "cache");
    assert!(!pulled.is_empty() && pulled.iter().all(|(name, content)| due[name] == *content));
    let listed = Machine::new(&server).ok("ls --runs s3://bucket/runs");
    assert_eq!(
        listed.matches(" done").count(),
        alone.ok("ls").matches(" done").count(),
        "{listed}"
    );

    // Over https it is read, and not written.
    let web = format!("{}/bucket/runs", server.url);
    let third = Machine::new(&server);
    third.ok(&format!("draw accuracy --suite mine --runs {web}"));
    assert_eq!(
        third.read("reports/mine/accuracy.csv"),
        alone.read("reports/mine/accuracy.csv")
    );
    let other = RECIPE.replace("seeds = [1, 2, 3]", "seeds = [4]");
    fs::write(third.folder.join("other.toml"), other).unwrap();
    third.refused(&format!("run other.toml --runs {web}"), 1, &["is read only"]);
    [&first, &second, &third].into_iter().for_each(no_secret_is_kept);
}

/// Other bytes under the same id: the store keeps what came first.
#[test]
fn a_race_for_a_node_ends_in_one_result() {
    let server = Server::new();
    let (first, second) = (Machine::new(&server), Machine::new(&server));
    first.ok("run mine.toml --jobs 2 --runs s3://bucket/a");
    let objects = server.look(|state| state.objects.clone());
    let is_init = |text: &[u8]| {
        let (index, _) = open::<Index>(text).unwrap();
        index.files.contains_key("checkpoint-0.safetensors")
    };
    let path = objects
        .iter()
        .find(|(path, text)| path.ends_with("/index.json") && is_init(text));
    let path = path
        .map(|(path, _)| path.replace("/bucket/a/", "/bucket/b/"))
        .unwrap();
    let id = path.split('/').nth(4).unwrap().to_owned();
    let (mut index, _) = open::<Index>(&objects[&path.replace("/bucket/b/", "/bucket/a/")]).unwrap();
    index
        .files
        .insert("checkpoint-0.safetensors".to_owned(), Digest::of(b"other"));
    let theirs = seal(&index).unwrap().into_bytes();
    server.fails("PUT", &path, Fault::Meanwhile(theirs.clone()));
    let says = [
        "was finished by another machine with another checkpoint-0.safetensors",
        "nothing was overwritten",
        "is set aside in ",
    ];
    second.refused("run mine.toml --jobs 2 --runs s3://bucket/b", 1, &says);
    assert_eq!(server.look(|state| state.objects[&path].clone()), theirs);
    assert_eq!(
        second
            .files("cache", &format!("damaged/{id}/checkpoint-0.safetensors"))
            .len(),
        1
    );
    // And what the store has is not believed without its bytes.
    let object = path.replace(
        "index.json",
        &format!("{}-checkpoint-0.safetensors", Digest::of(b"other").sha256),
    );
    server.put(&object, b"OTHER");
    let export = format!("export {id}@0 --torch x.pth --runs s3://bucket/b");
    let helps = format!("remove that object and {} there", &path["/bucket/b/".len()..]);
    second.refused(
        &export,
        1,
        &["could not be brought", "it was thrown away", &helps],
    );
    // One of another length is not even read.
    server.put(&object, b"OTH");
    second.refused(&export, 1, &["has 3 bytes", &helps]);
}

#[test]
fn what_makes_no_sense_is_said() {
    let server = Server::new();
    let machine = Machine::new(&server);
    for (line, says) in [
        (
            "ls --runs s3://x",
            "--runs: \"s3://x\" is no remote place: s3://bucket/prefix has a bucket",
        ),
        (
            "ls --runs gs://bucket/x",
            "it begins with s3://, https://, http:// or hf://",
        ),
        (
            "ls --runs hf://owner/name",
            "`sculpt fetch --suite NAME --from hf://owner/name`",
        ),
        (
            "publish --suite s --to folder",
            "is no address such as s3://bucket/prefix",
        ),
        (
            "publish --suite s --to https://host/x",
            "--to https://host/x can only be read",
        ),
        (
            "publish --suite s --to hf://owner/name",
            "--hub DIR makes a folder for the hub",
        ),
        (
            "gc --runs s3://bucket/x",
            "is a remote store, in which nothing is deleted from here",
        ),
        (
            "fetch --suite s --from https://user:geheim@host/x",
            "do not stand in addresses",
        ),
    ] {
        machine.refused(line, 2, &[says]);
    }
    let runs = "ls --runs s3://bucket/x";
    machine.refused_with(
        runs,
        &[("AWS_SECRET_ACCESS_KEY", "")],
        2,
        &["AWS_SECRET_ACCESS_KEY is not set, and AWS_ACCESS_KEY_ID is"],
    );
    machine.refused_with(
        runs,
        &[("AWS_ENDPOINT_URL", "minio")],
        2,
        &["AWS_ENDPOINT_URL is no address"],
    );
    machine.refused_with(
        runs,
        &[("SCULPT_CACHE_GB", "-1")],
        2,
        &["SCULPT_CACHE_GB=-1 is no number of gigabytes"],
    );
    let nobody = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    machine.refused_with(
        RUN,
        &nobody,
        1,
        &["cannot be written without credentials: set AWS_ACCESS_KEY_ID"],
    );
    machine.refused(
        &format!("{runs} --offline"),
        1,
        &["--offline: s3://bucket/x is not asked"],
    );
    server.fails(
        "GET",
        "/bucket/",
        Fault::Status(403, "<Error><Code>InvalidAccessKeyId</Code></Error>"),
    );
    machine.refused(
        runs,
        1,
        &["s3://bucket/x/suites/ cannot be listed: the server answered 403 (InvalidAccessKeyId)"],
    );
    machine.refused(
        "reproduce figure 13 --preset demo --again --seeds 1 --runs http://127.0.0.1:1/x",
        1,
        &["cannot be"],
    );
}

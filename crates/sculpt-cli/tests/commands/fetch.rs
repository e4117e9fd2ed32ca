//! Suites from folders and servers. What `fetch` does not look into may be any bytes.

use crate::*;
use sculpt_experiments::{
    DataFolder, Init, ManifestEntry, Node, Overrides, Preset, PresetName, Suite, Version, write_metrics,
};
use sculpt_models::InitRule;
use sculpt_store::canonical::sha256_hex;
use sculpt_store::paths;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

const N: u64 = 3;

/// Writes the suite `tiny` with three checkpoints of 1,000 bytes into `folder`, and gives its manifest.
pub(crate) fn write_suite(folder: &Path, overrides: Overrides) -> Vec<ManifestEntry> {
    let suite = Suite {
        name: "tiny".to_owned(),
        title: "Tiny".to_owned(),
        preset: Preset::new(PresetName::Demo, overrides, &DataFolder::default()).unwrap(),
        artefacts: Default::default(),
        environment: None,
    };
    fs::create_dir_all(folder.join("checkpoints")).unwrap();
    fs::write(paths::suite_json(folder), serde_json::to_vec(&suite).unwrap()).unwrap();
    write_metrics(&paths::metrics(folder), &[]).unwrap();
    let entry = |seed| {
        let description = Node::Init(Init {
            v: Version,
            model: tiny(),
            rule: InitRule::KaimingNormalFanIn,
            seed,
            draw: 0,
        });
        let (id, bytes) = (description.id(), vec![seed as u8; 1000]);
        let file = paths::published_checkpoint_file(id.as_str(), 0);
        fs::write(folder.join(&file), &bytes).unwrap();
        ManifestEntry {
            id,
            epoch: 0,
            description,
            file,
            sha256: sha256_hex(&bytes),
            bytes: 1000,
            left_out: std::collections::BTreeSet::new(),
        }
    };
    let manifest: Vec<_> = (1..=N).map(entry).collect();
    write_manifest(folder, &manifest);
    manifest
}

fn entries(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn write_manifest(folder: &Path, manifest: &[ManifestEntry]) {
    fs::write(paths::manifest(folder), serde_json::to_vec(manifest).unwrap()).unwrap();
}

/// A folder with `tiny` in `served`.
fn example() -> (Folder, Vec<ManifestEntry>) {
    let folder = Folder::new();
    let manifest = write_suite(&folder.join("served"), Overrides::default());
    (folder, manifest)
}

const FETCH: &str = "fetch --suite tiny --from";

#[track_caller]
fn counts(said: &serde_json::Value, fetched: u64, kept: u64) {
    let count = |name: &str| said[name].as_u64();
    assert_eq!(
        (count("fetched"), count("kept"), count("files")),
        (Some(fetched), Some(kept), Some(fetched + kept)),
        "{said}"
    );
}

/// The three lists are always fetched anew, checkpoints only where they are not what the manifest says.
#[test]
fn from_a_folder() {
    let (folder, manifest) = example();
    let said = json(&folder, &format!("{FETCH} served"));
    counts(&said, 6, 0);
    assert_eq!(
        (&said["suite"], &said["folder"]),
        (&"tiny".into(), &"data/fetched/tiny".into())
    );
    assert!(said["bytes"].as_u64().unwrap() > 3000);
    let place = folder.join("data/fetched/tiny");
    assert_eq!(fs::read(place.join(&manifest[1].file)).unwrap(), vec![2; 1000]);
    counts(&json(&folder, &format!("{FETCH} served")), 3, 3);

    fs::write(place.join(&manifest[1].file), vec![9; 1000]).unwrap();
    write_manifest(&folder.join("served"), &manifest[1..]);
    counts(&json(&folder, &format!("{FETCH} served/")), 4, 1);
    assert_eq!(fs::read(place.join(&manifest[1].file)).unwrap(), vec![2; 1000]);
    assert!(!place.join(&manifest[0].file).exists());
    let text = ok(&folder, &format!("{FETCH} served"));
    assert!(
        text.starts_with("suite tiny in data/fetched/tiny: 5 files, "),
        "{text}"
    );
    assert!(ok(&folder, "list").contains("suite tiny: "));
    assert_eq!(entries(&folder.join("data/fetched")), [".tiny.lock", "tiny"]);
}

/// A server of a folder's files that keeps what it was asked for, with the first byte where that is not 0.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// The first answer with the file whose name begins with `cut` ends after 400 bytes.
    fn new(folder: &Path, cut: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/served", listener.local_addr().unwrap());
        let (folder, asked) = (folder.to_owned(), Arc::new(Mutex::new(Vec::new())));
        let (log, mut cut) = (Arc::clone(&asked), cut);
        thread::spawn(move || {
            for stream in listener.incoming() {
                answer(&stream.unwrap(), &folder, &mut cut, &log);
            }
        });
        Self { url, asked }
    }
}

fn answer(mut stream: &TcpStream, folder: &Path, cut: &mut Option<String>, log: &Mutex<Vec<String>>) {
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let Some(path) = head.first().and_then(|line| line.split(' ').nth(1)) else {
        return;
    };
    let path = path.strip_prefix("/served/").unwrap().to_owned();
    let range = head.iter().find_map(|line| {
        line.to_lowercase()
            .strip_prefix("range: bytes=")
            .map(str::to_owned)
    });
    let first: usize = range.map_or(0, |range| range.trim_end_matches('-').parse().unwrap());
    log.lock().unwrap().push(if first > 0 {
        format!("{path} from {first}")
    } else {
        path.clone()
    });
    // The client may hang up before the end: that is its right.
    let Ok(body) = fs::read(folder.join(&path)) else {
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return;
    };
    let n = body.len();
    let status = if first > 0 {
        format!(
            "206 Partial Content\r\ncontent-range: bytes {first}-{}/{n}",
            n - 1
        )
    } else {
        "200 OK".to_owned()
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        n - first
    );
    let end = match cut.take_if(|cut| path == **cut) {
        Some(_) => 400,
        None => n,
    };
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(&body[first..end]));
}

#[test]
fn from_a_server_that_breaks_off() {
    let (folder, manifest) = example();
    let second = manifest[1].file.clone();
    let server = Server::new(&folder.join("served"), Some(second.clone()));
    let line = format!("{FETCH} {}", server.url);
    // It is asked again at once, for what is missing.
    counts(&json(&folder, &line), 6, 0);
    let asked = server.asked.lock().unwrap().clone();
    assert_eq!(asked.iter().filter(|file| **file == manifest[0].file).count(), 1);
    assert!(asked.contains(&format!("{second} from 400")), "{asked:?}");
    let place = folder.join("data/fetched/tiny");
    for entry in &manifest {
        assert_eq!(
            sha256_hex(&fs::read(place.join(&entry.file)).unwrap()),
            entry.sha256
        );
    }
    assert_eq!(entries(&folder.join("data/fetched")), [".tiny.lock", "tiny"]);
    // So is what an earlier process was cut off from; a half of another file is begun again.
    let partial = paths::suite_partial(&place);
    fs::create_dir_all(partial.join("checkpoints")).unwrap();
    fs::remove_dir_all(&place).unwrap();
    fs::write(partial.join(format!("{second}.partial")), [7; 10]).unwrap();
    counts(&json(&folder, &line), 6, 0);
    assert_eq!(fs::read(place.join(&second)).unwrap(), vec![2; 1000]);
}

#[test]
fn what_is_not_what_its_manifest_says_is_refused() {
    let (folder, manifest) = example();
    let served = folder.join("served");
    let (file, line) = (served.join(&manifest[2].file), format!("{FETCH} served"));
    fs::write(&file, vec![4; 1000]).unwrap();
    refused(
        &folder,
        &line,
        1,
        &[&manifest[2].file, "SHA-256", &manifest[2].sha256, "thrown away"],
    );
    fs::write(&file, vec![3; 1001]).unwrap();
    refused(
        &folder,
        &line,
        1,
        &[&manifest[2].file, "1001 bytes, more than the 1000"],
    );
    fs::remove_file(&file).unwrap();
    refused(&folder, &line, 1, &[&manifest[2].file, "not there", "goes on"]);
    assert!(!folder.join("data/fetched/tiny").exists());
    fs::write(&file, vec![3; 1000]).unwrap();
    counts(&json(&folder, &line), 4, 2);
}

#[test]
fn manifests_of_strangers() {
    let (folder, manifest) = example();
    let served = folder.join("served");
    let check = |change: fn(&mut ManifestEntry), says: &str| {
        let mut hostile = manifest.clone();
        change(&mut hostile[1]);
        write_manifest(&served, &hostile);
        refused(
            &folder,
            &format!("{FETCH} served"),
            1,
            &["served/manifest.json", says],
        );
        assert!(!folder.join("data/fetched/tiny").exists() && !folder.join("evil").exists());
    };
    check(
        |entry| entry.file = "../../../evil".to_owned(),
        "\"../../../evil\"",
    );
    check(|entry| entry.file = "/tmp/evil".to_owned(), "\"/tmp/evil\"");
    check(|entry| entry.epoch = 1, "-1.safetensors is due");
    check(|entry| entry.bytes = 1 << 40, "1099511627776 bytes");
    check(|entry| entry.sha256 = "0".to_owned(), "no SHA-256");
    check(
        |entry| {
            let Node::Init(init) = &mut entry.description else {
                unreachable!("a suite of networks drawn");
            };
            init.seed = 9;
        },
        "another node's description",
    );
    write_manifest(&served, &[manifest.clone(), manifest].concat());
    refused(&folder, &format!("{FETCH} served"), 1, &["twice"]);
    fs::write(paths::manifest(&served), "{").unwrap();
    refused(&folder, &format!("{FETCH} served"), 1, &["is no manifest"]);
}

#[test]
fn what_is_no_suite_is_said() {
    let (folder, _) = example();
    refused(
        &folder,
        "fetch --suite other --from served",
        1,
        &["\"tiny\"", "--suite tiny"],
    );
    refused(
        &folder,
        "fetch --suite ../up --from served",
        2,
        &["no plain name"],
    );
    refused(
        &folder,
        &format!("{FETCH} ftp://host/tiny"),
        2,
        &["ftp://host/tiny"],
    );
    refused(
        &folder,
        &format!("{FETCH} http://host/?tiny"),
        2,
        &["it has ? or #"],
    );
    refused(
        &folder,
        &format!("{FETCH} http://host/tiny"),
        2,
        &["http://host/tiny is no https address", "--plain-http"],
    );
    refused(
        &folder,
        &format!("{FETCH} https://host/tiny --offline"),
        1,
        &["--offline", "--from DIR"],
    );
    refused(
        &folder,
        &format!("{FETCH} nowhere"),
        1,
        &["nowhere/suite.json is not there"],
    );
    fs::remove_file(folder.join("served/metrics.parquet")).unwrap();
    refused(
        &folder,
        &format!("{FETCH} served"),
        1,
        &["served/metrics.parquet is not there"],
    );
    refused(
        &folder,
        &format!("{FETCH} http://127.0.0.1:1/tiny"),
        1,
        &["cannot be fetched"],
    );
}

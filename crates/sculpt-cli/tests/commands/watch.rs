//! A run is watched while it trains: the page, its JSON, TensorBoard's files, and the store itself.

use crate::*;
use sculpt_store::paths;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Two nodes of two epochs, and one that trains for longer than anybody watches.
const RECIPE: &str = r#"
like = "demo/a"
seeds = [1]
defaults = { model = { name = "resnet8", classes = 10, width = 2 }, data = { train_images = 64 }, batch = 32, epochs = 2 }
[[node]]
name = "dense"
kind = "init"
[[node]]
name = "first <b>"
kind = "train"
from = "dense"
[[node]]
name = "pruned"
kind = "prune"
from = "first <b>"
criterion = "magnitude"
density = 0.25
[[node]]
name = "second"
kind = "train"
from = "pruned"
epochs = 100000
"#;

/// A run that ends with the test.
struct Run {
    child: Child,
    address: String,
}

impl Run {
    fn new(folder: &Folder) -> Self {
        fs::write(folder.join("r.toml"), RECIPE).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_sculpt"))
            .args(["run", "r.toml", "--threads", "1", "--runs", "runs"])
            .args(["--serve", "127.0.0.1:0", "--tensorboard", "events"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| {
                Some(
                    line.strip_prefix("live curves at http://")?
                        .trim_end_matches('/')
                        .to_owned(),
                )
            })
            .expect("the address is said");
        // Somebody must read what else it says.
        thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        body.to_owned()
    }

    /// The state, once it is as it should be.
    fn state(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let state: Value = serde_json::from_str(&self.get("/state.json")).unwrap();
            if is_so(&state) {
                return state;
            }
            assert!(Instant::now() < until, "{state}");
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Asks it to stop, as Ctrl-C does; what was begun is saved.
    fn stop(mut self) {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", "--", &id]).status().unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(1));
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn curve<'a>(state: &'a Value, name: &str) -> Option<&'a Value> {
    let curves = state["curves"].as_array()?;
    curves.iter().find(|curve| curve["name"] == name)
}

fn n_rows(state: &Value, name: &str) -> usize {
    curve(state, name).map_or(0, |curve| curve["rows"].as_array().unwrap().len())
}

#[test]
fn a_run_is_seen_from_outside_while_it_trains() {
    let folder = Folder::new();
    let run = Run::new(&folder);
    let page = run.get("/");
    assert!(page.starts_with("<!doctype html>") && !page.contains("src=") && !page.contains("http"));
    let state = run.state(|state| n_rows(state, "second[seed=1]") > 2);
    assert_eq!(state["depths"], serde_json::json!(["d", "d", "d", "b"]));
    assert_eq!(state["nodes"]["done"], 3);
    assert_eq!(state["epochs"]["all"], 100002.0);
    let first = curve(&state, "first <b>[seed=1]").unwrap();
    assert_eq!(
        (&first["standing"], &first["density"]),
        (&"done".into(), &1.0.into())
    );
    assert!(first["rows"][1][5].is_f64(), "the last epoch is tested: {first}");
    let second = curve(&state, "second[seed=1]").unwrap();
    assert_eq!(
        (&second["standing"], &second["density"]),
        (&"begun".into(), &0.25.into())
    );
    assert_eq!(second["epochs_before"], 2);
    // It goes on, and there is a speed.
    let done = state["epochs"]["done"].as_f64().unwrap();
    run.state(|state| state["epochs"]["done"].as_f64() > Some(done) && state["seconds_to_go"].is_f64());
    // Whoever looks at the store sees it too.
    let nodes = json(&folder, "ls --runs runs");
    let is_begun = |node: &&Value| node["epochs_done"].is_u64();
    let begun = nodes["nodes"].as_array().unwrap().iter().find(is_begun).unwrap();
    assert_eq!(
        (&begun["status"], &begun["epochs"]),
        (&"unfinished".into(), &100_000.into())
    );
    let id = begun["id"].as_str().unwrap();
    assert!(begun["epochs_done"].as_u64() > Some(2), "{begun}");
    assert!(ok(&folder, &format!("show {id} --runs runs")).contains("nothing saved yet to go on from"));
    ok(&folder, "verify runs");
    run.stop();
    // What TensorBoard reads is what the store has, to the last epoch.
    let shown = json(&folder, &format!("show {id} --runs runs"));
    let n = shown["metrics"].as_array().unwrap().len();
    let events = folder
        .join("events")
        .join(format!("second_seed=1_-{}", &id[..12]));
    let events = fs::read(paths::event_file(&events)).unwrap();
    let tag = b"loss/train";
    assert_eq!(events.windows(tag.len()).filter(|found| found == tag).count(), n);
    assert_eq!(fs::read_dir(folder.join("events")).unwrap().count(), 2);
    // A line of somebody else's is found, and goes when that is asked for.
    let node = paths::node_folder(Path::new("runs"), id);
    let live = folder.join(paths::live_epochs(&node).to_str().unwrap());
    fs::write(&live, "{}\n").unwrap();
    refused_by_verify(&folder, "epochs.jsonl");
    sculpt(&folder, "verify runs --repair");
    ok(&folder, "verify runs");
    assert!(!live.exists() && folder.join(node.to_str().unwrap()).exists());
}

#[track_caller]
fn refused_by_verify(folder: &Folder, says: &str) {
    let output = sculpt(folder, "verify runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains(says), "{}", text(&output.stdout));
}

#[test]
fn an_address_that_is_none_or_taken_is_refused() {
    let folder = Folder::new();
    fs::write(folder.join("r.toml"), RECIPE).unwrap();
    refused(&folder, "run --serve r.toml", 2, &["r.toml", "127.0.0.1:6007"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    refused(
        &folder,
        &format!("run r.toml --runs runs --serve {port}"),
        1,
        &["--serve=0", "in use"],
    );
}

/// The page itself draws, and draws more as time goes by.
#[test]
fn a_browser_draws_the_curves() {
    let chromium = PathBuf::from("/usr/bin/chromium");
    if !chromium.exists() {
        eprintln!("skipped: no {}", chromium.display());
        return;
    }
    let folder = Folder::new();
    let run = Run::new(&folder);
    run.state(|state| n_rows(state, "second[seed=1]") > 2);
    let output = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--virtual-time-budget=6000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("http://{}/", run.address))
        .output()
        .unwrap();
    let dom = text(&output.stdout);
    for name in ["loss", "accuracy", "rate", "density"] {
        let n = dom.matches(&format!("class=\"curve {name}\"")).count();
        assert_eq!(n, 2, "{name}: {dom}");
    }
    assert!(
        dom.contains("3 of 4 nodes") && dom.contains("of 100002 epochs: "),
        "{dom}"
    );
    assert!(
        dom.contains("first &lt;b&gt;[seed=1]</td>"),
        "names are text: {dom}"
    );
    assert!(
        dom.contains("<path class=\"done\"") && dom.contains("<path class=\"begun\""),
        "{dom}"
    );
    run.stop();
}

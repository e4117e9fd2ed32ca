//! A little S3 on the loopback, which fails when it is told to and remembers what it was asked.

use sculpt_remote::{Credentials, Location, Patience, Remote, Secret, Settings};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// No message may have it.
pub(crate) const SECRET: &str = "geheim";

/// What happens to the next request of a method whose path ends so.
#[derive(Clone)]
pub(crate) enum Fault {
    /// Another status, with a body.
    Status(u16, &'static str),
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// The answer comes this late.
    Late(Duration),
    /// Somebody else's object is written just before.
    Meanwhile(Vec<u8>),
}

/// Whether the server knows `If-None-Match: *`.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Conditions {
    Kept,
    Unknown,
    Ignored,
}

#[derive(Default)]
pub(crate) struct State {
    /// By path.
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
    hashes: BTreeMap<String, String>,
    faults: Vec<(&'static str, String, Fault)>,
    /// Method, path and range of each request.
    pub(crate) asked: Vec<String>,
    /// `authorization` headers and queries.
    pub(crate) shown: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::with(Conditions::Kept)
    }

    pub(crate) fn with(conditions: Conditions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || answer(stream.unwrap(), &shared, conditions));
            }
        });
        Self { url, state }
    }

    pub(crate) fn look<T>(&self, at: impl FnOnce(&mut State) -> T) -> T {
        at(&mut self.state.lock().unwrap())
    }

    pub(crate) fn fails(&self, method: &'static str, path: &str, fault: Fault) {
        self.look(|state| state.faults.push((method, path.to_owned(), fault)));
    }

    pub(crate) fn put(&self, path: &str, content: &[u8]) {
        self.look(|state| state.objects.insert(path.to_owned(), content.to_vec()));
    }

    /// What it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.look(|state| std::mem::take(&mut state.asked))
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            s3_endpoint: Some(self.url.parse().unwrap()),
            s3_credentials: Some(Credentials {
                key: Secret::new("who"),
                secret: Secret::new(format!("{SECRET}-secret")),
                token: Some(Secret::new(format!("{SECRET}-token"))),
            }),
            hub_endpoint: self.url.parse().unwrap(),
            hub_token: Some(Secret::new(format!("{SECRET}-hub"))),
            patience: Patience {
                tries: 4,
                first: Duration::from_millis(2),
            },
            ..Settings::from_variables(|_| None).unwrap()
        }
    }

    pub(crate) fn open(&self, word: &str) -> Remote {
        Remote::open(word.parse::<Location>().unwrap(), &self.settings()).unwrap()
    }

    pub(crate) fn bucket(&self) -> Remote {
        self.open("s3://bucket/a")
    }
}

/// The error's text, in which no secret and no signature is.
#[track_caller]
pub(crate) fn text<T: std::fmt::Debug, E: std::error::Error>(result: Result<T, E>) -> String {
    let error = result.unwrap_err();
    let text = format!("{error} {error:?}");
    let whole = format!("{text} {:?}", error.source().map(ToString::to_string));
    assert!(
        !whole.contains(SECRET) && !whole.contains("Signature="),
        "{whole}"
    );
    error.to_string()
}

struct Asked {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else {
            break;
        };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length: u64 = headers.get("content-length").map_or(0, |n| n.parse().unwrap());
    if headers.contains_key("expect") {
        (&mut &*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Asked {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body,
    })
}

fn answer(stream: TcpStream, shared: &Mutex<State>, conditions: Conditions) {
    let Some(asked) = read(&stream) else { return };
    let mut late = Duration::ZERO;
    let (status, headers, body, cut) = {
        let mut state = shared.lock().unwrap();
        let range = asked.headers.get("range").cloned().unwrap_or_default();
        state.asked.push(
            format!("{} {} {range}", asked.method, asked.path)
                .trim_end()
                .to_owned(),
        );
        let authorization = asked.headers.get("authorization").cloned();
        state
            .shown
            .push(authorization.unwrap_or_else(|| asked.query.clone()));
        let fault = state
            .faults
            .iter()
            .position(|(method, path, _)| *method == asked.method && asked.path.ends_with(path.as_str()));
        let fault = fault.map(|at| state.faults.remove(at).2);
        let mut cut = None;
        match fault {
            Some(Fault::Status(status, body)) => {
                drop(state);
                return write(&stream, status, &[], body.as_bytes(), None);
            }
            Some(Fault::Meanwhile(content)) => {
                state.objects.insert(asked.path.clone(), content);
            }
            Some(Fault::Cut(n)) => cut = Some(n),
            Some(Fault::Late(by)) => late = by,
            None => {}
        }
        let (status, headers, body) = act(&mut state, &asked, conditions);
        (status, headers, body, cut)
    };
    thread::sleep(late);
    write(&stream, status, &headers, &body, cut);
}

type Reply = (u16, Vec<String>, Vec<u8>);

fn act(state: &mut State, asked: &Asked, conditions: Conditions) -> Reply {
    let not_found = || (404, Vec::new(), b"<Error><Code>NoSuchKey</Code></Error>".to_vec());
    match asked.method.as_str() {
        "GET" if asked.query.contains("list-type=2") => (200, Vec::new(), list(state, asked).into_bytes()),
        "GET" | "HEAD" => {
            let Some(content) = state.objects.get(&asked.path) else {
                return not_found();
            };
            let mut headers = Vec::new();
            if let Some(hash) = state.hashes.get(&asked.path) {
                headers.push(format!("x-amz-meta-sha256: {hash}"));
            }
            let first = asked.headers.get("range").map(|range| {
                let range = range.trim_start_matches("bytes=").trim_end_matches('-');
                range.parse::<usize>().unwrap()
            });
            let n = content.len();
            if asked.method == "HEAD" {
                headers.push(format!("content-length: {n}"));
                return (200, headers, Vec::new());
            }
            match first {
                None => (200, headers, content.clone()),
                Some(first) if first >= n => (416, headers, Vec::new()),
                Some(first) => {
                    headers.push(format!("content-range: bytes {first}-{}/{n}", n - 1));
                    (206, headers, content[first..].to_vec())
                }
            }
        }
        "PUT" => {
            let is_conditional = asked
                .headers
                .get("if-none-match")
                .is_some_and(|value| value == "*");
            match conditions {
                Conditions::Unknown if is_conditional => {
                    return (
                        501,
                        Vec::new(),
                        b"<Error><Code>NotImplemented</Code></Error>".to_vec(),
                    );
                }
                Conditions::Kept if is_conditional && state.objects.contains_key(&asked.path) => {
                    return (
                        412,
                        Vec::new(),
                        b"<Error><Code>PreconditionFailed</Code></Error>".to_vec(),
                    );
                }
                _ => {}
            }
            state.objects.insert(asked.path.clone(), asked.body.clone());
            let hash = asked.headers.get("x-amz-meta-sha256").cloned();
            state.hashes.insert(asked.path.clone(), hash.unwrap_or_default());
            (200, Vec::new(), Vec::new())
        }
        "DELETE" => {
            state.objects.remove(&asked.path);
            (204, Vec::new(), Vec::new())
        }
        _ => (405, Vec::new(), Vec::new()),
    }
}

/// Pages of two keys.
fn list(state: &State, asked: &Asked) -> String {
    let value = |name: &str| {
        let parts = asked.query.split('&');
        let found = parts
            .filter_map(|part| part.split_once('='))
            .find(|(key, _)| *key == name);
        found
            .map(|(_, value)| value.replace("%2F", "/"))
            .unwrap_or_default()
    };
    let (prefix, after) = (value("prefix"), value("continuation-token"));
    let bucket = format!("{}/", asked.path.trim_end_matches('/'));
    let keys = state.objects.iter().filter_map(|(path, content)| {
        let key = path.strip_prefix(&bucket)?;
        (key.starts_with(&prefix) && *key > *after).then_some((key, content.len()))
    });
    let keys: Vec<_> = keys.collect();
    let mut text = "<ListBucketResult>".to_owned();
    for (key, n) in keys.iter().take(2) {
        text += &format!("<Contents><Key>{key}</Key><Size>{n}</Size></Contents>");
    }
    if keys.len() > 2 {
        let next = keys[1].0;
        text += "<IsTruncated>true</IsTruncated>";
        text += &format!("<NextContinuationToken>{next}</NextContinuationToken>");
    }
    text + "</ListBucketResult>"
}

fn write(mut stream: &TcpStream, status: u16, headers: &[String], body: &[u8], cut: Option<usize>) {
    let mut head = format!("HTTP/1.1 {status} Said\r\nconnection: close\r\n");
    for header in headers {
        head += &format!("{header}\r\n");
    }
    if !headers.iter().any(|header| header.starts_with("content-length")) {
        head += &format!("content-length: {}\r\n", body.len());
    }
    // The client may hang up before the end: that is its right.
    let _ = stream.write_all(format!("{head}\r\n").as_bytes());
    let _ = stream.write_all(&body[..cut.unwrap_or(body.len()).min(body.len())]);
}

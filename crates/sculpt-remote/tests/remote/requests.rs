//! Single files: what is tried again, what is an answer, and what comes of other bytes.

use crate::server::{Fault, SECRET, Server, text};
use sculpt_remote::{Location, Object, Remote, Settings};
use sculpt_store::digest::Digest;
use std::cell::RefCell;
use std::fs;
use std::time::Duration;

#[test]
fn files_are_written_read_and_removed() {
    let server = Server::new();
    let remote = server.bucket();
    assert_eq!(remote.read("x", 10).unwrap(), None);
    assert_eq!(remote.look("x").unwrap(), None);
    assert!(remote.write("x", b"abc", true).unwrap());
    assert!(!remote.write("x", b"abd", true).unwrap());
    assert_eq!(remote.read("x", 10).unwrap().unwrap(), b"abc");
    let sha256 = Some(Digest::of(b"abc").sha256);
    assert_eq!(remote.look("x").unwrap(), Some(Object { bytes: 3, sha256 }));
    let said = text(remote.read("x", 2));
    assert_eq!(said, "s3://bucket/a/x has more than the 2 bytes that it may have");
    for name in ["b/1", "b/2", "b/3", "c"] {
        remote.write(name, b"1", false).unwrap();
    }
    server.put("/bucket/other", b"not below the prefix");
    let listed = |under| remote.list(under).unwrap().unwrap();
    let one = |name: &str| (name.to_owned(), 1);
    assert_eq!(listed("b/"), [one("b/1"), one("b/2"), one("b/3")]);
    assert_eq!(listed("").len(), 5);
    remote.remove("x").unwrap();
    remote.remove("x").unwrap();
    assert_eq!(remote.read("x", 10).unwrap(), None);
}

/// 503 and cuts are tried again, 403 and 404 are not.
#[test]
fn what_may_pass_is_tried_again() {
    let server = Server::new();
    let remote = server.bucket();
    server.put("/bucket/a/x", b"abc");
    let denied = "<Error><Code>SignatureDoesNotMatch</Code><Message>geheim</Message></Error>";
    for (faults, requests, says) in [
        (vec![Fault::Status(503, ""); 3], 4, ""),
        (
            vec![Fault::Status(500, ""), Fault::Cut(1), Fault::Status(429, "")],
            4,
            "",
        ),
        (vec![Fault::Late(Duration::from_millis(300))], 1, ""),
        (
            vec![Fault::Status(503, "<Error><Code>SlowDown</Code></Error>"); 4],
            4,
            "s3://bucket/a/x cannot be read: the server answered 503 (SlowDown); the same command goes on when the server is well again",
        ),
        (
            vec![Fault::Cut(2); 4],
            4,
            "s3://bucket/a/x cannot be read, tried 4 times: ",
        ),
        (
            vec![Fault::Status(403, denied)],
            1,
            "s3://bucket/a/x cannot be read: the server answered 403 (SignatureDoesNotMatch); AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not a pair",
        ),
        (
            vec![Fault::Status(403, "<html>")],
            1,
            "answered 403; it needs other credentials, or more rights",
        ),
        (
            vec![Fault::Status(404, "<Error><Code>NoSuchBucket</Code></Error>")],
            1,
            "answered 404 (NoSuchBucket); make the bucket first",
        ),
        (
            vec![Fault::Status(301, "")],
            1,
            "answered 301; set AWS_REGION to the region of the bucket",
        ),
    ] {
        faults
            .into_iter()
            .for_each(|fault| server.fails("GET", "/x", fault));
        let read = remote.read("x", 10);
        assert_eq!(server.asked().len(), requests);
        if says.is_empty() {
            assert_eq!(read.unwrap().unwrap(), b"abc");
        } else {
            let said = text(read);
            assert!(said.contains(says), "{said}");
        }
    }
    server.fails("GET", "/x", Fault::Status(404, ""));
    assert_eq!(remote.read("x", 10).unwrap(), None);
    server.fails("PUT", "/y", Fault::Status(503, ""));
    remote.write("y", b"1", false).unwrap();
    server.fails("PUT", "/y", Fault::Status(403, ""));
    let said = text(remote.write("y", b"2", false));
    assert!(
        said.starts_with("s3://bucket/a/y cannot be written: the server answered 403"),
        "{said}"
    );
    let nobody = Remote::open("s3://bucket".parse().unwrap(), &{
        let mut settings = server.settings();
        settings.s3_endpoint = Some("http://127.0.0.1:1".parse().unwrap());
        settings
    });
    let said = text(nobody.unwrap().read("x", 10));
    assert!(
        said.starts_with("s3://bucket/x cannot be read, tried 4 times: "),
        "{said}"
    );
}

#[test]
fn a_transfer_goes_on_where_it_broke() {
    let (server, folder) = (Server::new(), tempfile::tempdir().unwrap());
    let (remote, to) = (server.bucket(), folder.path().join("new/x"));
    let content: Vec<u8> = (0..1000_u32).map(|i| i as u8).collect();
    server.put("/bucket/a/x", &content);
    let digest = Digest::of(&content);
    server.fails("GET", "/x", Fault::Cut(400));
    server.fails("GET", "/x", Fault::Status(503, ""));
    assert!(remote.fetch_checked("x", &to, &digest).unwrap());
    assert_eq!(fs::read(&to).unwrap(), content);
    let range = "GET /bucket/a/x bytes=400-";
    assert_eq!(server.asked(), ["GET /bucket/a/x", range, range]);
    assert!(!remote.fetch_checked("y", &to, &digest).unwrap());
}

/// Bytes that are not the recorded ones are seen by nobody.
#[test]
fn other_bytes_are_thrown_away() {
    let (server, folder) = (Server::new(), tempfile::tempdir().unwrap());
    let (remote, to) = (server.bucket(), folder.path().join("x"));
    let digest = Digest::of(b"right");
    server.put("/bucket/a/x", b"wrong");
    let said = text(remote.fetch_checked("x", &to, &digest));
    assert!(
        said.contains("s3://bucket/a/x has 5 bytes and SHA-256 "),
        "{said}"
    );
    assert!(said.contains(&digest.sha256) && said.contains("whoever keeps s3://bucket/a has to mend it"));
    server.put("/bucket/a/x", b"longer");
    let said = text(remote.fetch_checked("x", &to, &digest));
    assert!(said.contains("s3://bucket/a/x has 6 bytes"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // What had begun another file is not gone on with for ever.
    server.put("/bucket/a/x", b"right");
    fs::write(folder.path().join("x.partial"), b"wro").unwrap();
    assert!(remote.fetch_checked("x", &to, &digest).unwrap());
    assert_eq!(fs::read(&to).unwrap(), b"right");
}

#[test]
fn names_that_lead_elsewhere_are_never_asked() {
    let server = Server::new();
    let remote = server.bucket();
    for name in [
        "",
        "../x",
        "b/../../x",
        "/x",
        "b//x",
        "x?y",
        "x y",
        ".x",
        "b/",
        "%2e%2e/x",
    ] {
        let said = text(remote.read(name, 10));
        assert!(said.contains("can be the name of no file"), "{said}");
        text(remote.write(name, b"1", false));
        text(remote.remove(name));
    }
    assert_eq!(server.asked(), [""; 0]);
}

#[test]
fn web_servers_and_the_hub_are_read_only() {
    let server = Server::new();
    server.put("/suites/demo/x", b"abc");
    server.put("/owner/name/resolve/v1/x", b"hub");
    let web = server.open(&format!("{}/suites/demo/", server.url));
    assert_eq!(web.read("x", 10).unwrap().unwrap(), b"abc");
    assert_eq!(web.read("y", 10).unwrap(), None);
    assert_eq!(web.list("").unwrap(), None);
    let said = text(web.write("x", b"1", false));
    assert!(
        said.contains("/suites/demo is read only: s3://bucket/prefix can be written"),
        "{said}"
    );
    assert!(server.look(|state| state.shown.iter().all(String::is_empty)));

    server.fails("GET", "/x", Fault::Status(302, ""));
    let said = text(web.read("x", 10));
    assert!(said.contains("answered 302; it leads elsewhere"), "{said}");

    let hub = server.open("hf://owner/name@v1");
    assert_eq!(hub.read("x", 10).unwrap().unwrap(), b"hub");
    assert_eq!(hub.read("y", 10).unwrap(), None);
    let bearer = format!("Bearer {SECRET}-hub");
    assert_eq!(server.look(|state| state.shown.last().cloned()).unwrap(), bearer);
    let said = text(hub.write("x", b"1", false));
    assert!(
        said.contains("hf://owner/name@v1 is read only: `sculpt publish --hub DIR`"),
        "{said}"
    );
    server.fails("GET", "/x", Fault::Status(401, ""));
    let said = text(hub.read("x", 10));
    assert!(
        said.contains("hf://owner/name@v1/x cannot be read: the server answered 401"),
        "{said}"
    );
    assert!(server.asked().iter().all(|asked| !asked.starts_with("PUT")));
}

/// Nobody on the way reads a token, or changes what an address without TLS serves, unless that is allowed.
#[test]
fn plain_http_to_others_has_to_be_allowed() {
    let server = Server::new();
    let mut settings = server.settings();
    let open = |word: &str, settings: &_| Remote::open(word.parse::<Location>().unwrap(), settings);
    let said = text(open("http://host.invalid/x", &settings));
    assert!(
        said.contains("plain http to other machines has to be allowed"),
        "{said}"
    );
    settings.plain_http = true;
    open("http://host.invalid/x", &settings).unwrap();
    settings.hub_endpoint = "http://host.invalid".parse().unwrap();
    let said = text(open("hf://owner/name", &settings));
    assert!(said.contains("HF_TOKEN is not sent"), "{said}");
    settings.s3_credentials = None;
    let said = text(open("s3://bucket", &settings).unwrap().write("x", b"1", false));
    assert!(
        said.starts_with("s3://bucket/x cannot be written without credentials: set AWS_"),
        "{said}"
    );
}

/// Whoever waits is told what for.
#[test]
fn tries_are_told() {
    thread_local! {
        static TOLD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }
    let server = Server::new();
    let settings = Settings {
        tell: Some(|text| TOLD.with_borrow_mut(|told| told.push(text.to_owned()))),
        ..server.settings()
    };
    let remote = Remote::open("s3://bucket/a".parse().unwrap(), &settings).unwrap();
    server.put("/bucket/a/x", b"abc");
    server.fails("GET", "/x", Fault::Status(503, ""));
    assert_eq!(remote.read("x", 10).unwrap().unwrap(), b"abc");
    let told = TOLD.take();
    assert_eq!(told, ["s3://bucket/a/x: the server answered 503; try 2 of 4"]);
}

/// Page after page without an object, each leading to another one.
#[test]
fn lists_that_do_not_end_are_given_up() {
    let server = Server::new();
    for i in 0..200 {
        let page = match i % 2 {
            0 => "<ListBucketResult><NextContinuationToken>a</NextContinuationToken></ListBucketResult>",
            _ => "<ListBucketResult><NextContinuationToken>b</NextContinuationToken></ListBucketResult>",
        };
        server.fails("GET", "", Fault::Status(200, page));
    }
    let said = text(server.bucket().list(""));
    assert!(
        said.contains("it does not end: 0 objects, and 101 pages without any"),
        "{said}"
    );
    assert_eq!(server.asked().len(), 101);
}

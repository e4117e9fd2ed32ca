//! The same against S3 servers that are not ours, where they are installed: moto (`pip install moto[s3,server]`) and s3s-fs
//! (`cargo install s3s-fs --features binary`), which refuses a wrong key.

use crate::server::text;
use sculpt_remote::{
    Credentials, Location, Patience, Pushed, Remote, RemoteFolders, Secret, Settings, upload,
};
use sculpt_store::digest::Digest;
use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// A process that ends with the test.
struct Process {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a program is: on the path, or where `.ci/run` puts it.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/servers/bin");
    std::env::split_paths(&path)
        .chain([target])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn start(program: &str, words: &dyn Fn(u16, &Path) -> Vec<String>) -> Option<Process> {
    let Some(path) = find(program) else {
        let mut stderr = std::io::stderr();
        let _ = std::io::Write::write_all(
            &mut stderr,
            format!("skipped: {program} is not installed\n").as_bytes(),
        );
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let child = Command::new(path)
        .args(words(port, folder.path()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let process = Process {
        child,
        port,
        _folder: folder,
    };
    for _ in 0..300 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(process);
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("{program} does not listen");
}

fn settings(port: u16, secret: &str) -> Settings {
    Settings {
        s3_endpoint: Some(format!("http://127.0.0.1:{port}").parse().unwrap()),
        s3_credentials: Some(Credentials {
            key: Secret::new("who"),
            secret: Secret::new(secret),
            token: None,
        }),
        patience: Patience {
            tries: 3,
            first: Duration::from_millis(10),
        },
        ..Settings::from_variables(|_| None).unwrap()
    }
}

fn open(word: &str, settings: &Settings) -> Remote {
    Remote::open(word.parse::<Location>().unwrap(), settings).unwrap()
}

/// All that is done with a place, from the first write to a race.
fn everything(settings: &Settings) {
    let local = tempfile::tempdir().unwrap();
    let remote = open("s3://bucket/suites/demo", settings);
    let content: Vec<u8> = (0..300_000_u32).map(|i| (i / 7) as u8).collect();
    let mut files = Vec::new();
    for i in 0..5 {
        let name = format!("part-{i}=a,b+c_d");
        fs::write(local.path().join(&name), &content[i..]).unwrap();
        files.push(name);
    }
    fs::write(local.path().join("list.json"), "[]").unwrap();
    files.push("list.json".to_owned());
    let send = || upload(&remote, local.path(), &files, &["list.json"], &mut |_| {}).unwrap();
    assert_eq!(send().sent, 6);
    assert_eq!((send().sent, send().were_there), (0, 6));
    let listed = remote.list("part-").unwrap().unwrap();
    let names: BTreeSet<String> = listed.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, files[..5].iter().cloned().collect());

    let to = local.path().join("back");
    let digest = Digest::of(&content);
    // From the middle on, as after a cut.
    fs::write(local.path().join("back.partial"), &content[..1000]).unwrap();
    assert!(remote.fetch_checked(&files[0], &to, &digest).unwrap());
    assert_eq!(fs::read(&to).unwrap(), content);
    assert!(!remote.fetch_checked("absent", &to, &digest).unwrap());
    let said = text(remote.fetch_checked(&files[1], &to, &Digest::of(&content[2..])));
    assert!(said.contains("has 299999 bytes"), "{said}");

    let folders = RemoteFolders::new(open("s3://bucket/runs", settings));
    let id = "ab".repeat(32);
    let push = |result: &str| {
        fs::write(local.path().join("state"), result).unwrap();
        let names = BTreeSet::from(["state".to_owned()]);
        folders.push(&id, local.path(), &names, &names)
    };
    assert_eq!(push("1").unwrap(), Pushed::Finished);
    assert_eq!(push("1").unwrap(), Pushed::WasThere);
    assert!(text(push("2")).contains("was finished by another machine"));
    let index = folders.index(&id).unwrap().unwrap();
    folders.pull(&index, "state", &to).unwrap();
    assert_eq!(fs::read(&to).unwrap(), b"1");
    assert!(folders.finished().unwrap().unwrap().contains_key(&id));
    let conditional = remote.write("list.json", b"other", true).unwrap();
    assert!(!conditional, "an object that is there was written over");
    remote.remove("list.json").unwrap();
    assert_eq!(remote.read("list.json", 10).unwrap(), None);
    let said = text(open("s3://no-such-bucket", settings).list(""));
    assert!(said.contains("(NoSuchBucket); make the bucket first"), "{said}");
}

#[test]
fn moto() {
    let words = |port: u16, _: &Path| {
        vec![
            "-H".to_owned(),
            "127.0.0.1".to_owned(),
            "-p".to_owned(),
            port.to_string(),
        ]
    };
    let Some(process) = start("moto_server", &words) else {
        return;
    };
    let made = Command::new("curl")
        .args([
            "-s",
            "-X",
            "PUT",
            &format!("http://127.0.0.1:{}/bucket", process.port),
        ])
        .status();
    assert!(made.unwrap().success());
    everything(&settings(process.port, "secret"));
}

#[test]
fn s3s_fs() {
    let words = |port: u16, folder: &Path| {
        fs::create_dir(folder.join("bucket")).unwrap();
        let flags = [
            "--access-key",
            "who",
            "--secret-key",
            "secret",
            "--host",
            "127.0.0.1",
            "--port",
        ];
        let mut words: Vec<String> = flags.iter().map(|word| (*word).to_owned()).collect();
        words.extend([port.to_string(), folder.display().to_string()]);
        words
    };
    let Some(process) = start("s3s-fs", &words) else {
        return;
    };
    everything(&settings(process.port, "secret"));
    let said = text(open("s3://bucket", &settings(process.port, "wrong")).read("x", 10));
    assert!(
        said.contains("(SignatureDoesNotMatch); AWS_ACCESS_KEY_ID"),
        "{said}"
    );
}

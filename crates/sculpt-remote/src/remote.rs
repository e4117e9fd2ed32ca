use crate::listing::Page;
use crate::location::is_plain;
use crate::patience::passes;
use crate::requests::{Answer, Ask, Content, Method, Requests};
use crate::s3::{S3, SHA256_HEADER};
use crate::{Location, Patience, RemoteError, Settings};
use sculpt_downloads::{Client, DownloadError, Limits, Request, is_this_machine};
use sculpt_store::digest::Digest;
use sculpt_store::{atomic, paths};
use std::path::Path;

/// A page of a listing has a thousand keys of at most a thousand bytes.
const MOST_LISTING_BYTES: u64 = 1 << 24;

/// What S3 takes in one request.
const MOST_OBJECT_BYTES: u64 = 5 * 1000 * 1000 * 1000;

/// A folder somewhere else.
#[derive(Debug)]
pub struct Remote {
    location: Location,
    server: Server,
    requests: Requests,
    downloads: Client,
    patience: Patience,
}

#[derive(Debug)]
enum Server {
    S3(S3),
    Web {
        url: String,
    },
    Hub {
        url: String,
        /// What shows who asks.
        headers: Vec<(String, String)>,
    },
}

/// The largest grids have a tenth of this many files.
const MOST_LISTED: usize = 10_000_000;

/// A page may be empty where objects were removed, and not many in a row are.
const MOST_EMPTY_PAGES: usize = 100;

/// What is known of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its length.
    pub bytes: u64,
    /// What its content was when it was uploaded from here; none where another program did.
    pub sha256: Option<String>,
}

impl Remote {
    /// A place that is asked for nothing yet.
    ///
    /// # Errors
    /// An address that is not asked: plain HTTP to another machine that was not allowed, or a token over it.
    pub fn open(location: Location, settings: &Settings) -> Result<Self, RemoteError> {
        let mut plain_http = settings.plain_http;
        let server = match &location {
            Location::S3 { bucket, prefix } => {
                plain_http = true;
                Server::S3(S3::new(bucket, prefix, settings)?)
            }
            Location::Web { url } => Server::Web { url: url.clone() },
            Location::Hub {
                owner,
                name,
                revision,
            } => {
                plain_http = true;
                let endpoint = settings.hub_endpoint.as_str().trim_end_matches('/');
                let revision = revision.replace('/', "%2F");
                let url = format!("{endpoint}/{owner}/{name}/resolve/{revision}");
                if settings.hub_token.is_some() && !url.starts_with("https:") && !is_this_machine(&url) {
                    return Err(RemoteError::Setting {
                        name: "HF_ENDPOINT",
                        why: "is of plain http, over which HF_TOKEN is not sent: unset one of both",
                    });
                }
                let bearer = |token: &crate::Secret| {
                    let value = format!("Bearer {}", token.reveal());
                    vec![("authorization".to_owned(), value)]
                };
                let headers = settings.hub_token.as_ref().map(bearer).unwrap_or_default();
                Server::Hub { url, headers }
            }
        };
        let base = match &server {
            Server::S3(s3) => s3.base(),
            Server::Web { url } | Server::Hub { url, .. } => url,
        };
        let limits = Limits {
            plain_http,
            ..Limits::USUAL
        };
        Ok(Self {
            downloads: Client::new(base, limits)?,
            requests: Requests::new(base, matches!(server, Server::S3(_)), settings),
            patience: settings.patience,
            location,
            server,
        })
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// What messages call a file of it.
    pub fn name_of(&self, file: &str) -> String {
        self.location.name_of(file)
    }

    /// The content of a small file; none where there is none of this name.
    ///
    /// # Errors
    /// More than `most` bytes, a server that refuses, or none that answers.
    pub fn read(&self, file: &str, most: u64) -> Result<Option<Vec<u8>>, RemoteError> {
        let object = self.checked(file)?;
        let answer = self
            .requests
            .send(&object, "read", most, || self.ask(Method::Get, file))?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            _ if self.is_absent(&answer) => Ok(None),
            _ => Err(answer.refused(&object, "read")),
        }
    }

    /// Brings a file to `to`, going on from what is there, through cuts; false where there is none of this name. `bytes` is its
    /// length, where that is known, `most` what it has at most. What came is not compared with any checksum.
    ///
    /// # Errors
    /// Another length, a server that refuses or is too slow, or what the file system refuses.
    pub fn fetch(
        &self,
        file: &str,
        to: &Path,
        bytes: Option<u64>,
        most: u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<bool, RemoteError> {
        let object = self.checked(file)?;
        let may_pass = |error: &DownloadError| match error {
            DownloadError::BrokenOff { .. } | DownloadError::Truncated { .. } => true,
            DownloadError::Status { status, .. } => passes(*status),
            DownloadError::Transport { source, .. } => !matches!(**source, ureq::Error::HostNotFound),
            _ => false,
        };
        let fetched = self.patience.call(may_pass, |_| {
            let Ask { url, headers, .. } = self.ask(Method::Get, file);
            let request = Request {
                url: &url,
                name: &object,
                headers: &headers,
            };
            let mut progress = |here, _| progress(here);
            self.downloads
                .fetch_request(&request, to, bytes, most, &mut progress)
        });
        match fetched {
            Ok(()) => Ok(true),
            Err(DownloadError::Status { status, .. }) if !passes(status) => {
                // Asked once more, it says why; and whether the file is there is decided in one place.
                match self.read(file, 1 << 16)? {
                    None => Ok(false),
                    Some(_) => Err(RemoteError::Refused {
                        object,
                        doing: "read",
                        status,
                        code: String::new(),
                        remedy: ", and then gave it; the same command goes on",
                    }),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Brings a file that must be the recorded one: it is at `to` when all its bytes are checked, and not before. False where
    /// there is none of this name.
    ///
    /// # Errors
    /// As [`Remote::fetch`], and other bytes, which are thrown away.
    pub fn fetch_checked(&self, file: &str, to: &Path, digest: &Digest) -> Result<bool, RemoteError> {
        if let Some(folder) = to.parent() {
            atomic::create_folder(folder)?;
        }
        let coming = paths::partial(to);
        loop {
            let goes_on = coming.exists();
            if !self.fetch(file, &coming, Some(digest.bytes), digest.bytes, &mut |_| {})? {
                return Ok(false);
            }
            let found = Digest::of_file(&coming)?;
            if found == *digest {
                atomic::rename(&coming, to)?;
                return Ok(true);
            }
            remove_file(&coming)?;
            // It may have begun another file than the one that is served now.
            if !goes_on {
                return Err(RemoteError::OtherBytes {
                    object: self.name_of(file),
                    location: self.location.to_string(),
                    sha256: found.sha256,
                    bytes: found.bytes,
                    expected: digest.sha256.clone(),
                    expected_bytes: digest.bytes,
                });
            }
        }
    }

    /// What is known of a file; none where there is none.
    ///
    /// # Errors
    /// A server that refuses, or none that answers.
    pub fn look(&self, file: &str) -> Result<Option<Object>, RemoteError> {
        let object = self.checked(file)?;
        let answer = self
            .requests
            .send(&object, "read", 1 << 16, || self.ask(Method::Head, file))?;
        match answer.status {
            200 => Ok(Some(Object {
                bytes: answer
                    .header("content-length")
                    .and_then(|length| length.parse().ok())
                    .unwrap_or_default(),
                sha256: answer.header(SHA256_HEADER).map(str::to_owned),
            })),
            _ if self.is_absent(&answer) => Ok(None),
            _ => Err(answer.refused(&object, "read")),
        }
    }

    /// Writes a small file; with `if_absent` only where there is none, false where there is one. A server that knows no such
    /// condition is asked first.
    ///
    /// # Errors
    /// A place that is only read, or a server that refuses.
    pub fn write(&self, file: &str, content: &[u8], if_absent: bool) -> Result<bool, RemoteError> {
        let sha256 = Digest::of(content).sha256;
        self.put(file, Content::Bytes(content), &sha256, if_absent)
    }

    /// Writes a file from the disk, whose content the server checks against its hash.
    ///
    /// # Errors
    /// As [`Remote::write`], and a file that changed.
    pub fn write_file(&self, file: &str, from: &Path, digest: &Digest) -> Result<(), RemoteError> {
        if digest.bytes > MOST_OBJECT_BYTES {
            let (object, most) = (self.name_of(file), MOST_OBJECT_BYTES);
            return Err(RemoteError::TooLong { object, most });
        }
        self.put(file, Content::File(from, digest.bytes), &digest.sha256, false)?;
        if Digest::of_file(from)? != *digest {
            // Not every server looks at the checksum.
            self.remove(file)?;
            return Err(RemoteError::Changed {
                path: from.display().to_string(),
                object: self.name_of(file),
            });
        }
        Ok(())
    }

    fn put(
        &self,
        file: &str,
        content: Content<'_>,
        sha256: &str,
        if_absent: bool,
    ) -> Result<bool, RemoteError> {
        let object = self.checked(file)?;
        let s3 = self.to_write(&object)?;
        let put = |if_absent| {
            self.requests.send(&object, "written", 1 << 20, || {
                s3.put(file, content, sha256, if_absent)
            })
        };
        let mut answer = put(if_absent)?;
        // Conditions are younger than S3: some servers do not know them.
        if if_absent && (answer.status == 501 || answer.code().is_some_and(|code| code == "NotImplemented")) {
            if self.look(file)?.is_some() {
                return Ok(false);
            }
            answer = put(false)?;
        }
        match answer.status {
            200 | 201 | 204 => Ok(true),
            // 409: somebody else is just writing it.
            409 | 412 if if_absent => Ok(false),
            _ => Err(answer.refused(&object, "written")),
        }
    }

    /// Removes a file that need not be there.
    ///
    /// # Errors
    /// As [`Remote::write`].
    pub fn remove(&self, file: &str) -> Result<(), RemoteError> {
        let object = self.checked(file)?;
        let s3 = self.to_write(&object)?;
        let answer = self
            .requests
            .send(&object, "removed", 1 << 16, || s3.delete(file))?;
        match answer.status {
            200 | 202 | 204 | 404 => Ok(()),
            _ => Err(answer.refused(&object, "removed")),
        }
    }

    /// The files whose names begin with `under`, with their lengths; none where the place cannot be listed.
    ///
    /// # Errors
    /// A server that refuses, or a list that is none.
    pub fn list(&self, under: &str) -> Result<Option<Vec<(String, u64)>>, RemoteError> {
        let Server::S3(s3) = &self.server else {
            return Ok(None);
        };
        let object = self.name_of(under);
        let (mut files, mut token, mut n, mut empty) = (Vec::new(), None::<String>, 0, 0);
        loop {
            let answer = self.requests.send(&object, "listed", MOST_LISTING_BYTES, || {
                s3.list(under, token.as_deref())
            })?;
            if answer.status != 200 {
                return Err(answer.refused(&object, "listed"));
            }
            let page =
                Page::parse(&String::from_utf8_lossy(&answer.body)).ok_or_else(|| RemoteError::BadList {
                    object: object.clone(),
                    detail: "the server's answer is no listing of S3".to_owned(),
                })?;
            let ours = |(key, bytes): &(String, u64)| Some((s3.file_of(key)?.to_owned(), *bytes));
            files.extend(page.keys.iter().filter_map(ours));
            n += page.keys.len();
            empty = if page.keys.is_empty() { empty + 1 } else { 0 };
            if n > MOST_LISTED || empty > MOST_EMPTY_PAGES {
                let detail = format!("it does not end: {n} objects, and {empty} pages without any");
                return Err(RemoteError::BadList { object, detail });
            }
            let went_on = page.next.is_some() && page.next != token;
            token = page.next;
            if !went_on {
                return Ok(Some(files));
            }
        }
    }

    fn ask(&self, method: Method<'static>, file: &str) -> Ask<'static> {
        match (&self.server, method) {
            (Server::S3(s3), Method::Head) => s3.head(file),
            (Server::S3(s3), _) => s3.get(file),
            (Server::Web { url }, _) => Ask {
                method,
                url: format!("{url}/{file}"),
                headers: Vec::new(),
            },
            (Server::Hub { url, headers }, _) => Ask {
                method,
                url: format!("{url}/{file}"),
                headers: headers.clone(),
            },
        }
    }

    /// Whether an answer says that there is no such file.
    fn is_absent(&self, answer: &Answer) -> bool {
        match (&self.server, answer.status) {
            (Server::S3(_), 404) => answer.code().is_none_or(|code| code != "NoSuchBucket"),
            // Stores of objects behind web servers answer 403 for those that they do not have.
            (Server::Web { .. }, 403 | 404 | 410) => true,
            (Server::Hub { .. }, 404) => {
                let code = answer.code().unwrap_or_default();
                !["RepoNotFound", "RevisionNotFound", "GatedRepo"].contains(&code.as_str())
            }
            _ => false,
        }
    }

    fn to_write(&self, object: &str) -> Result<&S3, RemoteError> {
        let read_only = |remedy| RemoteError::ReadOnly {
            location: self.location.to_string(),
            remedy,
        };
        match &self.server {
            Server::S3(s3) if s3.may_write() => Ok(s3),
            Server::S3(_) => Err(RemoteError::NoCredentials {
                object: object.to_owned(),
            }),
            Server::Web { .. } => Err(read_only(
                "s3://bucket/prefix can be written, and served by https",
            )),
            Server::Hub { .. } => Err(read_only(
                "`sculpt publish --hub DIR` makes a folder for `hf upload`",
            )),
        }
    }

    /// The name of a file for messages, if it is one that needs no quoting and stays in its folder.
    fn checked(&self, file: &str) -> Result<String, RemoteError> {
        if file.split('/').all(is_plain) {
            return Ok(self.name_of(file));
        }
        Err(RemoteError::BadList {
            object: self.location.to_string(),
            detail: format!("{file:?} can be the name of no file"),
        })
    }
}

pub(crate) fn remove_file(path: &Path) -> Result<(), RemoteError> {
    match std::fs::remove_file(path) {
        Err(refused) if refused.kind() != std::io::ErrorKind::NotFound => {
            Err(RemoteError::File(sculpt_store::FileError {
                path: path.to_owned(),
                doing: "remove",
                refused,
            }))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

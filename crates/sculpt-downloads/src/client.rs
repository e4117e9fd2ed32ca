use crate::get::{at, remove};
use crate::limits::{Watch, check_scheme, is_https, is_this_machine};
use crate::{DownloadError, Limits};
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::time::Duration;

/// Bytes handled between two calls of `progress`.
const CHUNK: usize = 1 << 18;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its address, which may be signed: no error shows it.
    pub url: &'a str,
    /// What errors call it.
    pub name: &'a str,
    /// Further headers; those that authorise are not sent on where the server redirects to another.
    pub headers: &'a [(String, String)],
}

/// Fetches files over HTTPS; connections to a server are kept between files.
#[derive(Debug)]
pub struct Client {
    agent: ureq::Agent,
    limits: Limits,
}

impl Client {
    /// A client for addresses on the server of `url`.
    ///
    /// # Errors
    /// Plain HTTP to another machine that `limits` do not allow, or another scheme.
    pub fn new(url: &str, limits: Limits) -> Result<Self, DownloadError> {
        check_scheme(url, &limits)?;
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .https_only(is_https(url))
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(Duration::from_secs(60)));
        if !is_https(url) {
            // A redirect is handed back: nobody vouches for where it leads.
            config = config.max_redirects(0).max_redirects_will_error(false);
        }
        if is_this_machine(url) {
            // No proxy stands between a machine and itself.
            config = config.proxy(None);
        }
        Ok(Self {
            agent: config.build().into(),
            limits,
        })
    }

    /// Brings the whole file at `url` into `partial`, as [`Client::fetch_request`] does.
    ///
    /// # Errors
    /// As there.
    pub fn fetch(
        &self,
        url: &str,
        partial: &Path,
        bytes: Option<u64>,
        most: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), DownloadError> {
        let request = Request {
            url,
            name: url,
            headers: &[],
        };
        self.fetch_request(&request, partial, bytes, most, progress)
    }

    /// Brings the whole file that is asked for into `partial`, going on from what is there.
    ///
    /// `bytes` is its length, where that is known; it has no more than `most`. `progress` is called with the bytes
    /// that are here and all bytes (0: not known). What came is not compared with any checksum.
    ///
    /// # Errors
    /// A server that does not answer, refuses, announces another length or is too slow; a file that is longer; a
    /// transfer that ends early (what came is kept), or what the file system refuses.
    pub fn fetch_request(
        &self,
        request: &Request<'_>,
        partial: &Path,
        bytes: Option<u64>,
        most: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), DownloadError> {
        check_scheme(request.url, &self.limits)?;
        let url = request.name;
        let mut received = match fs::metadata(partial) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(at("read", partial)(error)),
        };
        if bytes == Some(received) && received > 0 {
            return Ok(());
        }
        if bytes.is_some_and(|expected| received > expected) {
            remove(partial)?;
            received = 0;
        }
        let mut answer = self.ask(request, received)?;
        if received > 0 && answer.status == 416 {
            // What is here does not begin the file that is there.
            remove(partial)?;
            received = 0;
            answer = self.ask(request, 0)?;
        }
        let goes_on = answer.goes_on(url, received)?;
        if !goes_on {
            received = 0;
        }
        let announced = answer.length.map(|length| length.saturating_add(received));
        let too_long = |expected| DownloadError::TooLong {
            url: url.to_owned(),
            expected,
        };
        match (announced, bytes) {
            (Some(announced), Some(expected)) if announced != expected => {
                return Err(DownloadError::OtherLength {
                    url: url.to_owned(),
                    announced,
                    expected,
                });
            }
            (Some(announced), _) if announced > most => return Err(too_long(most)),
            (Some(_) | None, _) => {}
        }
        let expected = bytes.or(announced);
        let most = expected.unwrap_or(most).min(most);
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .append(goes_on)
            .truncate(!goes_on)
            .open(partial)
            .map_err(at("write", partial))?;
        let mut body = answer.response.into_body().into_reader();
        let (mut buffer, mut watch) = (vec![0; CHUNK], Watch::new(self.limits));
        loop {
            progress(received, expected.unwrap_or(0));
            let n = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(source) if source.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    file.sync_all().map_err(at("write", partial))?;
                    return Err(DownloadError::BrokenOff {
                        url: url.to_owned(),
                        received,
                        path: partial.to_path_buf(),
                        source,
                    });
                }
            };
            received += n as u64;
            if received > most {
                drop(file);
                remove(partial)?;
                return Err(too_long(most));
            }
            file.write_all(&buffer[..n]).map_err(at("write", partial))?;
            if let Err(what) = watch.saw(n) {
                file.sync_all().map_err(at("write", partial))?;
                return Err(DownloadError::TooSlow {
                    url: url.to_owned(),
                    what,
                    received,
                    path: partial.to_path_buf(),
                });
            }
        }
        file.sync_all().map_err(at("write", partial))?;
        match expected {
            Some(expected) if received < expected => Err(DownloadError::Truncated {
                url: url.to_owned(),
                received,
                expected,
                path: partial.to_path_buf(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// The answer to a GET for the bytes from `first` on.
    fn ask(&self, asked: &Request<'_>, first: u64) -> Result<Answer, DownloadError> {
        let mut request = self.agent.get(asked.url).header("accept-encoding", "identity");
        for (name, value) in asked.headers {
            request = request.header(name, value);
        }
        if first > 0 {
            request = request.header("range", format!("bytes={first}-"));
        }
        let response = request.call().map_err(|source| DownloadError::Transport {
            url: asked.name.to_owned(),
            source: Box::new(source),
        })?;
        let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        Ok(Answer {
            status: response.status().as_u16(),
            length: header("content-length").and_then(|length| length.parse().ok()),
            range: header("content-range").unwrap_or_default(),
            location: header("location").unwrap_or_default(),
            response,
        })
    }
}

struct Answer {
    status: u16,
    /// Bytes of the body.
    length: Option<u64>,
    range: String,
    location: String,
    response: ureq::http::Response<ureq::Body>,
}

impl Answer {
    /// Whether the body is what follows the first `received` bytes, and not the whole file.
    fn goes_on(&self, url: &str, received: u64) -> Result<bool, DownloadError> {
        let (url, status) = (url.to_owned(), self.status);
        match status {
            200 => Ok(false),
            206 if received > 0 && self.range.starts_with(&format!("bytes {received}-")) => Ok(true),
            300..=399 if !self.location.is_empty() => Err(DownloadError::Redirect {
                url,
                status,
                // What follows a question mark may sign, and so be a secret.
                location: self
                    .location
                    .split(['?', '#'])
                    .next()
                    .unwrap_or_default()
                    .chars()
                    .take(200)
                    .collect(),
            }),
            _ => Err(DownloadError::Status { url, status }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_server::{Server, ok};
    use std::path::PathBuf;
    use tempfile::TempDir;

    fn fetch(server: &Server, bytes: Option<u64>, limits: Limits) -> (String, Option<usize>) {
        let dest = TempDir::new().unwrap();
        let partial: PathBuf = dest.path().join("file");
        let fetched = Client::new(&server.url, limits)
            .and_then(|client| client.fetch(&server.url, &partial, bytes, 1000, &mut |_, _| {}));
        let kept = fs::read(&partial).ok().map(|bytes| bytes.len());
        let text = fetched.map_or_else(|error| error.to_string(), |()| "ok".to_owned());
        (text, kept)
    }

    #[track_caller]
    fn check(answer: (&str, usize), bytes: Option<u64>, says: &str, kept: Option<usize>) {
        let server = Server::new(vec![(answer.0.to_owned(), vec![7; answer.1])]);
        let (text, found) = fetch(&server, bytes, Limits::USUAL);
        assert!(text.contains(says), "{text}");
        assert_eq!(found, kept, "{text}");
    }

    #[test]
    fn answers_are_looked_at_before_their_bytes() {
        check(("200 OK\r\nContent-Length: 50", 50), Some(50), "ok", Some(50));
        check(("200 OK\r\nContent-Length: 50", 50), None, "ok", Some(50));
        check(("200 OK", 50), Some(50), "ok", Some(50));
        let other = "has 60 bytes, and the file that is wanted has 50";
        check(("200 OK\r\nContent-Length: 60", 60), Some(50), other, None);
        let long = "sends more than the 1000 bytes";
        check(("200 OK\r\nContent-Length: 1001", 1001), None, long, None);
        check(("200 OK", 1001), None, long, None);
        check(("200 OK", 60), Some(50), "sends more than the 50 bytes", None);
        check(("200 OK", 40), Some(50), "after 40 of 50 bytes", Some(40));
        check(
            ("404 Not Found\r\nContent-Length: 4", 4),
            None,
            "answered 404",
            None,
        );
        let nobody = Server {
            url: "http://127.0.0.1:1/a.tar.gz".to_owned(),
            ranges: Default::default(),
        };
        let (text, _) = fetch(&nobody, None, Limits::USUAL);
        assert!(text.contains("cannot be fetched"), "{text}");
    }

    /// Nobody asked for the other scheme, or for the other page.
    #[test]
    fn redirects_over_plain_http_are_not_followed() {
        for location in ["https://host.invalid/x", "/login", "file:///etc/passwd"] {
            let answer =
                format!("302 Found\r\nLocation: {location}?X-Amz-Security-Token=s\r\nContent-Length: 0");
            let says = format!("answered 302, go to {location:?}");
            check((&answer, 0), None, &says, None);
        }
    }

    /// 300 bytes in pieces of 10, 20 ms apart: 500 bytes a second.
    #[test]
    fn a_server_that_drips_is_left() {
        let drip = || Server::dripping(vec![ok(&[1; 300])], 10, Duration::from_millis(20));
        let limits = |slowest, total| Limits {
            slowest,
            total: Duration::from_millis(total),
            window: Duration::from_millis(50),
            plain_http: false,
        };
        let (text, kept) = fetch(&drip(), None, limits(100_000, 60_000));
        assert!(
            text.contains(" bytes in 0.") && text.contains("goes on from"),
            "{text}"
        );
        assert!(kept.is_some_and(|kept| kept > 0 && kept < 300), "{kept:?}");
        let (text, kept) = fetch(&drip(), None, limits(1, 100));
        assert!(text.contains("took more than 0.1 s"), "{text}");
        assert!(kept.is_some_and(|kept| kept > 0 && kept < 300), "{kept:?}");
        assert_eq!(fetch(&drip(), None, limits(1, 60_000)).0, "ok");
    }
}

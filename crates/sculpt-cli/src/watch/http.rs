//! Just enough HTTP to hand out two texts: GET and HEAD, one request a connection, bounded in bytes, seconds and connections.
//!
//! It is written out because the small crates that are about read lines of a request without a bound, and a page that
//! nobody may write to needs none of what else they do. Only who asks for this machine by its address, or as localhost, is
//! answered: a page of somebody else's, whose name was made to lead here, is not.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The page: one file, nothing loaded from elsewhere.
const PAGE: &str = include_str!("page.html");

/// Bytes of a request, its headers included.
const MAX_REQUEST: usize = 16 << 10;

/// How long a client may take to ask, and to read.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections at once, each with a thread of its own: a browser opens some and says nothing on them.
const MAX_CONNECTIONS: usize = 64;

/// What the page asks for, as the watching thread last saw it.
pub(super) type Snapshot = Arc<Mutex<Arc<str>>>;

/// Serves from threads of its own, which end with the process.
pub(super) fn serve(listener: TcpListener, snapshot: Snapshot) -> io::Result<()> {
    let bound = listener.local_addr()?.ip();
    let open = Arc::new(AtomicUsize::new(0));
    thread::Builder::new().spawn(move || {
        loop {
            let Ok((stream, _)) = listener.accept() else {
                // Out of file descriptors, for now.
                thread::sleep(Duration::from_millis(100));
                continue;
            };
            if open.load(Ordering::Relaxed) >= MAX_CONNECTIONS {
                // Nothing that it says is waited for.
                let _ = stream.set_nonblocking(true);
                let _ = (&stream).write_all(head("503 Service Unavailable", "text/plain", 0).as_bytes());
                continue;
            }
            open.fetch_add(1, Ordering::Relaxed);
            let (snapshot, here) = (snapshot.clone(), open.clone());
            let begun = thread::Builder::new().spawn(move || {
                // A client that went away is no matter of ours.
                let _ = answer(stream, &snapshot, bound);
                here.fetch_sub(1, Ordering::Relaxed);
            });
            if begun.is_err() {
                open.fetch_sub(1, Ordering::Relaxed);
            }
        }
    })?;
    Ok(())
}

fn answer(mut stream: TcpStream, snapshot: &Snapshot, bound: IpAddr) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = match read_request(&mut stream)? {
        Some(request) => Request::of(&request, bound),
        None => Err("431 Request Header Fields Too Large"),
    };
    let (status, kind, body) = match request.as_ref().map(|request| request.path.as_str()) {
        Err(status) => (*status, "text/plain", Arc::from(*status)),
        Ok("/") => ("200 OK", "text/html; charset=utf-8", Arc::from(PAGE)),
        Ok("/state.json") => {
            let state = snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone();
            ("200 OK", "application/json", state)
        }
        Ok(_) => ("404 Not Found", "text/plain", Arc::from("404 Not Found")),
    };
    stream.write_all(head(status, kind, body.len()).as_bytes())?;
    if !request.is_ok_and(|request| request.is_head) {
        stream.write_all(body.as_bytes())?;
    }
    // What is left unread would take the answer away from who has not read it yet.
    stream.shutdown(Shutdown::Write)?;
    let until = Instant::now() + PATIENCE;
    let mut rest = [0; 1024];
    for _ in 0..MAX_REQUEST {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        stream.set_read_timeout(Some(left))?;
        if stream.read(&mut rest)? == 0 {
            break;
        }
    }
    Ok(())
}

/// An answer up to its body.
fn head(status: &str, kind: &str, n_bytes: usize) -> String {
    let allow = if status.starts_with("405") {
        "Allow: GET, HEAD\r\n"
    } else {
        ""
    };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {n_bytes}\r\n{allow}Connection: close\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; connect-src 'self'; img-src data:; frame-ancestors 'self'\r\n\r\n"
    )
}

/// A request up to the empty line behind its headers; none where they do not end.
fn read_request(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let until = Instant::now() + PATIENCE;
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        if request.len() > MAX_REQUEST {
            return Ok(None);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            n => request.extend(&buffer[..n]),
        }
    }
    Ok(Some(request))
}

/// What is asked for.
struct Request {
    path: String,
    is_head: bool,
}

impl Request {
    /// Read, or what is wrong with it.
    fn of(request: &[u8], bound: IpAddr) -> Result<Self, &'static str> {
        let bad = "400 Bad Request";
        let text = str::from_utf8(request).map_err(|_| bad)?;
        let mut lines = text.split("\r\n");
        let [method, target, version] = lines.next().unwrap_or_default().split(' ').collect::<Vec<_>>()[..]
        else {
            return Err(bad);
        };
        if !["HTTP/1.0", "HTTP/1.1"].contains(&version) {
            return Err(bad);
        }
        let headers = lines.filter_map(|line| line.split_once(':'));
        let mut hosts = headers.filter(|(name, _)| name.eq_ignore_ascii_case("host"));
        let host = hosts.next().map(|(_, host)| host.trim());
        // One, which HTTP/1.0 may leave out.
        if hosts.next().is_some() || host.is_none() && version == "HTTP/1.1" {
            return Err(bad);
        }
        // A target may be whole, as proxies are asked.
        let (host, path) = match target.strip_prefix("http://") {
            Some(rest) => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                (Some(&rest[..end]), &rest[end..])
            }
            None => (host, target),
        };
        if !host.is_none_or(|host| is_here(host, bound)) {
            return Err("421 Misdirected Request");
        }
        let is_head = match method {
            "GET" => false,
            "HEAD" => true,
            _ => return Err("405 Method Not Allowed"),
        };
        let path = match path.split(['?', '#']).next().unwrap_or_default() {
            "" => "/",
            path => path,
        };
        Ok(Self {
            path: path.to_owned(),
            is_head,
        })
    }
}

/// Whether a host, with its port or without, is this machine by an address: a name could be made to lead here by anybody. The port
/// may be another one, in front of a tunnel.
fn is_here(host: &str, bound: IpAddr) -> bool {
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    if without_port.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let bare = without_port.strip_prefix('[').and_then(|v6| v6.strip_suffix(']'));
    let address = bare.unwrap_or(without_port).parse::<IpAddr>();
    address.is_ok_and(|ip| ip.is_loopback() || bound.is_unspecified() || ip == bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(request: &[u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        serve(listener, Arc::new(Mutex::new(Arc::from("{}")))).unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        // A client that is cut off may not get rid of all of its request.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    #[track_caller]
    fn check(request: &[u8], status: &str) -> String {
        let answer = ask(request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        answer
    }

    #[test]
    fn two_texts_are_handed_out_and_nothing_else() {
        assert!(check(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "200").ends_with(PAGE));
        assert!(check(b"GET /state.json?1 HTTP/1.0\r\n\r\n", "200").ends_with("\r\n\r\n{}"));
        for (request, status) in [
            (&b"GET /../../etc/passwd HTTP/1.0\r\n\r\n"[..], "404"),
            (b"POST / HTTP/1.0\r\n\r\n", "405"),
            (b"GET /\r\n\r\n", "400"),
            (b"GET / HTTP/1.1\r\n\r\n", "400"),
            (b"GET / HTTP/1.1\r\nHost: [::1]\r\nhost: localhost\r\n\r\n", "400"),
            (b"\xff\xff \r\n\r\n", "400"),
            (&[b'a'; 2 * MAX_REQUEST], "431"),
        ] {
            check(request, status);
        }
    }

    #[test]
    fn head_is_get_without_its_body() {
        let get = check(b"GET /state.json HTTP/1.0\r\n\r\n", "200");
        let head = check(b"HEAD /state.json HTTP/1.0\r\n\r\n", "200");
        assert_eq!(get, format!("{head}{{}}"));
        assert!(head.contains("\r\nContent-Length: 2\r\n"), "{head}");
    }

    #[test]
    fn other_peoples_names_lead_nowhere() {
        check(b"GET / HTTP/1.1\r\nHost: evil.example:6007\r\n\r\n", "421");
        check(
            b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "421",
        );
        let whole = b"GET http://127.0.0.1:80/state.json HTTP/1.1\r\nHost: evil.example\r\n\r\n";
        assert!(check(whole, "200").ends_with("{}"));
        let (own, all): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "0.0.0.0".parse().unwrap());
        for host in [
            "localhost:1",
            "LOCALHOST",
            "127.0.0.2",
            "[::1]:6007",
            "192.0.2.1:6007",
        ] {
            assert!(is_here(host, own), "{host}");
        }
        for host in [
            "192.0.2.2",
            "localhost.evil.example",
            "",
            "192.0.2.1.evil.example",
            ":6007",
        ] {
            assert!(!is_here(host, own), "{host}");
        }
        assert!(is_here("192.0.2.2:6007", all) && !is_here("evil.example", all));
    }

    #[test]
    fn who_says_nothing_keeps_nobody_waiting() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        serve(listener, Arc::new(Mutex::new(Arc::from("{}")))).unwrap();
        let _silent: Vec<_> = (0..MAX_CONNECTIONS / 2)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let begun = Instant::now();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /state.json HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("{}") && begun.elapsed() < PATIENCE, "{answer}");
    }
}

//! Just enough HTTP to hand out two texts: GET, one request a connection, bounded in bytes, seconds and connections.
//!
//! It is written out because the small crates that are about read lines of a request without a bound, and a page that
//! nobody may write to needs none of what else they do.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
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

/// Connections at once: a browser opens some and says nothing on them.
const MAX_CONNECTIONS: usize = 16;

/// What the page asks for, as the watching thread last saw it.
pub(super) type Snapshot = Arc<Mutex<Arc<str>>>;

/// Serves from threads of its own, which end with the process.
pub(super) fn serve(listener: TcpListener, snapshot: Snapshot) -> io::Result<()> {
    let open = Arc::new(AtomicUsize::new(0));
    thread::Builder::new().spawn(move || {
        loop {
            let Ok((stream, _)) = listener.accept() else {
                // Out of file descriptors, for now.
                thread::sleep(Duration::from_millis(100));
                continue;
            };
            if open.load(Ordering::Relaxed) >= MAX_CONNECTIONS {
                continue;
            }
            open.fetch_add(1, Ordering::Relaxed);
            let (snapshot, here) = (snapshot.clone(), open.clone());
            let begun = thread::Builder::new().spawn(move || {
                // A client that went away is no matter of ours.
                let _ = answer(stream, &snapshot);
                here.fetch_sub(1, Ordering::Relaxed);
            });
            if begun.is_err() {
                open.fetch_sub(1, Ordering::Relaxed);
            }
        }
    })?;
    Ok(())
}

fn answer(mut stream: TcpStream, snapshot: &Snapshot) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = read_request(&mut stream)?;
    let (status, kind, body) = match target(&request) {
        Err(status) => (status, "text/plain", Arc::from(status)),
        Ok("/") => ("200 OK", "text/html; charset=utf-8", Arc::from(PAGE)),
        Ok("/state.json") => {
            let state = snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone();
            ("200 OK", "application/json", state)
        }
        Ok(_) => ("404 Not Found", "text/plain", Arc::from("404 Not Found")),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; connect-src 'self'; img-src data:; frame-ancestors 'self'\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// A request up to the empty line behind its headers.
fn read_request(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let until = Instant::now() + PATIENCE;
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || request.len() > MAX_REQUEST {
            return Err(ErrorKind::InvalidData.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            n => request.extend(&buffer[..n]),
        }
    }
    Ok(request)
}

/// The path that is asked for, or what is wrong with the request.
fn target(request: &[u8]) -> Result<&str, &'static str> {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let words = str::from_utf8(line).map(|line| line.split(' ').collect::<Vec<_>>());
    match words.as_deref() {
        Ok(["GET", target, version]) if version.starts_with("HTTP/1.") => {
            Ok(target.split('?').next().unwrap_or_default())
        }
        Ok([_, _, version]) if version.starts_with("HTTP/1.") => Err("405 Method Not Allowed"),
        Ok(_) | Err(_) => Err("400 Bad Request"),
    }
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

    #[test]
    fn two_texts_are_handed_out_and_nothing_else() {
        assert!(ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").ends_with(PAGE));
        assert!(ask(b"GET /state.json?1 HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n{}"));
        for (request, status) in [
            (&b"GET /../../etc/passwd HTTP/1.1\r\n\r\n"[..], "404"),
            (b"POST / HTTP/1.1\r\n\r\n", "405"),
            (b"GET /\r\n\r\n", "400"),
            (b"\xff\xff \r\n\r\n", "400"),
        ] {
            let answer = ask(request);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
        assert_eq!(
            ask(&[b'a'; 2 * MAX_REQUEST]),
            "",
            "a request without an end is cut off"
        );
    }
}

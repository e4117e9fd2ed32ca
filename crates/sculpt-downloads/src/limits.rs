use crate::DownloadError;
use std::time::{Duration, Instant};

/// How long a transfer may take, and over what.
///
/// | Name | Unit | Usual value | Why |
/// | --- | --- | --- | --- |
/// | `total` | – | 6 hours | 170 MB at 8 kB/s |
/// | `slowest` | bytes a second | 1,024 | slower, a data set takes two days |
/// | `window` | – | 60 s | a pause is no end |
/// | `plain_http` | – | no | anybody on the way could answer |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest that one file may take.
    pub total: Duration,
    /// The fewest bytes a second, on average over a window.
    pub slowest: u64,
    /// How long the average is taken.
    pub window: Duration,
    /// Whether other machines may be asked without encryption. This machine itself always may.
    pub plain_http: bool,
}

impl Limits {
    /// What suits data sets and checkpoints.
    pub const USUAL: Self = Self {
        total: Duration::from_secs(6 * 3600),
        slowest: 1024,
        window: Duration::from_secs(60),
        plain_http: false,
    };
}

/// Whether addresses of this kind may be asked.
///
/// # Errors
/// An address that is neither `https://…` nor allowed plain HTTP.
pub(crate) fn check_scheme(url: &str, limits: &Limits) -> Result<(), DownloadError> {
    if is_https(url) || is_this_machine(url) || (limits.plain_http && scheme_is(url, "http://")) {
        return Ok(());
    }
    Err(DownloadError::Scheme { url: url.to_owned() })
}

pub(crate) fn is_https(url: &str) -> bool {
    scheme_is(url, "https://")
}

/// Whether a plain HTTP address is of the loopback.
pub fn is_this_machine(url: &str) -> bool {
    if !scheme_is(url, "http://") {
        return false;
    }
    let authority = url["http://".len()..]
        .split(['/', '?', '#'])
        .next()
        .unwrap_or_default();
    // Whoever asks stands before it, with a colon of its own.
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let port_at = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
    let host = &authority[..port_at.unwrap_or(authority.len())];
    ["localhost", "127.0.0.1", "[::1]"].contains(&host)
}

fn scheme_is(url: &str, scheme: &str) -> bool {
    url.get(..scheme.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// Watches that a transfer keeps within its limits.
pub(crate) struct Watch {
    limits: Limits,
    start: Instant,
    window_start: Instant,
    /// Bytes that came in the window.
    bytes: u64,
}

impl Watch {
    pub(crate) fn new(limits: Limits) -> Self {
        let now = Instant::now();
        Self {
            limits,
            start: now,
            window_start: now,
            bytes: 0,
        }
    }

    /// Takes note of bytes that came; says what is wrong if they came too slowly.
    pub(crate) fn saw(&mut self, n: usize) -> Result<(), String> {
        let now = Instant::now();
        if now - self.start > self.limits.total {
            return Err(format!("took more than {} s", self.limits.total.as_secs_f64()));
        }
        self.bytes += n as u64;
        let passed = now - self.window_start;
        if passed >= self.limits.window {
            if (self.bytes as f64) < self.limits.slowest as f64 * passed.as_secs_f64() {
                let bytes = self.bytes;
                return Err(format!("sent {bytes} bytes in {:.1} s", passed.as_secs_f64()));
            }
            (self.window_start, self.bytes) = (now, 0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names that begin like the loopback's are other machines.
    #[test]
    fn plain_http_is_for_this_machine() {
        let allowed = |url: &str, plain_http| {
            let limits = Limits {
                plain_http,
                ..Limits::USUAL
            };
            check_scheme(url, &limits).is_ok()
        };
        for url in [
            "https://host/x",
            "HTTPS://host",
            "http://127.0.0.1:80/x",
            "http://localhost",
            "http://[::1]:8/x",
        ] {
            assert!(allowed(url, false), "{url}");
        }
        for url in [
            "http://127.0.0.1.host/x",
            "http://localhost@host/x",
            "http://user:127.0.0.1@host",
            "http://localhost:80@host/x",
            "http://host/x",
        ] {
            assert!(!allowed(url, false) && allowed(url, true), "{url}");
        }
        for url in ["ftp://host/x", "file:///etc/passwd", "host/x", ""] {
            assert!(!allowed(url, true), "{url}");
        }
    }

    #[test]
    fn slow_and_endless_transfers_are_noticed() {
        let slow = Limits {
            window: Duration::from_millis(10),
            slowest: 1_000_000,
            ..Limits::USUAL
        };
        let mut watch = Watch::new(slow);
        assert_eq!(watch.saw(1), Ok(()));
        std::thread::sleep(Duration::from_millis(20));
        assert!(watch.saw(1).unwrap_err().starts_with("sent 2 bytes in 0.0"));
        let mut watch = Watch::new(Limits {
            total: Duration::from_millis(5),
            ..Limits::USUAL
        });
        std::thread::sleep(Duration::from_millis(10));
        assert_eq!(watch.saw(1 << 20).unwrap_err(), "took more than 0.005 s");
    }
}

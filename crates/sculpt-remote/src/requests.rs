//! Requests whose answers are small, one connection pool for all of them.

use crate::listing::element;
use crate::patience::{Patience, passes};
use crate::{RemoteError, Settings};
use sculpt_downloads::is_this_machine;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

/// What is read of a server's reasons.
const MOST_REASON_BYTES: u64 = 1 << 16;

/// What is asked: made anew for each attempt, since signatures end.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method<'a>,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
}

#[derive(Clone, Copy)]
pub(crate) enum Method<'a> {
    Get,
    Head,
    Delete,
    Put(Content<'a>),
}

#[derive(Clone, Copy)]
pub(crate) enum Content<'a> {
    Bytes(&'a [u8]),
    File(&'a Path, u64),
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: ureq::http::HeaderMap,
    pub(crate) body: Vec<u8>,
    is_s3: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The server's own word for what is wrong: letters of its XML, or of the hub's header.
    pub(crate) fn code(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.body);
        let code = element(&text, "Code").or_else(|| self.header("x-error-code"))?;
        let is_word = !code.is_empty() && code.len() <= 60 && code.bytes().all(|b| b.is_ascii_alphanumeric());
        is_word.then(|| code.to_owned())
    }

    /// What becomes of an answer that is none.
    pub(crate) fn refused(&self, object: &str, doing: &'static str) -> RemoteError {
        let code = self.code();
        let remedy = match remedy(self.status, code.as_deref().unwrap_or_default()) {
            REGION if !self.is_s3 => "; it leads elsewhere: give that address if it is right",
            remedy => remedy,
        };
        RemoteError::Refused {
            object: object.to_owned(),
            doing,
            status: self.status,
            code: code.map(|code| format!(" ({code})")).unwrap_or_default(),
            remedy,
        }
    }
}

const REGION: &str = "; set AWS_REGION to the region of the bucket";

fn remedy(status: u16, code: &str) -> &'static str {
    match (status, code) {
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch") => {
            "; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not a pair that it knows"
        }
        (_, "ExpiredToken" | "InvalidToken") => "; the credentials have ended: get new ones",
        (_, "RequestTimeTooSkewed") => "; the clock of this machine is wrong",
        (_, "NoSuchBucket") => "; make the bucket first",
        (301..=308, _) | (_, "AuthorizationHeaderMalformed" | "AuthorizationQueryParametersError") => REGION,
        (_, "RepoNotFound" | "GatedRepo") => {
            "; there is no such repository, or HF_TOKEN has to be one that may read it"
        }
        (401 | 403, _) => "; it needs other credentials, or more rights for these",
        (404, _) => "; it is not there",
        (500.., _) => "; the same command goes on when the server is well again",
        _ => "",
    }
}

/// A transfer that fails: whether it may work the next time, and what the client said.
struct Cut {
    passes: bool,
    why: String,
}

enum Failed {
    Cut(Cut),
    /// An answer that may be another one the next time.
    Busy(Box<Answer>),
    Other(RemoteError),
}

/// Sends requests, as often as they may work the next time.
#[derive(Debug)]
pub(crate) struct Requests {
    agent: ureq::Agent,
    patience: Patience,
    tell: Option<fn(&str)>,
    is_s3: bool,
}

impl Requests {
    /// Requests to the server of `base`. A signature is for one address, and over plain HTTP nobody vouches for where a redirect
    /// leads: only others are followed.
    pub(crate) fn new(base: &str, is_s3: bool, settings: &Settings) -> Self {
        let is_https = base.starts_with("https:");
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .https_only(is_https)
            .max_redirects(if is_https && !is_s3 { 10 } else { 0 })
            .max_redirects_will_error(false)
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(Duration::from_secs(60)))
            .timeout_per_write(Some(Duration::from_secs(60)));
        if is_this_machine(base) {
            // No proxy stands between a machine and itself.
            config = config.proxy(None);
        }
        Self {
            agent: config.build().into(),
            patience: settings.patience,
            tell: settings.tell,
            is_s3,
        }
    }

    /// The answer to what `ask` makes, whatever its status; its body has at most `most` bytes.
    pub(crate) fn send<'a>(
        &self,
        object: &str,
        doing: &'static str,
        most: u64,
        ask: impl Fn() -> Ask<'a>,
    ) -> Result<Answer, RemoteError> {
        let may_pass = |failed: &Failed| match failed {
            Failed::Cut(cut) => cut.passes,
            Failed::Busy(_) => true,
            Failed::Other(_) => false,
        };
        let (mut tries, mut last) = (0, String::new());
        let sent = self.patience.call(may_pass, |_| {
            tries += 1;
            if let Some(tell) = self.tell.filter(|_| tries > 1) {
                tell(&format!(
                    "{object}: {last}; try {tries} of {}",
                    self.patience.tries
                ));
            }
            let answer = match self.send_once(object, most, &ask()) {
                Ok(answer) if passes(answer.status) => Err(Failed::Busy(Box::new(answer))),
                other => other,
            };
            match &answer {
                Err(Failed::Busy(answer)) => last = format!("the server answered {}", answer.status),
                Err(Failed::Cut(cut)) => last.clone_from(&cut.why),
                Err(Failed::Other(_)) | Ok(_) => {}
            }
            answer
        });
        sent.map_err(|failed| match failed {
            Failed::Busy(answer) => answer.refused(object, doing),
            Failed::Other(error) => error,
            Failed::Cut(Cut { why, .. }) => RemoteError::Transport {
                object: object.to_owned(),
                doing,
                tries,
                why,
            },
        })
    }

    fn send_once(&self, object: &str, most: u64, ask: &Ask<'_>) -> Result<Answer, Failed> {
        let without = |mut request: ureq::RequestBuilder<ureq::typestate::WithoutBody>| {
            for (name, value) in &ask.headers {
                request = request.header(name, value);
            }
            request.header("accept-encoding", "identity").call()
        };
        let sent = match ask.method {
            Method::Get => without(self.agent.get(&ask.url)),
            Method::Head => without(self.agent.head(&ask.url)),
            Method::Delete => without(self.agent.delete(&ask.url)),
            Method::Put(content) => {
                let mut request = self.agent.put(&ask.url);
                for (name, value) in &ask.headers {
                    request = request.header(name, value);
                }
                match content {
                    Content::Bytes(bytes) => request.send(bytes),
                    Content::File(path, length) => {
                        let file = File::open(path).map_err(|refused| {
                            Failed::Other(RemoteError::File(sculpt_store::FileError {
                                path: path.to_owned(),
                                doing: "read",
                                refused,
                            }))
                        })?;
                        // It may grow meanwhile; a shorter one fails here, another one by its checksum.
                        let mut file = file.take(length);
                        request
                            .header("content-length", length.to_string())
                            .send(ureq::SendBody::from_reader(&mut file))
                    }
                }
            }
        };
        let response = sent.map_err(|error| Failed::Cut(cut(&error)))?;
        let (parts, body) = response.into_parts();
        let is_content = parts.status.is_success();
        let most = if is_content { most } else { MOST_REASON_BYTES };
        let mut bytes = Vec::new();
        let read = body.into_reader().take(most + 1).read_to_end(&mut bytes);
        if let Err(error) = read {
            return Err(Failed::Cut(Cut {
                passes: true,
                why: error.to_string(),
            }));
        }
        if is_content && bytes.len() as u64 > most {
            let object = object.to_owned();
            return Err(Failed::Other(RemoteError::TooLong { object, most }));
        }
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: bytes,
            is_s3: self.is_s3,
        })
    }
}

/// What a client says, without addresses: they may be signed.
fn cut(error: &ureq::Error) -> Cut {
    let passes = !matches!(
        error,
        ureq::Error::HostNotFound | ureq::Error::BadUri(_) | ureq::Error::Tls(_) | ureq::Error::Http(_)
    );
    let why = match error {
        ureq::Error::BadUri(_) => "its address is none".to_owned(),
        ureq::Error::RequireHttpsOnly(_) => "the server leads to plain http".to_owned(),
        other => other.to_string(),
    };
    Cut { passes, why }
}

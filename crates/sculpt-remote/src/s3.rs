//! Signed requests to a bucket. `rusty-s3` signs: each request is an address that is good for an hour.

use crate::requests::{Ask, Content, Method};
use crate::{RemoteError, Settings};
use rusty_s3::actions::{DeleteObject, GetObject, HeadObject, PutObject, S3Action};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use std::time::Duration;
use url::Url;

/// How long a signature is good: what was begun by then may last longer.
const GOOD_FOR: Duration = Duration::from_secs(3600);

/// Header in which an object says what its content is.
pub(crate) const SHA256_HEADER: &str = "x-amz-meta-sha256";

#[derive(Debug)]
pub(crate) struct S3 {
    bucket: Bucket,
    credentials: Option<Credentials>,
    /// With a slash at its end, or empty.
    prefix: String,
}

impl S3 {
    pub(crate) fn new(bucket: &str, prefix: &str, settings: &Settings) -> Result<Self, RemoteError> {
        let (endpoint, style) = match &settings.s3_endpoint {
            Some(endpoint) => (endpoint.clone(), UrlStyle::Path),
            None => {
                let host = format!("https://s3.{}.amazonaws.com", settings.s3_region);
                let endpoint = Url::parse(&host).map_err(|_| RemoteError::Setting {
                    name: "AWS_REGION",
                    why: "is no region such as eu-west-1",
                })?;
                // Certificates are for one name before `s3.`.
                let in_host = !bucket.contains(['.', '_']) && !bucket.bytes().any(|b| b.is_ascii_uppercase());
                let style = if in_host {
                    UrlStyle::VirtualHost
                } else {
                    UrlStyle::Path
                };
                (endpoint, style)
            }
        };
        let region = settings.s3_region.clone();
        let bucket =
            Bucket::new(endpoint, style, bucket.to_owned(), region).map_err(|_| RemoteError::Setting {
                name: "AWS_ENDPOINT_URL",
                why: "and the name of the bucket make no address",
            })?;
        let credentials = settings.s3_credentials.as_ref().map(|known| {
            let (key, secret) = (known.key.reveal(), known.secret.reveal());
            match &known.token {
                Some(token) => Credentials::new_with_token(key, secret, token.reveal()),
                None => Credentials::new(key, secret),
            }
        });
        let prefix = if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}/")
        };
        Ok(Self {
            bucket,
            credentials,
            prefix,
        })
    }

    /// The address of the server.
    pub(crate) fn base(&self) -> &str {
        self.bucket.base_url().as_str()
    }

    pub(crate) fn key(&self, file: &str) -> String {
        format!("{}{file}", self.prefix)
    }

    pub(crate) fn may_write(&self) -> bool {
        self.credentials.is_some()
    }

    pub(crate) fn get(&self, file: &str) -> Ask<'static> {
        let key = self.key(file);
        let action = GetObject::new(&self.bucket, self.credentials.as_ref(), &key);
        plain(Method::Get, action.sign(GOOD_FOR))
    }

    pub(crate) fn head(&self, file: &str) -> Ask<'static> {
        let key = self.key(file);
        let action = HeadObject::new(&self.bucket, self.credentials.as_ref(), &key);
        plain(Method::Head, action.sign(GOOD_FOR))
    }

    pub(crate) fn delete(&self, file: &str) -> Ask<'static> {
        let key = self.key(file);
        if let Some(credentials) = &self.credentials {
            let action = DeleteObject::new(&self.bucket, Some(credentials), &key);
            return plain(Method::Delete, action.sign(GOOD_FOR));
        }
        plain(Method::Delete, self.bucket.object_url(&key))
    }

    /// `sha256`: what the content must hash to, which the server is told and checks; `if_absent`: only where nothing is.
    pub(crate) fn put<'a>(&self, file: &str, content: Content<'a>, sha256: &str, if_absent: bool) -> Ask<'a> {
        let key = self.key(file);
        let mut headers = vec![
            (SHA256_HEADER.to_owned(), sha256.to_owned()),
            ("x-amz-checksum-sha256".to_owned(), base64_of_hex(sha256)),
        ];
        if if_absent {
            headers.push(("if-none-match".to_owned(), "*".to_owned()));
        }
        let mut action = PutObject::new(&self.bucket, self.credentials.as_ref(), &key);
        for (name, value) in &headers {
            action.headers_mut().insert(name.as_str(), value.as_str());
        }
        Ask {
            method: Method::Put(content),
            url: action.sign(GOOD_FOR).into(),
            headers,
        }
    }

    /// A page of the keys that begin with that of `under`, from where `token` says.
    pub(crate) fn list(&self, under: &str, token: Option<&str>) -> Ask<'static> {
        let prefix = self.key(under);
        // A GET of the bucket itself. Keys come as XML has them: not every server that says it encodes them as URLs does.
        let mut action = GetObject::new(&self.bucket, self.credentials.as_ref(), "");
        let query = action.query_mut();
        query.insert("list-type", "2");
        query.insert("prefix", prefix);
        if let Some(token) = token {
            query.insert("continuation-token", token.to_owned());
        }
        plain(Method::Get, action.sign(GOOD_FOR))
    }

    /// The file of a key, seen from here.
    pub(crate) fn file_of<'k>(&self, key: &'k str) -> Option<&'k str> {
        key.strip_prefix(&self.prefix)
    }
}

fn plain(method: Method<'static>, url: Url) -> Ask<'static> {
    Ask {
        method,
        url: url.into(),
        headers: Vec::new(),
    }
}

/// A hash as S3 wants it: hexadecimal in, base 64 out.
fn base64_of_hex(hex: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |b: u8| (b as char).to_digit(16).unwrap_or_default();
    let bytes: Vec<u32> = hex
        .as_bytes()
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, &b| byte * 16 + digit(b)))
        .collect();
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let at = |i: usize| chunk.get(i).copied().unwrap_or_default();
        let bits = (at(0) << 16) | (at(1) << 8) | at(2);
        for i in 0..4 {
            let is_padding = i > chunk.len();
            let letter = LETTERS[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if is_padding { '=' } else { letter as char });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648, §10: "foobar" and its beginnings.
    #[test]
    fn base_64_is_that_of_the_standard() {
        for (hex, text) in [
            ("", ""),
            ("66", "Zg=="),
            ("666f", "Zm8="),
            ("666f6f", "Zm9v"),
            ("666f6f62", "Zm9vYg=="),
            ("666f6f6261", "Zm9vYmE="),
            ("666f6f626172", "Zm9vYmFy"),
            ("fbff", "+/8="),
        ] {
            assert_eq!(base64_of_hex(hex), text);
        }
    }
}

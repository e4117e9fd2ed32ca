use crate::{Patience, RemoteError};
use std::fmt;
use url::Url;

/// A word that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a word from being shown.
    pub fn new(word: impl Into<String>) -> Self {
        Self(word.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Who asks an S3 server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub key: Secret,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret: Secret,
    /// `AWS_SESSION_TOKEN`, of credentials that end.
    pub token: Option<Secret>,
}

/// How servers are found and what they are shown: the usual variables of the environment, which the caller looks up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `AWS_ENDPOINT_URL_S3`, else `AWS_ENDPOINT_URL`: a server that speaks S3; none for Amazon's own.
    pub s3_endpoint: Option<Url>,
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`, else us-east-1.
    pub s3_region: String,
    /// None: requests are not signed, as public buckets take them.
    pub s3_credentials: Option<Credentials>,
    /// `HF_ENDPOINT`, else `https://huggingface.co`.
    pub hub_endpoint: Url,
    /// `HF_TOKEN`, for repositories that are not public.
    pub hub_token: Option<Secret>,
    /// Whether web servers on other machines may be asked without encryption. An `AWS_ENDPOINT_URL` or `HF_ENDPOINT` of plain
    /// http says so itself.
    pub plain_http: bool,
    /// How often requests are tried.
    pub patience: Patience,
    /// What is told before something is tried again, and why: a server that says nothing is waited for, a minute each time.
    pub tell: Option<fn(&str)>,
}

impl Settings {
    /// Settings from variables that `lookup` knows; one that is empty is none.
    ///
    /// # Errors
    /// An endpoint that is no http(s) address, or half of a pair of credentials.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, RemoteError> {
        let look = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let endpoint = |name: &'static str| -> Result<Option<Url>, RemoteError> {
            let Some(word) = look(name) else { return Ok(None) };
            let setting = |why| RemoteError::Setting { name, why };
            let url = Url::parse(&word).map_err(|_| setting("is no address such as https://host:9000"))?;
            if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none() {
                return Err(setting("is no http(s) address"));
            }
            if !url.username().is_empty() || url.password().is_some() {
                return Err(setting(
                    "has a name or password in it, which do not stand in addresses",
                ));
            }
            Ok(Some(url))
        };
        let s3_endpoint = match endpoint("AWS_ENDPOINT_URL_S3")? {
            Some(url) => Some(url),
            None => endpoint("AWS_ENDPOINT_URL")?,
        };
        let s3_credentials = match (look("AWS_ACCESS_KEY_ID"), look("AWS_SECRET_ACCESS_KEY")) {
            (Some(key), Some(secret)) => Some(Credentials {
                key: Secret(key),
                secret: Secret(secret),
                token: look("AWS_SESSION_TOKEN").map(Secret),
            }),
            (None, None) => None,
            (Some(_), None) => {
                let name = "AWS_SECRET_ACCESS_KEY";
                let why = "is not set, and AWS_ACCESS_KEY_ID is: both are needed";
                return Err(RemoteError::Setting { name, why });
            }
            (None, Some(_)) => {
                let name = "AWS_ACCESS_KEY_ID";
                let why = "is not set, and AWS_SECRET_ACCESS_KEY is: both are needed";
                return Err(RemoteError::Setting { name, why });
            }
        };
        let hub_endpoint = match endpoint("HF_ENDPOINT")? {
            Some(url) => url,
            None => Url::parse("https://huggingface.co").expect("a constant"),
        };
        Ok(Self {
            s3_endpoint,
            s3_region: look("AWS_REGION")
                .or_else(|| look("AWS_DEFAULT_REGION"))
                .unwrap_or_else(|| "us-east-1".to_owned()),
            s3_credentials,
            hub_endpoint,
            hub_token: look("HF_TOKEN").map(Secret),
            plain_http: false,
            patience: Patience::USUAL,
            tell: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let lookup = |name: &str| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::from_variables(lookup).map_err(|error| error.to_string())
    }

    #[test]
    fn the_usual_variables_are_read() {
        let none = of(&[("AWS_ENDPOINT_URL", "")]).unwrap();
        assert_eq!((none.s3_endpoint, none.s3_credentials), (None, None));
        assert_eq!(none.s3_region, "us-east-1");
        assert_eq!(none.hub_endpoint.as_str(), "https://huggingface.co/");
        let all = of(&[
            ("AWS_ENDPOINT_URL", "https://a"),
            ("AWS_ENDPOINT_URL_S3", "http://b:9000"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "key-geheim"),
            ("AWS_SECRET_ACCESS_KEY", "secret-geheim"),
            ("AWS_SESSION_TOKEN", "token-geheim"),
            ("HF_TOKEN", "hf-geheim"),
        ])
        .unwrap();
        assert_eq!(all.s3_endpoint.as_ref().unwrap().as_str(), "http://b:9000/");
        assert_eq!(all.s3_region, "eu-west-1");
        let shown = format!("{all:?}");
        assert!(shown.contains("(secret)") && !shown.contains("geheim"), "{shown}");
    }

    #[test]
    fn halves_and_other_addresses_are_refused() {
        let refused = |pairs: &[(&str, &str)]| of(pairs).unwrap_err();
        let error = refused(&[("AWS_ACCESS_KEY_ID", "a")]);
        assert!(error.starts_with("AWS_SECRET_ACCESS_KEY is not set"), "{error}");
        let error = refused(&[("AWS_SECRET_ACCESS_KEY", "geheim")]);
        assert!(error.starts_with("AWS_ACCESS_KEY_ID is not set"), "{error}");
        for word in ["minio:9000", "ftp://host", "host", "https://user:geheim@host"] {
            let error = refused(&[("AWS_ENDPOINT_URL", word)]);
            assert!(
                error.starts_with("AWS_ENDPOINT_URL ") && !error.contains("geheim"),
                "{error}"
            );
        }
    }
}

//! Places that are no folders: what their words mean, who asks them, and where what comes of them is kept.

use crate::printing;
use crate::words::{BadUsage, Global};
use anyhow::{Context, bail};
use sculpt_downloads::DownloadError;
use sculpt_experiments::RemoteStore;
use sculpt_remote::{Location, Remote, RemoteError, RemoteFolders, Room, Settings};
use sculpt_store::canonical::sha256_hex;
use sculpt_store::{atomic, paths};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Folder of the caches [default: sculpt, in the user's folder for caches].
const CACHE: &str = "SCULPT_CACHE";

/// Gigabytes that the cache of a store may have.
const CACHE_GB: &str = "SCULPT_CACHE_GB";

/// Of ResNet-20 that is 18,000 states, of ResNet-50 200.
const USUAL_GB: u64 = 20;

/// What was used so long ago may go: no process is about to open it any more.
const IN_USE: Duration = Duration::from_secs(600);

/// The place that a flag's value names; none where that is a path.
pub(crate) fn location(flag: &str, word: &str) -> anyhow::Result<Option<Location>> {
    Location::of(word).map_err(|error| BadUsage(format!("{flag}: {error}")).into())
}

/// A place as the variables of the environment say how to ask it.
pub(crate) fn open(location: Location, plain_http: bool) -> anyhow::Result<Remote> {
    let settings = settings(plain_http)?;
    Remote::open(location, &settings).map_err(usage)
}

fn settings(plain_http: bool) -> anyhow::Result<Settings> {
    let settings = Settings::from_variables(|name| std::env::var(name).ok()).map_err(usage)?;
    Ok(Settings {
        plain_http,
        tell: Some(printing::note),
        ..settings
    })
}

/// What is the user's to set or to allow.
fn usage(error: RemoteError) -> anyhow::Error {
    match error {
        RemoteError::Download(error @ DownloadError::Scheme { .. }) => {
            BadUsage(format!("{error}, with --plain-http")).into()
        }
        RemoteError::Setting { .. } => BadUsage(error.to_string()).into(),
        error => error.into(),
    }
}

/// Where `--runs` is an address, its cache becomes the folder of the runs.
///
/// # Errors
/// An address that is none, or cannot be that of a store; settings that make no sense; a place that does not answer.
pub(crate) fn resolve(global: &mut Global) -> anyhow::Result<()> {
    let Some(word) = global.runs.as_ref().and_then(|runs| runs.to_str()) else {
        return Ok(());
    };
    let Some(location) = location("--runs", word)? else {
        return Ok(());
    };
    if let Location::Hub { .. } = location {
        return Err(BadUsage(format!(
            "--runs {location}: the hub holds published suites, which `sculpt fetch --suite NAME --from {location}` brings"
        ))
        .into());
    }
    if global.offline {
        bail!("--offline: {location} is not asked; give a folder with --runs DIR");
    }
    let settings = settings(false)?;
    let room = Room {
        most_bytes: cache_bytes()?,
        in_use: IN_USE,
    };
    // One bucket's name may stand for others on other servers.
    let endpoint = settings.s3_endpoint.as_ref().map(ToString::to_string);
    let whole = format!("{location} {}", endpoint.unwrap_or_default());
    let folder = cache_folder()?
        .join("runs")
        .join(&sha256_hex(whole.as_bytes())[..16]);
    let read_only = location.is_read_only();
    let remote = Remote::open(location, &settings).map_err(usage)?;
    if global.verbose {
        let (location, folder) = (remote.location(), folder.display());
        printing::note(&format!("{location} is cached in {folder}"));
    }
    if !read_only {
        // Whether it can be asked at all is known before anything is trained.
        remote.list("suites/")?;
    }
    let (whose, said) = (paths::cache_of(&folder), remote.location().to_string());
    if std::fs::read_to_string(&whose).ok().as_ref() != Some(&said) {
        // Without it `verify` takes the folder for a store, no more.
        let written = atomic::create_folder(&folder).and_then(|()| atomic::write(&whose, said.as_bytes()));
        if let Err(error) = written {
            printing::warning(&error.to_string());
        }
    }
    global.remote = Some(Arc::new(RemoteStore::new(RemoteFolders::new(remote), room)));
    global.runs = Some(folder);
    Ok(())
}

/// Paths below the cache are nowhere that the user named: whoever reads one in an error is told what it is of.
pub(crate) fn tell_of_cache(error: &anyhow::Error, global: &Global) {
    let (Some(remote), Some(folder)) = (&global.remote, &global.runs) else {
        return;
    };
    let folder = folder.display().to_string();
    if format!("{error:#}").contains(&folder) {
        printing::note(&format!(
            "{folder} is this machine's cache of {}",
            remote.location()
        ));
    }
}

fn cache_folder() -> anyhow::Result<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set(CACHE)
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("sculpt")))
        .or_else(|| Some(set("HOME")?.join(".cache/sculpt")))
        .with_context(|| {
            format!("{CACHE}, XDG_CACHE_HOME and HOME are not set: one says where to keep what is brought")
        })
}

fn cache_bytes() -> anyhow::Result<u64> {
    let Some(word) = std::env::var_os(CACHE_GB).filter(|value| !value.is_empty()) else {
        return Ok(USUAL_GB * 1_000_000_000);
    };
    let gigabytes: Option<f64> = word.to_str().and_then(|word| word.parse().ok());
    match gigabytes {
        Some(gigabytes) if (0.0..=1e9).contains(&gigabytes) => Ok((gigabytes * 1e9) as u64),
        Some(_) | None => {
            let word = word.display();
            Err(BadUsage(format!("{CACHE_GB}={word} is no number of gigabytes")).into())
        }
    }
}

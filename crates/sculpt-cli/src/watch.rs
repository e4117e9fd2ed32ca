//! Watching a run from outside: a page with live curves, and files for TensorBoard.
//!
//! A thread looks at the store now and then, in which every epoch stands as soon as it is over; who trains there, and on which
//! machine, makes no difference. Nothing waits for it but the end of the run, for its last look.

mod events;
mod http;
mod names;
mod state;
mod tensorboard;

use crate::printing;
use anyhow::Context;
use clap::Args;
pub(crate) use names::Names;
use sculpt_experiments::{Recipe, Store};
use state::Seen;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tensorboard::Board;

/// Between two looks; more where a look takes long (a large recipe on a slow disk), so that at most a tenth of the time goes
/// into looking.
const PACE: Duration = Duration::from_secs(2);

#[derive(Args)]
pub(crate) struct Words {
    /// Serve a page of live curves while this runs; a port alone is one of this machine's own, 0 is any that is free
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "127.0.0.1:6007", value_parser = address)]
    serve: Option<SocketAddr>,
    /// Write files for TensorBoard while this runs, a folder in DIR a node
    #[arg(long, value_name = "DIR")]
    tensorboard: Option<PathBuf>,
}

/// A run that is being watched.
pub(crate) struct Watch {
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Words {
    /// Begins to watch, where that is asked for.
    ///
    /// # Errors
    /// An address or a folder that is refused.
    pub(crate) fn begin(
        &self,
        title: String,
        recipe: &Recipe,
        store: &Store,
        names: impl FnOnce() -> Names,
    ) -> anyhow::Result<Watch> {
        if self.serve.is_none() && self.tensorboard.is_none() {
            return Ok(Watch { thread: None });
        }
        let snapshot = Arc::new(Mutex::new(Arc::from("{}")));
        if let Some(address) = self.serve {
            let refused =
                || format!("no page can be served at {address}; --serve=0 takes any port that is free");
            let listener = TcpListener::bind(address).with_context(refused)?;
            let address = listener.local_addr()?;
            http::serve(listener, snapshot.clone())?;
            printing::note(&format!("live curves at http://{address}/"));
            if !address.ip().is_loopback() {
                printing::warning("whoever reaches that address can see them");
            }
        }
        let folder = self.tensorboard.clone();
        let mut board = folder.map(Board::new).transpose()?;
        let mut seen = Seen::new(title, recipe.clone(), store.clone(), names(), board.is_some());
        let (sender, receiver) = mpsc::channel::<()>();
        let thread = thread::Builder::new().spawn(move || {
            loop {
                let begun = Instant::now();
                seen.look(&mut |look| {
                    if let Some(board) = &mut board {
                        board.update(look.name, look.id, look.rows, look.is_done);
                    }
                });
                put(&snapshot, &seen, false);
                let pace = PACE.max(9 * begun.elapsed());
                if receiver.recv_timeout(pace) == Err(RecvTimeoutError::Disconnected) {
                    break;
                }
            }
            seen.look(&mut |look| {
                if let Some(board) = &mut board {
                    board.update(look.name, look.id, look.rows, true);
                }
            });
            put(&snapshot, &seen, true);
        })?;
        Ok(Watch {
            thread: Some((sender, thread)),
        })
    }
}

impl Watch {
    /// Takes a last look. The page is served until the process ends.
    pub(crate) fn end(self) {
        if let Some((sender, thread)) = self.thread {
            drop(sender);
            let _ = thread.join();
        }
    }
}

fn put(snapshot: &http::Snapshot, seen: &Seen, is_over: bool) {
    let json = seen.to_json(is_over);
    *snapshot.lock().unwrap_or_else(PoisonError::into_inner) = json.into();
}

/// An address with its port, or a port of this machine's own.
fn address(word: &str) -> Result<SocketAddr, String> {
    let port = word
        .parse()
        .map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    port.or_else(|_| word.parse()).map_err(|_| {
        "is no address such as 127.0.0.1:6007, nor a port; --serve without one stands last, or before another flag".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_whole_or_a_port() {
        assert_eq!(address("6008").unwrap().to_string(), "127.0.0.1:6008");
        assert_eq!(address("[::1]:0").unwrap().to_string(), "[::1]:0");
        assert!(
            ["", "5", "r.toml", "localhost", "65536", "0.0.0.0"].map(|word| address(word).is_ok())
                == [false, true, false, false, false, false]
        );
    }
}

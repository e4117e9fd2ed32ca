use std::time::Duration;

/// How often something is tried that may work the next time: a cut connection, a server that is busy or broken.
///
/// | Name | Unit | Usual value | Why |
/// | --- | --- | --- | --- |
/// | `tries` | – | 6 | the pauses between them are 7.75 s together |
/// | `first` | – | 0.25 s | each pause is twice the one before |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How often at most.
    pub tries: u32,
    /// The first pause.
    pub first: Duration,
}

impl Patience {
    /// What suits storage services, which ask for pauses with 503.
    pub const USUAL: Self = Self {
        tries: 6,
        first: Duration::from_millis(250),
    };

    /// Calls `attempt` until it works, fails for good or was called often enough; it is told how often it was called before.
    pub(crate) fn call<T, E>(
        self,
        passes: impl Fn(&E) -> bool,
        mut attempt: impl FnMut(u32) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut pause = self.first;
        for n in 0.. {
            match attempt(n) {
                Err(error) if n + 1 < self.tries && passes(&error) => {
                    std::thread::sleep(pause);
                    pause *= 2;
                }
                ended => return ended,
            }
        }
        unreachable!("the loop ends by returning")
    }
}

/// Whether a server that answers so may answer otherwise the next time.
pub(crate) fn passes(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

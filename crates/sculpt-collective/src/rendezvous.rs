use crate::CollectiveError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs, UdpSocket};

/// Where processes meet, and which of them this one is: what `torchrun`, and others after its example, tell in the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendezvous {
    /// This process, counted from 0.
    pub rank: usize,
    /// How many there are, at least 1.
    pub world: usize,
    /// This process among those of its machine, counted from 0: which of its GPUs it takes.
    pub local_rank: usize,
    /// Name or address of a machine that all others reach.
    pub host: String,
    /// A port there.
    pub port: u16,
    /// Whether the launcher listens there itself, as `torchrun` does; otherwise rank 0 does.
    pub launcher_listens: bool,
    /// How often the launcher has started all of them again (`torchrun --max-restarts`): what the dead ones told each other where it listens still stands
    /// there. Agents of several machines count for themselves, as they do for PyTorch.
    pub attempt: u32,
}

const COUNT: &str = "a number from 0 to 65535";

impl Rendezvous {
    /// From the variables RANK, WORLD_SIZE, LOCAL_RANK (RANK where it is not there), MASTER_ADDR and MASTER_PORT; None where
    /// WORLD_SIZE is not set, and this process is alone. A step of Slurm's sets none of them but its own: where MASTER_ADDR and
    /// MASTER_PORT are set, SLURM_PROCID, SLURM_STEP_NUM_TASKS and SLURM_LOCALID stand for the others.
    ///
    /// `variable` looks one up: `|name| std::env::var(name).ok()`.
    ///
    /// # Errors
    /// One that is missing, or no number in its range.
    pub fn from_variables(
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Option<Self>, CollectiveError> {
        let is_met = variable("MASTER_ADDR").is_some() && variable("MASTER_PORT").is_some();
        let names = match variable("WORLD_SIZE") {
            Some(_) => ["RANK", "WORLD_SIZE", "LOCAL_RANK"],
            None if is_met && variable("SLURM_STEP_NUM_TASKS").is_some() => {
                ["SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"]
            }
            None => return Ok(None),
        };
        let text = |name| variable(name).ok_or(CollectiveError::Missing { name });
        let number = |name| -> Result<u16, CollectiveError> {
            let value = text(name)?;
            value.trim().parse().map_err(|_| CollectiveError::Variable {
                name,
                value,
                allowed: COUNT,
            })
        };
        let wrong = |name, value: u16, allowed| CollectiveError::Variable {
            name,
            value: value.to_string(),
            allowed,
        };
        let (rank, world) = (number(names[0])?, number(names[1])?);
        if world == 0 {
            return Err(wrong(names[1], world, "above 0"));
        }
        if rank >= world {
            return Err(wrong(names[0], rank, "below the number of ranks"));
        }
        let local_rank = match variable(names[2]) {
            Some(_) => number(names[2])?,
            None => rank,
        };
        Ok(Some(Self {
            rank: rank.into(),
            world: world.into(),
            local_rank: local_rank.into(),
            host: text("MASTER_ADDR")?,
            port: number("MASTER_PORT")?,
            launcher_listens: variable("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|word| word == "True"),
            attempt: variable("TORCHELASTIC_RESTART_COUNT")
                .and_then(|word| word.trim().parse().ok())
                .unwrap_or(0),
        }))
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The address of this machine on the way to the meeting place: a datagram's socket knows it before anything is sent. The others
    /// reach this process there.
    pub(crate) fn own_address(&self) -> std::io::Result<IpAddr> {
        let place = (self.host.as_str(), self.port).to_socket_addrs()?.next();
        let place = place.ok_or_else(|| std::io::Error::other("the name stands for no address"))?;
        let any: IpAddr = match place {
            std::net::SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            std::net::SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(place)?;
        Ok(socket.local_addr()?.ip())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: &[(&str, &str)]) -> Result<Option<Rendezvous>, CollectiveError> {
        let find = |name: &'static str| {
            let found = set.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Rendezvous::from_variables(find)
    }

    const MET: [(&str, &str); 2] = [("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", "29500")];

    #[test]
    fn what_torchrun_sets_is_read() {
        assert_eq!(of(&[]), Ok(None));
        // A batch script may export the place for steps to come.
        assert_eq!(of(&MET), Ok(None));
        let set = [
            &MET[..],
            &[
                ("RANK", "3"),
                ("WORLD_SIZE", "4"),
                ("LOCAL_RANK", "1"),
                ("TORCHELASTIC_USE_AGENT_STORE", "True"),
                ("TORCHELASTIC_RESTART_COUNT", "2"),
            ],
        ];
        let found = of(&set.concat()).unwrap().unwrap();
        assert_eq!((found.rank, found.world, found.local_rank), (3, 4, 1));
        assert_eq!(found.address(), "127.0.0.1:29500");
        assert!(found.launcher_listens);
        assert_eq!(found.attempt, 2);
        assert!(found.own_address().unwrap().is_loopback());
    }

    #[test]
    fn a_step_of_slurm_says_it_in_words_of_its_own() {
        let own = [
            ("SLURM_PROCID", "1"),
            ("SLURM_STEP_NUM_TASKS", "2"),
            ("SLURM_LOCALID", "0"),
        ];
        assert_eq!(of(&own), Ok(None));
        let found = of(&[&MET[..], &own[..]].concat()).unwrap().unwrap();
        assert_eq!((found.rank, found.world, found.local_rank), (1, 2, 0));
        assert!(!found.launcher_listens);
    }

    #[track_caller]
    fn refused(set: &[(&str, &str)], says: &str) {
        assert_eq!(of(set).unwrap_err().to_string(), says);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        refused(
            &[("WORLD_SIZE", "2")],
            "RANK is not set, but WORLD_SIZE is: a launcher such as torchrun sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT",
        );
        refused(
            &[("WORLD_SIZE", "two"), ("RANK", "0")],
            "WORLD_SIZE is \"two\", not a number from 0 to 65535",
        );
        refused(
            &[("WORLD_SIZE", "0"), ("RANK", "0")],
            "WORLD_SIZE is \"0\", not above 0",
        );
        refused(
            &[("WORLD_SIZE", "2"), ("RANK", "2")],
            "RANK is \"2\", not below the number of ranks",
        );
        let no_place = of(&[("WORLD_SIZE", "2"), ("RANK", "1")]).unwrap_err();
        assert_eq!(no_place, CollectiveError::Missing { name: "MASTER_ADDR" });
    }
}

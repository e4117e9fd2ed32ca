//! A real Slurm, which the test starts and stops: workers that share a store, and what happens to them. Where it is not installed, or
//! the test is not root, which its daemons want, one line says so (Debian: `apt-get install slurm-wlm munge`).

use crate::*;
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// 3 initialisations, 9 masks and 36 cycles; and of one seed training that diverges, and what would follow.
const GRID: &str = r#"
like = "demo/a"
seeds = [1, 2, 3]
threads = 1
defaults = { model = { name = "resnet8", classes = 10, width = 2 }, epochs = 1, data = { train_images = 64 }, batch = 32 }
[[node]]
name = "init"
kind = "init"
[[node]]
name = "mask"
kind = "prune"
from = "init"
criterion = "random"
density = [0.5, 0.3, 0.2]
[[node]]
name = "cyclic"
kind = "train"
from = "mask"
cycles = 4
[[node]]
name = "hot"
kind = "train"
from = "init"
lr = 1e30
cycles = 2
"#;

/// Those that can be trained, and all.
const N_NODES: usize = 3 + 9 + 36;
const N_ALL: usize = N_NODES + 3 * 2;

/// Whoever waits longer than this waits for nothing.
const LONG: Duration = Duration::from_secs(240);

/// A whole cluster on this machine, its state in a folder of its own.
struct Cluster {
    folder: TempDir,
    munge: Child,
    daemons: Vec<Child>,
}

impl Cluster {
    fn is_installed() -> bool {
        let is_root =
            fs::metadata("/proc/self").is_ok_and(|found| std::os::unix::fs::MetadataExt::uid(&found) == 0);
        let programs = ["slurmctld", "slurmd", "munged"].map(|name| Path::new("/usr/sbin").join(name));
        is_root && programs.iter().all(|path| path.exists()) && Path::new("/usr/bin/sbatch").exists()
    }

    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let host = fs::read_to_string("/proc/sys/kernel/hostname")
            .unwrap()
            .trim()
            .to_owned();
        let port = || {
            TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port()
        };
        let dir = folder.path().display().to_string();
        for name in ["state", "spool", "munge"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let key: Vec<u8> = (0..1024u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        fs::write(folder.path().join("munge/key"), key).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(folder.path().join("munge/key"), mode).unwrap();
        // What a process of ours is found by: no cgroups, no accounting, quick scheduling, a job that is back in the queue after seconds: so
        // many that what it ran before has ended on a busy machine too.
        let text = format!(
            "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmUser=root\nSlurmdUser=root\nAuthType=auth/munge\n\
             AuthInfo=cred_expire=6,socket={dir}/munge/socket\nCredType=cred/munge\nSlurmctldPort={}\nSlurmdPort={}\n\
             StateSaveLocation={dir}/state\nSlurmdSpoolDir={dir}/spool\nSlurmctldPidFile={dir}/ctld.pid\nSlurmdPidFile={dir}/slurmd.pid\n\
             SlurmctldLogFile={dir}/ctld.log\nSlurmdLogFile={dir}/slurmd.log\nProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n\
             JobAcctGatherType=jobacct_gather/none\nAccountingStorageType=accounting_storage/none\nJobCompType=jobcomp/none\n\
             SwitchType=switch/none\nMpiDefault=none\nSelectType=select/cons_tres\nSelectTypeParameters=CR_Core\n\
             SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0\nReturnToService=2\nJobRequeue=1\nKillWait=10\n\
             MaxArraySize=3\nPreemptType=preempt/partition_prio\nPreemptMode=REQUEUE\nSlurmdParameters=config_overrides\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=1000 State=UNKNOWN\n\
             PartitionName=low Nodes={host} Default=YES MaxTime=1:00:00 PriorityTier=1 PreemptMode=REQUEUE GraceTime=10 State=UP\n\
             PartitionName=high Nodes={host} MaxTime=1:00:00 PriorityTier=10 PreemptMode=OFF State=UP\n",
            port(),
            port()
        );
        fs::write(folder.path().join("slurm.conf"), text).unwrap();
        let munge = Command::new("/usr/sbin/munged")
            .args(["--foreground", "--force"])
            .arg(format!("--socket={dir}/munge/socket"))
            .arg(format!("--key-file={dir}/munge/key"))
            .arg(format!("--pid-file={dir}/munge/pid"))
            .arg(format!("--seed-file={dir}/munge/seed"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut cluster = Self {
            folder,
            munge,
            daemons: Vec::new(),
        };
        until("munge", || cluster.folder.path().join("munge/socket").exists());
        cluster.daemon("slurmctld");
        cluster.daemon("slurmd");
        until("a node that is idle", || {
            cluster.said("sinfo", "-h -o %T").contains("idle")
        });
        cluster
    }

    fn daemon(&mut self, name: &str) {
        let child = Command::new(Path::new("/usr/sbin").join(name))
            .args(["-D", "-f"])
            .arg(self.conf())
            .env("SLURM_CONF", self.conf())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.daemons.push(child);
    }

    fn conf(&self) -> PathBuf {
        self.folder.path().join("slurm.conf")
    }

    /// What a command of Slurm says; nothing where the controller is away.
    fn said(&self, program: &str, line: &str) -> String {
        let output = Command::new(program)
            .args(line.split(' '))
            .env("SLURM_CONF", self.conf())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A command of ours in this cluster.
    fn sculpt(&self, root: &Path, line: &str) -> Command {
        let mut command = sculpt(root, words(line));
        command.env("SLURM_CONF", self.conf());
        command
    }

    /// Jobs and tasks that run now.
    fn running(&self) -> Vec<String> {
        let said = self.said("squeue", "--noheader --array --states=RUNNING --format=%i");
        said.lines().map(|line| line.trim().to_owned()).collect()
    }

    /// The controller goes, and comes back with what it had written.
    fn restart_controller(&mut self) {
        let mut old = self.daemons.remove(0);
        // Killed it would forget what it has not written yet, and give the number of a job that runs to another: then it drains the machine.
        let id = old.id().to_string();
        Command::new("kill").args(["-TERM", "--", &id]).status().unwrap();
        old.wait().unwrap();
        self.daemon("slurmctld");
        self.daemons.rotate_right(1);
        until("the controller", || self.said("scontrol", "ping").contains("UP"));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.said("scancel", "--user=root --signal=KILL");
        // Whoever watches a job of Slurm's ends when that is gone, and not with the daemons.
        let begun = Instant::now();
        while !self.said("squeue", "--noheader").trim().is_empty()
            && begun.elapsed() < Duration::from_secs(20)
        {
            sleep(Duration::from_millis(200));
        }
        for child in self.daemons.iter_mut().rev().chain([&mut self.munge]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG, "{what} does not come");
        sleep(Duration::from_millis(100));
    }
}

/// Nodes of a store that are finished.
fn done(runs: &Path) -> usize {
    content(runs)
        .keys()
        .filter(|path| path.ends_with("done.json"))
        .count()
}

/// Everything of a store but what the cluster leaves.
fn trained(runs: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = content(runs);
    found.retain(|path, _| !path.starts_with("slurm"));
    found
}

/// Without a cluster: what a script asks for is what its workers use.
#[test]
fn jobs_ask_for_the_threads_that_were_told() {
    let root = root();
    for threads in [1, 3] {
        let line = format!("plan figure 5 --preset demo --slurm jobs --workers 2 --threads {threads}");
        good(&sculpt(root.path(), words(&line)).output().unwrap());
        let scripts = fs::read_dir(root.path().join("jobs")).unwrap().flatten();
        let scripts: Vec<_> = scripts
            .map(|file| fs::read_to_string(file.path()).unwrap())
            .collect();
        assert_eq!(scripts.len(), 1);
        for word in [
            format!("#SBATCH --cpus-per-task={threads}\n"),
            format!("--threads={threads}"),
        ] {
            assert!(scripts[0].contains(&word), "{word} in {}", scripts[0]);
        }
    }
}

#[test]
fn workers_of_a_real_slurm_make_what_one_machine_makes() {
    if !Cluster::is_installed() {
        eprintln!("skipped: no Slurm that this user may start");
        return;
    }
    let alone = root();
    fs::write(alone.path().join("grid.toml"), GRID).unwrap();
    let said = clean_failure(
        &sculpt(alone.path(), words("run grid.toml --jobs 2"))
            .output()
            .unwrap(),
    );
    assert!(said.contains("training diverged"), "{said}");
    assert_eq!(done(&alone.path().join("runs")), N_NODES);

    let begun = Instant::now();
    let mut cluster = Cluster::start();
    let root = root();
    let runs = root.path().join("runs");
    fs::write(root.path().join("grid.toml"), GRID).unwrap();
    fs::write(
        root.path().join("slurm.toml"),
        "[here]\nenvironment = [\"export SCULPT_OF_PROFILE=1\"]\ntime = \"0:10:00\"\n",
    )
    .unwrap();
    let submit = "run grid.toml --on slurm:here --jobs 4 --detach";
    good(&cluster.sculpt(root.path(), submit).output().unwrap());
    // Four workers in arrays of at most three; nobody submits them twice.
    let again = cluster
        .sculpt(root.path(), &format!("{submit} --json"))
        .output()
        .unwrap();
    good(&again);
    let told: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(told["detached"], true, "{told}");
    assert!(told["open"].as_u64().is_some_and(|n| n > 0), "{told}");
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(said.contains("4 workers are queued or running already"), "{said}");
    let scripts = fs::read_dir(runs.join("slurm")).unwrap().flatten();
    let scripts: Vec<_> = scripts
        .filter(|file| file.path().extension().is_some_and(|e| e == "sh"))
        .collect();
    assert_eq!(scripts.len(), 2);

    // One is cancelled and saves; one is killed and does not; the controller is restarted; a job of more weight takes all places, and
    // those who had them come back.
    until("three workers", || {
        cluster.running().len() >= 3 && done(&runs) >= 3
    });
    let workers = cluster.running();
    cluster.said("scancel", &workers[0]);
    cluster.said("scancel", &format!("--signal=KILL {}", workers[1]));
    // One is warned of the end of its time, and goes back into the queue.
    cluster.said("scancel", &format!("--signal=USR1 --batch {}", workers[2]));
    let logs = || {
        let files = fs::read_dir(runs.join("slurm")).unwrap().flatten();
        let texts = files.map(|file| fs::read_to_string(file.path()).unwrap_or_default());
        texts.collect::<Vec<_>>().join("\n")
    };
    until("a warned worker back in the queue", || {
        logs().contains("back in the queue")
    });
    cluster.restart_controller();
    let script = root.path().join("weight.sh");
    fs::write(&script, "#!/bin/bash\nsleep 3\n").unwrap();
    let line = format!(
        "--partition=high --cpus-per-task=4 --output=/dev/null {}",
        script.display()
    );
    cluster.said("sbatch", &line);
    let status = cluster.sculpt(root.path(), "status --json").output().unwrap();
    let status: serde_json::Value = serde_json::from_str(&good(&status)).unwrap();
    let grid = &status["suites"][0];
    let count = |key: &str| {
        grid[key]
            .as_u64()
            .unwrap_or_else(|| grid[key].as_array().unwrap().len() as u64)
    };
    assert_eq!(
        count("done") + count("running") + count("failed") + count("begun") + count("waiting"),
        N_ALL as u64
    );

    // Whoever comes again sends for the missing workers, and waits until all is done that can be.
    let said = clean_failure(
        &cluster
            .sculpt(root.path(), "run grid.toml --on slurm:here --jobs 4")
            .output()
            .unwrap(),
    );
    assert!(said.contains("training diverged"), "{said}");
    assert_eq!(done(&runs), N_NODES);
    let status = good(&cluster.sculpt(root.path(), "status").output().unwrap());
    assert!(
        status.contains("48 nodes done, 0 running, 3 failed, 0 begun, 3 waiting"),
        "{status}"
    );
    assert!(
        trained(&runs) == trained(&alone.path().join("runs")),
        "other bytes than on one machine"
    );
    let (without, _) = GRID.split_at(GRID.find("[[node]]\nname = \"hot\"").unwrap());
    fs::write(root.path().join("grid.toml"), without).unwrap();
    let nothing = cluster
        .sculpt(root.path(), "run grid.toml --on slurm --jobs 4")
        .output()
        .unwrap();
    good(&nothing);
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("nothing is submitted"));
    good(&sculpt(root.path(), words("verify runs")).output().unwrap());
    eprintln!(
        "slurm: {N_NODES} nodes, the same bytes, in {:.0} s",
        begun.elapsed().as_secs_f64()
    );
}

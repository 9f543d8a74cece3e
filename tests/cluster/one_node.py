"""A Slurm of one node on this machine, on loopback addresses: what the cluster tests submit to.

    python tests/cluster/one_node.py start FOLDER [--accounting]    # as root; needs slurm-wlm and munge of Debian
    python tests/cluster/one_node.py stop FOLDER

FOLDER holds all that it writes, but for /etc/slurm: job steps know no other place of their configuration. A
configuration there that is not this script's own is refused: it would be a real cluster's. Two pretended GPUs are
declared, so that a request for one is tested. With accounting there is a database (slurmdbd, mariadb-server) too.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ETC = Path("/etc/slurm")
MINE = "# written by tests/cluster/one_node.py; `one_node.py stop` removes it\n"
NAMES = ("slurm.conf", "gres.conf", "cgroup.conf", "slurmdbd.conf")
CONTROLLER, NODE, DATABASE_DAEMON, DATABASE = 16817, 16818, 16819, 16820
DAEMONS = ("slurmd", "slurmctld", "slurmdbd", "mariadbd", "munged")  # in the order in which they stop


def missing(accounting: bool = False) -> str:
    """What this machine lacks; an empty string if a node can start."""
    if os.geteuid() != 0:
        return "root"
    needed = ["slurmctld", "slurmd", "munged", *(["slurmdbd", "mariadbd"] if accounting else [])]
    lacking = [name for name in needed if not shutil.which(name)]
    if lacking:
        return f"{', '.join(lacking)} (apt-get install slurm-wlm munge slurmdbd mariadb-server)"
    foreign = [ETC / name for name in NAMES if (ETC / name).exists() and MINE not in (ETC / name).read_text()]
    return f"{foreign[0]} to be this script's own" if foreign else ""


def start(folder: Path, accounting: bool = False, cpus: int = 1, partitions: str = "") -> None:
    """Starts all daemons and waits until the node is idle; RuntimeError with what the daemons said otherwise."""
    stop_one_that_was_left()
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    for number in range(2):
        if not (folder / f"gpu{number}").exists():
            os.mknod(folder / f"gpu{number}", 0o666 | 0o020000, os.makedev(1, 3))  # as /dev/null
    _configure(folder, accounting, cpus, partitions)
    _munge(folder)
    if accounting:
        _database(folder)
    _run("slurmctld", "-i")
    _run("slurmd")
    _until(lambda: _said("sinfo", "--noheader", "-o", "%T").split()[:1] == ["idle"], "the node is not idle", folder)


def stop(folder: Path) -> None:
    """Ends the jobs and what `start` started, by process ids, and removes its configuration."""
    subprocess.run(["scancel", "--user", "root"], capture_output=True, timeout=20, check=False)
    _until(lambda: not _said("squeue", "--noheader"), "jobs do not end", folder, seconds=15)
    for name in DAEMONS:
        file = folder / f"{name}.pid"
        if not file.exists() or not (number := file.read_text().strip()):
            continue
        if Path(f"/proc/{number}/comm").exists() and Path(f"/proc/{number}/comm").read_text().strip() == name:
            os.kill(int(number), signal.SIGKILL)  # nothing of theirs is kept
    for name in NAMES:
        if (ETC / name).exists() and MINE in (ETC / name).read_text():
            (ETC / name).unlink()


def stop_one_that_was_left() -> None:
    """A node whose starter was killed before it could stop it."""
    conf = ETC / "slurm.conf"
    if conf.exists() and MINE in conf.read_text():
        line = next(line for line in conf.read_text().splitlines() if line.startswith("StateSaveLocation="))
        stop(Path(line.partition("=")[2]).parent)


def _configure(folder: Path, accounting: bool, cpus: int, partitions: str) -> None:
    host = socket.gethostname().split(".")[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    cgroups = Path("/sys/fs/cgroup/memory").exists()
    limits = ("task/cgroup", "proctrack/cgroup") if cgroups else ("task/none", "proctrack/linuxproc")
    killing = "" if cgroups else "JobAcctGatherParams=OverMemoryKill\n"
    storage = (
        f"AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=127.0.0.1\n"
        f"AccountingStoragePort={DATABASE_DAEMON}\nAccountingStorageTRES=gres/gpu\nAccountingStoreFlags=job_comment\n"
        "AccountingStorageEnforce=associations\n"
        if accounting
        else ""
    )
    ETC.mkdir(exist_ok=True)
    _write(
        "slurm.conf",
        f"""ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={CONTROLLER}
SlurmdPort={NODE}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
TaskPlugin={limits[0]}
ProctrackType={limits[1]}
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
{killing}{storage}SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
MinJobAge=600
MaxJobCount=20000
KillWait=5
ReturnToService=2
OverTimeLimit=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory * 9 // 10} Gres=gpu:h100:2
PartitionName=batch Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP
{partitions}""",
    )
    _write("gres.conf", "".join(f"NodeName={host} Name=gpu Type=h100 File={folder}/gpu{n}\n" for n in range(2)))
    _write("cgroup.conf", "CgroupPlugin=cgroup/v1\nConstrainRAMSpace=yes\nConstrainSwapSpace=no\n")
    if accounting:
        _write(
            "slurmdbd.conf",
            f"""AuthType=auth/munge
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={DATABASE_DAEMON}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={DATABASE}
StorageUser=slurm
StoragePass=loopback
StorageLoc=accounts
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
""",
        )
        (ETC / "slurmdbd.conf").chmod(0o600)


def _munge(folder: Path) -> None:
    """A munged of our own, where none runs."""
    if subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode == 0:
        return
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    sockets = Path("/run/munge")
    sockets.mkdir(exist_ok=True)
    shutil.chown(sockets, "munge", "munge")
    places = {"key-file": key, "pid-file": folder / "munged.pid", "log-file": folder / "munged.log"}
    places["seed-file"] = folder / "munged.seed"
    _run("munged", "--force", *(f"--{name}={place}" for name, place in places.items()))


def _database(folder: Path) -> None:
    """MariaDB and slurmdbd, with an account `lab` for root."""
    data, door = folder / "database", folder / "database.socket"
    installer = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", "--user=root"]
    _run(*installer, "--auth-root-authentication-method=normal")
    server = ["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={door}"]
    server += ["--bind-address=127.0.0.1", f"--port={DATABASE}", f"--pid-file={folder}/mariadbd.pid"]
    server += [f"--log-error={folder}/mariadbd.log", "--innodb-log-file-size=16M"]
    nowhere = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.Popen(server, start_new_session=True, **nowhere)
    client = ["mariadb", "--no-defaults", f"--socket={door}", "--user=root"]
    _until(lambda: _works(*client, "-e", "select 1"), "the database does not answer", folder)
    grants = "".join(
        f"create user slurm@'{host}' identified by 'loopback'; grant all on accounts.* to slurm@'{host}';"
        for host in ("127.0.0.1", "localhost")
    )
    _run(*client, "-e", f"create database accounts; {grants}")
    _run("slurmdbd")
    _until(lambda: _works("sacctmgr", "-n", "list", "cluster"), "slurmdbd does not answer", folder)
    for added in (["cluster", "one"], ["account", "lab", "cluster=one"], ["user", "root", "account=lab"]):
        _run("sacctmgr", "-i", "add", *added)
    _run("sacctmgr", "-i", "modify", "user", "root", "set", "DefaultAccount=lab")


def _write(name: str, text: str) -> None:
    (ETC / name).write_text(MINE + text)


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


def _works(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _until(ready, otherwise: str, folder: Path, seconds: int = 60) -> None:
    for _ in range(seconds * 5):
        if ready():
            return
        time.sleep(0.2)
    last = [f"{log.name}: {line}" for log in folder.glob("*.log") for line in log.read_text().splitlines()[-3:]]
    raise RuntimeError("\n".join([f"{otherwise} after {seconds} s", *last]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("start", "stop"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--accounting", action="store_true")
    parser.add_argument("--cpus", type=int, default=1)
    options = parser.parse_args()
    folder = options.folder.resolve()
    if options.action == "stop":
        stop(folder)
        return 0
    if lacking := missing(options.accounting):
        print(f"one_node.py: needs {lacking}", file=sys.stderr)
        return 2
    start(folder, options.accounting, options.cpus)
    return 0


if __name__ == "__main__":
    sys.exit(main())

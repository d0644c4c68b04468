"""How the server lives with the machine: socket activation, what it tells systemd, the account, reload, the end."""
import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import pytest

from lab import BINARY, NEW, OLD, ping_over, until

ACTIVATE = shutil.which("systemd-socket-activate")


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=3) as r:
        assert r.status == 200
        return r.read().decode()


class Alone:
    """A server on this machine's own loopback, and a socket that hears what it tells the service manager."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="hsalone")
        os.chmod(self.dir, 0o755)
        self.state = os.path.join(self.dir, "state")
        os.mkdir(self.state, 0o700)
        self.port, self.metrics, self.stun = free_port(), free_port(), free_port(socket.SOCK_DGRAM)
        self.socket = os.path.join(self.state, "s")
        self.process = None
        self.heard = []
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(os.path.join(self.dir, "notify"))
        os.chmod(os.path.join(self.dir, "notify"), 0o777)
        self.notify.settimeout(0.2)
        self.config = {
            "server_url": f"http://127.0.0.1:{self.port}", "listen_addr": f"127.0.0.1:{self.port}",
            "metrics_listen_addr": f"127.0.0.1:{self.metrics}", "unix_socket": self.socket,
            "noise": {"private_key_path": os.path.join(self.state, "noise.key")},
            "prefixes": {"v4": "100.64.0.0/10", "v6": "fd7a:115c:a1e0::/48"},
            "database": {"type": "sqlite", "sqlite": {"path": os.path.join(self.state, "db.sqlite")}},
            "derp": {"server": {"enabled": True, "region_id": 999, "region_code": "lab", "region_name": "Lab",
                                "stun_listen_addr": f"127.0.0.1:{self.stun}",
                                "private_key_path": os.path.join(self.state, "derp.key")}},
            "dns": {"magic_dns": True, "base_domain": "tail.test", "override_local_dns": False},
            "policy": {"mode": "database"}, "server": {}}
        self.path = os.path.join(self.dir, "config.yaml")
        self.log_path = os.path.join(self.dir, "log")

    def write_config(self):
        with open(self.path, "w") as f:
            json.dump(self.config, f)

    def env(self):
        # A process that changed its account cannot be looked into, so it cannot look for leaks in itself.
        leaks = "detect_leaks=0" if "user" in self.config["server"] else "detect_leaks=1"
        return {"PATH": os.environ["PATH"], "HOME": self.dir, "HEADSCALE_CONFIG": self.path, "ASAN_OPTIONS": leaks,
                "UBSAN_OPTIONS": "halt_on_error=1", "NOTIFY_SOCKET": os.path.join(self.dir, "notify")}

    def spawn(self, *before, **kw):
        self.write_config()
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen([*before, BINARY, "serve"], env=self.env(), cwd=self.dir, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, **kw)

    def start(self, *before, **kw):
        self.spawn(*before, **kw)
        self.hears("READY=1")
        return self

    def hears(self, what, timeout=20):
        """Wait for a line told to the service manager. Returns its whole message, and forgets what came before."""
        def probe():
            assert self.process is None or self.process.poll() is None, self.log()
            with contextlib.suppress(TimeoutError):
                while True:
                    self.heard.append(self.notify.recv(4096).decode())
                    if what in self.heard[-1].splitlines():
                        break
            for i, m in enumerate(self.heard):
                if what in m.splitlines():
                    del self.heard[:i + 1]
                    return m
            return None
        return until(f"tells {what}", probe, timeout)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def cli(self, *args, check=True):
        p = subprocess.run([BINARY, *args], env=self.env(), cwd=self.dir, capture_output=True, text=True, timeout=20,
                           stdin=subprocess.DEVNULL)
        assert not check or p.returncode == 0, p.stdout + p.stderr
        return p

    def end(self, sig=signal.SIGTERM, timeout=20):
        """End it. Returns its status."""
        p, self.process = self.process, None
        p.send_signal(sig)
        return p.wait(timeout)

    def fails(self, *before, **kw):
        """It must not start; returns what it says."""
        self.spawn(*before, **kw)
        p, self.process = self.process, None
        try:
            assert p.wait(20) == 1
        finally:
            p.kill()
        return self.log()

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.notify.close()
        shutil.rmtree(self.dir, ignore_errors=True)


@pytest.fixture
def alone():
    a = Alone()
    yield a
    a.close()


HAND_OVER = """
import fcntl, os, sys
pid, names, fds = sys.argv[1], sys.argv[2], [int(n) for n in sys.argv[3].split(",")]
high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in fds]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i, inheritable=True)
    os.close(fd)
os.environ.update(LISTEN_PID=pid or str(os.getpid()), LISTEN_FDS=str(len(fds)))
if names != "-":
    os.environ["LISTEN_FDNAMES"] = names
os.execv(sys.argv[4], sys.argv[4:])
"""


def activated(sockets, names, pid=""):
    """Arguments of start(): these sockets from descriptor 3 on as systemd hands them over; names "a:b" or None."""
    fds = [s.fileno() for s in sockets]
    return ([sys.executable, "-c", HAND_OVER, pid, "-" if names is None else names, ",".join(map(str, fds))], {"pass_fds": fds})


def listening(address, family=socket.AF_INET):
    s = socket.socket(family)
    s.bind(address)
    s.listen(16)
    return s


# ---- socket activation


@pytest.mark.skipif(not ACTIVATE, reason="needs systemd-socket-activate")
@pytest.mark.parametrize("name", ["listen_addr", None])
def test_the_first_connection_starts_it(alone, name):
    port = alone.port
    alone.config["listen_addr"] = "127.0.0.1:1"  # not asked for: the descriptor takes its place
    alone.spawn(ACTIVATE, "-l", f"127.0.0.1:{port}", *([f"--fdname={name}"] if name else []),
                *(f"--setenv={k}={v}" for k, v in alone.env().items()))
    # Nothing runs before somebody comes; whoever comes is answered.
    until("health", lambda: json.loads(get(port, "/health"))["status"] == "pass")
    alone.hears("READY=1")
    assert alone.end() == 0
    alone.hears("STOPPING=1")


def test_descriptors_are_told_apart_by_name(alone):
    port, metrics, local = alone.port, alone.metrics, os.path.join(alone.state, "given.sock")
    with listening(("127.0.0.1", port)) as m, listening(("127.0.0.1", metrics)) as w, \
            listening(local, socket.AF_UNIX) as u:
        alone.config.update(listen_addr="127.0.0.1:1", metrics_listen_addr="", unix_socket=local)
        before, kw = activated([u, w, m], "unix_socket:metrics_listen_addr:listen_addr")
        alone.start(*before, **kw)
        assert "pass" in get(port, "/health")
        assert "headscale_nodes" in get(metrics, "/metrics")
        alone.cli("users", "create", "anna")
        with pytest.raises(urllib.error.HTTPError, match="40[14]"):
            get(port, "/metrics")
        assert alone.end() == 0
        assert os.path.exists(local), "it belongs to whoever made it"


@pytest.mark.parametrize("names,words", [
    ("listen_addr:other", 'called "other"'), (None, 'called ""'), ("listen_addr:listen_addr", "two descriptors are called listen_addr"),
    ("listen_addr:unix_socket", "no local socket")])
def test_descriptors_that_cannot_be_meant_are_refused(alone, names, words):
    with listening(("127.0.0.1", alone.port)) as a, listening(("127.0.0.1", alone.metrics)) as b:
        before, kw = activated([a, b], names)
        assert words in alone.fails(*before, **kw)


def test_a_descriptor_that_does_not_listen_is_refused(alone):
    with socket.socket() as s:
        before, kw = activated([s], "listen_addr")
        assert "no listening socket" in alone.fails(*before, **kw)


def test_descriptors_for_another_process_are_left_alone(alone):
    with listening(("127.0.0.1", free_port())) as s:
        before, kw = activated([s], "listen_addr", pid="1")
        alone.start(*before, **kw)
        assert "pass" in get(alone.port, "/health")


# ---- the service manager


def test_it_tells_when_it_is_ready_reloads_and_stops(alone):
    alone.start()
    assert "pass" in get(alone.port, "/health"), "ready means that it answers"
    before = time.monotonic_ns() // 1000
    alone.process.send_signal(signal.SIGHUP)
    told = alone.hears("RELOADING=1")
    usec = int(re.search(r"^MONOTONIC_USEC=(\d+)$", told, re.M).group(1))
    assert before <= usec <= time.monotonic_ns() // 1000
    alone.hears("READY=1")
    assert alone.end() == 0
    alone.hears("STOPPING=1")


def test_an_abstract_socket_is_told_too(alone):
    name = f"hsalone-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind("\0" + name)
        s.settimeout(20)
        alone.spawn("env", f"NOTIFY_SOCKET=@{name}")
        assert s.recv(100) == b"READY=1"
        assert alone.end() == 0


def test_reload_names_the_keys_that_wait(alone):
    alone.start()
    alone.config["listen_addr"] = "127.0.0.1:1"
    alone.config["log"] = {"level": "debug"}
    alone.write_config()
    alone.process.send_signal(signal.SIGHUP)
    alone.hears("RELOADING=1")
    alone.hears("READY=1")
    lines = [x for x in alone.log().splitlines() if "configuration changed" in x]
    assert any("needs a restart" in x and "listen_addr" in x for x in lines), lines
    assert any("needs a restart" not in x and "log.level" in x for x in lines), lines
    assert "pass" in get(alone.port, "/health"), "until then it stays where it was"
    alone.config["listen_addr"] = 7
    alone.write_config()
    alone.process.send_signal(signal.SIGHUP)
    alone.hears("READY=1")
    assert "configuration refused" in alone.log()
    assert "pass" in get(alone.port, "/health")
    assert alone.end() == 0


# ---- the account


def status_of(pid):
    """The lines of /proc/PID/status of every thread."""
    out = []
    for t in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{t}/status") as f:
            out.append(dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line))
    return out


def as_nobody(alone, folder=True):
    nobody = pwd.getpwnam("nobody")
    alone.config["server"]["user"] = "nobody"
    if folder:
        os.chown(alone.state, nobody.pw_uid, nobody.pw_gid)
    return nobody


def test_root_is_given_up_on_every_thread(alone):
    nobody = as_nobody(alone)
    alone.config["unix_socket"] = alone.socket = os.path.join(alone.dir, "run", "s")  # a folder only root can make
    with socket.socket() as s:  # a port that only root may bind, if there is one here
        low = next((p for p in range(601, 1000) if s.connect_ex(("127.0.0.1", p))), None)
    alone.config["metrics_listen_addr"] = f"127.0.0.1:{low}"
    alone.start()
    threads = status_of(alone.process.pid)
    assert len(threads) > 2
    for t in threads:
        assert t["Uid"].split() == [str(nobody.pw_uid)] * 4 and t["Gid"].split() == [str(nobody.pw_gid)] * 4, t
        assert t["NoNewPrivs"] == "1"
        assert all(int(t[c], 16) == 0 for c in ("CapEff", "CapPrm", "CapInh", "CapAmb")), t
        assert "0" not in t["Groups"].split(), t
    assert "headscale_nodes" in get(low, "/metrics")
    alone.cli("users", "create", "anna")
    files = {name: os.stat(os.path.join(alone.state, name)) for name in os.listdir(alone.state)}
    assert {"db.sqlite", "noise.key", "derp.key"} <= set(files)
    for name, st in files.items():
        assert st.st_uid == nobody.pw_uid and not stat.S_IMODE(st.st_mode) & 0o077, name
    st = os.stat(alone.socket)
    assert st.st_uid == nobody.pw_uid
    assert alone.end() == 0
    assert not os.path.exists(alone.socket), "it could take its socket away again"
    alone.start()
    assert [u["name"] for u in json.loads(alone.cli("users", "list", "-o", "json").stdout)] == ["anna"]
    assert alone.end() == 0


def test_the_account_cannot_read_what_is_roots(alone):
    as_nobody(alone)
    secret = os.path.join(alone.dir, "policy.hujson")
    with open(secret, "w") as f:
        f.write("{}")
    alone.config["policy"] = {"mode": "file", "path": secret}
    os.chmod(secret, 0o644)
    alone.start()
    os.chmod(secret, 0o600)
    alone.process.send_signal(signal.SIGHUP)
    alone.hears("READY=1")
    assert "policy not read, the old one stays in force" in alone.log()
    assert alone.end() == 0
    # At the start likewise, and not only at the next reload.
    assert "policy.path" in alone.fails() and "ermission denied" in alone.log()


def test_an_account_that_cannot_work_stops_the_start_in_words(alone):
    as_nobody(alone, folder=False)
    assert "ermission denied" in alone.fails()
    alone.config["server"]["user"] = "no-such-account"
    assert 'there is no account "no-such-account"' in alone.fails()


# ---- restart, seen by clients


# Stands in for systemd: keeps the port, runs one server after the other on it. SIGHUP: restart. SIGTERM: end with its status.
HOLD = """
import os, signal, socket, sys
s = socket.create_server(("0.0.0.0", 443), backlog=64)
s.set_inheritable(True)
todo = []
for sig in (signal.SIGHUP, signal.SIGTERM):
    signal.signal(sig, lambda n, f: todo.append(n))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP, signal.SIGTERM])
status, last = 0, 0
while last != signal.SIGTERM and status == 0:
    pid = os.fork()
    if pid == 0:
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="listen_addr")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP, signal.SIGTERM])
        os.dup2(s.fileno(), 3, inheritable=True)
        os.execv(sys.argv[1], sys.argv[1:])
    last = signal.sigwait([signal.SIGHUP, signal.SIGTERM])
    os.kill(pid, signal.SIGTERM)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print("ended with", status, flush=True)
sys.exit(status)
"""
SAN = {"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "halt_on_error=1"}


def start_held(server):
    """Start the lab's server on a port that stays open when it ends."""
    server.write_config()
    server.process = server.spawn(sys.executable, "-c", HOLD, BINARY, "serve", "-c", server.path, log="server.log", env=SAN)
    server.wait_ready()


@pytest.mark.parametrize("port,limit", [("its own", 15), ("held by another", 4)])
def test_a_restart_goes_unnoticed_between_clients(make_lab, port, limit):
    """A client that is refused looks for the server by other ways, for up to ten seconds where it finds none; on a port that
    somebody holds it is not refused."""
    lab = make_lab(start=port == "its own")
    if port != "its own":
        start_held(lab.server)
    n1, n2 = lab.pair((NEW, OLD))
    n1.ping(n2.ip4, direct=True)
    assert n1.ping_os(n2.ip4)
    seen, stop = [], threading.Event()

    def watch():
        while not stop.is_set():
            for n, other in ((n1, "n2"), (n2, "n1")):
                with contextlib.suppress(OSError):
                    seen.append((n.name, (n.peer(other) or {}).get("Online"), n.state()))
            time.sleep(0.1)

    def restart():
        begin = time.monotonic()
        if port == "its own":
            assert lab.server.restart(signal.SIGTERM) == 0
        else:
            lab.server.process.send_signal(signal.SIGHUP)
            until("ended", lambda: "ended with 0" in lab.server.log())
        until("both have streams to the new server", lambda: lab.server.metrics()["headscale_map_streams"] == 2, timeout=limit)
        print(f"both back after {time.monotonic() - begin:.1f} s")
        lab.settle(n1, n2, quiet=2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        sent, lost = ping_over(n1, n2.ip4, restart)
    finally:
        stop.set()
        watcher.join()
    print(f"{sent} echoes, {lost} lost; seen {len(seen)} times")
    assert sent > 10 and lost <= 1, (sent, lost)
    assert len(seen) > 10
    assert {s[1:] for s in seen} == {(True, "Running")}, set(seen)
    assert all(r["online"] for r in lab.server.nodes().values())
    # The new streams carry news.
    lab.server.cli("nodes", "rename", "-i", lab.server.node_id("n2"), "other")
    n1.sees("other")

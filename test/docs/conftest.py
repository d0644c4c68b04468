"""A server without root: `server`, an empty one for each test."""
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.abspath(os.environ.get("HEADSCALE_BIN", os.path.join(ROOT, "build", "headscale")))


def run(*args, check=True, stdin="", **more):
    """Run a command. Returns the CompletedProcess."""
    p = subprocess.run([BINARY, *args], capture_output=True, text=True, timeout=20, input=stdin, **more)
    assert not check or p.returncode == 0, (args, p.stdout, p.stderr)
    return p


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, folder):
        self.folder = str(folder)
        self.port, self.metrics, stun = free_port(), free_port(), free_port(socket.SOCK_DGRAM)
        self.config = {
            "server_url": f"http://127.0.0.1:{self.port}", "listen_addr": f"127.0.0.1:{self.port}",
            "metrics_listen_addr": f"127.0.0.1:{self.metrics}", "unix_socket": os.path.join(self.folder, "s"),
            "noise": {"private_key_path": os.path.join(self.folder, "noise.key")},
            "prefixes": {"v4": "100.64.0.0/10", "v6": "fd7a:115c:a1e0::/48"},
            "database": {"type": "sqlite", "sqlite": {"path": os.path.join(self.folder, "db.sqlite")}},
            "derp": {"server": {"enabled": True, "region_id": 999, "region_code": "test", "region_name": "Test",
                                "stun_listen_addr": f"127.0.0.1:{stun}",
                                "private_key_path": os.path.join(self.folder, "derp.key")}},
            "dns": {"magic_dns": True, "base_domain": "tail.test", "override_local_dns": False},
            "policy": {"mode": "database"}}
        self.path = os.path.join(self.folder, "config.yaml")
        self.log_path = os.path.join(self.folder, "log")
        self.process = None
        self.env = {"PATH": os.environ["PATH"], "HOME": self.folder, "HEADSCALE_CONFIG": self.path,
                    **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}}
        self.write_config()

    def write_config(self):
        with open(self.path, "w", encoding="utf-8") as f:
            json.dump(self.config, f)

    def start(self):
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([BINARY, "serve"], env=self.env, cwd=self.folder, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while self.run("health", check=False).returncode != 0:
            assert self.process.poll() is None and time.monotonic() < deadline, self.output()

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30)
        self.process = None
        assert status == 0, self.output()

    def run(self, *args, **more):
        return run(*args, env=self.env, cwd=self.folder, **more)

    def json(self, *args):
        return json.loads(self.run(*args, "-o", "json").stdout)

    def says(self, words, after=0):
        """Does the log say it, in a moment? Its lines gather before they are written."""
        deadline = time.monotonic() + 10
        while words not in self.output()[after:]:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def output(self):
        with open(self.log_path, encoding="utf-8") as f:
            return f.read()

    def get(self, path, port=None):
        """Returns (status, headers, text)."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}{path}", timeout=10) as r:
                return r.status, r.headers, r.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.headers, e.read().decode()


@pytest.fixture
def stopped(tmp_path):
    s = Server(tmp_path)
    yield s
    s.stop()


@pytest.fixture
def server(stopped):
    stopped.start()
    return stopped

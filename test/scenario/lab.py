"""A network in a box: real clients in network namespaces around the real server.

A Lab owns one bridge, the server's namespace (10.77.0.1) and any number of nodes and NAT routers. Nothing of it is
visible outside: namespaces carry the process id of the test in their names, /etc is a private copy inside, and no packet
leaves. So several labs run side by side, each with the same addresses.

Everything that a lab starts ends in Lab.close(), whatever happened. Nothing here waits for time: until() asks again and
again until what is waited for is there, and fails with the last answer if it does not come.

Environment: HEADSCALE_BIN (default build/headscale), HEADSCALE_TEST_CLIENTS and HEADSCALE_TEST_VERSIONS (as for
tools/get-clients; the first version is called the new one, the last the old one).
"""
import contextlib
import glob
import http.client
import ipaddress
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BINARY = os.environ.get("HEADSCALE_BIN", os.path.join(ROOT, "build", "headscale"))
CLIENTS = subprocess.check_output([os.path.join(ROOT, "tools", "get-clients"), "--dir"], text=True).strip()
VERSIONS = os.environ.get("HEADSCALE_TEST_VERSIONS", "1.102.5 1.80.3").split()
NEW, OLD = VERSIONS[0], VERSIONS[-1]
BOTH = [NEW] if NEW == OLD else [NEW, OLD]

HOST = "control.test"
URL = f"https://{HOST}"
SERVER_IP = "10.77.0.1"
DOMAIN = "tail.test"

# What a private /etc needs for a client, an SSH login and name look-ups.
ETC = """passwd group shadow gshadow nsswitch.conf host.conf protocols services login.defs profile bash.bashrc shells
pam.d security ssl ca-certificates alternatives ld.so.cache ld.so.conf ld.so.conf.d localtime environment pam.conf
skel ssh iproute2 nftables.conf gai.conf os-release debian_version""".split()

# For a server that was built with one of them. The thread sanitizer needs its addresses where they are without
# randomisation: run pytest by `setarch -R`.
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "halt_on_error=1",
    "TSAN_OPTIONS": f"halt_on_error=1 exitcode=66 history_size=4 suppressions={os.path.join(ROOT, 'test', 'tsan.supp')}",
}

_serial = itertools.count(1)


class Failed(AssertionError):
    """Something waited for did not come, or a command that had to succeed did not."""


def until(what, probe, timeout=20.0, every=0.05):
    """Call probe() until it returns something true, and return that.

    An exception in it counts as "not yet". After `timeout` seconds: Failed with `what` and the last answer."""
    end = time.monotonic() + timeout
    while True:
        try:
            last = probe()
            if last:
                return last
        except (AssertionError, OSError, KeyError, IndexError, ValueError, TypeError, http.client.HTTPException,
                subprocess.SubprocessError) as e:
            last = e
        if time.monotonic() > end:
            text = last if isinstance(last, str) else repr(last)
            raise Failed(f"not within {timeout:g} s: {what}; last: {text[:2000]}")
        time.sleep(every)


def never(what, probe, seconds=2.0, every=0.05):
    """probe() must stay false for `seconds`. For what must not happen, after an event that shows that it would by now."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = probe()
        assert not got, f"happened: {what}: {got!r}"
        time.sleep(every)


def run(*argv, timeout=30, check=True, env=None, stdin=None):
    """Run a command to its end. Returns the CompletedProcess with text output."""
    p = subprocess.run([str(a) for a in argv], text=True, capture_output=True, timeout=timeout, env=env,
                       **({"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}))
    if check and p.returncode != 0:
        raise Failed(f"{' '.join(str(a) for a in argv)}: status {p.returncode}\n{p.stdout}{p.stderr}")
    return p


def ping_over(node, address, during):
    """Send an echo every 100 ms while during() runs. Returns (sent, lost)."""
    p = subprocess.Popen(node.argv("ping", "-n", "-i", "0.1", address), env=node.env(), text=True, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        during()
    finally:
        p.send_signal(signal.SIGINT)
        out = p.communicate(timeout=20)[0]
    sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", out).groups())
    return sent, sent - received


def yaml(value, indent=0):
    """Write nested dicts, lists and scalars as block YAML."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        return "".join(f"{pad}{k}:{_yaml_tail(v, indent)}" for k, v in value.items())
    if isinstance(value, list) and value:
        return "".join(f"{pad}-{_yaml_tail(v, indent)}" if not isinstance(v, dict)
                       else f"{pad}- {yaml(v, indent + 1).lstrip()}" for v in value)
    return pad + json.dumps(value) + "\n"


def _yaml_tail(v, indent):
    if isinstance(v, (dict, list)) and v:
        return "\n" + yaml(v, indent + 1)
    return " " + json.dumps(v) + "\n"


def merge(base, more):
    """A copy of the nested dict `base` with `more` laid over it."""
    out = dict(base)
    for k, v in more.items():
        out[k] = merge(out[k], v) if isinstance(v, dict) and isinstance(out.get(k), dict) else v
    return out


class _UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("local-tailscaled.sock", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Space:
    """A network namespace with an /etc of its own, and the processes started in it."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        self.ns = f"{lab.prefix}-{name}"
        self.dir = os.path.join(lab.dir, name)
        self.processes = []
        os.makedirs(os.path.join(self.dir, "etc"))
        run("ip", "netns", "add", self.ns)
        lab.spaces.append(self)
        have = [os.path.join("/etc", f) for f in ETC if os.path.lexists(os.path.join("/etc", f))]
        run("cp", "-a", *have, os.path.join(self.dir, "etc"))
        self.write_etc("hosts", f"127.0.0.1 localhost\n::1 localhost\n{SERVER_IP} {HOST}\n")
        self.write_etc("resolv.conf", f"nameserver {SERVER_IP}\noptions timeout:1 attempts:1\n")
        self.write_etc("hostname", name + "\n")
        self.ip("link", "set", "lo", "up")

    def write_etc(self, name, text):
        with open(os.path.join(self.dir, "etc", name), "w") as f:
            f.write(text)

    def ip(self, *args):
        return run("ip", "-n", self.ns, *args)

    def argv(self, *argv):
        """The command line that runs `argv` in here; the process keeps its id."""
        enter = f'mount --bind "{self.dir}/etc" /etc && exec "$@"'
        return ["ip", "netns", "exec", self.ns, "sh", "-c", enter, "sh", *(str(a) for a in argv)]

    def env(self):
        return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": self.dir,
                "LANG": "C.UTF-8", "SSL_CERT_FILE": self.lab.cert, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}

    def run(self, *argv, **kw):
        kw.setdefault("env", self.env())
        return run(*self.argv(*argv), **kw)

    def spawn(self, *argv, log, env=None):
        """Start a process in here that lives until stopped, at the latest until the lab closes."""
        with open(os.path.join(self.dir, log), "ab") as out:
            p = subprocess.Popen(self.argv(*argv), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                 env={**self.env(), **(env or {})}, start_new_session=True)
        self.processes.append(p)
        return p

    def stop(self, p, sig=signal.SIGTERM, timeout=10):
        """End a process and wait for it. Returns its status."""
        if p.poll() is None:
            p.send_signal(sig)
            try:
                p.wait(timeout)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
                if sig != signal.SIGKILL:
                    raise Failed(f"{self.name}: {p.args[7:9]} did not end on signal {sig}")
        if p in self.processes:
            self.processes.remove(p)
        return p.returncode

    def attach(self, to, device, address=None, mac=None):
        """Join this space by a pair of devices to the bridge br0 of the space `to`."""
        port = f"p{next(self.lab.ports)}"
        self.ip("link", "add", device, "type", "veth", "peer", "name", port, "netns", to.ns)
        to.ip("link", "set", port, "master", "br0", "up")
        self.ip("link", "set", device, "up")
        if address:
            self.ip("addr", "add", address, "dev", device)

    def nft(self, text):
        self.run("nft", "-f", "-", stdin=text)

    def listen(self, port, address="0.0.0.0"):
        """Answer every TCP connection to `port` with one line: our name and the peer's address."""
        code = ("import socket,sys\n"
                "a,p,n=sys.argv[1],int(sys.argv[2]),sys.argv[3]\n"
                "s=socket.socket(socket.AF_INET6 if ':' in a else socket.AF_INET)\n"
                "s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)\n"
                "if ':' in a: s.setsockopt(socket.IPPROTO_IPV6,socket.IPV6_V6ONLY,1)\n"
                "s.bind((a,p)); s.listen(16); print('ready',flush=True)\n"
                "while True:\n"
                "    c,peer=s.accept()\n"
                "    try: c.sendall(f'{n} {peer[0]}\\n'.encode()); c.close()\n"
                "    except OSError: pass\n")
        log = f"listen-{port}-{next(_serial)}.log"
        p = self.spawn(sys.executable, "-c", code, address, port, self.name, log=log)
        path = os.path.join(self.dir, log)
        until(f"listener on {port}", lambda: "ready" in open(path).read())
        return p

    def dial(self, address, port, timeout=3):
        """Connect to a listener(): "name source-address", or "refused", "timeout", "unreachable"."""
        code = ("import socket,sys\n"
                "try:\n"
                "    s=socket.create_connection((sys.argv[1],int(sys.argv[2])),float(sys.argv[3]))\n"
                "    print(s.makefile().readline().strip() or 'closed')\n"
                "except (ConnectionRefusedError,ConnectionResetError): print('refused')\n"
                "except TimeoutError: print('timeout')\n"
                "except OSError as e: print('unreachable',e)\n")
        return self.run(sys.executable, "-c", code, address, port, timeout, timeout=timeout + 20).stdout.strip()

    def resolve(self, name, family="ahostsv4"):
        """Addresses of a name as a programme in here gets them, [] if there are none."""
        p = self.run("getent", family, name, check=False)
        return sorted({line.split()[0] for line in p.stdout.splitlines()})

    def bridge(self, address):
        """Give this space a bridge br0 with an address, for spaces to attach to."""
        self.ip("link", "add", "br0", "type", "bridge", "forward_delay", "0")
        self.ip("addr", "add", address, "dev", "br0")
        self.ip("link", "set", "br0", "up")

    def dns_server(self, address, answer):
        """Answer every A question over UDP with the address `answer`, every other with nothing."""
        code = ("import socket,sys\n"
                "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
                "s.bind((sys.argv[1],53)); print('ready',flush=True)\n"
                "while True:\n"
                "    q,peer=s.recvfrom(1500)\n"
                "    e=q.index(b'\\0',12)+5\n"
                "    a=q[e-4:e-2]==b'\\0\\x01'\n"
                "    r=q[:2]+b'\\x81\\x80\\0\\x01'+(b'\\0\\x01' if a else b'\\0\\0')+b'\\0'*4+q[12:e]\n"
                "    if a: r+=b'\\xc0\\x0c\\0\\x01\\0\\x01\\0\\0\\0\\x01\\0\\x04'+socket.inet_aton(sys.argv[2])\n"
                "    print(q[12:e-5],flush=True); s.sendto(r,peer)\n")
        p = self.spawn(sys.executable, "-c", code, address, answer, log="dns.log")
        until("DNS server", lambda: "ready" in open(os.path.join(self.dir, "dns.log")).read())
        return p

    def ping_os(self, address):
        """Does one ICMP echo come back?"""
        return self.run("ping", "-c1", "-W2", address, check=False).returncode == 0

    def close(self):
        for p in self.processes[:]:
            with contextlib.suppress(OSError):
                p.kill()
            p.wait()
        pids = subprocess.run(["ip", "netns", "pids", self.ns], capture_output=True, text=True).stdout.split()
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(int(pid), signal.SIGKILL)
        subprocess.run(["ip", "netns", "del", self.ns], capture_output=True)


class Node(Space):
    """A machine with tailscaled. Made by Lab.node()."""

    def __init__(self, lab, name, version, net=None):
        super().__init__(lab, name)
        self.version = version
        self.sock = os.path.join(self.dir, "ts.sock")
        self.daemon = None
        if net is None:
            self.lan = lab.next_address()
            self.attach(lab.bridge, "eth0", self.lan + "/24")
            self.ip("route", "add", "default", "via", "10.77.0.254", "dev", "eth0", "onlink")
        else:
            self.lan = net.next_address()
            self.attach(net, "eth0", self.lan + "/24")
            self.ip("route", "add", "default", "via", net.inside, "dev", "eth0")

    # -- the daemon

    def start(self, env=None, hostname=None):
        """Start tailscaled and wait until it answers. `hostname` is what the machine calls itself to programmes."""
        assert self.daemon is None
        folder = os.path.join(CLIENTS, self.version)
        rename = ["unshare", "-u", "sh", "-c", 'echo "$1" >/proc/sys/kernel/hostname; shift; exec "$@"', "sh", hostname]
        self.daemon = self.spawn(
            *(rename if hostname else []), os.path.join(folder, "tailscaled"), f"--statedir={self.dir}", f"--socket={self.sock}", "--tun=ts0",
            "--port=41641", "--verbose=1", log="tailscaled.log",
            env={"TS_NO_LOGS_NO_SUPPORT": "1", "TS_DEBUG_FIREWALL_MODE": "nftables", **(env or {})})
        until(f"{self.name}: tailscaled answers", lambda: self.api("status")["BackendState"])
        return self

    def kill(self, sig=signal.SIGTERM):
        """End tailscaled."""
        p, self.daemon = self.daemon, None
        self.stop(p, sig, timeout=20)
        with contextlib.suppress(OSError):
            os.unlink(self.sock)

    def restart(self, sig=signal.SIGTERM):
        self.kill(sig)
        return self.start()

    def log(self):
        with open(os.path.join(self.dir, "tailscaled.log"), errors="replace") as f:
            return f.read()

    def raw_api(self, path, method="GET", timeout=10):
        c = _UnixHTTP(self.sock, timeout)
        try:
            c.request(method, "/localapi/v0/" + path)
            r = c.getresponse()
            body = r.read()
            if r.status != 200:
                raise Failed(f"{self.name}: {path}: {r.status} {body[:300]!r}")
            return body
        finally:
            c.close()

    def api(self, path, **kw):
        return json.loads(self.raw_api(path, **kw))

    # -- the command line

    def ts(self, *args, check=True, timeout=45):
        """Run `tailscale ARGS`."""
        return self.run(os.path.join(CLIENTS, self.version, "tailscale"), f"--socket={self.sock}", *args,
                        check=check, timeout=timeout)

    def up_command(self, *args):
        return [f"--login-server={URL}", f"--hostname={self.name}", *args]

    def up(self, *args, key=None, check=True, timeout=40):
        """`tailscale up`; with a key it logs in. Returns the CompletedProcess."""
        more = [f"--auth-key={key}"] if key else []
        return self.ts("up", *self.up_command(f"--timeout={timeout}s", *more, *args), check=check, timeout=timeout + 15)

    def up_url(self, *args):
        """Start an interactive login. Returns (process, URL to open)."""
        p = self.spawn(os.path.join(CLIENTS, self.version, "tailscale"), f"--socket={self.sock}", "up",
                       *self.up_command("--timeout=60s", *args), log=f"up-{next(_serial)}.log")
        url = until(f"{self.name}: login URL", lambda: self.api("status").get("AuthURL"))
        return p, url

    # -- what the client knows

    def status(self):
        return self.api("status")

    def state(self):
        return self.status()["BackendState"]

    def self_status(self):
        return self.status()["Self"]

    def peers(self):
        """Peers by the first label of their name."""
        return {p["DNSName"].split(".")[0]: p for p in (self.status().get("Peer") or {}).values()}

    def peer(self, name):
        return self.peers().get(name)

    def sees(self, *names):
        """Exactly these peers, in any order; waits for it."""
        def probe():
            have = set(self.peers())
            assert have == set(names), sorted(have)
            return True
        return until(f"{self.name} sees exactly {sorted(names)}", probe)

    def sees_online(self, name, online=True, timeout=20):
        return until(f"{self.name} sees {name} {'on' if online else 'off'}line",
                     lambda: (self.peer(name) or {}).get("Online") is online, timeout)

    @property
    def ip4(self):
        return next(a for a in self.self_status()["TailscaleIPs"] if ":" not in a)

    @property
    def ip6(self):
        return next(a for a in self.self_status()["TailscaleIPs"] if ":" in a)

    def netmap(self):
        return json.loads(self.ts("debug", "netmap").stdout)

    def prefs(self):
        return self.api("prefs")

    def metrics(self):
        """The client's own counters, by name."""
        out = {}
        for line in self.raw_api("metrics").decode().splitlines():
            m = re.match(r"^([A-Za-z_0-9]+) (-?\d+)$", line)
            if m:
                out[m.group(1)] = int(m.group(2))
        return out

    @property
    def counts_rebuilds(self):
        """Does this version count how it takes map frames?"""
        return tuple(int(n) for n in self.version.split(".")[:2]) >= (1, 102)

    def rebuilds(self):
        """How many map frames made the client rebuild its whole network map. KeyError if it has not this counter."""
        return self.metrics()["controlclient_map_response_handled_full_rebuild"]

    def increments(self):
        return self.metrics()["controlclient_map_response_handled_incrementally"]

    # -- doing things

    def ping(self, target, timeout=30, direct=None):
        """`tailscale ping` until it answers; with direct True or False, until it answers by that way.

        Returns the last line."""
        def once():
            p = self.ts("ping", "-c", "1", "--timeout=700ms", "--until-direct=false", target, check=False, timeout=20)
            line = (p.stdout.strip().splitlines() or [p.stderr])[-1]
            if "pong from" not in p.stdout:
                raise Failed(p.stdout + p.stderr)
            if direct is not None and ("via DERP" in p.stdout) is direct:
                raise Failed(line)
            return [x for x in p.stdout.splitlines() if "pong from" in x][-1]
        return until(f"{self.name} pings {target}" + ("" if direct is None else f" direct={direct}"), once, timeout)

    def dns(self, name, kind="a"):
        """Ask the client's own resolver. Returns the addresses it answers, [] for none."""
        p = self.ts("dns", "query", name, kind, check=False)
        return sorted(set(re.findall(r"^\S+\s+\d+\s+\S+\s+Type\S*\s+(\S+)\s*$", p.stdout, re.M)))

    def send_file(self, path, to, check=True):
        return self.ts("file", "cp", path, to + ":", check=check, timeout=60)

    def get_files(self, folder, timeout=30):
        os.makedirs(folder, exist_ok=True)
        return self.ts("file", "get", "--wait", folder, timeout=timeout)

    def block_udp(self):
        """No UDP in or out except to the server's own: what remains is the relay."""
        self.nft("table inet lab {\n"
                 "  chain out { type filter hook output priority -300; oifname eth0 meta l4proto udp drop; }\n"
                 "  chain in { type filter hook input priority -300; iifname eth0 meta l4proto udp drop; }\n}\n")

    def unblock_udp(self):
        self.run("nft", "delete", "table", "inet", "lab")

    def stub_network(self, name, subnet, forward=True):
        """A host behind this node, in a network that only this node reaches. Returns the host; .lan is its address."""
        net = ipaddress.ip_network(subnet)
        self.bridge(f"{net[1]}/{net.prefixlen}")
        host = Space(self.lab, name)
        host.lan = str(net[10])
        host.attach(self, "eth0", f"{host.lan}/{net.prefixlen}")
        host.ip("route", "add", "default", "via", str(net[1]), "dev", "eth0")
        if forward:
            self.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        host.listen(80)
        return host

    def reaches(self, address, port, who, timeout=20):
        """Wait until a TCP connection is answered by the listener of `who`. Returns the source address it saw."""
        def probe():
            got = self.dial(address, port)
            assert got.split()[0] == who, got
            return got.split()[1]
        return until(f"{self.name} reaches {who} at {address}:{port}", probe, timeout)

    def reaches_not(self, address, port, timeout=20):
        """Wait until a TCP connection is not answered any more."""
        def probe():
            got = self.dial(address, port, timeout=1.5)
            assert got in ("timeout", "refused") or got.startswith("unreachable"), got
            return True
        until(f"{self.name} does not reach {address}:{port}", probe, timeout)

    def unplug(self):
        """Pull the cable: nothing comes or goes, nobody is told."""
        self.ip("link", "set", "eth0", "down")

    def plug(self):
        self.ip("link", "set", "eth0", "up")
        via = "10.77.0.254" if self.lan.startswith("10.77.0.") else str(
            ipaddress.ip_network(self.lan + "/24", strict=False)[1])
        self.ip("route", "replace", "default", "via", via, "dev", "eth0", "onlink")


class Router(Space):
    """A NAT router: one leg on the lab's bridge, nodes behind it on a bridge of its own."""

    def __init__(self, lab, name, inside="192.168.50.0/24", hard=False):
        super().__init__(lab, name)
        net = ipaddress.ip_network(inside)
        self.inside = str(net[1])
        self.hosts = (str(h) for h in list(net.hosts())[10:])
        self.outside = lab.next_address()
        self.attach(lab.bridge, "eth0", self.outside + "/24")
        self.bridge(self.inside + "/24")
        self.ip("route", "add", "default", "via", "10.77.0.254", "dev", "eth0", "onlink")
        self.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        # hard: another outside port for each destination, so a port learned from one peer serves no other
        how = "masquerade random,fully-random" if hard else "masquerade"
        self.nft("table ip lab {\n"
                 f"  chain nat {{ type nat hook postrouting priority srcnat; oifname eth0 {how}; }}\n"
                 # What nobody asked for is dropped unanswered, as home routers do; an answer would use up the outside port.
                 "  chain self { type filter hook input priority filter; iifname eth0 ct state new drop; }\n"
                 "  chain pass { type filter hook forward priority filter; policy drop;\n"
                 "    ct state established,related accept; iifname br0 accept; }\n}\n")

    def next_address(self):
        return next(self.hosts)


class Server(Space):
    """The server under test, in its own namespace, with TLS for control.test on port 443."""

    def __init__(self, lab, config=None):
        super().__init__(lab, "srv")
        self.attach(lab.bridge, "eth0", SERVER_IP + "/24")
        self.path = os.path.join(self.dir, "config.yaml")
        self.socket = os.path.join(self.dir, "hs.sock")
        self.process = None
        self.users = {}
        self.config = {
            "server_url": URL,
            "listen_addr": "0.0.0.0:443",
            "metrics_listen_addr": "127.0.0.1:9090",
            "unix_socket": self.socket,
            "unix_socket_permission": "0700",
            "tls_cert_path": lab.cert,
            "tls_key_path": lab.key,
            "noise": {"private_key_path": os.path.join(self.dir, "noise.key")},
            "prefixes": {"v4": "100.64.0.0/10", "v6": "fd7a:115c:a1e0::/48", "allocation": "sequential"},
            "database": {"type": "sqlite", "sqlite": {"path": os.path.join(self.dir, "db.sqlite")}},
            "derp": {
                "server": {
                    "enabled": True, "region_id": 999, "region_code": "lab", "region_name": "Lab",
                    "verify_clients": True, "stun_listen_addr": "0.0.0.0:3478",
                    "private_key_path": os.path.join(self.dir, "derp.key"),
                    "automatically_add_embedded_derp_region": True, "ipv4": SERVER_IP,
                },
                "urls": [], "paths": [], "auto_update_enabled": False,
            },
            "dns": {"magic_dns": True, "base_domain": DOMAIN, "override_local_dns": False,
                    "nameservers": {"global": [], "split": {}}, "search_domains": []},
            "policy": {"mode": "database"},
            "disable_check_updates": True,
            "log": {"level": "debug"},
        }
        if lab.relay == "derper":
            self.config["derp"] = {"server": {"enabled": False}, "urls": [], "paths": [lab.derp_map()],
                                   "auto_update_enabled": False}
        self.config = merge(self.config, config or {})

    def write_config(self):
        with open(self.path, "w") as f:
            f.write(yaml(self.config))

    def start(self, wait=True):
        assert self.process is None
        self.write_config()
        self.process = self.spawn(BINARY, "serve", "-c", self.path, log="server.log",
                                  env=SANITIZERS)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise SystemExit(f"the server ended with status {self.process.returncode}:\n{self.log()[-3000:]}")
            c = _UnixHTTP(self.socket, 3)
            try:
                c.request("GET", "/api/v1/health")
                return c.getresponse().status == 200
            finally:
                c.close()
        until("the server answers on its socket", ready, timeout=30)

    def kill(self, sig=signal.SIGKILL):
        p, self.process = self.process, None
        return self.stop(p, sig, timeout=20)

    def restart(self, sig=signal.SIGTERM):
        status = self.kill(sig)
        self.start()
        return status

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def log(self):
        with open(os.path.join(self.dir, "server.log"), errors="replace") as f:
            return f.read()

    # -- the command line

    def cli(self, *args, check=True, timeout=20, stdin=None):
        return run(BINARY, "-c", self.path, *args, check=check, timeout=timeout, env=self.env(), stdin=stdin)

    def json(self, *args):
        """Run a command with -o json. Returns what it printed, parsed."""
        return json.loads(self.cli(*args, "-o", "json").stdout or "null")

    def user(self, name):
        """The number of the user `name`, made when it is not there."""
        if name not in self.users:
            self.users[name] = str(self.json("users", "create", name)["id"])
        return self.users[name]

    def auth_key(self, user=None, tags=None, reusable=True, ephemeral=False, expiration="1h"):
        args = ["preauthkeys", "create", "--expiration", expiration]
        if user:
            args += ["--user", self.user(user)]
        if tags:
            args += ["--tags", ",".join(tags)]
        if reusable:
            args.append("--reusable")
        if ephemeral:
            args.append("--ephemeral")
        return self.json(*args)["key"]

    def nodes(self):
        """Nodes by given name."""
        return {n["givenName"]: n for n in self.json("nodes", "list") or []}

    def node(self, name):
        return self.nodes()[name]

    def node_id(self, name):
        return str(self.node(name)["id"])

    def set_policy(self, policy, check=True):
        """Set the policy (a dict or text). Returns the CompletedProcess."""
        path = os.path.join(self.dir, "policy.hujson")
        with open(path, "w") as f:
            f.write(policy if isinstance(policy, str) else json.dumps(policy))
        return self.cli("policy", "set", "-f", path, check=check)

    def approve_routes(self, name, *routes):
        return self.cli("nodes", "approve-routes", "-i", self.node_id(name), "-r", ",".join(routes))

    def tag(self, name, *tags, check=True):
        return self.cli("nodes", "tag", "-i", self.node_id(name), "-t", ",".join(tags), check=check)

    def approve_login(self, url, user):
        """What an administrator does with the URL a client shows."""
        return self.cli("auth", "register", "--auth-id", url.rstrip("/").split("/")[-1], "--user", user)

    def http(self, path, *curl_args, check=True):
        """GET a path of the public listener with curl, from the server's own namespace."""
        return self.run("curl", "-sS", "--max-time", "10", *curl_args, URL + path, check=check)

    def metrics(self):
        out = {}
        for line in self.run("curl", "-sS", "--max-time", "10", "http://127.0.0.1:9090/metrics").stdout.splitlines():
            m = re.match(r"^([a-zA-Z_:][^ ]*) (\S+)$", line)
            if m:
                out[m.group(1)] = float(m.group(2))
        return out


class Lab:
    """See the top of this file. `config` is laid over the server's configuration; relay is "embedded" or "derper"."""

    def __init__(self, config=None, relay="embedded", start=True):
        self.dir = tempfile.mkdtemp(prefix="hslab")
        os.chmod(self.dir, 0o755)
        self.prefix = f"hslab{os.getpid()}x{next(_serial)}"
        self.spaces = []
        self.nodes = {}
        self.ports = itertools.count(1)
        self.addresses = (f"10.77.0.{i}" for i in range(11, 250))
        self.relay = relay
        self.cert = os.path.join(self.dir, HOST + ".crt")
        self.key = os.path.join(self.dir, HOST + ".key")
        try:
            run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-keyout", self.key, "-out", self.cert, "-subj", f"/CN={HOST}",
                "-addext", f"subjectAltName=DNS:{HOST},IP:{SERVER_IP}")
            self.bridge = Space(self, "br")
            self.bridge.ip("link", "add", "br0", "type", "bridge", "forward_delay", "0")
            self.bridge.ip("link", "set", "br0", "up")
            self.server = Server(self, config)
            if relay == "derper":
                self.start_derper()
            if start:
                self.server.start()
        except BaseException:
            self.close()
            raise

    def next_address(self):
        return next(self.addresses)

    def derp_map(self):
        path = os.path.join(self.dir, "derp.yaml")
        with open(path, "w") as f:
            f.write(yaml({"regions": {900: {"regionid": 900, "regioncode": "lab", "regionname": "Lab", "nodes": [
                {"name": "900a", "regionid": 900, "hostname": HOST, "ipv4": SERVER_IP, "stunport": 3478,
                 "stunonly": False, "derpport": 8443}]}}}))
        return path

    def start_derper(self):
        """The other implementation of the relay, beside the server."""
        self.server.spawn(os.path.join(CLIENTS, "1.102.5", "derper"), "-a", ":8443", "-http-port", "-1", "-certmode",
                          "manual", "-certdir", self.dir, "-hostname", HOST, "-c", os.path.join(self.dir, "derper.conf"),
                          "-stun", "-stun-port", "3478", log="derper.log")

    def node(self, name, version=NEW, user=None, key=None, up=None, net=None, start=True, args=()):
        """A machine with tailscaled running, joined when `user` (who gets a key) or `key` is given."""
        n = Node(self, name, version, net)
        self.nodes[name] = n
        if start:
            n.start()
        if user or key:
            n.up(*args, key=key or self.server.auth_key(user))
        return n

    def pair(self, versions=None, user="anna"):
        """Two nodes n1, n2 of one user that see each other."""
        versions = versions or (NEW, OLD)
        key = self.server.auth_key(user)
        n1, n2 = (self.node(f"n{i + 1}", v, key=key) for i, v in enumerate(versions))
        n1.sees_online("n2")
        n2.sees_online("n1")
        return n1, n2

    @contextlib.contextmanager
    def only_increments(self, *nodes):
        """Inside, the nodes that can count it take every map frame on their cheap path, and at least one of them.

        Begins when they have heard nothing for a second, so that what came before does not count."""
        nodes = [n for n in nodes if n.counts_rebuilds]
        assert nodes, "none of these nodes counts rebuilds"
        self.settle(*nodes)
        before = {n.name: (n.rebuilds(), n.increments()) for n in nodes}
        assert all(b[0] >= 1 for b in before.values()), f"no first map counted: {before}"
        yield
        after = {n.name: (n.rebuilds(), n.increments()) for n in nodes}
        assert {k: v[0] for k, v in after.items()} == {k: v[0] for k, v in before.items()}, f"rebuilt its map: {before} {after}"
        assert any(after[k][1] > before[k][1] for k in before), "no frame came at all"

    def settle(self, *nodes, quiet=1.0, timeout=40):
        """Wait until none of the nodes has been sent a map for `quiet` seconds."""
        last = [None, 0.0]

        def probe():
            now = [n.metrics().get("controlclient_map_response_map", 0) for n in nodes]
            if now != last[0]:
                last[:] = [now, time.monotonic()]
            return time.monotonic() - last[1] >= quiet
        until("no map for a while", probe, timeout)

    def keep(self, folder):
        """Copy the logs to a folder, for whoever looks into a failure."""
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        for s in self.spaces:
            for path in glob.glob(os.path.join(s.dir, "*.log")) + glob.glob(os.path.join(s.dir, "config.yaml")):
                shutil.copy(path, os.path.join(folder, f"{s.name}-{os.path.basename(path)}"))
        for n in self.nodes.values():
            for what in ("status", "prefs", "metrics"):
                with contextlib.suppress(Exception), open(os.path.join(folder, f"{n.name}-{what}.txt"), "wb") as f:
                    f.write(n.raw_api(what, timeout=2))

    def close(self):
        """End everything. The server ends by SIGTERM and must do so in order."""
        problem = None
        try:
            server = getattr(self, "server", None)
            if server and server.process:
                for n in self.nodes.values():
                    for p in n.processes:
                        with contextlib.suppress(OSError):
                            p.kill()
                status = server.kill(signal.SIGTERM)
                if status != 0:
                    problem = f"the server ended with status {status}:\n{server.log()[-3000:]}"
        except Failed as e:
            problem = str(e)
        finally:
            for s in reversed(self.spaces):
                s.close()
            shutil.rmtree(self.dir, ignore_errors=True)
        if problem and sys.exc_info()[0] is None:
            raise Failed(problem)


def sweep():
    """Remove namespaces of labs whose test process is gone (it was killed)."""
    for line in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout.splitlines():
        m = re.match(r"(hslab(\d+)x\d+-\S+)", line)
        if m and not os.path.exists(f"/proc/{m.group(2)}"):
            pids = subprocess.run(["ip", "netns", "pids", m.group(1)], capture_output=True, text=True).stdout.split()
            for pid in pids:
                with contextlib.suppress(OSError):
                    os.kill(int(pid), signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", m.group(1)], capture_output=True)

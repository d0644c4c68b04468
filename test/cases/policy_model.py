"""A second policy engine, slow and plain: what every node of a recording receives, from the rules in docs/design/policy.md.

Written apart from src/policy, with other means: every list is written out, every rule is compiled for every node, nothing
is shared or remembered. `policy_worlds.py` compares the two on random tailnets; this compares the model with recordings:

    policy_model.py FILE.json...
"""
import functools
import ipaddress
import json
import sys

TAILNET = ["100.64.0.0-100.115.91.255", "100.115.94.0-100.127.255.255", "fd7a:115c:a1e0::/48"]
INTERNET = ["0.0.0.0-9.255.255.255", "11.0.0.0-100.63.255.255", "100.128.0.0-169.253.255.255", "169.255.0.0-172.15.255.255",
            "172.32.0.0-192.167.255.255", "192.169.0.0-255.255.255.255", "2000::-3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]
EXITS = ["0.0.0.0/0", "::/0"]
ROLES = {"autogroup:" + r: [r] for r in ("owner", "network-admin", "it-admin", "billing-admin", "auditor")}
ROLES["autogroup:admin"] = ["admin", "owner"]
COMPANIONS = [("tailscale.com/cap/drive", "tailscale.com/cap/drive-sharer"),
              ("tailscale.com/cap/relay", "tailscale.com/cap/relay-target")]
PROTOCOLS = {"icmp": 1, "igmp": 2, "ipv4": 4, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58, "sctp": 132}
CAP = "https://tailscale.com/cap/"
EVERYBODY = [CAP + "file-sharing", CAP + "ssh", CAP + "tailnet-lock", "probe-udp-lifetime", "ssh-behavior-v1", "ssh-env-vars",
             "store-appc-routes"]
FUNNEL = [CAP + "funnel-ports?ports=443,8443,10000", CAP + "warn-funnel-no-https"]
CHECK = "https://unused/machine/ssh/action/$SRC_NODE_ID/to/$DST_NODE_ID?local_user=$LOCAL_USER"
ACCEPT = {"accept": True, "allowAgentForwarding": True, "allowLocalPortForwarding": True, "allowRemotePortForwarding": True}


# ---- addresses, as rules write them

@functools.lru_cache(None)
def bounds(text):
    if "-" in text:
        first, last = map(ipaddress.ip_address, text.split("-"))
    else:
        net = ipaddress.ip_network(text, strict=False)
        first, last = net[0], net[-1]
    return first.version, int(first), int(last)


def overlap(a, b):
    if "*" in (a, b):
        return True
    (va, fa, la), (vb, fb, lb) = bounds(a), bounds(b)
    return va == vb and fa <= lb and fb <= la


def literal(text):
    net = ipaddress.ip_network(text, strict=False)
    return str(net[0]) if net.num_addresses == 1 else str(net)


def is_literal(text):
    try:
        ipaddress.ip_network(text, strict=False)
        return True
    except ValueError:
        return False


def ports_of(text):
    def one(part):
        first, _, last = part.strip().partition("-")
        return (0, 65535) if first == "*" else (int(first), int(last or first))
    return [one(p) for p in text.split(",")]


def protocol(name):
    return PROTOCOLS.get(name.lower()) or int(name)


# ---- the facts

class Node:
    def __init__(self, name, facts, users, rank):
        self.name, self.tags = name, facts["tags"]
        self.user = None if self.tags else users[facts["user"]]
        self.ip6 = facts["ipv6"]
        self.addresses = [a for a in (facts["ipv4"], facts["ipv6"]) if a]
        self.registered = facts["registered"] if facts["registered"] is not None else rank
        served = [r for r in facts["routable_ips"] or [] if r in (facts["approved_routes"] or [])]
        self.exit = any(r in EXITS for r in served)
        self.routes = [r for r in served if r not in EXITS]

    def prefixes(self):
        return [a + ("/32" if "." in a else "/128") for a in self.addresses]


class Packet:
    """Part of a rule: entries (address, ports, concerns this node)."""

    def __init__(self, sources, protocols, entries):
        self.sources, self.protocols, self.entries = sources, protocols, entries

    def destinations(self):
        return [ip for ip, _, _ in self.entries]

    def json(self):
        rule = {"SrcIPs": self.sources,
                "DstPorts": [{"IP": ip, "Ports": {"First": a, "Last": b}} for ip, (a, b), _ in self.entries]}
        if self.protocols:
            rule["IPProto"] = self.protocols
        return rule


class Grant:
    """A capability rule; without grants one that is not sent, but admits like one (via)."""

    def __init__(self, sources, grants, stands_for=()):
        self.sources, self.grants, self.stands_for = sources, grants, list(stands_for)

    def destinations(self):
        return self.stands_for + [d for g in self.grants for d in g["Dsts"]]

    def json(self):
        return {"SrcIPs": self.sources, "CapGrant": self.grants}


class World:
    def __init__(self, recording):
        self.recording = recording
        self.policy = json.loads(recording["policy"])
        users = {u["name"]: u for u in recording["users"]}
        self.nodes = [Node(n, f, users, 10**6 + i) for i, (n, f) in enumerate(recording["nodes"].items())]
        self.routes = sorted({r for n in self.nodes for r in n.routes})
        self.primary = {r: min((n for n in self.nodes if r in n.routes), key=lambda n: n.registered) for r in self.routes}
        self.grants, self.acls = self.policy.get("grants"), self.policy.get("acls")
        if self.grants is None and self.acls is None:
            self.acls = [{"src": ["*"], "dst": ["*:*"]}]
        self.rules = {n: self.reduced(n) for n in self.nodes}

    # ---- selectors

    def devices(self, sel):
        """The devices that a selector of devices selects; None for any other."""
        if is_literal(sel) or sel == "*":
            return None
        if sel.startswith("group:"):
            members = [m.strip() for m in self.policy["groups"].get(sel, [])]
            fits = lambda n: n.user and n.user["email"] in members
        elif sel.startswith("tag:"):
            fits = lambda n: sel in n.tags
        elif sel == "autogroup:member":
            fits = lambda n: n.user
        elif sel == "autogroup:tagged":
            fits = lambda n: n.tags
        elif sel in ROLES:
            fits = lambda n: n.user and n.user["role"] in ROLES[sel]
        elif sel.startswith("user:*@"):
            fits = lambda n: n.user and n.user["email"].endswith(sel[6:])
        elif "@" in sel:
            fits = lambda n: n.user and n.user["email"] == sel
        else:
            return None
        return [n for n in self.nodes if fits(n)]

    def address(self, sel):
        return literal(sel if is_literal(sel) else self.policy["hosts"][sel])

    def is_address(self, sel):
        return is_literal(sel) or sel in (self.policy.get("hosts") or {})

    def sources(self, src):
        out = set()
        for sel in src:
            devices = self.devices(sel)
            if devices is not None:
                out |= {a for n in devices for a in n.addresses}
            elif sel == "autogroup:danger-all":
                return ["*"]
            else:
                out |= set(TAILNET + self.routes) if sel == "*" else {self.address(sel)}
        return sorted(out)

    def selects(self, src, node):
        for sel in src:
            devices = self.devices(sel)
            if node in devices if devices is not None else sel in ("*", "autogroup:danger-all") or any(
                    overlap(self.address(sel), a) for a in node.addresses):
                return True
        return False

    def rank(self, sel):
        """Order in which destinations are worked off."""
        if self.is_address(sel) or sel.startswith("tag:"):
            return 3
        return 0 if sel == "*" else 4 if sel.startswith("autogroup:") else 2 if sel.startswith("group:") else 1

    def own_sources(self, src, node):
        return [n for n in self.nodes if node.user and n.user is node.user and self.selects(src, n)]

    # ---- rules of one node

    def packet(self, src, protocols, sel, ports, node, via):
        sources = self.sources(src)
        every = lambda ips, concerns: [(ip, p, concerns) for ip in ips for p in ports]
        devices = self.devices(sel)
        if via:
            here = set(via) & set(node.tags)
            if sel == "autogroup:internet":
                entries = every(INTERNET, True) if here and node.exit else []
            else:
                here = here and self.is_address(sel) and any(overlap(self.address(sel), r) for r in node.routes)
                entries = every([self.address(sel)], True) if here else []
        elif sel == "autogroup:self":
            sources = sorted(a for n in self.own_sources(src, node) for a in n.addresses)
            entries = every(node.addresses, True)
        elif sel == "autogroup:internet":
            entries = every(INTERNET, node.exit) if any(n.exit for n in self.nodes) else []
        elif devices is not None:
            entries = [e for n in devices for e in every(n.addresses, n is node)]
        elif sel == "*":
            entries = every(["*"], True)
        else:
            address = self.address(sel)
            entries = every([address], any(overlap(address, a) for a in node.addresses + node.routes))
        return [Packet(sources, protocols, entries)] if sources and entries else []

    def of_acl(self, acl, node):
        src, by_selector = [s.strip() for s in acl.get("src") or []], {}
        for dst in acl.get("dst") or []:
            sel, ports = dst.strip().rsplit(":", 1)
            by_selector.setdefault(sel.replace("[", "").replace("]", ""), []).extend(ports_of(ports))
        protocols = [protocol(acl["proto"])] if acl.get("proto") else []
        return [p for sel in sorted(by_selector, key=self.rank) if src
                for p in self.packet(src, protocols, sel, by_selector[sel], node, None)]

    def of_grant(self, grant, node):
        src, dst, via = grant.get("src") or [], list(dict.fromkeys(grant.get("dst") or [])), grant.get("via")
        if not src or not dst:
            return []
        dst.sort(key=self.rank)
        by_protocol, out = {}, []
        for ip in grant.get("ip") or []:
            name, _, ports = ip.rpartition(":")
            by_protocol.setdefault((protocol(name),) if name.strip("*") else (), []).extend(ports_of(ports))
        for protocols, ports in by_protocol.items():
            for sel in dst:
                out += self.packet(src, list(protocols), sel, ports, node, via)
        if grant.get("app"):
            out += self.seen_by_way_of(src, dst, via, node) if via else self.of_app(src, dst, grant["app"], node)
        return out

    def seen_by_way_of(self, src, dst, via, node):
        out = []
        for sel in dst:
            if not set(via) & set(node.tags):
                continue
            if sel == "autogroup:internet" and node.exit:
                out.append(Grant(self.sources(src), [], INTERNET))
            elif self.is_address(sel) and any(overlap(self.address(sel), r) for r in node.routes):
                out.append(Grant(self.sources(src), [], [self.address(sel)]))
        return out

    def capability(self, sel, node):
        """What a capability towards this selector stands for on the node."""
        devices, own = self.devices(sel), node.prefixes()
        if devices is not None or sel == "*":
            return own if sel == "*" or node in devices else []
        address = self.address(sel)
        routed = [str(ipaddress.ip_network(address))] if any(overlap(address, r) for r in node.routes) else []
        return [p for p in own if overlap(p, address)] + routed

    def of_app(self, src, dst, app, node):
        others, out = [s for s in dst if s != "autogroup:self"], []
        own = self.own_sources(src, node) if "autogroup:self" in dst else []
        own_list = sorted(a for n in own for a in n.addresses)
        grants = [{"Dsts": d, "CapMap": app} for d in (self.capability(s, node) for s in others) if d]
        if grants:
            out.append(Grant(self.sources(src), grants))
        if own:
            out.append(Grant(own_list, [{"Dsts": node.prefixes(), "CapMap": app}]))
        for name, companion in COMPANIONS:
            back = [{"Dsts": node.prefixes(), "CapMap": {companion: None}}]
            if name in app and others and self.selects(src, node):
                out.append(Grant(self.sources(others), back))
            if name in app and own:
                out.append(Grant(own_list, back))
        return out

    def reduced(self, node):
        merged = []
        for part in [p for g in self.grants or [] for p in self.of_grant(g, node)] + [
                p for a in self.acls or [] for p in self.of_acl(a, node)]:
            same = [m for m in merged if isinstance(m, Packet) and isinstance(part, Packet) and
                    (m.sources, m.protocols) == (part.sources, part.protocols)]
            if same:
                same[0].entries += part.entries
            else:
                merged.append(part)
        for m in merged:
            if isinstance(m, Packet):
                m.entries = [e for e in m.entries if e[2]]
        return [m for m in merged if isinstance(m, Grant) or m.entries]

    # ---- peers

    def admits(self, rule, node):
        return any(overlap(s, a) for s in rule.sources for a in node.addresses + node.routes)

    def sees(self, a, b):
        return any(self.admits(r, b) for r in self.rules[a]) or any(self.admits(r, a) for r in self.rules[b])

    def shower(self, route, viewer):
        """Who shows this route to the viewer."""
        primary = self.primary[route]
        if route in viewer.routes:
            return None if viewer is primary else primary
        servers = sorted((n for n in self.nodes if route in n.routes), key=lambda n: n.registered)
        candidates = [n for n in servers if any(
            self.admits(r, viewer) and any(overlap(d, route) for d in r.destinations()) for r in self.rules[n])]
        if candidates:
            return primary if primary in candidates else candidates[0]
        return primary if any(overlap(s, route) for r in self.rules[viewer] for s in r.sources) else None

    def shows_exit(self, peer, viewer):
        return peer.exit and any(isinstance(r, Packet) and self.admits(r, viewer) and
                                 set(r.destinations()) & {"*", INTERNET[0]} for r in self.rules[peer])

    def peer(self, viewer, node):
        out = {}
        routes = [r for r in node.routes if self.shower(r, viewer) is node]
        routes += EXITS if self.shows_exit(node, viewer) else []
        if routes:
            out["routes"] = routes
        if node.exit:
            out["cap_map"] = {"suggest-exit-node": None}
        if self.hides_ip4(node) or self.hides_ip4(viewer):
            out["addresses"] = [node.ip6 + "/128"] if node.ip6 else []
        return out

    # ---- SSH

    def ssh_of(self, entry, node):
        src, dst = [s.strip() for s in entry.get("src") or []], [d.strip() for d in entry.get("dst") or []]
        users = [u.strip() for u in entry["users"]]
        domains = [u[12:].lower() for u in users if u.startswith("localpart:*@") and len(u) > 12]
        logins = {"root": ""}
        for u in users:
            if u == "autogroup:nonroot":
                logins["*"] = "="
            elif not (u.startswith("localpart:*@") and len(u) > 12):
                logins[u] = u
        sources, others, out = [n for n in self.nodes if self.selects(src, n)], [d for d in dst if d != "autogroup:self"], []

        def emit(devices, user):
            addresses = sorted(a for n in devices for a in n.addresses for _ in range(max(1, len(n.tags))))
            maps = [logins] if devices else []
            if devices and user and user["email"].rpartition("@")[2].lower() in domains:
                name = user["email"].rpartition("@")[0]
                maps.append({name: name})
            for m in maps:
                rule = {"principals": [{"nodeIP": a} for a in addresses], "sshUsers": m,
                        "action": {"holdAndDelegate": CHECK} if entry["action"].strip() == "check" else ACCEPT}
                if entry.get("acceptEnv"):
                    rule["acceptEnv"] = entry["acceptEnv"]
                out.append(rule)

        def of(user):
            return [n for n in sources if n.user is user]

        if "autogroup:self" in dst and node.user:
            emit(of(node.user), node.user)
        if any(node in self.devices(d) for d in others):
            if not domains:
                emit(sources, None)
            else:
                for user in sorted((u for u in self.recording["users"]), key=lambda u: int(u["id"])):
                    emit(of(user), user)
                emit(of(None), None)
        elif others and domains and node in sources:
            emit(of(node.user) if node.user else [node], node.user)
        return out

    def ssh(self, node):
        rules = [r for e in self.policy.get("ssh") or [] for r in self.ssh_of(e, node)]
        return sorted(rules, key=lambda r: r["action"] is ACCEPT)

    # ---- capabilities

    def targets(self, sel, node):
        devices = self.devices(sel)
        if devices is not None:
            return node in devices
        return sel == "*" or any(overlap(self.address(sel), a) for a in node.addresses)

    def attributes(self, node):
        return {a for e in self.policy.get("nodeAttrs") or [] if any(self.targets(t.strip(), node) for t in e.get("target") or [])
                for a in e.get("attr") or []}

    def hides_ip4(self, node):
        return "disable-ipv4" in self.attributes(node)

    def cap_map(self, node):
        names = self.attributes(node) | set(EVERYBODY)
        if "funnel" in names:
            names |= set(FUNNEL)
        if self.policy.get("randomizeClientPort"):
            names.add("randomize-client-port")
        if not node.user or node.user["role"] == "owner":
            names.add(CAP + "is-owner")
        if node.user and node.user["role"] in ("owner", "admin"):
            names.add(CAP + "is-admin")
        caps = dict.fromkeys(names)
        caps["tailnet-display-name"] = ["odin@example.com"]
        if self.recording["captured_at"] >= "2026-04-14":
            settings = (self.recording.get("tailnet") or {}).get("settings") or {}
            caps["default-auto-update"] = [bool(settings.get("devices_auto_updates_on"))]
        return caps

    def received(self, node):
        out = {"packet_filter_rules": [r.json() for r in self.rules[node] if isinstance(r, Packet) or r.grants],
               "ssh_rules": self.ssh(node), "cap_map": self.cap_map(node),
               "peers": {n.name: self.peer(node, n) for n in self.nodes if n is not node and self.sees(node, n)}}
        primary = [r for r in node.routes if self.primary[r] is node]
        if primary:
            out["primary_routes"] = primary
        if self.hides_ip4(node):
            out["addresses"] = [node.ip6 + "/128"] if node.ip6 else []
        return out


def expected(recording):
    world = World(recording)
    return {n.name: world.received(n) for n in world.nodes}


def unsorted(value, name=None):
    """Where addresses were rewritten after recording, lists sorted by them are sets."""
    if isinstance(value, dict):
        return {k: unsorted(v, k) for k, v in value.items()}
    if isinstance(value, list):
        items = [unsorted(v) for v in value]
        return sorted(items, key=json.dumps) if name in ("SrcIPs", "principals") else items
    return value


def main(paths):
    failed = 0
    for path in paths:
        with open(path, encoding="utf-8") as f:
            recording = json.load(f)
        if recording["response"]["code"] != 200:
            continue
        rewritten = all((n["ipv4"] or "").startswith("100.64.0.") for n in recording["nodes"].values())
        form = unsorted if rewritten else lambda v: v
        ours = expected(recording)
        for name, theirs in recording["expect"].items():
            theirs.pop("dns", None)  # no matter of the policy
            if form(ours[name]) != form(theirs):
                failed += 1
                print(f"{path}: {name}")
    print(f"{failed} differ")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

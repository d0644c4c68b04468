"""Random tailnets and policies, judged by the plain model, then run through the engine as recordings.

    policy_worlds.py POLICY_CASES [COUNT [SEED]]

The seed is printed when something differs, and the files stay.
"""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

from policy_model import expected  # noqa: E402

ROUTES = ["10.0.0.0/8", "10.33.0.0/16", "10.33.1.0/24", "10.33.0.100/32", "192.168.1.0/24", "172.16.0.0/24", "fd00:1::/64",
          "fd00:1:2::/80", "10.44.0.0/16"]
AMONG_DEVICES = ["100.64.0.0/24", "100.80.0.0/12", "100.72.1.2/32", "fd7a:115c:a1e0::/56"]
LITERALS = ROUTES + ["10.0.0.5", "10.32.0.0/14", "8.8.8.0/24", "2001:db8::1/128", "100.64.0.0/16", "100.64.0.0/12",
                     "fd7a:115c:a1e0::/64", "10.33.1.128/25"]
EXITS = ["0.0.0.0/0", "::/0"]
PORTS = ["*", "22", "80,443", "80-443", "22,80,8000-8100", "53"]
NETS = ["*", "22", "tcp:80", "udp:53", "tcp:443", "tcp:8000-8100", "icmp:*", "80-443", "47"]
APPS = ["tailscale.com/cap/drive", "tailscale.com/cap/relay", "example.com/cap/x", "tailscale.com/cap/webui"]
ATTRS = ["funnel", "disable-ipv4", "custom:x", "suggest-exit-node", "https://tailscale.com/cap/is-admin", "randomize-client-port"]
TAGS = ["tag:t0", "tag:t1", "tag:t2", "tag:t3"]


class Maker:
    def __init__(self, rng):
        self.rng = rng
        self.users = [self.user(i) for i in range(rng.randint(2, 4))]
        self.nodes = self.make_nodes()
        self.addresses = [a for n in self.nodes.values() for a in (n["ipv4"], n["ipv6"]) if a]
        emails = [u["email"] for u in self.users] + ["ghost@example.com"]
        self.groups = {f"group:g{i}": rng.sample(emails, rng.randint(0, 2)) for i in range(3)}
        self.hosts = {f"h{i}": rng.choice(self.addresses + LITERALS) for i in range(3)}

    def some(self, make, most, least=1):
        return [make() for _ in range(self.rng.randint(least, most))]

    def chance(self, share):
        return self.rng.random() < share

    def user(self, i):
        roles = ["member", "admin", "member", "network-admin", "auditor"]
        return {"id": i + 1, "name": f"u{i}", "email": f"u{i}@example.{self.rng.choice(['com', 'com', 'org'])}",
                "role": self.rng.choice(roles) if i else "owner"}

    def make_routes(self, pool):
        advertised = self.rng.sample(pool, self.rng.randint(1, 3))
        approved = [r for r in advertised if self.chance(0.8)]
        if self.chance(0.4):
            advertised += EXITS
            approved += EXITS if self.chance(0.6) else []
        return advertised, approved

    def make_nodes(self):
        rng, nodes = self.rng, {}
        pool = ROUTES + (AMONG_DEVICES if self.chance(0.25) else [])
        for i in range(rng.randint(3, 9)):
            tagged, missing = self.chance(0.5), rng.random()
            advertised, approved = self.make_routes(pool) if self.chance(0.45) else ([], [])
            nodes[f"n{i}"] = {
                "user": "" if tagged else rng.choice(self.users)["name"],
                "tags": sorted(rng.sample(TAGS, rng.choice([1, 1, 2, 3]))) if tagged else [],
                "ipv4": None if missing < 0.08 else f"100.{rng.choice([72, 80, 108])}.{rng.randint(0, 3)}.{10 * i + rng.randint(0, 9)}",
                "ipv6": None if missing > 0.9 else f"fd7a:115c:a1e0::{rng.randint(1, 65535):x}:{100 * i + rng.randint(1, 99):x}",
                "routable_ips": advertised, "approved_routes": approved}
        for node, rank in zip(nodes.values(), rng.sample(range(1, len(nodes) + 1), len(nodes))):
            node["registered"] = rank
        return nodes

    # ---- selectors

    def devices(self):
        return self.rng.choice([self.rng.choice(self.users)["email"], self.rng.choice(list(self.groups)), self.rng.choice(TAGS),
                                self.rng.choice(TAGS), "autogroup:member", "autogroup:tagged", "autogroup:admin", "autogroup:owner",
                                "user:*@example.com", "ghost@example.com", "autogroup:auditor"])

    def literal(self):
        return self.rng.choice([self.rng.choice(self.addresses), self.rng.choice(LITERALS), self.rng.choice(list(self.hosts))])

    def src(self):
        danger = "autogroup:danger-all" if self.chance(0.1) else "*"
        return self.rng.choice([self.devices(), self.devices(), self.devices(), self.literal(), danger])

    def dst(self):
        return self.rng.choice([self.devices(), self.devices(), self.devices(), self.literal(), self.literal(), "*",
                                "autogroup:internet"])

    def people(self):
        return self.rng.choice([self.rng.choice(self.users)["email"], self.rng.choice(list(self.groups)), "autogroup:member",
                                "autogroup:admin"])

    # ---- rules

    def acl(self):
        proto = self.rng.choice(["", "tcp", "udp", "icmp", "sctp", "6"]) if self.chance(0.3) else ""
        ports = lambda: "*" if proto == "icmp" else self.rng.choice(PORTS)
        rule = {"action": "accept", "proto": proto, "src": self.some(self.src, 3), "dst": self.some(lambda: f"{self.dst()}:{ports()}", 3)}
        if self.chance(0.25):
            rule["src"] = self.some(lambda: self.rng.choice([self.people(), self.people(), "*"]), 2)
            rule["dst"].append(f"autogroup:self:{ports()}")
        return rule

    def grant(self):
        rule, what = {"src": self.some(self.src, 3), "dst": self.some(self.dst, 3)}, self.rng.random()
        if self.chance(0.25):
            rule["src"] = self.some(self.people, 2)
            rule["dst"].append("autogroup:self")
        if what < 0.75:
            rule["ip"] = self.some(lambda: self.rng.choice(NETS), 3)
        if what > 0.5:
            values = lambda: self.rng.choice([[], [{}], [{"a": 1}, {"b": [1, 2]}]])
            rule["app"] = {name: values() for name in self.rng.sample(APPS, self.rng.randint(1, 2))}
            rule["dst"] = [d for d in rule["dst"] if d != "autogroup:internet"] or ["*"]
        if self.chance(0.2):
            rule["via"] = self.rng.sample(TAGS, self.rng.randint(1, 2))
            rule["dst"] = [d for d in rule["dst"] if d != "autogroup:self"] or ["10.33.0.0/16"]
        return rule

    def ssh(self):
        rng, kind, one = self.rng, self.rng.random(), self.rng.choice(self.users)["email"]
        rule = {"action": rng.choice(["accept", "check"]),
                "users": rng.sample(["root", "autogroup:nonroot", "ubuntu", "localpart:*@example.com", "x"], rng.randint(1, 3))}
        if kind < 0.4:
            rule["src"] = self.some(self.people, 2)
            rule["dst"] = rng.choice([["autogroup:self"], ["autogroup:self", rng.choice(TAGS)], [rng.choice(TAGS), "autogroup:tagged"]])
        elif kind < 0.9:
            rule["src"] = self.some(lambda: rng.choice([one, rng.choice(TAGS), "autogroup:tagged", rng.choice(list(self.groups)),
                                                        "autogroup:member"]), 3)
            rule["dst"] = self.some(lambda: rng.choice([rng.choice(TAGS), "autogroup:tagged"]), 2)
        else:
            rule["src"] = rule["dst"] = [one]
        if self.chance(0.3):
            rule["acceptEnv"] = ["A", "B*"]
        return rule

    def attributes(self):
        target = lambda: self.rng.choice([self.devices(), self.literal(), "*"])
        return {"target": self.some(target, 2, 0), "attr": self.rng.sample(ATTRS, self.rng.randint(0, 2))}

    def policy(self):
        out, which = {"groups": self.groups, "hosts": self.hosts, "tagOwners": {t: [] for t in TAGS}}, self.rng.random()
        if which < 0.65:
            out["acls"] = self.some(self.acl, 4, 0)
        if which > 0.35:
            out["grants"] = self.some(self.grant, 4, 0)
        if self.chance(0.5):
            out["ssh"] = self.some(self.ssh, 3)
        if self.chance(0.4):
            out["nodeAttrs"] = self.some(self.attributes, 2)
        return out


def recording(rng, name):
    maker = Maker(rng)
    out = {"id": name, "category": "made", "captured_at": "2026-05-01T00:00:00Z", "policy": json.dumps(maker.policy()),
           "response": {"code": 200}, "users": maker.users, "nodes": maker.nodes}
    out["expect"] = expected(out)
    return out


def main(cases, count=300, seed=None):
    seed = int(seed) if seed is not None else random.randrange(10**9)
    rng = random.Random(seed)
    folder = tempfile.mkdtemp(prefix="policy-worlds-")
    for i in range(int(count)):
        with open(os.path.join(folder, f"{i:06}.json"), "w", encoding="utf-8") as f:
            json.dump(recording(rng, f"{i:06}"), f)
    status = subprocess.run([cases, folder], check=False).returncode
    if status:
        print(f"seed {seed}; the files are in {folder}")
    else:
        shutil.rmtree(folder)
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

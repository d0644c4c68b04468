"""Every command against what scripts written for the Go server (0.30) read: columns, members and their types, exit status.

The tables hold what that server's command line prints. Ours may print more columns at the end and more members, never
others in their place.
"""
import json
import re

import pytest

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"
AUTH = "hskey-authreq-0123456789abcdef0123456"  # and one digit

COLUMNS = {
    "users list": "ID Name Username Email Created",
    "nodes list": "ID Hostname Name MachineKey NodeKey User Tags IP-addresses Ephemeral Last-seen Expiration Connected Expired",
    "nodes list-routes": "ID Hostname Approved Available Serving-(Primary)",
    "preauthkeys list": "ID Key/Prefix Reusable Ephemeral Used Expiration Created Owner",
    "apikeys list": "ID Prefix Expiration Created",
}

USER = {"createdAt": str, "displayName": str, "email": str, "id": str, "name": str, "profilePicUrl": str, "provider": str,
        "providerId": str}
KEY = {"aclTags": list, "createdAt": str, "ephemeral": bool, "expiration": str, "id": str, "key": str, "reusable": bool,
       "used": bool, "user": dict}
NODE = {"approvedRoutes": list, "availableRoutes": list, "createdAt": str, "discoKey": str, "givenName": str, "id": str,
        "ipAddresses": list, "lastSeen": str, "machineKey": str, "name": str, "nodeKey": str, "online": bool,
        "preAuthKey": dict, "registerMethod": str, "subnetRoutes": list, "tags": list, "user": dict}
API_KEY = {"createdAt": str, "expiration": str, "id": str, "prefix": str}


def fits(value, shape):
    for name, kind in shape.items():
        assert isinstance(value[name], kind), (name, value)


@pytest.fixture
def busy(server):
    """A server with a user, a node, and a key of each kind."""
    server.run("users", "create", "anna")
    server.run("debug", "create-node", "--name", "Anna's box", "-u", "anna", "-k", AUTH + "1", "-r", "10.0.0.0/24")
    server.run("auth", "register", "-u", "anna", "--auth-id", AUTH + "1")
    server.run("preauthkeys", "create", "-u", "1")
    server.run("apikeys", "create")
    return server


@pytest.mark.parametrize("command", COLUMNS)
def test_columns_stand_where_scripts_count_them(busy, command):
    header, *rows = busy.run(*command.split()).stdout.split("\n")
    names = [c.strip().replace(" ", "-") for c in header.split("|")]
    assert names[:len(COLUMNS[command].split())] == COLUMNS[command].split()
    assert rows[0].count("|") == header.count("|") and rows[0].startswith(("1 ", "2 "))


def test_members_have_names_and_types_that_scripts_read(busy):
    for command, shape in (("users list", USER), ("nodes list", NODE), ("nodes list-routes", NODE), ("preauthkeys list", KEY),
                           ("apikeys list", API_KEY)):
        for value in busy.json(*command.split()):
            fits(value, shape)
    fits(busy.json("users", "create", "berta"), USER)
    fits(busy.json("users", "rename", "-i", "2", "-r", "bert"), USER)
    fits(busy.json("preauthkeys", "create", "--tags", "tag:x"), KEY)
    for change in (["rename", "desk"], ["approve-routes", "-r", "10.0.0.0/24"], ["expire", "-d"],
                   ["expire", "-e", "2099-01-01T00:00:00Z"], ["expire"]):
        fits(busy.json("nodes", change[0], "-i", "1", *change[1:]), NODE)
    assert isinstance(busy.json("apikeys", "create"), str)
    assert busy.json("health") == {"databaseConnectivity": True}


def test_where_there_is_no_key_and_no_user_are_empty_ones(busy):
    key = busy.json("nodes", "list")[0]["preAuthKey"]
    assert key["id"] == key["key"] == "" and key["user"]["name"] == "" and key["expiration"] is None
    assert busy.json("preauthkeys", "create", "--tags", "tag:x")["user"]["createdAt"] == "0001-01-01T00:00:00Z"


def test_what_only_succeeds_says_so_in_these_words(busy):
    for words, said in (("preauthkeys expire -i 1", {}), ("preauthkeys delete -i 1", {}), ("apikeys expire -i 1", {}),
                        ("apikeys delete -i 1", {}), ("nodes delete -i 1 --force", {"Result": "Node deleted"}),
                        ("users destroy -i 1 --force", {})):
        assert busy.json(*words.split()) == said, words
    busy.run("users", "create", "anna")
    p = busy.run("users", "destroy", "-n", "anna", "-o", "yaml", stdin="n\n")
    assert p.stdout == "Result: User not destroyed\n" and p.stderr.endswith("[y/n] ")


def test_yaml_has_times_as_timestamps_and_ids_as_texts(busy):
    text = busy.run("nodes", "list", "-o", "yaml").stdout
    assert re.search(rf"^  createdat: {TIME}$", text, re.M) and re.search('^  id: "1"$', text, re.M)
    assert "name: Anna's box" in text and re.search(r"^    acltags: \[\]$", text, re.M)


def test_an_error_is_one_object_and_nothing_else(busy):
    for words in ("nodes delete", "nodes delete -i x", "nodes list --nothing", "users destroy -i 99 --force", "nothing"):
        p = busy.run(*words.split(), "-o", "json", check=False)
        assert p.returncode == 1 and p.stdout == "" and set(json.loads(p.stderr)) == {"error"}, words
    p = busy.run("debug", "create-node", check=False)
    assert p.stderr == 'Error: required flag(s) "key", "name", "user" not set\n'


def test_an_id_and_a_name_must_mean_the_same_user(busy):
    busy.run("users", "create", "berta")
    p = busy.run("users", "destroy", "-i", "1", "-n", "berta", "--force", check=False)
    assert p.returncode == 1 and 'user 1 is "anna", not "berta"' in p.stderr
    assert [u["name"] for u in busy.json("users", "list")] == ["anna", "berta"]


def test_a_waiting_login_made_by_hand_is_admitted_like_any(server):
    server.run("users", "create", "anna")
    create = ["debug", "create-node", "--name", "box", "-u", "anna", "-r", "10.0.0.0/24,10.1.0.0/24"]
    assert server.run(*create, "-k", AUTH + "1").stdout == "Node created\n"
    shown = server.json(*create, "-k", AUTH + "2")
    fits(shown, NODE)
    assert shown["id"] == "0" and shown["availableRoutes"] == ["10.0.0.0/24", "10.1.0.0/24"]
    assert shown["registerMethod"] == "REGISTER_METHOD_UNSPECIFIED" and shown["user"]["name"] == "anna"
    for key, says in (("nonsense", "invalid prefix"), (AUTH, "invalid length"), (AUTH + "1", "waits already"), (AUTH + "g", "characters")):
        p = server.run(*create, "-k", key, check=False)
        assert p.returncode == 1 and says in p.stderr, key
    assert server.json("nodes", "list") == []
    # By the older command, with the bare id.
    assert server.run("nodes", "register", "-u", "anna", "-k", AUTH[-23:] + "1").stdout == "Node box registered\n"
    assert server.run("auth", "register", "-u", "anna", "--auth-id", AUTH + "2").stdout == "Node box-1 registered\n"
    assert [n["availableRoutes"] for n in server.json("nodes", "list")] == [["10.0.0.0/24", "10.1.0.0/24"]] * 2


# (command, exit status, part of what it says): in this order, on the server of `busy`. The Go server ends each with the same status.
IN_TURN = [
    ("users create", 1, "missing parameters"), ("users create anna", 1, "user already exists"),
    ("users create berta -d Berta -e b@x.test -p https://x.test/b.png", 0, "User created"),
    ("users c carla", 0, "User created"), ("users list -i 2", 0, "berta"), ("users ls -n berta", 0, "b@x.test"),
    ("users show -e b@x.test", 0, "Berta"), ("users list -i x", 1, "invalid argument"),
    ("users rename", 1, 'required flag(s) "new-name" not set'), ("users rename -r x", 1, "--name or --identifier flag is required"),
    ("users rename -i 3 -r clara", 0, "User renamed"), ("users mv -i 3 -r berta", 1, "already exists"), ("users rename -i 99 -r dora", 1, ""),
    ("users destroy", 1, "--name or --identifier flag is required"), ("users destroy -i 99 --force", 1, ""),
    ("users destroy -i 1 --force", 1, "user not empty"), ("users destroy -n clara --force", 0, "User destroyed"),
    ("preauthkeys create", 1, "auth-key must be either tagged or owned by user"), ("preauthkeys create -u 99", 1, "user not found"),
    ("preauthkeys create -u anna", 1, "invalid argument"), ("preauthkeys create --tags web", 1, "tag must start with the string 'tag:'"),
    ("preauthkeys create --tags tag:Web", 1, "tag should be lowercase"), ("preauthkeys create -u 1 -e x", 1, "not a valid duration string"),
    ("preauthkeys create -u 1 -e 1d12h", 0, "hskey-auth-"), ("pre c -u 1 --reusable --ephemeral", 0, "hskey-auth-"),
    ("authkey new --tags tag:a,tag:b", 0, "hskey-auth-"), ("preauthkeys list", 0, "tag:b"), ("preauthkeys list -u 1", 1, "unknown shorthand flag"),
    ("preauthkeys expire", 1, "missing --id parameter"), ("preauthkeys expire -i 99", 1, "auth-key not found"),
    ("preauthkeys revoke -i 2", 0, "Key expired"), ("preauthkeys delete", 1, "missing --id parameter"),
    ("preauthkeys rm -i 2", 0, "Key deleted"), ("preauthkeys d -i 2", 1, "auth-key not found"),
    ("apikeys create -e x", 1, "not a valid duration string"), ("api new -e 30m", 0, "hskey-api-"),
    ("apikeys expire", 1, "either --id or --prefix must be provided"), ("apikeys expire -i 1 -p x", 1, "only one of --id or --prefix can be provided"),
    ("apikeys expire -i 99", 1, "not found"), ("apikeys exp -i 1", 0, "Key expired"), ("apikeys expire -p 000000000000", 1, "not found"),
    ("apikeys delete", 1, "either --id or --prefix must be provided"), ("apikeys remove -i 1", 0, "Key deleted"), ("apikeys del -i 1", 1, "not found"),
    ("auth register -u anna", 1, '"auth-id" not set'), ("auth register -u anna --auth-id x", 1, "invalid prefix"),
    ("auth register -u nobody --auth-id " + AUTH + "2", 1, "user not found"), ("auth register -u anna --auth-id " + AUTH + "2", 1, ""),
    ("auth approve --auth-id x", 1, "invalid prefix"), ("auth approve --auth-id " + AUTH + "2", 1, "no pending auth session"),
    ("auth reject --auth-id " + AUTH, 1, "invalid length"), ("auth reject --auth-id " + AUTH + "2", 1, "no pending auth session"),
    ("nodes list -u anna", 0, "anna"), ("nodes list -u nobody", 1, "user not found"), ("nodes lsr -i 1", 0, "10.0.0.0/24"),
    ("nodes approve-routes", 1, '"identifier" not set'), ("nodes approve-routes -i 1 -r x", 1, "parsing route"),
    ("nodes approve-routes -i 99 -r 10.0.0.0/24", 1, ""), ("nodes approve-routes -i 1 -r 10.0.0.0/24", 0, "Node updated"),
    ("nodes routes", 0, "10.0.0.0/24"), ("nodes approve-routes -i 1", 0, "Node updated"),
    ("nodes rename -i 1", 1, ""), ("nodes rename -i 1 desk", 0, "Node renamed"), ("nodes rename -i 99 desk", 1, ""),
    ("nodes rename -i 1 " + "a" * 64, 1, "renaming node"), ("nodes rename -i 1 a_b", 1, "renaming node"),
    ("nodes expire", 1, '"identifier" not set'), ("nodes expire -i 99", 1, ""), ("nodes expire -i 1 -e x", 1, "parsing expiry time"),
    ("nodes expire -i 1 -e 2099-01-01T00:00:00Z", 0, "Node expiration updated"), ("nodes e -i 1 -e 2001-01-01T00:00:00Z", 0, "Node expired"),
    ("nodes logout -i 1", 0, "Node expired"), ("nodes expire -i 1 -d", 0, "Node expiry disabled"),
    ("nodes tag -i 1", 1, "cannot remove all tags"), ("nodes tag -i 1 -t web", 1, "tag must start with the string 'tag:'"),
    ("nodes tag -i 99 -t tag:web", 1, "node not found"), ("nodes backfillips --force", 0, "Node IPs backfilled successfully"),
    ("policy get", 1, "acl policy not found"), ("policy set", 1, '"file" not set'), ("policy set -f /nowhere", 1, "reading policy file"),
    ("nodes delete -i 99 --force", 1, "node not found"), ("nodes del -i 1 --force", 0, "Node deleted"), ("nodes delete -i 1 --force", 1, "node not found"),
    ("health", 0, "\n"), ("nothing", 1, 'unknown command "nothing" for "headscale"'), ("nodes list --nothing", 1, "unknown flag: --nothing"),
]


def test_each_command_ends_as_the_go_servers_does(busy):
    for words, status, says in IN_TURN:
        p = busy.run(*words.split(), check=False)
        assert p.returncode == status and says in (p.stderr if status else p.stdout), (words, p)

"""Fixtures of the scenarios: a lab per test, its logs kept when the test fails."""
import os
import re
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
import lab as labs  # noqa: E402

KEEP = os.path.join(labs.ROOT, "build-test", "scenario")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    setattr(item, "result_" + outcome.get_result().when, outcome.get_result())


def pytest_configure(config):
    config.addinivalue_line("markers", "long: waits for a minute or more; starts first, so that the others run beside it")


def pytest_sessionstart(session):
    labs.sweep()


def pytest_collection_modifyitems(items):
    items.sort(key=lambda i: i.get_closest_marker("long") is None)


@pytest.fixture
def make_lab(request):
    """Make labs: make_lab(config=..., relay=...). They end with the test."""
    made = []

    def make(**kw):
        made.append(labs.Lab(**kw))
        return made[-1]

    yield make
    failed = getattr(request.node, "result_call", None) is None or request.node.result_call.failed
    try:
        if failed:
            for i, l in enumerate(made):
                name = re.sub(r"[^A-Za-z0-9_.-]+", "_", request.node.name) + (f".{i}" if i else "")
                l.keep(os.path.join(KEEP, name))
                print(f"logs kept in {os.path.join(KEEP, name)}")
    finally:
        problems = []
        for l in made:
            try:
                l.close()
            except labs.Failed as e:
                problems.append(str(e))
    assert not problems, "\n".join(problems)


@pytest.fixture
def lab(make_lab):
    """A lab with the server running and its own relay."""
    return make_lab()

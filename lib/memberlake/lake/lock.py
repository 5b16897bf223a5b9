"""One writer a lake: a lock of the operating system, which ends with the processes that hold it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from io import FileIO

from pyspark.sql import functions as F

from memberlake.conf import LakeConf, local_path
from memberlake.errors import UserError, cause
from memberlake.lake import session
from memberlake.lake.store import Lake
from memberlake.tables.ops import RUNS

log = logging.getLogger(__name__)

# Bytes of the lock file. A writer needs both. Python keeps the first and leaves the second to Spark's JVM, which may
# go on writing for a moment when Python alone was killed.
_PYTHON, _JAVA = 0, 1
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


@contextlib.contextmanager
def only_writer(conf: LakeConf, command: str) -> Iterator[Lake]:
    """The lake for a command that writes to it; no other command does within the block.

    Guards a lake in a folder. Object stores and catalogs have no such lock: see docs/decisions/011-one-writer.md.

    Raises:
        UserError: another command is writing, and did not end within lake.lock_wait_seconds; says which.
    """
    root = local_path(conf.root)
    if root is None:
        yield Lake(session.start(), conf)
        return
    file = root / "_lock"  # stays: removing it would let two others lock two files of this name
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = FileIO(os.open(file, os.O_RDWR | os.O_CREAT, 0o666), "r+")
    except OSError as error:
        raise UserError(f"cannot write to the lake: {file}: {error.strerror}") from None
    with lock:
        if not _taken(lock, conf):
            yield Lake(session.start(), conf)
            return
        who = {
            "command": command,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "since": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC",
        }
        _record(lock, who)
        spark = session.start()
        fcntl.lockf(lock, fcntl.LOCK_UN, 1, _JAVA)
        with session.locking(spark, file, _JAVA) as java:
            _record(lock, {**who, "java": java})
            lake = Lake(spark, conf)
            _end_killed_runs(lake)
            yield lake


def _end_killed_runs(lake: Lake) -> None:
    """No one else is writing, so a run that the records show as running was killed."""
    failed = {"state": F.lit("failed"), "error": F.lit("killed: it ended without a word; run it again")}
    try:
        left = lake.read(RUNS).where(F.col("state") == F.lit("running"))
        if not left.isEmpty():
            lake.put(RUNS, left.withColumns(failed))
    except Exception as error:  # only the record; what is wrong with the lake, the command will tell by itself
        log.warning("killed runs could not be marked as failed: %s", cause(error))


def _taken(lock: FileIO, conf: LakeConf) -> bool:
    """Takes the lock, or waits for it. False: the file system has no locks."""
    deadline = time.monotonic() + conf.lock_wait_seconds
    is_logged = False
    while True:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 2, _PYTHON)
            return True
        except OSError as error:
            if error.errno in _NO_LOCKS:
                log.warning("%s: its file system has no locks; see to it that one command writes at a time", conf.root)
                return False
            if error.errno not in {errno.EACCES, errno.EAGAIN}:
                raise
        holder = f"the lake {conf.root} is being written to by {_holder(lock)}"
        if time.monotonic() >= deadline:
            raise UserError(
                f"{holder}. Run this again when that has ended, or let it wait: --set lake.lock_wait_seconds=3600"
            )
        if not is_logged:
            log.info("waiting: %s", holder)
            is_logged = True
        time.sleep(0.5)


def _holder(lock: FileIO) -> str:
    try:
        who = json.loads(os.pread(lock.fileno(), 4096, 0))
        java = f", its Java {who['java']}" if who.get("java") else ""
        return f"{who['command']} (process {who['process']}{java}, on {who['host']}, since {who['since']})"
    except (ValueError, KeyError, TypeError):  # it has the lock, and has not yet written who it is
        return "another command"


def _record(lock: FileIO, who: dict[str, object]) -> None:
    with contextlib.suppress(OSError):  # a full disk: what counts is the lock
        os.ftruncate(lock.fileno(), 0)
        os.pwrite(lock.fileno(), json.dumps(who).encode(), 0)

"""The errors that are the user's to mend, and why Spark failed in one line."""

import re


class UserError(Exception):
    """A bad command, file or setting: one sentence that says what, where and what to do. Exit code 2."""


class NotYet(UserError):
    """Something is missing that time will bring. A run of only what is needed (nightly) logs it and goes on."""


def cause(error: Exception) -> str:
    """Why Spark failed, in one line of at most 300 characters: of an error from Java, whose first lines are about py4j
    and the task, the last cause (its name where it says nothing); of a stream, what ended it."""
    causes = re.findall(
        r"^(?:Caused by)?: (?:[\w$]+\.)*([\w$]+)(?:: (.*))?$|terminated with exception: (.+)$", str(error), re.MULTILINE
    )
    name, message, ended = causes[-1] if causes else (type(error).__name__, str(error).strip().partition("\n")[0], "")
    return re.sub(r" SQLSTATE: \w+", "", ended or message or name)[:300]

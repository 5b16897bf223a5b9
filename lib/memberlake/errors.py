"""The one error that is the user's to mend."""


class UserError(Exception):
    """A bad command, file or setting: one sentence that says what, where and what to do. Exit code 2."""


class NotYet(UserError):
    """Something is missing that time will bring. A run of only what is needed (nightly) logs it and goes on."""

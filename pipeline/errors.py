"""One error for what the user can mend: it says what was found, what was expected and what to do."""


class UserError(Exception):
    """A request that cannot be carried out as given. Jobs print it alone, without a traceback, and exit with 2."""

"""One error for what the user can mend: it says what was found, what was expected and what to do."""


class UserError(Exception):
    """A request that cannot be carried out as given. Jobs print it alone, without a traceback, and exit with 2.

    What it says to change stands in backticks, by its name in schemas.run or jobs.where: a job names it as its option.
    """

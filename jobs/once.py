"""A command line on which nothing is given twice."""

from typing import Any

from typer.core import TyperCommand


class Once(TyperCommand):
    """A command that refuses an option that is given twice, of which one would be ignored."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        twice = [each for each in order if order.count(each) > 1 and not each.multiple and each.nargs == 1]
        if twice:
            ctx.fail(f"{twice[0].opts[0]} is given twice: give it once.")
        return super().parse_args(ctx, args)

"""The network as a function of h: what comes before a capture point is computed in the first pass, and then known."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from pipeline.hspace.capture import changed


@contextmanager
def computed_once(network: nn.Module, single: str) -> Iterator[None]:
    """Inside the block what comes before a point computes in the first pass, and answers with the same from then on.

    What is done before h is there cannot depend on it: modules that have run, once, when the point is passed. What they are given
    later is not looked at. Their hooks run in every pass.
    """
    first = _FirstPass(network)
    with changed(network, single, first.at_point), ExitStack() as patches:
        for module in network.modules():
            patches.callback(_forward_restored, module, module.__dict__.get("forward"))
            module.forward = first.answering(module, module.forward)
        yield


class _FirstPass:
    """The first pass of a network: what its modules gave before h was there, if they ran once."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.passed = self.over = False  # the point; the pass
        self.answers: dict[nn.Module, Any] = {}
        self.called: set[nn.Module] = set()

    def at_point(self, h: Tensor) -> Tensor:
        self.passed = True
        return h

    def answering(self, module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        """A module's forward that answers, after the first pass, with what it gave there."""

        def answer(*args: Any, **kwargs: Any) -> Any:
            if self.over:
                return self.answers[module] if module in self.answers else forward(*args, **kwargs)
            again = module in self.called
            self.called.add(module)
            output = forward(*args, **kwargs)
            if again or not self.passed:
                for inner in module.modules():  # those inside it will not be asked
                    self.answers.pop(inner, None)
            if not (again or self.passed):
                self.answers[module] = output
            self.over = module is self.network
            return output

        return answer


def _forward_restored(module: nn.Module, own: Any) -> None:
    """The class's forward again, or the one that the module had of its own."""
    del module.forward
    if own is not None:
        module.forward = own

"""Neural architectures as declarative graph specs, compiled to torch.fx.

    import archspec

    spec = archspec.load("iresnet404")        # a name of the zoo, or a .yaml file
    archspec.summarize(spec).params           # 124524328, before a single weight exists
    model = archspec.build(spec)              # a torch.fx.GraphModule

Importing archspec, checking and summarising do not import torch.
"""

from typing import TYPE_CHECKING, Any

from archspec.syntax.display import Displayed
from archspec.version import __version__

if TYPE_CHECKING:
    from archspec.api import (
        analyze,
        build,
        check,
        compile,
        diff,
        emit,
        expand,
        load,
        loads,
        optimize,
        probe,
        render,
        signature,
        summarize,
        table,
    )  # fmt: skip
    from archspec.compiler.analysis.analyze import Analysis
    from archspec.compiler.analysis.architecture import Architectures
    from archspec.compiler.analysis.claims import Report
    from archspec.compiler.analysis.difference import Difference
    from archspec.compiler.analysis.summary import Summary
    from archspec.compiler.decompile import fold
    from archspec.compiler.figures import EngineError, Figure, FigureError
    from archspec.compiler.lower import Network
    from archspec.compiler.trace import TraceError, trace
    from archspec.deployment.exported import Exported, ExportError
    from archspec.exchange import export, features, load_weights
    from archspec.execution.compiled import CompileError
    from archspec.execution.probe import Probe
    from archspec.graph import Feature, Graph, Node
    from archspec.language.define import define, op
    from archspec.language.spec import Spec
    from archspec.syntax.errors import Problem, Span, SpecError
    from archspec.training.step import TrainingStep
    from archspec.weights.problem import WeightsError
    from archspec.weights.transfer import Transfer

__all__ = [
    "Analysis", "Architectures", "CompileError", "Difference", "EngineError", "ExportError", "Exported", "Feature",
    "Figure", "FigureError", "Graph", "Network", "Node", "Probe", "Problem", "Report", "Span", "Spec", "SpecError",
    "Summary", "TraceError", "TrainingStep", "Transfer", "WeightsError", "__version__", "analyze", "build", "check",
    "compile", "define", "diff", "emit", "expand", "export", "features", "fold", "load", "load_weights", "loads", "op",
    "optimize", "probe", "render", "signature", "summarize", "table", "trace",
]  # fmt: skip

_HOMES = {
    "archspec.api": (
        "analyze", "build", "check", "compile", "diff", "emit", "expand", "load", "loads", "optimize", "probe",
        "render", "signature", "summarize", "table",
    ),
    "archspec.exchange": ("export", "features", "load_weights"),
    "archspec.compiler.analysis.analyze": ("Analysis",),
    "archspec.compiler.analysis.architecture": ("Architectures",),
    "archspec.compiler.analysis.claims": ("Report",),
    "archspec.compiler.analysis.difference": ("Difference",),
    "archspec.compiler.analysis.summary": ("Summary",),
    "archspec.compiler.decompile": ("fold",),
    "archspec.compiler.figures": ("EngineError", "Figure", "FigureError"),
    "archspec.compiler.lower": ("Network",),
    "archspec.compiler.trace": ("TraceError", "trace"),
    "archspec.execution.compiled": ("CompileError",),
    "archspec.execution.probe": ("Probe",),
    "archspec.training.step": ("TrainingStep",),
    "archspec.weights.problem": ("WeightsError",),
    "archspec.weights.transfer": ("Transfer",),
    "archspec.graph": ("Feature", "Graph", "Node"),
    "archspec.deployment.exported": ("ExportError", "Exported"),
    "archspec.language.define": ("define", "op"),
    "archspec.language.spec": ("Spec",),
    "archspec.syntax.errors": ("Problem", "Span", "SpecError"),
}  # fmt: skip
"""Where the names are: each is loaded when it is first asked for, so that a command starts at once."""
_ROOMS = "api compiler deployment execution graph language ops report syntax topologies training weights".split()
_LATER = {name: home for home, names in _HOMES.items() for name in names}


def _drawing(value: Any) -> dict[str, str]:
    from archspec.compiler.figures.notebook import mimebundle

    return mimebundle(value)


Displayed.drawing = staticmethod(_drawing)

if not TYPE_CHECKING:  # type checkers are to know which names there are

    def __getattr__(name: str) -> Any:
        from importlib import import_module

        if name in _LATER:
            value = globals()[name] = getattr(import_module(_LATER[name]), name)
            return value
        if name in _ROOMS:
            return import_module(f"archspec.{name}")
        raise AttributeError(f"module 'archspec' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})

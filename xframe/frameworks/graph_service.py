"""The onnx worker's commands for graphs. A graph is named by its file; sessions are kept until it is forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xframe import exchange

Named = list[tuple[str, exchange.Message]]


class GraphCommands:
    """What a service answers about ONNX graphs; only the onnx worker can."""

    _name: str
    _folder: Path

    def __init__(self) -> None:
        super().__init__()
        self._sessions: dict[tuple[str, int, bool], Any] = {}

    def check_graph(self, path: str) -> str:
        """What the checker and strict shape inference say against it; "" for nothing."""
        from xframe.frameworks.onnx import graphs  # noqa: PLC0415 - other workers need not have onnx

        return graphs.check(Path(path))

    def describe_graph(self, path: str) -> dict[str, Any]:
        """Opset, producer, operators, inputs and outputs."""
        from xframe.frameworks.onnx import graphs  # noqa: PLC0415

        return graphs.describe(Path(path))

    def finish_graph(self, path: str, *, external: bool) -> None:
        """Give inputs and outputs plain names; with ``external`` put the tensors into a file beside the graph."""
        from xframe.frameworks.onnx import graphs  # noqa: PLC0415

        graphs.rename(Path(path))
        if external:
            graphs.move_weights_out(Path(path))

    def run_graph(self, path: str, inputs: list[exchange.Message], *, optimised: bool) -> Named:
        """Outputs by onnxruntime in the graph's own dtypes, with every optimisation or with none."""
        from xframe.frameworks.onnx import sessions  # noqa: PLC0415

        key = path, Path(path).stat().st_mtime_ns, optimised  # a file may be written again
        if key not in self._sessions:
            self._sessions[key] = sessions.session(path, optimised=optimised)
        outputs = sessions.run(self._sessions[key], [*map(exchange.get, inputs)])
        return exchange.put(self._folder, self._name, (("", part, part.dtype.name) for part in outputs))

    def compute_graph(self, path: str, inputs: list[exchange.Message], instead: Named) -> Named:
        """Outputs in float64 by the reference evaluator; ``instead`` are values for initialisers."""
        graph = self._exact(path, instead)
        values: dict[str, Any] = {}
        for step in graph.steps(self._given(graph, inputs)):
            made = zip(step.node.output, step.gave, strict=False)
            values |= {name: value for name, value in made if name in graph.outputs}
        outputs = (values[name] for name in graph.outputs)
        return exchange.put(self._folder, self._name, (("", part, part.dtype.name) for part in outputs))

    def graph_values(self, path: str, inputs: list[exchange.Message]) -> Named:
        """Every floating-point value of the graph in float64, by the name of its node and output, as they come."""
        graph = self._exact(path, [])
        with exchange.Stream(self._folder, self._name) as stream:
            for step in graph.steps(self._given(graph, inputs)):
                for name, value in zip(step.node.output, step.gave, strict=False):
                    if getattr(value, "dtype", None) == "float64":
                        stream.add(f"{step.node.op_type} {name}", value, "float64")
            return stream.placed

    def follow_graph(
        self,
        path: str,
        inputs: list[exchange.Message],
        instead: Named,
        *,
        calls: Named,
        attributes: dict[str, dict[str, Any]],
        tensors: Named,
    ) -> dict[str, Any] | None:
        """Where the graph leaves the model whose layers gave ``calls``, with what was found there."""
        from xframe.frameworks.onnx.following import follow  # noqa: PLC0415

        graph = self._exact(path, instead)
        natives = [(name, exchange.get(message)) for name, message in calls]
        should = {name: exchange.get(message) for name, message in tensors}
        left = follow(graph, self._given(graph, inputs), natives, attributes, should)
        if left is None:
            return None
        found = None if left.found is None else (left.found.cause, left.found.detail, left.found.layer)
        return {**{key: getattr(left, key) for key in ("operator", "name", "layer", "behind")}, "found": found}

    def forget_graph(self, path: str) -> None:
        """Give back what onnxruntime holds of a graph."""
        for key in [key for key in self._sessions if key[0] == path]:
            del self._sessions[key]

    def _exact(self, path: str, instead: Named) -> Any:
        import onnx  # noqa: PLC0415

        from xframe.frameworks.onnx.exact import Exact  # noqa: PLC0415

        return Exact(onnx.load(path), {name: exchange.get(message) for name, message in instead})

    @staticmethod
    def _given(graph: Any, inputs: list[exchange.Message]) -> dict[str, Any]:
        asked = [name for name in graph.inputs if name not in graph.initialisers]
        if len(asked) != len(inputs):
            raise ValueError(f"the graph reads {len(asked)} inputs ({', '.join(asked)}), not {len(inputs)}")
        arrays = [*map(exchange.get, inputs)]
        return {
            name: array.astype("float64") if array.dtype.kind == "f" else array
            for name, array in zip(asked, arrays, strict=True)
        }

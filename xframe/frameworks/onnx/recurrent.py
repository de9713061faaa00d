"""LSTM, GRU and RNN for onnx's reference evaluator, both directions and every output: its own know one, and fewer.

Gates and equations as https://onnx.ai/onnx/operators/ has them. Peepholes, sequence lengths, clipping and activations
other than the defaults are not computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun

from xframe.tensors import Array

State = tuple[Array, ...]  # hidden, and for an LSTM cell: batch × hidden
Step = Callable[[Array, State, Array, Array], State]  # x W and its bias, state, R, bias of R


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^−x), without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


class _Recurrent(OpRun):
    """Runs over time, in one direction or both. ``gates`` are how many blocks of hidden size a matrix has."""

    gates = 1

    def run_over(
        self,
        x: Array,
        w: Array,
        r: Array,
        b: Array | None,
        initial: Sequence[Array | None],
        *,
        direction: str | None,
        step: Step,
    ) -> tuple[Array, ...]:
        """Y, and the last state of each direction. x: time × batch × in; w, r: directions × gates·hidden × …"""
        hidden, ways = r.shape[-1], len(w)
        bias = np.zeros((ways, 2 * self.gates * hidden)) if b is None else b
        outputs, lasts = [], []
        for way in range(ways):
            back = direction == "reverse" or way == 1
            of_x, of_r = np.split(bias[way], 2)
            read = x[::-1] if back else x
            state: State = tuple(np.zeros((x.shape[1], hidden)) if given is None else given[way] for given in initial)
            given = []
            for inputs in read @ w[way].T + of_x:
                state = step(inputs, state, r[way], of_r)
                given.append(state[0])
            outputs.append(np.stack(given[::-1] if back else given))
            lasts.append(state)
        return (np.stack(outputs, axis=1), *(np.stack(parts) for parts in zip(*lasts, strict=True)))

    def refuse(self, **settings: Any) -> None:
        """Raises NotImplementedError for what is not computed."""
        said = [name for name, value in settings.items() if value is not None and np.size(value) and np.any(value)]
        if said:
            raise NotImplementedError(f"{type(self).__name__} with {', '.join(said)} is not computed in float64")


class LSTM(_Recurrent):
    """c = f ∘ c + i ∘ tanh(…), h = o ∘ tanh(c); the gates in the order i, o, f, c."""

    gates = 4

    def _run(
        self,
        x: Array,
        w: Array,
        r: Array,
        b: Array | None = None,
        lengths: Array | None = None,
        initial_h: Array | None = None,
        initial_c: Array | None = None,
        peepholes: Array | None = None,
        activation_alpha: Any = None,
        activation_beta: Any = None,
        activations: Sequence[str] | None = None,
        clip: float | None = None,
        direction: str | None = None,
        hidden_size: int | None = None,  # noqa: ARG002 - the matrices have it
        input_forget: int | None = None,
        layout: int | None = None,
    ) -> tuple[Array, ...]:
        plain = ["Sigmoid", "Tanh", "Tanh"] * len(w)
        self.refuse(
            sequence_lens=None if lengths is None else lengths != len(x), peepholes=peepholes, clip=clip,
            input_forget=input_forget, layout=layout, alphas=activation_alpha, betas=activation_beta,
            activations=None if not activations or list(activations) == plain else activations,
        )  # fmt: skip

        def step(inputs: Array, state: State, matrix: Array, bias: Array) -> State:
            i, o, f, c = np.split(inputs + state[0] @ matrix.T + bias, 4, axis=-1)
            cell = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(c)
            return sigmoid(o) * np.tanh(cell), cell

        return self.run_over(x, w, r, b, (initial_h, initial_c), direction=direction, step=step)


class GRU(_Recurrent):
    """h = (1 − z) ∘ n + z ∘ h; the gates in the order z, r, n, the reset gate before the matrix or behind it."""

    gates = 3

    def _run(
        self,
        x: Array,
        w: Array,
        r: Array,
        b: Array | None = None,
        lengths: Array | None = None,
        initial_h: Array | None = None,
        activation_alpha: Any = None,
        activation_beta: Any = None,
        activations: Sequence[str] | None = None,
        clip: float | None = None,
        direction: str | None = None,
        hidden_size: int | None = None,  # noqa: ARG002 - the matrices have it
        layout: int | None = None,
        linear_before_reset: int | None = None,
    ) -> tuple[Array, ...]:
        plain = ["Sigmoid", "Tanh"] * len(w)
        self.refuse(
            sequence_lens=None if lengths is None else lengths != len(x), clip=clip, layout=layout,
            alphas=activation_alpha, betas=activation_beta,
            activations=None if not activations or list(activations) == plain else activations,
        )  # fmt: skip

        def step(inputs: Array, state: State, matrix: Array, bias: Array) -> State:
            (hidden,) = state
            of_x, of_h, of_b = (np.split(part, 3, axis=axis) for part, axis in ((inputs, -1), (matrix, 0), (bias, 0)))
            update = sigmoid(of_x[0] + hidden @ of_h[0].T + of_b[0])
            reset = sigmoid(of_x[1] + hidden @ of_h[1].T + of_b[1])
            if linear_before_reset:
                behind = reset * (hidden @ of_h[2].T + of_b[2])
            else:
                behind = (reset * hidden) @ of_h[2].T + of_b[2]
            return ((1.0 - update) * np.tanh(of_x[2] + behind) + update * hidden,)

        return self.run_over(x, w, r, b, (initial_h,), direction=direction, step=step)


class RNN(_Recurrent):
    """h = tanh(W x + U h + b)."""

    def _run(
        self,
        x: Array,
        w: Array,
        r: Array,
        b: Array | None = None,
        lengths: Array | None = None,
        initial_h: Array | None = None,
        activation_alpha: Any = None,
        activation_beta: Any = None,
        activations: Sequence[str] | None = None,
        clip: float | None = None,
        direction: str | None = None,
        hidden_size: int | None = None,  # noqa: ARG002 - the matrices have it
        layout: int | None = None,
    ) -> tuple[Array, ...]:
        self.refuse(
            sequence_lens=None if lengths is None else lengths != len(x), clip=clip, layout=layout,
            alphas=activation_alpha, betas=activation_beta,
            activations=None if not activations or set(activations) == {"Tanh"} else activations,
        )  # fmt: skip

        def step(inputs: Array, state: State, matrix: Array, bias: Array) -> State:
            return (np.tanh(inputs + state[0] @ matrix.T + bias),)

        return self.run_over(x, w, r, b, (initial_h,), direction=direction, step=step)


RECURRENT = (LSTM, GRU, RNN)

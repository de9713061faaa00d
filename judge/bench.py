"""The judge's bench: a right port of one place, and the mutants of it that are drawn, carried out and judged."""

from __future__ import annotations

import json
import time
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from judge import weights
from judge.mutant import CAUSES, WEIGHTS, Judged, Mutant, Place
from judge.trial import Trial, load_once
from xframe.builds import Build
from xframe.digests import digest
from xframe.errors import ModelError
from xframe.exchange import get
from xframe.mapping import Option, load_table
from xframe.proving.diff_result import DiffResult
from xframe.proving.layer_diff import tapped
from xframe.proving.probe import random_input
from xframe.proving.sides import Side
from xframe.tensors import FLOATS
from xframe.workers import Pool
from xframe.workflows.diff import DTYPE, DiffOptions
from xframe.workflows.port import PortOptions, port

MORE_SEEDS = (1, 2, 3)  # besides the probe's 0: on all of them an equivalent mutant gives the same bits
Bits = dict[tuple[str, int], str]  # by the target's layer and call, a digest; the outputs under ""


class Stillborn(RuntimeError):
    """A mutant that its framework cannot run, such as maps of other sizes that are to be concatenated."""


class Bench:
    """A place, its right weights on both sides, and both sides built. Release it at the end.

    Raises RuntimeError where the unspoilt port is not equivalent: then nothing could be learned from a mutant.
    """

    def __init__(self, pool: Pool, place: Place, options: Mapping[str, Option], folder: Path, seed: int) -> None:
        self.pool, self.place, self.folder = pool, place, folder
        self.table = load_table(place.model, options)
        ends = self.table.implementation(place.source), self.table.implementation(place.target)
        self._weights = self._ported(place.source, None, "source.npz"), folder / "right.npz"
        self.unproven = self._ported_right()
        self.source, self.target = (
            Side(pool, self.table, end, name, DTYPE) for end, name in zip(ends, ("source", "target"), strict=True)
        )
        load_once(pool, self.source, self._weights[0])
        self._tensors = dict(np.load(self._weights[1]))
        there = place.target
        self._held = weights.Held(
            implementation=ends[1],
            tensors=self._tensors,
            entries=[e for e in self.table.entries if there in e.names and e.names[there].name in self._tensors
                     and self._tensors[e.names[there].name].dtype.name in FLOATS],
        )  # fmt: skip
        self._seeds = np.random.SeedSequence([seed, zlib.crc32(str(place).encode())])
        self._drawn = np.random.default_rng(self._seeds)
        self._turns: Counter[str] = Counter()
        self._known: set[str] = set()
        self.right = self._held_right()
        self.order = [(diff.source_name, diff.target_name, diff.turn) for diff in self.right.layers.calls]
        self._bits = {seed: self._computed(self.target, seed) for seed in (0, *MORE_SEEDS)}

    def release(self) -> None:
        """Let the workers forget both sides."""
        for side in (self.source, self.target):
            side.release()

    def _ported(self, target: str, given: Path | None, out: str) -> Path:
        options = PortOptions(weights=given, out=self.folder / out, verify=False, set=self.table.options)
        return port(str(self.table.file), self.place.source, target, options, pool=self.pool).out or self.folder / out

    def _ported_right(self) -> frozenset[str]:
        """The right port, written; the source's tensors that it calls unproven."""
        options = PortOptions(weights=self._weights[0], out=self._weights[1], set=self.table.options)
        result = port(str(self.table.file), self.place.source, self.place.target, options, pool=self.pool)
        if result.verdict != "equivalent" or result.proof is None:
            raise RuntimeError(f"{self.place}: the unspoilt port is {result.verdict}")
        return frozenset(result.proof.unproven or ())

    def _held_right(self) -> DiffResult:
        result = self._trial(self.target, self._weights[1])
        if not result or result.tensors:
            raise RuntimeError(f"{self.place}: the diff of the unspoilt port is {result.verdict}")
        return result

    def _trial(self, target: Side, there: Path | None) -> DiffResult:
        options = DiffOptions(source_weights=self._weights[0], target_weights=there, diagnosed=0)
        return Trial(self.pool, self.source, target, options).carried_out()

    def _computed(self, target: Side, seed: int) -> Bits:
        """Digests of what every mapped layer and the outputs of a target give for the probe of that seed."""
        with self.pool.scratch():
            ran = target.run(random_input(self.table, seed), DTYPE, tapped(target))()
            turns: Counter[str] = Counter()
            bits: Bits = {}
            for tap in ran.taps:
                bits[tap.layer, turns[tap.layer]] = digest(get(tap.gave[0]))
                turns[tap.layer] += 1
            bits.update({("", index): digest(array) for index, array in enumerate(ran.arrays)})
            return bits

    def judge(self, kind: str, number: int) -> Judged | None:
        """The next mutant of a kind, judged; None where this place has no other."""
        drawn = self._spoilt_weights(kind) if kind in WEIGHTS else self._spoilt_network(kind)
        if drawn is None:
            return None
        mutant, target, there = drawn
        try:
            return self._judged(replace(mutant, number=number), target, there)
        except Stillborn:
            return self.judge(kind, number)
        finally:
            if target is not self.target:
                target.release()

    def _spoilt_weights(self, kind: str) -> tuple[Mutant, Side, Path | None] | None:
        found = weights.spoilt(kind, self._held, self._drawn, self._known)
        if found is None:
            return None
        self._known.add(found.says)
        path = self.folder / "mutant.npz"
        np.savez(path, **{**self._tensors, **found.tensors})
        planted = tuple(entry.layer.layer_name(self.place.source) for entry in found.entries)
        mutant = Mutant(
            number=0, place=self.place, kind=kind, says=found.says, planted=planted, tensors=tuple(found.tensors)
        )
        return mutant, self.target, path

    def _spoilt_network(self, kind: str) -> tuple[Mutant, Side, Path | None] | None:
        """The target's factory replaced by one that spoils what it builds; it says what it did in a note."""
        note = self.folder / "note.json"
        note.unlink(missing_ok=True)
        own = self.target.implementation
        said = {"of": own.build.text, "kind": kind, "turn": self._turns[kind], "note": str(note)}
        said["seed"] = int(np.random.default_rng(self._seeds.generate_state(1)).integers(2**31))
        if own.framework.name == "paddle":
            said["shape"] = "x".join(map(str, self.table.input))
        build = Build.parse(f"judge.nets.in_{own.framework.name}:spoilt")
        spoilt = replace(own, build=build, fixed={**own.fixed, **said})
        self._turns[kind] += 1
        target = Side(self.pool, self.table, spoilt, "mutant", DTYPE)
        try:
            assert target.specs
        except ModelError:
            if not note.exists() or json.loads(note.read_text()):
                raise
            return None
        planted = json.loads(note.read_text())
        names = {there: here for here, there, _ in self.order}
        layers = (names[planted["layer"]],) if planted["layer"] in names else ()
        return Mutant(number=0, place=self.place, kind=kind, says=planted["says"], planted=layers), target, None

    def _judged(self, mutant: Mutant, target: Side, there: Path | None) -> Judged:
        began = time.perf_counter()
        try:
            result = self._trial(target, there)
        except Exception as error:  # a crash of the diff is a finding, not the end of the run
            if isinstance(error, ModelError) and target is not self.target:
                self._expect_alive(target)
            said = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            return Judged(mutant=mutant, verdict="crashed", expected="", crash=said)
        seconds = time.perf_counter() - began
        bits = self._computed(target, 0)
        first = result.first_divergence
        causes = () if first is None else first.causes
        judged = Judged(
            mutant=mutant,
            verdict=result.verdict,
            expected=self._expected(mutant, bits),
            found="" if first is None else first.source_name,
            outputs=result.outputs.max_rel,
            layers=max((diff.free.max_rel for diff in result.layers.calls), default=0.0),
            by_outputs=not result.outputs,
            by_layers=not all(result.layers.calls),
            files=bool(result.tensors),
            causes=tuple((cause.cause, cause.confirmed) for cause in causes),
            told="; ".join(map(str, causes)),
            unproven=self._is_unproven(mutant),
            seconds=seconds,
        )
        return judged if judged.computed else replace(judged, equivalent=self._equivalence(target, bits))

    def _expect_alive(self, target: Side) -> None:
        """Raises Stillborn for a network that does not even run by itself: its framework refuses it."""
        try:
            self._computed(target, 0)
        except ModelError as error:
            raise Stillborn(str(error)) from error

    def _expected(self, mutant: Mutant, bits: Bits) -> str:
        """Where the first divergence must be."""
        for here, there, turn in self.order:
            changed = bits.get((there, turn)) != self._bits[0].get((there, turn))
            if here in mutant.planted or (not mutant.planted and changed):
                return here
        return "output"

    def _is_unproven(self, mutant: Mutant) -> bool:
        """Whether the port calls every tensor that was spoilt unproven."""
        there, here = self.place.target, self.place.source
        sources = {
            e.names[there].name: e.names[here].name for e in self.table.entries if here in e.names and there in e.names
        }
        return bool(mutant.tensors) and all(sources.get(name) in self.unproven for name in mutant.tensors)

    def _equivalence(self, target: Side, bits: Bits) -> str:
        """How a mutant that nothing saw was shown to compute the same; "" where it does not."""
        others = {0: bits, **{seed: self._computed(target, seed) for seed in MORE_SEEDS}}
        for what, keys in (("every layer and every output", None), ("every output", [("", 0)])):
            if all(_same(found, self._bits[seed], keys) for seed, found in others.items()):
                return f"{what} identical to the bit on {len(others)} seeds"
        return ""


def _same(one: Bits, other: Bits, keys: list[tuple[str, int]] | None) -> bool:
    return one == other if keys is None else all(one.get(key) == other.get(key) for key in keys)


KINDS = tuple(CAUSES)

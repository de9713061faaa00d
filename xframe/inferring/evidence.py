"""What speaks for a pair after a search, and what against it."""

from __future__ import annotations

from xframe.inferring.parts import Part
from xframe.inferring.result import Finding
from xframe.inferring.search import Search


def finding_of(search: Search, part: Part) -> Finding:
    """Why a pair stands, or what is doubtful about it."""
    pairing = search.pairs[part.cell]
    calls = len(part.calls)
    often = "its call" if calls == 1 else f"all {calls} calls"
    if part.cell in search.twins:
        doubt = f"exchanged with {', '.join(search.twins[part.cell])} everything gives the same"
        return Finding(pairing=pairing, evidence="its outputs agree", doubt=doubt)
    if part.cell in search.settled:
        how = search.settled[part.cell]
        lone = f"only {next(iter(pairing.lone.values()))} has a {next(iter(pairing.lone))}" if pairing.lone else ""
        evidence, unlike = f"the outputs of {often} agree {how}".rstrip(), bool(pairing.view or how)
        return Finding(pairing=pairing, evidence=evidence, doubt=lone, unlike=unlike)
    if part.cell in search.apart:
        return Finding(
            pairing=pairing, evidence="kind and lengths fit",
            doubt="reading the same, the two do not give the same, nor does any other layer",
        )  # fmt: skip
    if search.reaches_the_outputs(part.cell):
        return Finding(pairing=pairing, evidence="with other values the model's outputs would not agree")
    doubt = "its kind and lengths fit, but nothing that runs depends on it"
    return Finding(pairing=pairing, evidence="kind and lengths fit", doubt=doubt)

"""Two sides that hold the same random weights, for tests that train them."""

from contextlib import contextmanager

from xframe.mapping import load_table
from xframe.proving.optimizers.spec import parse_optimizers
from xframe.proving.sides import Side
from xframe.proving.training.sides import draw_batches
from xframe.proving.training.start import start_both
from xframe.proving.training.train import train
from xframe.proving.weights import at_random


@contextmanager
def both(pool, table, source, target, **options):
    """(source, target, plan) with random weights drawn for the source."""
    loaded = load_table(str(table), options)
    ends = loaded.implementation(source), loaded.implementation(target)
    with pool.scratch():
        drawn = Side(pool, loaded, ends[0], "drawn", "float32")
        checkpoint = at_random(drawn, 0, pool)
        sides = start_both(pool, loaded, ends, checkpoint)
        yield sides
        for side in (drawn, *sides[:2]):
            side.release()


def trained(pool, table, source, target, optimizer, *, steps=3, seed=1, images=4, **options):
    """Training parity of two implementations."""
    with both(pool, table, source, target, **options) as (ours, theirs, plan):
        batches = draw_batches(ours, steps=steps, seed=seed, size=images)
        return train(ours, theirs, plan, batches, parse_optimizers(optimizer))

"""From two models that no table describes to the table that does: parts, readings, pairs, trials, rows."""

"""One bound on memory for everything that a file may make xframe unpack, asked before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass

from xframe.checkpoints.refusals import refusal

_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Budget:
    """At most ``limit`` bytes for any one thing that has to be unpacked. What can be mapped takes none of it."""

    limit: int = 4 * _GIB

    def check(self, place: object, nbytes: int) -> None:
        """Raises CheckpointError if ``nbytes`` are more than may be allocated at once."""
        if nbytes > self.limit:
            raise refusal(
                place,
                expected=f"at most {self.limit} bytes to unpack at once",
                found=f"{nbytes}",
                attempt=f"--max-memory {-(-nbytes // _GIB)}GB, if you trust the file",
            )


AMPLE = Budget()

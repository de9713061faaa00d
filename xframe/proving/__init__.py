"""The proof: two sides in their workers, fed alike, held against each other, and where they first part."""

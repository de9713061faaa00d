"""What xframe's claims of speed rest on: `python -m benchmarks` measures them side by side and prints ratios."""

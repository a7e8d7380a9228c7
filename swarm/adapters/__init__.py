"""One file or folder per outside system; vendor packages are imported nowhere else."""

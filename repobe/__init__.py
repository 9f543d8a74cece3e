"""RepObE (IJCAI 2025): a benchmark and reproduction suite for encrypted semantic communication of images."""

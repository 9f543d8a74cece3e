"""The paper's attack as it may also be read (D11, D37): each file is an attack that a config names by its path."""

"""The systems that the paper compares with: one method a file."""

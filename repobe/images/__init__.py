"""Images in [0, 1]: the datasets, resizing to S×S and back, and the metrics that compare two images.

Networks and channels do not live here. It may import `runs`.
"""

"""The air: channels, fading theory, modulation, channel codes, links, and the mapping of features to symbols.

Everything is complex baseband with unit power. Keys and networks do not live here. It may import `runs`.
"""

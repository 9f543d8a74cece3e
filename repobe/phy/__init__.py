"""The air: channels, modulation, channel codes, links, and the mapping of real features to complex symbols.

Everything is complex baseband of unit power. Keys and networks do not live here. It may import `runs`.
"""

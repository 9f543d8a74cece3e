"""What a run is and where its files lie: specs, the grid, named seeds, configs, whole files, progress, status.

Nothing here knows images, networks or tables. It may import no other room.
"""

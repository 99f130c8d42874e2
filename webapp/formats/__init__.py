"""How moments are written where Django writes them itself, in the admin above all: as on the pages of the site."""

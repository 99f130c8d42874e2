"""Who is pictured in a collection: read, computed, kept for a while, kept for good, and handed out as files."""

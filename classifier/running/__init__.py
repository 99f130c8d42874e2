"""The processes of a site and what passes between them: the supervisor, the broker of files, a worker's memory."""

"""People's words beside the model's: draws that count, passes of several reviewers, and what follows from them.

`codebooks` and `drawing` begin, enlarge and extend draws out of what `frames` finds; `serving` tells whom a reviewer
looks at next, `answering` keeps what was said, `photos` does both for draws of photos. `arrays` brings rows to numpy,
which only `drawing`, `progress` and `reading` import, when they are asked for something.
"""

"""What all pages of reports have in common: their style, their mark, and what a browser may do with them."""

from pathlib import Path

STYLE = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
# A browser that opens the file fetches nothing and runs nothing, whatever a file's name or a label says.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
MARK = (
    "M15.62 11.61L11.61 15.62L10.18 12.16L12.16 10.18zM10.84 15.95L5.16 15.95L6.60 12.49L9.40 12.49z"
    "M4.39 15.62L0.38 11.61L3.84 10.18L5.82 12.16zM0.05 10.84L0.05 5.16L3.51 6.60L3.51 9.40z"
    "M0.38 4.39L4.39 0.38L5.82 3.84L3.84 5.82zM5.16 0.05L10.84 0.05L9.40 3.51L6.60 3.51z"
    "M11.61 0.38L15.62 4.39L12.16 5.82L10.18 3.84zM15.95 5.16L15.95 10.84L12.49 9.40L12.49 6.60z"
    "M11.65 9.51L9.51 11.65L6.49 11.65L4.35 9.51L4.35 6.49L6.49 4.35L9.51 4.35L11.65 6.49z"
)

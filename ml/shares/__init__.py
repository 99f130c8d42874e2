"""Who is in a set of photos: shares of labels, and how sure they are. numpy only, pure functions, frozen dataclasses.

Shares are 0..1, intervals are of 95 %, labels are places (whole numbers) in tuples of names. Every error is an
`errors.SharesError` with a `code`.

What goes in:

- `faces.Faces`: N counted faces: photo (N,), predicted places (N,) per attribute, posteriors (N, C) where there are
  any, size_px, sharpness, brightness (N,), and width as a part of the picture's (N,). `take` filters.
- `evidence.Evidence`: held-out faces with their true labels; `pack` and `unpack` them as named arrays, for a file.
- `schemes.Scheme`: what is counted. `standard_schemes(classes)` gives race, gender, age in five bands and
  race x gender; `single` one attribute in a taxonomy; `crossing` several together.
- `draws.Draw`: n drawn faces of H strata with frame counts N_h, in the order of serving.
- `answers.Reviews`: R answers of reviewers about drawn faces; `gather` makes Answers (n, K + 1) of them, a scheme each.

Which function answers which question:

- What did the model say, added up? `counted.count_labels` -> Counted, also of crossings that nothing corrects.
- What are the shares if it errs as on the held-out faces? `adjusted.estimate_shares` -> Shares with replicates (B, K).
- How far would they move if it erred otherwise? `sensitivity.find_range` -> Range, which is no confidence interval.
- Why may it err otherwise here? `sensitivity.find_cautions` -> Caution, each `describe`d in a sentence.
- Whom shall people look at? `draws.draw_stratified` (strata: counted labels) or `draw_simple`; later `enlarge`,
  `extend` by new faces, `remove` deleted ones, `rebuild` from a file. A draw of photos is a simple one.
- What are the shares by what people said? `reviewed.estimate_shares` of a stratified draw, `simple.estimate_shares` of
  a simple one -> Shares whose labels end with "cannot tell"; the headline from `reviewed.HEADLINE_FROM` answers on.
- What would more reviews bring? `planning.plan_first` before any, `planning.plan_more` after some -> Plan.
- How many faces were not found? `missed.estimate_missed`, from a draw of photos -> Missed.
- In how many photos is a label seen, alone or not, and how large? `photo_shares.share_photos`, `measure_widths`.
- Do two sets differ, or one from reference shares? `comparing.compare_two`, `compare_reference` -> Comparison. Reviewed
  shares without "cannot tell" are those of `Answers.told()`.
- Do reviewers agree? `agreement.rate_faces`, then `measure_agreement` -> Agreement.
- How often is the model right here? `accuracy.estimate_accuracy`, `estimate_by_group`, `estimate_reliability`.
"""

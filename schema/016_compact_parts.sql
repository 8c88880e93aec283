-- A part of 46,000 spans has 128 files if each column has its own, and 8 if all are in one. To make files is a fifth of an
-- insert's time, and more where many have just been removed, as after a merge: ext4 does not give their numbers away again
-- for a minute, and looks for others one by one. Inserts come to some 60 MiB of columns, so that parts of one or of a few
-- small ones have a file; what they are merged into has a file a column as before.
ALTER TABLE otel_traces MODIFY SETTING min_bytes_for_wide_part = 134217728;
ALTER TABLE spans_lean MODIFY SETTING min_bytes_for_wide_part = 134217728;
